"""A site with a past."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from past_site import PAST, V2
from sites import NewSite, Site


@pytest.fixture(scope="session")
def made_site(new_site: NewSite) -> Site:
    """Return the site whose copies the tests get."""
    return new_site("past", PAST)


@pytest.fixture
def first(made_site: Site, tmp_path: Path, unblocked: None) -> Site:
    """Return the site with the code of its first version.

    Its database has one table of the project, with one row.
    """
    site = made_site.copied(tmp_path / "site", filled=False)
    site.execute("CREATE TABLE shop_sale (id integer, product_id integer)")
    site.execute("INSERT INTO shop_sale VALUES (99, 98)")
    return site


@pytest.fixture
def site(first: Site) -> Site:
    """Return the site with the code of its second version."""
    first.write(V2)
    return first


@pytest.fixture
def reader(first: Site) -> Iterator[str]:
    """Return the name of a role of the server, of PostgreSQL."""
    name = f"{first.databases['default']['NAME']}_reader"
    first.execute(f"DROP ROLE IF EXISTS {name}")
    first.execute(f"CREATE ROLE {name}")
    yield name
    first.execute(f"REASSIGN OWNED BY {name} TO CURRENT_USER")
    first.execute(f"DROP OWNED BY {name}")
    first.execute(f"DROP ROLE {name}")
