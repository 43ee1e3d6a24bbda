"""The tables of a scratch database can be kept, and who may not make one is told what to type."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from sites import NewSite, Site, Version

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

MODELS = """
from django.db import models


class Item(models.Model):
    name = models.CharField(max_length=20, unique=True)
"""
FIRST = """
from django.db import migrations, models


def note(apps, schema_editor):
    with open("migrated.txt", "a") as file:
        file.write("migrated\\n")


class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel(
            "Item",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("name", models.CharField(max_length=20, unique=True)),
            ],
        ),
        migrations.RunPython(note, migrations.RunPython.noop),
    ]
"""
FILL = "from shop.models import Item\nItem.objects.create(name='pen')\n"
KEPT = {"postgresql": "SELECT datname FROM pg_database WHERE datname ~ '^dumpy_kept_'"}
CHECK = ("checkdump", "dump", "--keep-scratch")


@pytest.fixture(scope="module")
def made_shop(new_site: NewSite) -> Site:
    files = {
        "shop/models.py": MODELS,
        "shop/migrations/__init__.py": "",
        "shop/migrations/0001_initial.py": FIRST,
    }
    site = new_site("kept", Version(files, {"INSTALLED_APPS": ["dumpy", "shop"]}, FILL))
    site.dump("dump")
    return site


@pytest.fixture
def shop(made_shop: Site, tmp_path: Path) -> Iterator[Site]:
    """Return a site whose cache of databases is its own, and has none."""
    site = made_shop.copied(tmp_path / "site")
    site.variables["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    (site.directory / "migrated.txt").unlink(missing_ok=True)
    yield site
    for name in kept(site) if settings.ENGINE == "postgresql" else ():
        site.execute(f'DROP DATABASE "{name}"')


def kept(site: Site) -> list[str]:
    """Return the names of the databases that are kept."""
    if settings.ENGINE == "sqlite":
        return [path.name for path in Path(site.variables["XDG_CACHE_HOME"]).glob("dumpy/*")]
    return [str(name) for (name,) in site.execute(KEPT[settings.ENGINE])]


def migrated(site: Site) -> int:
    """Return how often the migration has run."""
    return (site.directory / "migrated.txt").read_text().count("migrated")


@pytest.mark.sqlite
@pytest.mark.postgresql
def test_the_next_check_begins_with_the_tables_that_were_kept(shop: Site) -> None:
    shop.succeed(*CHECK)
    (name,) = kept(shop)
    shop.succeed(*CHECK)
    shop.succeed("ddt", "--keep-scratch")
    assert migrated(shop) == 1
    assert kept(shop) == [name]


@pytest.mark.sqlite
@pytest.mark.postgresql
def test_after_a_change_of_a_migration_all_of_them_run_again(shop: Site) -> None:
    shop.succeed(*CHECK)
    before = kept(shop)
    renamed = ("def note", "def note_it"), ("(note,", "(note_it,")
    shop.edit("shop/migrations/0001_initial.py", *renamed)
    shop.succeed(*CHECK)
    assert migrated(shop) == 2
    assert len(kept(shop)) == 1
    assert kept(shop) != before


@pytest.mark.sqlite
@pytest.mark.postgresql
def test_nothing_is_kept_of_tables_that_could_not_be_made(shop: Site) -> None:
    shop.edit("shop/migrations/0001_initial.py", ("    with open", "    1 / 0\n    with open"))
    assert "The migration shop.0001_initial has failed" in shop.fail(*CHECK)
    assert kept(shop) == []


@pytest.mark.mysql
def test_mysql_cannot_copy_a_database(shop: Site) -> None:
    assert "cannot copy a database: leave out --keep-scratch." in shop.fail(*CHECK)


@pytest.fixture
def modest(shop: Site) -> Iterator[Site]:
    """Return the site with a database user who may not create databases."""
    name = shop.databases["default"]["NAME"]
    if settings.ENGINE == "mysql":
        shop.execute("CREATE OR REPLACE USER dumpy_checks@'%' IDENTIFIED BY 'modest'")
        shop.execute(f"GRANT ALL ON {name}.* TO dumpy_checks@'%'")
    else:
        shop.execute("CREATE ROLE dumpy_checks LOGIN PASSWORD 'modest'")
    given = {**shop.databases["default"], "USER": "dumpy_checks", "PASSWORD": "modest"}
    text = (shop.directory / "site_settings.py").read_text()
    shop.write({"site_settings.py": f"{text}DATABASES = {{'default': {given!r}}}\n"})
    yield shop
    shop.execute("DROP USER dumpy_checks" + ("@'%'" if settings.ENGINE == "mysql" else ""))


@pytest.mark.postgresql
@pytest.mark.mysql
def test_who_may_not_create_a_scratch_database_is_told_what_to_type(modest: Site) -> None:
    said = modest.fail("checkdump", "dump")
    right = {
        "postgresql": "ALTER ROLE … CREATEDB",
        "mysql": r"GRANT ALL ON `dumpy\_scratch\_%`.* TO …",
    }[settings.ENGINE]
    assert f"Grant the database user the right to create and drop it: {right}" in said
    assert "add --no-rehearsal" in said
    modest.succeed("checkdump", "dump", "--no-rehearsal")
