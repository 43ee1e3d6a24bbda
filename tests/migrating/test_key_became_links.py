"""A foreign key that has become a many-to-many field, as the guides say to handle it."""

from __future__ import annotations

import pytest
from sites import Site, Version

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

MODELS = """
from django.db import models


class Kind(models.Model):
    name = models.CharField(max_length=9)


class Item(models.Model):
    name = models.CharField(max_length=9)
    {}
"""
KEY = "kind = models.ForeignKey(Kind, models.CASCADE, null=True)"
LINKS = "kinds = models.ManyToManyField(Kind)"
FILL = """
from shop.models import Item, Kind
Item.objects.create(pk=1, name="saw", kind=Kind.objects.create(pk=7, name="tool"))
Item.objects.create(pk=2, name="thing")
"""
BEFORE = Version({"shop/models.py": MODELS.format(KEY)}, {"DUMPY": {"VERSION": "1"}}, fill=FILL)
AFTER = Version({"shop/models.py": MODELS.format(LINKS)})
MIGRATOR = """
from dumpy import Migrator, override
from dumpy.dump import new


class ShopMigrator(Migrator):
    def migrate_from_1(self, globals_dict):
        "Items have several kinds."
        Item = self.model("shop.Item")

        @override(globals_dict)
        def create_shop_item(kind_id, **fields):
            return new(Item, kinds=[] if kind_id is None else [kind_id], **fields)

        return "2"
"""


def links(site: Site) -> str:
    """Return the kinds of each item."""
    return site.shell("""
from shop.models import Item
print([[*item.kinds.values_list("pk", flat=True)] for item in Item.objects.order_by("pk")])
""")


def edit(site: Site, *replacements: tuple[str, str]) -> None:
    """Edit restore.py."""
    path = site.the_dump / "restore.py"
    text = path.read_text()
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


LIST = "kind_id=kind_id,", "kinds=[] if kind_id is None else [kind_id],"


def test_restore_py_as_a_program_makes_lists_of_keys(shop: Site) -> None:
    edit(shop, LIST, ("# dumpy: format 1", "# dumpy: program 1"))
    shop.restore(shop.the_dump)
    assert links(shop) == "[[7], []]\n"


def test_a_migrator_makes_lists_of_keys(shop: Site) -> None:
    shop.write({"shop/migrator.py": MIGRATOR})
    shop.configure(DUMPY={"VERSION": "2", "MIGRATION_CLASS": "shop.migrator.ShopMigrator"})
    shop.restore(shop.the_dump)
    assert links(shop) == "[[7], []]\n"


def test_a_list_of_a_parameter_is_refused_as_code(shop: Site) -> None:
    edit(shop, ("kind_id=kind_id,", "kinds=[kind_id],"))
    said = shop.refuse(shop.the_dump)
    assert "[kind_id] is computed from the parameter kind_id." in said
    assert "write '# dumpy: program 1' as its first line" in said


def test_a_restore_names_the_new_field_and_both_ways_to_keep_the_values(shop: Site) -> None:
    said = shop.refuse(shop.the_dump)
    assert "kind_id: was a foreign key, and may be the many-to-many field kinds now" in said
    assert "this one: kinds=[] if kind_id is None else [kind_id],\n" in said
    assert '  self.rename_field("shop.Item", "kind_id", "kinds")\n' in said
    assert "Comment the line out" not in said


def test_it_names_a_foreign_key_that_was_a_many_to_many_field_too(shop: Site) -> None:
    shop.succeed("migrate", "--run-syncdb", "-v0")
    shop.shell(
        "from shop.models import Item, Kind\n"
        "Item.objects.create(name='saw').kinds.create(name='tool')"
    )
    shop.dump("dump")
    shop.become(BEFORE)
    said = shop.refuse(shop.the_dump)
    assert "kinds: was a many-to-many field, and may be the foreign key kind_id now" in said
    assert "this one: kind_id=kinds[0] if kinds else None,\n" in said
