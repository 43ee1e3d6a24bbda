"""Values as they are stored, for fields whose Python values lose information."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from django.db.models import BooleanField, ExpressionWrapper, F, Field, Func, TextField

from dumpy.schema.tables import Column

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.sql.compiler import SQLCompiler


class _Unconverted(Func):
    """A column without its type, for which SQLite's driver would turn a boolean 7 into False."""

    template = "%(expressions)s"
    # Comparing expressions by their arguments, like Django, takes longer than the query.
    identity = property(id)

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any
    ) -> tuple[str, Any]:
        return self.as_sql(compiler, connection, template="+%(expressions)s", **context)


def as_stored(column: Column) -> Any:
    """Return the expression that reads the stored value of a column, usually its name.

    JSON is read as text, to distinguish a JSON null from an SQL NULL. The values of a custom field
    are read as the driver returns them.
    """
    if column.is_json:
        return ExpressionWrapper(F(column.name), TextField())
    if column.is_encoded:
        return _Unconverted(F(column.name), output_field=Field())
    if isinstance(column.target, BooleanField):
        return _Unconverted(F(column.name))
    return column.name


def as_driven(column: Column) -> Any:
    """Return the expression that reads a column as the driver returns it, without converters."""
    if column.is_json:
        return as_stored(column)
    if column.wraps_sql:
        return ExpressionWrapper(F(column.name), output_field=column.target)
    return _Unconverted(F(column.name), output_field=Field())


def decoder(column: Column, connection: BaseDatabaseWrapper) -> Callable[[Any], Any] | None:
    """Return the function that converts the driver's value to Django's, or None."""
    expression = column.field.get_col(column.field.model._meta.db_table)
    converters = [
        *connection.ops.get_db_converters(expression),
        *expression.get_db_converters(connection),
    ]
    if column.is_json or not converters:
        return None

    def decode(value: Any) -> Any:
        for convert in converters:
            value = convert(value, expression, connection)
        return value

    return decode


def encoded(column: Column, value: object, connection: BaseDatabaseWrapper) -> Any:
    """Return the stored value for a value of a field."""
    return column.target.get_db_prep_save(value, connection)


def is_stored_alike(
    column: Column, first: object, second: object, connection: BaseDatabaseWrapper
) -> bool:
    """Whether a field stores two values as the same value."""
    if hasattr(column.target, "geom_type"):
        # Geometries are compared without their third dimension, and their text is rounded.
        return bool(_coordinates(column, first) == _coordinates(column, second))
    if type(first) is type(second) and first == second:
        return True
    stored = [encoded(column, value, connection) for value in (first, second)]
    return type(stored[0]) is type(stored[1]) and bool(stored[0] == stored[1])


def is_same_stored(value: Any, stored: Any) -> bool:
    """Whether ``value``, prepared for the driver, equals ``stored``, returned by the driver."""
    value = getattr(value, "obj", value)  # psycopg's wrapper of bytes and JSON
    if isinstance(value, memoryview | bytearray):
        value = bytes(value)
    if type(value) is type(stored):
        return bool(value == stored)
    try:
        return Decimal(str(value)) == Decimal(str(stored))
    except InvalidOperation:
        return False


def _coordinates(column: Column, value: object) -> bytes:
    return bytes(column.target.get_prep_value(value).ewkb)
