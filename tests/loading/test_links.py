"""Many-to-many values: sets of links, written together."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from dumps import Rows, rows
from dumps import module as dump_of
from loading_tools import Load, refusal

from zoo.models import Animal, Bird, Mascot, Nation

pytestmark = pytest.mark.django_db


def animals(*links: list[int], field: str = "prey") -> Rows:
    """Return animals 1, 2, … each with its links."""
    many = [(pk, f"animal {pk}", linked) for pk, linked in enumerate(links, 1)]
    return rows("zoo.Animal", f"id name {field}", *many)


def linked(pk: int, field: str = "prey") -> list[int]:
    """Return the animals that an animal is linked to."""
    return sorted(getattr(Animal.objects.get(pk=pk), field).values_list("pk", flat=True))


def test_links_may_lead_to_rows_that_come_later(load: Load) -> None:
    load(dump_of(animals([2, 3], [3], [])))
    assert [linked(pk) for pk in (1, 2, 3)] == [[2, 3], [3], []]


def test_a_link_may_lead_to_its_own_row(load: Load) -> None:
    load(dump_of(animals([1, 2], [])))
    assert linked(1) == [1, 2]


def test_symmetrical_links_are_as_the_dump_has_them(load: Load) -> None:
    """Both directions are rows of the table; neither is added nor lost."""
    load(dump_of(animals([2], [1], field="friends")))
    assert (linked(1, "friends"), linked(2, "friends")) == ([2], [1])
    assert Animal.friends.through.objects.count() == 2


def test_a_link_named_twice_is_one_link(load: Load) -> None:
    load(dump_of(animals([2, 2], [])))
    assert linked(1) == [2]


def test_on_a_populated_table_the_list_in_the_dump_is_the_whole_list(load: Load) -> None:
    load(dump_of(animals([2, 3], [1], [])))
    load(dump_of(animals([3, 1], [1], [])))
    assert [linked(pk) for pk in (1, 2, 3)] == [[1, 3], [1], []]


def test_an_empty_list_removes_all_links(load: Load) -> None:
    load(dump_of(animals([2, 3], [], [])))
    load(dump_of(animals([], [], [])))
    assert linked(1) == []


def test_links_of_rows_that_the_dump_does_not_have_stay(load: Load) -> None:
    Animal.objects.create(pk=9, name="here").prey.add(Animal.objects.create(pk=8, name="too"))
    load(dump_of(animals([2], [])))
    assert linked(9) == [8]


def test_links_that_are_there_already_keep_their_own_primary_keys(load: Load) -> None:
    load(dump_of(animals([2, 3], [], [])))
    before = set(Animal.prey.through.objects.values_list("pk", flat=True))
    load(dump_of(animals([2, 3, 1], [], [])))
    assert before < set(Animal.prey.through.objects.values_list("pk", flat=True))


def test_a_field_without_a_line_in_the_dump_leaves_the_links_alone(load: Load) -> None:
    load(dump_of(animals([2], [])))
    load(dump_of(rows("zoo.Animal", "id name", (1, "new name"))))
    assert linked(1) == [2]


def test_a_row_whose_links_alone_have_changed_counts_as_updated(load: Load) -> None:
    """D9"""
    load(dump_of(animals([2], [])))
    assert "1 updated, 1 unchanged" in load(dump_of(animals([], [])))


def test_links_by_natural_key_wait_for_rows_that_come_later(load: Load) -> None:
    nation = "natural('zoo.Nation', 'Estonia')"
    load(
        dump_of(
            rows("zoo.Mascot", "id name nation_id allies", f"1, 'Rasmus', {nation}, [{nation}]"),
            rows("zoo.Nation", "id name", (1, "Estonia")),
        )
    )
    assert list(Mascot.objects.get().allies.all()) == [Nation.objects.get()]


def test_links_of_each_level_of_inheritance_are_with_their_own_level(load: Load) -> None:
    chip = "UUID('00000000-0000-0000-0000-000000000007')"
    load(
        dump_of(
            rows("zoo.Chip", "id label", f"{chip}, 'seven'"),
            rows("zoo.Creature", "id name chips", f"1, 'jay', [{chip}]", "2, 'owl', []"),
            rows("zoo.Bird", "creature_ptr_id wingspan rivals", (1, 10, [2]), (2, 20, [])),
        )
    )
    jay = Bird.objects.get(pk=1)
    assert [chip.label for chip in jay.chips.all()] == ["seven"]
    assert [rival.pk for rival in jay.rivals.all()] == [2]


def test_a_link_that_leads_nowhere_names_the_row_and_its_line(load: Load) -> None:
    """D8"""
    error = refusal(load, dump_of(animals([2, 404], [])))
    (problem,) = error.problems
    assert (problem.ref.label, problem.ref.key) == ("zoo.Animal", 1)
    assert "404" in problem.reason
    assert problem.ref.place is not None
    assert problem.ref.place.line is not None


def test_what_is_no_list_is_refused(load: Load) -> None:
    error = refusal(load, dump_of(rows("zoo.Animal", "id name prey", (1, "x", 2))))
    assert "'prey' must be a list" in error.problems[0].reason


def test_a_through_model_with_columns_of_its_own_is_a_table_of_its_own(load: Load) -> None:
    """L2: through tables are not dumped."""
    fields = "id animal_id other_id witness_id went_well"
    load(
        dump_of(
            rows("zoo.Introduction", fields, (1, 1, 2, 2, None), (2, 1, 1, None, True)),
            animals([], []),
        )
    )
    first = Animal.objects.get(pk=1)
    assert sorted(first.introductions.values_list("pk", flat=True)) == [1, 2]


def test_links_cost_as_many_queries_for_500_objects_as_for_10(load: Load) -> None:
    """D6: in Django's formats each object with an m2m field costs four queries more."""
    counts = []
    for number in (10, 500):
        Animal.objects.all().delete()
        text = dump_of(animals(*([1, 2, 3] for _ in range(number))))
        with CaptureQueriesContext(connection) as queries:
            load(text)
        counts.append(len(queries))
    assert counts[0] == counts[1]
