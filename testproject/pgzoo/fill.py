"""Rows for the tables that only PostgreSQL has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

from django.contrib.postgres.search import SearchVector
from django.db import models
from django.db.backends.postgresql.psycopg_any import (
    DateRange,
    DateTimeTZRange,
    NumericRange,
)
from django.db.models import Value

from .models import Alias, Catalogue, Leaflet, Season, Shift

STAMP = datetime(2001, 2, 3, 4, 5, 6, 789_012, tzinfo=timezone.utc)


def catalogues() -> Iterator[models.Model]:
    """Yield arrays and an HStore, empty and full."""
    yield Catalogue(pk=1)
    yield Catalogue(
        pk=2,
        tags=["", "NULL", None, "a,b", '{"', "\\", "🦩\u2028"],
        grid=[[1, 2], [3, 4]],
        days=[date.min, date(2024, 2, 29), date.max],
        moments=[STAMP],
        durations=[timedelta(microseconds=-1), timedelta(days=400)],
        prices=[Decimal("1.10"), Decimal("-0.01")],
        ids=[UUID(int=0), UUID(int=2**128 - 1)],
        ratios=[0.1, float("inf"), -0.0],
        flags=[True, False, True],
        spans=[NumericRange(1, 5), NumericRange(empty=True)],
        plans=[{"a": [1, 1.5, None]}, [], "text", 1],
        optional_tags=[],
        labels={"": "", "a": None, "quote'\"": "=>", "🦩": "\\"},
        optional_labels={},
    )


def seasons() -> Iterator[models.Model]:
    """Yield ranges with bounds of every kind."""
    yield Season(pk=1)
    yield Season(
        pk=2,
        numbers=NumericRange(1, 10),
        big_numbers=NumericRange(-(2**63), 2**63 - 1),
        prices=NumericRange(Decimal("0.10"), Decimal("99.90"), "[]"),
        moments=DateTimeTZRange(STAMP, STAMP + timedelta(hours=1), "(]"),
        days=DateRange(date(2024, 1, 1), date(2024, 2, 1)),
    )
    yield Season(
        pk=3,
        numbers=NumericRange(None, 10),
        big_numbers=NumericRange(5, None),
        prices=NumericRange(Decimal("1.500"), None, "()"),
        moments=DateTimeTZRange(None, None),
        days=DateRange(empty=True),
    )


def rows() -> Iterator[models.Model]:
    """Yield all rows."""
    yield from catalogues()
    yield from seasons()
    yield Shift(pk=1, days=DateRange(date(2024, 1, 1), date(2024, 1, 8)))
    yield Shift(pk=2, days=DateRange(date(2024, 1, 8), date(2024, 1, 15)))
    yield Alias(pk=1, text="Bibi")
    yield Alias(pk=2, text="bubi")
    yield Leaflet(pk=1, text="no vector")
    vector = SearchVector(Value("the quick otters' pond"), config="english")
    yield Leaflet(pk=2, text="with a vector", search=vector)
