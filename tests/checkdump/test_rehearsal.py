"""`checkdump` restores a dump into a scratch database, and names each row that is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings
from drift_dumps import Said, checked, report
from dumps import rows, write
from pytest_django.plugin import DjangoDbBlocker
from running import called, contents

from dumpy.dump import Natural, field_text
from dumpy.restoring import scratch as scratch_module
from music.models import Album, Artist
from zoo.fill import fill
from zoo.models import Ticket

GOLDEN = Path(__file__).resolve().parent / "golden"
IS_SQLITE = settings.ENGINE == "sqlite"
LONG = "x" * 121

pytestmark = pytest.mark.django_db(transaction=True)

TRACK = "id name album_id media_type_id genre_id composer milliseconds bytes unit_price playlists"
REFUSED = [
    rows("music.Genre", "id name", (1, "Rock"), (2, "Jazz"), (3, "Rock"), (4, "Rock")),
    rows("music.Artist", "id name", (1, "Ada"), (7, None), (8, LONG)),
    rows("music.Album", "id title artist_id", (1, "A", 1), (2, "B", 2), (3, "C", 2), (4, "D", "x")),
    rows("music.MediaType", "id name old", (1, "mp3", 0), (2, LONG, 0)),
    rows("zoo.Weighing", "id kilos", (1, 1), (2, -1), (3, 0)),
    rows("zoo.Nation", "id name mascot_id", (1, "Mali", None), (2, "Peru", None)),
    rows(
        "zoo.Mascot",
        "id name nation_id allies",
        (1, "Leo", 1, [2, 7]), (2, "Emu", 2, ["France"]), (3, "Ox", 1, []), (4, "Ox", 2, []),
        (5, "Ox", 1, []), (6, "Cat", Natural("zoo.Nation", ("Mali",)), []),
        (7, "Dog", Natural("zoo.Nation", ("Oz",)), []),
    ),
    rows("zoo.Ticket", "id kind zone", (1, "x", 1), (2, "c", 1), (3, "a", None)),
    rows("zoo.Berth", "id cage taken", (1, 7, True), (2, 7, False), (3, 7, False), (4, 7, True)),
    rows("zoo.Checkup", "id slug old", (1, "no slug!", 0), (2, "slug", 0)),
]  # fmt: skip
# What is refused: the kind, and the keys of the rows, by model and field.
EXPECTED: dict[tuple[str, str], tuple[str, list[int]]] = {
    ("music.Genre", "name"): ("not-unique", [3, 4]),
    ("music.Artist", "name"): ("null", [7]),
    ("music.Album", "artist"): ("reference", [2, 3]),
    ("music.MediaType", "name"): ("too-long", [2]),
    ("zoo.Mascot", "allies"): ("reference", [1]),
    ("zoo.Mascot", "name, nation"): ("not-unique", [5]),
    ("zoo.Ticket", "kind"): ("choice", [1]),
    ("zoo.Ticket", "zone"): ("null", [3]),
    ("zoo.Checkup", "slug"): ("invalid", [1]),
}


@pytest.fixture(scope="module")
def rehearsed(
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[tuple[Path, Said]]:
    """The dump of all rows that are refused, and what is said of it: one rehearsal for all."""
    path = write(tmp_path_factory.mktemp("refused") / "dump.py", *REFUSED)
    with django_db_blocker.unblock():
        yield path, checked(path)


def keys(finding: dict[str, Any]) -> list[Any]:
    """Return the primary keys of the rows that are named."""
    return [one["pk"] for one in finding["examples"]]


@pytest.mark.parametrize(("label", "name"), EXPECTED)
@pytest.mark.sql
def test_rows_that_are_refused_are_named(
    rehearsed: tuple[Path, Said], label: str, name: str
) -> None:
    kind, expected = EXPECTED[label, name]
    found = [one for one in rehearsed[1].findings if (one["model"], one["kind"]) == (label, kind)]
    # MySQL names a constraint of several fields, and not the fields.
    (one,) = (one for one in found if one["field"] == name or "," in name)
    assert (one["rows"], keys(one), one["action"]) == (len(expected), expected, "migrate")


def test_each_row_has_its_line(rehearsed: tuple[Path, Said]) -> None:
    path, said = rehearsed
    lines = path.read_text(encoding="utf-8").splitlines()
    (genre,) = (one for one in said.findings if one["model"] == "music.Genre")
    assert [lines[one["place"]["line"] - 1] for one in genre["examples"]] == [
        f"    yield create_music_genre({pk}, 'Rock')" for pk in (3, 4)
    ]
    assert all(one["place"]["file"] == str(path) for one in genre["examples"])


@pytest.mark.parametrize(
    ("label", "name", "step"),
    [
        ("music.MediaType", "name", "lambda value: value[:120]"),
        ("zoo.Ticket", "kind", '{"x": ...}'),
        ("zoo.Ticket", "zone", "{None: ...}"),
    ],
)
def test_a_step_is_proposed_for_what_a_field_does_not_take(
    rehearsed: tuple[Path, Said], label: str, name: str, step: str
) -> None:
    (found,) = (
        one for one in rehearsed[1].findings if (one["model"], one["field"]) == (label, name)
    )
    assert found["step"] == f'self.change_values("{label}", "{name}", {step})'


@pytest.mark.parametrize(
    ("label", "names", "pk"),
    [
        ("zoo.Weighing", ("no_negative_weight",), 2),
        ("music.Album", ("artist",), 4),
        ("zoo.Mascot", ("allies",), 2),
        ("zoo.Mascot", ("nation", None), 7),
    ],
)
@pytest.mark.sql
def test_what_an_engine_or_a_field_refuses_in_its_own_words_is_named(
    rehearsed: tuple[Path, Said], label: str, names: tuple[str | None, ...], pk: int
) -> None:
    found = [one for one in rehearsed[1].findings if one["model"] == label and pk in keys(one)]
    assert [one["field"] in names for one in found] == [True]


def test_a_condition_of_a_unique_constraint_says_for_which_rows(
    rehearsed: tuple[Path, Said],
) -> None:
    found = [one for one in rehearsed[1].findings if one["model"] == "zoo.Berth"]
    # MySQL has no such constraints.
    assert [keys(one) for one in found] == ([] if settings.ENGINE == "mysql" else [[4]])


def test_a_text_that_only_a_validation_finds_too_long_stops_where_the_engine_minds(
    rehearsed: tuple[Path, Said],
) -> None:
    found = [one for one in rehearsed[1].findings if one["model"] == "music.Artist"]
    assert sorted(pk for one in found for pk in keys(one)) == ([7] if IS_SQLITE else [7, 8])


@pytest.mark.sql
def test_a_dump_of_the_whole_zoo_would_be_restored_and_nothing_is_written(tmp_path: Path) -> None:
    fill()
    called("dump2py", str(tmp_path / "dump"), verbosity=0)
    before, name = contents(), connection.settings_dict["NAME"]
    said = called("checkdump", str(tmp_path / "dump")).out
    assert said.endswith("The dump is complete, fits the models, and can be restored.\n")
    assert (contents(), connection.settings_dict["NAME"]) == (before, name)
    assert [path.name for path in tmp_path.iterdir()] == ["dump"]


@pytest.mark.sql
def test_a_default_that_refers_to_no_row_is_found(
    dump: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artist = Album._meta.get_field("artist")
    monkeypatch.setattr(artist, "default", 77)
    monkeypatch.setitem(artist.__dict__, "_get_default", lambda: 77)
    artists = rows("music.Artist", "id name", (1, "Ada"))
    said = checked(write(dump, artists, rows("music.Album", "id title", (1, "A"), (2, "B"))))
    found = said.of("reference")
    assert (said.status, found["field"], found["rows"]) == (1, "artist", 2)


@override_settings(DUMPY={"VERSION": "2.0", "MIGRATION_CLASS": "drift_dumps.PreparingMigrator"})
def test_handlers_of_migrators_are_called(dump: Path) -> None:
    albums = rows("music.Album", "id title artist_id", (1, "A", 2))
    said = checked(write(dump, albums, version="1.0"))
    assert (said.status, said.report["rehearsed"]) == (0, True)
    assert Artist.objects.count() == 0
    artists = rows("music.Artist", "id name", (1, "Ada"))
    said = checked(write(dump, artists, albums, version="1.0"))
    assert (said.status, said.of("changed")["model"]) == (1, "music.Artist")


@override_settings(DUMPY={"VERSION": "2.0", "MIGRATION_CLASS": "drift_dumps.MergingMigrator"})
def test_rows_of_two_models_that_become_one_must_have_other_keys(dump: Path) -> None:
    kinds = rows("music.Kind", "id name", (1, "Pop"))
    genres = rows("music.Genre", "id name", (1, "Rock"))
    said = checked(write(dump, kinds, genres, version="1.0"))
    assert said.status == 1
    assert 1 in [pk for one in said.findings for pk in keys(one)]


@pytest.mark.sql
def test_a_value_that_a_field_would_not_keep_is_found(dump: Path) -> None:
    tracks = (1, "Go", None, 1, None, "", 1, None, Decimal("0.99"), []), (
        2, "Down", None, 1, None, "", 1, None, Decimal("0.999"), [],
    )  # fmt: skip
    media = rows("music.MediaType", "id name", (1, "mp3"))
    said = checked(write(dump, media, rows("music.Track", TRACK, *tracks)))
    (found,) = (one for one in said.findings if one["model"] == "music.Track")
    assert (found["field"], keys(found), found["action"]) == ("unit_price", [2], "migrate")


def test_clean_of_models_is_called(dump: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def clean(self: Ticket) -> None:
        raise AssertionError("sold out")

    monkeypatch.setattr(Ticket, "clean", clean)
    said = checked(write(dump, rows("zoo.Ticket", "id kind zone", (1, "a", 1))))
    assert "sold out" in said.of("invalid")["reason"]


def test_duplicates_are_found_among_keys_that_do_not_ascend_to_the_end(dump: Path) -> None:
    numbers = [*range(1, 2500), 7]
    said = checked(write(dump, rows("music.Artist", "id name", *((key, "Ada") for key in numbers))))
    assert said.status == 1
    assert {pk for one in said.findings for pk in keys(one)} == {7}


def test_a_program_is_run_and_that_is_said(dump: Path) -> None:
    text = write(dump, rows("music.Artist", "id name", (1, "Ada"))).read_text(encoding="utf-8")
    dump.write_text(text.replace("# dumpy: format 1", "# dumpy: program 1"), encoding="utf-8")
    said = checked(dump)
    assert (said.status, said.report["rows"]) == (0, {"music.Artist": 1})
    assert f"Running {dump}" in said.report["notes"]
    dump.write_text(dump.read_text(encoding="utf-8").replace("'Ada'", "None"), encoding="utf-8")
    assert keys(checked(dump).of("null")) == [1]


@override_settings(DUMPY={"EXECUTE": False})
def test_a_program_is_not_run_where_none_may_be(dump: Path) -> None:
    text = write(dump, rows("music.Artist", "id name", (1, "Ada"))).read_text(encoding="utf-8")
    text = text.replace("# dumpy: format 1", "# dumpy: program 1")
    dump.write_text(text.replace("def objects", "raise SystemExit\n\n\ndef objects"), "utf-8")
    said = checked(dump)
    assert said.status == 1
    assert "DUMPY['EXECUTE'] is False" in said.report["damage"][0]["reason"]


@override_settings(DUMPY={"EXECUTE": False})
def test_fields_that_code_of_the_project_reads_are_named_and_refused_where_none_may_be_run(
    dump: Path,
) -> None:
    """T3: what unpickles its texts, say, is known before it does."""
    write(dump, rows("zoo.Waypoint", "id point optional_point", (1, field_text("1,2"), None)))
    said = checked(dump)
    found = [one for one in said.findings if one["kind"] == "read-by-code"]
    assert [(one["field"], one["to"]) for one in found] == [
        ("point", "zoo.fields.PointField"),
        ("optional_point", "zoo.fields.PointField"),
    ]
    assert "zoo.fields.PointField would pass a text" in said.of("refused")["reason"]
    with override_settings(DUMPY={"EXECUTE": False, "FIELD_TEXT": ["zoo.fields.PointField"]}):
        assert checked(dump).status == 0


def test_without_a_scratch_database_it_is_said_what_to_type(
    dump: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> None:
        raise PermissionError("permission denied to create database")

    write(dump, rows("music.Artist", "id name", (1, "Ada")))
    monkeypatch.setattr(scratch_module, "_database", refuse)
    with pytest.raises(CommandError, match="permission denied") as caught:
        call_command("checkdump", str(dump))
    assert "add --no-rehearsal" in str(caught.value)
    said = checked(dump)
    assert (said.status, said.report["fine"], said.report["rehearsed"]) == (1, False, False)


def test_verbosity_0_is_the_status_alone(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(dump, rows("music.Artist", "id name", (1, None)))
    with pytest.raises(SystemExit) as end:
        call_command("checkdump", str(dump), verbosity=0)
    assert end.value.code == 1
    assert tuple(capsys.readouterr()) == ("", "")


def worst(path: Path) -> Path:
    """Write a dump with a difference of almost every kind."""
    return write(
        path,
        rows("music.Genre", "id title colour", (1, "Rock", "red"), (2, "Rock", ""), (3, LONG, "")),
        rows("music.Brass", "id maker", (1, "Conn")),
        rows("zoo.Ticket", "id kind zone", (1, "x", 1), (2, "a", None)),
        version="1.0",
    )


@pytest.mark.sqlite
@override_settings(DUMPY={"VERSION": "1.1"})
def test_the_report_for_people_is_as_it_was(dump: Path) -> None:
    expected = (GOLDEN / "report.txt").read_text(encoding="utf-8")
    said = report(worst(dump)).replace(str(dump), "dump.py")
    # How many models there are depends on the engine.
    said = re.sub(r"and \d+ more", "and 80 more", said)
    assert re.sub(r"of \d+ tables", "of 80 tables", said) == expected


@pytest.mark.sqlite
@override_settings(DUMPY={"VERSION": "1.1"})
def test_the_report_for_programs_is_as_it_was(dump: Path) -> None:
    said = checked(worst(dump)).report
    said["findings"] = [one for one in said["findings"] if one["kind"] != "model-added"]
    text = json.dumps(said).replace(str(dump), "dump.py")
    assert json.loads(text) == json.loads((GOLDEN / "report.json").read_text(encoding="utf-8"))
