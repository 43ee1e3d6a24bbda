"""Triggers of the schema do not change what a restore puts back, where they can be switched off."""

from __future__ import annotations

import pytest
from django.conf import settings
from sites import Site

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

CREATE = {
    "sqlite": [
        "CREATE TRIGGER dearer AFTER INSERT ON shop_sale BEGIN "
        "UPDATE shop_product SET price = price + 1; END"
    ],
    "postgresql": [
        "CREATE FUNCTION dearer() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "UPDATE shop_product SET price = price + 1; RETURN NULL; END $$",
        "CREATE TRIGGER dearer AFTER INSERT ON shop_sale FOR EACH ROW EXECUTE FUNCTION dearer()",
        "ALTER TABLE shop_sale ENABLE ALWAYS TRIGGER dearer",
    ],
    "mysql": [
        "CREATE TRIGGER dearer AFTER INSERT ON shop_sale FOR EACH ROW "
        "UPDATE shop_product SET price = price + 1"
    ],
}
TRIGGERS = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal",
    "mysql": "SELECT trigger_name, action_statement FROM information_schema.triggers "
    "WHERE trigger_schema = DATABASE()",
}
PRICES = "SELECT id, price FROM shop_product ORDER BY id"
RESTORED = [(1, 11), (7, 22)]
can_switch_off = settings.ENGINE != "mysql"


@pytest.fixture
def shop(first: Site) -> Site:
    """Return the site, restored, with a trigger."""
    first.restore(first.the_dump)
    for sql in CREATE[settings.ENGINE]:
        first.execute(sql)
    return first


@pytest.mark.skipif(not can_switch_off, reason="nothing switches triggers off")
@pytest.mark.parametrize("name", ["dump", "dump.py"])
def test_a_trigger_does_not_run_and_is_there_again(shop: Site, name: str) -> None:
    before = shop.execute(TRIGGERS[settings.ENGINE])
    said = shop.succeed("restore", name, "-b")
    assert "Triggers do not run for the rows: dearer on shop_sale." in said
    assert shop.execute(PRICES) == RESTORED
    assert shop.execute(TRIGGERS[settings.ENGINE]) == before
    shop.execute("INSERT INTO shop_sale (product_id) VALUES (1)")
    assert shop.execute(PRICES) == [(1, 12), (7, 23)]


def test_a_trigger_is_named_before_it_is_asked(shop: Site) -> None:
    said = shop.manage("restore", "dump", typed="n\n").stdout
    assert said.index("dearer on shop_sale") < said.index("Replace the contents")
    assert shop.execute(TRIGGERS[settings.ENGINE])[0][0] == "dearer"


@pytest.mark.mysql
def test_a_trigger_that_changes_the_content_is_blamed(shop: Site) -> None:
    said = shop.refuse(shop.the_dump)
    assert "the content of shop.Product is not that of the dump. Triggers have run: dearer" in said
    assert "Drop them before the restore." in said
    assert shop.execute(PRICES) == RESTORED


def test_loaddata_names_the_triggers_of_the_tables(shop: Site) -> None:
    said = shop.succeed("loaddata", "dump.py")
    assert "triggers may have changed other rows: dearer on shop_sale" in said
