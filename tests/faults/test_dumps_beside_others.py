"""A dump is of one instant, and whole, whatever others do meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from bank import TABLES_ONLY, Bank
from django.db import DatabaseError
from dumps import files
from points import DUMP2PY, DUMPDATA, OVERWRITE, named

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

# What an undisturbed dump of one table and then of the other would not give.
TRANSFER = (
    "UPDATE shop_till SET amount = amount - 7 WHERE id = 5",
    "UPDATE shop_vault SET amount = amount + 7 WHERE id = 5",
)
FAMILY = (
    "DELETE FROM shop_vault WHERE id = 5",
    "DELETE FROM shop_till WHERE id = 5",
    "INSERT INTO shop_till (id, amount) VALUES (901, 3)",
    "INSERT INTO shop_vault (id, amount, till_id) VALUES (902, 4, 901)",
)


def dump_of(command: str, path: Path) -> tuple[object, ...]:
    """Return a command that dumps the tables to a path."""
    to = ("--format=py", "-o", path) if command == "dumpdata" else (path,)
    return (command, *to, *TABLES_ONLY)


def changes_meanwhile(bank: Bank, statements: Sequence[str]) -> bool:
    """Execute statements in one transaction, which may not be possible; return whether it was."""
    try:
        bank.transact(statements)
    except DatabaseError:
        return False
    return True


@pytest.mark.parametrize("statements", [TRANSFER, FAMILY], ids=["a transfer", "a family"])
@pytest.mark.parametrize("command", ["dump2py", "dumpdata"])
def test_what_is_committed_between_two_tables_is_not_in_the_dump(
    bank: Bank, journal: str, tmp_path: Path, command: str, statements: Sequence[str]
) -> None:
    """D4, L6, F10, F11: with a rollback journal, SQLite lets nobody commit beside a reader."""
    points = DUMPDATA if command == "dumpdata" else DUMP2PY
    path = tmp_path / "the_dump.py" if command == "dumpdata" else tmp_path / "the_dump"
    with bank.paused(named("between tables", points), *dump_of(command, path)) as dumping:
        assert changes_meanwhile(bank, statements) == (journal != "delete")
    assert dumping.status == 0, dumping.said
    suffix = path.suffix
    assert files(path) == files(bank.directory / f"dumped{suffix}")


@pytest.mark.postgresql
@pytest.mark.parametrize(
    "statement", ["TRUNCATE shop_vault CASCADE", "DROP TABLE shop_vault CASCADE"]
)
def test_a_table_cannot_go_while_it_is_dumped(bank: Bank, tmp_path: Path, statement: str) -> None:
    """F11: what a snapshot does not see waits."""
    path = tmp_path / "the_dump"
    command = dump_of("dump2py", path)
    with bank.paused(named("before the first row", DUMP2PY), *command) as dumping:
        assert not changes_meanwhile(bank, [statement])
    assert dumping.status == 0, dumping.said
    assert files(path) == files(bank.directory / "dumped")


@pytest.mark.parametrize("point", ["before the manifest", "before the rename"])
def test_of_two_dumps_at_once_the_first_is_kept_and_the_second_says_why(
    bank: Bank, tmp_path: Path, point: str
) -> None:
    """F21: though at the rename it has already looked whether there is one."""
    path = tmp_path / "the_dump"
    command = dump_of("dump2py", path)
    with bank.paused(named(point, DUMP2PY), *command) as slower:
        bank.succeed(*command)
    assert slower.status == 1
    assert f"{path} already contains a dump" in slower.said
    assert files(path) == files(bank.directory / "dumped")
    assert list(tmp_path.iterdir()) == [path]


def test_of_two_dumps_at_once_that_overwrite_the_last_is_kept(bank: Bank, tmp_path: Path) -> None:
    """F21"""
    path = tmp_path / "the_dump"
    command = (*dump_of("dump2py", path), "--overwrite")
    bank.succeed(*command)
    old = files(path)
    with bank.paused(named("before the exchange", OVERWRITE), *command) as slower:
        bank.transact(TRANSFER)
        bank.succeed(*command)
        assert files(path) != old
    assert slower.status == 0, slower.said
    assert files(path) == old
    assert list(tmp_path.iterdir()) == [path]
