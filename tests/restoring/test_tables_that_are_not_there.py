"""A table that is not there to be filled is named, with the reason."""

from __future__ import annotations

import pytest
from sites import Site

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

ROUTER = """
class Split:
    def allow_migrate(self, db, app_label, **hints):
        return app_label != "stock" if db == "default" else app_label == "stock"
"""


def test_rows_of_a_model_that_a_router_keeps_out_are_refused_by_name(first: Site) -> None:
    first.write({"routers.py": ROUTER})
    first.configure(DATABASE_ROUTERS=["routers.Split"])
    cause = "the router of the project keeps the model out of the database 'default'"
    for said in (
        first.refuse(first.the_dump),
        first.refuse_file(),
        first.fail("checkdump", first.the_dump),
    ):
        assert "The table 'stock_place' of stock.Place does not exist" in said
        assert cause in said
    first.edit("dump/restore.py", ("    'stock_place.py',", "    # 'stock_place.py',"))
    first.restore(first.the_dump)


def test_a_model_without_a_migration_is_refused_by_name(first: Site) -> None:
    nothing = (
        "from django.db import migrations\n\n\nclass Migration(migrations.Migration):\n    pass\n"
    )
    first.write({"stock/migrations/__init__.py": "", "stock/migrations/0001_initial.py": nothing})
    said = first.refuse(first.the_dump)
    assert "The table 'stock_place' of stock.Place does not exist, and no migration creates" in said
