"""Rows that are not of the dump: those of migrations give way, others are refused or said."""

from __future__ import annotations

import pytest
from past_site import ROWS, V2, rows
from sites import Site

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

RECEIVER = """
from django.db.models.signals import post_save


def make_place(instance, **kwargs):
    Place.objects.create(row="y")


post_save.connect(make_place, sender="shop.Sale")
"""
SEEDING = """
from django.apps import AppConfig
from django.db.models.signals import post_migrate


def seed(sender, using, **kwargs):
    from stock.models import Place
    Place.objects.using(using).get_or_create(row="seed")


class StockConfig(AppConfig):
    name = "stock"

    def ready(self):
        post_migrate.connect(seed, sender=self)
"""
PROXY = """

class Corner(Place):
    class Meta:
        proxy = True
"""
EMPTY_MIGRATION = """
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("fixes", "0001_once")]
"""
PART = ("shop", "auth.User", "auth.Group")
NATURAL_KEYS = "SELECT codename, content_type_id FROM auth_permission ORDER BY 2, 1"
VIEW_PERMISSION = "SELECT COUNT(*) FROM auth_permission WHERE codename = 'view_place'"


@pytest.fixture
def shop(first: Site) -> Site:
    """Return the site, restored."""
    first.restore(first.the_dump)
    return first


def empty(site: Site, *tables: str) -> None:
    """Empty tables, and dump the database anew."""
    for table in tables:
        site.execute(f"DELETE FROM {table}")
    site.dump("dump")
    site.succeed("dumpdata", "--format=py", "-o", site.the_file)


@pytest.mark.sql
def test_rows_of_migrations_give_way_to_a_table_that_is_empty_in_the_dump(shop: Site) -> None:
    empty(shop, "stock_place", "shop_sale", "shop_product_similar", "shop_product")
    shop.restore_file()
    assert shop.execute("SELECT * FROM shop_product") == []
    shop.restore(shop.the_dump)
    assert shop.execute("SELECT * FROM shop_product") == []


def test_permissions_of_which_the_dump_knows_nothing_are_those_of_today(shop: Site) -> None:
    shop.succeed("dumpdata", *PART, "--format=py", "-o", shop.the_file)
    before = shop.execute("SELECT COUNT(*) FROM auth_permission")
    said = shop.restore_file()
    assert "emptied by the restore: stock.Place (1 row)." in said
    assert shop.execute("SELECT COUNT(*) FROM auth_permission") == before


def test_permissions_that_a_subset_does_not_need_are_added(shop: Site) -> None:
    before = shop.execute(NATURAL_KEYS)
    shop.succeed("dumpdata", "--format=py", "--only", "auth.Group:4", "-o", shop.the_file)
    said = shop.restore_file()
    assert f"are not in the dump: auth.Permission ({len(before) - 1} rows)." in said
    assert shop.execute(NATURAL_KEYS) == before


def with_signals(site: Site) -> None:
    """Let a receiver, which does not look whether a row comes from a dump, make others."""
    models = (site.directory / "stock/models.py").read_text()
    settings = (site.directory / "site_settings.py").read_text()
    site.write(
        {
            "stock/models.py": models + RECEIVER,
            "site_settings.py": f"{settings}DUMPY = {{'SIGNALS': 'raw'}}\n",
        }
    )


@pytest.mark.sql
def test_rows_in_a_table_that_is_empty_in_the_dump_are_refused(shop: Site) -> None:
    empty(shop, "stock_place")
    with_signals(shop)
    said = shop.refuse(shop.the_dump)
    assert "After loading, there are rows that are not in the dump: stock.Place (1 row)" in said
    assert "a receiver must do nothing if raw=True" in said


def test_rows_in_a_table_of_which_a_file_says_nothing_are_said(shop: Site) -> None:
    empty(shop, "stock_place")
    with_signals(shop)
    assert "There are rows that are not in the dump: stock.Place (1 row)." in shop.restore_file()


@pytest.mark.sql
def test_rows_that_come_after_the_comparison_are_said(shop: Site) -> None:
    shop.write({"stock/apps.py": SEEDING, "fixes/migrations/0002_more.py": EMPTY_MIGRATION})
    shop.execute("DELETE FROM auth_permission WHERE codename = 'view_place'")
    said = "There are rows that are not in the dump: stock.Place (1 row)."
    assert said not in shop.restore(shop.the_dump)
    assert said in shop.restore(shop.the_dump, "--through-migrations")


def test_nothing_is_said_of_the_rows_of_a_proxy(shop: Site) -> None:
    models = (shop.directory / "stock/models.py").read_text()
    shop.write({"stock/models.py": models + PROXY})
    shop.dump("dump")
    assert "are not in the dump" not in shop.restore(shop.the_dump)


def test_nothing_is_said_of_a_restore_that_adds_nothing(shop: Site) -> None:
    said = shop.restore(shop.the_dump) + shop.restore_file()
    assert "are not in the dump" not in said


def test_what_was_deleted_does_not_come_back_within_the_same_version(shop: Site) -> None:
    shop.write({"stock/apps.py": SEEDING})
    shop.execute("DELETE FROM auth_permission WHERE codename = 'view_place'")
    empty(shop, "stock_place")
    shop.restore(shop.the_dump)
    assert shop.execute(VIEW_PERMISSION) == [(0,)]
    assert shop.execute("SELECT * FROM stock_place") == []


def test_what_goes_is_said_before_it_asks(shop: Site) -> None:
    shop.succeed("dumpdata", *PART, "--format=py", "-o", shop.the_file)
    done = shop.manage("restore", shop.the_file, typed="n\n")
    missing = "Not in the dump, emptied by the restore: "
    assert 0 <= done.stdout.index(missing) < done.stdout.index("Replace the contents")


def test_a_dump_that_cannot_be_restored_is_refused_before_it_asks(shop: Site) -> None:
    shop.edit("shop/models.py", ("price = models", "cost = models"))
    done = shop.manage("restore", shop.the_file, typed="y\n")
    assert done.returncode == 1
    assert "Replace the contents" not in done.stdout


def test_what_goes_is_said_beside_code_too(shop: Site) -> None:
    shop.succeed("dumpdata", *PART, "--format=py", "-o", shop.the_file)
    shop.edit(
        "dump.py",
        ("# dumpy: format 1", "# dumpy: program 1"),
        ("        title=title", "        title=title.upper()"),
    )
    said = shop.restore_file()
    assert (
        "Not in the dump, emptied by the restore (except for rows that code makes): stock.Place"
        in said
    )


def test_rows_that_restore_py_does_not_list_are_named_before_it_asks(shop: Site) -> None:
    shop.edit("dump/restore.py", ("    'stock_place.py',\n", "    # 'stock_place.py',\n"))
    done = shop.manage("run", shop.the_dump / "restore.py", typed="n\n")
    unlisted = "Not listed in restore.py, emptied by the restore: stock.Place (1 row)."
    assert 0 <= done.stdout.index(unlisted) < done.stdout.index("Replace the contents")


def test_rows_that_migrations_keep_are_not_said_to_go(shop: Site) -> None:
    shop.write(V2)
    shop.restore(shop.the_dump, "--through-migrations")
    said = shop.restore(shop.the_dump, "--through-migrations")
    assert "emptied by the restore" not in said
    assert rows(shop) == ROWS


def test_it_is_said_that_sessions_go(shop: Site) -> None:
    shop.install("django.contrib.sessions")
    shop.succeed("migrate", "-v0")
    shop.succeed(
        "shell", "-v0", "-c",
        "from django.contrib.sessions.backends.db import SessionStore; SessionStore().save()",
    )  # fmt: skip
    said = shop.restore(shop.the_dump)
    assert "1 session will be deleted: all users have to log in again." in said
    assert "will be deleted" not in shop.restore(shop.the_dump)
