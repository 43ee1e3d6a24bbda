"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.lab import Cost


def show(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table."""
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    print(f"\n{title}\n")
    print(_line(head, widths))
    print("|", " | ".join("-" * width for width in widths), "|", sep=" ")
    for row in lines[1:]:
        print(_line(row, widths), flush=True)


def micro(seconds: float, rows: int) -> str:
    """Return seconds as microseconds per row."""
    return f"{seconds / rows * 1e6:.1f}"


def ratio(one: float, other: float) -> str:
    """Return how many times one is the other."""
    return f"{one / other:.1f}"


def megabytes(kilobytes: float) -> str:
    """Return memory in MB."""
    return f"{kilobytes / 1024:.1f}"


def compared(
    costs: dict[str, Cost], rows: int, unit: Cost, limit: Cost, measured_in_memory: Iterable[str]
) -> list[list[str]]:
    """Return a line per cost: per row, times that of dumpy, times the limit, memory."""
    return [
        [
            name,
            micro(cost.wall, rows),
            micro(cost.cpu, rows),
            ratio(cost.wall, unit.wall),
            ratio(cost.cpu, unit.cpu),
            ratio(cost.wall, limit.wall),
            megabytes(cost.growth) if name in measured_in_memory else "",
        ]
        for name, cost in costs.items()
    ]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
    return f"| {' | '.join(padded)} |"
