"""Dump and load: dumpy, Django's json and jsonl, and the limits."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import plot
from benchmarks.lab import Cost, Lab, in_turn, rows_in
from benchmarks.table import compared, show

FORMATS = ("py", "json", "jsonl")
HEAD = ("µs per row", "CPU µs", "times dumpy", "CPU times", "times limit", "memory +MB")


def run(place: Lab, rows: int, runs: int, svg: Path | None, *, linked: bool) -> None:
    """Measure and print; draw the CPU time, if there is a path for that."""
    source = place.source("fill", rows, linked)
    count, links = rows_in(source)
    print(f"\n## {place.engine}: {count:,} rows and {links:,} links, the least of {runs} runs")
    dumped, loaded = _dump(place, count, runs), _load(place, source, count, runs)
    if svg is not None:
        of = f"{count:,} rows, {place.engine}: CPU time per row"
        plot.write(svg, {f"Dump {of}": (count, dumped), f"Load {of}": (count, loaded)})


def _dump(place: Lab, count: int, runs: int) -> dict[str, Cost]:
    tasks = {f"dumpdata {name}": partial(_dumped, place, name) for name in FORMATS}
    costs = in_turn(runs, {**tasks, "limit: values_list": partial(place.measure, "read")})
    lines = compared(costs, count, costs["dumpdata py"], costs["limit: values_list"], costs)
    show(f"Dump, {place.engine}", ("", *HEAD), lines)
    return costs


def _dumped(place: Lab, name: str) -> Any:
    return place.measure("dump", name, place.path(f"dump.{name}"))


def _load(place: Lab, source: dict[str, Any], count: int, runs: int) -> dict[str, Cost]:
    ways = ["executemany", "copy"] if place.engine == "postgresql" else ["executemany"]
    tasks = {
        f"loaddata {name}": partial(place.load, place.path(f"dump.{name}"), source)
        for name in FORMATS
    }
    limits = {f"limit: {way}": partial(place.into_target, source, "write", way) for way in ways}
    costs = in_turn(runs, {**tasks, **limits})
    lines = compared(costs, count, costs["loaddata py"], costs[f"limit: {ways[-1]}"], tasks)
    show(f"Load, {place.engine}", ("", *HEAD), lines)
    return costs
