"""Foreign keys and links of a dump that lead nowhere, found when all rows are in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from typing import Any

from django.db.models import QuerySet

from dumpy.errors import Place, Problem
from dumpy.loading.references import Dangling, dangling, is_constrained
from dumpy.reading import DumpedTable
from dumpy.schema.tables import Column, Link, Table, table_of

_KEYS_PER_QUERY = 500
Row = tuple[str, str]
"""A row by the label of its model and its primary key as text."""


class Repeated(ValueError):
    """A row with the key of another one of the load, which is at ``other``."""

    def __init__(self, other: Place) -> None:
        super().__init__(other)
        self.other = other

    def __str__(self) -> str:
        return (
            f"{self.other} brings a row with the same key, and one of the two would be lost. "
            "Give one of them another key."
        )


class Provenance:
    """The places of rows, in a load that brings each of them once.

    Of objects it keeps the keys, rows of a dump it reads again.
    """

    def __init__(self, dumped: Mapping[Table, list[DumpedTable]]) -> None:
        self._objects: defaultdict[Table, dict[object, Place]] = defaultdict(dict)
        self._dumped = dumped

    def claim(self, table: Table, key: object, place: Place) -> None:
        """Take an object; raises ``Repeated`` if another one had its key."""
        objects = self._objects[table]
        if key in objects:
            raise Repeated(objects[key])
        objects[key] = place

    def check(self, table: Table, places: Mapping[object, Place]) -> None:
        """Raise ``Repeated`` if there is one of these keys at another place as well."""
        objects = self._objects[table]
        for key in places.keys() & objects.keys():
            if objects[key] != places[key]:
                raise Repeated(objects[key])
        wanted = {str(key): place for key, place in places.items()}
        for text, place in occurrences(table, self._dumped.get(table, ()), wanted):
            if place != wanted[text]:
                raise Repeated(place)


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
    return dict(occurrences(table, dumped, wanted)) if wanted else {}


def occurrences(
    table: Table, dumped: Iterable[DumpedTable], wanted: Container[str]
) -> Iterator[tuple[str, Place]]:
    """Yield each row of a dump that has one of these primary keys, as text, with its place."""
    for one in dumped:
        if not set(table.key) <= one.fields.keys():
            continue
        wheres = [one.fields[name] for name in table.key]
        for row in one.rows():
            key = [row.values[w] if isinstance(w, int) else w.value for w in wheres]
            text = str(key[0] if len(key) == 1 else tuple(key))
            if text in wanted:
                yield text, one.place(row.line)


def repeated(table: Table, dumped: Iterable[DumpedTable]) -> Iterator[Problem]:
    """Yield a problem for each row that has the key of another one of its file."""
    by_file: defaultdict[str, list[DumpedTable]] = defaultdict(list)
    for one in dumped:
        by_file[one.place(one.line).file].append(one)
    for some in by_file.values():
        seen: set[str] = set()
        twice: set[str] = set()
        for text, _place in occurrences(table, some, _Everything()):
            (twice if text in seen else seen).add(text)
        first: dict[str, Place] = {}
        for text, place in occurrences(table, some, twice) if twice else ():
            other = first.setdefault(text, place)
            if other is not place:
                yield Problem(table.label, text, place, str(Repeated(other)))


class _Everything:
    """Contains whatever there is."""

    def __contains__(self, key: object) -> bool:
        return True


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
