"""Dump and load: dumpy, Django's json and jsonl, and the limits."""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.lab import Lab, in_turn, rows_in
from benchmarks.table import compared, show

FORMATS = ("py", "json", "jsonl")
HEAD = ("µs per row", "CPU µs", "times dumpy", "CPU times", "times limit", "memory +MB")


def run(place: Lab, rows: int, runs: int, *, linked: bool) -> None:
    """Measure and print."""
    source = place.source("fill", rows, linked)
    count, links = rows_in(source)
    print(f"\n## {place.engine}: {count:,} rows and {links:,} links, the least of {runs} runs")
    _dump(place, count, runs)
    _load(place, source, count, runs)


def _dump(place: Lab, count: int, runs: int) -> None:
    tasks = {f"dumpdata {name}": partial(_dumped, place, name) for name in FORMATS}
    costs = in_turn(runs, {**tasks, "limit: values_list": partial(place.measure, "read")})
    lines = compared(costs, count, costs["dumpdata py"], costs["limit: values_list"], costs)
    show(f"Dump, {place.engine}", ("", *HEAD), lines)


def _dumped(place: Lab, name: str) -> Any:
    return place.measure("dump", name, place.path(f"dump.{name}"))


def _load(place: Lab, source: dict[str, Any], count: int, runs: int) -> None:
    ways = ["executemany", "copy"] if place.engine == "postgresql" else ["executemany"]
    tasks = {
        f"loaddata {name}": partial(place.load, place.path(f"dump.{name}"), source)
        for name in FORMATS
    }
    limits = {f"limit: {way}": partial(place.into_target, source, "write", way) for way in ways}
    costs = in_turn(runs, {**tasks, **limits})
    lines = compared(costs, count, costs["loaddata py"], costs[f"limit: {ways[-1]}"], tasks)
    show(f"Load, {place.engine}", ("", *HEAD), lines)
