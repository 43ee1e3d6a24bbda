"""Rows that nobody thought of, through a real database and back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import models
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from roundtrip_tools import as_program, load, rows
from running import dumped

from zoo.models import Animal, OptionalCheckup, Taxon

pytestmark = pytest.mark.django_db

ENGINE = django_settings.ENGINE
quick = settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# What an engine cannot hold it cannot give back: no NaN on SQLite, no NUL on PostgreSQL.
CHARACTERS = st.characters(
    exclude_categories=["Cs"], exclude_characters="\0" if ENGINE == "postgresql" else ""
)
TEXT = st.text(CHARACTERS, max_size=200)
FLOATS = st.floats(
    allow_nan=ENGINE == "postgresql",
    allow_infinity=ENGINE != "mysql",
    allow_subnormal=ENGINE != "mysql",
)
JSON_FLOATS = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | JSON_FLOATS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)
MOMENTS = st.datetimes(
    min_value=datetime(1000, 1, 2),
    max_value=datetime(9999, 12, 30),
    timezones=st.just(timezone.utc),
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "integer": st.integers(-(2**31), 2**31 - 1),
    "small_integer": st.integers(-(2**15), 2**15 - 1),
    "big_integer": st.integers(-(2**63), 2**63 - 1),
    "positive_big_integer": st.integers(0, 2**63 - 1),
    "boolean": st.booleans(),
    "floating": FLOATS,
    "price": st.decimals(Decimal("-9999999999"), Decimal("9999999999"), places=2),
    "fine_decimal": st.decimals(Decimal("-99999"), Decimal("99999"), places=8),
    "char": TEXT,
    "text": TEXT,
    "slug": st.text(CHARACTERS, max_size=50),
    "uuid": st.uuids(version=4),  # MariaDB knows some others, not all
    "day": st.dates(),
    "moment": MOMENTS,
    "hour": st.times(),
    "duration": st.timedeltas(timedelta(days=-100_000_000), timedelta(days=100_000_000)),
    "ip": st.ip_addresses().map(str),
    "ipv4": st.ip_addresses(v=4).map(str),
    "xray": st.text(CHARACTERS, max_size=100),
    "binary": st.binary(max_size=300),
    "json": JSON,
}
CHECKUPS = st.lists(
    st.fixed_dictionaries({}, optional={k: st.none() | v for k, v in FIELDS.items()}),
    min_size=1,
    max_size=4,
)


def goes_through(model: type[models.Model], directory: Path, change: Callable[[str], str]) -> None:
    """Dump the rows of a table, empty it, load the dump, and compare in SQL."""
    before = rows(model, "default")
    text = dumped(model._meta.label)
    model._default_manager.all().delete()
    load(change(text), directory, using="default")
    assert rows(model, "default") == before
    assert dumped(model._meta.label) == text


@pytest.mark.parametrize("change", [str, as_program], ids=["rows lane", "objects lane"])
@quick
@given(checkups=CHECKUPS)
def test_rows_of_scalars_come_back_exactly(
    checkups: list[dict[str, Any]], change: Callable[[str], str], tmp_path: Path
) -> None:
    """D1, L1"""
    OptionalCheckup.objects.all().delete()
    for pk, values in enumerate(checkups, 1):
        OptionalCheckup(pk=pk, **values).save_base(raw=True, force_insert=True)
    goes_through(OptionalCheckup, tmp_path, change)


@pytest.mark.parametrize("change", [str, as_program], ids=["rows lane", "objects lane"])
@quick
@given(parents=st.lists(st.none() | st.integers(1, 12), min_size=12, max_size=12), data=st.data())
def test_trees_with_rows_in_any_order_come_back(
    parents: list[int | None], data: st.DataObject, change: Callable[[str], str], tmp_path: Path
) -> None:
    """L7, L8: circles and rows that are their own parents among them."""
    uproot()
    Taxon.objects.bulk_create(Taxon(pk=pk, name=f"taxon {pk}") for pk in range(1, 13))
    for pk, parent in enumerate(parents, 1):
        Taxon.objects.filter(pk=pk).update(parent=parent)
    before = rows(Taxon, "default")
    text = shuffled(dumped("zoo.Taxon"), data)
    uproot()
    load(change(text), tmp_path, using="default")
    assert rows(Taxon, "default") == before


def uproot() -> None:
    """Delete all taxa, those that are their own ancestors too."""
    Taxon.objects.update(parent=None)
    Taxon.objects.all().delete()


def shuffled(text: str, data: st.DataObject) -> str:
    """Return a dump with its rows in another order."""
    lines = text.splitlines(keepends=True)
    places = [i for i, line in enumerate(lines) if line.startswith("    yield create_")]
    for place, row in zip(
        places, data.draw(st.permutations([lines[i] for i in places])), strict=True
    ):
        lines[place] = row
    return "".join(lines)


@pytest.mark.parametrize("change", [str, as_program], ids=["rows lane", "objects lane"])
@quick
@given(
    before=st.sets(st.tuples(st.integers(1, 6), st.integers(1, 6))),
    after=st.sets(st.tuples(st.integers(1, 6), st.integers(1, 6))),
)
def test_links_of_a_dump_replace_whatever_links_there_are(
    before: set[tuple[int, int]],
    after: set[tuple[int, int]],
    change: Callable[[str], str],
    tmp_path: Path,
) -> None:
    """D6: what remains are the links of the dump, and nothing else."""
    Animal.objects.all().delete()
    Animal.objects.bulk_create(Animal(pk=pk, name="x") for pk in range(1, 7))
    link(after)
    text = dumped("zoo.Animal")
    link(before)
    load(change(text), tmp_path, using="default")
    found = Animal.prey.through.objects.values_list("from_animal", "to_animal")
    assert set(found) == after
    assert len(found) == len(after)


def link(pairs: set[tuple[int, int]]) -> None:
    """Make these the links between animals."""
    through = Animal.prey.through
    through.objects.all().delete()
    through.objects.bulk_create(through(from_animal_id=a, to_animal_id=b) for a, b in pairs)
