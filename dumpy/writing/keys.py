"""Primary keys of the rows of a subset, in a temporary file."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from django.db import connections
from django.db.models import QuerySet

from dumpy.engines import engine_of
from dumpy.schema.tables import Table, from_text, text_of

CHUNK = 500
# SQLite orders these as every engine does; UUIDs are texts there.
_ORDERED = (frozenset({int}), frozenset({str}), frozenset({uuid.UUID}))


def temporary_database() -> sqlite3.Connection:
    """Open a database of SQLite without a name.

    It has a small cache, and a file that is deleted when it is closed.
    """
    database = sqlite3.connect("", isolation_level=None)
    database.execute("PRAGMA journal_mode = OFF")
    return database


class KeyStore:
    """The primary keys of each table, with the reason why each is there, in order of arrival."""

    def __init__(self) -> None:
        self._database = temporary_database()
        self._names: dict[str, str] = {}

    def close(self) -> None:
        """Delete the file."""
        self._database.close()

    def add(self, table: Table, reasons: Iterable[tuple[Any, str | None]]) -> None:
        """Add pairs of a key and its reason; a key that is there keeps its reason."""
        rows = ((_packed(table, key), reason) for key, reason in reasons)
        self._database.execute("BEGIN")
        self._database.executemany(
            f"INSERT OR IGNORE INTO {self._name(table)} (key, reason) VALUES (?, ?)", rows
        )
        self._database.execute("COMMIT")

    def replace(self, table: Table, keys: Iterable[Any], found: Iterable[Any], reason: str) -> None:
        """Replace keys by those that the database has found for them, if they are others."""
        # As texts: objects of a custom field need not be equal.
        asked, there = ({_packed(table, key) for key in some} for some in (keys, found))
        name = self._name(table)
        removed = [(key,) for key in asked - there]
        added = [(key, reason) for key in there - asked]
        self._database.executemany(f"DELETE FROM {name} WHERE key = ?", removed)
        self._database.executemany(
            f"INSERT OR IGNORE INTO {name} (key, reason) VALUES (?, ?)", added
        )

    def after(self, table: Table, number: int) -> tuple[int, list[Any]]:
        """Return some of the keys that arrived after a number, and the number of the last one."""
        rows = self._database.execute(
            f"SELECT id, key FROM {self._name(table)} WHERE id > ? ORDER BY id LIMIT {CHUNK}",
            [number],
        ).fetchall()
        return (rows[-1][0] if rows else number), [_unpacked(table, key) for _id, key in rows]

    def count(self, table: Table) -> int:
        """Return the number of keys of a table."""
        (count,) = self._database.execute(f"SELECT COUNT(*) FROM {self._name(table)}").fetchone()
        return int(count)

    def reasons(self, table: Table) -> Iterator[tuple[Any, str]]:
        """Yield the keys of a table with their reasons, in order of arrival."""
        query = f"SELECT key, reason FROM {self._name(table)} ORDER BY id"
        for key, reason in self._database.execute(query):
            yield _unpacked(table, key), reason

    def chunks(self, table: Table, using: str) -> Iterator[Sequence[Any]]:
        """Yield the keys of a table in pieces, each piece after those with smaller keys."""
        if self.count(table) <= CHUNK:
            yield self.after(table, 0)[1]
            return
        is_ordered = len(table.key) == 1 and table.column(table.key[0]).types in _ORDERED
        ordered = self._ordered(table) if is_ordered else self._as_database(table, using)
        while chunk := list(islice(ordered, CHUNK)):
            yield chunk

    def _ordered(self, table: Table) -> Iterator[Any]:
        for (key,) in self._database.execute(f"SELECT key FROM {self._name(table)} ORDER BY key"):
            yield _unpacked(table, key)

    def _as_database(self, table: Table, using: str) -> Iterator[Any]:
        """Yield the keys in the order of the database, which has to show all of the table's."""
        columns = [table.column(name) for name in table.key]
        order = map(engine_of(connections[using]).exact_order, columns)
        rows: QuerySet[Any] = QuerySet(table.model, using=using).order_by(*order)
        query = f"SELECT 1 FROM {self._name(table)} WHERE key = ?"
        for key, _row in keyed(table, rows):
            if self._database.execute(query, [_packed(table, key)]).fetchone():
                yield key

    def _name(self, table: Table) -> str:
        if table.label not in self._names:
            name = self._names[table.label] = f"keys_{len(self._names)}"
            # Numbers are not used again, so that none arrives before a key that was removed.
            self._database.execute(
                f"CREATE TABLE {name} "
                "(id INTEGER PRIMARY KEY AUTOINCREMENT, key UNIQUE NOT NULL, reason)"
            )
        return self._names[table.label]


def keyed(
    table: Table, rows: QuerySet[Any], names: Iterable[str] = ()
) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield the primary keys of rows, with the values of some columns by name."""
    # The parts of a composite key are read one by one: as one, MySQL does not convert them.
    selected = list(dict.fromkeys([*table.key, *names]))
    for values in rows.values_list(*selected).iterator(chunk_size=CHUNK):
        row = dict(zip(selected, values, strict=True))
        parts = tuple(row[name] for name in table.key)
        yield (parts if len(parts) > 1 else parts[0]), row


def _packed(table: Table, key: Any) -> Any:
    """Return a key as a number or text, which SQLite can keep."""
    if type(key) in (int, str):
        return key
    if len(table.key) == 1:
        return text_of(table.column(table.key[0]), key)
    parts = zip(table.key, key, strict=True)
    return json.dumps([text_of(table.column(name), part) for name, part in parts])


def _unpacked(table: Table, packed: Any) -> Any:
    columns = [table.column(name) for name in table.key]
    if len(columns) > 1:
        parts = zip(columns, json.loads(packed), strict=True)
        return tuple(from_text(column, text) for column, text in parts)
    is_plain = columns[0].types in _ORDERED[:2]
    return packed if is_plain else from_text(columns[0], packed)
