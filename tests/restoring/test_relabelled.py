"""A label that somebody edits in a dump is that of all references to the model by name."""

from __future__ import annotations

import re

import pytest
from past_site import RENAME, V2
from sites import Site

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

OF_PRODUCTS = """
from django.contrib.contenttypes.models import ContentType
from shop.models import Product
from django.contrib.auth.models import Group, Permission
Product.objects.filter(pk=7).update(about=ContentType.objects.get_for_model(Product))
Group.objects.get().permissions.add(Permission.objects.get(codename="view_product"))
"""
PERMISSIONS = """
from django.contrib.auth.models import Group
rows = Group.objects.get().permissions.values_list("content_type__app_label",
    "content_type__model", "codename")
print(sorted(map(".".join, rows)))
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


def run_as_programs(site: Site) -> None:
    for name in ("dump.py", "dump/restore.py"):
        site.edit(name, ("# dumpy: format 1", "# dumpy: program 1"))


def test_so_are_those_of_programs(site: Site) -> None:
    run_as_programs(site)
    for restore in (lambda: site.restore(site.the_dump), site.restore_file):
        said = restore()
        assert "a content type was made" not in said
        assert site.execute(ABOUT) == [("shop", "item")]
    site.succeed("flush", "--noinput")
    site.succeed("loaddata", site.the_file)
    assert site.execute(ABOUT) == [("shop", "item")]


def test_the_summary_of_a_program_has_the_label_that_a_person_names(site: Site) -> None:
    run_as_programs(site)
    said = site.manage("restore", site.the_dump, typed="n\n").stdout
    assert "shop.Product" not in said
    assert re.search(r"^shop.Item +0 +[1-9]", said, re.MULTILINE), said


def test_and_those_of_a_row_that_is_code(site: Site) -> None:
    run_as_programs(site)
    site.edit("dump.py", ("create_shop_product(7, 'two'", "create_shop_product(6 + 1, 'two'"))
    site.restore_file()
    assert site.execute(ABOUT) == [("shop", "item")]


def test_a_group_keeps_its_permissions_for_a_renamed_model(site: Site) -> None:
    run_as_programs(site)
    site.restore(site.the_dump)
    assert site.shell(PERMISSIONS) == "['shop.item.view_product', 'shop.sale.view_sale']\n"
