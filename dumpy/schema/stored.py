"""Values as they are stored, for fields whose Python values lose information."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db.models import BooleanField, ExpressionWrapper, F, Field, Func, TextField

from dumpy.schema.tables import Column
from dumpy.text.words import SCALARS

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
    if type(value) is type(stored) is list:
        return len(value) == len(stored) and all(map(is_same_stored, value, stored))
    is_json, value = hasattr(value, "dumps"), _unwrapped(value)
    if is_json and type(stored) is str:
        return is_same_json(value, stored)
    if type(value) is type(stored):
        return value is stored or bool(value == stored)
    try:
        return Decimal(str(value)) == Decimal(str(stored))
    except InvalidOperation:
        return False


def as_returned(prepared: Any, value: Any) -> Any:
    """Return a value, which was prepared for the driver, as the driver would return it.

    This is ``value`` itself if that is not known, and for a part of an array that has more
    dimensions than its field, of which the field makes a text.
    """
    if type(prepared) is type(value) is list:
        return [
            inner if type(inner) is list and type(given) is str else as_returned(given, inner)
            for given, inner in zip(prepared, value, strict=True)
        ]
    prepared = _unwrapped(prepared)
    return prepared if type(prepared) in SCALARS else value


def _unwrapped(value: Any) -> Any:
    """Return bytes, or JSON as text, from the wrappers of psycopg or psycopg2."""
    inner = getattr(value, "obj", getattr(value, "adapted", value))
    if hasattr(value, "dumps"):
        return value.dumps(inner)
    return bytes(inner) if isinstance(inner, memoryview | bytearray) else inner


def is_same_json(first: str, second: str) -> bool:
    """Whether two texts are the same JSON, whatever the order of keys; numbers have all digits."""

    def in_order(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return dict(sorted(dict(pairs).items()))

    read = partial(json.loads, parse_float=Decimal, object_pairs_hook=in_order)
    return first == second or repr(read(first)) == repr(read(second))


def _coordinates(column: Column, value: object) -> bytes:
    return bytes(column.target.get_prep_value(value).ewkb)
