"""Directories of dumpy beside those of Lino, which runs in an environment of its own."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.formats import HEAD
from benchmarks.lab import Cost, Lab, WorkDiffers, in_turn, rows_in
from benchmarks.table import compared, show

_NEEDS = ("lino==26.10.*", "lino_react==26.10.*")


def run(place: Lab, environment: Path | None, rows: int, runs: int) -> None:
    """Measure and print; ``environment`` is made if it is not there."""
    if environment is None or place.engine != "sqlite":
        print("Skipped: say --lino PATH, an environment that may be made there; SQLite only.")
        return
    lino = _site(place, _python(environment))
    sources = [side.source("fill_plain", rows) for side in (place, lino)]
    _require_same(*sources)
    count, _links = rows_in(sources[0])
    print(f"\n## {count:,} rows of eleven columns, the least of {runs} runs")
    _measure(place, lino, sources[0], count, runs)


def _measure(place: Lab, lino: Lab, source: dict[str, Any], count: int, runs: int) -> None:
    dumps = in_turn(
        runs,
        {
            "dumpy dump2py": partial(_dumped, place),
            "lino dump2py": partial(_dumped, lino),
            "limit: values_list": partial(place.measure, "read"),
        },
    )
    restores = in_turn(
        runs,
        {
            "dumpy restore.py": partial(_restored, place, source),
            "lino restore.py --quick": partial(_restored, lino, source, "--quick"),
            "limit: executemany": partial(place.into_target, source, "write", "executemany"),
        },
    )
    for name, costs in {"Dump": dumps, "Restore": restores}.items():
        first, *_rest, limit = costs
        lines = compared(costs, count, costs[first], costs[limit], costs)
        show(f"{name}, {place.engine}", ("", *HEAD), lines)


def _dumped(place: Lab) -> Cost:
    return place.measure("manage", "dump2py", place.path("dump"), "--overwrite")


def _restored(place: Lab, source: dict[str, Any], *options: str) -> Cost:
    """Restore what was dumped over it; raises ``WorkDiffers``."""
    cost = place.measure("manage", "run", place.path("dump/restore.py"), "-b", *options)
    _require_same(source, place.digests("default"))
    return cost


def _require_same(expected: dict[str, Any], found: dict[str, Any]) -> None:
    if found != expected:
        raise WorkDiffers(f"There is {found}, not {expected}.")


def _site(place: Lab, python: str) -> Lab:
    directory = place.directory / "lino"
    directory.mkdir()
    return Lab(place.engine, directory, python=python, settings="benchmarks.lino_settings")


def _python(environment: Path) -> str:
    """Return the Python of the environment."""
    python = environment / "bin" / "python"
    if not python.exists():
        print(f"Making {environment}.", flush=True)
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *_NEEDS], check=True)
    return str(python)
