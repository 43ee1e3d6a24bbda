"""A command that somebody ends says so, leaves what was there, and nothing beside it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from bank import TABLES_ONLY, Bank, without_next_keys
from django.conf import settings
from dumps import files
from points import DUMPDATA, LOAD, OVERWRITE, RESTORE, ROWS_ONLY, named

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hangups")]

NAMES = ["SIGTERM", "SIGINT", "SIGHUP"]


def is_status_of(name: str, status: int) -> bool:
    """Whether a status is that of a process which a signal has ended."""
    number = signal.Signals[name]
    return status in (-number, 128 + number)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("point", ["between tables", "before a file is on the disk"])
def test_a_dump_that_is_ended_leaves_the_old_one_and_nothing_beside_it(
    changed: Bank, tmp_path: Path, point: str, name: str
) -> None:
    """L5, F3"""
    path = tmp_path / "the_dump"
    command = ("dump2py", path, *TABLES_ONLY, "--overwrite")
    changed.succeed(*command)
    before = files(tmp_path)
    changed.execute("UPDATE shop_till SET amount = amount + 1")
    ended = changed.hit(name, named(point, OVERWRITE), *command)
    assert is_status_of(name, ended.status), ended.said
    assert files(tmp_path) == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", NAMES)
def test_dumpdata_that_is_ended_leaves_the_old_file_and_nothing_beside_it(
    bank: Bank, tmp_path: Path, name: str
) -> None:
    """L5, F3"""
    path = tmp_path / "the_dump.py"
    path.write_text("# what was there before\n")
    before = files(tmp_path)
    command = ("dumpdata", "--format=py", "-o", path, *TABLES_ONLY)
    ended = bank.hit(name, named("between tables", DUMPDATA), *command)
    assert is_status_of(name, ended.status), ended.said
    assert "Traceback" not in ended.said
    assert ("Interrupted: incomplete changes were undone." in ended.said) == (name == "SIGINT")
    assert files(tmp_path) == before


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("point", ["between tables", "in the deferred flush"])
@pytest.mark.sql
def test_a_restore_that_is_ended_leaves_the_database_and_none_beside_it(
    changed: Bank, dump: Path, point: str, name: str
) -> None:
    """L5"""
    databases = names_of_databases(changed)
    ended = changed.hit(name, named(point, RESTORE), "run", dump / "restore.py", "-b")
    assert is_status_of(name, ended.status), ended.said
    assert changed.state() == changed.states["changed"]
    assert names_of_databases(changed) == databases


@pytest.mark.parametrize(
    ("point", "sentence"),
    [
        ("between tables", "Interrupted. The database is as it was.\n"),
        ("before COMMIT", "Interrupted. The database is restored.\n"),
    ],
)
@pytest.mark.sql
def test_an_interrupted_restore_says_in_one_sentence_what_became_of_the_database(
    bank: Bank, point: str, sentence: str
) -> None:
    ended = bank.hit("SIGINT", named(point, ROWS_ONLY), "restore", bank.directory / "dumped", "-b")
    assert sentence in ended.said
    assert "Traceback" not in ended.said


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.sql
def test_a_load_that_is_ended_leaves_the_database(changed: Bank, name: str) -> None:
    """L5"""
    fixture = changed.directory / "dumped.py"
    ended = changed.hit(name, named("between tables", LOAD), "loaddata", fixture)
    assert is_status_of(name, ended.status), ended.said
    expected = without_next_keys(changed.states["changed"])
    assert without_next_keys(changed.state()) == expected


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
