"""The swap on MySQL: tables and views change together, with or without the process that asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bank import Bank, end_of
from django.db import connections, transaction

from dumpy.restoring.staging import aside

# Connections look at the database of the tests, which this makes.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.mysql]

# A restore whose swap waits between the tables and the views, until somebody lets go of a row.
# Unlike GET_LOCK() and SLEEP(), this does not look whether the client is still there.
WAITS = """
import sys
from django.db import connection

def wait(execute, sql, params, many, context):
    if "PROCEDURE" in sql:
        assert sql.count("CREATE OR REPLACE") == 1
        stop = "SELECT number FROM {barrier} FOR UPDATE; "
        sql = sql.replace("CREATE OR REPLACE", stop + "CREATE OR REPLACE")
    return execute(sql, params, many, context)

with connection.cursor() as cursor:
    cursor.execute("SET innodb_lock_wait_timeout = 3600")
script = sys.argv[0] = sys.argv[1]
sys.argv[1:] = ["-b"]
with connection.execute_wrapper(wait):
    execfile(script, {{"__name__": "__main__", "__file__": script}})
"""
AT_THE_BARRIER = (
    "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT' "
    "AND trx_query LIKE '%{barrier}%'"
)
WAITING = (
    "SELECT COUNT(*) FROM information_schema.processlist "
    "WHERE state = 'Waiting for table metadata lock' AND db LIKE '{name}%'"
)


@contextmanager
def barrier() -> Iterator[str]:
    """Make a table in another database, and lock its row while the block is done."""
    connection = connections["default"]
    name = f"{connection.settings_dict['NAME']}.barrier"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {name} (number INT) ENGINE = InnoDB")
        try:
            cursor.execute(f"INSERT INTO {name} VALUES (1)")
            with transaction.atomic():
                cursor.execute(f"SELECT number FROM {name} FOR UPDATE")
                yield name
        finally:
            cursor.execute(f"DROP TABLE {name}")


def name_of(bank: Bank) -> str:
    """Return the name of the database."""
    return str(bank.databases["default"]["NAME"])


def tables(bank: Bank) -> set[str]:
    """Return the names of the tables and views there are now."""
    return {str(name) for (name,) in bank.execute("SHOW TABLES")}


def test_the_views_follow_the_tables_though_the_restore_is_killed_between_them(
    changed: Bank, dump: Path
) -> None:
    """F4: the server has all of the swap in one call."""
    with barrier() as name:
        (changed.directory / "waits.py").write_text(WAITS.format(barrier=name))
        child = changed.start_with("run", "waits.py", dump / "restore.py")
        changed.wait_for(AT_THE_BARRIER.format(barrier=name))
        child.kill()
        assert end_of(child).said.count("Restored.") == 0
        assert "shop_balance" not in tables(changed)
    assert changed.state() == changed.states["dumped"]


def test_a_restore_that_is_killed_while_it_waits_for_others_changes_nothing(
    changed: Bank, dump: Path
) -> None:
    """F4, F14"""
    waiting = WAITING.format(name=name_of(changed))
    reader = changed.connection()
    with reader.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT amount FROM shop_till")
        child = changed.start_with("run", dump / "restore.py", "-b")
        changed.wait_for(waiting)
        child.kill()
        end_of(child)
        changed.wait_for(f"SELECT ({waiting}) = 0")
        cursor.execute("ROLLBACK")
    reader.close()
    assert changed.state() == changed.states["changed"]


def test_a_view_that_cannot_be_made_leaves_the_tables_as_they_were(
    changed: Bank, dump: Path
) -> None:
    """A table that is not of the project bears the name of the view."""
    changed.execute("CREATE TABLE shop_balance (x INT)")
    try:
        old = changed.state()
        said = changed.fail("run", dump / "restore.py", "-b")
        assert "'shop_balance' is not of type 'VIEW'" in said.replace(f"{name_of(changed)}.", "")
        assert "The database is as it was." in said
        assert changed.state() == old
    finally:
        changed.execute("DROP TABLE shop_balance")


def test_databases_of_long_names_have_a_stage_each() -> None:
    names = {aside(f"{first}{'x' * 62}{last}", "stage") for first in "ab" for last in "ab"}
    assert len(names) == 4
    assert max(map(len, names)) == 64
