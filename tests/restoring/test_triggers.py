"""Triggers on MySQL, where they keep their tables from moving to another database."""

from __future__ import annotations

import pytest
from sites import Site

# Connections look at the database of the tests, which this makes.
pytestmark = [pytest.mark.django_db, pytest.mark.mysql]

BY_HAND = (
    "CREATE DEFINER = root@localhost TRIGGER by_hand BEFORE UPDATE ON shop_sale FOR EACH ROW "
    "SET NEW.seller_id = IF('it''s 5% \\\\ é' = \"x\", NEW.seller_id, NULL)"
)
BY_MIGRATION = (
    "CREATE TRIGGER by_migration AFTER DELETE ON shop_sale FOR EACH ROW BEGIN "
    "UPDATE shop_product SET price = price + 1; DELETE FROM stock_place; END"
)
MIGRATION = f"""
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("fixes", "0001_once")]
    operations = [migrations.RunSQL([{BY_MIGRATION!r}, *[{{more!r}}][:{{count}}]])]
"""
TRIGGERS = """
    SELECT trigger_name, action_timing, event_manipulation, event_object_table, action_statement,
        definer, sql_mode
    FROM information_schema.triggers WHERE trigger_schema = DATABASE() ORDER BY trigger_name
"""


@pytest.fixture
def shop(first: Site) -> Site:
    """Return the site, restored, with a trigger that a person has made, and one of a migration."""
    first.restore(first.the_dump)
    first.execute(BY_HAND)
    first.write({"fixes/migrations/0002_trigger.py": MIGRATION.format(more="", count=0)})
    first.succeed("migrate", "-v0")
    return first


def age(site: Site) -> None:
    """Let the database be of another time, in which the migration was yet to be applied."""
    site.execute("DELETE FROM django_migrations WHERE name = '0002_trigger'")


@pytest.mark.parametrize("is_old", [False, True])
def test_triggers_are_there_again(shop: Site, is_old: bool) -> None:
    before = shop.execute(TRIGGERS)
    if is_old:
        age(shop)
    assert len(before) == 2
    shop.restore(shop.the_dump)
    assert shop.execute(TRIGGERS) == before
    assert shop.execute("SELECT price FROM shop_product ORDER BY id") == [(11,), (22,)]
    shop.execute("UPDATE shop_sale SET product_id = 1")
    assert shop.execute("SELECT product_id, seller_id FROM shop_sale") == [(1, None)]
    shop.execute("DELETE FROM shop_sale")
    assert shop.execute("SELECT price FROM shop_product ORDER BY id") == [(12,), (23,)]


def test_triggers_of_migrations_come_into_a_database_that_has_none(shop: Site) -> None:
    before = shop.execute(TRIGGERS)
    shop.execute("DROP TRIGGER by_migration")
    age(shop)
    shop.restore(shop.the_dump)
    assert shop.execute(TRIGGERS) == before


def test_the_double_dump_test_has_triggers(shop: Site) -> None:
    shop.succeed("ddt")


def test_triggers_are_what_they_were_if_a_view_cannot_be_made(shop: Site) -> None:
    shop.write({"stock/models.py": (shop.directory / "stock/models.py").read_text() + VIEW})
    sql = "CREATE VIEW taken AS SELECT 1 AS id"
    shop.write({"fixes/migrations/0002_trigger.py": MIGRATION.format(more=sql, count=1)})
    shop.execute("CREATE TABLE taken (x INT)")
    shop.execute("INSERT INTO shop_sale VALUES (50, 1, NULL)")
    before = shop.execute(TRIGGERS)
    age(shop)
    assert "is not of type 'VIEW'" in shop.refuse(shop.the_dump)
    assert shop.execute(TRIGGERS) == before


VIEW = """

class Taken(models.Model):
    class Meta:
        managed = False
        db_table = "taken"
"""
