"""`repair` puts chosen rows back with what they need, and changes none that exist."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from running import called, contents

from music.models import Album, Artist, Employee, MediaType, Playlist, Track
from zoo import models as zoo

pytestmark = pytest.mark.django_db


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """A dump of three tracks on an album, and of three animals; one row in each file."""
    fill_shop()
    fill_zoo()
    called("dump2py", str(tmp_path / "dump"), "music", "zoo", max_row_count=1, verbosity=0)
    return tmp_path / "dump"


def fill_shop() -> None:
    """Make three tracks on two playlists, and a chain of employees."""
    artist = Artist.objects.create(pk=1, name="AC/DC")
    album = Album.objects.create(pk=1, title="Let There Be Rock", artist=artist)
    kind = MediaType.objects.create(pk=1, name="mp3")
    lists = [Playlist.objects.create(pk=pk, name=f"List {pk}") for pk in (1, 2)]
    for pk, name in enumerate(["Overdose", "Dog Eat Dog", "Problem Child"], 1):
        track = Track.objects.create(
            pk=pk, name=name, album=album, media_type=kind, milliseconds=pk, unit_price="0.99"
        )
        track.playlists.set(lists)
    for pk in (3, 2, 1):
        day = "2001-01-01"
        Employee.objects.create(
            pk=pk, reports_to_id=pk + 1 if pk < 3 else None, email=f"{pk}@x", birth_date=day,
            hire_date=day,
        )  # fmt: skip


def fill_zoo() -> None:
    """Make a parrot, a sighting of a species that is gone, and rows with keys of other kinds."""
    chip = zoo.Chip.objects.create(pk=UUID(int=7), label="seven")
    zoo.Parrot.objects.create(pk=5, name="Polly", wingspan=9, vocabulary="Hello").chips.add(chip)
    zoo.Booking.objects.create(chip=chip, day="2001-01-01", visitor="Ann")
    zoo.Booking.objects.create(chip=chip, day="2001-01-02", visitor="Bob")
    zoo.Species.objects.create(pk=1, latin="Corvus corax")
    zoo.Exhibit.objects.create(pk=1, species_id="Corvus corax")
    zoo.Sighting.objects.create(pk=1, species_id=99, place="Tallinn")
    with connection.constraint_checks_disabled():
        zoo.Island.objects.bulk_create([zoo.Island(pk=1, name="Aegna", chief_id=1)])
    zoo.Lemur.objects.bulk_create([zoo.Lemur(pk=1, name="Julien", island_id=1)])


def repaired(dump: Path, *args: str, **options: Any) -> dict[str, str]:
    """Restore rows really, and return what is said of each model."""
    return counts(called("repair", str(dump), *args, really=True, **options).out)


def counts(out: str) -> dict[str, str]:
    """Return the counts in what the command says, without those that are zero."""
    lines = [line.split(" ", 1) for line in out.splitlines() if " restored, " in line]
    return {
        label: ", ".join(part for part in text.strip().split(", ") if not part.startswith("0"))
        for label, text in lines
    }


def failed(dump: Path, *args: str) -> tuple[dict[str, str], str]:
    """Return the counts and the problems of a repair that fails."""
    out = StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("repair", str(dump), *args, "--really", stdout=out)
    return counts(out.getvalue()), str(caught.value)


def test_a_row_comes_back_as_it_was(dump: Path) -> None:
    before = contents()
    Track.objects.filter(pk=2).delete()
    assert repaired(dump, "music.Track", "2") == {"music.Track": "1 restored"}
    after = contents()
    links = "music_track_playlists"
    assert {**after, links: len(after[links])} == {**before, links: len(before[links])}


def test_nothing_is_changed_unless_it_is_meant(dump: Path) -> None:
    Track.objects.filter(pk=2).delete()
    before = contents()
    said = called("repair", str(dump), "music.Track", "2").out
    assert counts(said) == {"music.Track": "1 restored"}
    assert said.endswith("Nothing was changed. To restore the rows, add --really.\n")
    assert contents() == before


def test_rows_that_exist_are_ignored_and_not_changed(dump: Path) -> None:
    Track.objects.filter(pk=2).delete()
    Track.objects.filter(pk=1).update(name="Overdose (live)")
    said = repaired(dump, "music.Track", "1", "2")
    assert said == {"music.Track": "1 restored, 1 ignored (exists)"}
    assert Track.objects.get(pk=1).name == "Overdose (live)"


def test_what_a_row_needs_is_restored_if_it_is_missing(dump: Path) -> None:
    Track.objects.all().delete()
    Artist.objects.all().delete()
    said = repaired(dump, "music.Track", "3")
    assert said == {
        "music.Album": "1 restored",
        "music.Artist": "1 restored",
        "music.Track": "1 restored",
    }
    assert Track.objects.get().album.artist.name == "AC/DC"  # type: ignore[union-attr]


def test_what_a_row_needs_is_not_changed_if_it_is_there(dump: Path) -> None:
    Track.objects.filter(pk=3).delete()
    Album.objects.update(title="Powerage")
    assert repaired(dump, "music.Track", "3") == {"music.Track": "1 restored"}
    assert Album.objects.get().title == "Powerage"


def test_a_chain_within_a_table_is_restored_to_its_end(dump: Path) -> None:
    Employee.objects.all().delete()
    assert repaired(dump, "music.Employee", "1") == {"music.Employee": "3 restored"}


def test_the_parents_of_a_row_are_restored_with_it(dump: Path) -> None:
    zoo.Creature.objects.all().delete()
    said = repaired(dump, "zoo.Parrot", "5")
    assert said == dict.fromkeys(["zoo.Bird", "zoo.Creature", "zoo.Parrot"], "1 restored")
    parrot = zoo.Parrot.objects.get()
    assert (parrot.name, parrot.wingspan, parrot.vocabulary) == ("Polly", 9, "Hello")
    assert [chip.label for chip in parrot.chips.all()] == ["seven"]


def test_rows_that_need_each_other_are_restored_together(dump: Path) -> None:
    with connection.constraint_checks_disabled():
        zoo.Island.objects.all()._raw_delete("default")
    zoo.Lemur.objects.all()._raw_delete("default")
    said = repaired(dump, "zoo.Island", "1")
    assert said == {"zoo.Island": "1 restored", "zoo.Lemur": "1 restored"}


def test_a_reference_to_another_field_than_the_key_is_followed(dump: Path) -> None:
    zoo.Species.objects.all().delete()
    said = repaired(dump, "zoo.Exhibit", "1")
    assert said == {"zoo.Exhibit": "1 restored", "zoo.Species": "1 restored"}


def test_a_reference_that_the_database_does_not_check_needs_nothing(dump: Path) -> None:
    zoo.Sighting.objects.all().delete()
    assert repaired(dump, "zoo.Sighting", "1") == {"zoo.Sighting": "1 restored"}


def test_links_to_rows_that_are_gone_are_left_out_and_said(dump: Path) -> None:
    Track.objects.filter(pk=2).delete()
    Playlist.objects.filter(pk=1).delete()
    said = called("repair", str(dump), "music.Track", "2", "--really").out
    assert "music.Track(pk=2): 1 of 2 links of playlists are left out, since the rows" in said
    assert [playlist.pk for playlist in Track.objects.get(pk=2).playlists.all()] == [2]


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        (["album=1"], [1, 2, 3]),
        (["album_id=1", "milliseconds=2"], [2]),
        (["name=Problem Child"], [3]),
        (["unit_price=0.99", "name=Overdose"], [1]),
        (["name=Nothing"], []),
    ],
)
def test_rows_are_chosen_by_their_values(
    dump: Path, conditions: list[str], found: list[int]
) -> None:
    Track.objects.all().delete()
    repaired(dump, "music.Track", *(f"--where={condition}" for condition in conditions))
    assert [track.pk for track in Track.objects.order_by("pk")] == found


def test_keys_and_values_choose_together(dump: Path) -> None:
    Track.objects.all().delete()
    repaired(dump, "music.Track", "1", "2", "--where=milliseconds=2")
    assert [track.pk for track in Track.objects.all()] == [2]


def test_a_key_that_is_a_uuid_is_understood(dump: Path) -> None:
    zoo.Chip.objects.all().delete()
    assert repaired(dump, "zoo.Chip", str(UUID(int=7))) == {"zoo.Chip": "1 restored"}


def test_a_row_with_a_composite_key_is_chosen_by_its_values(dump: Path) -> None:
    zoo.Booking.objects.filter(visitor="Bob").delete()
    said = repaired(dump, "zoo.Booking", "--where=chip=00000000-0000-0000-0000-000000000007")
    assert said == {"zoo.Booking": "1 restored, 1 ignored (exists)"}


def test_a_row_that_stands_in_the_way_stays_and_nothing_is_restored(dump: Path) -> None:
    """The two cannot both be there: the name is unique."""
    Track.objects.all().delete()
    MediaType.objects.all().delete()
    MediaType.objects.create(pk=8, name="mp3")
    before = contents()
    said, reason = failed(dump, "music.Track", "1")
    assert said["music.MediaType"] == "1 errors"
    assert "music_mediatype.py" in reason
    assert reason.endswith("\nThe database is as it was.")
    assert contents() == before


def test_what_is_neither_here_nor_in_the_dump_is_an_error(tmp_path: Path) -> None:
    fill_shop()
    called("dump2py", str(tmp_path / "part"), "music.Track", verbosity=0)
    Track.objects.all().delete()
    Album.objects.all().delete()
    before = contents()
    said, reason = failed(tmp_path / "part", "music.Track", "2")
    assert said == {"music.Track": "1 errors"}
    assert "music.Track(pk=2): album_id=1 refers to a row of music.Album that is neither" in reason
    assert contents() == before


def test_a_key_that_is_not_in_the_dump_is_an_error(dump: Path) -> None:
    Track.objects.filter(pk=2).delete()
    said, reason = failed(dump, "music.Track", "2", "9")
    assert said == {"music.Track": "1 restored, 1 errors"}
    assert "music.Track(pk=9): the dump has no such row." in reason
    assert not Track.objects.filter(pk=2).exists()


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["music.Trak", "1"], "There is no model 'music.Trak'."),
        (["Track", "1"], "There is no model 'Track'."),
        (["music.Track"], "Say which rows"),
        (["music.Track", "one"], "'one' is no value for 'id'."),
        (["music.Track", "--where=nme=x"], "--where nme=x: music.Track has no column 'nme'."),
        (["music.Track", "--where=name"], "--where name: write field=value."),
        (["zoo.Booking", "1"], "composite primary key"),
        (["auth.Permission", "1"], "Django makes these rows itself."),
    ],
)
def test_a_choice_that_cannot_be_understood_is_refused(
    tmp_path: Path, args: list[str], reason: str
) -> None:
    with pytest.raises(CommandError) as caught:
        called("repair", str(tmp_path), *args)
    assert reason in str(caught.value)


def test_a_damaged_dump_is_refused(dump: Path) -> None:
    (dump / "music_genre.py").write_text("", encoding="utf-8")
    with pytest.raises(CommandError, match="it has 0 bytes"):
        called("repair", str(dump), "music.Track", "1")


def test_the_next_new_row_gets_a_free_key(dump: Path) -> None:
    Artist.objects.create(pk=50, name="Kiss")
    called("dump2py", str(dump), "music.Artist", overwrite=True, verbosity=0)
    Artist.objects.filter(pk=50).delete()
    repaired(dump, "music.Artist", "50")
    assert Artist.objects.create(name="Queen").pk > 50
