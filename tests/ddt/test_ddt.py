"""The double dump test finds what is lost in either dump, and never touches the live database."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.db.models.signals import post_migrate
from dumps import files
from running import Said, called, contents

from dumpy.reading.dump import read_manifest
from dumpy.text import manifest as manifests
from music.models import Album, Artist, Genre, MediaType, Playlist, Track
from zoo.fill import fill

pytestmark = pytest.mark.django_db(transaction=True)

FAILED = "The double dump test has failed: "


@pytest.fixture
def shop() -> None:
    """A track on two playlists."""
    artist = Artist.objects.create(pk=1, name="AC/DC")
    album = Album.objects.create(pk=1, title="Let There Be Rock", artist=artist)
    track = Track.objects.create(
        pk=1, name="Overdose", album=album, media_type=MediaType.objects.create(pk=1, name="mp3"),
        milliseconds=369_319, unit_price="0.99",
    )  # fmt: skip
    track.playlists.set([Playlist.objects.create(pk=pk, name=f"List {pk}") for pk in (1, 2)])


@pytest.fixture
def dump(shop: None, tmp_path: Path) -> Path:
    """A dump of the shop, cut after each row."""
    called("dump2py", str(tmp_path / "dump"), "music", max_row_count=1, verbosity=0)
    return tmp_path / "dump"


def failed(*args: str) -> tuple[str, str]:
    """Return what a failing test says: what differs, and the diff."""
    out = StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("ddt", *args, stdout=out)
    return str(caught.value), out.getvalue()


@pytest.mark.sql
def test_the_zoo_passes_and_is_left_as_it_was() -> None:
    """L9: every field and relation there is, and not in the live database."""
    fill()
    before = contents()
    said = called("ddt").out
    assert said.startswith("The double dump test has passed: ")
    assert said.endswith(" rows came back unchanged.\n")
    assert contents() == before


def test_a_dump_that_is_given_is_taken(dump: Path) -> None:
    before = files(dump)
    assert "has passed: 10 tables with 6 rows" in called("ddt", str(dump)).out
    assert files(dump) == before


def test_at_verbosity_0_only_a_difference_is_said(dump: Path) -> None:
    assert called("ddt", str(dump), verbosity=0) == Said("", "")
    Track.objects.update(name="Overdose (live)")
    assert "music.Track(pk=1): name" in failed(str(dump), "--verbosity=0")[1]


def test_a_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text("def objects():\n    yield\n", encoding="utf-8")
    reason = "it is a program: only data can be compared."
    assert failed(str(path))[0] == f"{FAILED}{path}:1: {reason}"


def test_tables_that_are_not_in_a_given_dump_are_not_compared(dump: Path, tmp_path: Path) -> None:
    called("dump2py", str(tmp_path / "part"), "music.Genre", verbosity=0)
    assert "has passed: 1 table with 0 rows" in called("ddt", str(tmp_path / "part")).out


def test_what_has_changed_since_the_dump_is_shown(dump: Path) -> None:
    Track.objects.update(name="Overdose (live)")
    Genre.objects.create(pk=7, name="Rock")
    Playlist.objects.filter(pk=2).delete()
    reason, diff = failed(str(dump))
    assert reason == (
        f"{FAILED}music.Genre in the database, music.Playlist in the database, music.Track in the "
        "database differs."
    )
    assert "music.Track in the database → after the restore:\n  music.Track(pk=1): name" in diff
    assert " name 'Overdose (live)' → 'Overdose', playlists [1] → [1, 2]\n" in diff
    assert "\n  music.Genre(pk=7): removed\n" in diff
    assert "\n  music.Playlist(pk=2): added\n" in diff


def test_a_dump_of_another_version_that_nobody_migrates_is_compared(
    dump: Path, settings: Any
) -> None:
    settings.DUMPY = {"VERSION": "2.0"}
    assert "has passed: 10 tables with 6 rows came back unchanged." in called("ddt", str(dump)).out


def test_the_rows_of_a_file_are_compared(shop: None, tmp_path: Path) -> None:
    path = tmp_path / "music.py"
    called("dumpdata", "music", format="py", output=str(path), verbosity=0)
    assert "has passed: 5 tables with 6 rows came back unchanged." in called("ddt", str(path)).out
    Track.objects.update(name="Overdose (live)")
    assert "music.Track(pk=1): name" in failed(str(path))[1]


def test_a_model_that_is_gone_and_left_out_is_not_compared(dump: Path) -> None:
    manifest = read_manifest(dump)
    tables = [replace(t, model=t.model.replace("Genre", "Style")) for t in manifest.tables]
    text = manifests.to_text(replace(manifest, tables=tuple(tables)))
    (dump / "manifest.json").write_text(text, encoding="utf-8")
    script = dump / "restore.py"
    text = script.read_text(encoding="utf-8")
    script.write_text(text.replace("    'music_genre.py',", "    # 'music_genre.py',"))
    said = called("ddt", str(dump)).out
    assert "music.Style is not compared: the project has no such model.\n" in said


def test_a_field_that_may_differ_is_ignored(dump: Path) -> None:
    Track.objects.update(name="Overdose (live)")
    Track.objects.get().playlists.clear()
    ignored = ("--ignore", "music.Track.name", "--ignore", "music.Track.playlists")
    assert "has passed" in called("ddt", str(dump), *ignored).out


@pytest.mark.sql
def test_a_field_that_is_lost_in_both_dumps_is_found_in_the_database(shop: None) -> None:
    """L9: no model knows the column, so that both dumps are the same."""
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {quote('music_artist')} ADD COLUMN legacy INTEGER DEFAULT 5")
        try:
            reason, diff = failed()
        finally:
            cursor.execute(f"ALTER TABLE {quote('music_artist')} DROP COLUMN legacy")
    assert reason == f"{FAILED}a column of music.Artist differs."
    assert diff == "music.Artist: columns without a field are not in the dump: legacy.\n"


def test_what_an_edited_restore_leaves_out_is_found_in_the_files(dump: Path) -> None:
    script = dump / "restore.py"
    text = script.read_text(encoding="utf-8")
    script.write_text(text.replace("        album_id=album_id,", "        # album_id=album_id,"))
    reason, diff = failed(str(dump))
    assert "music.Track, music.Track in the database" in reason
    assert "Fields of one dump only: album_id." in diff
    assert "(pk=1): album_id 1 → None\n" in diff


def test_a_damaged_dump_fails(dump: Path) -> None:
    (dump / "music_genre.py").write_text("", encoding="utf-8")
    reason, _diff = failed(str(dump))
    assert reason.startswith(f"{FAILED}{dump / 'music_genre.py'}: it has 0 bytes")


@pytest.mark.sql
def test_a_dump_that_cannot_be_restored_fails_and_changes_nothing(dump: Path) -> None:
    path = dump / "music_track.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("'Overdose', 1,", "'Overdose', 99,"), encoding="utf-8")
    with pytest.raises(CommandError, match="a restore would fail"):
        called("checkdump", str(dump), "--reseal")
    before, name = contents(), connection.settings_dict["NAME"]
    reason, _diff = failed(str(dump))
    assert "music.Track(pk=1): album_id=99 refers to a row of music.Album" in reason
    assert (contents(), connection.settings_dict["NAME"]) == (before, name)


@pytest.mark.sql
@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_no_other_database_is_written_to(shop: None) -> None:
    def log(**options: Any) -> None:
        Genre.objects.using("other").create(name=f"migrated {Genre.objects.count()}")

    post_migrate.connect(log)
    try:
        reason, _diff = failed()
    finally:
        post_migrate.disconnect(log)
    assert "'other' must stay as it is: the scratch database replaces only 'default'." in reason
    assert not Genre.objects.using("other").exists()


@pytest.mark.parametrize("label", ["music.Track.nme", "music.Trak.name", "name", ""])
def test_a_field_that_does_not_exist_cannot_be_ignored(label: str) -> None:
    with pytest.raises(CommandError, match="there is no such field"):
        called("ddt", "--ignore", label)
