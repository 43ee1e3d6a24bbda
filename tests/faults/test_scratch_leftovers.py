"""A killed `ddt` leaves its scratch database: the next one removes it, but none that is in use."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
from bank import Bank, end_of
from django.conf import settings
from django.db import connections

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


@pytest.fixture
def instant(bank: Bank, dump: Path, tmp_path: Path) -> str:
    """Return an instant at which a double dump test is in its scratch database."""
    ended = end_of(bank.start_with({"FAULT_AT": "0", "TMPDIR": str(tmp_path)}, "ddt", dump))
    assert ended.status == 0, ended.said
    assert list(tmp_path.iterdir()) == []
    return str(int(re.findall(r"instants: (\d+)", ended.said)[-1]) // 2)


def test_the_next_run_removes_what_a_killed_one_has_left(
    bank: Bank, dump: Path, tmp_path: Path, instant: str
) -> None:
    """F1, F4"""
    faults = {"TMPDIR": str(tmp_path), "FAULT": "SIGKILL", "FAULT_AT": instant}
    ended = end_of(bank.start_with(faults, "ddt", dump))
    assert ended.was_killed
    (name,) = re.findall("SIGKILL in (.*scratch.*)", ended.said)
    bank.settle(name)
    again = end_of(bank.start_with({"TMPDIR": str(tmp_path)}, "ddt", dump))
    assert again.status == 0, again.said
    assert not is_there(name)


def test_one_that_is_ended_by_a_signal_removes_it_itself(
    bank: Bank, dump: Path, tmp_path: Path, instant: str
) -> None:
    faults = {"TMPDIR": str(tmp_path), "FAULT": "SIGTERM", "FAULT_AT": instant}
    ended = end_of(bank.start_with(faults, "ddt", dump))
    assert ended.status == -signal.SIGTERM, ended.said
    (name,) = re.findall("SIGTERM in (.*scratch.*)", ended.said)
    assert not is_there(name)
    assert list(tmp_path.iterdir()) == []


def test_what_is_in_use_is_left_alone(bank: Bank, dump: Path, tmp_path: Path, instant: str) -> None:
    faults = {"TMPDIR": str(tmp_path), "FAULT": "SIGSTOP", "FAULT_AT": instant}
    slow = bank.start_with(faults, "ddt", dump)
    assert slow.stdout is not None
    while not (found := re.findall("SIGSTOP in (.*scratch.*)", slow.stdout.readline())):
        assert slow.poll() is None
    other = end_of(bank.start_with({"TMPDIR": str(tmp_path)}, "ddt", dump))
    assert other.status == 0, other.said
    assert is_there(found[0])
    slow.send_signal(signal.SIGCONT)
    ended = end_of(slow)
    assert ended.status == 0, ended.said
    assert not is_there(found[0])
