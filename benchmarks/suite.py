"""Ten TestCases on one fixture: json, a dump, and a dump that is loaded once for the session."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmarks.lab import Lab, in_turn, rows_in
from benchmarks.table import ratio, show

WAYS = {
    "fixtures = [json]": ("fixtures", "json"),
    "fixtures = [py]": ("fixtures", "py"),
    'mark.dumpy(py, scope="session")': ("session", "py"),
}


def run(place: Lab, rows: int, runs: int) -> None:
    """Measure and print; each TestCase checks that it sees the rows of the source."""
    source = place.source("fill", rows, True)
    count, links = rows_in(source)
    for format in ("json", "py"):
        place.measure("dump", format, place.path(f"suite.{format}"))
    expected = place.path("suite.digests")
    Path(expected).write_text(json.dumps(source), encoding="utf-8")
    tasks = {
        name: partial(place.measure, "run_tests", way, place.path(f"suite.{format}"), expected)
        for name, (way, format) in WAYS.items()
    }
    costs = in_turn(runs, tasks)
    slowest = costs["fixtures = [json]"].cpu
    lines = [[name, f"{cost.cpu:.3f}", ratio(slowest, cost.cpu)] for name, cost in costs.items()]
    title = f"Ten TestCases on {count:,} rows and {links:,} links, {place.engine}, of {runs} runs"
    show(title, ("", "CPU seconds", "times faster"), lines)


class Meter:
    """A plugin for pytest that measures tests with all that is around them."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Generator[None, object, object]:
        """Measure a test, but for what it takes to compare all rows."""
        wall, cpu, checking = time.perf_counter(), time.process_time(), item.module.checking
        result = yield
        if item.cls.__name__ != "FirstTests":
            spent = item.module.checking - checking
            self.wall += time.perf_counter() - wall - spent
            self.cpu += time.process_time() - cpu - spent
        return result


def run_tests(way: str, fixture: str, digests: str) -> dict[str, float]:
    """Run the TestCases in this process; return what they cost. Raises ``SystemExit`` if one fails.

    It is a task of ``benchmarks.worker``.
    """
    os.environ.update(SUITE_WAY=way, SUITE_FIXTURE=fixture, SUITE_DIGESTS=digests)
    meter = Meter()
    cases = Path(__file__).with_name("suite_cases.py")
    quiet = ["-q", "-c", os.devnull, "-p", "no:cacheprovider", "-p", "no:randomly"]
    status = pytest.main([*quiet, str(cases)], plugins=[meter])
    if status:
        raise SystemExit(f"the tests have failed with status {status}.")
    return {"wall": meter.wall, "cpu": meter.cpu, "before": 0, "peak": 0}
