"""Others who use the database: a restore waits for a while, and then says so."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from bank import Bank, end_of, without_next_keys
from django.conf import settings
from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from points import LOAD, RESTORE, named

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

IN_THE_WAY = "Another session uses the tables, and did not release them in time."
AS_IT_WAS = "The database is as it was."

# SQLite waits for as long as the settings say.
IMPATIENT = """
import sys
from dumpy.engines import mysql, postgresql

mysql.PATIENCE = postgresql.PATIENCE = 1
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
WAITING = {
    "postgresql": "SELECT COUNT(*) FROM pg_locks JOIN pg_database d ON d.datname = '{name}' "
    "JOIN pg_stat_activity a ON a.datname = d.datname AND a.pid = pg_locks.pid WHERE NOT granted",
    "mysql": "SELECT COUNT(*) FROM information_schema.innodb_trx "
    "JOIN information_schema.processlist p ON p.id = trx_mysql_thread_id "
    "WHERE trx_state = 'LOCK WAIT' AND p.db = '{name}'",
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
    """Restore, and wait for a second at most."""
    script = bank.directory / "impatient.py"
    script.write_text(IMPATIENT)
    return bank.manage("run", script, dump / "restore.py", env={"SHOP_TIMEOUT": "0"})


def assert_is_said(done: subprocess.CompletedProcess[str]) -> None:
    """Require that a restore has ended with a message for a person."""
    assert done.returncode == 1
    assert IN_THE_WAY in done.stderr
    assert AS_IT_WAS in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("journal")
def test_a_restore_ends_in_time_if_somebody_holds_a_table(changed: Bank, dump: Path) -> None:
    """F14"""
    with held(changed, HOLD[settings.ENGINE]):
        done = restored_impatiently(changed, dump)
    assert_is_said(done)
    assert changed.state() == changed.states["changed"]


@pytest.mark.postgresql
@pytest.mark.mysql
@pytest.mark.parametrize("table", ["shop_till", "django_migrations"])
def test_a_restore_ends_in_time_if_somebody_has_locked_a_table(
    changed: Bank, dump: Path, table: str
) -> None:
    """F14"""
    with held(changed, [statement.format(table) for statement in LOCK[settings.ENGINE]]):
        done = restored_impatiently(changed, dump)
    assert_is_said(done)
    assert changed.state() == changed.states["changed"]


@pytest.mark.sqlite
def test_a_restore_ends_in_time_if_somebody_reads(changed: Bank, journal: str, dump: Path) -> None:
    """F14: with a rollback journal, nobody can commit while somebody reads."""
    with held(changed, ["BEGIN", "SELECT amount FROM shop_till"]):
        done = restored_impatiently(changed, dump)
    if journal == "wal":
        assert done.returncode == 0
    else:
        assert_is_said(done)
        assert changed.state() == changed.states["changed"]


@pytest.mark.usefixtures("journal")
def test_a_restore_beside_a_writer_is_whole(changed: Bank, dump: Path) -> None:
    """F15: what the writer does before is gone, if it can do it, and what it does after is kept."""
    command = ("run", dump / "restore.py", "-b")
    # On MariaDB, the new tables are in a database aside.
    expected = nullcontext() if settings.ENGINE == "mysql" else pytest.raises(DatabaseError)
    with changed.paused(named("between tables", RESTORE), *command) as restoring, expected:
        changed.transact(["UPDATE shop_till SET amount = 7 WHERE id = 5"])
    assert restoring.status == 0, restoring.said
    assert changed.state() == changed.states["dumped"]
    changed.transact(["UPDATE shop_till SET amount = 7 WHERE id = 5"])
    assert changed.execute("SELECT amount FROM shop_till WHERE id = 5") == [(7,)]


@pytest.mark.usefixtures("journal")
def test_of_two_restores_at_once_one_is_done_and_the_other_says_why_not(
    changed: Bank, dump: Path
) -> None:
    """F21"""
    command = ("run", dump / "restore.py", "-b")
    with changed.paused(named("between tables", RESTORE), *command) as first:
        second = restored_impatiently(changed, dump)
    assert first.status == 0, first.said
    assert second.returncode == 1
    assert "Another restore of" in second.stderr or IN_THE_WAY in second.stderr
    assert "Traceback" not in second.stderr
    assert changed.state() == changed.states["dumped"]


def test_of_two_loads_at_once_each_is_done_or_says_why_not(changed: Bank) -> None:
    """F21: SQLite has one writer; the servers let the second wait until it sees what is there."""
    command = ("loaddata", changed.directory / "dumped.py")
    with changed.paused(named("between tables", LOAD), *command) as first:
        child = changed.start_with(*command, SHOP_TIMEOUT="0")
        if settings.ENGINE == "sqlite":
            second = end_of(child)
        else:
            changed.wait_for(WAITING[settings.ENGINE].format(name=first.database))
    if settings.ENGINE != "sqlite":
        second = end_of(child)
    assert first.status == 0, first.said
    assert second.status == 0 or "Another session uses the tables" in second.said, second.said
    expected = without_next_keys(changed.states["loaded"])
    assert without_next_keys(changed.state()) == expected
