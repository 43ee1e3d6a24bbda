"""Migrations that are not atomic, in the transaction of a restore and outside of it."""

from __future__ import annotations

import pytest
from django.db import connection
from sites import Site

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

MIGRATION = """
from django.db import migrations


def by_title(apps, schema_editor):
    schema_editor.execute("CREATE INDEX CONCURRENTLY by_title ON shop_product (title)")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("fixes", "0001_once")]
    operations = [
        migrations.RunSQL("CREATE INDEX CONCURRENTLY by_price ON shop_product (price)"),
        migrations.RunPython(by_title),
        *[migrations.RunSQL(sql) for sql in {more!r}],
    ]
"""
INDEXES = "SELECT indexname FROM pg_indexes WHERE indexname LIKE 'by_%' ORDER BY 1"
PRICES = "SELECT id, price FROM shop_product ORDER BY id"
RESTORED = [(1, 11), (7, 22)]
ALONE = """
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("fixes", "0001_once")]
    operations = [migrations.RunSQL({sql!r})]
"""
MIGRATED = "The database was empty. It is migrated now, and has no rows of the dump."


def with_migration(site: Site, *more: str) -> Site:
    """Return a site with a migration that makes indexes concurrently, and does more."""
    return with_code(site, MIGRATION.format(more=more))


def with_code(site: Site, code: str) -> Site:
    """Return a site with a migration, which its dumps name."""
    site.write({"fixes/migrations/0002_indexes.py": code})
    for name in ("dump/restore.py", "dump.py"):
        site.edit(name, ("'0001_once'", "'0002_indexes'"))
    return site


@pytest.fixture
def empty(first: Site) -> Site:
    """Return the site with nothing in its database."""
    first.execute("DROP TABLE shop_sale")
    return first


@pytest.mark.postgresql
def test_in_an_empty_database_they_run_in_the_transaction_if_they_can(empty: Site) -> None:
    with_migration(empty)
    empty.edit("dump.py", ("create_shop_sale(5, 7, 9)", "create_shop_sale(5, 70, 9)"))
    assert "The database is as it was." in empty.fail("restore", empty.the_file, "-b")
    assert empty.contents() == {}
    empty.restore(empty.the_dump)
    assert empty.execute(INDEXES) == [("by_price",), ("by_title",)]
    assert empty.execute(PRICES) == RESTORED


@pytest.mark.postgresql
def test_they_run_as_ever_in_an_empty_database(empty: Site) -> None:
    with_migration(empty, "VACUUM shop_product")
    assert "migrating outside of a transaction" in empty.restore(empty.the_dump)
    assert empty.execute(INDEXES) == [("by_price",), ("by_title",)]
    assert empty.execute(PRICES) == RESTORED


def test_one_that_no_transaction_allows_is_no_obstacle_in_an_empty_database(empty: Site) -> None:
    sql = {"mysql": "OPTIMIZE TABLE shop_product"}.get(connection.vendor, "VACUUM")
    with_code(empty, ALONE.format(sql=sql))
    empty.restore(empty.the_dump)
    assert empty.execute(PRICES) == RESTORED


@pytest.mark.postgresql
def test_a_dump_that_fails_leaves_the_database_migrated_and_says_so(empty: Site) -> None:
    with_migration(empty, "VACUUM shop_product")
    good = empty.the_file.read_text()
    empty.edit("dump.py", ("create_shop_sale(5, 7, 9)", "create_shop_sale(5, 70, 9)"))
    said = empty.fail("restore", empty.the_file, "-b")
    assert MIGRATED in said
    assert "as it was" not in said
    assert empty.execute("SELECT 1 FROM shop_sale") == []
    empty.the_file.write_text(good)
    assert "building the schema" not in empty.restore_file()
    assert empty.execute(PRICES) == RESTORED


@pytest.mark.postgresql
def test_one_that_fails_as_ever_leaves_what_was_migrated_and_says_so(empty: Site) -> None:
    with_migration(empty, "VACUUM shop_product", "VACUUM nowhere")
    said = empty.fail("restore", empty.the_dump, "-b")
    assert "The migration fixes.0002_indexes has failed" in said
    assert "The database was empty. Some of its migrations may be applied now." in said
    assert "as it was" not in said
    assert "shop_product" in empty.contents()


@pytest.mark.postgresql
def test_triggers_that_they_make_do_not_run_for_the_rows(empty: Site) -> None:
    function = (
        "CREATE FUNCTION dearer() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN NEW.price = NEW.price + 1; RETURN NEW; END'"
    )
    trigger = (
        "CREATE TRIGGER dearer BEFORE INSERT ON shop_product FOR EACH ROW EXECUTE FUNCTION dearer()"
    )
    with_migration(empty, function, trigger, "VACUUM shop_product")
    assert "Triggers do not run for the rows: dearer" in empty.restore(empty.the_dump)
    assert empty.execute(PRICES) == RESTORED


@pytest.mark.postgresql
def test_a_dry_run_names_one_that_no_transaction_allows_and_makes_nothing(empty: Site) -> None:
    with_migration(empty, "VACUUM shop_product")
    said = empty.fail("restore", empty.the_dump, "-b", "--dry-run")
    assert "VACUUM cannot run inside a transaction block" in said
    assert "was run in the transaction of the restore. Run manage.py migrate" in said
    assert empty.contents() == {}


@pytest.mark.postgresql
def test_through_migrations_one_that_no_transaction_allows_is_named(empty: Site) -> None:
    with_migration(empty, "VACUUM shop_product")
    said = empty.refuse(empty.the_dump, "--through-migrations")
    assert "Restore the dump with the code of its time, then run manage.py migrate." in said
    assert empty.contents() == {}


@pytest.mark.postgresql
def test_a_rehearsal_runs_it_outside_of_a_transaction(empty: Site) -> None:
    with_migration(empty, "VACUUM shop_product")
    empty.succeed("checkdump", empty.the_dump)


@pytest.mark.postgresql
def test_a_dry_run_makes_nothing(empty: Site) -> None:
    with_migration(empty)
    assert "Nothing was changed." in empty.restore(empty.the_dump, "--dry-run")
    assert empty.contents() == {}


@pytest.mark.postgresql
def test_in_a_database_of_another_time_indexes_are_made_in_the_transaction(first: Site) -> None:
    first.restore(first.the_dump)
    with_migration(first)
    assert "building the schema" in first.restore(first.the_dump)
    assert first.execute(INDEXES) == [("by_price",), ("by_title",)]
    assert first.execute(PRICES) == RESTORED


@pytest.mark.postgresql
def test_what_cannot_be_done_there_is_named_with_what_to_type(first: Site) -> None:
    first.restore(first.the_dump)
    with_migration(first, "VACUUM shop_product")
    said = first.refuse(first.the_dump)
    assert "The migration fixes.0002_indexes has failed: InternalError: VACUUM cannot run" in said
    assert "Run manage.py migrate --run-syncdb first" in said
    first.succeed("migrate", "-v0")
    assert "building the schema" not in first.restore(first.the_dump)
    assert first.execute(PRICES) == RESTORED
