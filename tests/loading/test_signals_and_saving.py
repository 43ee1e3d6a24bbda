"""What runs when something is loaded: nothing for dumped rows, everything for hand-written ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timezone
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db.models.signals import m2m_changed, post_save, pre_save
from django.dispatch import Signal
from dumps import module as dump_of
from dumps import rows
from loading_tools import Load, fixture_of, refusal, values

from dumpy import LoadError
from zoo.models import (
    Animal,
    Door,
    DoorLog,
    Journal,
    Keeper,
    KeeperProfile,
    Parrot,
    Permit,
    Resident,
    Species,
)

pytestmark = pytest.mark.django_db

KEEPERS = dump_of(
    rows("zoo.Keeper", "id name", (1, "Ada"), (2, "Ben")),
    rows("zoo.KeeperProfile", "id keeper_id motto", (7, 1, "as it was")),
)


@contextmanager
def listening(signal: Signal, sender: type | None = None) -> Iterator[list[dict[str, Any]]]:
    """Yield a list that grows with what the signal is sent with."""
    heard: list[dict[str, Any]] = []

    def hear(**arguments: Any) -> None:
        heard.append(arguments)

    signal.connect(hear, sender)
    try:
        yield heard
    finally:
        signal.disconnect(hear, sender)


@pytest.fixture
def raw_signals(settings: Any) -> None:
    """Send signals for dumped rows."""
    settings.DUMPY = {"SIGNALS": "raw"}


def test_receivers_that_ignore_raw_do_not_get_in_the_way(load: Load) -> None:
    """D13: a receiver would create a second profile for the same keeper."""
    load(KEEPERS)
    assert values(KeeperProfile, "pk", "keeper", "motto") == [(7, 1, "as it was")]


PROFILE = dump_of(rows("zoo.KeeperProfile", "id keeper_id motto", (7, 1, "as it was")))


def test_a_row_that_a_receiver_makes_in_the_load_gives_way(
    load: Load, settings: Any, raw_signals: None
) -> None:
    def motto(instance: Keeper, **arguments: Any) -> None:
        KeeperProfile.objects.filter(keeper=instance).update(motto="from a receiver")

    post_save.connect(motto, Keeper)
    try:
        said = load(KEEPERS)
    finally:
        post_save.disconnect(motto, Keeper)
    assert (7, 1, "as it was") in values(KeeperProfile, "pk", "keeper", "motto")
    assert "was replaced by a row of the dump" in said


def test_a_row_that_a_receiver_of_a_hand_written_object_makes_gives_way(
    load: Load, tmp_path: Path
) -> None:
    keepers = tmp_path / "keepers.py"
    keepers.write_text(fixture_of(*(f"yield Keeper(pk={n}, name='x')" for n in (1, 2))))
    dumped = tmp_path / "dumped.py"
    dumped.write_text(PROFILE)
    call_command("loaddata", str(keepers), str(dumped))
    assert (7, 1, "as it was") in values(KeeperProfile, "pk", "keeper", "motto")


def test_a_row_that_a_receiver_made_in_a_fresh_database_gives_way(load: Load) -> None:
    Keeper.objects.create(pk=1, name="Ada")
    load(PROFILE)
    assert values(KeeperProfile, "pk", "keeper", "motto") == [(7, 1, "as it was")]


def test_a_row_that_somebody_has_entered_does_not_give_way(load: Load) -> None:
    Keeper.objects.create(pk=1, name="Ada")
    KeeperProfile.objects.update(motto="mine")
    error = refusal(load, PROFILE)
    assert [(p.ref.label, p.ref.key) for p in error.problems] == [("zoo.KeeperProfile", 7)]
    assert values(KeeperProfile, "motto") == ["mine"]


def test_a_row_among_others_in_a_live_database_does_not_give_way(load: Load) -> None:
    Keeper.objects.create(pk=1, name="Ada")
    Keeper.objects.create(pk=2, name="Ben")
    refusal(load, PROFILE)
    assert values(KeeperProfile, "keeper") == [1, 2]


def test_an_object_of_a_person_does_not_give_way_to_a_row_of_a_dump(
    load: Load, tmp_path: Path
) -> None:
    Keeper.objects.create(pk=1, name="Ada")
    KeeperProfile.objects.all().delete()
    person = tmp_path / "person.py"
    person.write_text(fixture_of("yield KeeperProfile(pk=50, keeper_id=1, motto='mine')"))
    dumped = tmp_path / "dumped.py"
    dumped.write_text(PROFILE)
    with pytest.raises(LoadError):
        call_command("loaddata", str(person), str(dumped))


@pytest.mark.parametrize("signal", [pre_save, post_save, m2m_changed])
def test_dumped_rows_send_no_signals(load: Load, signal: Signal) -> None:
    """D13"""
    with listening(signal) as heard:
        load(dump_of(rows("zoo.Animal", "id name prey", (1, "x", [1]))))
    assert heard == []


def test_signals_are_sent_raw_and_once_for_each_row_if_so_wished(
    load: Load, raw_signals: None
) -> None:
    """D13"""
    with listening(pre_save, Species) as before, listening(post_save, Species) as after:
        load(dump_of(rows("zoo.Species", "id latin", (1, "a"), (2, "b"))))
    for heard in (before, after):
        assert [(each["instance"].pk, each["raw"]) for each in heard] == [(1, True), (2, True)]
    assert [each["created"] for each in after] == [True, True]


def test_signals_of_one_model_leave_the_others_in_the_rows_lane(
    load: Load, raw_signals: None
) -> None:
    with listening(post_save, Species):
        said = load(
            dump_of(
                rows("zoo.Species", "id latin", (1, "a")),
                rows("zoo.Animal", "id name", (1, "x")),
            ),
            verbosity=2,
        )
    assert "zoo.Species (objects)" in said
    assert "zoo.Animal (rows)" in said


def test_with_raw_signals_links_and_stamps_are_as_dumped_too(load: Load, raw_signals: None) -> None:
    with listening(post_save):
        load(
            dump_of(
                rows("zoo.Animal", "id name prey", (1, "x", [1, 2]), (2, "y", [])),
                rows("zoo.Door", "id name saves", (1, "front", 41)),
            )
        )
    assert sorted(Animal.prey.through.objects.values_list("to_animal", flat=True)) == [1, 2]
    assert values(Door, "saves") == [41]


def test_with_raw_signals_a_later_parent_does_not_break_the_load(
    load: Load, raw_signals: None
) -> None:
    with listening(post_save):
        load(
            dump_of(
                rows("zoo.Lemur", "id name island_id", (1, "x", 1)),
                rows("zoo.Island", "id name chief_id", (1, "y", 1)),
            )
        )


def test_with_raw_signals_each_level_of_inheritance_is_sent_as_itself(
    load: Load, raw_signals: None
) -> None:
    with listening(post_save, Parrot) as heard:
        load(
            dump_of(
                rows("zoo.Creature", "id name height", (1, "Polly", 3)),
                rows("zoo.Bird", "creature_ptr_id wingspan", (1, 20)),
                rows("zoo.Parrot", "bird_ptr_id vocabulary", (1, "hello")),
            )
        )
    assert [each["raw"] for each in heard] == [True]
    assert Parrot.objects.get().name == "Polly"


def test_a_receiver_that_fails_is_named_with_its_row_and_leaves_nothing(
    load: Load, raw_signals: None
) -> None:
    """D8, D13"""

    def fail(**arguments: Any) -> None:
        raise RuntimeError("no raw rows, please")

    post_save.connect(fail, Species)
    try:
        error = refusal(load, dump_of(rows("zoo.Species", "id latin", (1, "a"))))
    finally:
        post_save.disconnect(fail, Species)
    assert [(p.ref.label, p.ref.key, p.reason) for p in error.problems] == [
        ("zoo.Species", 1, "no raw rows, please")
    ]
    assert not Species.objects.exists()


def test_hand_written_objects_send_signals_as_saving_does(load: Load) -> None:
    with listening(post_save, Keeper) as heard:
        load(fixture_of("yield Keeper(pk=1, name='Ada')"))
    assert [each["raw"] for each in heard] == [False]
    assert KeeperProfile.objects.get().keeper_id == 1


def test_a_save_method_is_not_called_for_dumped_rows(load: Load) -> None:
    load(dump_of(rows("zoo.Door", "id name saves", (1, "front", 41))))
    assert values(Door, "saves") == [41]
    assert not DoorLog.objects.exists()


def test_a_save_method_is_called_for_hand_written_objects(load: Load) -> None:
    load(fixture_of("yield Door(pk=1, name='front', saves=41)"))
    assert values(Door, "saves") == [42]
    assert values(DoorLog, "text") == ["saved front"]


STAMPED = (
    "1, 'old', utc(2001, 2, 3, 4, 5, 6, 789012), utc(2002, 2, 3, 4, 5, 6, 7), "
    "date(2001, 2, 3), date(2002, 2, 3), time(1, 2, 3, 4)"
)
STAMPS = (
    datetime(2001, 2, 3, 4, 5, 6, 789012, tzinfo=timezone.utc),
    datetime(2002, 2, 3, 4, 5, 6, 7, tzinfo=timezone.utc),
    date(2001, 2, 3),
    date(2002, 2, 3),
    time(1, 2, 3, 4),
)
STAMP_FIELDS = ("created", "changed", "created_day", "changed_day", "changed_hour")
JOURNAL = dump_of(rows("zoo.Journal", "id text " + " ".join(STAMP_FIELDS), STAMPED))


def test_stamps_are_kept(load: Load) -> None:
    """L1: auto_now and auto_now_add write over what was dumped."""
    load(JOURNAL)
    assert values(Journal, *STAMP_FIELDS) == [STAMPS]


def test_stamps_are_kept_on_update_and_with_raw_signals(load: Load, raw_signals: None) -> None:
    """L1"""
    Journal.objects.create(pk=1, text="new")
    with listening(post_save):
        load(JOURNAL)
    assert values(Journal, *STAMP_FIELDS) == [STAMPS]


def test_dumped_rows_are_not_validated(load: Load) -> None:
    """L8: a row that is valid in the database but not for full_clean()."""
    load(dump_of(rows("zoo.Permit", "id number holder", (1, "no", ""))))
    assert values(Permit, "number", "holder") == [("no", "")]


def test_hand_written_objects_are_validated(load: Load) -> None:
    error = refusal(load, fixture_of("yield Permit(pk=1, number='no', holder='Ada')"))
    assert "number" in error.problems[0].reason


def test_rows_that_a_manager_hides_are_updated_not_inserted_again(load: Load) -> None:
    """D3"""
    Resident.everyone.create(pk=1, name="gone", left=True)
    load(dump_of(rows("zoo.Resident", "id name left companion_id", (1, "still gone", True, 1))))
    assert list(Resident.everyone.values_list("name")) == [("still gone",)]


def test_a_hand_written_object_that_a_manager_hides_is_found(load: Load) -> None:
    load(
        fixture_of(
            "yield Resident(pk=2, name='y', companion_id=1)",
            "yield Resident(pk=1, name='x', left=True)",
        )
    )
    assert list(Resident.everyone.order_by("pk").values_list("companion", flat=True)) == [None, 1]
