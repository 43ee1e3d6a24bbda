"""What a check says is wrong: the field, the file, the settings, or the versions."""

from __future__ import annotations

from pathlib import Path

import pytest
from sites import NewSite, Site, Version

MODELS = """
from django.db import models


class Item(models.Model):
    name = models.CharField(max_length=20)
    count = models.IntegerField()
"""
ALTER = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [
        migrations.AlterField("item", "name", models.EmailField(max_length=20)),
        migrations.AlterField("item", "count", models.BooleanField()),
    ]
"""
FILL = """
from shop.models import Item
Item.objects.create(pk=1, name="N", count=5)
call_command("dump2py", "dump", verbosity=0)
"""
BEGIN = 'call_command("makemigrations", "shop", verbosity=0)\ncall_command("migrate", verbosity=0)'


@pytest.fixture(scope="module")
def made_site(new_site: NewSite) -> Site:
    """A project with a dump of version 1."""
    site = new_site("verdicts")
    files = {"shop/models.py": MODELS, "shop/migrations/__init__.py": ""}
    site.become(Version(files, {"INSTALLED_APPS": ["dumpy", "shop"], "DUMPY": {"VERSION": "1"}}))
    site.shell(f"from django.core.management import call_command\n{BEGIN}{FILL}")
    return site


@pytest.fixture
def site(made_site: Site, tmp_path: Path, unblocked: None) -> Site:
    """A copy with an empty database, whose project is of version 1."""
    site = made_site.copied(tmp_path / "site", filled=False)
    site.configure(INSTALLED_APPS=["dumpy", "shop"], DUMPY={"VERSION": "1"})
    return site


def alter(site: Site) -> None:
    """Change the fields so that the values of the dump are invalid."""
    models = MODELS.replace("models.CharField", "models.EmailField")
    models = models.replace("models.IntegerField", "models.BooleanField")
    site.write({"shop/models.py": models, "shop/migrations/0002_alter.py": ALTER})


def test_a_reason_is_that_of_the_field_that_it_speaks_of(site: Site) -> None:
    """The e-mail address is invalid as well, but that is not what the load has refused."""
    alter(site)
    said = site.fail("checkdump", site.the_dump)
    assert "count                " in said
    assert 'self.change_values("shop.Item", "count"' in said
    assert 'self.change_values("shop.Item", "name"' not in said


@pytest.mark.parametrize(
    "settings", [{"VERSION": "2", "MIGRATION_CLASS": "nowhere.Migrator"}, {"VERSION": "0.5"}]
)
def test_a_dump_that_cannot_be_migrated_is_not_called_damaged(
    site: Site, settings: dict[str, str]
) -> None:
    site.configure(INSTALLED_APPS=["dumpy", "shop"], DUMPY=settings)
    said = site.fail("checkdump", site.the_dump)
    assert "The dump was not rehearsed, because its rows cannot be migrated." in said
    assert "Its rows cannot be migrated: a restore would fail." in said
    assert "damaged" not in said


def test_a_directory_that_is_no_dump_is_not_called_damaged(site: Site) -> None:
    said = site.fail("checkdump", site.directory / "shop")
    assert "It cannot be read as a dump: a restore would fail." in said


def test_a_step_for_a_dump_without_a_version_needs_one_to_be_named(site: Site) -> None:
    alter(site)
    site.edit("dump/restore.py", ("SOURCE_VERSION = '1'", "SOURCE_VERSION = None"))
    said = site.fail("checkdump", site.the_dump, "--write-migrator")
    assert "The dump names no version: name it with --as-version 1.0, for example." in said


def test_all_versions_that_a_step_lacks_are_asked_for_at_once(site: Site) -> None:
    alter(site)
    site.configure(INSTALLED_APPS=["dumpy", "shop"])
    site.edit("dump/restore.py", ("SOURCE_VERSION = '1'", "SOURCE_VERSION = None"))
    said = site.fail("checkdump", site.the_dump, "--write-migrator")
    assert "The project names no version: set DUMPY['VERSION'] in its settings. The dump" in said
