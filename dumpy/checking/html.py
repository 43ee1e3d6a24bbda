"""Reports of checks and comparisons as HTML pages, each of them one file."""

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
from dumpy.checking.names import referenced_models
from dumpy.checking.report import Findings, verdict
from dumpy.errors import DumpyError, printable_lines
from dumpy.loading.registry import TODAY
from dumpy.schema.tables import table_of
from dumpy.writing.publishing import replaced

# Of each model; the page says how many more there are.
ROWS = 200
_TEMPLATES = Path(dumpy.__file__).with_name("templates")
_ROWS_HERE = "<!-- rows -->"
_DRIFT = {
    "model-added", "model-removed", "model-renamed", "field-added", "field-removed",
    "field-renamed", "redirected", "no-migration", "no-table",
}  # fmt: skip


def write_check(found: Findings, path: Path) -> None:
    """Write what a check has found to a page; raises ``DumpyError``."""
    entries = found.manifest.tables if found.manifest else ()
    sizes = {entry.model: sum(file.size for file in entry.files) for entry in entries}
    context = {
        "title": f"checkdump {found.path}",
        "found": found,
        "verdict": verdict(found),
        "drift": [one for one in found.findings if one.kind in _DRIFT],
        "tables": list(_tables(found.rows, sizes)),
        "total": f"{sum(found.rows.values()):,}",
        "sizes": f"{sum(sizes.values()):,}" if sizes else "",
    }
    with _page(path) as file:
        file.write(_rendered("checkdump.html", context))


def write_diff(diff: Diff, first: str, second: str, path: Path) -> None:
    """Write the rows that differ to a page; raises ``DumpyError``.

    The summary before them is known last, so they are kept in a temporary file meanwhile.
    """
    names = {"first": first, "second": second}
    with _page(path) as file, TemporaryFile("w+", encoding="utf-8") as sections:
        for label, group in groupby(diff.rows(), lambda row: row.label):
            rows = [_row(one) for one in islice(group, ROWS)]
            more = sum(1 for _ in group)
            context = {"label": label, "model": diff.models[label], "rows": rows}
            context["more"] = f"{more:,}" if more else ""
            sections.write(_rendered("diffdump_model.html", context | names))
        context = {"title": f"diffdump {first} {second}", "models": list(diff.models.items())}
        before, _, after = _rendered("diffdump.html", context | names).partition(_ROWS_HERE)
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
    # A dump may contain what no page can, such as lone surrogates.
    return printable_lines(_engine().get_template(f"dumpy/{name}").render(Context(context)))


@cache
def _engine() -> Engine:
    return Engine(dirs=[str(_TEMPLATES)])


def _tables(rows: Mapping[str, int], sizes: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """Yield the tables of a dump, each with the other tables of it that its rows refer to."""
    needed = {label: _referred(label, rows) for label in rows}
    reached = {label: _reached(label, needed) for label in rows}
    most = max(rows.values(), default=0) or 1
    for label, count in rows.items():
        cycle = [one for one in rows if one in reached[label] and label in reached[one]]
        mark = "itself" if cycle == [label] else f"cycle: {', '.join(cycle)}" if cycle else ""
        yield {
            "label": label,
            "rows": f"{count:,}",
            "size": f"{sizes.get(label, 0):,}",
            "percent": f"{100 * count / most:.1f}",
            "references": [one for one in needed[label] if one != label],
            "cycle": mark,
        }


def _referred(label: str, labels: Iterable[str]) -> list[str]:
    """Return those of some models that the rows of a model refer to."""
    model = TODAY.find(label)
    referred = {one._meta.label for one in referenced_models(table_of(model))} if model else ()
    return [one for one in labels if one in referred]


def _reached(label: str, needed: Mapping[str, list[str]]) -> set[str]:
    """Return the labels that a model refers to, directly or through others."""
    reached: set[str] = set()
    waiting = [*needed[label]]
    while waiting:
        one = waiting.pop()
        if one not in reached:
            reached.add(one)
            waiting += needed[one]
    return reached


def _row(row: RowDiff) -> dict[str, Any]:
    """Return what the page shows of a row; long values are cut as soon as they are read."""
    gone, come = row.row.gone or {}, row.row.come or {}
    alone = (Change(name, gone.get(name, ""), come.get(name, "")) for name in gone or come)
    cells = row.changes or tuple(alone)
    names = {cell.name for cell in cells}
    return {
        "key": row.key,
        "kind": row.kind,
        "cells": [Change(cell.name, *cell.shown) for cell in cells],
        "same": [(name, cut(text)) for name, text in gone.items() if name not in names],
    }
