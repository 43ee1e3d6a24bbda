"""Rows that a load has rejected, as a dump that can be corrected and loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, count
from pathlib import Path

from dumpy.conf import project_version
from dumpy.errors import RowsRejected
from dumpy.schema.instances import RejectedRow
from dumpy.schema.references import load_order
from dumpy.schema.tables import ModelType, table_of
from dumpy.text.emit import ModuleWriter
from dumpy.text.outline import PLACEHOLDER
from dumpy.text.strings import quote
from dumpy.text.words import source
from dumpy.writing.columns import ValueWriter
from dumpy.writing.output import replaced
from dumpy.writing.rows import Shape

_DESCRIPTION = "Rows that could not be loaded, with the reason above each; written by dumpy."


def write_rejected(rows: Sequence[RejectedRow], using: str, beside: Path) -> RowsRejected:
    """Write rows to a new file beside another one; return the error that says so.

    ``using`` is the database that they were kept out of.
    """
    path = _free_path(beside)
    with replaced(path) as stream:
        writer = ModuleWriter(stream.write)
        writer.begin(_DESCRIPTION, project_version())
        for shape, group in _by_shape(rows):
            comments = map(_comment, group)
            lines = _lines(shape, group, using)
            writer.commented(shape.table.label, shape.names, zip(comments, lines, strict=True))
        writer.end()
    return RowsRejected(len(rows), str(path), using)


def _by_shape(rows: Sequence[RejectedRow]) -> list[tuple[Shape, list[RejectedRow]]]:
    """The rows by model and fields, parents first."""
    groups: dict[tuple[ModelType, frozenset[str]], list[RejectedRow]] = {}
    for row in rows:
        groups.setdefault((table_of(row.model).model, frozenset(row.values)), []).append(row)
    return [
        (_shape(model, names), group)
        for table in load_order(row.model for row in rows)
        for (model, names), group in groups.items()
        if model is table.model
    ]


def _shape(model: ModelType, names: frozenset[str]) -> Shape:
    table = table_of(model)
    return Shape(
        table,
        tuple(column for column in table.columns if column.name in names),
        tuple(link for link in table.links if link.name in names),
    )


def _lines(shape: Shape, rows: Sequence[RejectedRow], using: str) -> Iterator[str]:
    writers = [ValueWriter(shape.table.label, column, using) for column in shape.columns]
    for row in rows:
        cells = [writer.text(row.values[writer.column.name], row.problem.pk) for writer in writers]
        links = [source(row.values[link.name]) for link in shape.links]
        yield ", ".join([*cells, *links])


def _comment(row: RejectedRow) -> str:
    """What is wrong, in one line in which no reader of dumps finds anything else."""
    problem = row.problem
    place = problem.place
    where = f" ({Path(place.file).name}:{place.line})" if place and place.line else ""
    text = quote(f"{problem.reason}{where}")[1:-1]
    return text.replace("\\'", "'").replace('\\"', '"').replace(PLACEHOLDER, "…").rstrip("\\")


def _free_path(beside: Path) -> Path:
    """Return a free path, so that no corrected file is overwritten."""
    name = beside.name
    for suffix in (".gz", ".bz2", ".xz", ".lzma", ".zip", ".py"):
        name = name.removesuffix(suffix)
    paths = (
        beside.with_name(f"{name}-rejected{number}.py")
        for number in chain([""], (f"-{n}" for n in count(2)))
    )
    return next(path for path in paths if not path.exists())
