"""Migrations that cannot run in a transaction of others, on PostgreSQL."""

from __future__ import annotations

import pytest
from sites import Site

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

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


def with_migration(site: Site, *more: str) -> Site:
    """Return a site with a migration that makes indexes concurrently, and does more."""
    site.write({"fixes/migrations/0002_indexes.py": MIGRATION.format(more=more)})
    return site


@pytest.fixture
def empty(first: Site) -> Site:
    """Return the site with nothing in its database."""
    first.execute("DROP TABLE shop_sale")
    return first


def test_what_allows_no_transaction_is_named_in_an_empty_database(empty: Site) -> None:
    with_migration(empty, "VACUUM shop_product")
    said = empty.refuse(empty.the_dump)
    assert "Run manage.py migrate --run-syncdb first" in said
    assert empty.contents() == {}
    empty.succeed("migrate", "--run-syncdb", "-v0")
    empty.restore(empty.the_dump)
    assert empty.execute(INDEXES) == [("by_price",), ("by_title",)]
    assert empty.execute(PRICES) == RESTORED


def test_a_rehearsal_runs_it_outside_of_a_transaction(empty: Site) -> None:
    with_migration(empty, "VACUUM shop_product")
    empty.succeed("checkdump", empty.the_dump)


def test_a_dry_run_makes_nothing(empty: Site) -> None:
    with_migration(empty)
    assert "Nothing was changed." in empty.restore(empty.the_dump, "--dry-run")
    assert empty.contents() == {}


def test_in_a_database_of_another_time_indexes_are_made_in_the_transaction(first: Site) -> None:
    first.restore(first.the_dump)
    with_migration(first)
    assert "building the schema" in first.restore(first.the_dump)
    assert first.execute(INDEXES) == [("by_price",), ("by_title",)]
    assert first.execute(PRICES) == RESTORED


def test_what_cannot_be_done_there_is_named_with_what_to_type(first: Site) -> None:
    first.restore(first.the_dump)
    with_migration(first, "VACUUM shop_product")
    said = first.refuse(first.the_dump)
    assert "The migration fixes.0002_indexes has failed: InternalError: VACUUM cannot run" in said
    assert "Run manage.py migrate --run-syncdb first" in said
    first.succeed("migrate", "-v0")
    assert "building the schema" not in first.restore(first.the_dump)
    assert first.execute(PRICES) == RESTORED
