"""Runs the tests on each engine that can be used, and says in the end what became of each.

``python testproject/run_tests.py [pytest arguments]``; DUMPY_TEST_ENGINE names one engine.

The exit status is not 0 if tests have failed, or if an engine of DUMPY_TEST_REQUIRE is not there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from engines import REACH, is_required, trouble

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Outcome:
    """What became of the tests on one engine.

    Attributes:
        engine: The name of the engine.
        is_good: Whether nothing has failed.
        said: Numbers of tests, or the reason why there are none.
        seconds: How long it took.
    """

    engine: str
    is_good: bool
    said: str
    seconds: float = 0

    def __str__(self) -> str:
        return f"{self.engine:<11} {self.said}, {self.seconds:.0f} s"


def outcome(engine: str, arguments: list[str]) -> Outcome:
    """Run the tests on an engine, if it can be used."""
    reason = trouble(engine)
    if reason is not None:
        return Outcome(engine, not is_required(engine), f"skipped: {reason}")
    print(f"== tests on {engine}", flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.xml"
        status = subprocess.call(
            [sys.executable, "-m", "pytest", f"--junitxml={report}", *arguments],
            cwd=ROOT,
            env={**os.environ, "DUMPY_TEST_ENGINE": engine},
        )
        said = counts(report) if report.is_file() else f"pytest ended with status {status}"
    return Outcome(engine, status == 0, said, time.monotonic() - started)


def counts(report: Path) -> str:
    """Return how many tests of a report have passed, failed, and were skipped, and why."""
    suite = next(ElementTree.parse(report).iter("testsuite"))
    number = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    failed = number["failures"] + number["errors"]
    said = f"{number['tests'] - failed - number['skipped']} passed, {failed} failed"
    reasons = sorted({skip.get("message", "") for skip in suite.iter("skipped")})
    return f"{said}, {number['skipped']} skipped ({'; '.join(reasons)})" if reasons else said


def main(arguments: list[str]) -> int:
    """Run the tests, and print a line for each engine."""
    only = os.environ.get("DUMPY_TEST_ENGINE")
    outcomes = [outcome(engine, arguments) for engine in REACH if only in (None, "", engine)]
    print("\n== each engine", *outcomes, sep="\n")
    return 0 if all(one.is_good for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
