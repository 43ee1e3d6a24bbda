"""What has changed in the models since a dump, and needs no hand; and what is checked all the same.

Random changes: new models and fields, wider fields, unique constraints that hold, other orders,
tables, columns and options.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project_settings
from hypothesis import HealthCheck, Phase, given, settings
from pytest_django.plugin import DjangoDbBlocker
from schema_changes import FILL, ITEM, KIND, OLD, ModelText, Schema, many_to_many_table, schemas
from shops import aged, renew
from sites import Site, Version

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

ENGINE = project_settings.ENGINE
Rows = list[tuple[Any, ...]]
BEFORE = Version({"shop/models.py": str(Schema())}, fill=FILL)


@pytest.fixture(scope="module")
def old_values(made_shop: Site, django_db_blocker: DjangoDbBlocker) -> dict[str, Rows]:
    """Return the values of the database that was dumped."""
    with django_db_blocker.unblock():
        found = values(made_shop, Schema())
    assert all(found.values())
    return found


@pytest.fixture
def shop(made_shop: Site, old_values: dict[str, Rows], tmp_path: Path, unblocked: None) -> Site:
    """Return the shop with code of its own, and another database."""
    return aged(made_shop, tmp_path / "site", Version())


def values(site: Site, schema: Schema) -> dict[str, Rows]:
    """Return the values of the old fields, wherever a schema keeps them, and the links."""
    found = {old.name: columns(site, schema.model(old.name), old) for old in OLD}
    links = many_to_many_table(schema.model("Item"), "kinds")
    return {**found, "links": sorted(site.rows(links, "item_id", "kind_id"))}


def columns(site: Site, model: ModelText, old: ModelText) -> Rows:
    """Return the values of the fields that an old model had."""
    names = [one.name for one in old.fields if one.kind != "ManyToManyField"]
    return site.rows(model.table, *(model.field(name).column for name in names))


@pytest.mark.slow
@settings(
    max_examples=15,
    # Each example is a process: a failing one is shown as it is.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(schema=schemas())
def test_models_that_have_changed_at_random_need_no_hand(
    shop: Site, old_values: dict[str, Rows], schema: Schema
) -> None:
    renew(shop)
    shop.write({"shop/models.py": str(schema)})
    assert shop.restore(shop.the_dump).endswith("Restored.\n")
    assert values(shop, schema) == old_values
    for column, value in schema.expected():
        assert shop.rows(schema.model("Item").table, column) == [(value,)] * 3


META = "\n    class Meta:\n"


def constraint(arguments: str) -> str:
    """Return a Meta with a unique constraint."""
    return f"{META}        constraints = [models.UniqueConstraint({arguments}, name='one')]\n"


def append(shop: Site, text: str) -> None:
    """Append lines to the last model."""
    path = shop.directory / "shop" / "models.py"
    path.write_text(path.read_text(encoding="utf-8").rstrip() + f"\n{text}", encoding="utf-8")


def line_of(shop: Site, key: int) -> int:
    """Return the line of the row of an item."""
    text = (shop.the_dump / "shop_item.py").read_text(encoding="utf-8")
    return text[: text.index(f"create_shop_item({key},")].count("\n") + 1


DUPLICATE = re.compile(r"shop_item\.py:(\d+): shop\.Item\(pk=(\d+)\): .*(?:unique|duplicate)", re.I)

OTHERS = Schema(
    (
        replace(KIND, meta={"db_table": "'kinds of'"}),
        replace(ITEM, fields=ITEM.fields[::-1], meta={"db_table": "'Things'"}),
    )
)


def test_other_tables_and_another_order_of_fields_need_no_hand(
    shop: Site, old_values: dict[str, Rows]
) -> None:
    shop.write({"shop/models.py": str(OTHERS)})
    shop.restore(shop.the_dump)
    assert values(shop, OTHERS) == old_values


LAST = 2**31 - 5
UNIQUE_NOW: dict[str, tuple[str, str, list[int]]] = {
    "a field": ("models.BooleanField()", "models.BooleanField(unique=True)", [LAST]),
    "a reference": (
        "models.ForeignKey(Kind, models.CASCADE)",
        "models.OneToOneField(Kind, models.CASCADE)",
        [7],
    ),
    "a constraint": ("", constraint("fields=['is_new']"), [LAST]),
    "a constraint with a condition": (
        "",
        constraint("fields=['is_new'], condition=models.Q(count__gte=0)"),
        [LAST],
    ),
    "a constraint of an expression": ("", constraint("models.F('count') * 0"), [7, LAST]),
}


@pytest.mark.parametrize(("old", "new", "offenders"), UNIQUE_NOW.values(), ids=UNIQUE_NOW)
def test_rows_that_are_not_unique_as_they_have_to_be_now_are_named(
    shop: Site, old: str, new: str, offenders: list[int]
) -> None:
    if ENGINE == "mysql" and ("condition" in new or "models.F" in new):
        pytest.skip("MariaDB has no such constraints")
    if old:
        shop.edit("shop/models.py", (old, new))
    else:
        append(shop, new)
    said = shop.refuse(shop.the_dump)
    named = {(int(line), int(key)) for line, key in DUPLICATE.findall(said)}
    assert named == {(line_of(shop, key), key) for key in offenders}
    assert "The database is as it was." in said


def test_checkdump_names_rows_that_are_not_unique_as_they_have_to_be_now(shop: Site) -> None:
    shop.edit("shop/models.py", ("models.BooleanField()", "models.BooleanField(unique=True)"))
    said = shop.refused("checkdump", shop.the_dump)
    assert f"shop_item.py:{line_of(shop, LAST)}" in said
