"""A database at the project's migrations gets other rows: its schema is not touched."""

from __future__ import annotations

import pytest
from django.conf import settings
from sites import Site

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

PRICES = [(1, 11), (7, 22)]
BIG = {"postgresql": "bigint", "mysql": "bigint", "sqlite": "integer"}[settings.ENGINE]
# What is another as soon as a table was made anew.
TABLES = {
    "sqlite": "SELECT type, name, rootpage, sql FROM sqlite_master ORDER BY 1, 2",
    "postgresql": "SELECT oid, relname, relowner::int, relacl::text FROM pg_class "
    "WHERE relnamespace = 'public'::regnamespace ORDER BY 1",
    "mysql": "SELECT table_name, create_time FROM information_schema.tables "
    "WHERE table_schema = DATABASE() ORDER BY 1",
}[settings.ENGINE]
NEWER = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0002_codes")]
    operations = [
        migrations.CreateModel("Unit", [
            ("id", models.BigAutoField(primary_key=True)),
            ("name", models.CharField(max_length=9)),
        ]),
    ]
"""
UNIT = """

class Unit(models.Model):
    name = models.CharField(max_length=9)
"""


@pytest.fixture
def shop(first: Site) -> Site:
    """Return the site with the schema of today, and other rows than those of the dump."""
    first.restore(first.the_dump)
    first.execute("UPDATE shop_product SET price = 0")
    first.execute("DELETE FROM shop_sale")
    return first


def prices(site: Site) -> list[tuple[object, ...]]:
    """Return the prices of the products."""
    return site.execute("SELECT id, price FROM shop_product ORDER BY id")


def stranger(site: Site, action: str = "", product: int = 7) -> None:
    """Make a table of somebody else, with a row that refers to a product."""
    site.execute(
        f"CREATE TABLE payroll (product_id {BIG}, "
        f"CONSTRAINT of_product FOREIGN KEY (product_id) REFERENCES shop_product (id) {action})"
    )
    site.execute(f"INSERT INTO payroll VALUES ({product})")


def test_the_rows_are_those_of_the_dump_and_no_table_is_made_anew(shop: Site) -> None:
    shop.execute("CREATE VIEW prices AS SELECT price FROM shop_product")
    shop.execute("CREATE INDEX by_price ON shop_product (price)")
    before = shop.execute(TABLES)
    assert "building the schema" not in shop.restore(shop.the_dump)
    assert prices(shop) == PRICES
    assert shop.execute("SELECT id, product_id FROM shop_sale") == [(5, 7)]
    shop.restore_file()
    assert shop.execute(TABLES) == before


@pytest.mark.postgresql
def test_owners_grants_and_policies_are_not_touched(shop: Site, reader: str) -> None:
    for sql in (
        f"ALTER TABLE shop_sale OWNER TO {reader}",
        f"GRANT UPDATE (title) ON shop_product TO {reader} WITH GRANT OPTION",
        "REVOKE TRUNCATE ON shop_product FROM CURRENT_USER",
        "CREATE POLICY cheap ON shop_product USING (price < 100)",
        "ALTER TABLE shop_product ENABLE ROW LEVEL SECURITY",
        "CREATE MATERIALIZED VIEW titles AS SELECT title FROM shop_product",
    ):
        shop.execute(sql)
    before = shop.execute(TABLES)
    shop.restore(shop.the_dump)
    assert shop.execute(TABLES) == before
    assert prices(shop) == PRICES


def test_a_column_that_a_person_has_added_stays(shop: Site) -> None:
    shop.execute("ALTER TABLE shop_product ADD COLUMN by_hand integer")
    shop.restore(shop.the_dump)
    assert shop.execute("SELECT id, by_hand FROM shop_product ORDER BY id") == [
        (1, None),
        (7, None),
    ]


@pytest.mark.sqlite
@pytest.mark.mysql
def test_rows_of_others_stay_if_what_they_refer_to_is_in_the_dump(shop: Site) -> None:
    stranger(shop, "ON DELETE CASCADE")
    try:
        shop.restore(shop.the_dump)
        assert shop.execute("SELECT product_id FROM payroll") == [(7,)]
    finally:
        shop.execute("DROP TABLE payroll")


def test_rows_of_others_that_would_refer_to_nothing_keep_the_dump_out(shop: Site) -> None:
    shop.execute("INSERT INTO shop_product (id, title, price) VALUES (50, 'x', 1)")
    stranger(shop, "DEFERRABLE" if settings.ENGINE == "postgresql" else "", product=50)
    try:
        said = shop.refuse(shop.the_dump)
    finally:
        shop.execute("DROP TABLE payroll")
    if settings.ENGINE == "postgresql":
        assert 'violates foreign key constraint "of_product" on table "payroll"' in said
    else:
        assert "refer to rows that are not in the dump: 'payroll' to 'shop_product'." in said


@pytest.mark.postgresql
@pytest.mark.parametrize("action", ["ON DELETE CASCADE", "ON DELETE SET NULL", ""])
def test_a_key_of_others_that_acts_when_rows_are_deleted_is_named(shop: Site, action: str) -> None:
    stranger(shop, action)
    said = shop.refuse(shop.the_dump)
    assert "The table payroll is not restored, and its foreign key of_product to shop_prod" in said
    assert 'ALTER TABLE payroll DROP CONSTRAINT "of_product"' in said
    shop.execute("DELETE FROM payroll")
    shop.restore(shop.the_dump)
    assert prices(shop) == PRICES


@pytest.mark.postgresql
def test_a_key_of_others_that_can_wait_is_checked_in_the_end(shop: Site) -> None:
    stranger(shop, "DEFERRABLE")
    shop.restore(shop.the_dump)
    assert shop.execute("SELECT product_id FROM payroll") == [(7,)]


@pytest.mark.postgresql
def test_no_sequence_is_set_back_by_a_restore_that_comes_to_nothing(shop: Site) -> None:
    """A transaction that fails does not take back what it has done to a sequence."""
    shop.execute("SELECT setval('shop_product_id_seq', 300)")
    shop.restore(shop.the_dump, "--dry-run")
    assert shop.execute("SELECT nextval('shop_product_id_seq')") == [(301,)]
    shop.restore(shop.the_dump)
    assert shop.execute("SELECT nextval('shop_product_id_seq')") == [(8,)]


@pytest.mark.mysql
def test_a_table_that_takes_nothing_back_is_named(shop: Site) -> None:
    shop.execute("ALTER TABLE stock_place ENGINE=MyISAM")
    said = shop.refuse(shop.the_dump)
    assert "The table 'stock_place' is of the engine MyISAM, which cannot roll back" in said
    assert "ALTER TABLE `stock_place` ENGINE=InnoDB" in said


def test_rows_of_a_model_that_is_newer_than_the_dump_stay(shop: Site) -> None:
    """A migration has made them, as it would in an empty database."""
    models = (shop.directory / "shop/models.py").read_text()
    shop.write({"shop/models.py": models + UNIT, "shop/migrations/0003_unit.py": NEWER})
    shop.succeed("migrate", "-v0")
    shop.execute("INSERT INTO shop_unit (name) VALUES ('kg')")
    said = shop.restore(shop.the_dump)
    assert "building the schema" not in said
    assert "emptied by the restore" not in said
    assert shop.execute("SELECT name FROM shop_unit") == [("kg",)]
    assert prices(shop) == PRICES


def test_migrations_that_are_to_be_applied_need_another_schema(shop: Site) -> None:
    models = (shop.directory / "shop/models.py").read_text()
    shop.write({"shop/models.py": models + UNIT, "shop/migrations/0003_unit.py": NEWER})
    assert "building the schema" in shop.restore(shop.the_dump)
    assert shop.execute("SELECT name FROM shop_unit") == []


def test_without_migrations_another_column_needs_another_schema(shop: Site) -> None:
    assert "building the schema" not in shop.restore(shop.the_dump)
    field = "models.CharField(max_length=5)"
    shop.edit("stock/models.py", (field, f"{field}\n    shelf = models.IntegerField(null=True)"))
    assert "building the schema" in shop.restore(shop.the_dump)
    assert "building the schema" not in shop.restore(shop.the_dump)


@pytest.mark.sqlite
def test_the_number_of_a_row_may_be_the_key_of_a_model(shop: Site) -> None:
    """N1: a table of FTS5 has it, and does not list it among its columns."""
    shop.write(
        {
            "stock/models.py": (shop.directory / "stock/models.py").read_text() + INDEX,
            "stock/migrations/__init__.py": "",
        }
    )
    shop.execute("DROP TABLE stock_place")
    shop.succeed("makemigrations", "stock", "-n", "initial", "-v0")
    shop.write({"stock/migrations/0002_fts.py": FTS})
    shop.succeed("migrate", "-v0")
    shop.execute("INSERT INTO stock_fts (rowid, body) VALUES (4, 'four')")
    shop.dump("dump")
    assert "has passed" in shop.succeed("ddt")
    for _schema in ("today's", "none"):
        shop.restore(shop.the_dump)
        assert shop.execute("SELECT rowid FROM stock_fts WHERE stock_fts MATCH 'four'") == [(4,)]
        for table in ("stock_fts", "stock_place", "django_migrations"):
            shop.execute(f"DROP TABLE {table}")


INDEX = """

class Index(models.Model):
    row = models.AutoField(primary_key=True, db_column="rowid")
    body = models.TextField()

    class Meta:
        db_table = "stock_fts"
"""
FTS = """
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("stock", "0001_initial")]
    operations = [
        migrations.RunSQL("DROP TABLE stock_fts"),
        migrations.RunSQL("CREATE VIRTUAL TABLE stock_fts USING fts5(body)"),
    ]
"""


FORGET = """
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command

ContentType.objects.create(app_label="gone", model="gone")
ContentType.objects.get_by_natural_key("gone", "gone")
call_command("restore", "dump.py", "-b")
try:
    print(ContentType.objects.get_by_natural_key("gone", "gone"))
except ContentType.DoesNotExist:
    print("It is forgotten.")
"""


def test_the_process_forgets_the_content_types_that_it_knew(shop: Site) -> None:
    """W17"""
    assert "It is forgotten." in shop.shell(FORGET)
