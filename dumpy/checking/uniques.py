"""Which rows break a unique constraint, whatever their number: found on the disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from django.db.models import UniqueConstraint

from dumpy.checking.conditions import Judge
from dumpy.checking.findings import SHOWN
from dumpy.schema.tables import Column, Table

_SETTINGS = ("journal_mode = OFF", "synchronous = OFF", "temp_store = FILE", "cache_size = -8192")
Where = tuple[object, int, int]


@dataclass(frozen=True)
class Unique:
    """Columns whose values together occur once; ``spares_null``: NULL equals nothing.

    ``condition`` says for which rows.
    """

    columns: tuple[Column, ...]
    spares_null: bool = True
    condition: Judge | None = None

    @property
    def names(self) -> str:
        """The names of the fields."""
        return ", ".join(column.field.name for column in self.columns)


@dataclass(frozen=True)
class Duplicates:
    """How many rows share a value with another, how many such values, and the first few rows."""

    rows: int
    values: int
    first: tuple[Where, ...]


def uniques_of(table: Table) -> list[Unique]:
    """Return the unique constraints of a table that are about fields alone."""
    meta: Any = table.model._meta
    names: list[tuple[tuple[str, ...], bool]] = [
        ((column.name,), True) for column in table.columns if column.field.unique
    ]
    names += [(table.key, True)] if len(table.key) > 1 else []
    names += [(tuple(together), True) for together in meta.unique_together]
    names += [
        (tuple(constraint.fields), constraint.nulls_distinct is not False)
        for constraint in meta.constraints
        if isinstance(constraint, UniqueConstraint) and constraint.fields
        if constraint.condition is None
    ]
    return [_unique(table, *pair) for pair in dict.fromkeys(names)]


def _unique(table: Table, names: tuple[str, ...], spares_null: bool) -> Unique:
    return Unique(tuple(map(table.column, names)), spares_null)


@contextmanager
def spool() -> Iterator[sqlite3.Connection]:
    """Open a database of our own in a temporary file that goes away with it."""
    with closing(sqlite3.connect("", isolation_level=None)) as connection:
        for setting in _SETTINGS:
            connection.execute(f"PRAGMA {setting}")
        connection.execute("BEGIN")
        yield connection


class UniqueCheck:
    """Looks for values that occur twice.

    Integers that ascend from row to row, as keys do, are not remembered. ``is_lost`` says that they
    have ceased to: ``keep()`` then, and give all rows again.
    """

    def __init__(self, unique: Unique, connection: sqlite3.Connection) -> None:
        self.unique = unique
        self.is_lost = False
        self._connection = connection
        self._table = f"seen_{id(self)}"
        self._last: int | None = None
        self._is_kept = False

    def add(self, keys: Sequence[tuple[Any, ...]], where: Sequence[Where]) -> None:
        """Take the values of some rows, and where these are."""
        if self.is_lost:
            return
        if not self._is_kept:
            last = _last_ascending(keys, self._last)
            if last is not None:
                self._last = last
                return
            if self._last is not None:
                self.is_lost = True
                return
            self.keep()
        insert = f"INSERT INTO {self._table} VALUES (?, ?, ?, ?)"
        self._connection.executemany(insert, self._rows(keys, where))

    def keep(self) -> None:
        """Remember the values from here on."""
        self.is_lost = False
        self._is_kept = True
        self._connection.execute(f"CREATE TABLE {self._table} (digest, pk, part, line)")

    def duplicates(self) -> Duplicates:
        """Return what occurred twice, and forget all values."""
        if not self._is_kept:
            return Duplicates(0, 0, ())
        twice = f"SELECT digest, count(*) AS n FROM {self._table} GROUP BY digest HAVING n > 1"
        total = f"SELECT count(*), coalesce(sum(n), 0) FROM ({twice})"
        values, rows = self._connection.execute(total).fetchone()
        first = tuple(self._first(twice)) if values else ()
        self._connection.execute(f"DROP TABLE {self._table}")
        return Duplicates(rows, values, first)

    def _first(self, twice: str) -> list[Where]:
        digests = f"SELECT digest FROM ({twice} ORDER BY min(rowid) LIMIT {SHOWN})"
        return self._connection.execute(
            f"SELECT pk, part, line FROM {self._table} WHERE digest IN ({digests}) "
            f"ORDER BY rowid LIMIT {2 * SHOWN}"
        ).fetchall()

    def _rows(
        self, keys: Sequence[tuple[Any, ...]], where: Sequence[Where]
    ) -> Iterator[tuple[object, ...]]:
        for key, (pk, part, line) in zip(keys, where, strict=True):
            if not (self.unique.spares_null and None in key):
                digest = blake2b(repr(tuple(map(_plain, key))).encode(), digest_size=16).digest()
                yield digest, storable(pk), part, line


def _last_ascending(keys: Sequence[tuple[Any, ...]], last: int | None) -> int | None:
    """The last of integers that ascend from the one before, None if they are no such."""
    for key in keys:
        if len(key) != 1 or type(key[0]) is not int or (last is not None and key[0] <= last):
            return None
        last = key[0]
    return last


def _plain(value: object) -> object:
    return value.normalize() if isinstance(value, Decimal) else value


def storable(value: object) -> object:
    """Return a value as SQLite can keep it, the same for the same values."""
    if isinstance(value, str):
        return value if value.isascii() or _is_encodable(value) else repr(value)
    is_small = isinstance(value, int) and -(2**63) <= value < 2**63
    return value if is_small else repr(_plain(value))


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
