"""What a restore says of rows that go, and what it puts back that no migration makes."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from shops import aged
from sites import Site, Version

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = [pytest.mark.django_db, pytest.mark.slow]

MODELS = """
from django.db import models


class Kind(models.Model):
    name = models.CharField(max_length=50)


class Item(models.Model):
    name = models.CharField(max_length=50)


class Names(models.Model):
    name = models.CharField(max_length=50)

    class Meta:
        managed = False
        db_table = "shop_names"
"""
FILL = """
from shop.models import Item, Kind
Kind.objects.create(pk=1, name="hat")
Item.objects.create(pk=1, name="red")
Item.objects.create(pk=2, name="blue")
"""
VALUES = {
    "INSTALLED_APPS": ["django.contrib.contenttypes", "django.contrib.auth", "dumpy", "shop"],
}
VIEW = "CREATE VIEW shop_names AS SELECT id, name FROM shop_item"
FORGETFUL = """
from dumpy import Migrator, override
from dumpy.dump import new


class Forgetful(Migrator):
    def migrate_from_1_0(self, globals_dict):
        "Items are all alike."
        Item = globals_dict["shop_Item"]

        @override(globals_dict)
        def create_shop_item(id):
            return new(Item, id=id, name="thing")

        return "2.0"
"""
BEFORE = Version({"shop/models.py": MODELS}, VALUES, FILL)


@pytest.fixture
def shop(made_shop: Site, tmp_path: Path, unblocked: None) -> Site:
    """Return the shop with a dump of its own, restored."""
    site = aged(made_shop, tmp_path / "site", Version())
    site.restore(site.the_dump)
    return site


def test_tables_that_the_dump_does_not_have_are_named(shop: Site) -> None:
    shop.succeed("dumpdata", "shop.Kind", "--format=py", "-o", "part.py")
    said = shop.succeed("restore", "part.py", "-b")
    assert "Not in the dump, emptied by the restore: shop.Item (2 rows)." in said
    assert shop.rows("shop_item", "id") == []


def test_values_that_no_function_takes_are_said_to_be_dropped(shop: Site) -> None:
    shop.configure(DUMPY={"VERSION": "2.0", "MIGRATION_CLASS": "shop.migrators.Forgetful"})
    shop.write({"shop/migrators.py": FORGETFUL})
    shop.edit("dump/restore.py", ("SOURCE_VERSION = None", "SOURCE_VERSION = '1.0'"))
    said = shop.succeed("run", shop.the_dump / "restore.py", "-b")
    assert "create_shop_item() takes no name: the values of shop.Item are dropped." in said


def test_of_a_whole_dump_nothing_is_missing(shop: Site) -> None:
    assert "Not in the dump" not in shop.succeed("run", shop.the_dump / "restore.py", "-b")


def test_rows_that_code_forgets_to_return_are_said(shop: Site) -> None:
    shop.edit(
        "dump/restore.py",
        ("# dumpy: format 1", "# dumpy: program 1"),
        ("    return new(\n        shop_Item", "    new(\n        shop_Item"),
    )
    said = shop.succeed("run", shop.the_dump / "restore.py", "-b")
    assert "shop.Item: dropped 2 rows." in said


def test_a_drift_within_one_version_asks_for_another_one(shop: Site) -> None:
    shop.configure(DUMPY={"VERSION": "1.0"})
    shop.succeed("dump2py", "again")
    shop.write({"shop/models.py": MODELS.replace("name = models", "title = models", 1)})
    said = shop.refused("run", shop.directory / "again" / "restore.py", "-b")
    assert "raise DUMPY['VERSION']" in said


@pytest.mark.skipif(settings.ENGINE == "mysql", reason="there a view stays where it is")
def test_a_view_that_no_migration_makes_is_there_again(shop: Site) -> None:
    shop.execute(VIEW)
    shop.succeed("run", shop.the_dump / "restore.py", "-b")
    assert shop.rows("shop_names", "id", "name") == [(1, "red"), (2, "blue")]
    shop.execute("DROP VIEW shop_names")


@pytest.mark.postgresql
def test_a_materialized_view_is_there_again(shop: Site) -> None:
    shop.execute(VIEW.replace("VIEW", "MATERIALIZED VIEW"))
    shop.succeed("run", shop.the_dump / "restore.py", "-b")
    assert shop.rows("shop_names", "id", "name") == [(1, "red"), (2, "blue")]
    shop.execute("DROP MATERIALIZED VIEW shop_names")


SEEDING = """
from django.apps import AppConfig
from django.db.models.signals import post_migrate


def seed(sender, using, **kwargs):
    from shop.models import Part
    if not Part.objects.using(using).exists():
        Part.objects.using(using).create(pk=50, name="seed")


class ShopConfig(AppConfig):
    name = "shop"

    def ready(self):
        post_migrate.connect(seed, sender=self)
"""
MIGRATOR = """
from dumpy import Migrator, override
from dumpy.dump import new


class ShopMigrator(Migrator):
    def migrate_from_1_0(self, globals_dict):
        Part = self.model("shop.Part")

        @override(globals_dict)
        def create_shop_item(id, name):
            return new(Part, id=id, name=name)

        return "2.0"
"""


def test_rows_that_come_with_the_schema_give_way_to_what_migrators_make(shop: Site) -> None:
    shop.configure(DUMPY={"VERSION": "1.0"})
    shop.succeed("dump2py", "again")
    shop.write(
        {
            "shop/models.py": MODELS.replace("class Item", "class Part"),
            "shop/apps.py": SEEDING,
            "shop/migrators.py": MIGRATOR,
        }
    )
    values = {"VERSION": "2.0", "MIGRATION_CLASS": "shop.migrators.ShopMigrator"}
    shop.configure(DUMPY=values)
    shop.succeed("run", shop.directory / "again" / "restore.py", "-b")
    assert shop.rows("shop_part", "id", "name") == [(1, "red"), (2, "blue")]
    # What is new since the dump is made as after a migration.
    assert shop.execute("SELECT name FROM auth_permission WHERE codename = 'view_part'")


def test_rows_that_receivers_add_after_a_version_are_said(shop: Site) -> None:
    models = MODELS + "\n\nclass Part(models.Model):\n    name = models.CharField(max_length=50)\n"
    shop.write({"shop/models.py": models, "shop/apps.py": SEEDING})
    said = shop.succeed("run", shop.the_dump / "restore.py", "-b")
    assert "There are rows that are not in the dump: auth.Permission (4 rows)" in said
    assert "shop.Part (1 row)" in said


def test_a_restore_of_the_same_version_adds_nothing(shop: Site) -> None:
    shop.execute("DELETE FROM auth_permission WHERE codename = 'view_item'")
    shop.succeed("dump2py", "again")
    said = shop.succeed("run", shop.directory / "again" / "restore.py", "-b")
    assert not shop.execute("SELECT name FROM auth_permission WHERE codename = 'view_item'")
    assert "are not in the dump" not in said
