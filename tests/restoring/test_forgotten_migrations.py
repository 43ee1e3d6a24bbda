"""A model that has changed without a migration cannot be restored: it is said once, before rows."""

from __future__ import annotations

import pytest
from sites import Site

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db


def test_a_field_that_no_migration_makes_is_named_with_what_to_do(first: Site) -> None:
    price = "    price = models.IntegerField()\n"
    more = "    extra = models.CharField(max_length=5, default='x')\n"
    first.edit("shop/models.py", (price, price + more))
    said = first.refuse(first.the_dump)
    assert "No migration creates shop_product.extra: a model has changed. Run manage.py" in said
    first.succeed("makemigrations", "shop", "-v0")
    first.restore(first.the_dump)
    assert first.execute("SELECT extra FROM shop_product") == [("x",), ("x",)]
