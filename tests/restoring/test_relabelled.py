"""A label that somebody edits in a dump is that of all references to the model by name."""

from __future__ import annotations

import pytest
from past_site import RENAME, V2
from sites import Site

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

OF_PRODUCTS = """
from django.contrib.contenttypes.models import ContentType
from shop.models import Product
Product.objects.filter(pk=7).update(about=ContentType.objects.get_for_model(Product))
"""
EDITS = {
    "resolve_model('shop.Product')": "resolve_model('shop.Item')",
    "        title=title": "        name=title",
    "        price=price": "        cents=price",
}
ABOUT = (
    "SELECT c.app_label, c.model FROM shop_item i "
    "JOIN django_content_type c ON c.id = i.about_id WHERE i.id = 7"
)


@pytest.fixture
def site(first: Site) -> Site:
    """Return the site in its second version, with dumps that were edited accordingly."""
    first.restore(first.the_dump)
    first.succeed("shell", "-v0", "-c", OF_PRODUCTS)
    first.dump("dump")
    first.succeed("dumpdata", "--format=py", "-o", first.the_file)
    # Where keys come from a sequence, a row that this adds would take the key of another.
    rename = RENAME.replace("        migrations.RunPython(more),\n", "")
    rename = rename.replace("IntegerField(null=True)", "IntegerField(default=0)")
    first.write({**V2, "shop/migrations/0003_rename.py": rename})
    for name in ("dump.py", "dump/restore.py"):
        for old, new in EDITS.items():
            first.edit(name, (old, new))
    return first


def test_content_types_are_those_of_the_model_that_a_person_names(site: Site) -> None:
    said = site.restore(site.the_dump)
    assert "a content type was made" not in said
    assert site.execute(ABOUT) == [("shop", "item")]


def test_so_are_those_of_a_single_file(site: Site) -> None:
    site.restore_file()
    assert site.execute(ABOUT) == [("shop", "item")]
    site.succeed("flush", "--noinput")
    site.succeed("loaddata", site.the_file)
    assert site.execute(ABOUT) == [("shop", "item")]
