"""The upgrade of a site in four commands: dump, new code, restore, double dump test."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from press_site import Content, Press, differences

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = [pytest.mark.django_db, pytest.mark.slow]

OfMigrate = Callable[..., Content]
FILL = "from press.fill import fill; fill()"
SPOIL = "from people.models import Writer; Writer.objects.update(life='-')"
EDIT = re.compile(
    r"(?P<file>/.*/restore\.py):(?P<line>\d+): press\.Subscription\.(?P<name>\w+): was renamed to "
    r"\w+ \(.*\)\. Change the name left of the '=' to '(?P<new>\w+)'\."
)


@pytest.fixture
def site(new_press: Callable[[str], Press]) -> Press:
    """Return a site with an empty database."""
    return new_press("upgraded")


def dump(site: Press, release: int) -> Path:
    """Fill the database of a release, and dump it."""
    site.at(release).succeed("migrate", "-v0")
    site.at(release).succeed("shell", "-v0", "-c", FILL)
    site.at(release).succeed("dump2py", "backup")
    return site.directory / "backup" / "restore.py"


def check_upgraded(site: Press, release: int, expected: Content) -> None:
    """Check that the site is what `migrate` would have made of it, and that nothing gets lost."""
    assert differences(site.content(), expected) == {}
    said = site.at(release).succeed("ddt")
    assert said.startswith("The double dump test has passed: ")


def test_new_models_and_fields_need_no_hand(site: Press, of_migrate: OfMigrate) -> None:
    dump(site, 1)
    said = site.at(2).succeed("run", "backup/restore.py", "--noinput")
    assert said.endswith("Restored.\n")
    check_upgraded(site, 2, of_migrate(1, 2))


def test_a_renamed_field_needs_the_one_edit_that_the_message_names(
    site: Press, of_migrate: OfMigrate
) -> None:
    script = dump(site, 2)
    before = site.content()
    said = site.at(3).refused("run", "backup/restore.py", "--noinput")
    [edit] = EDIT.finditer(said)
    assert Path(edit["file"]) == script
    assert said.endswith("The database is as it was.\n")
    assert site.content() == before

    lines = script.read_text(encoding="utf-8").splitlines(keepends=True)
    line = int(edit["line"]) - 1
    assert lines[line].lstrip().startswith(f"{edit['name']}=")
    lines[line] = lines[line].replace(f"{edit['name']}=", f"{edit['new']}=")
    script.write_text("".join(lines), encoding="utf-8")
    site.at(3).succeed("run", "backup/restore.py", "--noinput")
    check_upgraded(site, 3, of_migrate(2, 3))


@pytest.mark.sql
def test_migrators_upgrade_a_site_over_all_releases(site: Press, of_migrate: OfMigrate) -> None:
    dump(site, 1)
    said = site.at(5).succeed("run", "backup/restore.py", "--noinput")
    assert "migrate_from_4_0: Topics have a place, " in said
    check_upgraded(site, 5, of_migrate(1))


@pytest.mark.sql
def test_djangos_migrations_upgrade_a_site_over_all_releases(
    site: Press, of_migrate: OfMigrate
) -> None:
    dump(site, 1)
    site.at(5).succeed("run", "backup/restore.py", "--noinput", "--through-migrations")
    check_upgraded(site, 5, of_migrate(1))


def test_a_dump_that_migrators_change_is_compared_with_what_they_made_of_it(site: Press) -> None:
    dump(site, 1)
    site.at(5).succeed("run", "backup/restore.py", "--noinput")
    said = site.at(5).succeed("ddt", "backup")
    assert "The dump is of version 1.0, migrators bring it to 5.0: its rows cannot come" in said
    assert said.endswith(" rows match the database after the migration.\n")
    site.at(5).succeed("shell", "-v0", "-c", SPOIL)
    assert "people.Writer in the database differs." in site.at(5).refused("ddt", "backup")
