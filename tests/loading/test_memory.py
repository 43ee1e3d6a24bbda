"""Memory stays flat, however many rows there are: dump and load, in processes of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from dumps import module as dump_of
from dumps import rows
from running import Project

pytestmark = [pytest.mark.slow, pytest.mark.django_db(databases=["default"], transaction=True)]

FEW, MANY = 10_000, 80_000
MAY_GROW = 12 * 1024  # kilobytes

# What getrusage() says would begin with the memory of the process of the tests.
STATUS = Path("/proc/self/status")
PEAK = f"""
import sys

def peak(command, *arguments):
    import django

    django.setup()
    from django.core.management import call_command

    call_command(command, *arguments, verbosity=0)
    print(open({str(STATUS)!r}).read().partition("VmHWM:")[2].split()[0])
"""
DUMP = PEAK + "peak('dumpdata', 'zoo.Animal', '--format=py', '-o', sys.argv[1])"
LOAD = PEAK + "peak('loaddata', sys.argv[1])"


def rows_in(number: int) -> str:
    """Return a dump of many animals, each with links."""
    animals = ((pk, f"animal {pk}", [max(1, pk - 1)]) for pk in range(1, number + 1))
    return dump_of(rows("zoo.Animal", "id name prey", *animals))


def kilobytes(project: Project, program: str, path: object) -> int:
    """Run a program and return the peak of its memory."""
    done = project.new_python("-c", program, path)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(not STATUS.exists(), reason="the system does not tell the peak of a process")
def test_memory_does_not_grow_with_the_rows(project: Project) -> None:
    """D6: Django's loaddata holds the whole file: 220 MB for 31 MB."""
    peaks = {}
    for number in (FEW, MANY):
        path = project.directory / f"{number}.py"
        path.write_text(rows_in(number), encoding="utf-8")
        load = kilobytes(project, LOAD, path)
        peaks[number] = load, kilobytes(project, DUMP, project.directory / f"again_{number}.py")
    growth = [many - few for few, many in zip(peaks[FEW], peaks[MANY], strict=True)]
    assert max(growth) <= MAY_GROW, (growth, peaks)
