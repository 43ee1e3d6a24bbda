"""Rows that a load has rejected, as a dump that can be corrected and loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, count
from pathlib import Path

from dumpy.conf import project_version
from dumpy.errors import RowsRejected
from dumpy.schema.instances import RejectedRow
from dumpy.schema.references import load_order
from dumpy.schema.tables import Table, table_of, text_of
from dumpy.text.emit import ModuleWriter
from dumpy.text.outline import PLACEHOLDER
from dumpy.text.strings import quote
from dumpy.text.words import FieldText, Unwritable, source
from dumpy.writing.publishing import replaced

_DESCRIPTION = "Rows that could not be loaded, with the reason above each; written by dumpy."


def write_rejected(rows: Sequence[RejectedRow], using: str, fixture: Path) -> RowsRejected:
    """Write rows of a fixture that the database ``using`` rejected to a new file next to it.

    Return the error that names the new file.
    """
    groups: dict[tuple[str, frozenset[str]], list[RejectedRow]] = {}
    for row in rows:
        groups.setdefault((table_of(row.model).label, frozenset(row.values)), []).append(row)
    path = _free_path(fixture)
    with replaced(path) as stream:
        writer = ModuleWriter(stream.write)
        writer.begin(_DESCRIPTION, project_version())
        for table in load_order(row.model for row in rows):
            for (label, names), group in groups.items():
                if label == table.label:
                    fields = [name for name in dict.fromkeys(table.names.values()) if name in names]
                    lines = [(_comment(row), _arguments(table, fields, row)) for row in group]
                    writer.commented(label, fields, lines)
        writer.end()
    return RowsRejected(len(rows), str(path), using)


def _arguments(table: Table, fields: Iterable[str], row: RejectedRow) -> str:
    texts = []
    for name in fields:
        value = row.values[name]
        try:
            texts.append(source(value))
        except Unwritable:
            texts.append(source(FieldText(text_of(table.column(name), value))))
    return ", ".join(texts)


def _comment(row: RejectedRow) -> str:
    """Return the reason and the hint as one line that is only a comment for readers of dumps."""
    problem = row.problem
    place = problem.ref.place
    where = f" ({Path(place.file).name}:{place.line})" if place and place.line else ""
    text = quote(" ".join(filter(None, (f"{problem.reason}{where}", problem.hint))))[1:-1]
    return text.replace("\\'", "'").replace('\\"', '"').replace(PLACEHOLDER, "…").rstrip("\\")


def _free_path(fixture: Path) -> Path:
    """Return an unused path, so that no corrected file is overwritten."""
    name = fixture.name
    for suffix in (".gz", ".bz2", ".xz", ".lzma", ".zip", ".py"):
        name = name.removesuffix(suffix)
    paths = (
        fixture.with_name(f"{name}-rejected{number}.py")
        for number in chain([""], (f"-{n}" for n in count(2)))
    )
    return next(path for path in paths if not path.exists())
