"""The swap on MySQL: tables and views change together, with or without the process that asks."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from bank import Bank, end_of

from dumpy.restoring.staging import aside

# Connections look at the database of the tests, which this makes.
pytestmark = [pytest.mark.django_db, pytest.mark.mysql]

# A restore whose swap takes a while between the tables and the views. Unlike SLEEP(), this does not
# look whether the client is still there.
SLOW = """
import sys
from django.db import connection

def slowly(execute, sql, params, many, context):
    if "PROCEDURE" in sql:
        assert sql.count("CREATE OR REPLACE") == 1
        wait = "DO BENCHMARK(4000000, SHA2('x', 512)); "
        sql = sql.replace("CREATE OR REPLACE", wait + "CREATE OR REPLACE")
    return execute(sql, params, many, context)

script = sys.argv[0] = sys.argv[1]
sys.argv[1:] = ["-b"]
with connection.execute_wrapper(slowly):
    execfile(script, {"__name__": "__main__", "__file__": script})
"""
RUNNING = (
    "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%BENCHMARK%' "
    "AND info NOT LIKE '%processlist%' AND info NOT LIKE '%PROCEDURE%' AND db LIKE '{name}%'"
)
WAITING = (
    "SELECT (SELECT COUNT(*) FROM information_schema.processlist "
    "WHERE state = 'Waiting for table metadata lock' AND db LIKE '{name}%')"
)


def wait_for(bank: Bank, query: str) -> None:
    """Wait until a query finds something."""
    name, deadline = bank.databases["default"]["NAME"], time.monotonic() + 60
    while not bank.execute(query.format(name=name))[0][0]:
        assert time.monotonic() < deadline, "it has not happened"


def name_of(bank: Bank) -> str:
    """Return the name of the database."""
    return str(bank.databases["default"]["NAME"])


def tables(bank: Bank) -> set[str]:
    """Return the names of the tables and views there are now."""
    return {str(name) for (name,) in bank.execute("SHOW TABLES")}


def test_the_views_follow_the_tables_though_the_restore_is_killed_between_them(
    bank: Bank, dump: Path
) -> None:
    """F4: the server has all of the swap in one call."""
    new = bank.state()
    bank.change()
    (bank.directory / "slow.py").write_text(SLOW)
    child = bank.start("run", "slow.py", dump / "restore.py")
    wait_for(bank, RUNNING)
    child.kill()
    assert end_of(child).said.count("Restored.") == 0
    assert "shop_balance" not in tables(bank), "it was killed too late"
    assert bank.state() == new


def test_a_restore_that_is_killed_while_it_waits_for_others_changes_nothing(
    bank: Bank, dump: Path
) -> None:
    """F4, F14"""
    bank.change()
    old = bank.state()
    reader = bank.connection()
    with reader.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT amount FROM shop_till")
        child = bank.start("run", dump / "restore.py", "-b")
        wait_for(bank, WAITING)
        child.kill()
        end_of(child)
        wait_for(bank, f"SELECT NOT ({WAITING.removeprefix('SELECT ')})")
        cursor.execute("ROLLBACK")
    reader.close()
    assert bank.state() == old


def test_a_view_that_cannot_be_made_leaves_the_tables_as_they_were(bank: Bank, dump: Path) -> None:
    """A table that is not of the project bears the name of the view."""
    bank.change()
    bank.execute("CREATE TABLE shop_balance (x INT)")
    try:
        old = bank.state()
        said = bank.fail("run", dump / "restore.py", "-b")
        assert "'shop_balance' is not of type 'VIEW'" in said.replace(f"{name_of(bank)}.", "")
        assert "The database is as it was." in said
        assert bank.state() == old
    finally:
        bank.execute("DROP TABLE shop_balance")


def test_databases_of_long_names_have_a_stage_each() -> None:
    names = {aside(f"{first}{'x' * 62}{last}", "stage") for first in "ab" for last in "ab"}
    assert len(names) == 4
    assert max(map(len, names)) == 64
