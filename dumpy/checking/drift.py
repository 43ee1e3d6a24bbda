"""A model of a dump against the model of today: what the rows meet, seen in one pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import chain
from typing import Any

from django.db import connections
from django.db.models import NOT_PROVIDED

from dumpy.checking.columns import ColumnCheck, Fault
from dumpy.checking.constraints import Constraints, cleans
from dumpy.checking.findings import Example, Tally
from dumpy.checking.guesses import is_empty, renamed_fields
from dumpy.checking.opened import DumpedModel
from dumpy.checking.references import ReferenceCheck, Source, key_of
from dumpy.checking.uniques import UniqueCheck, uniques_of
from dumpy.checking.uniques import Where as Mark
from dumpy.errors import FixtureError
from dumpy.loading.batches import default_of
from dumpy.loading.validation import is_changed
from dumpy.loading.values import Failures
from dumpy.reading import DumpedTable
from dumpy.reading.block import Row
from dumpy.schema.tables import Column, Link, ModelType, Table, table_of
from dumpy.text.skeleton import Constant

_ROWS = 1000
_SIZE = 4 * 2**20
Where = int | Constant
Kind = tuple[str, str, bool]


@dataclass(frozen=True)
class Batch:
    """Some rows of a table, and their values by position."""

    table: DumpedTable
    number: int
    rows: Sequence[Row]

    @cached_property
    def _columns(self) -> list[tuple[Any, ...]]:
        return list(zip(*(row.values for row in self.rows), strict=True))

    def values(self, where: Where) -> Sequence[Any]:
        """Return the values at a position, or a constant as often as there are rows."""
        if isinstance(where, Constant):
            return [where.value] * len(self.rows)
        return self._columns[where]


@dataclass
class Rows:
    """The rows of a model of a dump, read in batches; ``errors`` are what has ended the reading."""

    dumped: DumpedModel
    count: int = 0
    errors: list[FixtureError] = field(default_factory=list)

    def batches(self) -> Iterator[Batch]:
        """Yield the rows."""
        for number, table in enumerate(self.dumped.tables):
            try:
                yield from self._batches(table, number)
            except FixtureError as error:
                self.errors.append(error)

    def _batches(self, table: DumpedTable, number: int) -> Iterator[Batch]:
        rows, size = list[Row](), 0
        for row in table.rows():
            rows.append(row)
            size += row.size
            if len(rows) >= _ROWS or size >= _SIZE:
                yield self._counted(Batch(table, number, rows))
                rows, size = [], 0
        if rows:
            yield self._counted(Batch(table, number, rows))

    def _counted(self, batch: Batch) -> Batch:
        self.count += len(batch.rows)
        return batch


def _through(table: Table) -> Iterator[tuple[str, str]]:
    """The many-to-many fields whose links are rows of a model of their own, with its label."""
    for own in table.model._meta.local_many_to_many:
        through: Any = own.remote_field.through
        if not through._meta.auto_created:
            yield own.name, through._meta.label


def _elsewhere(table: Table, new: Iterable[ModelType]) -> Iterator[tuple[str, str]]:
    """The fields of new models that refer to a model, or that it refers to, with their label."""
    for other in map(table_of, new):
        ends = {c.references for one in (table, other) for c in one.columns} - {None}
        if table is not other and (other.model in ends or table.model in ends):
            yield from ((c.name, other.label) for c in other.columns if c.name not in other.key)


def fixed_default(column: Column) -> Constant | None:
    """Return the value that each row gets which has none, None if it is another for each."""
    own = column.field
    is_made = (own.has_default() and callable(own.default)) or getattr(own, "auto_now", False)
    if is_made or getattr(own, "auto_now_add", False) or is_filled(column):
        return None
    return Constant(default_of(own))


def is_filled(column: Column) -> bool:
    """Whether the database fills a column in."""
    has_default = getattr(column.field, "db_default", NOT_PROVIDED) is not NOT_PROVIDED
    return has_default or getattr(column.field, "db_returning", False)


class Drift:
    """What the rows of a model meet in a table of today.

    After ``look()``: ``rows`` has counted them, ``renamed`` guesses new names, ``removed`` are the
    fields that are gone otherwise, ``added`` what is new, ``tallies`` count the values that do not
    fit, ``filled`` those that are not empty, ``uniques`` know the values that occur twice;
    ``through`` are the models of the many-to-many fields that have one, ``elsewhere`` those of the
    ``new`` ones that have a field of a name; ``unseen`` says what only a restore can tell. The
    dump's model has a ``number``, by which ``references`` know it.
    """

    def __init__(
        self,
        dumped: DumpedModel,
        table: Table,
        number: int,
        references: ReferenceCheck,
        new: Iterable[ModelType] = (),
    ) -> None:
        names = table.names
        self.dumped = dumped
        self.table = table
        self.rows = Rows(dumped)
        self.filled: Counter[str] = Counter()
        self.tallies: dict[Kind, Tally] = {}
        self.renamed: dict[str, str] = {}
        self.removed = [name for name in dumped.fields if name not in names]
        self.unseen: list[str] = []
        self._number = number
        self._references = references
        self._using = references.using
        self._where: dict[str, Where] = {
            names[name]: where for name, where in dumped.fields.items() if name in names
        }
        self.uniques: list[UniqueCheck] = []
        self.through = dict(_through(table))
        self.elsewhere = dict(_elsewhere(table, new))
        self.is_validated = is_changed(table, self._where, dumped.tables[0])

    @property
    def added(self) -> list[Column | Link]:
        """The columns and links of today that the rows have no value for."""
        every = chain[Column | Link](self.table.columns, self.table.links)
        return [one for one in every if one.name not in self._where]

    def check_of(self, column: Column) -> ColumnCheck:
        """Return what finds the values that do not fit a column."""
        connection = connections[self._using]
        return ColumnCheck(column, connection, is_validated=self.is_validated)

    def look(self) -> None:
        """Read the rows."""
        batches = self.rows.batches()
        first = next(batches, None)
        if first is None:
            return
        self._guess(first)
        self._prepare()
        for batch in chain([first], batches):
            self._look_at(batch)
        if any(check.is_lost for check in self.uniques):
            self._look_again()

    def _guess(self, first: Batch) -> None:
        added: dict[str, ColumnCheck | Link] = {
            one.name: one if isinstance(one, Link) else self.check_of(one) for one in self.added
        }
        gone = {
            name: first.values(self.dumped.fields[name])
            for name in self.removed
            if name not in self.through
        }
        key = self._renamed_key(gone, added)
        for old, new in key.items():
            del gone[old], added[new]
        self.renamed = {**key, **renamed_fields(gone, added)}
        self.removed = [name for name in self.removed if name not in self.renamed]
        for old, new in self.renamed.items():
            self._where[new] = self.dumped.fields[old]

    def _renamed_key(
        self, gone: Mapping[str, Sequence[Any]], added: Mapping[str, ColumnCheck | Link]
    ) -> dict[str, str]:
        """A key that stood first and is gone, a parent's say, is the key of today if it fits."""
        first = next((name for name in gone if self.dumped.fields[name] == 0), None)
        check = added.get(self.table.key[0]) if len(self.table.key) == 1 else None
        if first is None or not isinstance(check, ColumnCheck):
            return {}
        _python, faults = check.faults(gone[first])
        return {} if any(fault.stops for fault in faults) else {first: check.column.name}

    def _prepare(self) -> None:
        here = self._where
        self._checks = [
            (self.check_of(column), here[column.name])
            for column in self.table.columns
            if column.name in here
        ]
        self._links = [
            (link, self.check_of(link.target), here[link.name])
            for link in self.table.links
            if link.name in here
        ]
        self._key = [here[name] for name in self.table.key if name in here]
        self._fixed = {
            column.name: constant
            for column in self.table.columns
            if column.name not in here and (constant := fixed_default(column)) is not None
        }
        known = {*here, *self._fixed}
        constraints = Constraints(self.table, known, connections[self._using])
        self._row_checks = constraints.checks
        self.uniques = [
            UniqueCheck(unique, self._references.connection)
            for unique in [*uniques_of(self.table), *constraints.uniques]
            if {column.name for column in unique.columns} <= known
        ]
        self.unseen += constraints.unseen
        if self.is_validated and cleans(self.table.model):
            self.unseen.append(f"clean() of {self.table.label}")
        self._sources = {
            column.name: Source(self._number, column.field.name, key_of(column))
            for column in self.table.columns
            if column.name in known and self._references.is_checked(column)
        }

    def _look_at(self, batch: Batch) -> None:
        python: dict[str, Sequence[Any]] = {}
        for check, where in self._checks:
            values, faults = check.faults(batch.values(where))
            python[check.column.name] = values
            for fault in faults:
                self._note(batch, check.column.field.name, fault, where)
        self._references.add_keys(self.table, python)
        columns = self._columns(batch, python)
        for name, source in self._sources.items():
            self._references.add(source, columns[name], partial(self._marks, batch))
        for link, check, where in self._links:
            for fault in _link_faults(check, batch.values(where)):
                self._note(batch, link.name, fault, where)
            self._look_at_links(link, check, batch, where)
        self._look_at_rows(batch, python)
        for name in (*self.removed, *self.renamed):
            values = batch.values(self.dumped.fields[name])
            self.filled[name] += sum(1 for value in values if not is_empty(value))
        for unique in self.uniques:
            self._add(unique, batch, python)

    def _look_at_links(self, link: Link, check: ColumnCheck, batch: Batch, where: Where) -> None:
        if not self._references.is_checked(link.target):
            return
        lists = [keys if isinstance(keys, list) else [] for keys in batch.values(where)]

        def marks() -> list[Mark]:
            return [
                mark for mark, keys in zip(self._marks(batch), lists, strict=True) for _key in keys
            ]

        source = Source(self._number, link.name, key_of(link.target))
        keys = check.converted(list(chain.from_iterable(lists)), {})
        self._references.add(source, keys, marks)

    def _look_at_rows(self, batch: Batch, python: Mapping[str, Sequence[Any]]) -> None:
        for check in self._row_checks:
            columns = self._columns(batch, python)
            for position in range(len(batch.rows)):
                if check.judge(columns, position) is False:
                    fault = Fault(position, "constraint", "breaks this constraint")
                    self._note(batch, check.name, fault)

    def _columns(
        self, batch: Batch, python: Mapping[str, Sequence[Any]]
    ) -> Mapping[str, Sequence[Any]]:
        return {**{name: batch.values(one) for name, one in self._fixed.items()}, **python}

    def _marks(self, batch: Batch) -> list[Mark]:
        keys = self._keys(batch)
        return [(pk, batch.number, row.line) for pk, row in zip(keys, batch.rows, strict=True)]

    def _add(self, check: UniqueCheck, batch: Batch, python: Mapping[str, Sequence[Any]]) -> None:
        columns = self._columns(batch, python)
        keys = list(zip(*(columns[one.name] for one in check.unique.columns), strict=True))
        marks, judge = self._marks(batch), check.unique.condition
        if judge is not None:
            chosen = [position for position in range(len(keys)) if judge(columns, position)]
            keys, marks = [keys[i] for i in chosen], [marks[i] for i in chosen]
        check.add(keys, marks)

    def _look_again(self) -> None:
        lost = [check for check in self.uniques if check.is_lost]
        for check in lost:
            check.keep()
        for batch in Rows(self.dumped).batches():
            python = {
                check.column.name: check.converted(batch.values(where), {})
                for check, where in self._checks
            }
            for unique in lost:
                self._add(unique, batch, python)

    def _keys(self, batch: Batch) -> Sequence[object]:
        if not self._key:
            return [None] * len(batch.rows)
        keys = [batch.values(where) for where in self._key]
        return keys[0] if len(keys) == 1 else list(zip(*keys, strict=True))

    def _note(self, batch: Batch, name: str, fault: Fault, where: Where | None = None) -> None:
        row = batch.rows[fault.position]
        pk = self._keys(batch)[fault.position]
        kind = name, fault.kind, fault.stops
        value = None if where is None else batch.values(where)[fault.position]
        example = Example(pk, batch.table.place(row.line), value)
        self.tallies.setdefault(kind, Tally(fault.reason)).count(example)


def _link_faults(check: ColumnCheck, values: Sequence[Any]) -> Iterator[Fault]:
    """The rows that link to what can be no key, or that have no list of links."""
    failures: Failures = {}
    lists = [value if isinstance(value, list) else [] for value in values]
    check.converted([key for keys in lists for key in keys], failures)
    if not failures and all(isinstance(value, list | None) for value in values):
        return
    for position, (value, keys) in enumerate(zip(values, lists, strict=True)):
        own: Failures = {}
        check.converted(keys, own)
        if own or not isinstance(value, list | None):
            yield Fault(position, "refused", f"{value!r:.40} is no list of keys")
