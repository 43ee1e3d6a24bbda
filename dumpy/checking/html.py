"""Write the reports of ``checkdump`` and ``diffdump`` as HTML pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from itertools import groupby, islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from django.template import Context, Engine

import dumpy
from dumpy.checking.diff import Change, Diff, RowDiff, cut
from dumpy.checking.report import Findings, verdict
from dumpy.errors import DumpyError, counted, printable_lines
from dumpy.loading.registry import TODAY
from dumpy.restoring.names import referenced_models
from dumpy.schema.tables import table_of
from dumpy.writing.publishing import replaced

# The number of rows of each model that a page shows.
ROWS = 200
_TEMPLATES = Path(dumpy.__file__).with_name("templates")
_ROWS_MARK = "<!-- rows -->"
_DRIFT = {
    "model-added", "model-removed", "model-renamed", "field-added", "field-removed",
    "field-renamed", "redirected", "no-migration", "no-table", "not-masked",
}  # fmt: skip


def write_check(result: Findings, path: Path) -> None:
    """Write the result of a check to a page; raises ``DumpyError``."""
    entries = result.manifest.tables if result.manifest else ()
    sizes = {entry.model: sum(file.size for file in entry.files) for entry in entries}
    context = {
        "title": f"checkdump {result.path}",
        "result": result,
        "verdict": verdict(result),
        "drift": [finding for finding in result.findings if finding.kind in _DRIFT],
        "tables": list(_tables(result.rows, sizes)),
        "total": f"{sum(result.rows.values()):,}",
        "sizes": f"{sum(sizes.values()):,}" if sizes else "",
    }
    with _page(path) as file:
        file.write(_rendered("checkdump.html", context))


def write_diff(diff: Diff, first: str, second: str, path: Path) -> None:
    """Write the rows that differ to a page; raises ``DumpyError``.

    ``first`` and ``second`` are the names of the dumps.
    """
    names = {"first": first, "second": second}
    # The counts stand before the rows, but are known after them, so rows go to a temporary file.
    with _page(path) as file, TemporaryFile("w+", encoding="utf-8") as sections:
        for label, group in groupby(diff.rows(), lambda row: row.label):
            rows = [_row(row) for row in islice(group, ROWS)]
            more = sum(1 for _ in group)
            context = {"label": label, "model": diff.models[label], "rows": rows}
            context["more"] = counted(more, "more row") if more else ""
            sections.write(_rendered("diffdump_model.html", context | names))
        context = {"title": f"diffdump {first} {second}", "models": list(diff.models.items())}
        before, _, after = _rendered("diffdump.html", context | names).partition(_ROWS_MARK)
        file.write(before)
        sections.seek(0)
        shutil.copyfileobj(sections, file)
        file.write(after)


@contextmanager
def _page(path: Path) -> Iterator[IO[str]]:
    try:
        with replaced(path) as file:
            yield file
    except OSError as error:
        reason = error.strerror or error
        raise DumpyError(f"The page {path} cannot be written: {reason}.") from error


def _rendered(name: str, context: dict[str, Any]) -> str:
    # A dump may contain characters that a page cannot, such as lone surrogates.
    return printable_lines(_engine().get_template(f"dumpy/{name}").render(Context(context)))


@cache
def _engine() -> Engine:
    return Engine(dirs=[str(_TEMPLATES)])


def _tables(rows: Mapping[str, int], sizes: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """Yield the tables of a dump, each with the tables that its rows refer to."""
    references = {label: _references(label, rows) for label in rows}
    reachable = {label: {*targets} for label, targets in references.items()}
    for middle in rows:  # add what is reached through another table
        for targets in reachable.values():
            if middle in targets:
                targets.update(reachable[middle])
    maximum = max(rows.values(), default=0) or 1
    for label, count in rows.items():
        cycle = [other for other in rows if other in reachable[label] and label in reachable[other]]
        mark = "itself" if cycle == [label] else f"cycle: {', '.join(cycle)}" if cycle else ""
        yield {
            "label": label,
            "rows": f"{count:,}",
            "size": f"{sizes.get(label, 0):,}",
            "percent": f"{100 * count / maximum:.1f}",
            "references": [target for target in references[label] if target != label],
            "cycle": mark,
        }


def _references(label: str, labels: Iterable[str]) -> list[str]:
    """Return those of ``labels`` that the rows of a model refer to."""
    model = TODAY.find(label)
    targets = {m._meta.label for m in referenced_models(table_of(model))} if model else ()
    return [target for target in labels if target in targets]


def _row(row: RowDiff) -> dict[str, Any]:
    """Return a row for the template; long values are shortened at once, to save memory."""
    before, after = row.row.before or {}, row.row.after or {}
    names = before or after
    one_sided = (Change(name, before.get(name, ""), after.get(name, "")) for name in names)
    cells = row.changes or tuple(one_sided)
    shown = {cell.name for cell in cells}
    return {
        "key": row.key,
        "kind": row.kind,
        "cells": [Change(cell.name, *cell.shown) for cell in cells],
        "same": [(name, cut(text)) for name, text in before.items() if name not in shown],
    }
