"""What others may do with the tables of a site they may do after a restore: on PostgreSQL."""

from __future__ import annotations

import pytest
from past_site import V2
from sites import Site

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

GRANTS = """
GRANT CREATE ON SCHEMA public TO {reader};
ALTER TABLE shop_sale OWNER TO {reader};
GRANT SELECT, DELETE ON shop_sale TO PUBLIC;
GRANT SELECT ON shop_product TO {reader} WITH GRANT OPTION;
GRANT USAGE, SELECT ON SEQUENCE shop_product_id_seq TO {reader};
GRANT UPDATE (title, price) ON shop_product TO {reader};
REVOKE DELETE, TRUNCATE ON shop_product FROM CURRENT_USER;
GRANT SELECT ON stock_place TO {reader}
"""
RIGHTS = """
    SELECT relname, pg_get_userbyid(relowner),
        ARRAY(SELECT acl::text FROM unnest(relacl) AS acl ORDER BY 1),
        ARRAY(
            SELECT attname || attacl::text FROM pg_attribute
            WHERE attrelid = pg_class.oid AND attacl IS NOT NULL ORDER BY attname
        )
    FROM pg_class WHERE relkind IN ('r', 'S', 'v') AND relnamespace = 'public'::regnamespace
    ORDER BY relname
"""
POLICY = """
ALTER TABLE shop_product ENABLE ROW LEVEL SECURITY;
CREATE POLICY cheap ON shop_product USING (price < 100)
"""
VIEW = "CREATE VIEW b_old AS SELECT id, price FROM shop_product"
MIGRATION = """
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial"), ("fixes", "0001_once")]
    operations = [migrations.RunSQL({sql!r})]
"""


@pytest.fixture
def shop(first: Site) -> Site:
    """Return the site, restored."""
    first.restore(first.the_dump)
    return first


def execute(site: Site, statements: str) -> None:
    """Execute statements, one after the other."""
    for sql in statements.strip().split(";\n"):
        site.execute(sql)


def test_owners_and_grants_are_what_they_were(shop: Site, reader: str) -> None:
    execute(shop, GRANTS.format(reader=reader))
    before = shop.execute(RIGHTS)
    shop.restore(shop.the_dump)
    assert shop.execute(RIGHTS) == before


def test_what_was_not_granted_before_is_not_granted_by_default(shop: Site, reader: str) -> None:
    before = shop.execute(RIGHTS)
    execute(
        shop,
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {reader};\n"
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO {reader}",
    )
    shop.restore(shop.the_dump)
    after = shop.execute(RIGHTS)
    assert reader not in str(after)
    assert [row[:2] for row in after] == [row[:2] for row in before]


def test_grants_on_what_is_gone_are_passed_over(shop: Site, reader: str) -> None:
    shop.execute("ALTER TABLE shop_sale ADD COLUMN by_hand integer")
    shop.execute(f"GRANT UPDATE (by_hand, id) ON shop_sale TO {reader}")
    shop.execute(f"GRANT SELECT ON shop_product TO {reader}")
    shop.write(V2)
    shop.restore(shop.the_dump, "--through-migrations")
    assert shop.execute("SELECT 1 FROM pg_class WHERE relname = 'shop_product'") == []
    columns = f"SELECT attname FROM pg_attribute WHERE attacl::text LIKE '%{reader}%'"
    assert shop.execute(columns) == [("id",)]


def test_owners_are_given_back_beside_rows_that_are_still_to_be_checked(
    shop: Site, reader: str
) -> None:
    """A new model gets permissions when all else is done, and these refer to its content type."""
    shop.execute(f"GRANT CREATE ON SCHEMA public TO {reader}")
    shop.execute(f"ALTER TABLE auth_permission OWNER TO {reader}")
    models = (shop.directory / "stock/models.py").read_text()
    shop.write({"stock/models.py": f"{models}\n\nclass Shelf(models.Model):\n    pass\n"})
    shop.restore(shop.the_dump)
    owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'auth_permission'"
    assert shop.execute(owner) == [(reader,)]


def test_what_a_view_of_a_migration_grants_beside_it_is_there_again(
    shop: Site, reader: str
) -> None:
    shop.write({"fixes/migrations/0002_view.py": MIGRATION.format(sql=VIEW)})
    shop.restore(shop.the_dump)
    shop.execute(f"GRANT SELECT ON b_old TO {reader}")
    before = shop.execute(RIGHTS)
    shop.restore(shop.the_dump)
    assert shop.execute(RIGHTS) == before


def test_the_name_of_a_role_may_be_anything(shop: Site, reader: str) -> None:
    odd = f'{reader} "says" 5%'
    quoted = '"{}"'.format(odd.replace('"', '""'))
    shop.execute(f"ALTER ROLE {reader} RENAME TO {quoted}")
    try:
        shop.execute(f"GRANT SELECT ON shop_product TO {quoted}")
        before = shop.execute(RIGHTS)
        shop.restore(shop.the_dump)
        assert shop.execute(RIGHTS) == before
    finally:
        shop.execute(f"ALTER ROLE {quoted} RENAME TO {reader}")


def test_what_cannot_be_given_back_is_said_with_what_to_do(shop: Site, reader: str) -> None:
    """A member of the role that owns the tables makes them, but that role may make none."""
    member = f"{reader}_member"
    shop.execute(f"CREATE ROLE {member} IN ROLE {reader}")
    shop.execute(f"GRANT CREATE ON SCHEMA public TO {member}")
    for (table,) in shop.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
        shop.execute(f"ALTER TABLE {table} OWNER TO {reader}")
    settings = (shop.directory / "site_settings.py").read_text()
    options = f"DATABASES['default'].setdefault('OPTIONS', {{}})['assume_role'] = {member!r}\n"
    shop.write({"site_settings.py": f"{settings}{options}"})
    try:
        said = shop.refuse(shop.the_dump)
        assert f'or first: GRANT CREATE ON SCHEMA … TO "{reader}"' in said
        shop.execute(f"GRANT CREATE ON SCHEMA public TO {reader}")
        shop.restore(shop.the_dump)
    finally:
        shop.execute(f"DROP OWNED BY {member}")
        shop.execute(f"DROP ROLE {member}")


def test_a_policy_that_would_be_lost_refuses_the_restore(shop: Site) -> None:
    """Those who may read the table would see all of its rows."""
    execute(shop, POLICY)
    lost = "security that no migration makes would be lost: those of 'shop_product'. Put them into"
    assert lost in shop.refuse(shop.the_dump)
    shop.execute("ALTER TABLE shop_product DISABLE ROW LEVEL SECURITY")
    assert lost in shop.refuse(shop.the_dump)
    shop.execute("DROP POLICY cheap ON shop_product")
    shop.restore(shop.the_dump)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER POLICY cheap ON shop_product USING (false)",
        "ALTER TABLE shop_product FORCE ROW LEVEL SECURITY",
    ],
)
def test_a_policy_that_was_changed_by_hand_refuses_the_restore(shop: Site, change: str) -> None:
    shop.write({"fixes/migrations/0002_policy.py": MIGRATION.format(sql=POLICY)})
    shop.restore(shop.the_dump)
    shop.execute(change)
    assert "would be lost: those of 'shop_product'" in shop.refuse(shop.the_dump)


def test_a_policy_that_a_migration_makes_is_there(shop: Site) -> None:
    shop.write({"fixes/migrations/0002_policy.py": MIGRATION.format(sql=POLICY)})
    shop.restore(shop.the_dump)
    shop.restore(shop.the_dump)
    assert shop.execute("SELECT polname FROM pg_policy") == [("cheap",)]
