"""Whether the content of a database is that of a dump."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from django.db.models import QuerySet

from dumpy.errors import Place
from dumpy.loading.conflicts import HOOK
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


@dataclass(frozen=True)
class DifferentValue:
    """A value that is not as it was dumped; without a ``name`` it is the rows that differ."""

    name: str
    key: object
    place: Place
    dumped: str
    stored: str


def different_values(
    content: DumpedContent, registry: Registry, using: str
) -> Iterator[DifferentValue]:
    """Yield where the rows of a model differ from those in the database, field by field.

    They are read again for each field, for which only errors pay.
    """
    table = table_of(registry.get(content.label))
    given = set.intersection(*(_given(one) for one in content.tables))
    shape = _reduced(shape_of(table), given)
    for name in ("", *(name for name in shape.names if name not in table.key)):
        part = _reduced(shape, {name} if name else set(table.key))
        for row, stored in zip_longest(_dumped(content, table, part), _texts(part, using)):
            place, key, dumped = row or (content.tables[0].place(1), None, "")
            if dumped != stored:
                yield DifferentValue(name, key, place, dumped, stored or "")
                if not name:
                    return


def _dumped(
    content: DumpedContent, table: Table, part: Shape
) -> Iterator[tuple[Place, object, str]]:
    for one in content.tables:
        key = [one.fields[name] for name in table.key]
        where = [one.fields[name] for name in part.names]
        for row in one.rows():
            keys = [row.values[position] for position in key if isinstance(position, int)]
            values = [row.values[position] for position in where if isinstance(position, int)]
            pk = keys[0] if len(keys) == 1 else tuple(keys)
            yield one.place(row.line), pk, ", ".join(map(source, values))


def rows_digest(tables: Iterable[DumpedTable], names: Sequence[str] | None = None) -> str:
    """Return the digest of the rows of a dump, or of their values with some names."""
    return _digest(text for table in tables for text in _written(table, names))


def _written(table: DumpedTable, names: Sequence[str] | None) -> Iterator[str]:
    where = range(table.width) if names is None else [table.fields[name] for name in names]
    positions = [position for position in where if isinstance(position, int)]
    for row in table.rows():
        yield ", ".join([source(row.values[position]) for position in positions])


def _text_digest(tables: Iterable[DumpedTable]) -> str:
    """Return the digest of rows that are as dumpy writes them, without reading their values."""
    return _digest(text for table in tables for text in table.arguments())


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
    if whole is not None and not is_renamed(content, table):
        stored = _digest_of(whole, using)
        if content.digest is not None or stored == _text_digest(content.tables):
            return content.digest not in (None, stored)
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
    return _digest(_texts(shape, using))


def _digest(arguments: Iterable[str]) -> str:
    """Return the digest of rows, each as the text of its values."""
    digest = manifests.digest()
    for text in arguments:
        digest.update(f"{text}\n".encode())
    return str(digest.hexdigest())


def _texts(shape: Shape, using: str) -> Iterator[str]:
    """Yield the values of the rows in the database, as dumps have them."""
    writer = RowWriter(shape, NaturalKeys(using))
    for page in pages_of_query(shape, QuerySet(shape.table.model, using=using), using):
        yield from writer.arguments(page)
