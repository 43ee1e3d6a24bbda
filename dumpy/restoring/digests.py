"""Whether the content of a database is that of a dump."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from django.db.models import QuerySet

from dumpy.loading.objects import HOOK
from dumpy.loading.registry import Registry
from dumpy.reading import DumpedTable
from dumpy.schema.tables import Table, is_content_type, table_of
from dumpy.text import manifest as manifests
from dumpy.text.words import source
from dumpy.writing.natural import NaturalKeys
from dumpy.writing.rows import RowWriter, Shape, shape_of
from dumpy.writing.sources import pages_of_query


@dataclass(frozen=True)
class DumpedContent:
    """All rows of a model in a dump, and their digest where the dump itself says it.

    ``fields`` are the names that all of the values of a row have today, in its order.
    """

    label: str
    tables: tuple[DumpedTable, ...]
    digest: str | None = None
    fields: tuple[str, ...] = ()


def differing(
    contents: Iterable[DumpedContent], registry: Registry, using: str
) -> list[DumpedContent]:
    """Return those whose text is not that of the rows in the database.

    Fields that only one of them has are not compared. Left out are models that change their rows
    themselves while they are loaded, and those to whose rows the database has given keys.
    """
    return [content for content in contents if _is_different(content, registry, using)]


def rows_digest(tables: Iterable[DumpedTable], names: Sequence[str] | None = None) -> str:
    """Return the digest of the rows of a dump, or of their values with some names."""
    digest = manifests.digest()
    for table in tables:
        where = range(table.width) if names is None else [table.fields[name] for name in names]
        positions = [position for position in where if isinstance(position, int)]
        for row in table.rows():
            values = [row.values[position] for position in positions]
            digest.update(f"{', '.join(map(source, values))}\n".encode())
    return str(digest.hexdigest())


def is_renamed(content: DumpedContent, table: Table) -> bool:
    """Return whether rows may name models that have another name today."""
    if all(one.renamed is None for one in content.tables):
        return False
    return any(c.references is not None and is_content_type(c.references) for c in table.columns)


def _is_different(content: DumpedContent, registry: Registry, using: str) -> bool:
    table = table_of(registry.get(content.label))
    given = set.intersection(*(_given(one) for one in content.tables))
    if hasattr(table.model, HOOK) or not set(table.key) <= given:
        return False
    shape = shape_of(table)
    whole = _arranged(shape, content.fields)
    if content.digest is not None and whole is not None and not is_renamed(content, table):
        return _digest_of(whole, using) != content.digest
    shared = _reduced(shape, given)
    return _digest_of(shared, using) != rows_digest(content.tables, shared.names)


def _given(table: DumpedTable) -> set[str]:
    """The fields that have values of the rows."""
    return {name for name, where in table.fields.items() if isinstance(where, int)}


def _reduced(shape: Shape, names: set[str]) -> Shape:
    return replace(
        shape,
        columns=tuple(column for column in shape.columns if column.name in names),
        links=tuple(link for link in shape.links if link.name in names),
    )


def _arranged(shape: Shape, names: Sequence[str]) -> Shape | None:
    """The fields in the order of a dump, in which a model of the past need not have them."""
    if set(shape.names) != set(names):
        return None
    columns = sorted(shape.columns, key=lambda column: names.index(column.name))
    links = sorted(shape.links, key=lambda link: names.index(link.name))
    arranged = replace(shape, columns=tuple(columns), links=tuple(links))
    return arranged if arranged.names == list(names) else None


def _digest_of(shape: Shape, using: str) -> str:
    writer = RowWriter(shape, NaturalKeys(using))
    digest = manifests.digest()
    for page in pages_of_query(shape, QuerySet(shape.table.model, using=using), using):
        for arguments in writer.arguments(page):
            digest.update(f"{arguments}\n".encode())
    return str(digest.hexdigest())
