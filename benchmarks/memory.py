"""Peak memory of dump and load by the number of rows."""

from __future__ import annotations

from benchmarks.lab import Cost, Lab, rows_in
from benchmarks.table import megabytes, micro, show

SIZES = (10_000, 200_000, 1_000_000)


def run(place: Lab) -> None:
    """Measure and print."""
    measured = [_measured(place, rows) for rows in SIZES]
    first = measured[0]
    lines = [
        [
            f"{rows:,}",
            *(text for cost in costs for text in (micro(cost.wall, rows), megabytes(cost.peak))),
            *(
                megabytes(cost.peak - least.peak)
                for cost, least in zip(costs, first[1], strict=True)
            ),
        ]
        for rows, costs in measured
    ]
    head = ("rows", "dump µs", "peak MB", "load µs", "peak MB", "dump +MB", "load +MB")
    show(f"Memory, {place.engine}", head, lines)


def _measured(place: Lab, rows: int) -> tuple[int, list[Cost]]:
    source = place.source("fill", rows, True)
    path = place.path("memory.py")
    return rows_in(source)[0], [place.measure("dump", "py", path), place.load(path, source)]
