"""What dumpy in INSTALLED_APPS costs ``manage.py check``."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from statistics import median

from benchmarks.table import show

RUNS = 40
_CONTRIB = ("auth", "contenttypes", "sessions", "sites")
_APPS = " ".join(["benchmarks.shop", *(f"django.contrib.{name}" for name in _CONTRIB)])

Seconds = tuple[float, float]


def run() -> None:
    """Measure and print."""
    pairs = [(_check(_APPS), _check(f"{_APPS} dumpy")) for _ in range(RUNS)]
    without, with_dumpy = zip(*pairs, strict=True)
    added = [(two[0] - one[0], two[1] - one[1]) for one, two in pairs]
    lines = [
        ["without dumpy", *_summary(without)],
        ["with dumpy", *_summary(with_dumpy)],
        ["difference of neighbours", *_summary(added)],
    ]
    head = ("", "median ms", "least ms", "median CPU ms", "least CPU ms")
    show(f"manage.py check, {RUNS} runs each in turn", head, lines)


def _check(apps: str) -> Seconds:
    """Return the seconds of one run, by the clock and of its CPU."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
        "DUMPY_BENCH_APPS": apps,
    }
    before, start = _cpu_of_children(), time.perf_counter()
    command = [sys.executable, "-m", "django", "check"]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.perf_counter() - start, _cpu_of_children() - before


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _summary(times: list[Seconds] | tuple[Seconds, ...]) -> list[str]:
    columns = [sorted(column) for column in zip(*times, strict=True)]
    return [f"{ms * 1000:.1f}" for column in columns for ms in (median(column), column[0])]
