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
from dumpy.errors import LoadError, LockedOut, Place, Problem, RowRef
from dumpy.loading.conflicts import exchangeable, holder, spare_values
from dumpy.loading.problems import problem_of, reason_of
from dumpy.loading.references import single
from dumpy.loading.report import Counts
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
from dumpy.schema.tables import Column, Field, ModelType, Table
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

Fields = Mapping[str, Any]
"""Where rows have the values of fields: the position of each, or a constant of ``text``."""
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
            column for column in table.columns if column.name in fields or _has_default(column)
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
        return {
            name: row.values[where] if isinstance(where, int) else where.value
            for name, where in self.fields.items()
        }

    def values(self, name: str, rows: Block) -> Sequence[Any]:
        """Return the values of one field in each of the rows."""
        where = self.fields.get(name)
        if where is None:
            field = next(column.field for column in self.columns if column.name == name)
            return [default_of(field) for _ in range(len(rows))]
        if isinstance(where, int):
            return rows.columns[where]
        return [where.value] * len(rows)

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

    def key_of(self, values: Sequence[Any]) -> object:
        """Return the primary key in the values of the columns."""
        return values[self.key[0]] if len(self.key) == 1 else tuple(values[i] for i in self.key)


class Columns(NamedTuple):
    """The values of a block by column: as Python's, as the database's, and the links."""

    python: list[Sequence[Any]]
    database: list[Sequence[Any]]
    links: list[list[list[Any]]]


@dataclass(slots=True)
class Converted:
    """A row on its way: what it was, its values as Python's, and as the database's."""

    row: Row
    python: Tuple
    database: Tuple
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
        """Return what keeps the row out, for a person."""
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
        self._preparations = [preparation(c, connections[self.using]) for c in layout.columns]
        self._links = [LinkLoader(link, self._references) for link in layout.links]
        self._is_empty: bool | None = None

    def with_conflict(self, problem: Problem, row: Row) -> Problem:
        """Let a problem say which row of the database has a unique value of the refused row."""
        failures: Failures = {}
        columns = self._columns(self.layout.block([row]), failures)
        names = [column.name for column in self.layout.columns]
        values = {name: one[0] for name, one in zip(names, columns.python, strict=True)}
        found = None if failures else holder(self.table, values, self.using)
        if found is None:
            return problem
        said = f"{problem.reason.rstrip('.')}. {self.table.label}(pk={found[0]!r}) has the same "
        if self.model in self._references.others or not self._references.had_rows(self.model):
            return replace(problem, reason=f"{said}{found[1]}.")
        hint = "To replace all rows with those of a dump: manage.py restore FILE"
        return replace(problem, reason=f"{said}{found[1]} and already exists.", hint=hint)

    def stored_key(self, row: Row) -> object:
        """Return the primary key that a row has in the database; raises ``Missing``."""
        failures: Failures = {}
        block = self.layout.block([row])
        columns = [self.table.column(name) for name in self.table.key]
        key = [self._python(column, block, failures)[0] for column in columns]
        _raise_first(failures)
        return single(key)

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
        failures: Failures = {}
        block = self.layout.block([row])
        columns = self._columns(block, failures)
        _raise_first(failures)
        self.look_again()
        before = self.counts.inserted
        self._merge(self._placed(_converted(block, columns, failures)), are_new=is_new)
        return self.counts.inserted > before

    def convert(self, rows: Sequence[Row]) -> list[Converted]:
        """Return the rows with their values converted; those that fail are pending."""
        failures: Failures = {}
        block = self.layout.block(rows)
        columns = self._columns(block, failures)
        self._keep_out(block, failures)
        return _converted(block, columns, failures)

    def _load(self, block: Block) -> None:
        """Write rows: all at once into an empty table, else each where it belongs."""
        failures: Failures = {}
        columns = self._columns(block, failures)
        if self.layout.dumped is not None:
            self._pending.arrivals.add_rows(self.table, self._keys(columns))
        if not failures and self._insert_all(columns):
            return
        self._keep_out(block, failures)
        converted = _converted(block, columns, failures)
        if converted and (placed := self._placed(converted)):
            self._write(placed)

    def _columns(self, block: Block, failures: Failures) -> Columns:
        python = [self._python(column, block, failures) for column in self.layout.columns]
        database = [
            prepared(column, values, prepare, failures)
            for column, values, prepare in zip(
                self.layout.columns, python, self._preparations, strict=True
            )
        ]
        links = [
            self._convert_links(loader, self.layout.values(loader.link.name, block), failures)
            for loader in self._links
        ]
        return Columns(python, database, links)

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
        given = columns.python if self._statements.wants_python else columns.database
        try:
            with transaction.atomic(using=self.using):
                self._statements.insert(given)
                for link, lists in zip(self._links, columns.links, strict=True):
                    link.write(keys, lists)
        except REFUSALS as error:
            require_lock(error, self.using)
            return False
        self.counts.inserted += len(keys)
        self._references.inserted(self.model)
        return True

    def replace(self, rows: Sequence[Row]) -> None:
        """Write rows all at once, those that exchange unique values too; raises ``DatabaseError``.

        None is deleted for it: the database might delete others with it.
        """
        with transaction.atomic(using=self.using):
            converted = self._latest(self.convert(rows))
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
        connection, failures = connections[self.using], Failures()
        written = [self.layout.columns[i] for i in self.layout.key] + columns
        keys = zip(*([row.database[i] for i in self.layout.key] for row in rows), strict=True)
        spare = [
            to_database(column, spare_values(column, len(rows), self.using), connection, failures)
            for column in columns
        ]
        statements = Statements(self.model, written, self.using)
        first = len(self.layout.key)
        values = list(zip(*keys, *spare, strict=True))
        statements.update(values, range(first, len(written)), range(first))

    def write_one_by_one(self, rows: Iterable[Converted]) -> None:
        """Write rows each under a savepoint; those that the database refuses are pending."""
        self.look_again()
        for row in rows:
            try:
                self._merge_or_nothing([row])
            except REFUSALS as error:
                require_lock(error, self.using)
                self._pending.add(PendingRow(self, row.row, error))

    def look_again(self) -> None:
        """Look rows up from now on: their keys may have come in an earlier batch."""
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

    def _convert_links(
        self, loader: LinkLoader, lists: Sequence[Any], failures: Failures
    ) -> list[list[Any]]:
        if any(type(one) is Natural for some in lists if isinstance(some, list) for one in some):
            self.natural.add(loader.link.name)
        return loader.convert(lists, failures)

    def _keep_out(self, block: Block, failures: Failures) -> None:
        for position, (name, error) in failures.items():
            self._pending.add(PendingRow(self, block.row(position), error, name))

    def _placed(self, rows: list[Converted]) -> list[Converted]:
        """Return the rows that are to be written."""
        return self._latest(rows)

    def _latest(self, rows: list[Converted]) -> list[Converted]:
        """Leave one of several rows with the same key: the last, which counts as an update."""
        by_key = {self.layout.key_of(row.python): row for row in rows}
        self.counts.updated += len(rows) - len(by_key)
        return list(by_key.values())

    def _write(self, rows: list[Converted]) -> None:
        try:
            self._merge_or_nothing(rows)
        except REFUSALS as error:
            require_lock(error, self.using)
            self.write_one_by_one(rows)

    def _merge_or_nothing(self, rows: list[Converted]) -> None:
        with transaction.atomic(using=self.using):
            self._merge(rows)

    def _merge(self, rows: list[Converted], *, are_new: bool = False) -> None:
        new, changed, unchanged = (rows, [], set()) if are_new else self._sorted(rows)
        self._insert(new)
        self._update(changed)
        relinked = self._write_links(rows)
        if new and not are_new:
            self._references.inserted(self.model)
        if changed:
            self._references.changed(self.model)
        self.counts.inserted += len(new)
        self.counts.updated += len(changed) + len(relinked & unchanged)
        self.counts.unchanged += len(unchanged - relinked)

    def _insert(self, rows: list[Converted]) -> None:
        given = self._statements.wants_python
        values = [row.python if given else row.database for row in rows]
        if values:
            self._statements.insert(list(zip(*values, strict=True)))

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
        changed = [row for row in old if not self._is_stored(row, stored)]
        keys = {self.layout.key_of(row.python) for row in old}
        return new, changed, keys - {self.layout.key_of(row.python) for row in changed}

    def _stored(self, rows: list[Converted]) -> dict[object, Tuple]:
        if self._had_no_rows():
            return {}
        keys = [self.layout.key_of(row.python) for row in rows]
        columns = [self.layout.columns[i] for i in self.layout.changed]
        return dict(existing(self.table, columns, keys, self.using))

    def _had_no_rows(self) -> bool:
        if self._is_empty is None:
            self._is_empty = self._statements.is_empty()
            self._references.begin(self.model, has_rows=not self._is_empty)
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


class ReferenceLoader(TableLoader):
    """Puts references right in rows that are in their table already: it inserts none."""

    def _placed(self, rows: list[Converted]) -> list[Converted]:
        stored = self._stored(rows)
        for row in rows if self.natural & set(self.table.key) else ():
            if self.layout.key_of(row.python) not in stored:
                # Where a later fixture has changed what a primary key leads to.
                self._pending.add(PendingRow(self, row.row, ValueError(_MOVED)))
        return [row for row in self._latest(rows) if self.layout.key_of(row.python) in stored]


def _raise_first(failures: Failures) -> None:
    for _name, error in failures.values():
        raise error


def _converted(block: Block, columns: Columns, failures: Failures) -> list[Converted]:
    """Return the rows that can be converted, one by one."""
    linked = zip(*columns.links, strict=True) if columns.links else repeat(())
    python, database = zip(*columns.python, strict=True), zip(*columns.database, strict=True)
    converted = map(Converted, block.rows(), python, database, linked)
    return [row for i, row in enumerate(converted) if i not in failures]


def default_of(field: Field) -> Any:
    """Return what a field holds that a row does not mention."""
    if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
        return field.to_python(timezone.now())
    return field.get_default()


def _has_default(column: Column) -> bool:
    field = column.field
    # Without a value the database fills in its default: the column is left out then.
    return getattr(field, "db_default", NOT_PROVIDED) is NOT_PROVIDED and not field.primary_key
