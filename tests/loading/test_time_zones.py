"""USE_TZ changed between dump and load: an instant stays an instant."""

from __future__ import annotations

from datetime import datetime, timezone
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from dumps import module as dump_of
from dumps import rows
from loading_tools import Load, values

from zoo.models import Feeding

# The columns of PostgreSQL are made for the setting with which they were migrated.
pytestmark = pytest.mark.django_db

FIELDS = "id trough_id animal_id kilos fed_at"
TABLES = (rows("zoo.Trough", "id name", (1, "x")), rows("zoo.Animal", "id name", (1, "x")))


def feeding(source: str) -> str:
    """Return a dump of one feeding at a moment given as source."""
    return dump_of(*TABLES, rows("zoo.Feeding", FIELDS, f"1, 1, 1, Decimal('1'), {source}"))


@pytest.mark.sqlite
@pytest.mark.mysql
def test_an_aware_moment_becomes_local_time_where_times_are_naive(
    load: Load, settings: Any
) -> None:
    """L1: naive times are shifted."""
    settings.USE_TZ = False
    load(feeding("utc(2024, 1, 31, 9, 30, 0, 1)"))
    assert values(Feeding, "fed_at") == [datetime(2024, 1, 31, 11, 30, 0, 1)]


def test_a_naive_moment_is_local_time_where_times_are_aware(load: Load) -> None:
    """L1"""
    load(feeding("datetime(2024, 1, 31, 11, 30, 0, 1)"))
    expected = datetime(2024, 1, 31, 9, 30, 0, 1, tzinfo=timezone.utc)
    assert values(Feeding, "fed_at") == [expected]


@pytest.mark.sqlite
@pytest.mark.mysql
@pytest.mark.parametrize("before", [True, False])
def test_there_and_back_a_moment_is_the_same(load: Load, settings: Any, before: bool) -> None:
    """L1"""
    settings.USE_TZ = before
    load(feeding("datetime(2024, 7, 31, 11, 30, 0, 123456)"))
    first = dumped()
    settings.USE_TZ = not before
    load(first)
    second = dumped()
    settings.USE_TZ = before
    load(second)
    assert first != second
    assert dumped() == first


def dumped() -> str:
    """Return a dump of the feedings, then delete them."""
    out = StringIO()
    call_command("dumpdata", "zoo.Feeding", format="py", stdout=out)
    Feeding.objects.all().delete()
    return out.getvalue()


def test_a_moment_is_written_in_utc_whatever_the_time_zone(load: Load, settings: Any) -> None:
    load(feeding("utc(2024, 1, 31, 9, 30)"))
    settings.TIME_ZONE = "Asia/Kathmandu"
    assert "utc(2024, 1, 31, 9, 30)" in dumped()


@pytest.mark.sqlite
@pytest.mark.mysql
def test_a_naive_moment_is_written_naive(load: Load, settings: Any) -> None:
    settings.USE_TZ = False
    load(feeding("datetime(2024, 1, 31, 9, 30)"))
    assert "datetime(2024, 1, 31, 9, 30)" in dumped()


def test_both_hours_of_a_fold_are_kept(load: Load) -> None:
    hours = ["utc(2024, 10, 27, 0, 30)", "utc(2024, 10, 27, 1, 30)"]
    many = [f"{pk}, 1, 1, Decimal('1'), {hour}" for pk, hour in enumerate(hours, 1)]
    load(dump_of(*TABLES, rows("zoo.Feeding", FIELDS, *many)))
    assert [moment.hour for moment in values(Feeding, "fed_at")] == [0, 1]
