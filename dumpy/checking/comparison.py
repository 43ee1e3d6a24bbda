"""Two sequences of rows in the order of their keys, as SQL may give them, and what differs."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from django.apps import apps
from django.db import connections, router
from django.db.models import CharField, TextField

from dumpy.engines import engine_of
from dumpy.restoring import schema
from dumpy.schema.tables import (
    Column,
    ModelType,
    is_content_type,
    primary_key_fields,
    table_of,
)
from dumpy.writing.database import LEFT_OUT

_WIDTH = 160
_CONTEXT = 30
_CHUNK = 1000

Cells = Mapping[str, str]


class Keyed(NamedTuple):
    """A row: its key, and the text of each value by the name of its column."""

    key: tuple[object, ...]
    cells: Cells


class Difference(NamedTuple):
    """A row that only one side has, or that has other values: the cells of each side."""

    key: tuple[object, ...]
    gone: Cells | None
    come: Cells | None


def differences(first: Iterator[Keyed], second: Iterator[Keyed]) -> Iterator[Difference]:
    """Yield the differences of two sequences in the same order, each row read once."""
    one, other = next(first, None), next(second, None)
    while one is not None or other is not None:
        if other is None or (one is not None and is_before(one, other)):
            assert one is not None
            yield Difference(one.key, one.cells, None)
            one = next(first, None)
        elif one is None or one.key != other.key:
            yield Difference(other.key, None, other.cells)
            other = next(second, None)
        else:
            if one.cells != other.cells:
                yield Difference(one.key, one.cells, other.cells)
            one, other = next(first, None), next(second, None)


def is_before(one: Keyed, other: Keyed) -> bool:
    """Whether a row comes before another one; keys that have no order are compared as texts."""
    try:
        return one.key < other.key
    except TypeError:
        return repr(one.key) < repr(other.key)


def shortened(*texts: str | None) -> list[str | None]:
    """Return two texts from where their difference is seen."""
    start = _start(*texts)
    return [
        text if text is None else f"{'…' if start else ''}{_cut(text[start:])}" for text in texts
    ]


def _start(one: str | None, other: str | None) -> int:
    """Where to begin to show two texts, so that their difference is seen."""
    pairs = enumerate(zip(one or "", other or "", strict=False))
    same = next((i for i, (a, b) in pairs if a != b), min(len(one or ""), len(other or "")))
    return same - _CONTEXT if same > _WIDTH - _CONTEXT else 0


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…"


@dataclass(frozen=True)
class RawTable:
    """A table of the project, read in the order of its key.

    Rows of a many-to-many field have no key of their own: what they link is their key. Content
    types are what they name.
    """

    model: ModelType
    using: str

    @property
    def db_table(self) -> str:
        """The name in the database."""
        return self.model._meta.db_table

    def rows(self, ignored: set[str]) -> Iterator[Keyed]:
        """Yield the rows, without the columns that are ignored."""
        connection = connections[self.using]
        with closing(engine_of(connection).streaming_cursor()) as cursor:
            cursor.execute(self._query)
            names = [column[0] for column in cursor.description]
            own = names[: len(names) - 2 * len(self._content_types) - len(self._doubtful)]
            skipped = ignored | self._given_keys
            while chunk := cursor.fetchmany(_CHUNK):
                for values in chunk:
                    yield self._keyed(self._named(own, values), skipped)

    def _named(self, names: list[str], values: tuple[Any, ...]) -> dict[str, Any]:
        found = {name: _plain(value) for name, value in zip(names, values, strict=False)}
        natural, stored = values[len(names) :], values[len(values) - len(self._doubtful) :]
        for column, value in zip(self._doubtful, stored, strict=True):
            if found[column.db_name] is None or isinstance(found[column.db_name], bool):
                found[column.db_name] = value
        for number, column in enumerate(self._content_types):
            label = natural[2 * number : 2 * number + 2]
            if label[0] is not None:
                found[column.db_name] = tuple(label)
        return found

    def _keyed(self, values: dict[str, Any], skipped: set[str]) -> Keyed:
        key = tuple(values[column.db_name] for column in self._key)
        return Keyed(key, {k: repr(value) for k, value in values.items() if k not in skipped})

    @cached_property
    def _content_types(self) -> list[Column]:
        return [
            column
            for column in table_of(self.model).columns
            if column.references is not None and is_content_type(column.references)
        ]

    @cached_property
    def _doubtful(self) -> list[Column]:
        """The columns of which drivers make False or None where something else is stored."""
        kinds = engine_of(connections[self.using]).lossy
        return [one for one in table_of(self.model).columns if isinstance(one.target, kinds)]

    @cached_property
    def _key(self) -> list[Column]:
        if self.model._meta.auto_created:
            return [column for column in table_of(self.model).columns if column.references]
        return [Column(field) for field in primary_key_fields(self.model)]

    @cached_property
    def _given_keys(self) -> set[str]:
        """The key that the database gives to the rows of a many-to-many field."""
        if not self.model._meta.auto_created:
            return set()
        return {str(field.column) for field in primary_key_fields(self.model)}

    @cached_property
    def _query(self) -> str:
        connection = connections[self.using]
        quote, engine = connection.ops.quote_name, engine_of(connection)
        # What stands for all columns on SQLite is all but the rowid, which a key may be.
        selected = [*(f"t.{quote(one.db_name)}" for one in self._key), "t.*"]
        joined = [f"FROM {quote(self.db_table)} t"]
        for number, column in enumerate(self._content_types):
            selected += [f"c{number}.app_label", f"c{number}.model"]
            joined.append(
                f"LEFT JOIN {quote('django_content_type')} c{number} "
                f"ON c{number}.id = t.{quote(column.db_name)}"
            )
        selected += [engine.as_stored(f"t.{quote(one.db_name)}") for one in self._doubtful]
        order = ", ".join(term for column in self._key for term in self._order(column))
        return f"SELECT {', '.join(selected)} {' '.join(joined)} ORDER BY {order}"

    def _order(self, column: Column) -> Iterator[str]:
        """An order in which Python agrees with the database."""
        connection = connections[self.using]
        if column in self._content_types:
            number = self._content_types.index(column)
            yield from (f"c{number}.app_label", f"c{number}.model")
            return
        name = f"t.{connection.ops.quote_name(column.db_name)}"
        is_text = isinstance(column.target, CharField | TextField)
        yield engine_of(connection).by_code_points(name) if is_text else name


def raw_tables(using: str) -> list[RawTable]:
    """Return the tables of the project that are in a database and that dumps are made of."""
    models = {
        model._meta.db_table: model
        for model in apps.get_models(include_auto_created=True)
        if not model._meta.proxy
        and model._meta.label_lower not in LEFT_OUT
        and router.allow_migrate_model(using, model)
    }
    return [RawTable(models[name], using) for name in schema.there(connections[using], models)]


def keep(rows: Iterator[Keyed], path: Path) -> None:
    """Write rows to a file, to be read with ``kept`` when the table is out of reach."""
    with path.open("wb") as file:
        for row in rows:
            pickle.dump(tuple(row), file)


def kept(path: Path) -> Iterator[Keyed]:
    """Yield the rows that ``keep`` has written."""
    with path.open("rb") as file:
        while True:
            try:
                yield Keyed(*pickle.load(file))
            except EOFError:
                return


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value
