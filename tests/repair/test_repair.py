"""`repair` puts chosen rows back with what they need, and changes none that exist."""

from __future__ import annotations

import shutil
from datetime import datetime, timezone
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from dumps import module, rows
from hostels import hostel
from running import Project, Undone, called, contents, dumped
from sites import NewSite, Site

from dumpy.dump import natural
from dumpy.errors import DumpyError
from dumpy.loading.loader import Loader
from dumpy.repairing.repair import Repair
from dumpy.repairing.special import SpecialKeys, UnmatchedKey
from dumpy.schema.tables import table_of
from music.models import Album, Artist, Employee, Genre, MediaType, Playlist, Track
from zoo import models as zoo
from zoo.fields import Point

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def made_dump(tmp_path_factory: pytest.TempPathFactory, undone: Undone) -> Path:
    """A dump of three tracks on an album, and of three animals; one row in each file."""
    path = tmp_path_factory.mktemp("repair") / "dump"
    with undone():
        fill_shop()
        fill_zoo()
        called("dump2py", str(path), "music", "zoo", max_row_count=1, verbosity=0)
    return path


@pytest.fixture
def dump(made_dump: Path, tmp_path: Path) -> Path:
    """A copy of the dump, whose rows are in the database."""
    fill_shop()
    fill_zoo()
    return shutil.copytree(made_dump, tmp_path / "dump")


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


def delete_shop() -> None:
    """Delete tracks, albums, and artists."""
    for model in (Track, Album, Artist):
        model.objects.all().delete()


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


@pytest.mark.sql
def test_a_row_comes_back_as_it_was(dump: Path) -> None:
    before = contents()
    Track.objects.filter(pk=2).delete()
    assert repaired(dump, "music.Track", "2") == {"music.Track": "1 restored"}
    after = contents()
    links = "music_track_playlists"
    assert {**after, links: len(after[links])} == {**before, links: len(before[links])}


@pytest.mark.skipif(settings.ENGINE == "postgresql", reason="there no row is without its parent")
@pytest.mark.django_db(transaction=True)
def test_what_is_missing_beside_a_row_is_no_reason_not_to_restore_it(dump: Path) -> None:
    with connection.constraint_checks_disabled():
        Album.objects.bulk_create([Album(pk=7, title="Powerage", artist_id=99)])
        Album.objects.filter(pk=1)._raw_delete(using="default")
    assert repaired(dump, "music.Album", "1") == {"music.Album": "1 restored"}
    with connection.constraint_checks_disabled():
        Album.objects.filter(pk=7)._raw_delete(using="default")


def test_rows_of_generic_foreign_keys_are_restored_with_the_row_and_it_with_them(
    tmp_path: Path,
) -> None:
    fill_zoo()
    chip = zoo.Chip.objects.get()
    zoo.Label.objects.create(pk=1, target=chip)
    zoo.Label.objects.create(pk=2, kind=None, key=str(chip.pk))
    zoo.Label.objects.create(pk=3, kind=ContentType.objects.get_for_model(Genre), key="no key")
    zoo.Label.objects.create(pk=4, target=zoo.Species.objects.get())
    called("dump2py", str(tmp_path / "dump"), "zoo", verbosity=0)
    before = contents()
    for model in (zoo.Label, zoo.Booking, zoo.Chip):
        model.objects.all().delete()
    said = repaired(tmp_path / "dump", "zoo.Chip", str(chip.pk), with_children=True)
    assert said == {
        "zoo.Chip": "1 restored",
        "zoo.Booking": "2 restored",
        "zoo.Label": "1 restored",
    }
    zoo.Label.objects.all().delete()
    zoo.Booking.objects.all().delete()
    chip.delete()
    said = repaired(tmp_path / "dump", "zoo.Label", "1", "2", "3", "4")
    assert said == {"zoo.Chip": "1 restored", "zoo.Label": "4 restored"}
    assert contents()["zoo_label"] == before["zoo_label"]


def test_nothing_is_changed_unless_it_is_meant(dump: Path) -> None:
    Track.objects.filter(pk=2).delete()
    before = contents()
    said = called("repair", str(dump), "music.Track", "2").out
    assert counts(said) == {"music.Track": "1 would be restored"}
    assert said.endswith("Nothing was changed. To restore the rows, add --really.\n")
    assert contents() == before


def test_at_verbosity_0_only_errors_are_said(dump: Path) -> None:
    assert called("repair", str(dump), "music.Track", "1", really=True, verbosity=0).out == ""


def test_a_field_that_does_not_exist_is_named_with_what_can_be_done_in_a_repair(
    tmp_path: Path,
) -> None:
    path = tmp_path / "dump.py"
    path.write_text(module(rows("music.Genre", "id name mood", (1, "Rock", "loud"))), "utf-8")
    with pytest.raises((CommandError, DumpyError), match="has no field 'mood'") as caught:
        called("repair", str(path), "music.Genre", "1")
    assert "Comment the line out" in str(caught.value)
    assert "--ignorenonexistent" not in str(caught.value)


def test_a_repair_that_a_row_stands_in_the_way_of_does_not_advise_to_replace_all_rows(
    tmp_path: Path,
) -> None:
    Genre.objects.create(pk=9, name="Rock")
    path = tmp_path / "dump.py"
    path.write_text(module(rows("music.Genre", "id name", (1, "Rock"))), "utf-8")
    _counts, said = failed(path, "music.Genre", "1")
    assert "music.Genre(pk=9) has the same name and already exists." in said
    assert "manage.py restore" not in said


def test_rows_that_exist_are_ignored_and_not_changed(dump: Path) -> None:
    Track.objects.filter(pk=2).delete()
    Track.objects.filter(pk=1).update(name="Overdose (live)")
    said = repaired(dump, "music.Track", "1", "2")
    assert said == {"music.Track": "1 restored, 1 ignored (exists)"}
    assert Track.objects.get(pk=1).name == "Overdose (live)"


@pytest.mark.sql
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


@pytest.mark.sql
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


def test_a_row_that_is_there_with_another_value_is_not_changed_by_a_row_that_needs_it(
    dump: Path,
) -> None:
    zoo.Exhibit.objects.all().delete()
    zoo.Species.objects.update(latin="Corvus corone")
    said, problem = failed(dump, "zoo.Exhibit", "1")
    assert said == {"zoo.Exhibit": "1 errors", "zoo.Species": "1 ignored (exists)"}
    assert "species_id='Corvus corax' refers to a row of zoo.Species" in problem
    assert zoo.Species.objects.get().latin == "Corvus corone"


def test_a_reference_that_the_database_does_not_check_needs_nothing(dump: Path) -> None:
    zoo.Sighting.objects.all().delete()
    assert repaired(dump, "zoo.Sighting", "1") == {"zoo.Sighting": "1 restored"}


@pytest.mark.sql
def test_links_to_rows_that_are_gone_are_left_out_and_said(dump: Path) -> None:
    Track.objects.filter(pk=2).delete()
    Playlist.objects.filter(pk=1).delete()
    said = called("repair", str(dump), "music.Track", "2", "--really").out
    assert "music.Track(pk=2): 1 of 2 links of playlists are left out, since the rows" in said
    assert [playlist.pk for playlist in Track.objects.get(pk=2).playlists.all()] == [2]


def test_links_that_other_rows_hold_come_back_with_a_row(dump: Path) -> None:
    before = contents()
    Playlist.objects.filter(pk=1).delete()
    said = called("repair", str(dump), "music.Playlist", "1", "--really").out
    assert "3 of 3 links of music.Track.playlists to restored rows are restored.\n" in said
    after, links = contents(), "music_track_playlists"
    assert {**after, links: len(after[links])} == {**before, links: len(before[links])}


def test_links_of_rows_that_are_gone_are_left_out_and_counted(dump: Path) -> None:
    Playlist.objects.filter(pk=1).delete()
    Track.objects.filter(pk=3).delete()
    said = called("repair", str(dump), "music.Playlist", "1", "--really").out
    assert "2 of 3 links of music.Track.playlists to restored rows are restored; the rows" in said
    assert Playlist.objects.get(pk=1).tracks.count() == 2


@pytest.mark.sql
def test_rows_whose_foreign_key_is_null_since_their_row_was_deleted_are_named(dump: Path) -> None:
    Album.objects.create(pk=2, title="Powerage", artist_id=1)
    Album.objects.get(pk=1).delete()  # SET_NULL
    Track.objects.filter(pk=2).update(album=2)
    args = ["repair", str(dump), "music.Album", "1"]
    note = (
        "2 rows of music.Track referred to restored rows in the dump, and have no value now: "
        "album (pk 1, 3).\n"
    )
    assert note in called(*args).out
    assert note in called(*args, "--with-children", "--really").out
    assert sorted(Track.objects.values_list("pk", "album")) == [(1, None), (2, 2), (3, None)]
    assert "no value" not in called(*args, "--really").out


def test_both_sides_of_a_friendship_come_back(tmp_path: Path) -> None:
    one, other = (zoo.Animal.objects.create(pk=pk, name=str(pk)) for pk in (1, 2))
    one.friends.add(other)
    called("dump2py", str(tmp_path / "dump"), "zoo", verbosity=0)
    one.delete()
    repaired(tmp_path / "dump", "zoo.Animal", "1")
    friends = [zoo.Animal.objects.get(pk=pk).friends.get().pk for pk in (1, 2)]
    assert friends == [2, 1]


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        (["album=1"], [1, 2, 3]),
        (["album_id=1", "milliseconds=2"], [2]),
        (["name=Problem Child"], [3]),
        (["unit_price=0.99", "name=Overdose"], [1]),
    ],
)
@pytest.mark.sql
def test_rows_are_chosen_by_their_values(
    dump: Path, conditions: list[str], found: list[int]
) -> None:
    Track.objects.all().delete()
    repaired(dump, "music.Track", *(f"--where={condition}" for condition in conditions))
    assert [track.pk for track in Track.objects.order_by("pk")] == found


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["--where=name=Nothing"], "music.Track: the dump has no row with name=Nothing."),
        (["1", "--where=milliseconds=2"], "has no row with the key 1, milliseconds=2."),
    ],
)
def test_values_that_no_row_has_are_an_error(dump: Path, args: list[str], reason: str) -> None:
    _said, problem = failed(dump, "music.Track", *args)
    assert reason in problem


def test_rows_are_chosen_by_json_and_by_the_name_of_a_content_type(tmp_path: Path) -> None:
    zoo.Diet.objects.create(pk=1, plan={"a": [1, None]})
    zoo.Diet.objects.create(pk=2, plan={"a": 2})
    kind = ContentType.objects.get(app_label="music", model="artist")
    zoo.Note.objects.create(pk=1, content_type=kind, object_id=1)
    called("dump2py", str(tmp_path / "dump"), "zoo", verbosity=0)
    zoo.Diet.objects.all().delete()
    zoo.Note.objects.all().delete()
    repaired(tmp_path / "dump", "zoo.Diet", '--where=plan={"a": [1, null]}')
    repaired(tmp_path / "dump", "zoo.Note", "--where=content_type=music.artist")
    assert [one.pk for one in zoo.Diet.objects.all()] == [1]
    assert [one.pk for one in zoo.Note.objects.all()] == [1]


def test_a_time_without_an_offset_is_in_the_current_time_zone(tmp_path: Path) -> None:
    """In Tallinn, it is two hours earlier in UTC."""
    for hour in (3, 4, 5):
        moment = datetime(2026, 1, 1, hour, tzinfo=timezone.utc)
        zoo.OptionalCheckup.objects.create(pk=hour, moment=moment)
    called("dump2py", str(tmp_path / "dump"), "zoo", verbosity=0)
    for sign, pks in {"=": [4], "!=": [3, 5], "<": [3], ">": [5]}.items():
        zoo.OptionalCheckup.objects.all().delete()
        repaired(tmp_path / "dump", "zoo.OptionalCheckup", f"--where=moment{sign}2026-01-01 06:00")
        found = zoo.OptionalCheckup.objects.order_by("pk")
        assert [checkup.pk for checkup in found] == pks, sign


def test_true_in_json_is_not_the_number_one(tmp_path: Path) -> None:
    plans = [True, 1, [True], [1], {"a": True}, {"a": 1}]
    zoo.Diet.objects.bulk_create(zoo.Diet(pk=pk, plan=plan) for pk, plan in enumerate(plans))
    called("dump2py", str(tmp_path / "dump"), "zoo", verbosity=0)
    for condition, pks in {
        "plan=1": [1],
        "plan=true": [0],
        "plan=[1]": [3],
        'plan={"a": true}': [4],
        "plan>0": [1],
    }.items():
        zoo.Diet.objects.all().delete()
        repaired(tmp_path / "dump", "zoo.Diet", f"--where={condition}")
        assert [diet.pk for diet in zoo.Diet.objects.order_by("pk")] == pks, condition


def test_keys_and_values_choose_together(dump: Path) -> None:
    Track.objects.all().delete()
    repaired(dump, "music.Track", "1", "2", "--where=milliseconds=2")
    assert [track.pk for track in Track.objects.all()] == [2]


@pytest.mark.sql
def test_a_key_that_is_a_uuid_is_understood(dump: Path) -> None:
    zoo.Chip.objects.all().delete()
    assert repaired(dump, "zoo.Chip", str(UUID(int=7))) == {"zoo.Chip": "1 restored"}


@pytest.mark.sql
def test_a_row_with_a_composite_key_is_chosen_by_its_values(dump: Path) -> None:
    zoo.Booking.objects.filter(visitor="Bob").delete()
    said = repaired(dump, "zoo.Booking", "--where=chip=00000000-0000-0000-0000-000000000007")
    assert said == {"zoo.Booking": "1 restored, 1 ignored (exists)"}


@pytest.mark.sql
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


def test_children_of_the_row_of_a_parent_model_are_children_of_the_row(tmp_path: Path) -> None:
    parrot = zoo.Parrot.objects.create(pk=4, name="a", wingspan=1)
    zoo.Note.objects.create(pk=1, target=zoo.Creature.objects.get(pk=4))
    called("dump2py", str(tmp_path / "dump"), "zoo", verbosity=0)
    zoo.Note.objects.all().delete()
    parrot.delete()
    repaired(tmp_path / "dump", "zoo.Parrot", "4", "--with-children")
    assert zoo.Note.objects.get().target == zoo.Creature.objects.get(pk=4)


@pytest.mark.sql
def test_a_row_that_somebody_else_deletes_meanwhile_is_an_error(
    dump: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MariaDB and MySQL do not check foreign keys at the end of a transaction."""
    Track.objects.filter(pk=1).delete()
    delete_meanwhile(monkeypatch, Loader, "finish", "music_mediatype")
    _said, reason = failed(dump, "music.Track", "1")
    assert "refers to a row of music.MediaType that does not exist." in reason
    assert not Track.objects.filter(pk=1).exists()


@pytest.mark.sql
@pytest.mark.parametrize(("lost", "other"), [("track", "playlist"), ("playlist", "track")])
def test_a_row_with_links_that_somebody_else_deletes_meanwhile_is_an_error(
    lost: str, other: str, dump: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = apps.get_model("music", lost)
    model.objects.filter(pk=2).delete()
    delete_meanwhile(monkeypatch, Repair, "_restore_links", f"music_{other}")
    _said, reason = failed(dump, model._meta.label, "2")
    assert f"playlists: {other}_id=" in reason
    assert not model.objects.filter(pk=2).exists()


def delete_meanwhile(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, table: str) -> None:
    """Empty a table after a method has run, as another session would."""

    def call(*arguments: object) -> None:
        whole(*arguments)
        with connection.constraint_checks_disabled(), connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {table}")

    whole = getattr(owner, name)
    monkeypatch.setattr(owner, name, call)


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
    assert said == {"music.Track": "1 would be restored, 1 errors"}
    assert "music.Track(pk=9): the dump has no such row." in reason
    assert not Track.objects.filter(pk=2).exists()


def test_a_file_of_a_directory_is_refused_with_the_repair_to_type(dump: Path) -> None:
    file = min(dump.glob("music_track*.py"))
    _said, reason = failed(file, "music.Track", "2", "9")
    assert reason.endswith(f"Name the directory: manage.py repair {dump} music.Track 2 9")
    with pytest.raises(CommandError, match=r"single rows: manage.py repair \S+ app_label"):
        call_command("loaddata", str(file))


RENAMING = """
from dumpy import Migrator


class Renaming(Migrator):
    def migrate_from_1_0(self, globals_dict):
        "Styles are genres."
        self.rename_model("music.Style", "music.Genre")
        return "2.0"
"""


def test_a_renamed_model_of_a_dump_without_a_version_is_not_said_to_lack_the_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "renaming.py").write_text(RENAMING, encoding="utf-8")
    settings.DUMPY = {"VERSION": "2.0", "MIGRATION_CLASS": "renaming.Renaming"}
    dump = tmp_path / "old.py"
    dump.write_text(module(rows("music.Style", "id name", (3, "Rock"))), encoding="utf-8")
    _said, reason = failed(dump, "music.Genre", "3")
    assert "music.Genre: the dump has no rows of this model. Migrators change only" in reason
    assert "or use --as-version" in reason
    assert repaired(dump, "music.Genre", "3", as_version="1.0") == {"music.Genre": "1 restored"}


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["music.Trak", "1"], "There is no model 'music.Trak'."),
        (["Track", "1"], "There is no model 'Track'."),
        (["music.Track"], "Select rows"),
        (["music.Track", "one"], "'one' is not a valid value for 'id'."),
        (["music.Track", "1,2"], "'1,2' is not a valid value for 'id'. Separate keys with blanks"),
        (["music.Track", "--where=x=x"], "--where x=x: music.Track has no column 'x'."),
        (["music.Track", "--where=albun=1"], "has no column 'albun'. Did you mean album?"),
        (["music.Track", "--where=name"], "--where name: write field=value, "),
        (["zoo.Booking", "1"], "composite primary key"),
        (["auth.Permission", "1"], "Django creates these rows itself."),
        (["zoo.Diet", "--where=plan={"], "'{' is not a valid value for 'plan': write JSON."),
        (["zoo.Note", "--where=content_type=3"], "name a content type as app_label.model."),
    ],
)
def test_a_choice_that_cannot_be_understood_is_refused(
    tmp_path: Path, args: list[str], reason: str
) -> None:
    with pytest.raises(CommandError) as caught:
        called("repair", str(tmp_path), *args)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("condition", "keys"),
    [
        ("milliseconds<2", [1]),
        ("milliseconds > 1", [2, 3]),
        ("name!=Overdose", [2, 3]),
        ("id in 1,3", [1, 3]),
        ("composer>Z", []),
    ],
)
@pytest.mark.sql
def test_rows_are_chosen_by_comparison(dump: Path, condition: str, keys: list[int]) -> None:
    Track.objects.all().delete()
    if keys:
        repaired(dump, "music.Track", where=[condition])
    else:
        failed(dump, "music.Track", f"--where={condition}")
    assert list(Track.objects.order_by("pk").values_list("pk", flat=True)) == keys


def test_what_refers_to_the_rows_may_come_with_them(dump: Path) -> None:
    delete_shop()
    assert list(repaired(dump, "music.Artist", "1")) == ["music.Artist"]
    said = repaired(dump, "music.Artist", "1", with_children=True)
    assert said["music.Artist"] == "1 ignored (exists)"
    assert said["music.Album"] == "1 restored"
    assert said["music.Track"] == "3 restored"
    assert Track.objects.get(pk=1).playlists.count() == 2


def test_a_dry_run_says_why_rows_would_be_restored(dump: Path) -> None:
    delete_shop()
    said = called("repair", str(dump), "music.Album", "1", with_children=True).out
    assert "music.Album(pk=1): it was chosen." in said
    assert "music.Artist(pk=1): music.Album(pk=1) refers to it." in said
    assert "music.Track(pk=2): it refers to music.Album(pk=1)." in said
    assert not Artist.objects.exists()


def test_a_dry_run_names_the_rows_that_refer_to_those_that_come_back(dump: Path) -> None:
    delete_shop()
    said = called("repair", str(dump), "music.Album", "1").out
    children = "The dump has 3 rows of music.Track that refer to these rows."
    assert f"{children} To restore what is missing of them, too, add --with-children.\n" in said
    Playlist.objects.filter(pk=1).delete()
    assert "that refer to" not in called("repair", str(dump), "music.Playlist", "1").out
    # A repair names those that it leaves behind.
    assert children in called("repair", str(dump), "music.Album", "1", "--really").out
    called("repair", str(dump), "music.Album", "1", "--with-children", "--really")
    assert Track.objects.count() == 3


def test_a_repair_from_a_large_dump_does_not_look_for_rows_that_refer_to_others(
    dump: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dumpy.repairing.repair._MANY", 5)
    Album.objects.get(pk=1).delete()  # SET_NULL
    assert "no value now" in called("repair", str(dump), "music.Album", "1").out
    said = called("repair", str(dump), "music.Album", "1", "--really").out
    assert "The dump has many rows, so that rows that refer to restored rows were not" in said
    assert "no value now" not in said
    assert "that refer to these rows" not in said
    assert Album.objects.filter(pk=1).exists()


def test_a_table_that_does_not_fit_keeps_no_dry_run_from_its_rows(dump: Path) -> None:
    delete_shop()
    script = dump / "restore.py"
    script.write_text(script.read_text().replace("        milliseconds=", "        length="))
    said = called("repair", str(dump), "music.Album", "1").out
    assert counts(said)["music.Album"] == "1 would be restored"


def test_a_row_is_found_whose_key_a_person_has_written_in_another_way(tmp_path: Path) -> None:
    """Rows are looked for by the text of their keys first."""
    fill_shop()
    path = tmp_path / "shop.py"
    called("dumpdata", "music", format="py", output=str(path))
    text = path.read_text()
    assert "create_music_track(2, " in text
    path.write_text(text.replace("create_music_track(2, ", "create_music_track(0x2, "))
    Track.objects.filter(pk__gt=1).delete()
    assert repaired(path, "music.Track", "2", "3") == {"music.Track": "2 restored"}


def test_rows_come_from_a_file_as_well(tmp_path: Path) -> None:
    fill_shop()
    called("dumpdata", "music", format="py", output=str(tmp_path / "shop.py"))
    Track.objects.filter(pk=2).delete()
    assert repaired(tmp_path / "shop.py", "music.Track", "2") == {"music.Track": "1 restored"}
    assert Track.objects.get(pk=2).playlists.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_database_that_cannot_be_used_is_said_in_a_sentence(
    project: Project, tmp_path: Path
) -> None:
    fill_shop()
    called("dump2py", str(tmp_path / "shop"), "music", verbosity=0)
    project.configure("DATABASES['default']['NAME'] = '/nowhere/at_all'\n")
    # Since Django 6.1, some of its own checks ask the database, and fail with a traceback.
    done = project.manage("repair", tmp_path / "shop", "music.Track", 1, "--skip-checks")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "The database is as it was." in done.stderr


def test_rows_without_a_key_are_refused(dump: Path) -> None:
    text = (dump / "restore.py").read_text()
    create = text.index("def create_music_playlist")
    edited = text[:create] + text[create:].replace("        id=id,\n", "", 1)
    (dump / "restore.py").write_text(edited)
    with pytest.raises(CommandError, match=r"the row of music.Playlist has no primary key"):
        called("repair", str(dump), "music.Playlist", where=["name=List 1"])


def test_a_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text("def objects():\n    yield\n", encoding="utf-8")
    with pytest.raises(CommandError, match=r"program.py:1: .* is a program"):
        called("repair", str(path), "music.Track", "1")


def test_a_row_without_a_value_meets_no_comparison(dump: Path) -> None:
    _said, problem = failed(dump, "music.Employee", "--where=reports_to_id>9")
    assert problem.startswith("music.Employee: the dump has no row with reports_to_id>9.")


def test_a_value_of_a_custom_field_comes_back(tmp_path: Path) -> None:
    zoo.Waypoint.objects.create(pk=1, point=Point(0.1, -2.0))
    called("dump2py", str(tmp_path / "dump"), "zoo.Waypoint", verbosity=0)
    zoo.Waypoint.objects.all().delete()
    assert repaired(tmp_path / "dump", "zoo.Waypoint", "1") == {"zoo.Waypoint": "1 restored"}
    assert zoo.Waypoint.objects.get().point == Point(0.1, -2.0)


def test_of_very_many_rows_a_dry_run_shows_a_hundred(tmp_path: Path) -> None:
    Genre.objects.bulk_create(Genre(pk=pk, name=f"genre {pk}") for pk in range(1, 102))
    path = tmp_path / "dump.py"
    path.write_text(dumped("music.Genre"), encoding="utf-8")
    Genre.objects.all().delete()
    said = called("repair", str(path), "music.Genre", where=["id>0"]).out
    assert "… and 1 more row.\nNothing was changed." in said
    assert said.count("music.Genre(pk=") == 100
    assert not Genre.objects.exists()


def test_a_damaged_dump_is_refused(dump: Path) -> None:
    (dump / "music_genre.py").write_text("", encoding="utf-8")
    with pytest.raises(CommandError, match="it has 0 bytes"):
        called("repair", str(dump), "music.Track", "1")


@pytest.mark.sql
def test_the_next_new_row_gets_a_free_key(dump: Path) -> None:
    Artist.objects.create(pk=50, name="Kiss")
    called("dump2py", str(dump), "music.Artist", overwrite=True, verbosity=0)
    Artist.objects.filter(pk=50).delete()
    repaired(dump, "music.Artist", "50")
    assert Artist.objects.create(name="Queen").pk > 50


@pytest.fixture
def granted(tmp_path: Path) -> Path:
    """A dump of a group that may view artists, which then is deleted."""
    group = Group.objects.create(pk=5, name="Listeners")
    group.permissions.add(Permission.objects.get(codename="view_artist"))
    called("dump2py", str(tmp_path / "granted"), "auth", "sites", verbosity=0)
    group.delete()
    return tmp_path / "granted"


def rename_permission(codename: str) -> None:
    """Let the key of the permission to view artists be that of another permission."""
    Permission.objects.filter(codename="view_artist").update(codename=codename)


def test_a_permission_is_granted_by_its_name_whatever_key_it_has_here(granted: Path) -> None:
    rename_permission("drop_all")
    kind = ContentType.objects.get(app_label="music", model="artist")
    right = Permission.objects.create(codename="view_artist", name="", content_type=kind)
    assert repaired(granted, "auth.Group", "5") == {"auth.Group": "1 restored"}
    assert list(Group.objects.get().permissions.all()) == [right]


def test_a_permission_that_is_not_here_is_not_granted_and_named(granted: Path) -> None:
    rename_permission("drop_all")
    said = called("repair", str(granted), "auth.Group", "5", "--really").out
    assert "auth.Group(pk=5): 1 of 1 links of permissions are left out, since the rows" in said
    assert "not exist: auth.Permission content_type_id=music.artist, codename=view_artist" in said
    assert not Group.objects.get().permissions.exists()


def test_a_permission_that_the_dump_only_knows_by_key_is_an_error(tmp_path: Path) -> None:
    group = Group.objects.create(pk=5, name="Listeners")
    group.permissions.add(right := Permission.objects.get(codename="view_artist"))
    called("dump2py", str(tmp_path / "part"), "auth.Group", verbosity=0)
    group.delete()
    said, reason = failed(tmp_path / "part", "auth.Group", "5")
    assert said == {"auth.Group": "1 errors"}
    assert (
        f"permissions={right.pk} refers to a row of auth.Permission that is not in the dump"
        in reason
    )
    assert not Group.objects.exists()


def test_a_foreign_key_to_a_permission_is_led_to_the_row_here() -> None:
    kind = ContentType.objects.get(app_label="music", model="artist")
    right = Permission.objects.get(codename="view_artist")
    rows = [
        {"id": 1, "content_type_id": kind.pk, "codename": "view_artist"},
        {"id": 2, "content_type_id": natural("contenttypes.ContentType", "music", "artist"),
         "codename": "view_artist"},
        {"id": 3, "content_type_id": natural("contenttypes.ContentType", "music", "organ"),
         "codename": "view_organ"},
    ]  # fmt: skip
    kinds = [{"id": kind.pk, "app_label": "music", "model": "artist"}]
    keys = SpecialKeys(lambda model: rows if model is Permission else kinds, "default")
    table = table_of(Group.permissions.through)

    def here(key: int) -> Any:
        return keys.translate(table, {"id": 1, "group_id": 1, "permission_id": key})[
            "permission_id"
        ]

    assert [here(1), here(2)] == [right.pk, right.pk]
    assert here(3) == UnmatchedKey(
        3, "auth.Permission content_type_id=music.organ, codename=view_organ", is_in_dump=True
    )
    assert here(3).reason == (
        "refers to auth.Permission content_type_id=music.organ, codename=view_organ, which is "
        "not in this database."
    )
    assert here(4) == UnmatchedKey(4, "a row of auth.Permission")


@pytest.fixture
def natural_dump(tmp_path: Path) -> Path:
    """A file in which a mascot refers to its nation, and to an ally, by natural key."""
    home, ally = (zoo.Nation.objects.create(pk=pk, name=name) for pk, name in ((1, "A"), (2, "B")))
    zoo.Mascot.objects.create(pk=1, name="Bear", nation=home).allies.add(ally)
    path = tmp_path / "dump.py"
    options = {"use_natural_foreign_keys": True, "format": "py", "verbosity": 0}
    called("dumpdata", "zoo.Nation", "zoo.Mascot", output=str(path), **options)
    return path


def test_of_children_that_refer_by_natural_key_it_is_said_how_to_choose_them(
    natural_dump: Path,
) -> None:
    zoo.Mascot.objects.all().delete()
    zoo.Nation.objects.filter(pk=1).delete()
    with pytest.raises(DumpyError, match=r"by natural key. Choose them: .* --where nation=KEY"):
        called("repair", str(natural_dump), "zoo.Nation", "1", with_children=True)
    repaired(natural_dump, "zoo.Nation", "1")
    said = repaired(natural_dump, "zoo.Mascot", where=["nation=A"])
    assert said == {"zoo.Mascot": "1 restored"}
    assert zoo.Mascot.objects.get().nation_id == 1


def test_an_inequality_to_a_primary_key_is_refused_where_the_dump_has_natural_keys(
    natural_dump: Path,
) -> None:
    with pytest.raises(DumpyError) as caught:
        repaired(natural_dump, "zoo.Mascot", where=["nation!=1"])
    assert str(caught.value) == (
        "--where nation_id!=1: the dump refers to zoo.Nation by natural key, such as A, and has no "
        "row with nation_id=1. Write the parts of the natural key with dots, or leave the "
        "condition out: every row meets it."
    )
    other = zoo.Nation.objects.get(name="B")
    zoo.Mascot.objects.create(pk=2, name="Boar", nation=other)
    options = {"use_natural_foreign_keys": True, "format": "py", "verbosity": 0}
    natural_dump.write_text(called("dumpdata", "zoo.Mascot", **options).out, encoding="utf-8")
    zoo.Mascot.objects.all().delete()
    repaired(natural_dump, "zoo.Mascot", where=["nation!=A"])
    assert zoo.Mascot.objects.get().nation_id == 2


def test_links_by_natural_key_come_back_with_a_row(natural_dump: Path) -> None:
    zoo.Mascot.allies.through.objects.all().delete()
    zoo.Nation.objects.filter(pk=2).delete()
    assert repaired(natural_dump, "zoo.Nation", "2") == {"zoo.Nation": "1 restored"}
    assert [nation.pk for nation in zoo.Mascot.objects.get().allies.all()] == [2]


def test_a_row_comes_back_with_its_links_by_natural_key(natural_dump: Path) -> None:
    zoo.Mascot.objects.all().delete()
    assert repaired(natural_dump, "zoo.Mascot", "1") == {"zoo.Mascot": "1 restored"}
    assert [nation.name for nation in zoo.Mascot.objects.get().allies.all()] == ["B"]


def test_a_link_of_another_row_by_a_natural_key_that_leads_nowhere_is_not_made(
    natural_dump: Path,
) -> None:
    zoo.Mascot.allies.through.objects.all().delete()
    zoo.Nation.objects.filter(name="B").delete()
    text = natural_dump.read_text(encoding="utf-8")
    natural_dump.write_text(text.replace("nation(2, 'B'", "nation(2, 'D'"), encoding="utf-8")
    repaired(natural_dump, "zoo.Nation", "2")
    assert not zoo.Mascot.objects.get().allies.exists()


@pytest.mark.sql
def test_a_null_is_named_where_the_dump_has_a_natural_key(tmp_path: Path) -> None:
    top = zoo.Folder.objects.create(pk=1, name="top", code="top")
    zoo.Folder.objects.create(pk=2, name="sub", parent=top, code="sub")
    options = {"use_natural_foreign_keys": True, "format": "py", "verbosity": 0}
    called("dumpdata", "zoo.Folder", output=str(tmp_path / "dump.py"), **options)
    zoo.Folder.objects.filter(pk=2).update(parent=None)
    top.delete()
    said = called("repair", str(tmp_path / "dump.py"), "zoo.Folder", "1").out
    assert "1 row of zoo.Folder referred to restored rows in the dump, and has no value" in said
    assert "now: parent (pk 2).\n" in said


DUMP_AND_LOSE = """
from django.core.management import call_command

call_command("dump2py", "dump", verbosity=0)
Room.objects.filter(number=8).delete()
"""


@pytest.fixture(scope="module")
def robbed(new_site: NewSite) -> Site:
    """A site that has lost a room and its bed."""
    return new_site("beds", hostel(DUMP_AND_LOSE))


def test_a_row_that_is_needed_by_a_composite_foreign_key_is_restored(
    robbed: Site, tmp_path: Path, unblocked: None
) -> None:
    said = robbed.copied(tmp_path / "site").succeed("repair", "dump", "hostel.Bed", "8", "--really")
    assert "hostel.Room                              1 restored" in said


def test_children_by_a_composite_foreign_key_are_restored(
    robbed: Site, tmp_path: Path, unblocked: None
) -> None:
    arguments = ["repair", "dump", "hostel.Room", "--where=number=8", "--with-children", "--really"]
    said = robbed.copied(tmp_path / "site").succeed(*arguments)
    assert "hostel.Bed                               1 restored" in said
