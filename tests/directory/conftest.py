"""A small site for the tests of directories, and a dump of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections
from pytest_django.plugin import DjangoDbBlocker
from small_site import Site, new_databases

NAMES = {"default": "dumpy_site", "other": "dumpy_site_other"}


@pytest.fixture(scope="session")
def made_site(
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Site]:
    """Return a site whose databases live as long as the tests."""
    directory = tmp_path_factory.mktemp("site")
    suffix = f"_{connections['default'].settings_dict['NAME']}"[-40:]
    names = {alias: f"{name}{suffix}" for alias, name in NAMES.items()}
    if settings.ENGINE == "sqlite":
        names = NAMES
    with django_db_blocker.unblock():
        _recreate(names.values())
        site = Site(directory, new_databases(names, directory))
        site.make()
        site.dump("dump")
        yield site
        _drop(names.values())


@pytest.fixture
def site(made_site: Site, django_db_blocker: DjangoDbBlocker) -> Iterator[Site]:
    """Return the site, whose databases hold whatever the tests before have left there."""
    with django_db_blocker.unblock():
        yield made_site


@pytest.fixture
def dump(site: Site, tmp_path: Path) -> Path:
    """Return a copy of a dump of the site, which a test may damage."""
    return shutil.copytree(site.directory / "dump", tmp_path / "dump")


def _recreate(names: Iterable[str]) -> None:
    _drop(names)
    _run(
        names, f"CREATE DATABASE {{}} {connections['default'].creation.sql_table_creation_suffix()}"
    )


def _drop(names: Iterable[str]) -> None:
    # A restore on MySQL that is killed leaves databases to the next one.
    every = [f"{name}{aside}" for name in names for aside in ("", "_dumpy_stage", "_dumpy_old")]
    _run(every, "DROP DATABASE IF EXISTS {}")


def _run(names: Iterable[str], sql: str) -> None:
    if settings.ENGINE != "sqlite":
        with connections["default"]._nodb_cursor() as cursor:
            for name in names:
                cursor.execute(sql.format(name))
