"""Write the rows of a table into the database, one block at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import DatabaseError, InterfaceError, connections, transaction
from django.db.models import NOT_PROVIDED, Model
from django.utils import timezone

from dumpy.engines import engine_of
from dumpy.errors import LoadError, LockedOut, Place, Problem, RowRef, reason_of
from dumpy.loading.conflicts import conflicting_row, exchangeable_columns, spare_values
from dumpy.loading.references import dumped_key
from dumpy.loading.report import Counts, RefusedRow, problem_of
from dumpy.loading.statements import (
    Failures,
    LinkLoader,
    Statements,
    is_same,
    stored_rows,
    to_python,
)
from dumpy.reading import DumpedTable
from dumpy.reading.dump import Block, Row
from dumpy.schema.instances import RejectedRow, new
from dumpy.schema.tables import Column, Field, ModelType, Table
from dumpy.text.skeleton import Fields, by_field
from dumpy.text.words import Natural

if TYPE_CHECKING:
    from dumpy.loading.pending import Pending

_BLOCK_ROWS = 1000
_BLOCK_BYTES = 4 * 2**20
REFUSALS = (DatabaseError, ValueError, OverflowError, InterfaceError)
"""The exceptions of drivers for values that the driver or the database refuses."""
_MOVED = (
    "its primary key is a reference by natural key, and a later fixture has given that key to "
    "another row. Name the fixture of this row last."
)

Tuple = tuple[Any, ...]


class Layout:
    """The columns and links of a table that rows of a dump, or objects, have values for.

    Attributes:
        table: the table that the rows are written to.
        model: the model of instances, which may be a proxy.
        fields: the position in a row, or the constant value, of each column and link.
        dumped: the table of the dump; None for rows of objects, which have a place as their line.
        columns: the columns that are written.
        links: the links that are written.
        key: the positions of the primary key in ``columns``.
        changed: the positions in ``columns`` that an update sets.
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
            # The database fills in its own default.
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
        """Whether the rows have a primary key."""
        return set(self.table.key) <= self.fields.keys()

    def values_by_name(self, row: Row) -> dict[str, Any]:
        """Return the values of a row by field name."""
        return by_field(self.fields, row.values)

    def values(self, name: str, block: Block) -> Sequence[Any]:
        """Return the values of a field in the rows of a block."""
        position = self.fields.get(name)
        if position is None:
            field = next(column.field for column in self.columns if column.name == name)
            return [default_of(field) for _ in range(len(block))]
        return block.column(position)

    def block(self, rows: Sequence[Row], size: int = 0) -> Block:
        """Return a block of rows."""
        columns = tuple(zip(*(row.values for row in rows), strict=True))
        return Block(columns, [row.line for row in rows], size, self.place_of)

    def place_of(self, line: Any) -> Place:
        """Return the place of a line."""
        place: Place = line if self.dumped is None else self.dumped.place(line)
        return place

    def instance(self, row: Row) -> Model:
        """Return an unsaved instance of a row; raises ``LoadError`` if its values do not fit."""
        try:
            return new(self.model, **self.values_by_name(row))
        except Exception as error:
            raise LoadError([Problem(self.ref(row), reason_of(error))]) from error

    def ref(self, row: Row) -> RowRef:
        """Return the row reference of a row, with the primary key in the dump."""
        key = dumped_key(self.table, self.values_by_name(row))
        return RowRef(self.table.label, key, self.place_of(row.line))

    def rejected(self, row: Row, problem: Problem) -> RejectedRow:
        """Return a row that was not loaded."""
        return RejectedRow(self.model, self.values_by_name(row), problem)


class Columns(NamedTuple):
    """The values of a block.

    Attributes:
        python: the values of each column, as values of its field.
        prepared: the same values, prepared for statements.
        links: the primary keys that each row is linked to, for each link.
    """

    python: list[Sequence[Any]]
    prepared: list[Sequence[Any]]
    links: list[list[list[Any]]]


@dataclass(slots=True)
class ConvertedRow:
    """A row with its primary key, and its values as in ``Columns``."""

    row: Row
    key: object
    python: Tuple
    prepared: Tuple
    links: tuple[list[Any], ...]


@dataclass(eq=False)
class PendingRow:
    """A row of a block that was not saved.

    Attributes:
        error: the reason.
        name: the name of the column that failed, or ``""``.
    """

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
        """Return the row as a rejected row."""
        return [self.loader.layout.rejected(self.row, problem)]


def raise_if_locked_out(error: Exception, using: str) -> None:
    """Raise ``LockedOut`` if the error of a row is a lock of another session."""
    if isinstance(error, DatabaseError) and engine_of(connections[using]).is_locked_out(error):
        raise LockedOut(str(error)) from error


class TableLoader:
    """Inserts or updates the rows of one layout.

    Attributes:
        natural_fields: the names of the fields with references by natural key.
    """

    def __init__(self, layout: Layout, pending: Pending, counts: Counts) -> None:
        self.layout = layout
        self.table = layout.table
        self.model = layout.table.model
        self.counts = counts
        self.natural_fields: set[str] = set()
        self._pending = pending
        self._references = pending.references
        self.using = pending.using
        self._rows: list[Row] = []
        self._size = 0
        self._statements = Statements(self.model, layout.columns, self.using)
        self._links = [LinkLoader(link, self._references) for link in layout.links]
        self._is_empty: bool | None = None

    def conflicting_row(self, row: Row) -> tuple[object, str] | None:
        """Return the key of the row with a unique value of a refused row, and its fields."""
        names = [column.name for column in self.layout.columns]
        values = dict(zip(names, self.convert_row(row).python, strict=True))
        return conflicting_row(self.table, values, self.using)

    def had_rows(self) -> bool:
        """Whether the rows that the load does not contain were there before it."""
        is_known = self.model not in self._references.other_models
        return is_known and self._references.had_rows(self.model)

    def add(self, row: Row) -> None:
        """Add a row to the current block, which is written when it is full."""
        self._pending.unwritten[self] = None
        self._rows.append(row)
        self._size += row.size
        if len(self._rows) >= _BLOCK_ROWS or self._size >= _BLOCK_BYTES:
            self.flush()

    def add_block(self, block: Block) -> None:
        """Write a block of rows."""
        self.flush()
        if len(block):
            self._load(block)

    def flush(self) -> None:
        """Write the current block."""
        self._pending.unwritten.pop(self, None)
        if self._rows:
            block = self.layout.block(self._rows, self._size)
            self._rows, self._size = [], 0
            self._load(block)

    def write(self, row: Row, *, is_new: bool) -> bool:
        """Write one row; return whether it was inserted.

        With ``is_new``, no query looks for an existing row. Raises the errors of fields and of the
        database.
        """
        converted = self.convert_row(row)
        self.require_queries()
        before = self.counts.inserted
        self._merge(self._rows_to_write([converted]), are_new=is_new)
        return self.counts.inserted > before

    def convert_row(self, row: Row) -> ConvertedRow:
        """Convert the values of a row; raises the errors of fields."""
        failures: Failures = {}
        block = self.layout.block([row])
        columns = self._columns(block, failures)
        for _name, error in failures.values():
            raise error
        return self._rows_of(block, columns, failures)[0]

    def convert_rows(self, rows: Sequence[Row]) -> list[ConvertedRow]:
        """Convert the values of rows; rows that fail are pending, and not returned."""
        failures: Failures = {}
        block = self.layout.block(rows)
        columns = self._columns(block, failures)
        self._add_failures(block, failures)
        return self._rows_of(block, columns, failures)

    def _rows_of(self, block: Block, columns: Columns, failures: Failures) -> list[ConvertedRow]:
        """Return the rows of a block without failures."""
        python, prepared = zip(*columns.python, strict=True), zip(*columns.prepared, strict=True)
        links = zip(*columns.links, strict=True) if columns.links else repeat(())
        rows = map(ConvertedRow, block.rows(), self._keys(columns), python, prepared, links)
        return [row for i, row in enumerate(rows) if i not in failures]

    def _load(self, block: Block) -> None:
        """Write a block: with one statement into an empty table, otherwise merged."""
        failures: Failures = {}
        columns = self._columns(block, failures)
        if self.layout.dumped is not None:
            self._pending.loaded_keys.add_rows(self.table, self._keys(columns))
        if not failures and self._insert_all(columns):
            return
        self._add_failures(block, failures)
        converted = self._rows_of(block, columns, failures)
        rows = self._rows_to_write(converted) if converted else []
        try:
            with transaction.atomic(using=self.using):
                self._merge(rows)
        except REFUSALS as error:
            raise_if_locked_out(error, self.using)
            self.write_one_by_one(rows)

    def _columns(self, block: Block, failures: Failures) -> Columns:
        python = [self._python(column, block, failures) for column in self.layout.columns]
        prepared = self._statements.prepared(python, failures)
        links = []
        for loader in self._links:
            lists = self.layout.values(loader.link.name, block)
            if any(type(key) is Natural for keys in lists if type(keys) is list for key in keys):
                self.natural_fields.add(loader.link.name)
            links.append(loader.convert(lists, failures))
        return Columns(python, prepared, links)

    def _keys(self, columns: Columns) -> Sequence[Any]:
        keys = [columns.python[i] for i in self.layout.key]
        return keys[0] if len(keys) == 1 else list(zip(*keys, strict=True))

    def _insert_all(self, columns: Columns) -> bool:
        """Insert a block into an empty table; return whether it was inserted."""
        if not self._is_table_empty():
            return False
        keys = self._keys(columns)
        if len(set(keys)) < len(keys):
            return False
        try:
            with transaction.atomic(using=self.using):
                self._statements.insert(columns.prepared)
                for link, lists in zip(self._links, columns.links, strict=True):
                    link.write(keys, lists)
        except REFUSALS as error:
            raise_if_locked_out(error, self.using)
            return False
        self.counts.inserted += len(keys)
        self._references.note_inserted(self.model)
        return True

    def write_together(self, rows: Sequence[Row]) -> None:
        """Write rows that exchange unique values; raises ``DatabaseError``.

        No row is deleted for it, because the database might delete others with it.
        """
        with transaction.atomic(using=self.using):
            converted = self._last_per_key(self.convert_rows(rows))
            self.require_queries()
            stored = self._stored(converted)
            self._write_spare_values([row for row in converted if self._is_changed(row, stored)])
            self._merge(converted)

    def _write_spare_values(self, rows: list[ConvertedRow]) -> None:
        """Set unique values of stored rows to values that no row has."""
        key = [self.layout.columns[i] for i in self.layout.key]
        changed = [self.layout.columns[i] for i in self.layout.changed]
        columns = exchangeable_columns(self.model, changed)
        if not rows or not columns:
            return
        values = [
            *([row.python[i] for row in rows] for i in self.layout.key),
            *(spare_values(column, len(rows), self.using) for column in columns),
        ]
        statements = Statements(self.model, [*key, *columns], self.using)
        positions = range(len(values))
        new_rows = list(zip(*statements.prepared(values), strict=True))
        statements.update(new_rows, positions[len(key) :], positions[: len(key)])

    def write_one_by_one(self, rows: Iterable[ConvertedRow]) -> None:
        """Write each row under a savepoint; rows that the database refuses are pending."""
        self.require_queries()
        for row in rows:
            try:
                with transaction.atomic(using=self.using):
                    self._merge([row])
            except REFUSALS as error:
                raise_if_locked_out(error, self.using)
                self._pending.add(PendingRow(self, row.row, error))

    def require_queries(self) -> None:
        """Query existing rows from now on: the load may have written rows with the same keys."""
        self._is_empty = False
        for link in self._links:
            link.require_queries()

    def _python(self, column: Column, block: Block, failures: Failures) -> Sequence[Any]:
        values = self.layout.values(column.name, block)
        if column.name in self.table.key and None in values:
            error = ValidationError(f"{column.name} is the primary key and must not be None.")
            failure = column.name, error
            failures.update({i: failure for i, value in enumerate(values) if value is None})
        if column.references is not None and Natural in set(map(type, values)):
            self.natural_fields.add(column.name)
        return to_python(column, values, self._references, failures)

    def _add_failures(self, block: Block, failures: Failures) -> None:
        for position, (name, error) in failures.items():
            self._pending.add(PendingRow(self, block.row(position), error, name))

    def _rows_to_write(self, rows: list[ConvertedRow]) -> list[ConvertedRow]:
        return self._last_per_key(rows)

    def _last_per_key(self, rows: list[ConvertedRow]) -> list[ConvertedRow]:
        """Return the last row with each primary key; the others count as updates."""
        by_key = {row.key: row for row in rows}
        self.counts.updated += len(rows) - len(by_key)
        return list(by_key.values())

    def _merge(self, rows: list[ConvertedRow], *, are_new: bool = False) -> None:
        stored = {} if are_new else self._stored(rows)
        new = [row for row in rows if row.key not in stored]
        changed = [row for row in rows if self._is_changed(row, stored)]
        if new:
            self._statements.insert(list(zip(*(row.prepared for row in new), strict=True)))
        values = [row.prepared for row in changed]
        self._statements.update(values, self.layout.changed, self.layout.key)
        relinked: set[object] = set()
        for i, link in enumerate(self._links):
            relinked |= link.write([row.key for row in rows], [row.links[i] for row in rows])
        if new and not are_new:
            self._references.note_inserted(self.model)
        if changed:
            self._references.note_changed(self.model)
        unchanged = stored.keys() - {row.key for row in changed}
        self.counts.inserted += len(new)
        self.counts.updated += len(changed) + len(relinked & unchanged)
        self.counts.unchanged += len(unchanged - relinked)

    def _stored(self, rows: list[ConvertedRow]) -> dict[object, Tuple]:
        if self._is_table_empty():
            return {}
        columns = [self.layout.columns[i] for i in self.layout.changed]
        return dict(stored_rows(self.table, columns, [row.key for row in rows], self.using))

    def _is_table_empty(self) -> bool:
        if self._is_empty is None:
            self._is_empty = self._statements.is_empty()
            self._references.note_had_rows(self.model, not self._is_empty)
        return self._is_empty

    def _is_changed(self, row: ConvertedRow, stored: Mapping[object, Tuple]) -> bool:
        """Whether the stored row has other values."""
        values = stored.get(row.key)
        return values is not None and not all(
            is_same(self.layout.columns[i], row.python[i], value)
            for i, value in zip(self.layout.changed, values, strict=True)
        )


class ReferenceLoader(TableLoader):
    """Updates the references of stored rows; inserts no row."""

    def _rows_to_write(self, rows: list[ConvertedRow]) -> list[ConvertedRow]:
        stored = self._stored(rows)
        for row in rows if self.natural_fields & set(self.table.key) else ():
            if row.key not in stored:
                # A later fixture has changed the row that the primary key refers to.
                self._pending.add(PendingRow(self, row.row, RefusedRow(_MOVED)))
        return [row for row in self._last_per_key(rows) if row.key in stored]


def default_of(field: Field) -> Any:
    """Return the value of a field that is not in a row."""
    if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
        return field.to_python(timezone.now())
    return field.get_default()
