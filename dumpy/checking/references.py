"""Which references of a dump lead to no row of it, whatever their number: found on the disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from dumpy.checking.findings import SHOWN
from dumpy.checking.uniques import Where, storable
from dumpy.dump import Natural
from dumpy.loading.references import is_constrained
from dumpy.loading.special import is_special
from dumpy.schema.tables import Column, Table, is_content_type, table_of

_PER_QUERY = 500
# Beyond this they are looked up again, to keep memory flat.
_REMEMBERED = 10_000
Key = tuple[str, str]
"""The label of a model, and the name of a field that is referred to."""


@dataclass(frozen=True)
class Source:
    """A field that refers to rows: the number of its model in the dump, its name, and where to."""

    model: int
    name: str
    key: Key


@dataclass(frozen=True)
class Lost:
    """References of one field that lead nowhere: how many rows, and where the first few are."""

    source: Source
    rows: int
    first: tuple[Where, ...]


@dataclass
class ReferenceCheck:
    """Looks for references to rows that the dump does not have.

    ``loaded`` are the labels of the models with rows that can be read, ``named`` those that the
    dump names. What cannot be checked goes into ``unseen``, as sentences.
    """

    connection: sqlite3.Connection
    using: str
    loaded: frozenset[str]
    named: frozenset[str]
    unseen: dict[str, None] = field(default_factory=dict)
    _tables: dict[Key, str] = field(default_factory=dict)
    _sources: dict[Source, int] = field(default_factory=dict)
    _seen: dict[str, set[object]] = field(default_factory=dict)

    def wanted(self, tables: Iterable[Table]) -> None:
        """Say of which tables the references will be given: the keys are kept that they lead to."""
        self.connection.execute("CREATE TABLE lost (source, value, pk, part, line)")
        for table in tables:
            for column in (*table.columns, *(link.target for link in table.links)):
                if self.is_checked(column) and (key := key_of(column)) not in self._tables:
                    name = f"key_{len(self._tables)}"
                    self._tables[key] = name
                    create = f"CREATE TABLE {name} (value PRIMARY KEY) WITHOUT ROWID"
                    self.connection.execute(create)

    def is_checked(self, column: Column) -> bool:
        """Whether the rows that a column refers to must be in the dump."""
        model = column.references
        if model is None or is_content_type(model) or not is_constrained(column, self.using):
            return False
        label = model._meta.label
        if label not in self.loaded and (label not in self.named or is_special(model)):
            self.unseen[f"references to {label}"] = None
            return False
        return True

    def add_keys(self, table: Table, python: Mapping[str, Sequence[Any]]) -> None:
        """Take the values of rows that may be referred to."""
        for (label, name), keys in list(self._tables.items()):
            if label != table.label:
                continue
            if name not in python:  # the database will give them
                self.unseen[f"references to {label}"] = None
                del self._tables[label, name]
                continue
            insert = f"INSERT OR IGNORE INTO {keys} VALUES (?)"
            self.connection.executemany(insert, zip(_stored(python[name]).values(), strict=True))

    def add(
        self, source: Source, values: Sequence[Any], where: Callable[[], Sequence[Where]]
    ) -> None:
        """Take what some rows refer to; ``where`` tells where these are."""
        keys = self._tables.get(source.key)
        if keys is None:
            return
        number = self._sources.setdefault(source, len(self._sources))
        stored = _stored(values)
        wanted = set(stored.values())
        missing = wanted - self._known(keys, wanted)
        if missing:
            self.connection.executemany(
                "INSERT INTO lost VALUES (?, ?, ?, ?, ?)",
                (
                    (number, stored[value], storable(pk), part, line)
                    for value, (pk, part, line) in zip(values, where(), strict=True)
                    if stored.get(value) in missing
                ),
            )

    def _known(self, keys: str, wanted: set[object]) -> set[object]:
        """Those of the values that are keys."""
        seen = self._seen.setdefault(keys, set())
        if len(seen) > _REMEMBERED:
            seen.clear()
        values = iter(wanted - seen)
        while some := list(islice(values, _PER_QUERY)):
            marks = ", ".join("?" * len(some))
            query = f"SELECT value FROM {keys} WHERE value IN ({marks})"
            seen.update(value for (value,) in self.connection.execute(query, some))
        return wanted & seen

    def lost(self) -> Iterator[Lost]:
        """Yield what leads nowhere, now that all rows are in."""
        for source, number in self._sources.items():
            keys = self._tables.get(source.key)
            if keys is None:
                continue
            there = f"FROM lost WHERE source = ? AND value NOT IN (SELECT value FROM {keys})"
            (rows,) = self.connection.execute(f"SELECT count(*) {there}", [number]).fetchone()
            if rows:
                query = f"SELECT pk, part, line {there} ORDER BY rowid LIMIT {SHOWN}"
                yield Lost(source, rows, tuple(self.connection.execute(query, [number]).fetchall()))


def key_of(column: Column) -> Key:
    """Return what a column refers to."""
    assert column.references is not None
    return table_of(column.references).label, column.parent_field.attname


def _stored(values: Sequence[Any]) -> dict[object, object]:
    """The keys among values, each with what is kept of it."""
    keys = dict.fromkeys(values)
    keys.pop(None, None)
    if set(map(type, keys)) == {int} and min(keys) >= -(2**63) and max(keys) < 2**63:
        return dict(zip(keys, keys, strict=True))
    return {key: storable(key) for key in keys if not isinstance(key, Natural)}
