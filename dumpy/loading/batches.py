"""The rows lane: rows of one table into the database, a batch at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import lt
from typing import Any, NamedTuple, Protocol

from django.core.exceptions import ValidationError
from django.db import DatabaseError, InterfaceError, connections, transaction
from django.db.models import NOT_PROVIDED, Model
from django.utils import timezone

from dumpy.dump import Natural, new
from dumpy.engines import engine_of
from dumpy.errors import LockedOut, Place, Problem
from dumpy.loading.exchange import exchangeable, holder, spare_values
from dumpy.loading.integrity import Repeated
from dumpy.loading.links import LinkLoader
from dumpy.loading.origins import Origins
from dumpy.loading.references import Missing, References
from dumpy.loading.report import Counts
from dumpy.loading.statements import Statements, existing
from dumpy.loading.values import Failures, is_same, to_database, to_python
from dumpy.schema.tables import Column, Field, Table

ROWS = 1000
_CONTEXT = re.compile(r" CONTEXT: COPY .*?, line \d+(?:, column (?P<column>[^:]+))?")
_FAILING_ROW = re.compile(r" DETAIL: Failing row contains .*")
SIZE = 4 * 2**20
REFUSALS = (DatabaseError, ValueError, OverflowError, InterfaceError)
"""What a driver raises for values that it or its server does not take."""

Tuple = tuple[Any, ...]


class RowLike(Protocol):
    """A row: its values by position, and about how many bytes they take."""

    @property
    def values(self) -> Tuple: ...
    @property
    def size(self) -> int: ...


class Batch(Protocol):
    """Rows of one table, whose values are asked for by column."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[RowLike]: ...
    def __getitem__(self, index: Any, /) -> Any: ...
    def column(self, where: int) -> Sequence[Any]: ...


class Rows(list[RowLike]):
    """Rows that have come one by one."""

    def column(self, where: int) -> Sequence[Any]:
        """Return the values at one position."""
        return [row.values[where] for row in self]


class BlockLike(Protocol):
    """Rows held as columns, as ``dumpy.reading`` gives them."""

    @property
    def columns(self) -> Sequence[Sequence[object]]: ...
    def __len__(self) -> int: ...
    def row(self, index: int) -> Any: ...
    def rows(self) -> Iterator[Any]: ...


@dataclass(frozen=True)
class BlockRows:
    """A block as a batch."""

    block: BlockLike

    def __len__(self) -> int:
        return len(self.block)

    def __iter__(self) -> Iterator[RowLike]:
        return self.block.rows()

    def __getitem__(self, index: int, /) -> RowLike:
        row: RowLike = self.block.row(index)
        return row

    def column(self, where: int) -> Sequence[Any]:
        """Return the values at one position."""
        return self.block.columns[where]


class ConstantLike(Protocol):
    """A value that every row has."""

    @property
    def value(self) -> Any: ...


def named_values(fields: Mapping[str, int | ConstantLike], values: Sequence[Any]) -> dict[str, Any]:
    """Return the values of a row by the names of its fields, given by position or as constants."""
    return {
        name: values[where] if isinstance(where, int) else where.value
        for name, where in fields.items()
    }


class Layout:
    """Where a table finds its values in a row: ``fields`` maps names to positions or constants."""

    def __init__(self, table: Table, fields: Mapping[str, int | ConstantLike]) -> None:
        self.table = table
        self.fields = fields
        self.columns = tuple(
            column for column in table.columns if column.name in fields or _has_default(column)
        )
        self.links = tuple(link for link in table.links if link.name in fields)
        names = [column.name for column in self.columns]
        self.key = tuple(names.index(name) for name in table.key)
        self.given = tuple(i for i, name in enumerate(names) if name in fields)
        self.changed = tuple(i for i in self.given if i not in self.key)

    def values(self, name: str, rows: Batch) -> Sequence[Any]:
        """Return the values of one field in each of the rows."""
        where = self.fields.get(name)
        if where is None:
            field = next(column.field for column in self.columns if column.name == name)
            return [default_of(field) for _ in rows]
        if isinstance(where, int):
            return rows.column(where)
        return [where.value] * len(rows)

    def instance(self, row: RowLike) -> Model:
        """Return a row as an unsaved instance."""
        return new(self.table.model, **named_values(self.fields, row.values))

    def key_of(self, values: Sequence[Any]) -> object:
        """Return the primary key in the values of the columns."""
        return values[self.key[0]] if len(self.key) == 1 else tuple(values[i] for i in self.key)


class Columns(NamedTuple):
    """The values of a batch by column: as Python's, as the database's, and the links."""

    python: list[Sequence[Any]]
    database: list[Sequence[Any]]
    links: list[list[list[Any]]]


@dataclass(slots=True)
class Converted:
    """A row on its way: what it was, its values as Python's, and as the database's."""

    row: RowLike
    python: Tuple
    database: Tuple
    links: tuple[list[Any], ...]


class Desk(Protocol):
    """Where a table loader hands in the rows that did not get in."""

    using: str
    references: References
    origins: Origins | None

    def wait(self, loader: TableLoader, row: RowLike, missing: Missing) -> None:
        """Keep a row until the row it refers to is there."""

    def reject(self, loader: TableLoader, row: RowLike, error: Exception) -> None:
        """Keep a row that the database or a field has refused."""


def require_lock(error: Exception, using: str) -> None:
    """Raise ``LockedOut`` if a row was refused only since another session holds what it needs."""
    if isinstance(error, DatabaseError) and engine_of(connections[using]).is_locked_out(error):
        raise LockedOut(str(error)) from error


class TableLoader:
    """Puts rows of one layout into their table: inserted, updated, or found unchanged.

    ``place`` gives the place of a row for messages; ``natural`` are the fields of which rows had
    references by natural key; ``is_ordered`` says whether the primary keys ascend.
    """

    def __init__(
        self, layout: Layout, desk: Desk, counts: Counts, place: Callable[[Any], Place | None]
    ) -> None:
        self.layout = layout
        self.table = layout.table
        self.model = layout.table.model
        self.counts = counts
        self._desk = desk
        self.place = place
        self._rows = Rows()
        self._size = 0
        self._statements = Statements(self.table.model, layout.columns, desk.using)
        self._links = [LinkLoader(link, desk) for link in layout.links]
        self._is_empty: bool | None = None
        self.natural: set[str] = set()
        self.is_ordered = True
        self._last_key: Any = None

    def problem(self, row: RowLike, error: Exception) -> Problem:
        """Return what keeps a row out, for a person."""
        return Problem(self.table.label, self._dumped_key(row), self.place(row), reason_of(error))

    def conflict(self, row: RowLike) -> str:
        """Say which row of the database has a unique value of a row that was refused."""
        failures: Failures = {}
        columns = self._columns(Rows([row]), failures)
        names = [column.name for column in self.layout.columns]
        values = {name: one[0] for name, one in zip(names, columns.python, strict=True)}
        found = None if failures else holder(self.table, values, self._desk.using)
        if found is None:
            return ""
        said = f"{self.table.label}(pk={found[0]!r}) has the same {found[1]}"
        if not self._desk.references.had_rows(self.model):
            return f"{said}."
        hint = "To replace all rows by those of a dump: manage.py restore FILE"
        return f"{said} and was there before. {hint}"

    def _dumped_key(self, row: RowLike) -> object:
        key = [self.layout.values(name, Rows([row]))[0] for name in self.table.key]
        return key[0] if len(key) == 1 else tuple(key)

    def stored_key(self, row: RowLike) -> object:
        """Return the primary key that a row has in the database; raises ``Missing``."""
        failures: Failures = {}
        names = {column.name: column for column in self.table.columns}
        key = [self._python(names[name], Rows([row]), failures)[0] for name in self.table.key]
        for error in failures.values():
            raise error
        return key[0] if len(key) == 1 else tuple(key)

    def add(self, row: RowLike) -> None:
        """Take a row; the database is not asked before a batch is full."""
        self._rows.append(row)
        self._size += row.size
        if len(self._rows) >= ROWS or self._size >= SIZE:
            self.flush()

    def add_block(self, block: BlockLike) -> None:
        """Take a block of rows, and write it."""
        self.flush()
        if len(block):
            self._load(BlockRows(block))

    def flush(self) -> None:
        """Write the rows taken so far."""
        if self._rows:
            self._load(self.taken())

    def taken(self) -> Rows:
        """Return, and forget, the rows taken since the last flush."""
        rows, self._rows, self._size = self._rows, Rows(), 0
        return rows

    def put(self, row: RowLike) -> None:
        """Write one row now; raises what its fields or the database raise."""
        failures: Failures = {}
        rows = Rows([row])
        columns = self._columns(rows, failures)
        for error in failures.values():
            raise error
        self.look_again()
        self._merge_or_nothing(self._placed(_converted(rows, columns, failures)))

    def convert(self, rows: Batch) -> list[Converted]:
        """Return the rows with their values converted; those that fail go to the desk."""
        failures: Failures = {}
        columns = self._columns(rows, failures)
        self._hand_in(rows, failures)
        return _converted(rows, columns, failures)

    def _load(self, rows: Batch) -> None:
        """Write rows: all at once into an empty table, else each where it belongs."""
        failures: Failures = {}
        columns = self._columns(rows, failures)
        self._note_order(columns)
        if not failures and self._insert_all(columns):
            return
        self._hand_in(rows, failures)
        converted = _converted(rows, columns, failures)
        if converted and (placed := self._placed(converted)):
            self._write(placed)

    def _columns(self, rows: Batch, failures: Failures) -> Columns:
        python = [self._python(column, rows, failures) for column in self.layout.columns]
        connection = connections[self._desk.using]
        database = [
            to_database(column, values, connection, failures)
            for column, values in zip(self.layout.columns, python, strict=True)
        ]
        links = [
            self._convert_links(loader, self.layout.values(loader.link.name, rows), failures)
            for loader in self._links
        ]
        return Columns(python, database, links)

    def _keys(self, columns: Columns) -> Sequence[Any]:
        keys = [columns.python[i] for i in self.layout.key]
        return keys[0] if len(keys) == 1 else list(zip(*keys, strict=True))

    def _note_order(self, columns: Columns) -> None:
        """Note whether keys ascend, as in a dump: so that none comes twice."""
        try:
            keys = self._keys(columns)
            following = [*keys[1:], None]
            first = keys[0]
            is_next = self._last_key is None or self._last_key < first
            self.is_ordered &= is_next and all(map(lt, keys[:-1], following))
            self._last_key = keys[-1]
        except TypeError:
            self.is_ordered = False

    def _insert_all(self, columns: Columns) -> bool:
        """Insert rows into an empty table; return whether that was possible."""
        if not self._had_no_rows():
            return False
        keys = self._keys(columns)
        if len(set(keys)) < len(keys):
            return False
        given = columns.python if self._statements.wants_python else columns.database
        try:
            with transaction.atomic(using=self._desk.using):
                self._statements.insert_columns(given)
                for link, lists in zip(self._links, columns.links, strict=True):
                    link.write(keys, lists)
        except REFUSALS as error:
            require_lock(error, self._desk.using)
            return False
        self.counts.inserted += len(keys)
        self._desk.references.inserted(self.model)
        return True

    def replace(self, rows: Sequence[RowLike]) -> None:
        """Write rows all at once, those that exchange unique values too; raises ``DatabaseError``.

        None is deleted for it: the database might delete others with it.
        """
        with transaction.atomic(using=self._desk.using):
            converted = self._latest(self.convert(Rows(rows)))
            self.look_again()
            _new, changed, _unchanged = self._sorted(converted)
            self._set_aside(changed)
            self._merge(converted)

    def _set_aside(self, rows: list[Converted]) -> None:
        """Give stored rows values that are in nobody's way."""
        changed = [self.layout.columns[i] for i in self.layout.changed]
        columns = exchangeable(self.model, changed)
        if not rows or not columns:
            return
        connection, failures = connections[self._desk.using], Failures()
        written = [self.layout.columns[i] for i in self.layout.key] + columns
        keys = zip(*([row.database[i] for i in self.layout.key] for row in rows), strict=True)
        spare = [
            to_database(
                column, spare_values(column, len(rows), self._desk.using), connection, failures
            )
            for column in columns
        ]
        statements = Statements(self.model, written, self._desk.using)
        first = len(self.layout.key)
        values = list(zip(*keys, *spare, strict=True))
        statements.update(values, range(first, len(written)), range(first))

    def write_one_by_one(self, rows: Iterable[Converted]) -> None:
        """Write rows each under a savepoint; those that the database refuses go to the desk."""
        self.look_again()
        for row in rows:
            try:
                self._merge_or_nothing([row])
            except REFUSALS as error:
                require_lock(error, self._desk.using)
                self._desk.reject(self, row.row, error)

    def look_again(self) -> None:
        """Look rows up from now on: their keys may have come in an earlier batch."""
        self._is_empty = False
        for link in self._links:
            link.look_again()

    def _python(self, column: Column, rows: Batch, failures: Failures) -> Sequence[Any]:
        values = self.layout.values(column.name, rows)
        if column.name in self.table.key and None in values:
            error = ValidationError(f"{column.name} is the primary key and must not be None.")
            failures.update({i: error for i, value in enumerate(values) if value is None})
        if column.references is not None and Natural in set(map(type, values)):
            self.natural.add(column.name)
        return to_python(column, values, self._desk.references, failures)

    def _convert_links(
        self, loader: LinkLoader, lists: Sequence[Any], failures: Failures
    ) -> list[list[Any]]:
        if any(type(one) is Natural for some in lists if isinstance(some, list) for one in some):
            self.natural.add(loader.link.name)
        return loader.convert(lists, failures)

    def _hand_in(self, rows: Batch, failures: Failures) -> None:
        for position, error in failures.items():
            if isinstance(error, Missing):
                self._desk.wait(self, rows[position], error)
            else:
                self._desk.reject(self, rows[position], error)

    def _placed(self, rows: list[Converted]) -> list[Converted]:
        """Return the rows that are to be written."""
        return self._latest(rows)

    def _latest(self, rows: list[Converted]) -> list[Converted]:
        """Leave the last of several rows with the same key; the others count as updated."""
        by_key = {self.layout.key_of(row.python): row for row in rows}
        if self._desk.origins is not None and len(by_key) < len(rows):
            return self._first(rows)
        self.counts.updated += len(rows) - len(by_key)
        return list(by_key.values())

    def _first(self, rows: list[Converted]) -> list[Converted]:
        """Leave the first of several rows with the same key, if they have a place to be named."""
        by_key: dict[object, Converted] = {}
        for row in rows:
            key = self.layout.key_of(row.python)
            first = self.place(by_key[key].row) if key in by_key else None
            if first is not None and self.place(row.row) is not None:
                self._desk.reject(self, row.row, Repeated(first))
                continue
            self.counts.updated += key in by_key
            by_key[key] = row
        return list(by_key.values())

    def _check_origins(self, rows: list[Converted]) -> None:
        """Raise ``Repeated`` if one of the rows has come before, under the same key."""
        if self._desk.origins is None:
            return
        places = {self._dumped_key(row.row): self.place(row.row) for row in rows}
        self._desk.origins.check(self.table, {key: at for key, at in places.items() if at})

    def _write(self, rows: list[Converted]) -> None:
        try:
            self._merge_or_nothing(rows)
        except REFUSALS as error:
            require_lock(error, self._desk.using)
            self.write_one_by_one(rows)

    def _merge_or_nothing(self, rows: list[Converted]) -> None:
        with transaction.atomic(using=self._desk.using):
            self._merge(rows)

    def _merge(self, rows: list[Converted]) -> None:
        new, changed, unchanged = self._sorted(rows)
        self._insert(new)
        self._update(changed)
        relinked = self._write_links(rows)
        if new:
            self._desk.references.inserted(self.model)
        if changed:
            self._desk.references.changed(self.model)
        self.counts.inserted += len(new)
        self.counts.updated += len(changed) + len(relinked & unchanged)
        self.counts.unchanged += len(unchanged - relinked)

    def _insert(self, rows: list[Converted]) -> None:
        given = self._statements.wants_python
        self._statements.insert([row.python if given else row.database for row in rows])

    def _update(self, rows: list[Converted]) -> None:
        given = self._statements.wants_python
        values = [row.python if given else row.database for row in rows]
        self._statements.update(values, self.layout.changed, self.layout.key)

    def _sorted(
        self, rows: list[Converted]
    ) -> tuple[list[Converted], list[Converted], set[object]]:
        """Return the rows that are new, those that change, and the keys of those that do not."""
        stored = self._stored(rows)
        if not stored:
            return rows, [], set()
        new = [row for row in rows if self.layout.key_of(row.python) not in stored]
        old = [row for row in rows if self.layout.key_of(row.python) in stored]
        self._check_origins(old)
        changed = [row for row in old if not self._is_stored(row, stored)]
        keys = {self.layout.key_of(row.python) for row in old}
        return new, changed, keys - {self.layout.key_of(row.python) for row in changed}

    def _stored(self, rows: list[Converted]) -> dict[object, Tuple]:
        if self._had_no_rows():
            return {}
        keys = [self.layout.key_of(row.python) for row in rows]
        columns = [self.layout.columns[i] for i in self.layout.changed]
        return dict(existing(self.table, columns, keys, self._desk.using))

    def _had_no_rows(self) -> bool:
        if self._is_empty is None:
            self._is_empty = self._statements.is_empty()
            self._desk.references.begin(self.model, has_rows=not self._is_empty)
        return self._is_empty

    def _is_stored(self, row: Converted, stored: Mapping[object, Tuple]) -> bool:
        values = stored[self.layout.key_of(row.python)]
        return all(
            is_same(self.layout.columns[i], row.python[i], value)
            for i, value in zip(self.layout.changed, values, strict=True)
        )

    def _write_links(self, rows: list[Converted]) -> set[object]:
        changed: set[object] = set()
        sources = [self.layout.key_of(row.python) for row in rows]
        for position, link in enumerate(self._links):
            changed |= link.write(sources, [row.links[position] for row in rows])
        return changed


def _converted(rows: Batch, columns: Columns, failures: Failures) -> list[Converted]:
    """Return the rows that can be converted, one by one."""
    linked = zip(*columns.links, strict=True) if columns.links else repeat(())
    python, database = zip(*columns.python, strict=True), zip(*columns.database, strict=True)
    converted = map(Converted, rows, python, database, linked)
    return [row for i, row in enumerate(converted) if i not in failures]


def reason_of(error: Exception) -> str:
    """Return what an exception says, in one line."""
    if isinstance(error, ValidationError) and hasattr(error, "error_dict"):
        messages = error.message_dict.items()
        return "; ".join(f"{name}: {' '.join(texts).rstrip('.')}" for name, texts in messages) + "."
    if isinstance(error, ValidationError):
        return " ".join(error.messages)
    text = " ".join(str(error).split()) or type(error).__name__
    return _without_context(text) if isinstance(error, DatabaseError) else text


def _without_context(text: str) -> str:
    """Leave out what PostgreSQL says of its own doing, but for the column."""
    context = _CONTEXT.search(text)
    if context is not None:
        column = context["column"]
        text = f"{column}: {text[: context.start()]}" if column else text[: context.start()]
    return _FAILING_ROW.sub("", text).strip()


def default_of(field: Field) -> Any:
    """Return what a field holds that a row does not mention."""
    if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
        return field.to_python(timezone.now())
    return field.get_default()


def _has_default(column: Column) -> bool:
    field = column.field
    # Without a value the database fills in its default: the column is left out then.
    return getattr(field, "db_default", NOT_PROVIDED) is NOT_PROVIDED and not field.primary_key
