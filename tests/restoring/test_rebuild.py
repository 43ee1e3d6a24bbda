"""A database of another time is rebuilt, unless that would take along what is not its own."""

from __future__ import annotations

import pytest
from django.conf import settings
from past_site import ROWS, V2, rows
from sites import Site

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

BIG = {"postgresql": "bigint", "mysql": "bigint", "sqlite": "integer"}[settings.ENGINE]
PRICES = [(1, 11), (7, 22)]


@pytest.fixture
def old(first: Site) -> Site:
    """Return the site with tables of another time: a migration is yet to be applied."""
    first.restore(first.the_dump)
    first.execute("DELETE FROM django_migrations WHERE app = 'fixes'")
    return first


def restored_with(site: Site, *args: str) -> None:
    """Restore with options, which let the tables be made anew."""
    assert "building the schema" in site.restore(site.the_dump, *args)
    assert site.execute("SELECT id, price FROM shop_product ORDER BY id") == PRICES


def test_tables_that_django_knows_are_made_anew(old: Site) -> None:
    old.execute("CREATE TABLE payroll (name varchar(10))")
    old.execute("CREATE INDEX by_price ON shop_product (price)")
    restored_with(old)
    assert old.execute("SELECT * FROM payroll") == []
    old.execute("DROP TABLE payroll")


def test_a_foreign_key_of_another_table_is_named(old: Site) -> None:
    old.execute(
        f"CREATE TABLE payroll (product_id {BIG}, "
        "FOREIGN KEY (product_id) REFERENCES shop_product (id))"
    )
    old.execute("INSERT INTO payroll SELECT id FROM shop_product")
    said = old.refuse(old.the_dump)
    assert "The table 'payroll', not part of the project, has a foreign key to 'shop_pr" in said
    assert "To drop it: --drop payroll" in said
    restored_with(old, "--drop", "payroll")
    assert "payroll" not in old.contents()


@pytest.mark.sqlite
@pytest.mark.postgresql
def test_a_view_is_named(old: Site) -> None:
    old.execute("CREATE VIEW b_prices AS SELECT price FROM shop_product")
    old.execute("CREATE VIEW a_prices AS SELECT price FROM b_prices")
    said = old.refuse(old.the_dump)
    assert "To drop it: --drop a_prices" in said
    assert "To drop it: --drop b_prices" in said
    restored_with(old, "--drop", "a_prices", "--drop", "b_prices")
    old.execute("CREATE VIEW b_prices AS SELECT price FROM shop_product")
    old.execute("DROP VIEW b_prices")


@pytest.mark.mysql
def test_a_view_stays(old: Site) -> None:
    """It reads tables by their names."""
    old.execute("CREATE VIEW b_prices AS SELECT id, price FROM shop_product")
    restored_with(old)
    assert old.execute("SELECT id, price FROM b_prices ORDER BY id") == PRICES
    old.execute("DROP VIEW b_prices")


def test_a_column_of_a_person_is_named(old: Site) -> None:
    old.execute("ALTER TABLE shop_product ADD COLUMN by_hand integer")
    said = old.restore(old.the_dump)
    assert (
        "Columns that no model has are dropped: shop_product.by_hand.\nbuilding the schema" in said
    )


def test_rows_of_a_model_that_was_renamed_since_are_counted_before_it_asks(first: Site) -> None:
    first.restore(first.the_dump)
    first.write(V2)
    first.execute("DELETE FROM shop_product_similar")
    done = first.manage("restore", first.the_dump, "--through-migrations", typed="n\n")
    sentence = "Tables that no model has today are dropped: shop_product (2 rows).\n"
    assert sentence in done.stdout
    assert sentence in first.restore(first.the_dump, "--through-migrations")
    assert rows(first) == ROWS


@pytest.mark.sqlite
def test_a_trigger_is_named(old: Site) -> None:
    old.execute("CREATE TRIGGER t AFTER INSERT ON shop_sale BEGIN DELETE FROM shop_sale; END")
    assert "The table 'shop_sale' has the trigger t. To drop it: --drop shop_sale" in (
        old.refuse(old.the_dump)
    )
    restored_with(old, "--drop", "shop_sale")


KEPT = {
    "GRANT SELECT ON shop_product TO {reader}": "grants to {reader}",
    "GRANT UPDATE (title) ON shop_product TO {reader}": "grants to {reader}",
    "GRANT USAGE ON SEQUENCE shop_product_id_seq TO PUBLIC": "grants to PUBLIC",
    "ALTER TABLE shop_product OWNER TO {reader}": "the owner {reader}",
    "ALTER TABLE shop_product ENABLE ROW LEVEL SECURITY": "row-level security",
    "CREATE POLICY cheap ON shop_product USING (true)": "the policy cheap",
    "CREATE PUBLICATION of_x FOR TABLE shop_product": "a place in the publication of_x",
    "CREATE RULE r AS ON DELETE TO shop_product DO NOTHING": "the rule r",
    "CREATE TRIGGER t AFTER DELETE ON shop_product FOR EACH ROW EXECUTE FUNCTION "
    "suppress_redundant_updates_trigger()": "the trigger t",
}


@pytest.mark.postgresql
@pytest.mark.parametrize("sql", KEPT)
def test_what_belongs_to_a_table_is_named(old: Site, reader: str, sql: str) -> None:
    old.execute(sql.format(reader=reader))
    said = old.refuse(old.the_dump)
    what = KEPT[sql].format(reader=reader)
    assert f"The table 'shop_product' has {what}. To drop it: --drop shop_product" in said
    restored_with(old, "--drop", "shop_product")
    old.execute("DROP PUBLICATION IF EXISTS of_x")


@pytest.mark.postgresql
def test_a_table_of_another_schema_is_named(old: Site) -> None:
    """W7: through a search_path of two schemas, tables are found in one, and made in the other."""
    old.execute("CREATE SCHEMA tenant")
    text = (old.directory / "site_settings.py").read_text()
    path = "DATABASES['default'].setdefault('OPTIONS', {})['options'] = "
    old.write({"site_settings.py": f"{text}{path}'-c search_path=tenant,public'\n"})
    assert "The table 'shop_product' is in the schema 'public', but" in old.refuse(old.the_dump)
    old.execute("DROP SCHEMA tenant")


def test_what_is_not_there_cannot_be_dropped(old: Site) -> None:
    assert "--drop: there is no table or view 'payrol'." in old.refuse(
        old.the_dump, "--drop", "payrol"
    )


SCHEMA = """
    SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' UNION ALL
    SELECT format('%s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1
"""
INDEXES = """
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("fixes", "0001_once")]
    operations = [
        migrations.RunSQL(
            [
                "CREATE INDEX dear ON shop_product (price DESC) WHERE price > 5",
                "CREATE INDEX told ON shop_product USING hash (price)",
                "COMMENT ON INDEX told IS 'for equality'",
            ]
        )
    ]
"""


@pytest.mark.postgresql
def test_foreign_keys_and_indexes_that_are_made_after_the_rows_are_those_of_migrations(
    first: Site,
) -> None:
    first.write({"fixes/migrations/0002_indexes.py": INDEXES})
    assert "building the schema" in first.restore(first.the_dump)
    restored = first.execute(SCHEMA)
    comment = "SELECT obj_description('told'::regclass)"
    assert first.execute(comment) == [("for equality",)]
    assert any("FOREIGN KEY" in one for (one,) in restored)
    first.execute("DROP SCHEMA public CASCADE")
    first.execute("CREATE SCHEMA public")
    first.succeed("migrate", "--run-syncdb", "-v0")
    assert first.execute(SCHEMA) == restored
