"""A site with a past."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections
from pytest_django.plugin import DjangoDbBlocker

# The site that this one is made of.
sys.path.append(str(Path(__file__).parents[1] / "directory"))

from past_site import V2, PastSite
from small_site import new_databases


@pytest.fixture(scope="session")
def made_site(
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[PastSite]:
    """Return a site whose database lives as long as the tests."""
    directory = tmp_path_factory.mktemp("past")
    name = "past"
    if settings.ENGINE != "sqlite":
        name = f"dumpy_past_{connections['default'].settings_dict['NAME']}"[-40:]
    with django_db_blocker.unblock():
        recreate(name)
        site = PastSite(directory, new_databases({"default": name}, directory))
        site.make()
        yield site
        _drop(name)


@pytest.fixture
def first(
    made_site: PastSite, tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> Iterator[PastSite]:
    """Return the site with the code of its first version, which a test may change.

    Its database has one table of the project, with one row.
    """
    with django_db_blocker.unblock():
        name = made_site.databases["default"]["NAME"]
        recreate(str(name))
        made_site.execute("CREATE TABLE shop_sale (id integer, product_id integer)")
        made_site.execute("INSERT INTO shop_sale VALUES (99, 98)")
        yield made_site.copied(tmp_path / "site")


@pytest.fixture
def site(first: PastSite) -> PastSite:
    """Return the site with the code of its second version."""
    first.write(V2)
    return first


@pytest.fixture
def reader(first: PastSite) -> Iterator[str]:
    """Return the name of a role of the server, of PostgreSQL."""
    name = f"{first.databases['default']['NAME']}_reader"
    first.execute(f"DROP ROLE IF EXISTS {name}")
    first.execute(f"CREATE ROLE {name}")
    yield name
    first.execute(f"REASSIGN OWNED BY {name} TO CURRENT_USER")
    first.execute(f"DROP OWNED BY {name}")
    first.execute(f"DROP ROLE {name}")


def recreate(name: str) -> None:
    """Make a database anew."""
    _drop(name)
    _run(f"CREATE DATABASE {name} {connections['default'].creation.sql_table_creation_suffix()}")


def _drop(name: str) -> None:
    if settings.ENGINE == "sqlite":
        Path(name).unlink(missing_ok=True)
    for aside in ("", "_dumpy_stage", "_dumpy_old"):
        _run(f"DROP DATABASE IF EXISTS {name}{aside}")


def _run(sql: str) -> None:
    if settings.ENGINE != "sqlite":
        with connections["default"]._nodb_cursor() as cursor:
            cursor.execute(sql)
