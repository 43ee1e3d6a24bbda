"""What dumps, loads, restores, and subsets take, by the number of rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks import directories
from benchmarks.lab import Cost, Lab, rows_in
from benchmarks.table import megabytes, micro, show

SIZES = (10_000, 200_000, 1_000_000)

CHOSEN = 1_000

Measured = tuple[int, list[Cost]]


def of_formats(place: Lab) -> None:
    """Measure and print what ``dumpdata`` and ``loaddata`` take, of many tables."""
    _show(place, "dump", "load", _of_formats)


def of_directories(place: Lab) -> None:
    """Measure and print what ``dump2py`` and ``restore.py`` take, of one table."""
    _show(place, "dump2py", "restore", _of_directories)


def of_subsets(place: Lab) -> None:
    """Measure and print what a subset of the same size takes, of ever more rows."""
    path, lines = place.path("subset.py"), []
    options = ("--format=py", "--output", path, "--where", f"shop.Item:pk__lte={CHOSEN}")
    for size in SIZES:
        rows = rows_in(place.source("fill", size, True))[0]
        cost = place.measure("manage", "dumpdata", *options)
        dumped = Path(path).read_text(encoding="utf-8").count("\n    yield create_")
        seconds = f"{cost.wall:.2f}", f"{cost.cpu:.2f}"
        lines.append([f"{rows:,}", f"{dumped:,}", *seconds, megabytes(cost.peak)])
    head = ["rows", "dumped", "seconds", "CPU seconds", "peak MB"]
    show(f"Subset of {CHOSEN:,} items, {place.engine}", head, lines)


def _show(place: Lab, dump: str, load: str, measure: Callable[[Lab, int], Measured]) -> None:
    measured = [measure(place, rows) for rows in SIZES]
    first = measured[0]
    lines = [
        [
            f"{rows:,}",
            *(text for cost in costs for text in (micro(cost.cpu, rows), megabytes(cost.peak))),
            *(
                megabytes(cost.peak - least.peak)
                for cost, least in zip(costs, first[1], strict=True)
            ),
        ]
        for rows, costs in measured
    ]
    names = (dump, load)
    head = [text for name in names for text in (f"{name} CPU µs", "peak MB")]
    show(f"Memory, {place.engine}", ["rows", *head, *(f"{name} +MB" for name in names)], lines)


def _of_formats(place: Lab, rows: int) -> Measured:
    source = place.source("fill", rows, True)
    path = place.path("memory.py")
    return rows_in(source)[0], [place.measure("dump", "py", path), place.load(path, source)]


def _of_directories(place: Lab, rows: int) -> Measured:
    source = place.source("fill_plain", rows)
    costs = [directories.dumped(place), directories.restored(place, source)]
    return rows_in(source)[0], costs
