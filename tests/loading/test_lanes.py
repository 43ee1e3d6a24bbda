"""The two lanes: which one is taken, and that both take the same rows to the same place."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db.models.signals import post_save
from dumps import Rows, rows
from dumps import module as dump_of
from loading_tools import Load, message, values

from zoo.models import Amphibian, Animal, Bird, Booking, Crate, Creature, Diet, Parrot, Snack

pytestmark = pytest.mark.django_db

CHIP = "UUID('00000000-0000-0000-0000-000000000007')"
POLLY = (
    rows("zoo.Creature", "id name height", (1, "Polly", 3)),
    rows("zoo.Bird", "creature_ptr_id wingspan", (1, 20)),
    rows("zoo.Parrot", "bird_ptr_id vocabulary", (1, "hello")),
)
LANES = ["rows", "objects"]


@pytest.fixture(params=LANES)
def lane(request: pytest.FixtureRequest, settings: Any) -> Any:
    """Load everything by one of the lanes."""
    if request.param == "rows":
        yield "rows"
        return
    settings.DUMPY = {"SIGNALS": "raw"}
    post_save.connect(ignore)
    yield "objects"
    post_save.disconnect(ignore)


def ignore(**arguments: Any) -> None:
    """Listen without doing anything."""


def lane_of(said: str, label: str) -> str:
    """Return the lane that a table took, as the command says."""
    return re.search(rf"{re.escape(label)} \((\w+)\)", said)[1]  # type: ignore[index]


def test_the_lane_of_each_table_is_said(load: Load, lane: str) -> None:
    said = load(dump_of(rows("zoo.Species", "id latin", (1, "x"))), verbosity=2)
    assert lane_of(said, "zoo.Species") == lane


def test_models_with_a_hook_take_the_objects_lane(load: Load) -> None:
    said = load(dump_of(rows("zoo.Snack", "id name shouted", (1, "nuts", ""))), verbosity=2)
    assert lane_of(said, "zoo.Snack") == "objects"
    assert values(Snack, "shouted") == ["NUTS"]


def test_rows_without_a_primary_key_take_the_objects_lane(load: Load) -> None:
    said = load(dump_of(rows("zoo.Nation", "name", ("Estonia",))), verbosity=2)
    assert lane_of(said, "zoo.Nation") == "objects"


def test_three_levels_of_inheritance(load: Load, lane: str) -> None:
    load(dump_of(*POLLY))
    polly = Parrot.objects.get()
    assert (polly.name, polly.height, polly.wingspan, polly.vocabulary) == ("Polly", 3, 20, "hello")


def test_three_levels_of_inheritance_from_the_bottom_up(load: Load, lane: str) -> None:
    load(dump_of(*reversed(POLLY)))
    assert Parrot.objects.get().name == "Polly"


def test_an_update_of_one_level_leaves_the_others(load: Load, lane: str) -> None:
    load(dump_of(*POLLY))
    load(dump_of(rows("zoo.Bird", "creature_ptr_id wingspan", (1, 99))))
    polly = Parrot.objects.get()
    assert (polly.name, polly.wingspan, polly.vocabulary) == ("Polly", 99, "hello")


def test_a_child_without_its_parent_row_is_an_error(load: Load) -> None:
    said = message(load, dump_of(rows("zoo.Bird", "creature_ptr_id wingspan", (1, 20))))
    assert "zoo.Bird(pk=1)" in said
    assert not Bird.objects.exists()
    assert not Creature.objects.exists()


def test_a_parent_link_of_another_name(load: Load, lane: str) -> None:
    load(
        dump_of(
            rows("zoo.Creature", "id name height", (5, "cod", 1), (6, "adder", 1)),
            rows("zoo.Fish", "record_id fins", (5, 7)),
            rows("zoo.Snake", "creature_id tag length", (6, 60, 3)),
        )
    )
    assert sorted(Creature.objects.values_list("name", "fish__fins", "snake__tag")) == [
        ("adder", None, 60),
        ("cod", 7, None),
    ]


def test_a_child_of_two_parents(load: Load, lane: str) -> None:
    load(
        dump_of(
            rows("zoo.Walker", "walker_id legs", (1, 4)),
            rows("zoo.Swimmer", "swimmer_id depth", (11, 40)),
            rows("zoo.Amphibian", "walker_ptr_id swimmer_ptr_id name", (1, 11, "newt")),
        )
    )
    assert values(Amphibian, "legs", "depth", "name") == [(4, 40, "newt")]


def test_composite_keys(load: Load, lane: str) -> None:
    load(
        dump_of(
            rows("zoo.Chip", "id label", f"{CHIP}, 'seven'"),
            rows("zoo.Booking", "chip_id day visitor", f"{CHIP}, date(2024, 1, 2), 'Ada'"),
        )
    )
    assert Booking.objects.get().visitor == "Ada"


def test_links(load: Load, lane: str) -> None:
    """L2: a ManyToManyField breaks the restore."""
    load(dump_of(rows("zoo.Animal", "id name prey", (1, "x", [1]), (2, "y", [1]))))
    assert sorted(values(Animal.prey.through, "from_animal", "to_animal")) == [(1, 1), (2, 1)]


def test_a_link_to_a_row_that_comes_later(load: Load, lane: str) -> None:
    load(dump_of(rows("zoo.Animal", "id name prey", (1, "x", [2]), (2, "y", []))))
    assert values(Animal.prey.through, "from_animal", "to_animal") == [(1, 2)]


def test_the_null_of_json_and_that_of_sql(load: Load, lane: str) -> None:
    """L1"""
    load(
        dump_of(rows("zoo.Diet", "id plan optional_plan", "1, json_null, None", "2, 1, json_null"))
    )
    null = Diet.objects.filter(optional_plan__isnull=True)
    assert [diet.pk for diet in null] == [1]


def test_a_nullable_field_with_a_default_stays_null(load: Load, lane: str) -> None:
    fields = "id label width height status packed_at optional_rank optional_grade"
    load(dump_of(rows("zoo.Crate", fields, "1, 'x', 1, 1, '', utc(2024, 1, 31), None, None")))
    assert values(Crate, "status", "optional_rank", "optional_grade") == [("", None, None)]


def test_counts_are_the_same(load: Load, lane: str) -> None:
    """D9"""
    table: Rows = rows("zoo.Species", "id latin", (1, "a"), (2, "b"))
    assert "2 inserted" in load(dump_of(table), verbosity=2)
    changed = rows("zoo.Species", "id latin", (1, "a2"), (2, "b2"))
    assert "2 updated" in load(dump_of(changed))
