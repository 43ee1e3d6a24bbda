"""All tables of a dump are from one instant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.management.base import CommandError
from django.db import connection, transaction
from forkserver import PATIENCE
from running import Project, dumped

from zoo import models as zoo

pytestmark = pytest.mark.django_db(transaction=True)

ACCOUNTS = 1000
DUMPS = 10

# Each transfer takes from the one table and gives to the other.
WRITER = """
import random
import django
django.setup()
from django.db import OperationalError, transaction
from django.db.models import F
from zoo.models import Egg, Weighing

print("ready", flush=True)
while True:
    number = random.randrange(1, ACCOUNTS + 1)
    step = random.choice([-3, 3])
    try:
        with transaction.atomic():
            Weighing.objects.filter(pk=number).update(kilos=F("kilos") + step)
            Egg.objects.filter(pk=ACCOUNTS + 1 - number).update(weight=F("weight") - step)
    except OperationalError:  # SQLite has one writer or several readers
        continue
    print("transfer", flush=True)
"""

DUMPER = """
import django
django.setup()
from django.core.management import call_command

for number in range(DUMPS):
    call_command("dumpdata", "zoo.Egg", "zoo.Weighing", format="py", output=f"{number}.py")
"""


def accounts() -> None:
    """Fill two tables whose sum is the same after every transfer."""
    numbers = range(1, ACCOUNTS + 1)
    zoo.Weighing.objects.bulk_create([zoo.Weighing(pk=n, kilos=100_000) for n in numbers])
    zoo.Egg.objects.bulk_create([zoo.Egg(pk=n, weight=100_000) for n in numbers])


def sum_of(path: Path) -> int:
    """Return the sum of all accounts in a dump."""
    found = re.findall(r"yield create_zoo_\w+\(\d+, (-?\d+)\)", path.read_text())
    assert len(found) == 2 * ACCOUNTS
    return sum(map(int, found))


@pytest.mark.slow
def test_a_writer_beside_the_dump_cannot_tear_it(project: Project) -> None:
    """D4, F10"""
    accounts()
    (project.directory / "writer.py").write_text(WRITER.replace("ACCOUNTS", str(ACCOUNTS)))
    (project.directory / "dumper.py").write_text(DUMPER.replace("DUMPS", str(DUMPS)))
    writer = project.start(project.directory / "writer.py")
    try:
        assert writer.stdout.readline() == b"ready\n"
        dumper = project.start_another(project.directory / "dumper.py")
        _out, errors = dumper.communicate(timeout=PATIENCE)
    finally:
        writer.kill()
        transfers = writer.communicate()[0].count(b"transfer")
    assert dumper.returncode == 0, errors.decode()
    sums = {sum_of(project.directory / f"{number}.py") for number in range(DUMPS)}
    assert sums == {2 * ACCOUNTS * 100_000}
    assert transfers > DUMPS
    assert len({(project.directory / f"{n}.py").read_bytes() for n in range(DUMPS)}) > 1


@pytest.mark.postgresql
@pytest.mark.mysql
def test_a_dump_within_a_transaction_that_sees_commits_of_others_is_refused() -> None:
    with (
        transaction.atomic(),
        pytest.raises(CommandError, match=r"(?i)atomic\(\).*read.committed.*repeatable read"),
    ):
        dumped("zoo.Egg")


@pytest.mark.postgresql
@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_dump_within_a_transaction_with_one_snapshot_is_made(level: str) -> None:
    zoo.Egg.objects.create(pk=1, weight=2)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
        assert "yield create_zoo_egg(1, 2)" in dumped("zoo.Egg")


@pytest.mark.sqlite
def test_a_dump_within_a_transaction_is_made_on_sqlite() -> None:
    with transaction.atomic():
        zoo.Egg.objects.create(pk=1, weight=2)
        assert "yield create_zoo_egg(1, 2)" in dumped("zoo.Egg")


@pytest.mark.django_db(transaction=False)
def test_a_dump_within_a_test_case_sees_the_rows_of_the_test() -> None:
    zoo.Egg.objects.create(pk=1, weight=2)
    assert "yield create_zoo_egg(1, 2)" in dumped("zoo.Egg")


def test_after_a_dump_the_connection_writes_as_before() -> None:
    dumped("zoo.Egg")
    zoo.Egg.objects.create(pk=1, weight=2)
    assert connection.get_autocommit()
    assert zoo.Egg.objects.count() == 1


@pytest.mark.postgresql
@pytest.mark.mysql
def test_after_a_dump_the_isolation_level_is_as_before() -> None:
    dumped("zoo.Egg")
    with transaction.atomic(), pytest.raises(CommandError, match="isolation level"):
        dumped("zoo.Egg")
