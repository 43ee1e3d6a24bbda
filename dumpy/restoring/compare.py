"""Whether two contents are the same: by digests of their rows as text, or row by row, by key."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cmp_to_key
from operator import lt
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from django.db.models import QuerySet

from dumpy import reading
from dumpy.errors import Place
from dumpy.loading.objects import HOOK
from dumpy.loading.registry import TODAY, Registry
from dumpy.reading import DumpedTable
from dumpy.reading.dump import Block
from dumpy.schema.tables import Table, is_content_type, table_of
from dumpy.text import manifest as manifests
from dumpy.text.skeleton import Constant
from dumpy.text.words import source
from dumpy.writing.database import DatabaseDump, Options
from dumpy.writing.natural import NaturalKeys
from dumpy.writing.rows import RowWriter, Shape, pages_of_query

Key = tuple[object, ...]
Cells = Mapping[str, str]
_ABSENT = Constant(None)


class Keyed(NamedTuple):
    """A row: its key, the text of each value by the name of its field, and its place in a dump."""

    key: Key
    cells: Cells
    place: Place | None = None


class Difference(NamedTuple):
    """A row that only one side has, or that differs.

    Attributes:
        before, after: the cells of the first and the second side, None if it lacks the row.
        place: the place of the row on the first side, if known.
    """

    key: Key
    before: Cells | None
    after: Cells | None
    place: Place | None = None


def differences(first: Iterator[Keyed], second: Iterator[Keyed]) -> Iterator[Difference]:
    """Yield the differences of two sequences in the same order, each row read once."""
    one, other = next(first, None), next(second, None)
    while one is not None or other is not None:
        if other is None or (one is not None and is_before(one.key, other.key)):
            assert one is not None
            yield Difference(one.key, one.cells, None, one.place)
            one = next(first, None)
        elif one is None or one.key != other.key:
            yield Difference(other.key, None, other.cells)
            other = next(second, None)
        else:
            if one.cells != other.cells:
                yield Difference(one.key, one.cells, other.cells, one.place)
            one, other = next(first, None), next(second, None)


def is_before(one: Key, other: Key) -> bool:
    """Whether a key comes before another one; keys that have no order are compared as texts."""
    try:
        return one < other
    except TypeError:
        return repr(one) < repr(other)


def in_order(one: Key, other: Key) -> int:
    """Compare two keys, for ``cmp_to_key``."""
    return is_before(other, one) - is_before(one, other)


def by_model(tables: Iterable[DumpedTable]) -> dict[str, tuple[DumpedTable, ...]]:
    """Return the tables whose rows are data, by the label of their model."""
    found: dict[str, tuple[DumpedTable, ...]] = {}
    for table in tables:
        if table.create is None and not table.drops:
            found[table.label] = (*found.get(table.label, ()), table)
    return found


def model_differences(
    label: str,
    first: Sequence[DumpedTable],
    second: Sequence[DumpedTable],
    ignored: Collection[str] = (),
) -> tuple[list[str], Iterator[Difference]]:
    """Return the fields that one side alone has, and the rows that differ in the others.

    Rows are read as they are needed, but where they are not in the order of their keys: those are
    held in memory. Differences in fields that are ``ignored`` are none.
    """
    sides = [names_of(tables) for tables in (first, second) if tables]
    every = dict.fromkeys(name for side in sides for name in side)
    shared = [name for name in every if all(name in side for side in sides)]
    key = key_of(label, shared)
    wanted = [name for name in shared if name not in ignored]
    rows = differences(_ordered(first, key, wanted), _ordered(second, key, wanted))
    return [name for name in every if name not in {*shared, *ignored}], rows


def names_of(tables: Iterable[DumpedTable]) -> list[str]:
    """Return the fields of the rows of some tables."""
    return list(dict.fromkeys(name for table in tables for name in table.fields))


def key_of(label: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the fields of a primary key, or all ``names`` if they are without it.

    The first field is taken for the key of a model that the project does not have.
    """
    model = TODAY.find(label)
    key = table_of(model).key if model is not None else tuple(names[:1])
    return tuple(key) if has_key(label, names) else tuple(names)


def has_key(label: str, names: Iterable[str]) -> bool:
    """Return whether rows with these fields have their primary key, for all that is known."""
    model = TODAY.find(label)
    return model is None or set(table_of(model).key) <= set(names)


def keyed(
    tables: Iterable[DumpedTable], key: Sequence[str], names: Sequence[str]
) -> Iterator[Keyed]:
    """Yield the rows of a model, with the values of these fields."""
    for table in tables:
        for block in table.blocks():
            keys = zip(*(_column(table, block, name) for name in key), strict=True)
            texts = zip(*(map(source, _column(table, block, name)) for name in names), strict=True)
            for one, row, line in zip(keys, texts, block.lines, strict=True):
                yield Keyed(one, dict(zip(names, row, strict=True)), block.place_of(line))


def _ordered(
    tables: Sequence[DumpedTable], key: Sequence[str], names: Sequence[str]
) -> Iterator[Keyed]:
    rows = keyed(tables, key, names)
    if _is_ordered(tables, key):
        return rows
    order = cmp_to_key(in_order)
    return iter(sorted(rows, key=lambda row: order(row.key)))


def _is_ordered(tables: Iterable[DumpedTable], key: Sequence[str]) -> bool:
    last: list[Key] = []
    for table in tables:
        for block in table.blocks():
            keys = list(zip(*(_column(table, block, name) for name in key), strict=True))
            before = [*last, *keys]
            try:
                if not all(map(lt, before, before[1:])):
                    return False
            except TypeError:
                return False
            last = keys[-1:]
    return True


def _column(table: DumpedTable, block: Block, name: str) -> Sequence[object]:
    return block.column(table.fields.get(name, _ABSENT))


def write_dump(dump: DatabaseDump, path: Path) -> None:
    """Write a dump to a file of this process; raises ``DumpyError``."""
    with dump.snapshot(), path.open("w", encoding="utf-8", newline="\n") as file:
        dump.write(file)


@dataclass(frozen=True)
class DumpedContent:
    """All rows of a model in a dump, and their digest where the dump itself says it."""

    label: str
    tables: tuple[DumpedTable, ...]
    digest: str | None = None

    @property
    def fields(self) -> list[str]:
        """The fields that have values of the rows in all tables, in the order of the rows."""
        where = [table.fields for table in self.tables]
        places = {name: at for name, at in where[0].items() if isinstance(at, int)}
        given = (name for name in places if all(type(one.get(name)) is int for one in where))
        return sorted(given, key=places.__getitem__)

    @property
    def is_whole(self) -> bool:
        """Whether these are all values of the rows, in the same order, and no field has another."""
        fields = self.fields
        return all(
            len(table.fields) == table.width == len(fields)
            and all(table.fields[name] == at for at, name in enumerate(fields))
            for table in self.tables
        )


def differing(
    contents: Iterable[DumpedContent], registry: Registry, using: str
) -> list[DumpedContent]:
    """Return those whose text is not that of the rows in the database.

    Fields that only one of them has are not compared. Left out are models that change their rows
    themselves while they are loaded, and those to whose rows the database has given keys.
    """
    return [content for content in contents if _is_different(content, registry, using)]


def stored_differences(content: DumpedContent, using: str) -> Iterator[Difference]:
    """Yield the rows of a model that are not in the database as a dump has them.

    The rows of the database are written to a file for it, which only errors pay.
    """
    rows = DatabaseDump([TODAY.get(content.label)], Options(using, all_rows=True))
    with TemporaryDirectory(prefix="dumpy-diff-") as directory:
        path = Path(directory) / "stored.py"
        with path.open("w", encoding="utf-8", newline="\n") as file:
            rows.write(file)
        with reading.open(path) as stored:
            yield from model_differences(content.label, content.tables, stored.tables)[1]


def rows_digest(tables: Iterable[DumpedTable], names: Sequence[str] | None = None) -> str:
    """Return the digest of the rows of a dump, or of their values with some names."""
    return digest_of(text for table in tables for text in _written(table, names))


def digest_of(arguments: Iterable[str]) -> str:
    """Return the digest of rows, each as the text of its values."""
    digest = manifests.digest()
    for text in arguments:
        digest.update(f"{text}\n".encode())
    return str(digest.hexdigest())


def has_renamed_references(content: DumpedContent, table: Table) -> bool:
    """Return whether rows may name models that have another name today."""
    if all(one.update_reference is None for one in content.tables):
        return False
    return any(c.references is not None and is_content_type(c.references) for c in table.columns)


def _is_different(content: DumpedContent, registry: Registry, using: str) -> bool:
    table = table_of(registry.get(content.label))
    given = content.fields
    if hasattr(table.model, HOOK) or not set(table.key) <= set(given):
        return False
    shared = _part(table, given)
    stored = digest_of(_stored(shared, using))
    if content.is_whole and shared.names == given and not has_renamed_references(content, table):
        if content.digest is not None:
            return content.digest != stored
        # Rows that are as dumpy writes them are compared without reading their values.
        if stored == digest_of(text for one in content.tables for text in one.arguments()):
            return False
    return stored != rows_digest(content.tables, shared.names)


def _part(table: Table, names: Iterable[str]) -> Shape:
    """The columns and the links of a table that have these names, in this order."""
    columns = {column.name: column for column in table.columns}
    links = {link.name: link for link in table.links}
    return Shape(
        table,
        tuple(columns[name] for name in names if name in columns),
        tuple(links[name] for name in names if name in links),
    )


def _written(table: DumpedTable, names: Sequence[str] | None) -> Iterator[str]:
    """Yield the values of the rows of a dump, all of them or those with some names."""
    where = range(table.width) if names is None else [table.fields[name] for name in names]
    for row in table.rows():
        yield ", ".join([source(row.values[at]) for at in where if isinstance(at, int)])


def _stored(shape: Shape, using: str) -> Iterator[str]:
    """Yield the values of the rows in the database, as dumps have them."""
    writer = RowWriter(shape, NaturalKeys(using))
    for page in pages_of_query(shape, QuerySet(shape.table.model, using=using), using):
        yield from writer.arguments(page)
