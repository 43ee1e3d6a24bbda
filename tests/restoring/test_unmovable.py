"""What MySQL cannot move to another database: triggers and views, when tables are rebuilt."""

from __future__ import annotations

import pytest
from sites import Site

# Connections look at the database of the tests, which this makes.
pytestmark = [pytest.mark.django_db, pytest.mark.mysql]

MIGRATION = """
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("fixes", "0001_once")]
    operations = [migrations.RunSQL({sql!r})]
"""
MADE = {
    "view prices": "CREATE VIEW prices AS SELECT id, price FROM shop_product",
    "trigger by_migration": "CREATE TRIGGER by_migration AFTER DELETE ON shop_sale FOR EACH ROW "
    "DELETE FROM stock_place",
    "procedure nothing": "CREATE PROCEDURE nothing() SELECT 1",
}
PRICES = "SELECT id, price FROM shop_product ORDER BY id"


@pytest.mark.parametrize("what", MADE)
def test_what_migrations_make_and_no_rename_moves_is_named_with_the_way(
    first: Site, what: str
) -> None:
    first.restore(first.the_dump)
    first.write({"fixes/migrations/0002_more.py": MIGRATION.format(sql=MADE[what])})
    before = first.contents()
    said = first.refuse(first.the_dump)
    assert f"Migrations create the {what}, which MySQL cannot move" in said
    assert "Run manage.py migrate --run-syncdb in an empty database, then restore into it." in said
    assert first.contents() == before
    first.succeed("migrate", "-v0")
    assert "building the schema" not in first.restore(first.the_dump)
    assert first.execute(PRICES) == [(1, 11), (7, 22)]


def test_a_table_with_a_trigger_is_named_before_it_is_rebuilt(first: Site) -> None:
    first.restore(first.the_dump)
    first.execute("CREATE TRIGGER by_hand BEFORE UPDATE ON shop_sale FOR EACH ROW SET NEW.id = 1")
    first.execute("DELETE FROM django_migrations WHERE app = 'fixes'")
    said = first.refuse(first.the_dump)
    assert "MySQL cannot move tables with triggers: by_hand on shop_sale. Drop them first" in said
    first.execute("DROP TRIGGER by_hand")
    assert "building the schema" in first.restore(first.the_dump)


def test_the_double_dump_test_has_triggers(first: Site) -> None:
    first.restore(first.the_dump)
    sql = MADE["trigger by_migration"]
    first.write({"fixes/migrations/0002_more.py": MIGRATION.format(sql=sql)})
    first.succeed("migrate", "-v0")
    first.succeed("ddt")
