"""The swap on MySQL, where one statement replaces all tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from bank import Bank, end_of

from dumpy.engines.mysql import additional_database

# Connections look at the database of the tests, which this makes.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.mysql]

WAITING = (
    "SELECT COUNT(*) FROM information_schema.processlist "
    "WHERE state = 'Waiting for table metadata lock' AND db LIKE '{name}%'"
)


def name_of(bank: Bank) -> str:
    """Return the name of the database."""
    return str(bank.databases["default"]["NAME"])


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


def test_databases_of_long_names_have_a_stage_each() -> None:
    names = {
        additional_database(f"{first}{'x' * 62}{last}", "stage") for first in "ab" for last in "ab"
    }
    assert len(names) == 4
    assert max(map(len, names)) == 64
