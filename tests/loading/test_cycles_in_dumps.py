"""Dumped rows in any order: circles, trees upside down, keys that lead nowhere."""

from __future__ import annotations

import pytest
from dumps import module as dump_of
from dumps import rows
from loading_tools import Load, line_of, message, refusal, values

from zoo.models import (
    Curator,
    Exhibit,
    Island,
    Lemur,
    Mascot,
    Nation,
    Pond,
    Region,
    Sighting,
    Species,
    Taxon,
    Wing,
)

pytestmark = pytest.mark.django_db


def test_two_not_null_keys_in_a_circle(load: Load) -> None:
    """L8"""
    load(
        dump_of(
            rows("zoo.Lemur", "id name island_id", (1, "x", 2), (2, "y", 1)),
            rows("zoo.Island", "id name chief_id", (1, "a", 2), (2, "b", 1)),
        )
    )
    assert values(Lemur, "island") == [2, 1]
    assert values(Island, "chief") == [2, 1]


def test_two_nullable_keys_in_a_circle(load: Load) -> None:
    load(
        dump_of(
            rows("zoo.Wing", "id name curator_id", (1, "north", 1)),
            rows("zoo.Curator", "id name wing_id", (1, "Ada", 1)),
        )
    )
    assert (values(Wing, "curator"), values(Curator, "wing")) == ([1], [1])


def test_a_circle_with_one_nullable_key(load: Load) -> None:
    load(
        dump_of(
            rows("zoo.Otter", "id name pond_id", (1, "Olli", 1)),
            rows("zoo.Pond", "id name star_id", (1, "deep", 1)),
        )
    )
    assert values(Pond, "star") == [1]


def test_a_root_that_refers_to_itself(load: Load) -> None:
    """L8"""
    load(dump_of(rows("zoo.Region", "id name within_id", (2, "part", 1), (1, "world", 1))))
    assert values(Region, "within") == [1, 1]


def test_a_circle_of_hooked_objects_is_saved_too(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L8: the objects lane puts no more questions than the rows lane."""
    monkeypatch.setattr(Lemur, "before_dumpy_save", lambda lemur: None, raising=False)
    monkeypatch.setattr(Island, "before_dumpy_save", lambda island: None, raising=False)
    load(
        dump_of(
            rows("zoo.Lemur", "id name island_id", (1, "x", 1)),
            rows("zoo.Island", "id name chief_id", (1, "a", 1)),
        )
    )
    assert (values(Lemur, "island"), values(Island, "chief")) == ([1], [1])


def test_keys_that_the_database_does_not_check_may_lead_nowhere(load: Load) -> None:
    load(dump_of(rows("zoo.Sighting", "id species_id place", (1, 999, "nowhere"))))
    assert values(Sighting, "species_id") == [999]


def test_every_dangling_key_is_named_with_its_line(load: Load) -> None:
    """D8: Django names one row, without its line."""
    text = dump_of(
        rows("zoo.Taxon", "id name parent_id", (1, "a", 404), (2, "b", None), (3, "c", 405)),
        rows("zoo.Exhibit", "id species_id", (4, "gone")),
    )
    error = refusal(load, text)
    found = [(p.ref.label, p.ref.key, p.ref.place and p.ref.place.line) for p in error.problems]
    assert found == [
        ("zoo.Taxon", 1, line_of(text, "'a'")),
        ("zoo.Taxon", 3, line_of(text, "'c'")),
        ("zoo.Exhibit", 4, line_of(text, "'gone'")),
    ]
    assert "parent_id=404 refers to a row of zoo.Taxon that does not exist" in str(error)


def test_a_dangling_key_leaves_the_database_as_it_was(load: Load) -> None:
    """D8"""
    Taxon.objects.create(pk=1, name="before")
    refusal(load, dump_of(rows("zoo.Taxon", "id name parent_id", (1, "after", 404))))
    assert values(Taxon, "name") == ["before"]


def test_of_5000_dangling_keys_none_is_given_up_silently(load: Load) -> None:
    """L7: the message counts them all."""
    many = [(pk, "x", 99999) for pk in range(1, 5001)]
    said = message(load, dump_of(rows("zoo.Taxon", "id name parent_id", *many)))
    assert "5,000 objects could not be loaded" in said


ESTONIA = "natural('zoo.Nation', 'Estonia')"
FINLAND = "natural('zoo.Nation', 'Finland')"
RASMUS = "natural('zoo.Mascot', 'Rasmus', 'Estonia')"
NATIONS = rows("zoo.Nation", "id name mascot_id", f"1, 'Estonia', {RASMUS}")
MASCOTS = rows("zoo.Mascot", "id name nation_id", f"5, 'Rasmus', {ESTONIA}")
NATIONS_ALONE = rows("zoo.Nation", "id name", (1, "Estonia"))


def test_a_natural_reference_may_lead_back(load: Load) -> None:
    load(dump_of(NATIONS_ALONE, MASCOTS))
    assert values(Mascot, "pk", "nation") == [(5, 1)]


def test_a_natural_reference_may_lead_forward(load: Load) -> None:
    load(dump_of(MASCOTS, NATIONS_ALONE))
    assert values(Mascot, "pk", "nation") == [(5, 1)]


@pytest.mark.parametrize("tables", [(NATIONS, MASCOTS), (MASCOTS, NATIONS)])
def test_natural_references_may_go_in_a_circle(load: Load, tables: tuple[object, ...]) -> None:
    load(dump_of(*tables))
    assert values(Mascot, "pk", "nation") == [(5, 1)]
    assert values(Nation, "pk", "mascot") == [(1, 5)]


def test_natural_references_may_follow_each_other_backwards(load: Load) -> None:
    """A mascot's natural key holds its nation's: it can be found when the nation is there."""
    load(
        dump_of(
            rows(
                "zoo.Nation",
                "id name mascot_id",
                f"2, 'Finland', {RASMUS}",
            ),
            MASCOTS,
            NATIONS_ALONE,
        )
    )
    assert Nation.objects.get(pk=2).mascot_id == 5


def test_a_natural_reference_that_leads_nowhere_is_named_with_its_line(load: Load) -> None:
    """D8"""
    text = dump_of(MASCOTS)
    (problem,) = refusal(load, text).problems
    assert (problem.ref.label, problem.ref.key) == ("zoo.Mascot", 5)
    assert "zoo.Nation ('Estonia',)" in problem.reason
    assert problem.ref.place is not None
    assert problem.ref.place.line == line_of(text, "(5, 'Rasmus'")


def test_rows_without_a_primary_key_are_found_by_their_natural_key(load: Load) -> None:
    Nation.objects.create(pk=77, name="Estonia")
    load(dump_of(rows("zoo.Nation", "name", ("Estonia",), ("Finland",))))
    assert Nation.objects.get(name="Estonia").pk == 77
    assert Nation.objects.count() == 2


def test_rows_without_a_primary_key_may_wait_for_each_other(load: Load) -> None:
    load(
        dump_of(
            rows(
                "zoo.Mascot",
                "name nation_id allies",
                f"'Rasmus', {ESTONIA}, [{FINLAND}]",
            ),
            rows(
                "zoo.Nation",
                "name mascot_id",
                "'Estonia', None",
                f"'Finland', {RASMUS}",
            ),
        )
    )
    mascot = Mascot.objects.get()
    assert mascot.nation.name == "Estonia"
    assert [nation.name for nation in mascot.allies.all()] == ["Finland"]
    assert Nation.objects.get(name="Finland").mascot == mascot


def test_a_key_to_a_field_that_is_no_primary_key(load: Load) -> None:
    load(
        dump_of(
            rows("zoo.Exhibit", "id species_id", (1, "Strix 'aluco'")),
            rows("zoo.Species", "id latin", (1, "Strix 'aluco'")),
        )
    )
    assert Exhibit.objects.get().species == Species.objects.get()


def test_one_to_ones_in_a_chain_of_primary_keys(load: Load) -> None:
    load(
        dump_of(
            rows("zoo.Stamp", "visa_id number", (3, "S")),
            rows("zoo.Visa", "passport_id number", (3, "V")),
            rows("zoo.Passport", "species_id number", (3, "P")),
            rows("zoo.Species", "id latin", (3, "x")),
        )
    )
    assert Species.objects.get().passport.visa.stamp.number == "S"
