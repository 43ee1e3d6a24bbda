"""Values of rows, from the dump to the database, and the SQL of rows and links."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from decimal import Decimal
from functools import cached_property, partial
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import AutoField, JSONField, QuerySet, Value
from django.db.models.sql import InsertQuery
from django.utils import timezone

from dumpy.conf import require_trusted
from dumpy.engines import engine_of
from dumpy.loading.references import References
from dumpy.schema.stored import as_stored, encoded, is_same_stored
from dumpy.schema.tables import (
    DECIMALS,
    INSTANTS,
    Column,
    Link,
    ModelType,
    Table,
    chunks,
    from_text,
    single,
)
from dumpy.text.words import JSON_NULL, FieldText, Natural, Stored

NONE = type(None)
_WRAPPED = {FieldText, Stored}
Failures = dict[int, tuple[str, Exception]]
"""Of rows, by position: the name of the first column that failed, and the exception."""

# None: a field may take an empty text for it.
_ALSO = (NONE, bytearray, memoryview)
_NUMBERS = (int, float, Decimal)
# Texts show these in several ways.
_SPELLED = (datetime.datetime, datetime.time, datetime.timedelta, UUID)
_MAX_EXPONENT = 400
Tuples = Sequence[tuple[Any, ...]]


def to_python(
    column: Column, values: Sequence[Any], references: References, failures: Failures
) -> Sequence[Any]:
    """Return the values of one column of a block as values of its field.

    The errors of values that cannot be converted are added to ``failures``: a ``MissingRow`` for a
    reference to a row that does not exist yet.
    """
    kinds = set(map(type, values))
    if column.references is not None and (
        Natural in kinds or column.references in references.redirects
    ):
        values = _each(column, values, failures, _follower(column, references))
        kinds = set(map(type, values))
    if column.is_json:
        return values
    if column.is_encoded:
        return _each(column, values, failures, _encoder(column, connections[references.using]))
    is_unusual = column.types is not None and not kinds <= column.types | {NONE}
    if is_unusual or not kinds.isdisjoint(_WRAPPED):
        values = _each(column, values, failures, _converter(column))
    if column.types == INSTANTS and not _are_in_zone(values):
        return _each(column, values, failures, lambda one: _whole(column, one, _in_zone(one)))
    if column.types == DECIMALS and not _have_places(column, values):
        return _each(column, values, failures, partial(_fitting, column))
    return values


def to_database(
    column: Column, values: Sequence[Any], connection: BaseDatabaseWrapper, failures: Failures
) -> Sequence[Any]:
    """Return values of the field of a column as the driver takes them."""
    return prepared(column, values, preparation(column, connection), failures)


def prepared(
    column: Column,
    values: Sequence[Any],
    prepare: Callable[[Any], Any] | None,
    failures: Failures,
) -> Sequence[Any]:
    """Return values as ``prepare`` makes them, None for one that takes them as they are."""
    return values if prepare is None else _each(column, values, failures, prepare)


def is_same(column: Column, one: object, other: object) -> bool:
    """Whether a row would store the value that is stored; JSON is compared as JSON.

    ``other`` is as ``dumpy.schema.stored.as_stored`` reads it: a text for JSON.
    """
    if column.is_json and isinstance(other, str) and one is not None:
        written = _json_writer(column)(one)
        return written == other or _sorted_json(written) == _sorted_json(other)
    if column.is_encoded:
        return is_same_stored(one, other)
    if type(one) is not type(other):
        return False
    # A nan does not equal itself, and 0.0 equals -0.0.
    return repr(one) == repr(other) if type(one) is float else one == other


def _sorted_json(text: str) -> str:
    """Return what a JSON text says, with all digits; only as JSON have all keys an order."""

    def in_order(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return dict(sorted(dict(pairs).items()))

    return repr(json.loads(text, parse_float=Decimal, object_pairs_hook=in_order))


def is_kept(value: object, made: object) -> bool:
    """Whether what a field has made of a dumped value says all that it said, in another type."""
    if isinstance(made, datetime.datetime) and isinstance(value, datetime.datetime):
        return _is_same_time(value, made)
    if made == value or type(made) is type(value) or type(value) in {Natural, *_WRAPPED}:
        return True
    if isinstance(value, str) and isinstance(made, _SPELLED):
        return True
    if isinstance(value, _NUMBERS) and isinstance(made, _NUMBERS):
        return Decimal(str(made)) == Decimal(str(value))
    if isinstance(made, datetime.datetime) and type(value) is datetime.date:
        local = timezone.localtime(made) if timezone.is_aware(made) else made
        return (local.date(), local.time()) == (value, datetime.time())
    # What Python writes for these is no text that anybody reads again.
    return str(made) == str(value) and not isinstance(value, dict | list | bytes | bool)


def _is_same_time(value: datetime.datetime, made: datetime.datetime) -> bool:
    """Whether an instant is still the one that was dumped, for another ``USE_TZ``.

    No naive time says which of two hours it is where clocks go back, and none is in the hour that
    they leave out where they go forward.
    """
    if timezone.is_aware(made) and timezone.is_naive(value):
        # By way of UTC: a time of the default zone is not converted to it.
        return timezone.make_naive(made.astimezone(datetime.timezone.utc)) == value
    if timezone.is_naive(made) and timezone.is_aware(value):
        # In UTC: times of two zones are never equal where clocks go back.
        return timezone.make_aware(made.replace(fold=0)).astimezone(datetime.timezone.utc) == value
    return made == value


def _each(
    column: Column, values: Sequence[Any], failures: Failures, convert: Callable[[Any], Any]
) -> list[Any]:
    try:
        return [value if value is None else convert(value) for value in values]
    except Exception:  # one of them; find out which
        converted: list[Any] = []
        for position, value in enumerate(values):
            try:
                converted.append(None if value is None else convert(value))
            except Exception as error:
                failures.setdefault(position, (column.name, error))
                converted.append(None)
        return converted


def _follower(column: Column, references: References) -> Callable[[Any], Any]:
    name = column.parent_field.attname
    redirects = references.redirects.get(column.references, {}) if column.references else {}

    def follow(value: Any) -> Any:
        return (
            references.resolve(value, name)
            if type(value) is Natural
            else redirects.get(value, value)
        )

    return follow


def _encoder(column: Column, connection: BaseDatabaseWrapper) -> Callable[[Any], Any]:
    """Values of an encoded column are handled as they are stored."""

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
        if type(value) in types:
            return value
        if str in types:
            return _whole(column, value, str(value))
        return _converted(column, value)

    return convert


def _converted(column: Column, value: Any) -> Any:
    require_trusted(column.target, value)
    if type(value) is Decimal and value.adjusted() > _MAX_EXPONENT:
        # As an integer, a number with an exponent of 131,072 takes most of a second.
        raise ValidationError(f"the number is too large for {column.name!r}.")
    try:
        made = column.target.to_python(value)
    except (TypeError, AttributeError) as error:
        raise ValidationError(f"{value!r} is not a valid value for {column.name!r}.") from error
    if column.types is not None and not isinstance(made, (*column.types, *_ALSO)):
        # A field may give back what it is given, as Django's for bytes does; SQLite stores it.
        raise ValidationError(f"{value!r} is not a valid value for {column.name!r}.")
    return _whole(column, value, made)


def _whole(column: Column, value: Any, made: Any) -> Any:
    """Return what a field makes of a value, if it says all that the value says."""
    if not is_kept(value, made):
        raise ValidationError(f"{column.name}: {value!r} would become {made!r}.")
    return made


def _have_places(column: Column, values: Sequence[Any]) -> bool:
    """Whether all numbers have as many decimal places as their field."""
    places = getattr(column.target, "decimal_places", None)
    unit = None if places is None else Decimal(1).scaleb(-places)
    return unit is None or all(map(unit.same_quantum, filter(None, values)))


def _fitting(column: Column, value: Decimal) -> Decimal:
    """Return a number; raise ``ValidationError`` if a database would round it."""
    target: Any = column.target
    if len(f"{value:f}".partition(".")[2].rstrip("0")) > target.decimal_places:
        said = f"{value} has more than {target.decimal_places} decimal places."
        raise ValidationError(f"{column.name}: {said}")
    return value


def _are_in_zone(values: Sequence[Any]) -> bool:
    """Whether all instants are as ``USE_TZ`` wants them."""
    naive = {value.tzinfo is None for value in values if value is not None}
    return naive <= {not settings.USE_TZ}


def _in_zone(value: datetime.datetime) -> datetime.datetime:
    """An instant as ``USE_TZ`` wants it: the zone of naive times is the default one."""
    if settings.USE_TZ:
        return timezone.make_aware(value) if value.tzinfo is None else value
    return value if value.tzinfo is None else timezone.make_naive(value)


def preparation(column: Column, connection: BaseDatabaseWrapper) -> Callable[[Any], Any] | None:
    """Return what makes values of a column such as the driver takes, None if they are."""
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

    def is_empty(self) -> bool:
        """Whether the table has no rows."""
        with self._connection.cursor() as cursor:
            cursor.execute(f"SELECT 1 FROM {self._table} LIMIT 1")
            return cursor.fetchone() is None

    @cached_property
    def wants_python(self) -> bool:
        """Whether rows are given as values of their fields, for Django's compiler to prepare.

        So for fields that put SQL of their own around a value: those of ``contrib.gis``, say.
        """
        modules = {_placeholder_module(column) for column in self.columns} - {""}
        return any(not module.startswith(self._engine.plain) for module in modules)

    def insert(self, columns: Sequence[Sequence[Any]]) -> None:
        """Insert rows given as columns."""
        has_zero = any(0 in columns[i] for i in self._auto)
        with self._engine.storing_zero() if has_zero else nullcontext():
            if self.wants_python:
                self._compile(list(zip(*columns, strict=True)))
            else:
                self._engine.insert(self._table, self._names, columns)

    def update(self, rows: Tuples, changed: Sequence[int], key: Sequence[int]) -> None:
        """Set the columns at the positions ``changed`` where those at ``key`` are equal."""
        if not rows or not changed:
            return
        if self.wants_python:
            self._update_each(rows, changed, key)
            return
        sets = ", ".join(f"{self._names[i]} = %s" for i in changed)
        arguments = [tuple(row[i] for i in (*changed, *key)) for row in rows]
        self._many(f"UPDATE {self._table} SET {sets} WHERE {self._where(key)}", arguments)

    def _update_each(self, rows: Tuples, changed: Sequence[int], key: Sequence[int]) -> None:
        """Let Django prepare the values; only so are they what an insert has made of them."""
        names = [column.name for column in self.columns]
        for row in rows:
            found = QuerySet(self.model, using=self.using).filter(**{names[i]: row[i] for i in key})
            found.update(**{names[i]: _as_field_value(row[i]) for i in changed})

    def delete(self, rows: Tuples, key: Sequence[int]) -> None:
        """Delete the rows whose columns at ``key`` are equal."""
        arguments = [tuple(row[i] for i in key) for row in rows]
        self._many(f"DELETE FROM {self._table} WHERE {self._where(key)}", arguments)

    def _where(self, key: Sequence[int]) -> str:
        return " AND ".join(f"{self._names[i]} = %s" for i in key)

    def _many(self, sql: str, rows: Tuples) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(sql, rows)

    def _compile(self, rows: Tuples) -> None:
        names = [column.name for column in self.columns]
        holders: list[Any] = [
            SimpleNamespace(**dict(zip(names, map(_as_field_value, row), strict=True)))
            for row in rows
        ]
        query = InsertQuery(self.model)
        query.insert_values([column.field for column in self.columns], holders, raw=True)
        query.get_compiler(using=self.using).execute_sql()


def _as_field_value(value: Any) -> Any:
    return Value(None, JSONField()) if value is JSON_NULL else value


def _placeholder_module(column: Column) -> str:
    """The module that defines the SQL which a field puts around its value, or ``""``."""
    for name in ("get_placeholder", "get_placeholder_sql"):
        method = getattr(type(column.field), name, None)
        if method is not None:
            return str(method.__module__)
    return ""


def existing(
    table: Table, columns: Sequence[Column], keys: Iterable[object], using: str
) -> Iterator[tuple[object, tuple[Any, ...]]]:
    """Yield the primary key and the values of the rows with these primary keys."""
    names = table.key
    expressions = [as_stored(column) for column in columns]
    for some in chunks(keys):
        rows = QuerySet(table.model, using=using).filter(pk__in=some)
        for row in rows.values_list(*names, *expressions):
            yield single(row[: len(names)]), tuple(row[len(names) :])


class LinkLoader:
    """Puts the values of one many-to-many field into its through table, a batch at a time."""

    def __init__(self, link: Link, references: References) -> None:
        self.link = link
        self._references = references
        self._statements = Statements(link.through, (link.source, link.target), references.using)
        self._is_empty: bool | None = None

    def convert(self, lists: Sequence[Any], failures: Failures) -> list[list[Any]]:
        """Return the primary keys that each row is linked to."""
        return [
            self._converted(position, values, failures) for position, values in enumerate(lists)
        ]

    def write(self, sources: Sequence[object], lists: Sequence[list[Any]]) -> set[object]:
        """Link each source to exactly the targets in its list; return the sources that changed."""
        wanted = dict.fromkeys(
            (source, target)
            for source, targets in zip(sources, lists, strict=True)
            for target in targets
        )
        stored = self._stored(sources)
        new = [pair for pair in wanted if pair not in stored]
        gone = stored - wanted.keys()
        if new:
            self._statements.insert(list(zip(*self._rows(new), strict=True)))
        if gone:
            self._statements.delete(self._rows(sorted(gone, key=repr)), (0, 1))
        return {source for source, _target in [*new, *gone]}

    def _converted(self, position: int, values: Any, failures: Failures) -> list[Any]:
        if not isinstance(values, list):
            no_list = ValidationError(f"{self.link.name!r} must be a list, not {values!r}.")
            failures.setdefault(position, (self.link.name, no_list))
            return []
        wrong: Failures = {}
        found = list(to_python(self.link.target, values, self._references, wrong))
        for _name, error in wrong.values():
            failures.setdefault(position, (self.link.name, error))
        return found

    def _stored(self, sources: Iterable[object]) -> set[tuple[Any, Any]]:
        if self._is_empty is None:
            self._is_empty = self._statements.is_empty()
        if self._is_empty:
            return set()
        source, target = self.link.source.name, self.link.target.name
        rows = QuerySet(self.link.through, using=self._references.using).order_by()
        return {
            pair
            for some in chunks(sources)
            for pair in rows.filter(**{f"{source}__in": some}).values_list(source, target)
        }

    def _rows(self, pairs: Sequence[tuple[Any, Any]]) -> list[tuple[Any, ...]]:
        if not pairs:
            return []
        connection = connections[self._references.using]
        failures: Failures = {}
        columns = zip((self.link.source, self.link.target), zip(*pairs, strict=True), strict=True)
        prepared = [to_database(column, values, connection, failures) for column, values in columns]
        return list(zip(*prepared, strict=True))

    def look_again(self) -> None:
        """Look links up from now on: the table may hold some that an earlier batch brought."""
        self._is_empty = False
