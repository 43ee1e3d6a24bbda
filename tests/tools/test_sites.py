"""A site is a project; its copies have files and databases of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from sites import NewSite, Site, Version

# Databases are copied in another way on each engine, as nothing else here is.
pytestmark = [
    pytest.mark.django_db, pytest.mark.sqlite, pytest.mark.postgresql, pytest.mark.mysql,
]  # fmt: skip

MODELS = """
from django.db import models


class Item(models.Model):
    name = models.CharField(max_length=9)


class Part(models.Model):
    item = models.ForeignKey(Item, models.CASCADE)
"""
FILL = "from shop.models import Item; Item.objects.create(pk=7, name='one').part_set.create(pk=3)"
SHOP = Version({"shop/models.py": MODELS}, {"INSTALLED_APPS": ["dumpy", "shop"]}, FILL)


@pytest.fixture(scope="module")
def made(new_site: NewSite) -> Site:
    """Return a filled site."""
    return new_site("tools", SHOP)


def test_a_copy_holds_the_same(made: Site, tmp_path: Path, unblocked: None) -> None:
    copy = made.copied(tmp_path / "site")
    assert copy.contents() == made.contents()
    assert copy.rows("shop_part", "id", "item_id") == [(3, 7)]
    assert copy.shell("from shop.models import *; print(Part.objects.get().item.name)") == "one\n"


def test_what_a_copy_changes_is_not_in_the_next(
    made: Site, tmp_path: Path, unblocked: None
) -> None:
    copy = made.copied(tmp_path / "one")
    copy.write({"shop/models.py": "", "other/more.py": ""})
    copy.configure("DEBUG = True\n", INSTALLED_APPS=[])
    copy.execute("DELETE FROM shop_part")
    copy.execute("CREATE TABLE stranger (id integer)")
    following = made.copied(tmp_path / "two")
    assert following.contents() == made.contents()
    assert len(following.contents()["shop_part"]) == 1
    assert following.shell("from django.conf import settings; print(settings.DEBUG)") == "False\n"
    assert not (following.directory / "other").exists()


def test_a_copied_table_has_its_next_key_and_its_constraints(
    made: Site, tmp_path: Path, unblocked: None
) -> None:
    copy = made.copied(tmp_path / "site")
    copy.shell("from shop.models import *; Part.objects.create(item=Item.objects.get())")
    assert copy.rows("shop_part", "item_id") == [(7,), (7,)]
    refused = "INSERT INTO shop_part (id, item_id) VALUES (99, 98)"
    code = f"from django.db import connection as c; c.cursor().execute({refused!r})"
    code += "; c.check_constraints()"
    assert "IntegrityError" in copy.fail("shell", "-v0", "-c", code)


def test_a_copy_may_be_empty(made: Site, tmp_path: Path, unblocked: None) -> None:
    assert made.copied(tmp_path / "site", filled=False).contents() == {}
