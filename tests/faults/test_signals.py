"""A command that somebody ends says so, leaves what was there, and nothing beside it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from bank import TABLES_ONLY, Bank
from django.conf import settings

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hangups")]

NAMES = ["SIGTERM", "SIGINT", "SIGHUP"]


def content(path: Path) -> dict[str, bytes]:
    """Return the bytes of each file below a directory; its name tells where it is."""
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def is_status_of(name: str, status: int) -> bool:
    """Whether a status is that of a process which a signal has ended."""
    number = signal.Signals[name]
    return status in (-number, 128 + number)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("command", [
    ("dump2py", "PATH", *TABLES_ONLY, "--overwrite"),
    ("dumpdata", "--format=py", "-o", "PATH", *TABLES_ONLY),
], ids=lambda command: command[0])  # fmt: skip
def test_a_dump_that_is_ended_leaves_the_old_one_and_nothing_beside_it(
    bank: Bank, tmp_path: Path, command: tuple[str, ...], name: str
) -> None:
    """L5, F3"""
    command = tuple(word.replace("PATH", str(tmp_path / "dump")) for word in command)
    instant = bank.instants_of(*command) // 2
    before = content(tmp_path)
    bank.execute("UPDATE shop_till SET amount = amount + 1")
    ended = bank.hit(name, instant, *command)
    assert is_status_of(name, ended.status), ended.said
    assert content(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["dump"]


@pytest.mark.parametrize("name", NAMES)
def test_a_restore_that_is_ended_leaves_the_database_and_none_beside_it(
    bank: Bank, dump: Path, name: str
) -> None:
    """L5"""
    command = ("run", dump / "restore.py", "-b")
    instant = bank.instants_of(*command) // 2
    bank.change()
    before, databases = bank.state(), names_of_databases(bank)
    ended = bank.hit(name, instant, *command)
    assert is_status_of(name, ended.status), ended.said
    assert bank.state() == before
    assert names_of_databases(bank) == databases


def names_of_databases(bank: Bank) -> list[str]:
    """Return the names of the databases on the server that belong to the bank."""
    if settings.ENGINE != "mysql":
        return []
    name = bank.databases["default"]["NAME"]
    return sorted(str(row[0]) for row in bank.execute(f"SHOW DATABASES LIKE '{name}%'"))


def test_a_signal_that_is_ignored_stays_ignored(bank: Bank) -> None:
    """As it is under ``nohup``."""
    ignoring = bank.directory / "ignoring.py"
    ignoring.write_text(
        "import os, signal\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from dumpy.ending import cleaning_up\n"
        "with cleaning_up():\n"
        "    os.kill(os.getpid(), signal.SIGHUP)\n"
        "print('went on')\n"
    )
    assert bank.succeed("run", ignoring) == "went on\n"
