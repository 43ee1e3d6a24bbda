"""A backend of a third party has the engine that it derives from."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.db.models import DecimalField

from dumpy.engines import engine_of
from dumpy.engines.sqlite import SQLite
from dumpy.errors import ConfigurationError
from dumpy.schema.tables import Column


class Derived(DatabaseWrapper):
    """A backend under a name of its own."""

    vendor = "derived"


class Oracle(BaseDatabaseWrapper):
    """A backend that derives from no other."""

    vendor = "oracle"


def test_a_backend_derived_from_djangos_has_its_engine() -> None:
    assert isinstance(engine_of(Derived({"ENGINE": "derived"}, "default")), SQLite)


def test_a_number_of_a_field_without_limits_is_stored_on_sqlite() -> None:
    field: DecimalField[Any, Any] = DecimalField()
    field.set_attributes_from_name("amount")
    prepare = SQLite(Derived({"ENGINE": "derived"}, "default")).preparation(Column(field))
    assert prepare is not None
    assert Decimal(prepare(Decimal("12345678901234567890.5"))) == Decimal("12345678901234567890.5")


def test_a_backend_of_another_engine_is_refused_with_what_it_misses() -> None:
    connection = Oracle.__new__(Oracle)
    connection.alias, connection.settings_dict = "warehouse", {"ENGINE": "some.oracle"}
    with pytest.raises(ConfigurationError) as caught:
        engine_of(connection)
    assert str(caught.value) == (
        "The database 'warehouse' uses the backend 'some.oracle', for which dumpy has no "
        "snapshots, locks, or scratch databases: use SQLite, PostgreSQL, MySQL or MariaDB, with "
        "Django's backend or one that derives from it."
    )
