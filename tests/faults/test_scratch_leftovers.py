"""A killed `ddt` leaves its scratch database: the next one removes it, but none that is in use."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
from bank import Bank, end_of
from django.conf import settings
from django.db import connections
from points import LOAD, named

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db


def is_there(name: str) -> bool:
    """Whether a database exists."""
    if settings.ENGINE == "sqlite":
        return Path(name).exists()
    query = {
        "postgresql": "SELECT COUNT(*) FROM pg_database WHERE datname = %s",
        "mysql": "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = %s",
    }[settings.ENGINE]
    with connections["default"].cursor() as cursor:
        cursor.execute(query, [name])
        return bool(cursor.fetchone()[0])


# PostgreSQL drops no database while another session is in the midst of a COPY.
IN_SCRATCH = named("between tables", LOAD)


def test_the_next_run_removes_what_a_killed_one_has_left(
    bank: Bank, dump: Path, tmp_path: Path
) -> None:
    """F1, F4"""
    ended = bank.hit("SIGKILL", IN_SCRATCH, "ddt", dump, TMPDIR=str(tmp_path))
    assert ended.was_killed, ended.said
    (name,) = re.findall("SIGKILL in (.*scratch.*), at: ", ended.said)
    bank.settle(name)
    again = end_of(bank.start_with("ddt", dump, TMPDIR=str(tmp_path)))
    assert again.status == 0, again.said
    assert not is_there(name)
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_ended_by_a_signal_removes_it_itself(
    bank: Bank, dump: Path, tmp_path: Path
) -> None:
    ended = bank.hit("SIGTERM", IN_SCRATCH, "ddt", dump, TMPDIR=str(tmp_path))
    assert ended.status == -signal.SIGTERM, ended.said
    (name,) = re.findall("SIGTERM in (.*scratch.*), at: ", ended.said)
    assert not is_there(name)
    assert list(tmp_path.iterdir()) == []


def test_what_is_in_use_is_left_alone(bank: Bank, dump: Path, tmp_path: Path) -> None:
    with bank.paused(IN_SCRATCH, "ddt", dump, TMPDIR=str(tmp_path)) as slow:
        other = end_of(bank.start_with("ddt", dump, TMPDIR=str(tmp_path)))
        assert other.status == 0, other.said
        assert is_there(slow.database)
    assert slow.status == 0, slow.said
    assert not is_there(slow.database)
