"""The field table: (field, value) × format; what is dumped and loaded is what was there."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.core.serializers import deserialize
from django.db import connection
from django.db.models import Model
from writing_tools import dumped, put, reload, stored

from zoo.models import Checkup, Diet, Journal, OptionalCheckup
from zoo.values import JSON_NULL, by_engine

pytestmark = pytest.mark.django_db

CASES = [
    pytest.param(name, value, id=f"{name}-{number}")
    for name, values in by_engine(settings.ENGINE).items()
    for number, value in enumerate(values)
]
PRECISE = datetime(2024, 1, 31, 9, 30, 15, 123_456, tzinfo=timezone.utc)


@pytest.mark.parametrize("model", [Checkup, OptionalCheckup])
@pytest.mark.parametrize(("field", "value"), CASES)
def test_a_value_comes_back_exactly(model: type[Model], field: str, value: Any) -> None:
    """D1, L1"""
    put(model(pk=1, **{field: value}))
    before = stored(model, field)
    reload(model, "py")
    assert stored(model, field) == before


@pytest.mark.parametrize("field", list(by_engine(settings.ENGINE)))
def test_null_comes_back_as_null(field: str) -> None:
    """D1, L1"""
    put(OptionalCheckup(pk=1))
    OptionalCheckup.objects.update(**{field: None})
    if field == "json":
        with connection.cursor() as cursor:
            cursor.execute("UPDATE zoo_optionalcheckup SET json = NULL")
    reload(OptionalCheckup, "py")
    assert stored(OptionalCheckup, field) == ["None"]


@pytest.mark.parametrize("value", [PRECISE, datetime.max.replace(tzinfo=timezone.utc)])
@pytest.mark.parametrize(("format", "is_exact"), [("py", True), ("json", False)])
def test_microseconds_of_a_moment_are_kept_where_json_cuts_them(
    format: str, is_exact: bool, value: datetime
) -> None:
    """D1: of 100,000 moments, JSON changes 99,900."""
    put(Checkup(pk=1, moment=value))
    before = stored(Checkup, "moment")
    reload(Checkup, format)
    assert (stored(Checkup, "moment") == before) is is_exact


@pytest.mark.parametrize(("format", "is_exact"), [("py", True), ("json", False)])
def test_microseconds_of_a_time_are_kept_where_json_cuts_them(format: str, is_exact: bool) -> None:
    """D1, L1"""
    put(Checkup(pk=1, hour=time(9, 30, 15, 123_456)))
    before = stored(Checkup, "hour")
    reload(Checkup, format)
    assert (stored(Checkup, "hour") == before) is is_exact


@pytest.mark.parametrize(("format", "is_exact"), [("py", True), ("json", False)])
def test_the_null_of_json_stays_apart_from_that_of_sql_where_json_mixes_them(
    format: str, is_exact: bool
) -> None:
    """L1"""
    put(OptionalCheckup(pk=1, json=JSON_NULL), OptionalCheckup(pk=2))
    assert stored(OptionalCheckup, "json") == ["'null'", "None"]
    reload(OptionalCheckup, format)
    assert (stored(OptionalCheckup, "json") == ["'null'", "None"]) is is_exact


@pytest.mark.parametrize(
    ("value", "other"), [(1, 1.0), (0, 0.0), (True, 1), (2**53 + 1, float(2**53)), ("1", 1)]
)
def test_numbers_within_json_that_python_calls_equal_are_told_apart(value: Any, other: Any) -> None:
    """L1"""
    put(Diet(pk=1, plan=[value]), Diet(pk=2, plan=[other]))
    before = stored(Diet, "plan")
    assert before[0] != before[1]
    reload(Diet, "py")
    assert stored(Diet, "plan") == before


def test_stamps_come_back_as_they_were() -> None:
    """L1: auto_now values are overwritten."""
    put(Journal(pk=1, created=PRECISE, changed=PRECISE, created_day=date.min, changed_day=date.max,
                changed_hour=time.max))  # fmt: skip
    names = ["created", "changed", "created_day", "changed_day", "changed_hour"]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE zoo_journal SET created_day = '1999-12-31', changed = created")
    before = [stored(Journal, name) for name in names]
    reload(Journal, "py")
    assert [stored(Journal, name) for name in names] == before


@pytest.mark.parametrize(
    "fields",
    [
        {"price": "1.10", "integer": "17"},
        {"integer": True, "boolean": 1},
        {"floating": 1, "duration": timedelta(days=1)},
        {"price": 3, "fine_decimal": Decimal("1E+3")},
        {"char": 5, "text": 1.5},
        {"day": datetime(2024, 1, 31, 12, tzinfo=timezone.utc)},
        {"uuid": "a3c54e0b-8f0e-4c1c-9f63-2f1d6b1c0a4e"},
        {"binary": bytearray(b"abc")},
    ],
)
def test_an_unsaved_object_with_loose_values_is_dumped_as_it_would_be_stored(
    fields: dict[str, Any],
) -> None:
    loose = Checkup(pk=1, **fields)
    text = dumped([loose])
    put(loose)
    before = {name: stored(Checkup, name) for name in fields}
    Checkup.objects.all().delete()
    for each in deserialize("py", text):
        each.save()
    assert {name: stored(Checkup, name) for name in fields} == before
