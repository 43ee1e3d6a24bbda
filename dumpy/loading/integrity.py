"""Foreign keys and links of a dump that lead nowhere, found when all rows are in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from operator import lt
from typing import Any

from django.db.models import QuerySet

from dumpy.errors import Place, Problem
from dumpy.loading.references import Dangling, dangling, dangling_composites, is_constrained
from dumpy.reading import DumpedTable
from dumpy.schema.tables import Column, Link, Table, table_of

_KEYS_PER_QUERY = 500
_REPEATED = (
    "has a row with the same key, and one of the two would be lost. Give one of them another key."
)
Row = tuple[str, str]
"""A row by the label of its model and its primary key as text."""


class Arrivals:
    """The keys of the loaded rows, to find duplicates: one of two rows would be lost.

    Keys of objects are kept. Rows of a dump are read again, unless their keys ascend.
    """

    def __init__(self) -> None:
        self._objects: defaultdict[Table, list[tuple[object, Place]]] = defaultdict(list)
        self._last: dict[Table, Any] = {}
        self._unordered: set[Table] = set()

    def add_object(self, table: Table, key: object, place: Place) -> None:
        """Take the key of an object that is saved."""
        self._objects[table].append((key, place))

    def add_rows(self, table: Table, keys: Sequence[Any]) -> None:
        """Take the keys of rows of a dump."""
        series = [self._last[table], *keys] if table in self._last else keys
        self._last[table] = keys[-1]
        with suppress(TypeError):
            if all(map(lt, series, series[1:])):
                return
        self._unordered.add(table)

    def repeated(
        self, dumped: Mapping[Table, list[DumpedTable]], *, by_file: bool
    ) -> Iterator[Problem]:
        """Yield a problem for each row with the key of another one, ``by_file`` or in the load."""
        for table in {**self._objects, **dict.fromkeys(self._unordered)}:
            first: dict[object, Place] = {}
            for is_object, (key, place) in self._places(table, dumped.get(table, ())):
                identity = str(key), by_file and place.file
                other = first.get(identity)
                first.setdefault(identity, place)
                # A row that is not valid is saved as an object, and then read again.
                if other is not None and (is_object or other != place):
                    yield Problem(table.label, key, place, f"{other} {_REPEATED}")

    def _places(
        self, table: Table, dumped: Iterable[DumpedTable]
    ) -> Iterator[tuple[bool, tuple[object, Place]]]:
        objects = self._objects.get(table, [])
        yield from ((True, one) for one in objects)
        if table in self._unordered or (objects and table in self._last):
            yield from ((False, one) for one in occurrences(table, dumped))


def dangling_problems(
    table: Table, dumped: Iterable[DumpedTable], using: str, kept_out: Container[Row]
) -> Iterator[Problem]:
    """Yield a problem for each reference of a loaded table that leads nowhere, with its line.

    ``kept_out`` are the rows that did not get in: references to them are consequences.
    """
    dumped = list(dumped)
    found = list(dangling(table, using))
    lines = lines_of(table, dumped, {str(one.pk) for one in found})
    for one in found:
        place = lines.get(str(one.pk))
        yield Problem(table.label, one.pk, place, str(one), _parent(one) in kept_out)
    for link in table.links:
        yield from _dangling_links(table, link, dumped, using, kept_out)


def unconstrained(tables: Iterable[Table], using: str) -> Iterator[str]:
    """Yield a sentence for each table with foreign keys of several columns that lead nowhere.

    No database has a constraint for them. One that has such rows must come back from its own dump.
    """
    for table in tables:
        if found := list(dangling_composites(table, using)):
            others = len(found) - 1
            more = f" ({others:,} more row{'s'[: others > 1]} of {table.label})" if others else ""
            yield f"{table.label}(pk={found[0].pk!r}): {found[0]}{more}"


def consequences(
    tables: Collection[Table], rows: Mapping[Table, set[object]], using: str
) -> Iterator[Problem]:
    """Yield a problem for each row of ``tables`` that leads to one of ``rows``, however far."""
    seen = {table: set(keys) for table, keys in rows.items()}
    last = rows
    while last:
        found: defaultdict[Table, set[object]] = defaultdict(set)
        for parent, keys in last.items():
            for table, pk, reason in _referring(tables, parent, keys, using):
                if pk not in seen.setdefault(table, set()):
                    seen[table].add(pk)
                    found[table].add(pk)
                    yield Problem(table.label, pk, None, reason, waits=True)
        last = found


def _referring(
    tables: Collection[Table], parent: Table, keys: set[object], using: str
) -> Iterator[tuple[Table, object, str]]:
    for table in tables:
        for column in table.columns:
            if column.references is parent.model and is_constrained(column, using):
                for pk, value in _pairs(table, "pk", column, keys, using):
                    yield table, pk, str(Dangling(parent.model, column.name, pk, value))
        for link in table.links:
            if link.target.references is parent.model:
                through = table_of(link.through)
                for pk, value in _pairs(through, link.source.name, link.target, keys, using):
                    one = Dangling(parent.model, link.target.name, pk, value)
                    yield table, pk, f"{link.name}: {one}"


def _pairs(
    table: Table, name: str, column: Column, keys: set[object], using: str
) -> Iterator[tuple[object, object]]:
    """The rows of a table whose column leads to a row with one of the primary keys."""
    wanted = list(keys)
    assert column.references is not None
    for start in range(0, len(wanted), _KEYS_PER_QUERY):
        parents: QuerySet[Any] = QuerySet(column.references, using=using)
        values = parents.filter(pk__in=wanted[start : start + _KEYS_PER_QUERY]).values_list(
            column.parent_field.attname, flat=True
        )
        rows = QuerySet(table.model, using=using).filter(**{f"{column.name}__in": list(values)})
        yield from rows.values_list(name, column.name)


def _parent(one: Dangling) -> Row:
    return one.model._meta.label, str(one.value)


def lines_of(table: Table, dumped: Iterable[DumpedTable], wanted: set[str]) -> dict[str, Place]:
    """Find rows in a dump by primary key, as text; reads it again, for which only errors pay."""
    found = occurrences(table, dumped, wanted) if wanted else ()
    return {str(key): place for key, place in found}


def occurrences(
    table: Table, dumped: Iterable[DumpedTable], wanted: Container[str] | None = None
) -> Iterator[tuple[object, Place]]:
    """Yield the primary key and the place of each row of a dump, or of those ``wanted``."""
    for one in dumped:
        if not set(table.key) <= one.fields.keys():
            continue
        wheres = [one.fields[name] for name in table.key]
        for row in one.rows():
            values = [row.values[w] if isinstance(w, int) else w.value for w in wheres]
            key = values[0] if len(values) == 1 else tuple(values)
            if wanted is None or str(key) in wanted:
                yield key, one.place(row.line)


def _dangling_links(
    table: Table, link: Link, dumped: list[DumpedTable], using: str, kept_out: Container[Row]
) -> Iterator[Problem]:
    through = table_of(link.through)
    found = [(_source_of(link, one, using), one) for one in dangling(through, using)]
    lines = lines_of(table, dumped, {str(pk) for pk, _one in found})
    for pk, one in found:
        waits = _parent(one) in kept_out
        yield Problem(table.label, pk, lines.get(str(pk)), f"{link.name}: {one}", waits)


def _source_of(link: Link, one: Dangling, using: str) -> object:
    rows = QuerySet(link.through, using=using).filter(pk=one.pk)
    return rows.values_list(link.source.name, flat=True).get()
