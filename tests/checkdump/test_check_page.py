"""The page of `checkdump --html` shows what the report says, and nothing becomes markup."""

from __future__ import annotations

from contextlib import suppress
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from dumps import module, rows
from pages import Page
from running import called, dumped

from dumpy.checking.html import write_check
from dumpy.checking.report import Findings
from dumpy.restoring.findings import Finding
from music.models import Artist

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)></p>{{ total }}\x1b\u202e\ud800"


def page_of(path: Path, page: Path) -> Page:
    """Check the names of a dump, and return the page that is written, whatever the result."""
    with suppress(CommandError):
        call_command("checkdump", str(path), "--no-rehearsal", html=page, stdout=StringIO())
    return Page(page)


@pytest.fixture
def artists(tmp_path: Path) -> Path:
    """A dump that fits the models."""
    Artist.objects.create(pk=1, name="Bach")
    called("dump2py", str(tmp_path / "dump"), "music", verbosity=0)
    return tmp_path / "dump"


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A dump with a field that its model no longer has."""
    path = tmp_path / "older.py"
    path.write_text(module(rows("music.Artist", "id name born", (1, "Bach", 1685))))
    return path


def test_a_page_has_the_verdict_and_the_rows_of_each_table(artists: Path, tmp_path: Path) -> None:
    text = page_of(artists, tmp_path / "check.html").text
    assert "The dump is undamaged, and its names fit the models." in text
    assert "music.Artist 1 " in text


def test_a_page_says_what_to_edit_and_the_step_of_a_migrator(older: Path, tmp_path: Path) -> None:
    text = page_of(older, tmp_path / "check.html").text
    assert f"born : there is no such field (1 row, 1 value) {older}:" in text
    assert ": comment the line out Or in a migrator: self.remove_field(" in text
    assert "1 difference must be resolved: a restore would fail." in text


def test_what_is_printed_is_the_same_with_a_page(artists: Path, tmp_path: Path) -> None:
    arguments = ("checkdump", str(artists), "--no-rehearsal")
    assert called(*arguments, html=tmp_path / "check.html").out == called(*arguments).out


def test_models_that_refer_to_each_other_are_marked_as_a_cycle(tmp_path: Path) -> None:
    result = Findings(tmp_path, rows={"zoo.Island": 3, "zoo.Lemur": 4, "music.Artist": 2})
    write_check(result, tmp_path / "check.html")
    assert Page(tmp_path / "check.html").text.count("cycle: zoo.Island, zoo.Lemur") == 2


def test_a_model_that_refers_to_itself_is_no_cycle_of_several(tmp_path: Path) -> None:
    write_check(Findings(tmp_path, rows={"zoo.Region": 3}), tmp_path / "check.html")
    assert "zoo.Region 3 itself" in Page(tmp_path / "check.html").text


def test_a_damaged_dump_has_a_page(artists: Path, tmp_path: Path) -> None:
    (artists / "music_artist.py").write_text("edited")
    text = page_of(artists, tmp_path / "check.html").text
    assert "The dump is damaged or edited: a restore would fail." in text
    assert "music_artist.py" in text


def test_hostile_findings_cannot_inject_markup(tmp_path: Path) -> None:
    def page(text: str) -> Page:
        finding = Finding("field-removed", text, text, field=text, hint=text, proposal=text)
        result = Findings(Path(text.replace("\ud800", "")), rows={text: 1}, findings=[finding])
        result.version = result.project_version = result.advice = result.unrehearsed = text
        result.notes = [text]
        result.damages = [CommandError(text)]
        write_check(result, tmp_path / "check.html")
        return Page(tmp_path / "check.html")

    plain, hostile = page("plain"), page(HOSTILE)
    assert hostile.elements == plain.elements
    assert hostile.attributes == plain.attributes
    assert "{{ total }}" in hostile.text


def test_a_page_that_cannot_be_written_is_one_sentence_after_the_report(
    artists: Path, tmp_path: Path
) -> None:
    page, out, err = tmp_path / "nowhere" / "check.html", StringIO(), StringIO()
    arguments = ("checkdump", str(artists), "--no-rehearsal")
    with pytest.raises(SystemExit, match="1"):
        call_command(*arguments, html=page, stdout=out, stderr=err)
    assert err.getvalue() == f"The page {page} cannot be written: No such file or directory.\n"
    assert out.getvalue() == called(*arguments).out


def test_the_page_of_a_file_names_no_bytes(tmp_path: Path) -> None:
    path = tmp_path / "artists.py"
    path.write_text(dumped("music.Artist"))
    assert "Bytes" not in page_of(path, tmp_path / "check.html").text
