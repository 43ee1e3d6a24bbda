"""A dump of any release becomes the database that Django's own migrations make."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from press_site import GOLDEN, NEWEST, Content, Press, differences

from versions.history import RELEASES

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = [pytest.mark.django_db, pytest.mark.slow]

LOAD = """
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("loaddata", {module!r})
"""
every_release = pytest.mark.parametrize("release", RELEASES)
OfMigrate = Callable[..., Content]


@pytest.fixture(scope="session")
def made_site(new_press: Callable[[str], Press]) -> Press:
    """Return a site of the newest release, which one restore after the other fills."""
    return new_press("newest")


@pytest.fixture
def site(made_site: Press, db: None) -> Press:
    """Return the site; whatever is in its database gives way to what is restored."""
    return made_site


@every_release
def test_migrators_restore_a_directory(release: int, site: Press, of_migrate: OfMigrate) -> None:
    site.at(NEWEST).succeed("run", GOLDEN / f"v{release}" / "restore.py", "-b")
    assert differences(site.content(), of_migrate(release)) == {}


@every_release
def test_migrators_load_a_module(
    release: int, new_press: Callable[[str], Press], of_migrate: OfMigrate
) -> None:
    site = new_press("empty")
    module = str(GOLDEN / f"v{release}.py")
    site.at(NEWEST).succeed("shell", "-v0", "-c", LOAD.format(module=module))
    assert differences(site.content(), of_migrate(release)) == {}


@every_release
def test_djangos_migrations_restore_a_directory(
    release: int, site: Press, of_migrate: OfMigrate
) -> None:
    script = GOLDEN / f"v{release}" / "restore.py"
    site.at(NEWEST).succeed("run", script, "-b", "--through-migrations")
    assert differences(site.content(), of_migrate(release)) == {}


@every_release
def test_djangos_migrations_restore_a_module(
    release: int, site: Press, of_migrate: OfMigrate
) -> None:
    module = GOLDEN / f"v{release}.py"
    site.at(NEWEST).succeed("restore", module, "--noinput", "--through-migrations")
    assert differences(site.content(), of_migrate(release)) == {}
