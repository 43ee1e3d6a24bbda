"""Rows of one table into the database, a block at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import DatabaseError, InterfaceError, connections, transaction
from django.db.models import NOT_PROVIDED, Model
from django.utils import timezone

from dumpy.engines import engine_of
from dumpy.errors import LoadError, LockedOut, Place, Problem, RowRef, reason_of
from dumpy.loading.conflicts import exchangeable, holder, spare_values
from dumpy.loading.report import Counts, RefusedRow, problem_of
from dumpy.loading.statements import (
    Failures,
    LinkLoader,
    Statements,
    existing,
    is_same,
    preparation,
    prepared,
    to_database,
    to_python,
)
from dumpy.reading import DumpedTable
from dumpy.reading.dump import Block, Row
from dumpy.schema.instances import RejectedRow, new
from dumpy.schema.tables import Column, Field, ModelType, Table, single
from dumpy.text.skeleton import Fields, by_field
from dumpy.text.words import Natural

if TYPE_CHECKING:
    from dumpy.loading.pending import Pending

ROWS = 1000
SIZE = 4 * 2**20
REFUSALS = (DatabaseError, ValueError, OverflowError, InterfaceError)
"""What a driver raises for values that it or its server does not take."""
_MOVED = (
    "its primary key is a reference by natural key, and a later fixture has given that key to "
    "another row. Name the fixture of this row last."
)

Tuple = tuple[Any, ...]


class Layout:
    """What rows of a dump, or of objects, mean for a table of today.

    Attributes:
        table: the table that the rows go to; ``model`` may be a proxy of its model.
        fields: where the values of its columns and links are.
        dumped: the table of the dump that the rows are of; a row of an object has its place itself.
        columns, links: those that are written.
        key, changed: the positions of the primary key in ``columns``, and of what rows change.
    """

    def __init__(
        self,
        table: Table,
        fields: Fields,
        dumped: DumpedTable | None = None,
        model: ModelType | None = None,
    ) -> None:
        self.table = table
        self.model = model or table.model
        self.fields = fields
        self.dumped = dumped
        self.columns = tuple(
            column
            for column in table.columns
            if column.name in fields
            # Without a value the database fills in its default: the column is left out then.
            or (not column.field.primary_key and column.field.db_default is NOT_PROVIDED)
        )
        self.links = tuple(link for link in table.links if link.name in fields)
        names = [column.name for column in self.columns]
        self.key = tuple(names.index(name) for name in table.key if name in names)
        self.changed = tuple(
            i for i, name in enumerate(names) if name in fields and i not in self.key
        )

    @property
    def has_key(self) -> bool:
        """Whether the rows have their primary key."""
        return set(self.table.key) <= self.fields.keys()

    def named(self, row: Row) -> dict[str, Any]:
        """Return the values of a row by the names of its fields."""
        return by_field(self.fields, row.values)

    def values(self, name: str, rows: Block) -> Sequence[Any]:
        """Return the values of one field in each of the rows."""
        where = self.fields.get(name)
        if where is None:
            field = next(column.field for column in self.columns if column.name == name)
            return [default_of(field) for _ in range(len(rows))]
        return rows.column(where)

    def block(self, rows: Sequence[Row], size: int = 0) -> Block:
        """Return rows as a block."""
        columns = tuple(zip(*(row.values for row in rows), strict=True))
        return Block(columns, [row.line for row in rows], size, self.place_of)

    def place_of(self, line: Any) -> Place:
        """Return the place of a line."""
        place: Place = line if self.dumped is None else self.dumped.place(line)
        return place

    def instance(self, row: Row) -> Model:
        """Return a row as an unsaved instance; raises ``LoadError`` if its values do not fit."""
        try:
            return new(self.model, **self.named(row))
        except Exception as error:
            raise LoadError([Problem(self.ref(row), reason_of(error))]) from error

    def ref(self, row: Row) -> RowRef:
        """Return what names a row, with its primary key as the dump has it."""
        values = self.named(row)
        key = single([values.get(name) for name in self.table.key])
        return RowRef(self.table.label, key, self.place_of(row.line))

    def rejected(self, row: Row, problem: Problem) -> RejectedRow:
        """Return a row that is kept out, as data."""
        return RejectedRow(self.model, self.named(row), problem)


class Columns(NamedTuple):
    """The values of a block by column: as Python's, as statements take them, and the links."""

    python: list[Sequence[Any]]
    given: list[Sequence[Any]]
    links: list[list[list[Any]]]


@dataclass(slots=True)
class Converted:
    """A row with its key, its values as Python's, and its values as statements take them."""

    row: Row
    key: object
    python: Tuple
    given: Tuple
    links: tuple[list[Any], ...]


@dataclass(eq=False)
class PendingRow:
    """A row of a block that is not in the database, what keeps it out, and the column to blame."""

    loader: TableLoader
    row: Row
    error: Exception
    name: str = ""

    @property
    def instance(self) -> Model:
        """The row as an unsaved instance."""
        return self.loader.layout.instance(self.row)

    def problem(self, using: str) -> Problem:
        """Return the problem of the row."""
        layout = self.loader.layout
        return problem_of(layout.ref(self.row), layout.table, self.error, using, self.name)

    def rejected(self, problem: Problem) -> list[RejectedRow]:
        """Return the row as data."""
        return [self.loader.layout.rejected(self.row, problem)]


def require_lock(error: Exception, using: str) -> None:
    """Raise ``LockedOut`` if a row was refused only since another session holds what it needs."""
    if isinstance(error, DatabaseError) and engine_of(connections[using]).is_locked_out(error):
        raise LockedOut(str(error)) from error


class TableLoader:
    """Puts rows of one layout into their table: inserted, updated, or found unchanged.

    Attributes:
        natural: the fields of which rows had references by natural key.
    """

    def __init__(self, layout: Layout, pending: Pending, counts: Counts) -> None:
        self.layout = layout
        self.table = layout.table
        self.model = layout.table.model
        self.counts = counts
        self.natural: set[str] = set()
        self._pending = pending
        self._references = pending.references
        self.using = pending.using
        self._rows: list[Row] = []
        self._size = 0
        self._statements = Statements(self.model, layout.columns, self.using)
        self._preparations = [
            # Django's compiler prepares values itself.
            None if self._statements.wants_python else preparation(c, connections[self.using])
            for c in layout.columns
        ]
        self._links = [LinkLoader(link, self._references) for link in layout.links]
        self._is_empty: bool | None = None

    def with_conflict(self, problem: Problem, row: Row) -> Problem:
        """Let a problem say which row of the database has a unique value of the refused row."""
        names = [column.name for column in self.layout.columns]
        values = dict(zip(names, self.converted(row).python, strict=True))
        found = holder(self.table, values, self.using)
        if found is None:
            return problem
        said = f"{problem.reason.rstrip('.')}. {self.table.label}(pk={found[0]!r}) has the same "
        if self.model in self._references.other_models or not self._references.had_rows(self.model):
            return replace(problem, reason=f"{said}{found[1]}.")
        hint = "To replace all rows with those of a dump: manage.py restore FILE"
        return replace(problem, reason=f"{said}{found[1]} and already exists.", hint=hint)

    def add(self, row: Row) -> None:
        """Take a row; the database is not asked before a block is full."""
        self._pending.unwritten[self] = None
        self._rows.append(row)
        self._size += row.size
        if len(self._rows) >= ROWS or self._size >= SIZE:
            self.flush()

    def add_block(self, block: Block) -> None:
        """Take a block of rows, and write it."""
        self.flush()
        if len(block):
            self._load(block)

    def flush(self) -> None:
        """Write the rows taken so far."""
        self._pending.unwritten.pop(self, None)
        if self._rows:
            block = self.layout.block(self._rows, self._size)
            self._rows, self._size = [], 0
            self._load(block)

    def put(self, row: Row, *, is_new: bool) -> bool:
        """Write one row now; return whether it was inserted.

        One that is said to be new is not looked up. Raises what its fields or the database raise.
        """
        converted = self.converted(row)
        self.look_again()
        before = self.counts.inserted
        self._merge(self._placed([converted]), are_new=is_new)
        return self.counts.inserted > before

    def converted(self, row: Row) -> Converted:
        """Return a row with its values converted; raises what its fields raise."""
        failures: Failures = {}
        block = self.layout.block([row])
        columns = self._columns(block, failures)
        for _name, error in failures.values():
            raise error
        return self._rows_of(block, columns, failures)[0]

    def convert(self, rows: Sequence[Row]) -> list[Converted]:
        """Return the rows with their values converted; those that fail are pending."""
        failures: Failures = {}
        block = self.layout.block(rows)
        columns = self._columns(block, failures)
        self._keep_out(block, failures)
        return self._rows_of(block, columns, failures)

    def _rows_of(self, block: Block, columns: Columns, failures: Failures) -> list[Converted]:
        """Return the rows that could be converted, one by one."""
        python, given = zip(*columns.python, strict=True), zip(*columns.given, strict=True)
        linked = zip(*columns.links, strict=True) if columns.links else repeat(())
        rows = map(Converted, block.rows(), self._keys(columns), python, given, linked)
        return [row for i, row in enumerate(rows) if i not in failures]

    def _load(self, block: Block) -> None:
        """Write rows: all at once into an empty table, else each where it belongs."""
        failures: Failures = {}
        columns = self._columns(block, failures)
        if self.layout.dumped is not None:
            self._pending.loaded_keys.add_rows(self.table, self._keys(columns))
        if not failures and self._insert_all(columns):
            return
        self._keep_out(block, failures)
        converted = self._rows_of(block, columns, failures)
        placed = self._placed(converted) if converted else []
        try:
            with transaction.atomic(using=self.using):
                self._merge(placed)
        except REFUSALS as error:
            require_lock(error, self.using)
            self.write_one_by_one(placed)

    def _columns(self, block: Block, failures: Failures) -> Columns:
        python = [self._python(column, block, failures) for column in self.layout.columns]
        given = [
            prepared(column, values, prepare, failures)
            for column, values, prepare in zip(
                self.layout.columns, python, self._preparations, strict=True
            )
        ]
        links = []
        for link in self._links:
            lists = self.layout.values(link.link.name, block)
            if any(type(one) is Natural for some in lists if type(some) is list for one in some):
                self.natural.add(link.link.name)
            links.append(link.convert(lists, failures))
        return Columns(python, given, links)

    def _keys(self, columns: Columns) -> Sequence[Any]:
        keys = [columns.python[i] for i in self.layout.key]
        return keys[0] if len(keys) == 1 else list(zip(*keys, strict=True))

    def _insert_all(self, columns: Columns) -> bool:
        """Insert rows into an empty table; return whether that was possible."""
        if not self._had_no_rows():
            return False
        keys = self._keys(columns)
        if len(set(keys)) < len(keys):
            return False
        try:
            with transaction.atomic(using=self.using):
                self._statements.insert(columns.given)
                for link, lists in zip(self._links, columns.links, strict=True):
                    link.write(keys, lists)
        except REFUSALS as error:
            require_lock(error, self.using)
            return False
        self.counts.inserted += len(keys)
        self._references.note_inserted(self.model)
        return True

    def replace(self, rows: Sequence[Row]) -> None:
        """Write rows all at once, those that exchange unique values too; raises ``DatabaseError``.

        None is deleted for it: the database might delete others with it.
        """
        with transaction.atomic(using=self.using):
            converted = self._latest(self.convert(rows))
            self.look_again()
            stored = self._stored(converted)
            self._set_aside([row for row in converted if self._is_changed(row, stored)])
            self._merge(converted)

    def _set_aside(self, rows: list[Converted]) -> None:
        """Give stored rows values that conflict with no others."""
        key = [self.layout.columns[i] for i in self.layout.key]
        columns = exchangeable(self.model, [self.layout.columns[i] for i in self.layout.changed])
        if not rows or not columns:
            return
        connection, failures = connections[self.using], Failures()
        values = [
            *([row.python[i] for row in rows] for i in self.layout.key),
            *(spare_values(column, len(rows), self.using) for column in columns),
        ]
        prepared = [
            to_database(column, some, connection, failures)
            for column, some in zip([*key, *columns], values, strict=True)
        ]
        statements = Statements(self.model, [*key, *columns], self.using)
        positions = range(len(prepared))
        rows_of_values = list(zip(*prepared, strict=True))
        statements.update(rows_of_values, positions[len(key) :], positions[: len(key)])

    def write_one_by_one(self, rows: Iterable[Converted]) -> None:
        """Write rows each under a savepoint; those that the database refuses are pending."""
        self.look_again()
        for row in rows:
            try:
                with transaction.atomic(using=self.using):
                    self._merge([row])
            except REFUSALS as error:
                require_lock(error, self.using)
                self._pending.add(PendingRow(self, row.row, error))

    def look_again(self) -> None:
        """Look rows up from now on: their keys may be in an earlier batch."""
        self._is_empty = False
        for link in self._links:
            link.look_again()

    def _python(self, column: Column, block: Block, failures: Failures) -> Sequence[Any]:
        values = self.layout.values(column.name, block)
        if column.name in self.table.key and None in values:
            error = ValidationError(f"{column.name} is the primary key and must not be None.")
            failure = column.name, error
            failures.update({i: failure for i, value in enumerate(values) if value is None})
        if column.references is not None and Natural in set(map(type, values)):
            self.natural.add(column.name)
        return to_python(column, values, self._references, failures)

    def _keep_out(self, block: Block, failures: Failures) -> None:
        for position, (name, error) in failures.items():
            self._pending.add(PendingRow(self, block.row(position), error, name))

    def _placed(self, rows: list[Converted]) -> list[Converted]:
        """Return the rows that are to be written."""
        return self._latest(rows)

    def _latest(self, rows: list[Converted]) -> list[Converted]:
        """Leave one of several rows with the same key: the last, which counts as an update."""
        by_key = {row.key: row for row in rows}
        self.counts.updated += len(rows) - len(by_key)
        return list(by_key.values())

    def _merge(self, rows: list[Converted], *, are_new: bool = False) -> None:
        stored = {} if are_new else self._stored(rows)
        new = [row for row in rows if row.key not in stored]
        changed = [row for row in rows if self._is_changed(row, stored)]
        if new:
            self._statements.insert(list(zip(*(row.given for row in new), strict=True)))
        values = [row.given for row in changed]
        self._statements.update(values, self.layout.changed, self.layout.key)
        relinked: set[object] = set()
        for position, link in enumerate(self._links):
            lists = [row.links[position] for row in rows]
            relinked |= link.write([row.key for row in rows], lists)
        if new and not are_new:
            self._references.note_inserted(self.model)
        if changed:
            self._references.note_changed(self.model)
        unchanged = stored.keys() - {row.key for row in changed}
        self.counts.inserted += len(new)
        self.counts.updated += len(changed) + len(relinked & unchanged)
        self.counts.unchanged += len(unchanged - relinked)

    def _stored(self, rows: list[Converted]) -> dict[object, Tuple]:
        if self._had_no_rows():
            return {}
        columns = [self.layout.columns[i] for i in self.layout.changed]
        return dict(existing(self.table, columns, [row.key for row in rows], self.using))

    def _had_no_rows(self) -> bool:
        if self._is_empty is None:
            self._is_empty = self._statements.is_empty()
            self._references.note_had_rows(self.model, not self._is_empty)
        return self._is_empty

    def _is_changed(self, row: Converted, stored: Mapping[object, Tuple]) -> bool:
        """Whether a row is stored with other values."""
        values = stored.get(row.key)
        return values is not None and not all(
            is_same(self.layout.columns[i], row.python[i], value)
            for i, value in zip(self.layout.changed, values, strict=True)
        )


class ReferenceLoader(TableLoader):
    """Puts references right in rows that are in their table already: it inserts none."""

    def _placed(self, rows: list[Converted]) -> list[Converted]:
        stored = self._stored(rows)
        for row in rows if self.natural & set(self.table.key) else ():
            if row.key not in stored:
                # Where a later fixture has changed what a primary key leads to.
                self._pending.add(PendingRow(self, row.row, RefusedRow(_MOVED)))
        return [row for row in self._latest(rows) if row.key in stored]


def default_of(field: Field) -> Any:
    """Return what a field holds that a row does not mention."""
    if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
        return field.to_python(timezone.now())
    return field.get_default()
