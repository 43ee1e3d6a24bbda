"""`checkdump` says what a restore would meet, and accepts edits when it is told to."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from drift_dumps import checked
from dumps import files, write_manifest
from running import called, dumped

from dumpy import reading
from dumpy.checking.check import check
from dumpy.checking.reseal import reseal
from dumpy.loading.registry import TODAY
from dumpy.restoring.compare import DumpedContent, differs
from music.models import Artist, Genre, MediaType

pytestmark = pytest.mark.django_db

NAMES = "--no-rehearsal"
LABELS = ("music.Artist", "music.Genre", "music.MediaType")


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """A dump of six artists in three files, of two genres, and of no media type."""
    Artist.objects.bulk_create(Artist(pk=pk, name=f"Artist {pk}") for pk in range(1, 7))
    Genre.objects.bulk_create([Genre(pk=1, name="Rock"), Genre(pk=2, name="Jazz")])
    called("dump2py", str(tmp_path / "dump"), *LABELS, max_row_count=2, verbosity=0)
    return tmp_path / "dump"


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text of a file, which must be there."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def refused(dump: Path, *options: str, stdout: StringIO | None = None) -> list[str]:
    """Return the sentences with which `checkdump` refuses a dump."""
    with pytest.raises(CommandError) as caught:
        call_command("checkdump", str(dump), NAMES, *options, stdout=stdout or StringIO())
    return str(caught.value).split("\n")


def test_the_tables_and_rows_of_a_dump_are_said(dump: Path) -> None:
    lines = [line.split() for line in called("checkdump", str(dump), NAMES).out.splitlines()]
    assert lines[:4] == [
        ["music.Artist", "6", "rows"],
        ["music.Genre", "2", "rows"],
        ["music.MediaType", "0", "rows"],
        ["3", "tables", "8", "rows"],
    ]


def test_a_dump_of_some_tables_is_not_called_complete(dump: Path) -> None:
    lines = called("checkdump", str(dump), NAMES).out.splitlines()[-3:]
    assert lines[0].startswith("Not in the dump; a restore deletes their rows: ")
    assert re.fullmatch(
        r"The dump has 3 of \d\d tables\. To keep the rows of the others: write it with "
        r"dumpdata --format=py, and load it with loaddata\.",
        lines[1],
    )
    verdict = "The dump is undamaged, and its names fit the models. Its rows were not rehearsed."
    assert lines[2] == verdict


def test_an_edited_restore_is_mentioned_and_no_problem(dump: Path) -> None:
    edit(dump / "restore.py", "        name=name,\n", "        name=name,  # as it was\n")
    assert (
        "restore.py was edited since it was written." in called("checkdump", str(dump), NAMES).out
    )


def test_tables_that_a_person_has_taken_out_of_the_list_are_named(dump: Path) -> None:
    edit(dump / "restore.py", "    'music_genre.py',\n", "    # 'music_genre.py',\n")
    said = called("checkdump", str(dump), NAMES).out
    assert "music.Genre is not listed in TABLES, or not all of it: its rows are left out" in said


def test_all_damages_are_in_one_list(dump: Path) -> None:
    edit(dump / "music_genre.py", "Rock", "Rook")
    edit(dump / "music_artist_1.py", "Artist 1", "Artist One")
    (dump / "music_artist_3.py").unlink()
    *sentences, verdict = refused(dump)
    assert [line.split(":")[0].rsplit("/", 1)[1] for line in sentences] == [
        "music_artist_1.py",
        "music_artist_3.py",
        "music_genre.py",
    ]
    assert verdict == "The dump is damaged or edited: a restore would fail."
    assert "damaged or edited. If the change is intended" in sentences[0]


def test_damages_and_differences_are_in_one_report(dump: Path) -> None:
    edit(dump / "music_genre.py", "Rock", "Rook")
    edit(dump / "restore.py", "resolve_model('music.Artist')", "resolve_model('music.Bin')")
    out = StringIO()
    damage, verdict = refused(dump, stdout=out)
    assert "there is no such model (6 rows, 12 values)" in out.getvalue()
    assert "music_genre.py: its content" in damage
    assert verdict == (
        "The dump is damaged or edited, and 1 difference must be resolved: a restore would fail."
    )


def test_a_model_of_an_app_that_is_not_installed_may_be_of_another_project(dump: Path) -> None:
    edit(dump / "restore.py", "resolve_model('music.Artist')", "resolve_model('shop.Artist')")
    out = StringIO()
    refused(dump, stdout=out)
    assert "there is no such model, and no app 'shop' in INSTALLED_APPS (6 rows" in out.getvalue()


def test_a_difference_names_the_line_of_restore(dump: Path) -> None:
    edit(dump / "restore.py", "        name=name,", "        name=name,\n        size='XL',")
    lines = (dump / "restore.py").read_text(encoding="utf-8").splitlines()
    first = next(number for number, line in enumerate(lines, 1) if "size=" in line)
    out = StringIO()
    refused(dump, stdout=out)
    assert f"{dump / 'restore.py'}:{first}: comment the line out" in out.getvalue()


def test_a_restore_that_is_a_program_is_no_damage_but_what_it_gives_is_not_known(
    dump: Path,
) -> None:
    edit(dump / "restore.py", "# dumpy: format 1", "# dumpy: program 1")
    found = check(dump, "default", is_rehearsed=False)
    assert found.damages == []
    (finding,) = found.stopping
    assert finding.reason == "it is a program, which only a rehearsal runs"
    assert finding.hint == "check it without --no-rehearsal"


def test_a_file_that_is_not_in_the_manifest_is_a_problem(dump: Path) -> None:
    edit(dump / "restore.py", "'music_genre.py'", "'jazz.py'")
    assert "the file 'jazz.py' is not in the manifest." in refused(dump)[0]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 2, "seal": ""}'])
def test_a_directory_without_its_manifest_is_refused(dump: Path, text: str) -> None:
    (dump / "manifest.json").write_text(text, encoding="utf-8")
    assert "manifest.json" in refused(dump)[0]


def test_an_edited_manifest_is_refused_even_to_be_resealed(dump: Path) -> None:
    edit(dump / "manifest.json", '"rows": 2', '"rows": 3')
    assert "its content does not match its seal" in refused(dump, "--reseal")[0]


def test_a_resealed_edit_is_whole(dump: Path) -> None:
    edit(dump / "music_genre.py", "Rock", "Rook")
    said = called("checkdump", str(dump), "--reseal", NAMES).out
    assert said.startswith("Resealed: music_genre.py.\n")
    assert "The dump is undamaged" in called("checkdump", str(dump), NAMES).out


def test_json_is_all_that_is_said_of_a_resealed_edit(dump: Path) -> None:
    edit(dump / "music_genre.py", "Rock", "Rook")
    said = called("checkdump", str(dump), "--reseal", "--json", NAMES).out
    assert json.loads(said)["fine"] is True


def test_nothing_is_said_of_a_resealed_edit_at_verbosity_0(dump: Path) -> None:
    edit(dump / "music_genre.py", "Rock", "Rook")
    assert called("checkdump", str(dump), "--reseal", NAMES, verbosity=0).out == ""


def test_a_resealed_restore_is_no_longer_edited(dump: Path) -> None:
    edit(dump / "restore.py", "        name=name,\n", "        name=name,  # as it was\n")
    assert called("checkdump", str(dump), "--reseal", NAMES).out.startswith(
        "Resealed: restore.py.\n"
    )
    assert "was edited" not in called("checkdump", str(dump), NAMES).out


def test_the_rows_of_a_resealed_table_are_counted_anew(dump: Path) -> None:
    edit(dump / "music_artist_2.py", "loader.save(create_music_artist(3", "# loader.save(create(3")
    called("checkdump", str(dump), "--reseal", NAMES)
    assert [table.rows for table in reading.open(dump).manifest.tables] == [5, 2, 0]


def test_the_digest_of_a_resealed_table_is_that_of_a_database_with_its_rows(dump: Path) -> None:
    edit(dump / "music_artist_2.py", "(3, 'Artist 3')", '(3,"Three")')
    edit(dump / "music_artist_3.py", "loader.save(create_music_artist(5", "# loader.save(create(5")
    called("checkdump", str(dump), "--reseal", NAMES)
    Artist.objects.filter(pk=3).update(name="Three")
    Artist.objects.filter(pk=5).delete()
    directory = reading.open(dump)
    (entry, *_others) = directory.manifest.tables
    tables = tuple(table for table in directory.tables if table.label == entry.model)
    content = DumpedContent(entry.model, tables, entry.digest)
    assert not differs(content, TODAY, "default")


def test_resealing_what_has_not_changed_leaves_the_manifest_as_it_is(dump: Path) -> None:
    before = (dump / "manifest.json").read_bytes()
    assert "nothing had changed" in called("checkdump", str(dump), "--reseal", NAMES).out
    assert (dump / "manifest.json").read_bytes() == before


def test_a_program_is_refused_with_the_command_that_runs_it(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text("def objects():\n    yield\n", encoding="utf-8")
    (first, *_others) = refused(path)
    assert first.startswith(f"{path}:1: ")
    assert f"manage.py loaddata {path}" in first


def test_only_a_directory_of_data_can_be_resealed(dump: Path, tmp_path: Path) -> None:
    path = tmp_path / "dump.py"
    path.write_text(dumped("music.Genre"), encoding="utf-8")
    said = f"{path}: it is not a directory that dump2py has written."
    assert refused(path, "--reseal") == [said]
    edit(dump / "restore.py", "# dumpy: format 1", "# dumpy: program 1")
    said = f"{dump / 'restore.py'}:1: it is a program; only data can be sealed."
    assert refused(dump, "--reseal") == [said]


def test_an_edit_must_have_the_fields_of_the_manifest_to_be_resealed(dump: Path) -> None:
    edit(dump / "restore.py", "create_music_genre(id, name)", "create_music_genre(id, name, size)")
    edit(dump / "music_genre.py", "(1, 'Rock')", "(1, 'Rock', 'XL')")
    edit(dump / "music_genre.py", "(2, 'Jazz')", "(2, 'Jazz', 'S')")
    assert "the row has 3 values, the manifest 2." in refused(dump, "--reseal")[0]


def test_rows_of_a_model_that_is_gone_can_be_resealed(dump: Path) -> None:
    manifest = reading.open(dump).manifest
    assert manifest is not None
    tables = [replace(one, model=one.model.replace("Genre", "Gone")) for one in manifest.tables]
    write_manifest(dump, replace(manifest, tables=tuple(tables)))
    edit(dump / "music_genre.py", "Rock", "Rook")
    assert reseal(dump) == ("music_genre.py",)


def test_keys_that_python_cannot_compare_can_be_resealed(dump: Path) -> None:
    edit(dump / "music_genre.py", "(2, 'Jazz')", "('two', 'Jazz')")
    assert reseal(dump) == ("music_genre.py",)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("(2, 'Jazz')", "(0, 'Jazz')", "the primary key 0 stands after 1."),
        ("(2, 'Jazz')", "(1, 'Jazz')", "the primary key 1 stands after 1."),
        ("(2, 'Jazz')", "(2, 'Jazz', 3)", "the row has 3 values"),
        ("(2, 'Jazz')", "(2, 'Jazz'.upper())", "code"),
        ("# dumpy: end\n", "", "truncated"),
    ],
)
def test_an_edit_that_cannot_be_restored_is_not_accepted(
    dump: Path, old: str, new: str, reason: str
) -> None:
    before = (dump / "manifest.json").read_bytes()
    edit(dump / "music_genre.py", old, new)
    first, last = refused(dump, "--reseal")
    assert first.startswith(str(dump / "music_genre.py"))
    assert reason in first
    assert last == "The manifest was not changed."
    assert (dump / "manifest.json").read_bytes() == before


def test_a_missing_file_is_not_accepted(dump: Path) -> None:
    (dump / "music_genre.py").unlink()
    assert "music_genre.py: it is missing." in refused(dump, "--reseal")[0]


def test_checking_writes_nothing(dump: Path) -> None:
    before = files(dump)
    MediaType.objects.create(name="vinyl")
    called("checkdump", str(dump), NAMES)
    assert files(dump) == before
    assert (Artist.objects.count(), MediaType.objects.count()) == (6, 1)


def test_a_resealed_manifest_is_readable_by_its_owner_only(dump: Path) -> None:
    edit(dump / "music_genre.py", "Rock", "Rook")
    called("checkdump", str(dump), "--reseal", NAMES)
    assert (dump / "manifest.json").stat().st_mode & 0o077 == 0
    assert json.loads((dump / "manifest.json").read_text(encoding="utf-8"))["format"] == 1


@pytest.mark.parametrize("text", [None, "", "# dumpy: format 1\nx = 1\n"])
def test_a_missing_or_broken_dump_is_a_report_for_programs_too(
    tmp_path: Path, text: str | None
) -> None:
    path = tmp_path / "dump.py"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    said = checked(path)
    assert (said.status, said.report["fine"], said.report["rehearsed"]) == (1, False, False)
    assert [one["place"]["file"] for one in said.report["damage"]] == [str(path)]


def test_a_step_is_written_only_beside_the_option_that_makes_it(dump: Path) -> None:
    assert "needs --write-migrator" in refused(dump, "--write")[0]
