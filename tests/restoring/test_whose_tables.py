"""Which tables a restore makes anew, and which are not of the project."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.conf import settings
from dumps import write_manifest
from sites import Site

from dumpy.text import manifest as manifests

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = [pytest.mark.django_db, pytest.mark.slow]

LEGACY = """

class Legacy(models.Model):
    id = models.IntegerField(primary_key=True)
    name = models.CharField(max_length=9)

    class Meta:
        managed = False
        db_table = "legacy"
"""
MAKE = "CREATE TABLE legacy (id integer PRIMARY KEY, name varchar(9) NOT NULL)"
MIGRATION = """
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("fixes", "0001_once")]
    operations = [migrations.RunSQL({operations!r})]
"""
NEWER = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0002_codes")]
    operations = [
        migrations.RenameModel("Product", "Item"),
        migrations.CreateModel("Shelf", [
            ("id", models.BigAutoField(primary_key=True)),
            ("item", models.ForeignKey("shop.Item", models.CASCADE)),
            ("sales", models.ManyToManyField("shop.Sale")),
        ]),
    ]
"""
SHELF = """

class Shelf(models.Model):
    item = models.ForeignKey(Item, models.CASCADE)
    sales = models.ManyToManyField(Sale)
"""
ROWS = [(1, "one"), (2, "two")]


def name_in_manifest(site: Site, *names: str) -> None:
    """Let the manifest of the dump name more tables, as somebody could who knows how."""
    manifest = manifests.from_text((site.the_dump / manifests.NAME).read_text())
    first, *others = manifest.tables
    first = replace(first, db_tables=(*first.db_tables, *names))
    write_manifest(site.the_dump, replace(manifest, tables=(first, *others)))


def test_names_in_a_manifest_decide_of_no_table(first: Site) -> None:
    """T1: a manifest is input; who has sealed it again may write what he likes."""
    first.execute("CREATE TABLE shop_product_audit (id integer)")
    first.execute("INSERT INTO shop_product_audit VALUES (1)")
    name_in_manifest(first, "shop_product_audit")
    for _time in range(2):  # once with tables of another time, once with those of today
        first.restore(first.the_dump)
        assert first.execute("SELECT * FROM shop_product_audit") == [(1,)]
    first.execute("DROP TABLE shop_product_audit")


@pytest.fixture
def legacy(first: Site) -> Site:
    """Return the site with a dump that has the rows of a table which is not Django's."""
    first.restore(first.the_dump)
    first.execute(MAKE)
    first.execute("INSERT INTO legacy VALUES (1, 'one'), (2, 'two')")
    first.write({"stock/models.py": (first.directory / "stock/models.py").read_text() + LEGACY})
    first.dump("dump")
    first.succeed("dumpdata", "--format=py", "-o", first.the_file)
    return first


def change(site: Site) -> None:
    """Make the rows of the table others."""
    site.execute("DELETE FROM legacy WHERE id = 1")
    site.execute("INSERT INTO legacy (id, name) VALUES (3, 'three')")


def test_a_backup_leads_back_from_newer_code(first: Site) -> None:
    """An upgrade is taken back: tables that only newer code knows are named to be dropped."""
    first.restore(first.the_dump)
    before = without_times(first)
    old = (first.directory / "shop/models.py").read_text()
    new = old.replace("class Product", "class Item").replace("(Product,", "(Item,") + SHELF
    first.write({"shop/models.py": new, "shop/migrations/0003_newer.py": NEWER})
    first.succeed("migrate", "-v0")
    assert first.execute("SELECT id FROM shop_shelf_sales") == []
    first.remove(["shop/migrations/0003_newer.py"])
    first.write({"shop/models.py": old})
    names = ["shop_item", "shop_item_similar", "shop_shelf", "shop_shelf_sales"]
    options = [word for name in names for word in ("--drop", name)]
    if settings.ENGINE != "sqlite":  # which does not mind tables without rows
        said = first.refuse(first.the_dump)
        assert "To drop it: --drop shop_shelf_sales" in said
    first.restore(first.the_dump, *options)
    assert without_times(first) == before


def without_times(site: Site) -> dict[str, list[str]]:
    """Return all rows but those that say when migrations were applied."""
    contents = site.contents()
    del contents["django_migrations"]
    return contents


def test_the_table_of_an_unmanaged_model_stays_and_has_the_rows_of_the_dump(
    legacy: Site,
) -> None:
    change(legacy)
    legacy.execute("ALTER TABLE legacy ADD COLUMN mark integer DEFAULT 5")
    legacy.restore(legacy.the_dump)
    assert legacy.execute("SELECT id, name, mark FROM legacy ORDER BY id") == [
        (1, "one", 5), (2, "two", 5)
    ]  # fmt: skip
    change(legacy)
    legacy.restore_file()
    assert legacy.execute("SELECT id, name FROM legacy ORDER BY id") == ROWS


def test_the_table_of_an_unmanaged_model_that_the_dump_does_not_have_stays_as_it_is(
    legacy: Site,
) -> None:
    legacy.dump("part", "auth", "shop", "stock.Place")
    change(legacy)
    legacy.restore(legacy.directory / "part")
    assert legacy.execute("SELECT id, name FROM legacy ORDER BY id") == [(2, "two"), (3, "three")]


def test_a_restore_that_fails_leaves_the_table_of_an_unmanaged_model_alone(
    legacy: Site,
) -> None:
    change(legacy)
    legacy.edit("dump.py", ("create_shop_sale(5, 7, 9)", "create_shop_sale(5, 70, 9)"))
    legacy.refuse_file()


def test_without_the_table_of_an_unmanaged_model_a_restore_says_what_to_do(
    legacy: Site,
) -> None:
    legacy.execute("DROP TABLE legacy")
    said = legacy.refuse(legacy.the_dump)
    assert "The table 'legacy' of stock.Legacy does not exist, and no migration creates it" in said


def migrate_with(site: Site, *sql: str) -> None:
    """Let a migration execute SQL."""
    text = MIGRATION.format(operations=[*sql])
    site.write({"fixes/migrations/0002_legacy.py": text})


def test_a_table_that_migrations_make_for_an_unmanaged_model_goes_when_it_is_named(
    legacy: Site,
) -> None:
    migrate_with(legacy, MAKE)
    change(legacy)
    said = legacy.refuse(legacy.the_dump)
    assert "To drop the existing table or view: --drop NAME." in said
    legacy.restore(legacy.the_dump, "--drop", "legacy")
    assert legacy.execute("SELECT id, name FROM legacy ORDER BY id") == ROWS


def test_the_double_dump_test_makes_the_table_of_an_unmanaged_model(legacy: Site) -> None:
    legacy.succeed("ddt")
    legacy.succeed("ddt", legacy.the_dump)
    assert legacy.execute("SELECT id, name FROM legacy ORDER BY id") == ROWS
