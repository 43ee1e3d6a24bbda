"""Loading what can be loaded: the rest is kept out, and handed back as data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Model

from dumpy.dump import DumpedRow, dumped_row
from dumpy.errors import LoadError, Place, Problem
from dumpy.loading.batches import ConstantLike, named_values
from dumpy.loading.dumped import DumpedTable
from dumpy.loading.lanes import Destination, RowByRow
from dumpy.loading.objects import field_value, given
from dumpy.schema.tables import ModelType, Table, table_of

T = TypeVar("T")
Fields = Mapping[str, int | ConstantLike]


@dataclass(frozen=True)
class RejectedRow:
    """A row that was kept out: its values by the names that fields have today, and the reason."""

    model: ModelType
    values: Mapping[str, Any]
    problem: Problem


class LoadAgain(Exception):
    """Rows are in the database that must not be: the load is to be undone and made without them."""


@dataclass
class Rejects:
    """What a load does without, which may take several attempts.

    ``left`` are the rows that could not be saved in the last of them, ``sifted`` those that it did
    not try to save.
    """

    left: list[RejectedRow] = field(default_factory=list)
    sifted: list[RejectedRow] = field(default_factory=list)
    _left_out: dict[tuple[str, str], Problem] = field(default_factory=dict)

    def attempts(self, using: str, load: Callable[[], T]) -> T:
        """Call ``load`` until no row in the database refers to one that is not there.

        Returns what it returns; raises what it raises, with the database as it was.
        """
        while True:
            self.left, self.sifted = [], []
            try:
                with transaction.atomic(using=using):
                    return load()
            except LoadAgain:
                continue

    @property
    def rows(self) -> list[RejectedRow]:
        """The rows that the last attempt has kept out, causes first, in the order of the files."""
        return sorted([*self.left, *self.sifted], key=lambda row: position(row.problem))

    def leave_out(self, problems: Iterable[Problem]) -> None:
        """Leave rows out in the next attempt.

        Raises ``LoadAgain``, or ``LoadError`` if they come again, not being rows of the dump.
        """
        found = {_identity(problem.model, problem.pk): problem for problem in problems}
        if found.keys() <= self._left_out.keys():
            raise LoadError(list(found.values()))
        self._left_out = {**found, **self._left_out}
        raise LoadAgain

    def sieved(
        self, lane: Destination, dumped: DumpedTable, table: Table, fields: Fields
    ) -> Destination:
        """Return a lane that keeps out the rows to leave out."""
        if all(label != table.label for label, _key in self._left_out):
            return lane
        return _Sieve(lane, dumped, table, fields, self)

    def keeps_out(self, instance: Model, place: Place | None) -> bool:
        """Keep an object out if it is one of those to leave out; return whether it is."""
        problem = self.reason(table_of(type(instance)).label, instance.pk, place)
        if problem is not None:
            self.sifted += rows_of_instance(instance, problem)
        return problem is not None

    def reason(self, label: str, pk: object, place: Place | None) -> Problem | None:
        """Return why a row is to be left out, or None."""
        problem = self._left_out.get(_identity(label, pk))
        return None if problem is None else replace(problem, pk=pk, place=place)


class _Sieve(RowByRow):
    """A lane that keeps out the rows to leave out."""

    def __init__(
        self,
        lane: Destination,
        dumped: DumpedTable,
        table: Table,
        fields: Fields,
        rejects: Rejects,
    ) -> None:
        self.model = lane.model
        self._lane = lane
        self._dumped = dumped
        self._table = table
        self._fields = fields
        self._rejects = rejects

    def add(self, row: Any) -> None:
        """Take a row."""
        values = named_values(self._fields, row.values)
        key = [values.get(name) for name in self._table.key]
        pk = key[0] if len(key) == 1 else tuple(key)
        problem = self._rejects.reason(self._table.label, pk, self._dumped.place(row.line))
        if problem is None:
            self._lane.add(row)
        else:
            self._rejects.sifted.append(RejectedRow(self.model, values, problem))

    def flush(self) -> None:
        """Write the rows taken so far."""
        self._lane.flush()


def rows_of_instance(instance: Model, problem: Problem) -> Iterator[RejectedRow]:
    """Yield the row of an object; for one that a person made, those of its parents before it."""
    row = dumped_row(instance)
    if row is not None:
        yield RejectedRow(type(instance), _dumped_values(instance, row), problem)
        return
    for model in [*reversed(instance._meta.get_parent_list()), type(instance)]:
        table = table_of(model)
        columns = {column.name: column for column in given(table, instance)}
        values = {name: field_value(column, instance) for name, column in columns.items()}
        link = instance._meta.get_ancestor_link(model)
        if link is not None and values.get(table.key[0]) is None:
            values[table.key[0]] = getattr(instance, link.attname)
        unknown = {name for name in table.key if values.get(name) is None}
        known = {name: value for name, value in values.items() if name not in unknown}
        yield RejectedRow(table.model, known, problem)


def _dumped_values(instance: Model, row: DumpedRow) -> dict[str, Any]:
    table = table_of(type(instance))
    values = {
        column.name: field_value(column, instance)
        for column in given(table, instance)
        if {column.name, column.field.name} & set(row.names)
    }
    named = {table.column(name).name: value for name, value in row.references.items()}
    return values | named | row.links


def position(problem: Problem) -> tuple[bool, str, int]:
    """Causes first, then those that wait for them; each in the order of the files."""
    place = problem.place or Place("")
    return problem.waits, place.file, place.line or 0


def _identity(label: str, pk: object) -> tuple[str, str]:
    """What names a row in a dump as in the database."""
    return label, str(pk)
