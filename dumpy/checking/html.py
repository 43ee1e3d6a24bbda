"""Reports of checks and comparisons as HTML pages, each of them one file."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import groupby, islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, NamedTuple

from django.template import Context, Engine

import dumpy
from dumpy.checking.diff import Change, Diff, RowDiff, cut
from dumpy.checking.report import Finding, Findings, example_line, sentence, verdict
from dumpy.errors import DumpyError, printable_lines
from dumpy.loading.registry import TODAY
from dumpy.restoring.compare import Difference
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


class _Table(NamedTuple):
    """A table of a dump, and the other tables of it that its rows refer to."""

    label: str
    rows: str
    size: str
    percent: str
    references: list[str]
    cycle: str


class _Row(NamedTuple):
    """A row that differs: the fields that do, and those that are the same in both dumps."""

    key: str
    kind: str
    cells: list[Change]
    same: list[tuple[str, str]]

    @property
    def height(self) -> int:
        """Return how many lines of the page the row takes."""
        return len(self.cells) + bool(self.same)


def write_check(found: Findings, path: Path) -> None:
    """Write what a check has found to a page; raises ``DumpyError``."""
    stopping = sorted(found.stopping, key=lambda one: one.model)
    problems = [
        (label, [(one, sentence(one), _examples(one)) for one in findings])
        for label, findings in groupby(stopping, lambda one: one.model)
    ]
    sizes = _sizes(found)
    context = {
        "title": f"checkdump {found.path}",
        "found": found,
        "verdict": verdict(found),
        "problems": problems,
        "drift": [one for one in found.findings if one.kind in _DRIFT],
        "tables": list(_tables(found.rows, sizes)),
        "total": f"{sum(found.rows.values()):,}",
        "sizes": f"{sum(sizes.values()):,}" if sizes else "",
        "left_out": list(found.manifest.left_out.items()) if found.manifest else [],
    }
    with _page(path) as file:
        file.write(_rendered("checkdump.html", context))


def write_diff(diff: Diff, first: str, second: str, path: Path) -> None:
    """Write the rows that differ to a page; raises ``DumpyError``.

    The summary before them is known last, so they are kept in a temporary file meanwhile.
    """
    names = {"first": first, "second": second}
    with _page(path) as file, TemporaryFile("w+", encoding="utf-8") as sections:
        pairs = diff.differences()
        for label, group in groupby(pairs, lambda pair: pair[0].label):
            rows = [_row(*pair) for pair in islice(group, ROWS)]
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


def _examples(finding: Finding) -> list[str]:
    return [example_line(one, finding) for one in finding.examples]


def _sizes(found: Findings) -> dict[str, int]:
    """Return the bytes of the files of each table of a directory."""
    entries = found.manifest.tables if found.manifest else ()
    return {entry.model: sum(file.size for file in entry.files) for entry in entries}


def _tables(rows: dict[str, int], sizes: dict[str, int]) -> Iterator[_Table]:
    needed = {label: _referred(label, rows) for label in rows}
    reached = {label: _reached(label, needed) for label in rows}
    most = max(rows.values(), default=0) or 1
    for label, count in rows.items():
        cycle = [one for one in rows if one in reached[label] and label in reached[one]]
        mark = "itself" if cycle == [label] else f"cycle: {', '.join(cycle)}" if cycle else ""
        yield _Table(
            label,
            f"{count:,}",
            f"{sizes.get(label, 0):,}",
            f"{100 * count / most:.1f}",
            [one for one in needed[label] if one != label],
            mark,
        )


def _referred(label: str, labels: Iterable[str]) -> list[str]:
    """Return the labels of the models that rows of a model refer to."""
    model = TODAY.find(label)
    if model is None:
        return []
    columns = [*table_of(model).columns, *(link.target for link in table_of(model).links)]
    models = {column.references for column in columns if column.references}
    referred = {one._meta.label for one in models}
    return [one for one in labels if one in referred]


def _reached(label: str, needed: dict[str, list[str]]) -> set[str]:
    """Return the labels that a model refers to, itself or by way of others."""
    reached: set[str] = set()
    waiting = [*needed[label]]
    while waiting:
        one = waiting.pop()
        if one not in reached:
            reached.add(one)
            waiting += needed[one]
    return reached


def _row(diff: RowDiff, row: Difference) -> _Row:
    gone, come = row.gone or {}, row.come or {}
    if diff.kind != "changed":
        cells = [
            Change(name, cut(gone.get(name, "")), cut(come.get(name, ""))) for name in gone or come
        ]
        return _Row(diff.key, diff.kind, cells, [])
    cells = [Change(change.name, *change.shown) for change in diff.changes]
    differing = {change.name for change in diff.changes}
    same = [(name, cut(text)) for name, text in gone.items() if name not in differing]
    return _Row(diff.key, diff.kind, cells, same)
