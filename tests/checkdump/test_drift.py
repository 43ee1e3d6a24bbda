"""The drift report: what of a dump does not fit the models of today, and what to do about it.

No test here has a database: none is needed.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings
from drift_dumps import checked, report
from dumps import Rows, module, rows
from running import called

from dumpy.checking import uniques
from dumpy.dump import Natural
from music.models import Album
from zoo.models import Ticket

GOLDEN = Path(__file__).resolve().parent / "golden"

Finding = tuple[str, str | None, int, int, str]


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """The path of a dump that a test writes."""
    return tmp_path / "dump.py"


def write(path: Path, *tables: Rows, version: str | None = None) -> Path:
    """Write a dump, and return its path."""
    path.write_text(module(*tables, version=version), encoding="utf-8")
    return path


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
    "texts that are too long": (
        rows("music.Artist", "id name", (1, LONG), (2, "Ada"), (3, LONG)),
        [("too-long", "name", 2, 2, "nothing" if settings.ENGINE == "sqlite" else "migrate")],
    ),
    "texts that are too long, of rows that are validated": (
        rows("music.Artist", "id name old", (1, LONG, 1), (2, "Ada", 2)),
        [("field-removed", "old", 2, 2, "edit"), ("too-long", "name", 1, 1, "migrate")],
    ),
    "a row that breaks a constraint": (
        rows("zoo.Weighing", "id kilos", (1, 1), (2, -1), (3, 0)),
        [("constraint", "no_negative_weight", 1, 1, "migrate")],
    ),
    "references to rows that are not there": (
        [
            rows("music.Artist", "id name", (1, "Ada")),
            rows("music.Album", "id title artist_id", (1, "A", 1), (2, "B", 2), (3, "C", 2)),
        ],
        [("reference", "artist", 2, 2, "migrate")],
    ),
    "references to rows that come later": (
        [
            rows("music.Album", "id title artist_id", (1, "A", 1), (2, "B", 2)),
            rows("music.Artist", "id name", (1, "Ada"), (2, "Bach")),
        ],
        [],
    ),
    "links to rows that are not there": (
        [
            rows("zoo.Nation", "id name mascot_id", (1, "Mali", None)),
            rows("zoo.Mascot", "id name nation_id allies", (1, "Leo", 1, [1, 7, 8])),
        ],
        [("reference", "allies", 2, 2, "migrate")],
    ),
    "NULL in a field that takes none": (
        rows("music.Artist", "id name", (1, None), (2, "Ada")),
        [("null", "name", 1, 0, "migrate")],
    ),
    "a choice that went, of rows that are not validated": (
        rows("zoo.Ticket", "id kind zone optional_zone", (1, "x", 1, None), (2, "c", 1, 2)),
        [("choice", "kind", 1, 1, "nothing")],
    ),
    "a choice that went, of rows that are validated": (
        rows("zoo.Ticket", "id kind zone", (1, "x", 1), (2, "c", 1)),
        [
            ("field-added", "optional_zone", 2, 0, "nothing"),
            ("choice", "kind", 1, 1, "migrate"),
        ],
    ),
    "a number with too many digits": (
        rows(
            "music.InvoiceLine",
            "id invoice_id track_id unit_price quantity",
            (1, 1, 1, Decimal("0.999"), 1),
            (2, 1, 1, Decimal("0.99"), 1),
        ),
        [("digits", "unit_price", 1, 1, "migrate")],
    ),
    "a number that is out of range": (
        rows(
            "music.InvoiceLine",
            "id invoice_id track_id unit_price quantity",
            (1, 1, 1, Decimal("0.99"), -1),
        ),
        [("out-of-range", "quantity", 1, 1, "migrate")],
    ),
    "a value of another type": (
        rows("music.Album", "id title artist_id", (1, "Powerage", "AC/DC"), (2, "Go", "2")),
        [("refused", "artist", 1, 1, "migrate")],
    ),
    "a link to what is no key": (
        rows("zoo.Mascot", "id name nation_id allies", (1, "Leo", 1, ["France"]), (2, "Ox", 1, [])),
        [("refused", "allies", 1, 1, "migrate")],
    ),
    "values that must be unique": (
        rows("music.Genre", "id name", (1, "Rock"), (2, "Jazz"), (3, "Rock"), (4, "Rock")),
        [("not-unique", "name", 3, 1, "migrate")],
    ),
    "values that must be unique together": (
        rows(
            "zoo.Mascot",
            "id name nation_id allies",
            (1, "Leo", 1, []),
            (2, "Leo", 2, []),
            (3, "Leo", 1, []),
        ),
        [("not-unique", "name, nation", 2, 1, "migrate")],
    ),
    "the same primary key twice": (
        rows("music.Artist", "id name", (1, "Ada"), (2, "Bach"), (1, "Cash")),
        [("not-unique", "id", 2, 1, "migrate")],
    ),
    "what the rest of a validation would refuse": (
        rows("zoo.Checkup", "id slug old", (1, "no slug!", 0), (2, "slug", 0)),
        [("invalid", "slug", 1, 1, "migrate")],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_does_not_fit_is_found(dump: Path, name: str) -> None:
    tables, expected = CASES[name]
    said = checked(write(dump, *(tables if isinstance(tables, list) else [tables])))
    found = list(map(short, said.findings))
    if name == "what the rest of a validation would refuse":
        found = [one for one in found if one[0] == "invalid"]
    assert found == expected
    assert said.status == any(one[4] != "nothing" for one in expected)


def test_a_model_in_another_app_is_guessed(dump: Path) -> None:
    row = (1, 1, 1, Decimal("0.99"), 3)
    fields = "id invoice_id track_id unit_price amount"
    said = checked(write(dump, rows("shop.InvoiceLine", fields, row)))
    assert said.of("model-renamed")["to"] == "music.InvoiceLine"
    renamed = said.of("field-renamed")
    assert (renamed["field"], renamed["to"], renamed["guess"]) == ("amount", "quantity", True)


def test_a_model_that_others_refer_to_is_guessed_under_another_name(dump: Path) -> None:
    singers = rows("music.Singer", "id name", (1, "Ada"))
    albums = rows("music.Album", "id title artist_id", (1, "A", 1))
    said = checked(write(dump, rows("music.Cache", "id key value", (1, "a", "b")), singers, albums))
    assert said.of("model-renamed")["to"] == "music.Artist"
    assert said.of("model-renamed")["model"] == "music.Singer"
    assert "reference" not in [one["kind"] for one in said.findings]


def test_a_model_that_nothing_refers_to_is_not_guessed_by_one_field(dump: Path) -> None:
    said = checked(write(dump, rows("music.Singer", "id name", (1, "Ada"))))
    assert said.of("model-removed")["model"] == "music.Singer"


@pytest.mark.parametrize("values", [(LONG, LONG), ({"a": 1}, {})])
def test_no_field_is_guessed_to_hold_what_does_not_fit_it(dump: Path, values: Any) -> None:
    """A text is no name for a field of 120 characters, and neither is a dict."""
    said = checked(write(dump, rows("music.Genre", "id names", *enumerate(values))))
    kinds = [one["kind"] for one in said.report["findings"] if one["model"] == "music.Genre"]
    assert kinds[:2] == ["field-removed", "field-added"]


def test_a_guess_that_is_right_makes_the_dump_fit(dump: Path) -> None:
    write(dump, rows("music.Genre", "id title", *GENRES))
    place = checked(dump).of("field-renamed")["place"]
    lines = dump.read_text(encoding="utf-8").splitlines(keepends=True)
    lines[place["line"] - 1] = lines[place["line"] - 1].replace("title=", "name=")
    dump.write_text("".join(lines), encoding="utf-8")
    assert checked(dump).status == 0


def test_a_table_that_is_commented_out_needs_no_hand(dump: Path) -> None:
    write(
        dump, rows("music.Brass", "id maker", (1, "Conn")), rows("music.Genre", "id name", *GENRES)
    )
    place = checked(dump).of("model-removed")["place"]
    lines = dump.read_text(encoding="utf-8").splitlines(keepends=True)
    assert "music_brass_objects()" in lines[place["line"] - 1]
    del lines[place["line"] - 1]
    dump.write_text("".join(lines), encoding="utf-8")
    assert checked(dump).status == 0


def test_a_condition_of_a_unique_constraint_says_for_which_rows(dump: Path) -> None:
    berths = [(1, 7, True), (2, 7, False), (3, 7, False), (4, 7, True), (5, 8, True)]
    said = checked(write(dump, rows("zoo.Berth", "id cage taken", *berths)))
    if settings.ENGINE == "mysql":  # which has no such constraints
        assert said.status == 0
    else:
        assert (said.of("not-unique")["rows"], said.of("not-unique")["values"]) == (2, 1)


def test_a_table_that_the_dump_names_and_does_not_load_has_no_rows(dump: Path) -> None:
    write(
        dump,
        rows("music.Artist", "id name", (1, "Ada")),
        rows("music.Album", "id title artist_id", (1, "A", 1)),
    )
    text = dump.read_text(encoding="utf-8")
    listed = "    yield music_artist_objects()\n"
    dump.write_text(text.replace(listed, f"    # {listed.lstrip()}"), encoding="utf-8")
    found = checked(dump).of("reference")
    assert found["reason"] == "refers to rows of music.Artist that the dump does not have"
    lines = dump.read_text(encoding="utf-8").splitlines()
    line = lines.index("    yield create_music_album(1, 'A', 1)") + 1
    assert [one["place"]["line"] for one in found["examples"]] == [line]


@override_settings(DUMPY={"VERSION": "1.0"})
def test_a_dump_that_is_newer_is_not_said_to_be_allowed(dump: Path) -> None:
    said = checked(write(dump, rows("music.Genre", "id name", *GENRES), version="2.0"))
    (damage,) = said.report["damage"]
    assert "which is newer than that of the project" in damage["reason"]
    assert "which is allowed" not in str(said.report)


@override_settings(DUMPY={"VERSION": "2.0", "MIGRATION_CLASS": "drift_dumps.PreparingMigrator"})
def test_rows_that_handlers_of_a_migrator_may_make_are_not_missed(dump: Path) -> None:
    artists = rows("music.Artist", "id name", (1, "Ada"))
    albums = rows("music.Album", "id title artist_id", (1, "A", 2))
    said = checked(write(dump, artists, albums, version="1.0"))
    assert (said.status, said.report["not_looked_at"]) == (0, ["references"])


def test_a_default_that_refers_to_no_row_is_found(
    dump: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artist = Album._meta.get_field("artist")
    monkeypatch.setattr(artist, "default", 77)
    monkeypatch.setitem(artist.__dict__, "_get_default", lambda: 77)
    artists = rows("music.Artist", "id name", (1, "Ada"))
    said = checked(write(dump, artists, rows("music.Album", "id title", (1, "A"), (2, "B"))))
    (found,) = [one for one in said.report["findings"] if one["kind"] == "reference"]
    assert (said.status, found["field"], found["rows"]) == (1, "artist", 2)


@override_settings(DUMPY={"VERSION": "2.0", "MIGRATION_CLASS": "drift_dumps.MergingMigrator"})
def test_that_two_models_become_one_is_said(dump: Path) -> None:
    """Their keys may be the same, which only a restore can tell."""
    kinds = rows("music.Kind", "id name", (1, "Pop"))
    said = checked(write(dump, kinds, rows("music.Genre", "id name", *GENRES), version="1.0"))
    assert (said.status, said.report["not_looked_at"]) == (
        0,
        ["keys that come twice in music.Genre"],
    )


def test_what_was_not_looked_at_is_said_in_the_last_line(dump: Path) -> None:
    write(
        dump,
        rows("zoo.Nickname", "id text", (1, "Leo")),
        rows("music.Album", "id title artist_id", (1, "A", 1)),
    )
    unseen = ["references to music.Artist"]
    if settings.ENGINE != "mysql":
        unseen.insert(0, "the constraint unique_nickname of zoo.Nickname")
    assert checked(dump).report["not_looked_at"] == unseen
    said = called("checkdump", str(dump)).out
    assert said.endswith(
        "The dump is whole, and what was looked at fits the models. "
        f"Not looked at: {'; '.join(unseen)}.\n"
    )


def test_code_that_validates_rows_is_not_looked_at(
    dump: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ticket, "clean", lambda self: None)
    write(dump, rows("zoo.Ticket", "id kind zone optional_zone", (1, "a", 1, None)))
    assert checked(dump).report["not_looked_at"] == []
    write(dump, rows("zoo.Ticket", "id kind zone", (1, "a", 1)))
    assert checked(dump).report["not_looked_at"] == ["clean() of zoo.Ticket"]


@pytest.mark.postgresql
@pytest.mark.parametrize(
    "table",
    [
        rows("music.Artist", "id name", (1, "A\0"), (2, "\\x00")),
        rows("zoo.Diet", "id plan optional_plan encoded_plan exact_plan",
             (1, {"a": ["\0"]}, None, None, None), (2, {"a": "\\x00"}, None, None, None)),
    ],
)  # fmt: skip
def test_a_nul_that_postgresql_does_not_take_is_found(dump: Path, table: Rows) -> None:
    found = checked(write(dump, table)).of("nul")
    assert [one["pk"] for one in found["examples"]] == [1]


def test_the_first_rows_are_named_with_their_lines(dump: Path) -> None:
    values = [(number, LONG if number > 3 else "short") for number in range(1, 9)]
    said = checked(write(dump, rows("music.Artist", "id name", *values)))
    lines = dump.read_text(encoding="utf-8").splitlines()
    examples = said.of("too-long")["examples"]
    assert [one["pk"] for one in examples] == [4, 5, 6]
    assert [one["place"]["line"] for one in examples] == [
        1 + lines.index(f"    yield create_music_artist({pk}, '{LONG}')") for pk in (4, 5, 6)
    ]


def test_a_many_to_many_field_that_has_a_model_of_its_own_now_is_named(dump: Path) -> None:
    animals = rows("zoo.Animal", "id name introductions", (1, "Ox", [2]), (2, "Emu", []))
    found = checked(write(dump, animals))
    assert "zoo.Introduction" in found.of("field-removed")["reason"]
    assert found.of("field-removed")["values"] == 1


def test_duplicates_are_found_among_keys_that_do_not_ascend_to_the_end(dump: Path) -> None:
    """Ascending keys are not remembered, until they stop to ascend."""
    keys = [*range(1, 2500), 7]
    said = checked(write(dump, rows("music.Artist", "id name", *((key, "Ada") for key in keys))))
    assert (said.of("not-unique")["rows"], said.of("not-unique")["values"]) == (2, 1)
    assert [one["pk"] for one in said.of("not-unique")["examples"]] == [7, 7]


def test_keys_in_another_order_are_no_duplicates(dump: Path) -> None:
    keys = [*range(2, 2500), 1]
    said = checked(write(dump, rows("music.Artist", "id name", *((key, "Ada") for key in keys))))
    assert said.status == 0


def test_references_by_natural_key_are_left_to_the_restore(dump: Path) -> None:
    mascots = [(1, "Leo", Natural("zoo.Nation", ("Mali",)), []), (2, "Ox", 7, [])]
    assert (
        checked(write(dump, rows("zoo.Mascot", "id name nation_id allies", *mascots))).status == 0
    )


def test_decimals_are_the_same_with_zeros_at_the_end() -> None:
    assert uniques._plain(Decimal("1.50")) == uniques._plain(Decimal("1.5"))
    assert repr(uniques._plain(Decimal("1.50"))) == repr(uniques._plain(Decimal("1.5")))


def test_a_row_that_is_code_is_mentioned_and_not_run(dump: Path) -> None:
    write(dump, rows("music.Genre", "id name", (1, "Rock"), "2, print('run')"))
    said = checked(dump)
    assert said.status == 1
    (damage,) = said.report["damage"]
    assert "print is not a word" in damage["reason"]


def test_a_dump_that_is_a_program_is_mentioned_and_not_run(dump: Path) -> None:
    write(dump, rows("music.Genre", "id name", (1, "Rock")))
    text = dump.read_text(encoding="utf-8").replace("# dumpy: format 1", "# dumpy: program 1")
    dump.write_text(text.replace("def objects", "print('run')\n\n\ndef objects"), encoding="utf-8")
    said = checked(dump)
    assert said.status == 1
    assert "it is a program, which is not run here" in said.of("code")["reason"]


def test_a_row_that_cannot_be_read_is_damage(dump: Path) -> None:
    write(dump, rows("music.Genre", "id name", (1, "Rock"), (2, "Jazz", 3)))
    said = checked(dump)
    assert said.status == 1
    (damage,) = said.report["damage"]
    assert "the row has 3 values" in damage["reason"]


def test_a_program_is_no_dump(dump: Path) -> None:
    dump.write_text("def objects():\n    return []\n", encoding="utf-8")
    with pytest.raises(Exception, match="it is a program"):
        checked(dump)


def test_models_that_are_not_in_the_dump_need_no_hand(dump: Path) -> None:
    said = checked(write(dump, rows("music.Genre", "id name", *GENRES)))
    added = {one["model"]: one["action"] for one in said.report["findings"]}
    assert added["music.Artist"] == "nothing"
    assert "music.Genre" not in added
    assert "contenttypes.ContentType" not in added


def test_verbosity_0_is_the_status_alone(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from django.core.management import call_command

    write(dump, rows("music.Genre", "id title", *GENRES))
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


@override_settings(DUMPY={"VERSION": "1.1"})
def test_the_report_for_people_is_as_it_was(dump: Path) -> None:
    expected = (GOLDEN / "report.txt").read_text(encoding="utf-8")
    said = report(worst(dump)).replace(str(dump), "dump.py")
    # How many models there are depends on the engine.
    assert re.sub(r"and \d+ more", "and 80 more", said) == expected


@override_settings(DUMPY={"VERSION": "1.1"})
def test_the_report_for_programs_is_as_it_was(dump: Path) -> None:
    said = checked(worst(dump)).report
    said["findings"] = [one for one in said["findings"] if one["kind"] != "model-added"]
    text = json.dumps(said, indent=1).replace(str(dump), "dump.py") + "\n"
    assert text == (GOLDEN / "report.json").read_text(encoding="utf-8")
