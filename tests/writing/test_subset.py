"""A part of a database: chosen rows, rows that refer to them, and all rows that these refer to."""

from __future__ import annotations

import datetime
import uuid
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.management.base import CommandError
from dumps import calls
from hostels import hostel
from running import called, dumped, loaded
from sites import NewSite

from dumpy.writing import subset as subsets
from zoo import models as zoo

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def names(text: str) -> list[str]:
    """Return the calls of a dump, each up to its first value."""
    return [row.partition(",")[0] if "," in row else row[:-1] for row in calls(text)]


def subset(*only: str, **options: Any) -> list[str]:
    """Return the rows of a subset, each up to its first value."""
    return names(dumped(only=list(only), **options))


def refusal(*labels: str, **options: Any) -> str:
    """Return why a dump is refused."""
    with pytest.raises(CommandError) as caught:
        dumped(*labels, **options)
    return str(caught.value)


@pytest.fixture
def animals() -> None:
    """Put two species with an animal each into the database, and an animal that has friends."""
    for pk in (1, 2, 3):
        zoo.Species.objects.create(pk=pk, latin=f"latin {pk}")
        zoo.Animal.objects.create(pk=pk, name=f"animal {pk}", species_id=pk)


def test_a_chosen_row_comes_with_the_row_that_its_foreign_key_refers_to(animals: None) -> None:
    assert subset("zoo.Animal:2") == ["zoo_species(2", "zoo_animal(2"]


def test_several_rows_and_options_add_to_each_other(animals: None) -> None:
    found = subset("zoo.Animal:3,1", "zoo.Species:1,2")
    assert found == [
        "zoo_species(1",
        "zoo_species(2",
        "zoo_species(3",
        "zoo_animal(1",
        "zoo_animal(3",
    ]


def test_a_lookup_of_django_chooses_rows(animals: None) -> None:
    found = names(dumped(where=["zoo.Animal:species__latin__endswith=2"]))
    assert found == ["zoo_species(2", "zoo_animal(2"]


def test_keys_and_lookups_of_a_model_are_its_union(animals: None) -> None:
    found = names(dumped(only=["zoo.Species:3"], where=["zoo.Species:latin=latin 1"]))
    assert found == ["zoo_species(1", "zoo_species(3"]


@pytest.mark.parametrize(
    ("lookup", "expected"),
    [("pk__in=1,3", [1, 3]), ("pk__range=2,3", [2, 3]), ("pk__isnull=false", [1, 2, 3])],
)
def test_lookups_of_lists_and_truth_take_text(
    animals: None, lookup: str, expected: list[int]
) -> None:
    found = names(dumped(where=[f"zoo.Species:{lookup}"]))
    assert found == [f"zoo_species({pk}" for pk in expected]


def test_a_date_chooses_times_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        species = zoo.Species.objects.create(pk=1, latin="a")
        animal = zoo.Animal.objects.create(pk=1, name="b", species=species)
        trough = zoo.Trough.objects.create(pk=1, name="c")
        for pk, year in ((1, 2025), (2, 2026)):
            fed_at = datetime.datetime(year, 6, 1, tzinfo=datetime.timezone.utc)
            zoo.Feeding.objects.create(pk=pk, trough=trough, animal=animal, kilos=1, fed_at=fed_at)
        found = names(dumped(where=["zoo.Feeding:fed_at__gte=2026-01-01"]))
    assert found[-1] == "zoo_feeding(2"
    assert len(found) == 4


def test_no_needed_leaves_out_what_rows_refer_to(animals: None) -> None:
    assert subset("zoo.Animal:2", needed=False) == ["zoo_animal(2"]


def test_links_come_with_their_targets_and_what_these_link_to(animals: None) -> None:
    zoo.Animal.objects.get(pk=1).prey.add(2)
    zoo.Animal.objects.get(pk=2).prey.add(3)
    assert subset("zoo.Animal:1")[3:] == ["zoo_animal(1", "zoo_animal(2", "zoo_animal(3"]
    assert subset("zoo.Animal:2")[2:] == ["zoo_animal(2", "zoo_animal(3"]


def test_a_foreign_key_to_a_field_that_is_no_primary_key_is_followed(animals: None) -> None:
    zoo.Exhibit.objects.create(pk=1, species_id="latin 3")
    assert subset("zoo.Exhibit:1") == ["zoo_species(3", "zoo_exhibit(1"]


def test_primary_keys_that_are_foreign_keys_are_followed(animals: None) -> None:
    for model in (zoo.Passport, zoo.Visa, zoo.Stamp):
        model.objects.create(pk=2, number="a")
    assert subset("zoo.Stamp:2") == [
        f"zoo_{name}(2" for name in ("species", "passport", "visa", "stamp")
    ]


def test_foreign_keys_to_a_composite_key_are_followed(new_site: NewSite, unblocked: None) -> None:
    site = new_site("hostel", hostel())
    text = site.succeed("dumpdata", "--format=py", "--only=hostel.Bed:8")
    assert calls(text) == ["hostel_bed(8, 1, 8)", "hostel_room(1, 8)"]


def test_generic_foreign_keys_are_followed(animals: None) -> None:
    chip = zoo.Chip.objects.create(pk=uuid.UUID(int=5), label="a")
    zoo.Note.objects.create(pk=1, target=zoo.Animal.objects.get(pk=3))
    zoo.Label.objects.create(pk=1, target=chip)
    zoo.Label.objects.create(pk=2)
    assert sorted(subset("zoo.Note:1")) == ["zoo_animal(3", "zoo_note(1", "zoo_species(3"]
    found = sorted(subset("zoo.Label:1,2"))
    assert found == [f"zoo_chip({chip.pk!r}", "zoo_label(1", "zoo_label(2"]


def test_a_generic_foreign_key_that_leads_nowhere_is_dumped_as_it_is(animals: None) -> None:
    kind = ContentType.objects.get_for_model(zoo.Animal)
    zoo.Label.objects.create(pk=1, kind=kind, key="no number")
    zoo.Label.objects.create(pk=2, kind=kind, key="77")
    assert subset("zoo.Label:1,2") == ["zoo_label(1", "zoo_label(2"]


def test_rows_of_parent_models_come_along_even_without_what_is_needed() -> None:
    chip = zoo.Chip.objects.create(pk=uuid.UUID(int=5), label="a")
    parrot = zoo.Parrot.objects.create(pk=4, name="a", wingspan=1)
    parrot.chips.add(chip)
    alone = [f"zoo_{name}(4" for name in ("creature", "bird", "parrot")]
    assert subset("zoo.Parrot:4", needed=False) == alone
    assert subset("zoo.Parrot:4") == [f"zoo_chip({chip.pk!r}", *alone]


def test_rows_of_two_parent_models_come_along() -> None:
    newt = zoo.Amphibian.objects.create(walker_id=7, swimmer_id=9, legs=4, depth=3, name="Newt")
    zoo.Walker.objects.create(walker_id=8, legs=2)
    found = subset(f"zoo.Amphibian:{newt.pk}")
    assert sorted(found) == ["zoo_amphibian(9", "zoo_swimmer(9", "zoo_walker(7"]


def test_cycles_come_to_an_end() -> None:
    pond = zoo.Pond.objects.create(pk=1, name="a")
    pond.star = zoo.Otter.objects.create(pk=2, name="b", pond=pond)
    pond.save()
    zoo.Otter.objects.create(pk=3, name="c", pond=pond)
    assert sorted(subset("zoo.Pond:1")) == ["zoo_otter(2", "zoo_pond(1"]


def test_children_are_rows_that_refer_to_chosen_rows_with_what_they_need(animals: None) -> None:
    zoo.Trough.objects.create(pk=1, name="a")
    zoo.Trough.objects.create(pk=2, name="b")
    at = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    for pk, trough, animal in ((1, 1, 1), (2, 1, 2), (3, 2, 1)):
        zoo.Feeding.objects.create(pk=pk, trough_id=trough, animal_id=animal, kilos=1, fed_at=at)
    found = subset("zoo.Trough:1", with_children=["zoo.Feeding"])
    assert found[:-3] == ["zoo_species(1", "zoo_species(2", "zoo_animal(1", "zoo_animal(2"]
    assert found[-3:] == ["zoo_trough(1", "zoo_feeding(1", "zoo_feeding(2"]


def test_children_are_not_those_of_rows_that_are_only_needed(animals: None) -> None:
    zoo.Animal.objects.create(pk=4, name="of the same species", species_id=2)
    found = subset("zoo.Animal:2", with_children=["zoo.Animal"])
    assert found == ["zoo_species(2", "zoo_animal(2"]


def test_children_have_children(animals: None) -> None:
    zoo.Passport.objects.create(pk=1, number="a")
    zoo.Visa.objects.create(pk=1, number="a")
    zoo.Passport.objects.create(pk=2, number="b")
    found = subset("zoo.Species:1", with_children=["zoo.Passport", "zoo.Visa"])
    assert found == ["zoo_species(1", "zoo_passport(1", "zoo_visa(1"]


def test_children_refer_by_links_and_generic_keys_too(animals: None) -> None:
    zoo.Animal.objects.get(pk=1).prey.add(2)
    zoo.Note.objects.create(pk=1, target=zoo.Animal.objects.get(pk=2))
    zoo.Note.objects.create(pk=2, target=zoo.Species.objects.get(pk=2))
    found = subset("zoo.Animal:2", with_children=["zoo.Animal", "zoo.Note"])
    species = ["zoo_species(1", "zoo_species(2"]
    assert sorted(found) == ["zoo_animal(1", "zoo_animal(2", "zoo_note(1", *species]


def test_children_of_a_parent_model_are_children_of_its_child() -> None:
    zoo.Parrot.objects.create(pk=4, name="a", wingspan=1)
    kind = ContentType.objects.get_for_model(zoo.Creature)
    zoo.Note.objects.create(pk=1, content_type=kind, object_id=4)
    assert "zoo_note(1" in subset("zoo.Parrot:4", with_children=["zoo.Note"])


def test_explain_says_why_each_row_is_in(animals: None) -> None:
    zoo.Note.objects.create(pk=5, target=zoo.Animal.objects.get(pk=3))
    said = called(
        "dumpdata", format="py", only=["zoo.Animal:3"], with_children=["zoo.Note"], explain=True
    )
    assert sorted(said.err.splitlines()) == [
        "zoo.Animal(pk=3): chosen by --only",
        "zoo.Note(pk=5): added with zoo.Animal(pk=3) by --with-children",
        "zoo.Species(pk=3): needed by zoo.Animal(pk=3).species",
    ]


def test_nothing_is_explained_unless_it_was_asked_for(animals: None) -> None:
    assert called("dumpdata", format="py", only=["zoo.Animal:3"]).err == ""


def test_more_rows_than_are_asked_for_at_once_are_in_the_order_of_their_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subsets, "CHUNK", 2)
    for number in (-3, 10, 9, 0, 2):
        zoo.Locker.objects.create(number=number, label="a")
        zoo.Country.objects.create(code=f"é{number}")
        zoo.Chip.objects.create(pk=uuid.UUID(int=number + 100 << 90), label="a")
        zoo.Tariff.objects.create(amount=Decimal(number) / 2, label="a")
        zoo.Holiday.objects.create(day=datetime.date(2026, 1, number + 10), label="a")
    labels = [f"zoo.{name}" for name in ("Locker", "Country", "Chip", "Tariff", "Holiday")]
    chosen = dumped(where=[f"{label}:pk__isnull=false" for label in labels])
    assert calls(chosen) == calls(dumped(*labels))


def test_composite_primary_keys_are_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subsets, "CHUNK", 2)
    chips = [zoo.Chip.objects.create(pk=uuid.UUID(int=one << 90), label="a") for one in (30, 4)]
    for chip in chips:
        for day in (20, 3):
            date = datetime.date(2026, 1, day)
            zoo.Booking.objects.create(chip=chip, day=date, visitor="a")
    chosen = dumped(where=["zoo.Booking:visitor=a"])
    assert calls(chosen) == calls(dumped("zoo.Chip", "zoo.Booking"))


def test_a_subset_is_loaded_into_an_empty_database(animals: None, tmp_path: Path) -> None:
    path = tmp_path / "subset.py"
    path.write_text(dumped(only=["zoo.Animal:2"]), encoding="utf-8")
    loaded(path, database="other")
    assert [one.name for one in zoo.Animal.objects.using("other")] == ["animal 2"]


def test_the_docstring_says_that_it_is_a_subset(animals: None) -> None:
    text = dumped(only=["zoo.Animal:2"], where=["zoo.Species:pk=1"])
    said = "written by dumpy: chosen rows of zoo.Animal, zoo.Species, and the rows that these"
    assert text.splitlines()[2].startswith('"""A subset of the data of ')
    assert said in text


def test_rows_that_a_default_manager_hides_are_added_only_where_they_are_needed() -> None:
    zoo.Resident.objects.create(pk=1, name="gone", left=True)
    zoo.Resident.objects.create(pk=2, name="here", companion_id=1)
    zoo.Resident.objects.create(pk=3, name="gone too", left=True, companion_id=2)
    children = {"with_children": ["zoo.Resident"]}
    assert subset("zoo.Resident:2", **children) == ["zoo_resident(1", "zoo_resident(2"]
    found = subset("zoo.Resident:2", use_base_manager=True, **children)
    assert found == ["zoo_resident(1", "zoo_resident(2", "zoo_resident(3"]


def test_a_chosen_row_that_a_default_manager_hides_is_refused_with_the_way_to_it() -> None:
    zoo.Resident.objects.create(pk=1, name="gone", left=True)
    said = refusal(only=["zoo.Resident:1"])
    assert said.endswith(
        "zoo.Resident has no row with the primary key 1. Its default manager hides rows: use --all."
    )


def test_an_excluded_model_is_left_out(animals: None) -> None:
    assert subset("zoo.Animal:2", exclude=["zoo.Species"]) == ["zoo_animal(2"]


def test_a_lookup_that_matches_no_row_is_said(animals: None) -> None:
    said = called("dumpdata", format="py", where=["zoo.Animal:name=nobody"])
    assert said.err == "--where zoo.Animal:name=nobody: no row of zoo.Animal matches.\n"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"only": ["zoo.Unicorn:1"]}, "--only: There is no model 'zoo.Unicorn'."),
        ({"where": ["unicorn:pk=1"]}, "--where: There is no model 'unicorn'."),
        ({"only": ["zoo.Animal"]}, "--only zoo.Animal: write app_label.ModelName:pk,pk."),
        ({"only": ["zoo.Animal:1,"]}, "--only zoo.Animal:1,: write app_label.ModelName:pk,pk."),
        ({"only": ["zoo.Animal:x"]}, "--only: one of x is not a primary key of zoo.Animal: "),
        ({"only": ["zoo.Animal:1,77,78"]}, "zoo.Animal has no row with the primary key 77, 78."),
        ({"only": ["zoo.Booking:1"]}, "zoo.Booking has a composite primary key. Use --where."),
        ({"only": ["sessions.Session:a"]}, "--only: sessions.Session is not in the dump: it is"),
        (
            {"only": ["zoo.Animal:1"], "exclude": ["zoo.Animal"]},
            "--only: zoo.Animal is not in the dump: it is excluded,",
        ),
        ({"where": ["zoo.Animal:name"]}, "write app_label.ModelName:lookup=value."),
        ({"where": ["zoo.Animal:fur=1"]}, "--where zoo.Animal:fur=1: Cannot resolve keyword 'fur'"),
        ({"where": ["zoo.Animal:name__is=1"]}, "Unsupported lookup 'is' for CharField"),
        ({"where": ["zoo.Animal:pk=x"]}, "--where zoo.Animal:pk=x: Field 'id' expected a number"),
        ({"where": ["zoo.Animal:pk__isnull=1"]}, "'1' is neither true nor false."),
        ({"where": ["zoo.Holiday:day=x"]}, "--where zoo.Holiday:day=x: “x” value has an invalid"),
        (
            {"only": ["zoo.Animal:1"], "with_children": ["zoo.Locker"]},
            "--with-children: no field of zoo.Locker refers to the models of the chosen rows.",
        ),
        ({"with_children": ["zoo.Animal"]}, "--with-children: choose rows with --only or --where."),
        ({"explain": True}, "--explain: choose rows with --only or --where."),
        ({"needed": False}, "--no-needed: choose rows with --only or --where."),
        ({"only": ["zoo.Animal:1"], "primary_keys": "1"}, "--pks"),
    ],
)
def test_a_wrong_selection_is_refused_with_a_sentence(
    animals: None, options: dict[str, Any], reason: str
) -> None:
    assert reason in refusal(**options)


def test_labels_beside_a_subset_are_refused(animals: None) -> None:
    said = refusal("zoo.Animal", only=["zoo.Animal:1"])
    assert said.startswith("zoo.Animal: labels cannot be combined with --only or --where.")


def test_a_subset_in_another_format_is_refused(animals: None) -> None:
    with pytest.raises(CommandError, match="--only is for the format py only: add --format=py"):
        called("dumpdata", only=["zoo.Animal:1"])
