"""Checking takes the same memory however many rows there are, unique values and all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from dumps import module, rows
from sites import ROOT

FEW, MANY = 5_000, 80_000
MAY_GROW = 12 * 1024  # kilobytes
STATUS = Path("/proc/self/status")
PEAK = f"""
import sys
import django
django.setup()
from django.core.management import call_command
try:
    call_command("checkdump", sys.argv[1], verbosity=0)
except SystemExit:
    print(open({str(STATUS)!r}).read().partition("VmHWM:")[2].split()[0])
"""


def kilobytes(path: Path, number: int) -> int:
    """Return the peak of the memory of a process that checks so many rows."""
    names = [*range(number - 1), 7]
    table = rows(
        "music.Genre", "id name", *((pk, f"genre {name}") for pk, name in enumerate(names))
    )
    path.write_text(module(table), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path)],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "testproject")]),
        },
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(not STATUS.exists(), reason="the system does not tell the peak of a process")
def test_memory_does_not_grow_with_the_rows_that_are_checked(tmp_path: Path) -> None:
    few, many = (kilobytes(tmp_path / "dump.py", number) for number in (FEW, MANY))
    assert many - few <= MAY_GROW, (few, many)
