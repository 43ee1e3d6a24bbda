"""Shops and newspapers, and what Django's own migrations make of each release."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from press_site import NEWEST, Content, Press
from pytest_django.plugin import DjangoDbBlocker
from shops import aged, first
from sites import NewSite, Site, Version

NewPress = Callable[[str], Press]


@pytest.fixture(scope="session")
def new_press(new_site: NewSite) -> NewPress:
    """Return a function that makes a newspaper with an empty database, one of a name at a time."""
    return lambda name: new_site(name, kind=Press)


@pytest.fixture(scope="session")
def of_migrate(new_press: NewPress, django_db_blocker: DjangoDbBlocker) -> Callable[..., Content]:
    """Return a function: what ``migrate`` makes of the rows of a release, by default the newest."""

    @cache
    def content(release: int, target: int = NEWEST) -> Content:
        press = new_press("by_migrate")
        press.at(release).make(press.directory / "dump")
        press.at(target).succeed("migrate", "-v0")
        with django_db_blocker.unblock():
            return press.content()

    return content


@pytest.fixture(scope="module")
def made_shop(request: pytest.FixtureRequest, new_site: NewSite) -> Site:
    """Return a shop with the code that a module calls BEFORE, filled and dumped."""
    return new_site("shop", first(request.module.BEFORE))


@pytest.fixture
def shop(request: pytest.FixtureRequest, made_shop: Site, tmp_path: Path, unblocked: None) -> Site:
    """Return the shop with the code that the module calls AFTER, if any, and another database."""
    return aged(made_shop, tmp_path / "site", getattr(request.module, "AFTER", Version()))
