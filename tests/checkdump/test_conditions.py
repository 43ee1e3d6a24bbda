"""A condition that is judged without a database is judged as the database does."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import F, Q
from django.db.models.functions import Lower

from dumpy.checking.conditions import NotJudged, judge_of
from dumpy.engines import engine_of
from dumpy.schema.tables import table_of
from zoo.models import OptionalCheckup

NUMBERS: tuple[int | None, ...] = (None, -1, 0, 1, 5)
DAYS = (None, date(2024, 1, 31), date(2025, 1, 1))
CONDITIONS = [
    Q(integer__gte=0),
    Q(integer=None) | Q(integer__lt=0),
    ~Q(integer=1),
    ~Q(integer__in=[1, 5]),
    ~(Q(integer__gt=0) & Q(day__isnull=False)),
    ~Q(~Q(integer=1), day="2025-01-01"),
    Q(integer__range=(0, 1)) & Q(day__gt=date(2024, 6, 1)),
    Q(integer__isnull=True) | Q(integer__lte=F("integer")),
]


@pytest.mark.django_db
@pytest.mark.parametrize("condition", CONDITIONS, ids=str)
def test_rows_are_found_as_the_database_finds_them(condition: Q) -> None:
    rows = [(number, day) for number in NUMBERS for day in DAYS]
    OptionalCheckup.objects.bulk_create(
        OptionalCheckup(pk=pk, integer=number, day=day) for pk, (number, day) in enumerate(rows, 1)
    )
    judge = judge_of(condition, table_of(OptionalCheckup), engine_of(connections[DEFAULT_DB_ALIAS]))
    columns = dict(zip(("integer", "day"), zip(*rows, strict=True), strict=True))
    found = [row + 1 for row in range(len(rows)) if judge(columns, row)]
    expected = OptionalCheckup.objects.filter(condition).order_by("pk")
    assert found == list(expected.values_list("pk", flat=True))


@pytest.mark.parametrize(
    "condition",
    [
        Q(email__contains="x"),
        Q(json__a=1),
        Q(day__year=2024),
        Q(integer__gt=F("integer") + 1),
        Q(Lower("email")),
        Q(Q(integer=1) ^ Q(integer=2)),
        Q(integer="one"),
        Q(email__gt="a"),
        Q(nowhere=1),
        Lower("email"),
    ],
    ids=str,
)
def test_what_only_the_database_knows_is_not_judged(condition: Any) -> None:
    with pytest.raises(NotJudged):
        judge_of(condition, table_of(OptionalCheckup), engine_of(connections[DEFAULT_DB_ALIAS]))
