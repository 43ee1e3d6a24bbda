"""Peak memory of dump and load, and of dump2py and restore, by the number of rows."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks import directories
from benchmarks.lab import Cost, Lab, rows_in
from benchmarks.table import megabytes, micro, show

SIZES = (10_000, 200_000, 1_000_000)

Measured = tuple[int, list[Cost]]


def of_formats(place: Lab) -> None:
    """Measure and print what ``dumpdata`` and ``loaddata`` take, of many tables."""
    _show(place, "dump", "load", _of_formats)


def of_directories(place: Lab) -> None:
    """Measure and print what ``dump2py`` and ``restore.py`` take, of one table."""
    _show(place, "dump2py", "restore", _of_directories)


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
