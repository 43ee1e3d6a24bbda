"""A chain of rows that need each other, loaded in order and in reverse."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.lab import Cost, Lab, in_turn
from benchmarks.table import micro, ratio, show

ORDERS = {"in order": -1, "reversed": 1}
DUMPED = 100_000
BY_NATURAL_KEY = 10_000
WRITTEN = 5_000

_PROGRAM = """\
from benchmarks.rows import chain
from benchmarks.shop.models import Chain


def objects():
    for pk, name, needs in chain({rows}, {step}):
        yield Chain(pk=pk, name=name, needs_id=needs)
"""


def run(place: Lab, runs: int) -> None:
    """Measure and print."""
    lines = [
        *_lines("rows of a dump", DUMPED, _dumped(place, runs, DUMPED)),
        *_lines(
            "rows, natural keys",
            BY_NATURAL_KEY,
            _dumped(place, runs, BY_NATURAL_KEY, "--natural-foreign"),
        ),
        *_lines("hand-written objects", WRITTEN, _written(place, runs)),
    ]
    head = ("", "rows", "order", "µs per row", "CPU µs", "times in order", "CPU times")
    show(f"Chain, {place.engine}", head, lines)


def _lines(name: str, rows: int, costs: dict[str, Cost]) -> list[list[str]]:
    least = costs["in order"]
    return [
        [
            name,
            f"{rows:,}",
            order,
            micro(cost.wall, rows),
            micro(cost.cpu, rows),
            ratio(cost.wall, least.wall),
            ratio(cost.cpu, least.cpu),
        ]
        for order, cost in costs.items()
    ]


def _dumped(place: Lab, runs: int, rows: int, *options: str) -> dict[str, Cost]:
    sources = {}
    for step in ORDERS.values():
        sources[step] = place.source("fill_chain", rows, step)
        place.measure("dump", "py", place.path(f"chain{step}.py"), *options)
    return _loaded(place, runs, sources)


def _written(place: Lab, runs: int) -> dict[str, Cost]:
    sources = {}
    for step in ORDERS.values():
        sources[step] = place.source("fill_chain", WRITTEN, step)
        text = _PROGRAM.format(rows=WRITTEN, step=step)
        Path(place.path(f"chain{step}.py")).write_text(text)
    # full_clean() looks for duplicates in the default database, whatever the target is.
    place.do("create", "default")
    return _loaded(place, runs, sources)


def _loaded(place: Lab, runs: int, sources: dict[int, Any]) -> dict[str, Cost]:
    return in_turn(
        runs,
        {
            order: partial(place.load, place.path(f"chain{step}.py"), sources[step])
            for order, step in ORDERS.items()
        },
    )
