"""A foreign key that leads to another model today than when the dump was made."""

from __future__ import annotations

import json

import pytest
from past_site import V1
from sites import Site

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

OFFERS = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0002_codes")]
    operations = [
        migrations.CreateModel("Offer", [
            ("id", models.BigAutoField(primary_key=True)),
            ("amount", models.IntegerField(default=1)),
        ]),
        migrations.AlterField(
            "sale", "product", models.ForeignKey("shop.Offer", models.CASCADE)
        ),
    ]
"""
OFFER = """
class Offer(models.Model):
    amount = models.IntegerField(default=1)
"""
CHILD = """
class Offer(Product):
    amount = models.IntegerField(default=1)
"""
MIGRATOR = """
from dumpy import Migrator


class ShopMigrator(Migrator):
    def migrate_from_1(self, globals_dict):
        "Sales are of offers, which have the keys of their products."
        self.change_values("shop.Sale", "product", {})

        @self.before_load
        def make_offers(loader):
            from shop.models import Offer
            Offer.objects.bulk_create(Offer(pk=pk) for pk in (1, 7))

        return "2"
"""


@pytest.fixture
def site(first: Site) -> Site:
    """Return a site whose sales were of products, and are of offers today."""
    write_offer(first, OFFER)
    first.write({"shop/migrations/0003_offers.py": OFFERS})
    return first


def write_offer(site: Site, offer: str) -> None:
    """Give the site offers, to which sales refer."""
    text = V1["shop/models.py"].replace("\n\nclass Sale", f"{offer}\n\nclass Sale")
    site.write({"shop/models.py": text.replace("ForeignKey(Product", "ForeignKey(Offer")})


def test_keys_are_not_taken_for_those_of_another_model(site: Site) -> None:
    said = site.refuse_file()
    line = site.the_file.read_text().split("\n").index("        product_id=product_id,") + 1
    assert f"dump.py:{line}: shop.Sale.product_id: referred to shop.Product when" in said
    assert "restore with --through-migrations" in said
    assert 'self.change_values("shop.Sale", "product_id", {…})' in said
    assert "shop.Offer today" in site.refuse(site.the_dump)


def test_a_migrator_may_say_what_the_keys_become(site: Site) -> None:
    site.write({"migrators.py": MIGRATOR})
    site.edit(
        "site_settings.py", ("USE_TZ",
        "DUMPY = {'VERSION': '2', 'MIGRATION_CLASS': 'migrators.ShopMigrator'}\nUSE_TZ"),
    )  # fmt: skip
    site.edit("dump.py", ("SOURCE_VERSION = None", "SOURCE_VERSION = '1'"))
    site.restore_file()
    assert site.execute("SELECT id, product_id FROM shop_sale") == [(5, 7)]


def test_the_keys_of_a_child_are_those_of_its_parent(site: Site) -> None:
    write_offer(site, CHILD)
    migration = OFFERS.replace(
        '("id", models.BigAutoField(primary_key=True)),',
        '("product_ptr", models.OneToOneField("shop.Product", models.CASCADE, parent_link=True, '
        "primary_key=True)),",
    ).replace("\n        ]),", '\n        ], bases=("shop.product",)),')
    site.write({"shop/migrations/0003_offers.py": migration})
    said = site.refuse_file()
    assert "shop.Sale(pk=5): product_id=7 refers to a row of shop.Offer" in said
    assert "referred to" not in said


def test_a_check_says_so_beforehand(site: Site) -> None:
    found = json.loads(site.fail("checkdump", site.the_dump, "--json"))["findings"]
    (one,) = [finding for finding in found if finding["kind"] == "redirected"]
    assert (one["model"], one["field"], one["to"]) == ("shop.Sale", "product_id", "shop.Offer")
    assert (one["rows"], one["action"]) == (1, "migrate")


def test_an_app_that_is_not_installed_any_more_hides_no_other_key(site: Site) -> None:
    """W8: the past of the other apps is known."""
    site.edit(
        "dump.py", ("SOURCE_MIGRATIONS = {", "SOURCE_MIGRATIONS = {\n    'gone': '0001_initial',")
    )
    said = site.refuse_file()
    assert "shop.Sale.product_id: referred to shop.Product when" in said
    assert "--through-migrations" not in said
