"""Compare the contents of dumps and databases, by digest or row by row."""

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
    """A row with its key, the texts of its values by field name, and its place in a dump."""

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
    """Yield the differences of two sequences of rows in the same order."""
    row, other = next(first, None), next(second, None)
    while row is not None or other is not None:
        if other is None or (row is not None and is_before(row.key, other.key)):
            assert row is not None
            yield Difference(row.key, row.cells, None, row.place)
            row = next(first, None)
        elif row is None or row.key != other.key:
            yield Difference(other.key, None, other.cells)
            other = next(second, None)
        else:
            if row.cells != other.cells:
                yield Difference(row.key, row.cells, other.cells, row.place)
            row, other = next(first, None), next(second, None)


def is_before(key: Key, other: Key) -> bool:
    """Whether a key comes before another one; keys without an order are compared as texts."""
    try:
        return key < other
    except TypeError:
        return repr(key) < repr(other)


def compare_keys(key: Key, other: Key) -> int:
    """Compare two keys, for ``cmp_to_key``."""
    return is_before(other, key) - is_before(key, other)


def by_model(tables: Iterable[DumpedTable]) -> dict[str, tuple[DumpedTable, ...]]:
    """Return the tables without code by the label of their model."""
    by_label: dict[str, tuple[DumpedTable, ...]] = {}
    for table in tables:
        if table.create is None and not table.drops:
            by_label[table.label] = (*by_label.get(table.label, ()), table)
    return by_label


def model_differences(
    label: str,
    first: Sequence[DumpedTable],
    second: Sequence[DumpedTable],
    ignored: Collection[str] = (),
) -> tuple[list[str], Iterator[Difference]]:
    """Return the fields that only one side has, and the rows that differ in the shared fields.

    ``ignored`` fields are not compared. Rows that are not in the order of their keys are held in
    memory.
    """
    sides = [field_names(tables) for tables in (first, second) if tables]
    names = dict.fromkeys(name for side in sides for name in side)
    shared = [name for name in names if all(name in side for side in sides)]
    key = key_of(label, shared)
    compared = [name for name in shared if name not in ignored]
    rows = differences(_ordered(first, key, compared), _ordered(second, key, compared))
    return [name for name in names if name not in {*shared, *ignored}], rows


def field_names(tables: Iterable[DumpedTable]) -> list[str]:
    """Return the fields of the rows of some tables."""
    return list(dict.fromkeys(name for table in tables for name in table.fields))


def key_of(label: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the fields of the primary key, or all ``names`` if they do not contain it.

    The first field is the key of a model that the project does not have.
    """
    model = TODAY.find(label)
    key = table_of(model).key if model is not None else tuple(names[:1])
    return tuple(key) if has_key(label, names) else tuple(names)


def has_key(label: str, names: Iterable[str]) -> bool:
    """Whether the fields contain the primary key, which is assumed of an unknown model."""
    model = TODAY.find(label)
    return model is None or set(table_of(model).key) <= set(names)


def keyed(
    tables: Iterable[DumpedTable], key: Sequence[str], names: Sequence[str]
) -> Iterator[Keyed]:
    """Yield the rows of a model with the values of some fields."""
    for table in tables:
        for block in table.blocks():
            keys = zip(*(_column(table, block, name) for name in key), strict=True)
            texts = zip(*(map(source, _column(table, block, name)) for name in names), strict=True)
            for row_key, row, line in zip(keys, texts, block.lines, strict=True):
                yield Keyed(row_key, dict(zip(names, row, strict=True)), block.place_of(line))


def _ordered(
    tables: Sequence[DumpedTable], key: Sequence[str], names: Sequence[str]
) -> Iterator[Keyed]:
    rows = keyed(tables, key, names)
    if _is_ordered(tables, key):
        return rows
    order = cmp_to_key(compare_keys)
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


@dataclass(frozen=True)
class DumpedContent:
    """All rows of a model in a dump, with their digest if the manifest contains it."""

    label: str
    tables: tuple[DumpedTable, ...]
    digest: str | None = None

    @property
    def fields(self) -> list[str]:
        """The fields that are values of the rows in all tables, in the order of the values."""
        first, *others = (table.fields for table in self.tables)
        positions = {name: index for name, index in first.items() if isinstance(index, int)}
        names = (name for name in positions if all(type(o.get(name)) is int for o in others))
        return sorted(names, key=positions.__getitem__)

    @property
    def is_plain(self) -> bool:
        """Whether the rows consist of the values of these fields in this order."""
        fields = self.fields
        return all(
            len(table.fields) == table.width == len(fields)
            and all(table.fields[name] == index for index, name in enumerate(fields))
            for table in self.tables
        )


def stored_differences(content: DumpedContent, using: str) -> Iterator[Difference]:
    """Yield the rows of a model that differ between a dump and the database.

    The rows of the database are written to a temporary file.
    """
    rows = DatabaseDump([TODAY.get(content.label)], Options(using, all_rows=True))
    with TemporaryDirectory(prefix="dumpy-diff-") as directory:
        path = Path(directory) / "stored.py"
        with path.open("w", encoding="utf-8", newline="\n") as file:
            rows.write(file)
        with reading.open(path) as stored:
            yield from model_differences(content.label, content.tables, stored.tables)[1]


def rows_digest(tables: Iterable[DumpedTable], names: Sequence[str] | None = None) -> str:
    """Return the digest of the rows of a dump, or of some of their fields."""
    return digest_of(texts for table in tables for texts in _dumped_texts(table, names))


def digest_of(blocks: Iterable[Iterable[str]]) -> str:
    """Return the digest of rows, given as texts of their values, in blocks."""
    digest = manifests.digest()
    for texts in blocks:
        digest.update("\n".join([*texts, ""]).encode())
    return str(digest.hexdigest())


def has_renamed_references(content: DumpedContent, table: Table) -> bool:
    """Whether references to content types may name models that a migrator has renamed."""
    if all(dumped.update_reference is None for dumped in content.tables):
        return False
    return any(c.references is not None and is_content_type(c.references) for c in table.columns)


def differs(content: DumpedContent, registry: Registry, using: str) -> bool:
    """Whether the text of a model's rows in a dump differs from that of the rows in the database.

    Only shared fields are compared. Models with hooks, which change rows while they are loaded,
    and models whose keys the database has assigned are not compared.
    """
    table = table_of(registry.get(content.label))
    names = content.fields
    if hasattr(table.model, HOOK) or not set(table.key) <= set(names):
        return False
    shared = _shape_of_fields(table, names)
    stored = digest_of(_stored_texts(shared, using))
    if content.is_plain and shared.names == names and not has_renamed_references(content, table):
        if content.digest is not None:
            return content.digest != stored
        # The text of canonical rows is compared without reading their values.
        if stored == digest_of(texts for dumped in content.tables for texts in dumped.arguments()):
            return False
    return stored != rows_digest(content.tables, shared.names)


def _shape_of_fields(table: Table, names: Iterable[str]) -> Shape:
    """Return the shape of a table with some of its fields, in this order."""
    columns = {column.name: column for column in table.columns}
    links = {link.name: link for link in table.links}
    return Shape(
        table,
        tuple(columns[name] for name in names if name in columns),
        tuple(links[name] for name in names if name in links),
    )


def _dumped_texts(table: DumpedTable, names: Sequence[str] | None) -> Iterator[list[str]]:
    """Yield the texts of the rows of a dump in blocks, of all values or of some fields."""
    fields = range(table.width) if names is None else [table.fields[name] for name in names]
    indexes = [index for index in fields if isinstance(index, int)]
    for block in table.blocks():
        yield [", ".join([source(row.values[i]) for i in indexes]) for row in block.rows()]


def _stored_texts(shape: Shape, using: str) -> Iterator[Iterator[str]]:
    """Yield the texts of the rows in the database in pages."""
    writer = RowWriter(shape, NaturalKeys(using))
    pages = pages_of_query(shape, QuerySet(shape.table.model, using=using), using)
    return map(writer.arguments, pages)
