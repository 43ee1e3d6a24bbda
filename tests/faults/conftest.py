"""A bank for the tests of faults, and dumps of it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from bank import Bank
from django.conf import settings
from pytest_django.plugin import DjangoDbBlocker
from sites import NewSite


@pytest.fixture(scope="session")
def made_bank(new_site: NewSite, django_db_blocker: DjangoDbBlocker) -> Bank:
    """Return a bank whose database lives as long as the tests."""
    empty = new_site("bank")
    bank = Bank(empty.directory, empty.name)
    with django_db_blocker.unblock():
        bank.make()
    return bank


@pytest.fixture
def bank(made_bank: Bank, unblocked: None) -> Bank:
    """Return the bank as it was dumped."""
    made_bank.put("dumped")
    return made_bank


@pytest.fixture
def changed(made_bank: Bank, unblocked: None) -> Bank:
    """Return the bank as it was changed after it was dumped."""
    made_bank.put("changed")
    return made_bank


@pytest.fixture(params=["delete", "wal"] if settings.ENGINE == "sqlite" else ["none"])
def journal(request: pytest.FixtureRequest, made_bank: Bank, unblocked: None) -> Iterator[str]:
    """Let the bank keep its journal in each way that SQLite has."""
    before = made_bank.journal
    made_bank.keep_journal(request.param)
    yield request.param
    made_bank.keep_journal(before)


@pytest.fixture
def dump(made_bank: Bank) -> Path:
    """Return the dump."""
    return made_bank.directory / "dumped"


@pytest.fixture
def hangups() -> Iterator[None]:
    """Let SIGHUP end what a test starts, also where the tests themselves run under ``nohup``."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)
