"""Others who use the database: a restore waits for a while, and then says so."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bank import RUNS, TABLES_ONLY, TOTAL, Bank, end_of
from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

IN_THE_WAY = "Somebody else uses the tables, and did not let go of them in time."
AS_IT_WAS = "The database is as it was."

# SQLite waits for as long as the settings say; here, too.
IMPATIENT = """
import sys
from django.db import connection
from dumpy.restoring import target

target._PATIENCE = 1
if connection.vendor == "sqlite":
    connection.settings_dict["OPTIONS"]["timeout"] = 1
script = sys.argv[0] = sys.argv[1]
sys.argv[1:] = ["-b"]
execfile(script, {"__name__": "__main__", "__file__": script})
"""
HOLD = {
    "sqlite": ["BEGIN IMMEDIATE", "UPDATE shop_till SET amount = 0 WHERE id = 1"],
    "postgresql": ["BEGIN", "SELECT amount FROM shop_till WHERE id = 1"],
    "mysql": ["BEGIN", "SELECT amount FROM shop_till WHERE id = 1"],
}
LOCK = {
    "postgresql": ["BEGIN", "LOCK TABLE {} IN ACCESS EXCLUSIVE MODE"],
    "mysql": ["LOCK TABLES {} WRITE"],
}


@contextmanager
def held(bank: Bank, statements: list[str]) -> Iterator[None]:
    """Leave a transaction open in another session."""
    connection: BaseDatabaseWrapper = bank.connection()
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            yield
            cursor.execute("ROLLBACK")
    finally:
        connection.close()


def restored_impatiently(bank: Bank, dump: Path) -> subprocess.CompletedProcess[str]:
    """Restore, and wait for a second only."""
    script = bank.directory / "impatient.py"
    script.write_text(IMPATIENT)
    return bank.manage("run", script, dump / "restore.py")


def assert_is_said(done: subprocess.CompletedProcess[str]) -> None:
    """Require that a restore has ended with a message for a person."""
    assert done.returncode == 1
    assert IN_THE_WAY in done.stderr
    assert AS_IT_WAS in done.stderr
    assert "Traceback" not in done.stderr


def test_a_restore_ends_in_time_if_somebody_holds_a_table(bank: Bank, dump: Path) -> None:
    """F14"""
    bank.change()
    before = bank.state()
    with held(bank, HOLD[settings.ENGINE]):
        done = restored_impatiently(bank, dump)
    assert_is_said(done)
    assert bank.state() == before


@pytest.mark.skipif(settings.ENGINE == "sqlite", reason="it locks no single table")
@pytest.mark.parametrize("table", ["shop_till", "django_migrations"])
def test_a_restore_ends_in_time_if_somebody_has_locked_a_table(
    bank: Bank, dump: Path, table: str
) -> None:
    """F14"""
    bank.change()
    before = bank.state()
    with held(bank, [statement.format(table) for statement in LOCK[settings.ENGINE]]):
        done = restored_impatiently(bank, dump)
    assert_is_said(done)
    assert bank.state() == before


@pytest.mark.sqlite
def test_a_restore_ends_in_time_if_somebody_reads(bank: Bank, dump: Path) -> None:
    """F14: with a rollback journal, nobody can commit while somebody reads."""
    bank.change()
    before = bank.state()
    ((mode,),) = bank.execute("PRAGMA journal_mode")
    with held(bank, ["BEGIN", "SELECT amount FROM shop_till"]):
        done = restored_impatiently(bank, dump)
    if mode == "wal":
        assert done.returncode == 0
    else:
        assert_is_said(done)
        assert bank.state() == before


def test_a_restore_beside_a_writer_is_whole(bank: Bank, dump: Path) -> None:
    """F15: what the writer does before is gone, and what it does afterwards is kept."""
    with bank.transfers():
        said = bank.restore(dump)
    assert "Restored." in said
    sums = bank.execute(
        "SELECT SUM(amount) FROM "
        "(SELECT amount FROM shop_till UNION ALL SELECT amount FROM shop_vault) AS accounts"
    )
    assert int(sums[0][0]) == TOTAL


def test_of_two_restores_at_once_at_least_one_is_done_and_the_other_says_why_not(
    bank: Bank, dump: Path
) -> None:
    """F21"""
    new = bank.state()
    bank.change()
    both = [bank.start("run", dump / "restore.py", "-b") for _one in range(2)]
    ended = [end_of(child) for child in both]
    assert bank.state() == new
    assert 0 in [one.status for one in ended]
    for one in ended:
        assert one.status == 0 or "Another restore of" in one.said or IN_THE_WAY in one.said


@pytest.mark.slow
@pytest.mark.postgresql
@pytest.mark.mysql
def test_a_restore_whose_connection_is_cut_leaves_the_old_database_or_the_new_one(
    bank: Bank, dump: Path
) -> None:
    """F12: at instants all over a restore, and at the last ones."""
    command = ("run", dump / "restore.py", "-b")
    new = bank.state()
    bank.change()
    old = bank.state()
    instants = bank.instants_of(*command)
    bank.change()
    for at in (*range(1, instants, instants // RUNS), *range(instants - 5, instants)):
        ended = bank.hit("cut", at, *command)
        there = bank.state()
        assert there in (old, new), ended.said
        # What follows the swap is no part of it, and the next restore cleans up.
        assert (ended.status == 0) == (there == new) or "is unknown" in ended.said, ended.said
        assert "Traceback" not in ended.said
        if there == new:
            bank.change()


@pytest.mark.slow
def test_of_two_dumps_at_once_each_is_whole_or_says_why_not(bank: Bank, tmp_path: Path) -> None:
    """F21: as processes; which of them ends first is left to chance."""
    path = tmp_path / "twice"
    for _time in range(max(2, RUNS // 4)):
        both = [bank.start("dump2py", path, *TABLES_ONLY) for _one in range(2)]
        ended = [end_of(child) for child in both]
        assert 0 in [one.status for one in ended], ended
        for one in ended:
            assert one.status == 0 or "holds a dump already" in one.said, one.said
        bank.succeed("checkdump", path)
        shutil.rmtree(path)
        assert list(tmp_path.iterdir()) == []
