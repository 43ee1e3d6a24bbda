"""Tables in schemas of PostgreSQL, by the search_path or by the name of a table."""

from __future__ import annotations

from pathlib import Path

import pytest
from sites import NewSite, Site, Version

pytestmark = [pytest.mark.postgresql, pytest.mark.slow, pytest.mark.django_db]

MODELS = """
from django.db import models


class Client(models.Model):
    name = models.CharField(max_length=20)

    class Meta:
        db_table = '"crm"."client"'


class Order(models.Model):
    client = models.ForeignKey(Client, models.CASCADE)
"""
MIGRATION = """
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.RunSQL("CREATE SCHEMA crm"),
        migrations.CreateModel(
            "Client",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("name", models.CharField(max_length=20)),
            ],
            {"db_table": '"crm"."client"'},
        ),
        migrations.CreateModel("Order", [
            ("id", models.BigAutoField(primary_key=True)),
            ("client", models.ForeignKey("shop.Client", models.CASCADE)),
        ]),
    ]
"""
NEWER = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.AddField("client", "age", models.IntegerField(null=True))]
"""
FILL = """
from shop.models import *

for name in ("one", "two"):
    Order.objects.create(client=Client.objects.create(name=name))
"""
APPS = ["django.contrib.contenttypes", "dumpy", "shop"]
CHANGE = "from shop.models import *\nClient.objects.get(pk=1).delete()\n" + FILL
COUNT = (
    "from shop.models import *\nprint(Order.objects.count(), Order.objects.create(client_id=1).pk)"
)


@pytest.fixture(scope="module")
def made_site(new_site: NewSite) -> Site:
    """Return a site whose migrations make a schema and a table in it."""
    files = {"shop/models.py": MODELS, "shop/migrations/0001_initial.py": MIGRATION}
    return new_site("schemas", Version(files, {"INSTALLED_APPS": APPS}, FILL))


@pytest.fixture
def site(made_site: Site, tmp_path: Path, unblocked: None) -> Site:
    return made_site.copied(tmp_path / "site")


def test_a_table_in_a_named_schema_is_emptied_and_filled(site: Site) -> None:
    dump = site.dump("dump")
    site.shell(CHANGE)
    site.restore(dump)
    assert site.rows('"crm"."client"', "id", "name") == [(1, "one"), (2, "two")]
    assert site.shell(COUNT).split() == ["2", "3"]


def test_a_table_in_a_named_schema_is_made_anew(site: Site) -> None:
    dump = site.dump("dump")
    site.shell(CHANGE)
    field = "    age = models.IntegerField(null=True)\n"
    site.edit("shop/models.py", ("    name =", f"{field}    name ="))
    site.write({"shop/migrations/0002_age.py": NEWER})
    site.restore(dump)
    assert site.rows('"crm"."client"', "id", "age") == [(1, None), (2, None)]
    assert site.shell(COUNT).split() == ["2", "3"]


def test_a_scratch_database_has_the_schemas_of_the_database(site: Site) -> None:
    dump = site.dump("dump")
    assert "can be restored" in site.succeed("checkdump", dump)
    assert "has passed" in site.succeed("ddt", dump)


def test_a_search_path_is_followed_in_a_scratch_database(site: Site) -> None:
    site.execute("CREATE SCHEMA tenant")
    text = (site.directory / "site_settings.py").read_text()
    path = "DATABASES['default'].setdefault('OPTIONS', {})['options'] = "
    site.write({"site_settings.py": f"{text}{path}'-c search_path=tenant'\n"})
    site.execute("DROP TABLE public.shop_order; DROP SCHEMA crm CASCADE")
    site.succeed("migrate")
    site.shell(FILL)
    assert "has passed" in site.succeed("ddt")
