"""Scratch databases, and processes that measure in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

_SHOWN = 2000  # characters of what a process says that fails


class WorkerFailed(Exception):
    """A process that measures has failed: ``arguments`` and what it has said."""

    def __init__(self, arguments: tuple[str, ...], output: str) -> None:
        super().__init__(arguments, output)
        self.arguments = arguments
        self.output = output

    def __str__(self) -> str:
        return f"{' '.join(self.arguments)} failed:\n{self.output}"


class WorkDiffers(Exception):
    """A load has given other rows than those of the source."""


@dataclass(frozen=True)
class Cost:
    """What a run has cost: seconds by the clock and of this process's CPU, and memory in KB.

    ``growth`` is how much the peak of the resident memory has risen, ``peak`` what it was.
    """

    wall: float
    cpu: float
    growth: float
    peak: float


class Lab:
    """One engine, with a source, a target and a directory for dumps; see ``lab()``."""

    def __init__(
        self,
        engine: str,
        directory: Path,
        *apps: str,
        python: str = sys.executable,
        settings: str = "benchmarks.settings",
    ) -> None:
        self.engine = engine
        self.directory = directory
        self._python = python
        self._environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": settings,
            "DUMPY_TEST_ENGINE": engine,
            "DUMPY_TEST_NAME": f"dumpy_bench_{os.getpid()}",
            "DUMPY_DATA_DIR": str(directory),
            "DUMPY_BENCH_APPS": " ".join(apps),
        }

    def path(self, name: str) -> str:
        """Return the path of a file for this engine."""
        return str(self.directory / name)

    def source(self, task: str, *arguments: object) -> dict[str, Any]:
        """Make the source anew, filled by a task; return what is in it."""
        self.do("create", "default")
        self.do(task, *arguments)
        return self.digests("default")

    def digests(self, using: str) -> dict[str, Any]:
        """Return the number of rows and a digest of the content, by table."""
        found: dict[str, Any] = self.do("digests", using)
        return found

    def load(self, path: str, expected: dict[str, Any]) -> Cost:
        """Load a file into an empty target; raises ``WorkDiffers``."""
        return self.into_target(expected, "load", path)

    def into_target(self, expected: dict[str, Any], *arguments: object) -> Cost:
        """Measure a task that writes to an empty target, and check what it has written."""
        self.do("create", "target")
        cost = self.measure(*arguments)
        found = self.digests("target")
        if found != expected:
            raise WorkDiffers(f"{arguments} has written {found}, not {expected}.")
        return cost

    def measure(self, *arguments: object) -> Cost:
        """Return what a task costs."""
        result = self.do(*arguments)
        growth = result["peak"] - result["before"]
        return Cost(result["wall"], result["cpu"], growth, result["peak"])

    def do(self, *arguments: object) -> Any:
        """Return the result of a task, done in a process of its own."""
        texts = tuple(map(str, arguments))
        done = subprocess.run(
            [self._python, "-m", "benchmarks.worker", *texts],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise WorkerFailed(texts, done.stderr[-_SHOWN:])
        return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def lab(engine: str, app: str) -> Iterator[Lab]:
    """Give an engine with scratch databases for an app, which are removed afterwards."""
    with TemporaryDirectory(prefix="dumpy-bench-") as directory:
        place = Lab(engine, Path(directory), app, "dumpy")
        try:
            yield place
        finally:
            place.do("drop", "default")
            place.do("drop", "target")


def in_turn(runs: int, tasks: dict[str, Callable[[], Cost]]) -> dict[str, Cost]:
    """Run tasks in turn, so that noise meets all of them; return the least of each."""
    costs: dict[str, list[Cost]] = {name: [] for name in tasks}
    for _ in range(runs):
        for name, task in tasks.items():
            costs[name].append(task())
    return {name: least(found) for name, found in costs.items()}


def least(costs: list[Cost]) -> Cost:
    """Return the least of each value: what else runs on the machine only ever adds to it."""
    return Cost(
        min(cost.wall for cost in costs),
        min(cost.cpu for cost in costs),
        min(cost.growth for cost in costs),
        min(cost.peak for cost in costs),
    )


def rows_in(digests: dict[str, Any]) -> tuple[int, int]:
    """Return how many rows, and how many links besides, there are."""
    counts = {label: count for label, (count, _digest) in digests.items()}
    links = counts.pop("shop.Item_tags", 0)
    return sum(counts.values()), links
