"""Views on MySQL, which follow the tables that change places."""

from __future__ import annotations

import pytest
from sites import Site

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = [pytest.mark.django_db, pytest.mark.mysql]

MODEL = """

class {name}(models.Model):
    class Meta:
        managed = False
        db_table = "{table}"
"""
MIGRATION = """
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("fixes", "0001_once")]
    operations = [migrations.RunSQL({sql!r})]
"""
VIEWS = ("a_young", "b_old", "c_middle")


@pytest.fixture
def views(first: Site) -> Site:
    """Return the site, restored, with models that stand for views."""
    first.restore(first.the_dump)
    models = "".join(MODEL.format(name=f"View{n}", table=name) for n, name in enumerate(VIEWS))
    first.write({"stock/models.py": (first.directory / "stock/models.py").read_text() + models})
    return first


MYSQL = (
    "SELECT view_definition, check_option, security_type, definer, algorithm "
    "FROM information_schema.views WHERE table_schema = DATABASE() AND table_name = '{}'"
)
CHEAP = "SELECT id, price FROM shop_product WHERE price < 100"


def test_a_view_that_a_migration_makes_is_what_it_says(views: Site) -> None:
    made = (
        "CREATE ALGORITHM = MERGE DEFINER = nobody@nowhere SQL SECURITY INVOKER VIEW {} "
        f"AS {CHEAP} WITH LOCAL CHECK OPTION"
    )
    views.execute(made.format("b_old"))
    views.write({"fixes/migrations/0002_view.py": MIGRATION.format(sql=made.format("a_young"))})
    views.restore(views.the_dump)
    assert views.execute(MYSQL.format("a_young")) == views.execute(MYSQL.format("b_old"))


def test_a_view_is_what_it_was_if_another_cannot_be_made(views: Site) -> None:
    views.execute(
        f"CREATE DEFINER = nobody@nowhere SQL SECURITY INVOKER VIEW a_young AS {CHEAP} "
        "WITH CASCADED CHECK OPTION"
    )
    views.execute("CREATE TABLE b_old (x INT)")
    before = views.execute(MYSQL.format("a_young"))
    sql = ["CREATE VIEW a_young AS SELECT 1 AS id", "CREATE VIEW b_old AS SELECT id FROM a_young"]
    views.write({"fixes/migrations/0002_view.py": MIGRATION.format(sql=sql)})
    assert "b_old' is not of type 'VIEW'" in views.fail("run", views.the_dump / "restore.py", "-b")
    assert views.execute(MYSQL.format("a_young")) == before
    assert views.execute("SELECT COUNT(*) FROM shop_sale") == [(1,)]
