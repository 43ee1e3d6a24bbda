"""Sites of the newspaper, and what Django's own migrations make of each release."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from aging_site import AgingSite, Release, aging
from django.conf import settings
from django.db import connections
from press_site import NEWEST, Content, Press
from pytest_django.plugin import DjangoDbBlocker

NewPress = Callable[[str], Press]


@pytest.fixture(scope="session")
def new_press(
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[NewPress]:
    """Return a function that makes a site with an empty database; one with a name at a time."""
    made: list[Press] = []

    def new(name: str) -> Press:
        worker = f"_{connections['default'].settings_dict['NAME']}"[-40:]
        suffix = "" if settings.ENGINE == "sqlite" else worker
        press = Press(tmp_path_factory.mktemp(name), f"dumpy_{name}{suffix}")
        made.append(press)
        with django_db_blocker.unblock():
            _recreate(press)
        return press

    yield new
    with django_db_blocker.unblock():
        for press in made:
            _drop(press)


@pytest.fixture(scope="session")
def of_migrate(new_press: NewPress, django_db_blocker: DjangoDbBlocker) -> Callable[..., Content]:
    """Return a function: what ``migrate`` makes of the rows of a release, by default the newest."""

    @cache
    def content(release: int, target: int = NEWEST) -> Content:
        press = new_press("by_migrate")
        press.make(release, press.directory / "dump")
        press.succeed(target, "migrate", "-v0")
        with django_db_blocker.unblock():
            return press.content()

    return content


@pytest.fixture(scope="module")
def made_shop(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[AgingSite]:
    """Return a shop with the code that a module calls BEFORE, filled and dumped."""
    before, directory = request.module.BEFORE, tmp_path_factory.mktemp("shop")
    with django_db_blocker.unblock(), aging(directory, "shop", **before.settings) as site:
        site.begin(before.files, before.fill)
        yield site


@pytest.fixture
def shop(
    request: pytest.FixtureRequest,
    made_shop: AgingSite,
    tmp_path: Path,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[AgingSite]:
    """Return the shop with the code that the module calls AFTER, if any, and another database."""
    after = getattr(request.module, "AFTER", Release())
    with django_db_blocker.unblock():
        site = made_shop.copied(tmp_path / "site")
        site.renew()
        site.write(after.files)
        site.configure(**after.settings)
        yield site


def _recreate(press: Press) -> None:
    _drop(press)
    suffix = connections["default"].creation.sql_table_creation_suffix()
    _run(f"CREATE DATABASE {_name(press)} {suffix}")


def _drop(press: Press) -> None:
    # A restore on MySQL that is killed leaves databases to the next one.
    for aside in ("", "_dumpy_stage", "_dumpy_old"):
        _run(f"DROP DATABASE IF EXISTS {_name(press)}{aside}")


def _name(press: Press) -> str:
    return Path(str(press.database["NAME"])).stem


def _run(sql: str) -> None:
    if settings.ENGINE != "sqlite":
        with connections["default"]._nodb_cursor() as cursor:
            cursor.execute(sql)
