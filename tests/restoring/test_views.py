"""Views are there again after a restore, with all that belongs to them."""

from __future__ import annotations

import pytest
from django.conf import settings
from sites import Site

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

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


@pytest.mark.skipif(settings.ENGINE == "mysql", reason="there a view stays where it is")
def test_views_that_read_each_other_are_there_again(views: Site) -> None:
    views.execute("CREATE VIEW b_old AS SELECT id, price FROM shop_product")
    views.execute("CREATE VIEW c_middle AS SELECT id, price FROM b_old")
    views.execute("CREATE VIEW a_young AS SELECT id, price FROM c_middle")
    views.restore(views.the_dump)
    assert views.execute("SELECT id, price FROM a_young ORDER BY id") == [(1, 11), (7, 22)]


def test_views_without_a_model_are_there_again(first: Site) -> None:
    """They read tables of the project, or each other."""
    first.restore(first.the_dump)
    first.execute("CREATE VIEW b_products AS SELECT id, title FROM shop_product")
    first.execute("CREATE VIEW a_titles AS SELECT title FROM b_products")
    before = first.execute("SELECT title FROM a_titles ORDER BY title")
    assert before
    first.restore(first.the_dump)
    assert first.execute("SELECT title FROM a_titles ORDER BY title") == before


@pytest.mark.sqlite
def test_a_trigger_of_a_view_is_there_again(views: Site) -> None:
    views.execute("CREATE VIEW b_old AS SELECT id, price FROM shop_product")
    views.execute(
        "CREATE TRIGGER set_price INSTEAD OF UPDATE ON b_old BEGIN "
        "UPDATE shop_product SET price = NEW.price WHERE id = NEW.id; END"
    )
    views.restore(views.the_dump)
    views.execute("UPDATE b_old SET price = 5 WHERE id = 7")
    assert views.execute("SELECT price FROM shop_product WHERE id = 7") == [(5,)]


MAKE_VIEWS = """
CREATE MATERIALIZED VIEW b_old WITH (fillfactor = 70) AS SELECT id, price FROM shop_product;
CREATE UNIQUE INDEX "By Id" ON b_old (id);
CREATE INDEX by_price ON b_old (price DESC) WHERE price > 3;
COMMENT ON MATERIALIZED VIEW b_old IS 'it''s 5% old';
GRANT SELECT ON b_old TO {reader} WITH GRANT OPTION;
CREATE MATERIALIZED VIEW c_middle AS SELECT id FROM b_old WITH NO DATA;
CREATE VIEW a_young WITH (security_invoker = true, security_barrier = true, check_option = local)
AS SELECT id, price FROM shop_product WHERE price < 100;
GRANT INSERT, SELECT ON a_young TO PUBLIC;
GRANT UPDATE (id) ON a_young TO {reader};
GRANT CREATE ON SCHEMA public TO {reader};
ALTER MATERIALIZED VIEW b_old OWNER TO {reader};
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER nothing INSTEAD OF DELETE ON a_young FOR EACH ROW EXECUTE FUNCTION nothing()
"""
POSTGRESQL = """
    SELECT relname, relkind, reloptions, pg_get_userbyid(relowner), relacl::text, relispopulated,
        obj_description(pg_class.oid), pg_get_viewdef(pg_class.oid), attacl::text,
        ARRAY(SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = pg_class.oid),
        ARRAY(SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t WHERE tgrelid = pg_class.oid)
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'id'
    WHERE relname IN ('a_young', 'b_old', 'c_middle') ORDER BY relname
"""


@pytest.mark.postgresql
def test_what_belongs_to_a_view_is_there_again(views: Site, reader: str) -> None:
    for sql in MAKE_VIEWS.format(reader=reader).split(";\n"):
        views.execute(sql)
    before = views.execute(POSTGRESQL)
    views.restore(views.the_dump)
    assert views.execute(POSTGRESQL) == before


@pytest.mark.postgresql
def test_a_view_of_another_schema_is_named_with_what_to_do(views: Site) -> None:
    views.execute("CREATE SCHEMA reports")
    views.execute("CREATE VIEW reports.prices AS SELECT price FROM shop_product")
    said = views.refuse(views.the_dump)
    assert "view reports.prices depends on table shop_product" in said
    assert "Drop what depends on them, and make it again after the restore." in said


MYSQL = (
    "SELECT view_definition, check_option, security_type, definer, algorithm "
    "FROM information_schema.views WHERE table_schema = DATABASE() AND table_name = '{}'"
)
CHEAP = "SELECT id, price FROM shop_product WHERE price < 100"


@pytest.mark.mysql
def test_a_view_that_a_migration_makes_is_what_it_says(views: Site) -> None:
    made = (
        "CREATE ALGORITHM = MERGE DEFINER = nobody@nowhere SQL SECURITY INVOKER VIEW {} "
        f"AS {CHEAP} WITH LOCAL CHECK OPTION"
    )
    views.execute(made.format("b_old"))
    views.write({"fixes/migrations/0002_view.py": MIGRATION.format(sql=made.format("a_young"))})
    views.restore(views.the_dump)
    assert views.execute(MYSQL.format("a_young")) == views.execute(MYSQL.format("b_old"))


@pytest.mark.mysql
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
