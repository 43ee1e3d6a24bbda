"""The SQL of rows and links."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from functools import cached_property
from types import SimpleNamespace
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import AutoField, JSONField, QuerySet, Value
from django.db.models.sql import InsertQuery

from dumpy.engines import engine_of
from dumpy.loading.references import References
from dumpy.loading.values import Failures, to_database, to_python
from dumpy.schema.stored import as_stored
from dumpy.schema.tables import Column, Link, ModelType, Table
from dumpy.text.words import JSON_NULL

_KEYS_PER_QUERY = 500
Tuples = Sequence[tuple[Any, ...]]


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

    def insert(self, rows: Tuples) -> None:
        """Insert rows."""
        if not rows:
            return
        has_zero = any(row[i] == 0 for row in rows for i in self._auto)
        with self._engine.storing_zero() if has_zero else nullcontext():
            if self.wants_python:
                self._compile(rows)
            else:
                self._engine.insert(self._table, self._names, rows)

    def insert_columns(self, columns: Sequence[Sequence[Any]]) -> None:
        """Insert rows given as columns."""
        if self.wants_python:
            self.insert(list(zip(*columns, strict=True)))
            return
        has_zero = any(0 in columns[i] for i in self._auto)
        with self._engine.storing_zero() if has_zero else nullcontext():
            self._engine.insert_columns(self._table, self._names, columns)

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
    wanted = list(keys)
    names = table.key
    expressions = [as_stored(column) for column in columns]
    for start in range(0, len(wanted), _KEYS_PER_QUERY):
        some = wanted[start : start + _KEYS_PER_QUERY]
        rows = QuerySet(table.model, using=using).filter(pk__in=some)
        for row in rows.values_list(*names, *expressions):
            key = row[: len(names)]
            yield key[0] if len(names) == 1 else tuple(key), tuple(row[len(names) :])


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
        self._statements.insert(self._rows(new))
        if gone:
            self._statements.delete(self._rows(sorted(gone, key=repr)), (0, 1))
        return {source for source, _target in [*new, *gone]}

    def _converted(self, position: int, values: Any, failures: Failures) -> list[Any]:
        if not isinstance(values, list):
            failures.setdefault(
                position, ValidationError(f"{self.link.name!r} must be a list, not {values!r}.")
            )
            return []
        wrong: Failures = {}
        found = list(to_python(self.link.target, values, self._references, wrong))
        for error in wrong.values():
            failures.setdefault(position, error)
        return found

    def _stored(self, sources: Iterable[object]) -> set[tuple[Any, Any]]:
        if self._is_empty is None:
            self._is_empty = self._statements.is_empty()
        return set() if self._is_empty else self._pairs(list(sources))

    def _pairs(self, sources: list[object]) -> set[tuple[Any, Any]]:
        source, target = self.link.source.name, self.link.target.name
        rows = QuerySet(self.link.through, using=self._references.using).order_by()
        return {
            pair
            for start in range(0, len(sources), _KEYS_PER_QUERY)
            for pair in rows.filter(
                **{f"{source}__in": sources[start : start + _KEYS_PER_QUERY]}
            ).values_list(source, target)
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
