"""A small shop for the tests of directories, and a dump of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sites import NewSite, Site
from small_shop import SHOP


@pytest.fixture(scope="session")
def made_site(new_site: NewSite) -> Site:
    """Return the shop whose copies the tests get."""
    return new_site("site", SHOP)


@pytest.fixture
def site_with_other(new_site: NewSite) -> Site:
    """Return a shop with a second database, which has no more rows than its migrations make."""
    return new_site("site_with_other", SHOP, aliases=("default", "other"))


@pytest.fixture
def site(made_site: Site, tmp_path_factory: pytest.TempPathFactory, unblocked: None) -> Site:
    """Return the shop."""
    return made_site.copied(tmp_path_factory.mktemp("site"))


@pytest.fixture
def dump(site: Site, tmp_path: Path) -> Path:
    """Return a dump of the shop, in a directory of its own."""
    return shutil.copytree(site.the_dump, tmp_path / "dump")
