"""What `checkdump` says of names: what is gone, new, or renamed, and what to do about it.

No test here has a database: none is needed.
"""

from __future__ import annotations

from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from drift_dumps import checked
from dumps import Rows, rows, write

NAMES = "--no-rehearsal"

Finding = tuple[str, str | None, int, int, str]


def short(found: dict[str, Any]) -> Finding:
    """Return what matters most of a finding."""
    return found["kind"], found["field"], found["rows"], found["values"], found["action"]


GENRES = [(1, "Rock"), (2, "Jazz")]
LONG = "x" * 121
CASES: dict[str, tuple[Rows | list[Rows], list[Finding]]] = {
    "fits": (rows("music.Genre", "id name", *GENRES), []),
    "fits, with the names of the columns": (
        rows("music.Album", "id title artist_id", (1, "Let There Be Rock", 1)),
        [],
    ),
    "a field that is gone": (
        rows("music.Genre", "id name colour", (1, "Rock", "red"), (2, "Jazz", "")),
        [("field-removed", "colour", 2, 1, "edit")],
    ),
    "a field that has another name": (
        rows("music.Genre", "id title", *GENRES),
        [("field-renamed", "title", 2, 2, "edit")],
    ),
    "a foreign key that has another name": (
        rows("music.Album", "id title performer_id", (1, "Let There Be Rock", 1)),
        [("field-renamed", "performer_id", 1, 1, "edit")],
    ),
    "a field whose values do not fit another": (
        rows("music.Album", "id title label", (1, "Let There Be Rock", "Atlantic")),
        [
            ("field-removed", "label", 1, 1, "edit"),
            ("field-added", "artist", 1, 0, "edit"),
        ],
    ),
    "a new field with a default": (
        rows("zoo.Ticket", "id kind", (1, "a")),
        [
            ("field-added", "zone", 1, 0, "nothing"),
            ("field-added", "optional_zone", 1, 0, "nothing"),
        ],
    ),
    "a new many-to-many field": (
        rows(
            "music.Track",
            "id name album_id media_type_id genre_id composer milliseconds bytes unit_price",
            (1, "Go Down", None, 1, None, "", 1, None, Decimal("0.99")),
        ),
        [("field-added", "playlists", 1, 0, "nothing")],
    ),
    "a model that is gone": (
        rows("music.Brass", "id maker", (1, ""), (2, "Conn")),
        [("model-removed", None, 2, 3, "edit")],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_does_not_fit_is_found(dump: Path, name: str) -> None:
    tables, expected = CASES[name]
    said = checked(write(dump, *(tables if isinstance(tables, list) else [tables])), NAMES)
    found = list(map(short, said.findings))
    assert found == expected
    assert said.status == any(one[4] != "nothing" for one in expected)


def test_a_model_in_another_app_is_guessed(dump: Path) -> None:
    row = (1, 1, 1, Decimal("0.99"), 3)
    fields = "id invoice_id track_id unit_price amount"
    said = checked(write(dump, rows("shop.InvoiceLine", fields, row)), NAMES)
    assert said.of("model-renamed")["to"] == "music.InvoiceLine"
    renamed = said.of("field-renamed")
    assert (renamed["field"], renamed["to"], renamed["guess"]) == ("amount", "quantity", True)


def test_a_model_that_others_refer_to_is_guessed_under_another_name(dump: Path) -> None:
    singers = rows("music.Singer", "id name", (1, "Ada"))
    albums = rows("music.Album", "id title artist_id", (1, "A", 1))
    said = checked(
        write(dump, rows("music.Cache", "id key value", (1, "a", "b")), singers, albums), NAMES
    )
    assert said.of("model-renamed")["to"] == "music.Artist"
    assert said.of("model-renamed")["model"] == "music.Singer"
    assert "reference" not in [one["kind"] for one in said.findings]


def test_a_model_that_nothing_refers_to_is_not_guessed_by_one_field(dump: Path) -> None:
    said = checked(write(dump, rows("music.Singer", "id name", (1, "Ada"))), NAMES)
    assert said.of("model-removed")["model"] == "music.Singer"


def test_a_guess_that_is_right_makes_the_dump_fit(dump: Path) -> None:
    write(dump, rows("music.Genre", "id title", *GENRES))
    place = checked(dump, NAMES).of("field-renamed")["place"]
    lines = dump.read_text(encoding="utf-8").splitlines(keepends=True)
    lines[place["line"] - 1] = lines[place["line"] - 1].replace("title=", "name=")
    dump.write_text("".join(lines), encoding="utf-8")
    assert checked(dump, NAMES).status == 0


def test_a_table_that_is_commented_out_needs_no_hand(dump: Path) -> None:
    write(
        dump, rows("music.Brass", "id maker", (1, "Conn")), rows("music.Genre", "id name", *GENRES)
    )
    place = checked(dump, NAMES).of("model-removed")["place"]
    lines = dump.read_text(encoding="utf-8").splitlines(keepends=True)
    assert "music_brass_objects()" in lines[place["line"] - 1]
    del lines[place["line"] - 1]
    dump.write_text("".join(lines), encoding="utf-8")
    assert checked(dump, NAMES).status == 0


@override_settings(DUMPY={"VERSION": "1.0"})
def test_a_dump_that_is_newer_is_not_said_to_be_allowed(dump: Path) -> None:
    said = checked(write(dump, rows("music.Genre", "id name", *GENRES), version="2.0"), NAMES)
    (damage,) = said.report["damage"]
    assert "which is newer than that of the project" in damage["reason"]
    assert "which is allowed" not in str(said.report)


def test_a_many_to_many_field_that_has_a_model_of_its_own_now_is_named(dump: Path) -> None:
    animals = rows("zoo.Animal", "id name introductions", (1, "Ox", [2]), (2, "Emu", []))
    found = checked(write(dump, animals), NAMES)
    assert "zoo.Introduction" in found.of("field-removed")["reason"]
    assert found.of("field-removed")["values"] == 1


def test_a_row_that_is_code_is_mentioned_and_not_run(dump: Path) -> None:
    write(dump, rows("music.Genre", "id name", (1, "Rock"), "2, print('run')"))
    said = checked(dump, NAMES)
    assert said.status == 1
    (damage,) = said.report["damage"]
    assert "print is not a word" in damage["reason"]


def test_a_dump_that_is_a_program_is_mentioned_and_not_run(dump: Path) -> None:
    write(dump, rows("music.Genre", "id name", (1, "Rock")))
    text = dump.read_text(encoding="utf-8").replace("# dumpy: format 1", "# dumpy: program 1")
    dump.write_text(text.replace("def objects", "print('run')\n\n\ndef objects"), encoding="utf-8")
    said = checked(dump, NAMES)
    assert said.status == 1
    assert "which only a rehearsal runs" in said.of("code")["reason"]


def test_a_row_that_cannot_be_read_is_damage(dump: Path) -> None:
    write(dump, rows("music.Genre", "id name", (1, "Rock"), (2, "Jazz", 3)))
    said = checked(dump, NAMES)
    assert said.status == 1
    (damage,) = said.report["damage"]
    assert "the row has 3 values" in damage["reason"]


def test_models_that_are_not_in_the_dump_need_no_hand(dump: Path) -> None:
    said = checked(write(dump, rows("music.Genre", "id name", *GENRES)), NAMES)
    added = {one["model"]: one["action"] for one in said.report["findings"]}
    assert added["music.Artist"] == "nothing"
    assert "music.Genre" not in added
    assert "contenttypes.ContentType" not in added


def test_links_are_not_dropped_where_no_migration_tells_what_became_of_them(dump: Path) -> None:
    fields = (
        "id name album_id media_type_id genre_id composer milliseconds bytes unit_price list_id"
    )
    row = (1, "Go Down", None, 1, None, "", 1, None, Decimal("0.99"), 7)
    found = checked(write(dump, rows("music.Track", fields, row)), NAMES).of("field-removed")
    assert (found["field"], found["to"], found["guess"]) == ("list_id", "playlists", True)
    assert "may be the many-to-many field playlists now" in found["reason"]
    assert "remove_field" not in found["step"]


def test_a_dump_of_another_project_is_called_so_without_advice_to_edit_it(dump: Path) -> None:
    apps = rows("club.Member", "id", (1,)), rows("people.Person", "id", (1,))
    said = checked(write(dump, rows("auth.Group", "id name permissions", (1, "a", [])), *apps))
    (found,) = said.report["findings"]
    assert (found["kind"], found["model"]) == ("no-app", "club, people")
    assert found["reason"] == "none of the apps of the dump is in INSTALLED_APPS"
    assert said.status == 1
    with pytest.raises(CommandError) as error:
        call_command("restore", str(dump), interactive=False)
    assert "club, people: none of the apps of the dump is in INSTALLED_APPS" in str(error.value)
    assert "omment" not in str(error.value)


def test_a_model_that_rows_refer_to_is_said_to_be_needed(dump: Path) -> None:
    write(dump, rows("music.Album", "id title artist_id", (1, "A", None), (2, "B", 1)))
    out = StringIO()
    call_command("checkdump", str(dump), NAMES, stdout=out)
    artist, others = out.getvalue().split("Not in the dump; a restore deletes their rows: ")
    assert "music.Artist\n" in artist
    assert "is not in the dump, but rows of music.Album refer to it" in artist
    assert others.startswith("auth.Group, auth.User, music.")
    assert "music.Artist" not in others
