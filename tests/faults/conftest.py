"""A bank for the tests of faults, and a dump of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections
from pytest_django.plugin import DjangoDbBlocker

# The site that the bank is made of.
sys.path.append(str(Path(__file__).parents[1] / "directory"))

from bank import Bank
from small_site import new_databases

ASIDE = ("", "_dumpy_stage", "_dumpy_old")


@pytest.fixture(scope="session")
def made_bank(
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Bank]:
    """Return a bank whose database lives as long as the tests."""
    directory = tmp_path_factory.mktemp("bank")
    name = f"dumpy_bank_{connections['default'].settings_dict['NAME']}"[-40:]
    if settings.ENGINE == "sqlite":
        name = "bank"
    with django_db_blocker.unblock():
        _drop(name)
        _run(
            f"CREATE DATABASE {name} {connections['default'].creation.sql_table_creation_suffix()}"
        )
        bank = Bank(directory, new_databases({"default": name}, directory))
        bank.make()
        bank.dump("dump")
        yield bank
        _drop(name)


@pytest.fixture(params=["rollback", "wal"] if settings.ENGINE == "sqlite" else [""])
def bank(
    request: pytest.FixtureRequest, made_bank: Bank, django_db_blocker: DjangoDbBlocker
) -> Iterator[Bank]:
    """Return the bank as it was dumped, on SQLite in each way of keeping a journal."""
    with django_db_blocker.unblock():
        if request.param:
            mode = {"rollback": "delete", "wal": "wal"}[request.param]
            assert made_bank.execute(f"PRAGMA journal_mode = {mode}") == [(mode,)]
        made_bank.restore(made_bank.directory / "dump")
        yield made_bank


@pytest.fixture
def dump(bank: Bank) -> Path:
    """Return a dump of the bank."""
    return bank.directory / "dump"


def _drop(name: str) -> None:
    for aside in ASIDE:
        _run(f"DROP DATABASE IF EXISTS {name}{aside}")


def _run(sql: str) -> None:
    if settings.ENGINE != "sqlite":
        with connections["default"]._nodb_cursor() as cursor:
            cursor.execute(sql)
