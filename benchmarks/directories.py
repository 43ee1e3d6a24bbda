"""``dump2py`` and restores: dumpy's directories beside ``dumpdata`` and ``loaddata``."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.formats import HEAD
from benchmarks.lab import Cost, Lab, WorkDiffers, in_turn, rows_in
from benchmarks.table import compared, show

_ROW = "    yield create_"


def run(place: Lab, rows: int, runs: int, *, linked: bool) -> None:
    """Measure and print."""
    source = place.source("fill", rows, linked)
    count, links = rows_in(source)
    print(f"\n## {place.engine}: {count:,} rows and {links:,} links, the least of {runs} runs")
    _dump(place, count, runs)
    _restore(place, source, count, runs)


def dumped(place: Lab) -> Cost:
    """Dump the source as a directory."""
    return place.measure("manage", "dump2py", place.path("dump"), "--overwrite", "--verbosity=0")


def restored(place: Lab, source: dict[str, Any]) -> Cost:
    """Restore the directory into the target, with a new schema; raises ``WorkDiffers``."""
    script = place.path("dump/restore.py")
    return place.into_target(source, "manage", "run", script, "-b", "--database", "target")


def _restored_file(place: Lab, source: dict[str, Any]) -> Cost:
    arguments = place.path("dump.py"), "--noinput", "--database", "target"
    return place.into_target(source, "manage", "restore", *arguments)


def _dump(place: Lab, count: int, runs: int) -> None:
    tasks: dict[str, Callable[[], Cost]] = {
        "dump2py": lambda: _whole(place, "dump", dumped(place), count),
        "dumpdata py": lambda: _whole(place, "dump.py", _to_file(place, "py"), count),
        "dumpdata json": lambda: _whole(place, "dump.json", _to_file(place, "json"), count),
    }
    costs = in_turn(runs, {**tasks, "limit: values_list": partial(place.measure, "read")})
    lines = compared(costs, count, costs["dump2py"], costs["limit: values_list"], tasks)
    show(f"Dump, {place.engine}", ("", *HEAD), lines)


def _to_file(place: Lab, format: str) -> Cost:
    return place.measure("dump", format, place.path(f"dump.{format}"))


def _whole(place: Lab, name: str, cost: Cost, count: int) -> Cost:
    """Return the cost of a dump; raises ``WorkDiffers`` if it does not hold all rows."""
    found = _ROWS[name](Path(place.path(name)))
    if found != count:
        raise WorkDiffers(f"{name} holds {found:,} rows, not {count:,}.")
    return cost


def _rows_of_directory(path: Path) -> int:
    manifest = json.loads((path / "manifest.json").read_text())
    return sum(table["rows"] for table in manifest["tables"])


def _rows_of_py(path: Path) -> int:
    with path.open() as lines:
        return sum(line.startswith(_ROW) for line in lines)


def _rows_of_json(path: Path) -> int:
    return len(json.loads(path.read_text()))


_ROWS = {"dump": _rows_of_directory, "dump.py": _rows_of_py, "dump.json": _rows_of_json}


def _restore(place: Lab, source: dict[str, Any], count: int, runs: int) -> None:
    tasks: dict[str, Callable[[], Cost]] = {
        "restore.py": partial(restored, place, source),
        "restore dump.py": partial(_restored_file, place, source),
        "loaddata py": partial(place.load, place.path("dump.py"), source),
        "loaddata json": partial(place.load, place.path("dump.json"), source),
    }
    way = "copy" if place.engine == "postgresql" else "executemany"
    limit = partial(place.into_target, source, "write", way)
    costs = in_turn(runs, {**tasks, f"limit: {way}": limit})
    lines = compared(costs, count, costs["restore.py"], costs[f"limit: {way}"], tasks)
    show(f"Restore, {place.engine}", ("", *HEAD), lines)
