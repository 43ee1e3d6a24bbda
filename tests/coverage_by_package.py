"""Prints which part of the lines and branches of each package the tests run, in percent.

``python tests/coverage_by_package.py coverage.json``, of what ``coverage json`` has written. The
exit status is 1 if a package has less than the numbers in FLOORS, which a change may only raise.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

FLOORS = {
    "dumpy": (98.0, 95.0),
    "dumpy/admin": (98.8, 97.0),
    "dumpy/checking": (98.2, 95.0),
    # The report is of SQLite: what PostgreSQL and MySQL do in their own ways runs on these alone.
    "dumpy/engines": (82.0, 61.5),
    "dumpy/loading": (98.6, 96.4),
    "dumpy/management": (98.8, 97.0),
    "dumpy/migrating": (98.9, 97.5),
    "dumpy/reading": (99.3, 98.4),
    "dumpy/repairing": (98.8, 95.7),
    "dumpy/restoring": (98.0, 96.0),
    "dumpy/schema": (99.2, 98.2),
    "dumpy/text": (99.5, 99.0),
    "dumpy/writing": (97.4, 94.8),
}
"""The least percentage of lines and of branches; a package that is not here needs 95 and 90."""


def by_package(report: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Return the percentages of lines and branches that were run, by package."""
    sums: dict[str, Counter[str]] = {}
    for name, file in report["files"].items():
        package = "/".join(Path(name).parts[:2] if name.count("/") > 1 else Path(name).parts[:1])
        sums.setdefault(package, Counter()).update(file["summary"])
    return {
        package: (
            percentage(found["covered_lines"], found["num_statements"]),
            percentage(found["covered_branches"], found["num_branches"]),
        )
        for package, found in sorted(sums.items())
    }


def percentage(part: float, whole: float) -> float:
    """Return a part of a whole in percent, rounded down to one digit; nothing of nothing is all."""
    return int(1000 * part / whole) / 10 if whole else 100.0


def main(path: str) -> int:
    """Print a line for each package, and what is too low."""
    found = by_package(json.loads(Path(path).read_text(encoding="utf-8")))
    low = []
    print(f"{'package':<18} lines  branches")
    for package, numbers in found.items():
        print(f"{package:<18} {numbers[0]:5.1f}  {numbers[1]:8.1f}")
        floors = FLOORS.get(package, (95.0, 90.0))
        if numbers[0] < floors[0] or numbers[1] < floors[1]:
            low.append(f"{package} must have {floors[0]} and {floors[1]}")
    print(*low, sep="\n")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
