"""Foreign keys and links of a dump that lead nowhere, found when all rows are in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db.models import QuerySet

from dumpy.errors import Place, Problem
from dumpy.loading.dumped import DumpedTable
from dumpy.loading.references import Dangling, dangling
from dumpy.schema.tables import Link, Table, table_of


def dangling_problems(table: Table, dumped: Iterable[DumpedTable], using: str) -> Iterator[Problem]:
    """Yield a problem for each reference of a loaded table that leads nowhere, with its line."""
    dumped = list(dumped)
    found = list(dangling(table, using))
    lines = lines_of(table, dumped, {str(one.pk) for one in found})
    for one in found:
        yield Problem(table.label, one.pk, lines.get(str(one.pk)), str(one))
    for link in table.links:
        yield from _dangling_links(table, link, dumped, using)


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
    table: Table, link: Link, dumped: list[DumpedTable], using: str
) -> Iterator[Problem]:
    through = table_of(link.through)
    found = [(_source_of(link, one, using), one) for one in dangling(through, using)]
    lines = lines_of(table, dumped, {str(pk) for pk, _one in found})
    for pk, one in found:
        yield Problem(table.label, pk, lines.get(str(pk)), f"{link.name}: {one}")


def _source_of(link: Link, one: Dangling, using: str) -> object:
    rows = QuerySet(link.through, using=using).filter(pk=one.pk)
    return rows.values_list(link.source.name, flat=True).get()
