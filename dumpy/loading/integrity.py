"""Foreign keys and links of a dump that lead nowhere, found when all rows are in."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator

from django.db.models import QuerySet

from dumpy.errors import Place, Problem
from dumpy.loading.dumped import DumpedTable
from dumpy.loading.references import Dangling, dangling
from dumpy.schema.tables import Link, Table, table_of

Row = tuple[str, str]
"""A row by the label of its model and its primary key as text."""


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


def _parent(one: Dangling) -> Row:
    assert one.column.references is not None
    return one.column.references._meta.label, str(one.value)


def lines_of(table: Table, dumped: Iterable[DumpedTable], wanted: set[str]) -> dict[str, Place]:
    """Find rows in a dump by primary key, as text; reads it again, for which only errors pay."""
    if not wanted:
        return {}
    found = {}
    for one in dumped:
        position = one.fields.get(table.key[0])
        if isinstance(position, int):
            for row in one.rows():
                if str(row.values[position]) in wanted:
                    found[str(row.values[position])] = one.place(row.line)
    return found


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
