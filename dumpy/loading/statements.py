"""Convert the values of rows for the database, and write rows and links with SQL."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from decimal import Decimal
from functools import cached_property, partial
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import AutoField, JSONField, QuerySet, TextField, Value
from django.db.models.sql import InsertQuery
from django.utils import timezone

from dumpy.conf import require_trusted
from dumpy.engines import engine_of
from dumpy.loading.references import References
from dumpy.schema.stored import as_stored, encoded, is_same_json, is_same_stored
from dumpy.schema.tables import (
    DECIMALS,
    INSTANTS,
    PLACEHOLDERS,
    TEXTS,
    Column,
    Link,
    ModelType,
    Table,
    chunks,
    from_text,
    overrides,
    single,
)
from dumpy.text.words import JSON_NULL, FieldText, Natural, Stored

_NONE = type(None)
_WRAPPER_TYPES = {FieldText, Stored}
Failures = dict[int, tuple[str, Exception]]
"""The name and the exception of the first column that failed, by the position of the row."""

# A field may convert an empty text to None.
_ACCEPTED_TYPES = (_NONE, bytearray, memoryview)
_NUMBER_TYPES = (int, float, Decimal)
# The types of values that can be written as text in several ways.
_TEXT_TYPES = (datetime.datetime, datetime.time, datetime.timedelta, UUID)
_MAX_EXPONENT = 400
Tuples = Sequence[tuple[Any, ...]]


def to_python(
    column: Column, values: Sequence[Any], references: References, failures: Failures
) -> Sequence[Any]:
    """Return the values of one column of a block as values of its field.

    The errors of values that cannot be converted are added to ``failures``: a ``MissingRow`` for a
    reference to a row that does not exist yet.
    """
    types = set(map(type, values))
    if column.references is not None and (
        Natural in types or column.references in references.redirects
    ):
        values = _each(column, values, failures, _resolver(column, references))
        types = set(map(type, values))
    if column.is_json:
        return values
    if column.is_encoded:
        return _each(column, values, failures, _encoder(column, connections[references.using]))
    has_other_types = column.types is not None and not types <= column.types | {_NONE}
    if has_other_types or not types.isdisjoint(_WRAPPER_TYPES):
        values = _each(column, values, failures, _converter(column))
    if column.types == INSTANTS and not _match_use_tz(values):
        return _each(column, values, failures, lambda at: _checked(column, at, localized(at)))
    if column.types == DECIMALS and not _have_places(column, values):
        return _each(column, values, failures, partial(_require_places, column))
    if column.types == TEXTS and not _have_length(column, values, references.using):
        return _each(column, values, failures, partial(_require_length, column))
    return values


def is_same(column: Column, value: object, stored: object) -> bool:
    """Whether a value equals the stored value, which ``as_stored`` reads; JSON by its content."""
    if column.is_json and isinstance(stored, str) and value is not None:
        return is_same_json(_json_writer(column)(value), stored)
    if column.is_encoded:
        return is_same_stored(value, stored)
    if type(value) is not type(stored):
        return False
    # A nan does not equal itself, and 0.0 equals -0.0.
    return repr(value) == repr(stored) if type(value) is float else value == stored


def is_kept(value: object, converted: object) -> bool:
    """Whether the value that a field returned has all the information of the dumped value."""
    if isinstance(converted, datetime.datetime) and isinstance(value, datetime.datetime):
        return _is_same_time(value, converted)
    if (
        converted == value
        or type(converted) is type(value)
        or type(value) in {Natural, *_WRAPPER_TYPES}
    ):
        return True
    if isinstance(value, str) and isinstance(converted, _TEXT_TYPES):
        return True
    if isinstance(value, _NUMBER_TYPES) and isinstance(converted, _NUMBER_TYPES):
        return Decimal(str(converted)) == Decimal(str(value))
    if isinstance(converted, datetime.datetime) and type(value) is datetime.date:
        local = timezone.localtime(converted) if timezone.is_aware(converted) else converted
        return (local.date(), local.time()) == (value, datetime.time())
    # The str() of these types cannot be converted back.
    return str(converted) == str(value) and not isinstance(value, dict | list | bytes | bool)


def _is_same_time(value: datetime.datetime, converted: datetime.datetime) -> bool:
    """Whether an instant is the same after a change of ``USE_TZ``.

    It is not if it is in the hour that occurs twice when clocks go back, or in the hour that is
    left out when they go forward.
    """
    if timezone.is_aware(converted) and timezone.is_naive(value):
        # By way of UTC: a time of the default zone is not converted to it.
        return timezone.make_naive(converted.astimezone(datetime.timezone.utc)) == value
    if timezone.is_naive(converted) and timezone.is_aware(value):
        # In UTC: times of two zones are never equal where clocks go back.
        return (
            timezone.make_aware(converted.replace(fold=0)).astimezone(datetime.timezone.utc)
            == value
        )
    return converted == value


def _each(
    column: Column, values: Sequence[Any], failures: Failures | None, convert: Callable[[Any], Any]
) -> list[Any]:
    try:
        return [value if value is None else convert(value) for value in values]
    except Exception:  # at least one value failed
        if failures is None:
            raise
        converted: list[Any] = []
        for position, value in enumerate(values):
            try:
                converted.append(None if value is None else convert(value))
            except Exception as error:
                failures.setdefault(position, (column.name, error))
                converted.append(None)
        return converted


def _resolver(column: Column, references: References) -> Callable[[Any], Any]:
    name = column.parent_field.attname
    redirects = references.redirects.get(column.references, {}) if column.references else {}

    def resolve(value: Any) -> Any:
        if type(value) is Natural:
            return references.resolve(value, name)
        return redirects.get(value, value)

    return resolve


def _encoder(column: Column, connection: BaseDatabaseWrapper) -> Callable[[Any], Any]:
    """Return the function that converts values of an encoded column to stored values."""

    def encode(value: Any) -> Any:
        if type(value) is Stored:
            return value.value
        require_trusted(column.target, getattr(value, "text", value))
        python = from_text(column, value.text) if type(value) is FieldText else value
        return encoded(column, python, connection)

    return encode


def _converter(column: Column) -> Callable[[Any], Any]:
    types = column.types or frozenset()

    def convert(value: Any) -> Any:
        if type(value) is FieldText:
            require_trusted(column.target, value.text)
            return from_text(column, value.text)
        if type(value) is Stored:
            value = value.value
        if value is None or type(value) in types:
            return value
        if str in types:
            return _checked(column, value, str(value))
        return _converted(column, value)

    return convert


def _converted(column: Column, value: Any) -> Any:
    require_trusted(column.target, value)
    if type(value) is Decimal and value.adjusted() > _MAX_EXPONENT:
        # As an integer, a number with an exponent of 131,072 takes most of a second.
        raise ValidationError(f"the number is too large for {column.name!r}.")
    try:
        converted = column.target.to_python(value)
    except (TypeError, AttributeError) as error:
        raise ValidationError(f"{value!r} is not a valid value for {column.name!r}.") from error
    if column.types is not None and not isinstance(converted, (*column.types, *_ACCEPTED_TYPES)):
        # A field may return its argument, as Django's for bytes does; SQLite would store it.
        raise ValidationError(f"{value!r} is not a valid value for {column.name!r}.")
    return _checked(column, value, converted)


def _checked(column: Column, value: Any, converted: Any) -> Any:
    """Return a converted value; raises ``ValidationError`` if information was lost."""
    if not is_kept(value, converted):
        raise ValidationError(f"{column.name}: {value!r} would become {converted!r}.")
    return converted


def _have_places(column: Column, values: Sequence[Any]) -> bool:
    """Whether all numbers have the decimal places of their field."""
    places = getattr(column.target, "decimal_places", None)
    unit = None if places is None else Decimal(1).scaleb(-places)
    return unit is None or all(map(unit.same_quantum, filter(None, values)))


def _require_places(column: Column, value: Decimal) -> Decimal:
    """Return a number; raises ``ValidationError`` if a database would round it."""
    target: Any = column.target
    if len(f"{value:f}".partition(".")[2].rstrip("0")) > target.decimal_places:
        raise ValidationError(
            f"{column.name}: {value} has more than {target.decimal_places} decimal places."
        )
    return value


def _have_length(column: Column, values: Sequence[Any], using: str) -> bool:
    """Whether all texts fit into their column, or the database cuts none of them off."""
    limit: int | None = getattr(column.target, "max_length", None)
    cuts_blanks = engine_of(connections[using]).cuts_blanks
    if limit is None or not cuts_blanks or isinstance(column.target, TextField):
        return True
    return max(map(len, filter(None, values)), default=0) <= limit


def _require_length(column: Column, value: str) -> str:
    """Return a text; raises ``ValidationError`` if a database would cut off blanks at its end.

    Databases refuse other texts that are too long.
    """
    limit: Any = column.target.max_length
    if len(value) > limit >= len(value.rstrip(" ")):
        raise ValidationError(
            f"{column.name}: a text has more than {limit} characters. The database would cut off "
            "the blanks at its end."
        )
    return value


def _match_use_tz(values: Sequence[Any]) -> bool:
    """Whether instants are aware if ``USE_TZ`` is True, and naive otherwise."""
    is_naive = {value.tzinfo is None for value in values if value is not None}
    return is_naive <= {not settings.USE_TZ}


def localized(value: datetime.datetime) -> datetime.datetime:
    """Make an instant aware or naive, as ``USE_TZ`` says, in the default time zone."""
    if settings.USE_TZ:
        return timezone.make_aware(value) if value.tzinfo is None else value
    return value if value.tzinfo is None else timezone.make_naive(value)


def _preparation(column: Column, connection: BaseDatabaseWrapper) -> Callable[[Any], Any] | None:
    """Return the function that prepares values of a column for the driver, or None."""
    if column.is_json:
        return _json_writer(column)
    if column.is_encoded:
        return None
    return engine_of(connection).preparation(column)


def _json_writer(column: Column) -> Callable[[Any], str]:
    encoder = getattr(column.target, "encoder", None)

    def write(value: Any) -> str:
        return json.dumps(None if value is JSON_NULL else value, cls=encoder)

    return write


class Statements:
    """Inserts, updates and deletes rows of one table, given as tuples of database values."""

    def __init__(self, model: ModelType, columns: Sequence[Column], using: str) -> None:
        self.model = model
        self.columns = columns
        self.using = using
        self._connection: BaseDatabaseWrapper = connections[using]
        self._engine = engine_of(self._connection)
        quote = self._connection.ops.quote_name
        self._table = quote(model._meta.db_table).replace("%", "%%")
        self._names = [quote(column.db_name).replace("%", "%%") for column in columns]
        self._auto = [i for i, column in enumerate(columns) if isinstance(column.field, AutoField)]
        wants_python = self.wants_python  # Django's compiler prepares values itself.
        self._preparations = [
            None if wants_python else _preparation(column, self._connection) for column in columns
        ]

    def is_empty(self) -> bool:
        """Whether the table has no rows."""
        with self._connection.cursor() as cursor:
            cursor.execute(f"SELECT 1 FROM {self._table} LIMIT 1")
            return cursor.fetchone() is None

    @cached_property
    def wants_python(self) -> bool:
        """Whether Django's compiler must prepare the values of rows.

        It must for fields that wrap values in SQL, such as those of ``contrib.gis``.
        """
        return any(
            overrides(type(column.field), PLACEHOLDERS, *self._engine.plain)
            for column in self.columns
        )

    def prepared(
        self, columns: Iterable[Sequence[Any]], failures: Failures | None = None
    ) -> list[Sequence[Any]]:
        """Return values of fields, passed as columns, as the driver takes them.

        Without ``failures``, the error of a value that the driver does not take is raised.
        """
        return [
            values if prepare is None else _each(column, values, failures, prepare)
            for column, values, prepare in zip(
                self.columns, columns, self._preparations, strict=True
            )
        ]

    def insert(self, columns: Sequence[Sequence[Any]]) -> None:
        """Insert rows, which are passed as columns."""
        has_zero = any(0 in columns[i] for i in self._auto)
        with self._engine.storing_unchanged(has_zero=has_zero):
            if self.wants_python:
                self._insert_with_django(list(zip(*columns, strict=True)))
            else:
                self._engine.insert(self._table, self._names, columns)

    def update(self, rows: Tuples, changed: Sequence[int], key: Sequence[int]) -> None:
        """Set the columns at the positions ``changed`` where those at ``key`` are equal."""
        if not rows or not changed:
            return
        with self._engine.storing_unchanged(has_zero=False):
            if self.wants_python:
                self._update_with_django(rows, changed, key)
                return
            sets = ", ".join(f"{self._names[i]} = %s" for i in changed)
            sql = f"UPDATE {self._table} SET {sets} WHERE {self._where(key)}"
            self._execute_many(sql, [tuple(row[i] for i in (*changed, *key)) for row in rows])

    def _update_with_django(self, rows: Tuples, changed: Sequence[int], key: Sequence[int]) -> None:
        names = [column.name for column in self.columns]
        for row in rows:
            stored: QuerySet[Any] = QuerySet(self.model, using=self.using)
            values = {names[i]: _field_value(self.columns[i], row[i]) for i in changed}
            stored.filter(**{names[i]: row[i] for i in key}).update(**values)

    def delete(self, rows: Tuples, key: Sequence[int]) -> None:
        """Delete the rows whose columns at ``key`` are equal."""
        arguments = [tuple(row[i] for i in key) for row in rows]
        self._execute_many(f"DELETE FROM {self._table} WHERE {self._where(key)}", arguments)

    def _where(self, key: Sequence[int]) -> str:
        return " AND ".join(f"{self._names[i]} = %s" for i in key)

    def _execute_many(self, sql: str, rows: Tuples) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(sql, rows)

    def _insert_with_django(self, rows: Tuples) -> None:
        objects: list[Any] = [
            SimpleNamespace(
                **{
                    column.name: _field_value(column, value)
                    for column, value in zip(self.columns, row, strict=True)
                }
            )
            for row in rows
        ]
        query = InsertQuery(self.model)
        query.insert_values([column.field for column in self.columns], objects, raw=True)
        query.get_compiler(using=self.using).execute_sql()


def _field_value(column: Column, value: Any) -> Any:
    """Return a value for Django's compiler, which would encode a value again."""
    if value is JSON_NULL:
        return Value(None, JSONField())
    if not column.is_encoded:
        return value
    field: Any = copy(column.field)
    field.get_db_prep_save = lambda encoded_value, connection: encoded_value
    return Value(value, field)


def stored_rows(
    table: Table, columns: Sequence[Column], keys: Iterable[object], using: str
) -> Iterator[tuple[object, tuple[Any, ...]]]:
    """Yield the primary key and the stored values of the rows with some primary keys."""
    key = table.key
    expressions = [as_stored(column) for column in columns]
    for chunk in chunks(keys):
        rows = QuerySet(table.model, using=using).filter(pk__in=chunk)
        for row in rows.values_list(*key, *expressions):
            yield single(row[: len(key)]), tuple(row[len(key) :])


class LinkLoader:
    """Writes the links of one many-to-many field, one block at a time."""

    def __init__(self, link: Link, references: References) -> None:
        self.link = link
        self._references = references
        self._statements = Statements(link.through, (link.source, link.target), references.using)
        self._is_empty: bool | None = None

    def convert(self, lists: Sequence[Any], failures: Failures) -> list[list[Any]]:
        """Return the primary keys that each row is linked to."""
        return [self._keys(position, values, failures) for position, values in enumerate(lists)]

    def write(self, sources: Sequence[object], lists: Sequence[list[Any]]) -> set[object]:
        """Link each source to the targets in its list only; return the sources that changed."""
        links = dict.fromkeys(
            (source, target)
            for source, targets in zip(sources, lists, strict=True)
            for target in targets
        )
        stored = self._stored(sources)
        new = [link for link in links if link not in stored]
        removed = stored - links.keys()
        if new:
            self._statements.insert(self._prepared(new))
        if removed:
            rows = list(zip(*self._prepared(sorted(removed, key=repr)), strict=True))
            self._statements.delete(rows, (0, 1))
        return {source for source, _target in [*new, *removed]}

    def _keys(self, position: int, values: Any, failures: Failures) -> list[Any]:
        if not isinstance(values, list):
            error = ValidationError(f"{self.link.name!r} must be a list, not {values!r}.")
            failures.setdefault(position, (self.link.name, error))
            return []
        link_failures: Failures = {}
        keys = list(to_python(self.link.target, values, self._references, link_failures))
        for _name, failure in link_failures.values():
            failures.setdefault(position, (self.link.name, failure))
        return keys

    def _stored(self, sources: Iterable[object]) -> set[tuple[Any, Any]]:
        if self._is_empty is None:
            self._is_empty = self._statements.is_empty()
        if self._is_empty:
            return set()
        source, target = self.link.source.name, self.link.target.name
        rows = QuerySet(self.link.through, using=self._references.using).order_by()
        return {
            link
            for chunk in chunks(sources)
            for link in rows.filter(**{f"{source}__in": chunk}).values_list(source, target)
        }

    def _prepared(self, links: Iterable[tuple[Any, Any]]) -> list[Sequence[Any]]:
        return self._statements.prepared(zip(*links, strict=True))

    def require_queries(self) -> None:
        """Query existing links from now on: the load may have written some for the same rows."""
        self._is_empty = False
