"""What is larger than the settings allow is refused before it takes memory or disk."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from django.test import override_settings
from dumps import module, rows

from dumpy import reading
from dumpy.errors import FixtureError, Place

HEAD = """\
# dumpy: format 1
from dumpy.dump import new, resolve_model

SOURCE_VERSION = None
SOURCE_MIGRATIONS = {}

music_Genre = resolve_model('music.Genre')


def create_music_genre(id, name):
    return new(
        music_Genre,
        id=id,
        name=name,
    )


def music_genre_objects():
"""
TAIL = "\n\ndef objects():\n    yield music_genre_objects()\n\n# dumpy: end\n"
ROCK = "    yield create_music_genre(1, 'Rock')"
LIMIT = 2**18


def dump_of(*rows: str) -> str:
    """Return a dump with these lines between its rows."""
    return HEAD + "".join(f"{row}\n" for row in rows) + TAIL


def refusal(given: object) -> str:
    """Return the message with which a dump is refused when it is read to its end."""
    with pytest.raises(FixtureError) as caught:
        read(given)
    return str(caught.value)


def read(given: object) -> list[int]:
    """Read all rows of a dump, and count them by block."""
    with reading.open(given) as dump:
        return [len(block) for table in dump.tables for block in table.blocks()]


@override_settings(DUMPY={"MAX_ROW_BYTES": LIMIT})
def test_a_row_that_is_too_long_is_refused_with_its_line() -> None:
    text = dump_of(
        "    yield create_music_genre(1, 'x')",
        f"    yield create_music_genre(2, '{'x' * 3 * LIMIT}')",
    )
    assert f":{HEAD.count(chr(10)) + 2}: the row has more than {LIMIT} bytes." in refusal(text)


@override_settings(DUMPY={"MAX_SKELETON_BYTES": LIMIT})
def test_a_skeleton_that_is_too_long_is_refused() -> None:
    assert f"more than {LIMIT}" in refusal(dump_of().replace("{}", "{\n" + "#\n" * LIMIT + "}"))
    assert "more than" in refusal(dump_of().replace("{}", f"{{'a': '{'x' * 3 * LIMIT}'}}"))


@pytest.mark.slow
def test_a_file_that_is_many_times_as_large_when_it_is_unpacked_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.py.gz"
    with gzip.open(path, "wb") as file:
        file.write(f"{HEAD}    yield create_music_genre(1, 'x')\n".encode())
        for _number in range(70):
            file.write(b"    #%s\n" % (b" " * 1000) * 1000)
    assert "DUMPY['MAX_UNPACKED_RATIO']" in refusal(path)


@override_settings(DUMPY={"MAX_UNPACKED_BYTES": LIMIT})
def test_a_file_that_is_too_large_when_it_is_unpacked_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.py.gz"
    many = [f"    yield create_music_genre({number}, '{'x' * 1000}')" for number in range(1000)]
    path.write_bytes(gzip.compress(dump_of(*many).encode()))
    assert f"unpacked, it has more than {LIMIT} bytes" in refusal(path)


def test_what_was_read_once_must_be_the_same_when_it_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "dump.py"
    path.write_text(dump_of(ROCK))
    with reading.open(path) as dump:
        before = path.stat()
        path.write_text(path.read_text().replace("Rock", "Jazz"))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        with pytest.raises(FixtureError, match="changed while it was read"):
            list(dump.tables[0].rows())


def test_a_stream_is_read_on_from_where_somebody_has_read_to(tmp_path: Path) -> None:
    path = tmp_path / "dump.py"
    path.write_text(f"Loading settings\n{dump_of(ROCK)}")
    with path.open("rb") as stream:
        stream.readline()
        assert read(stream) == [1]


def test_an_open_file_is_read_whose_directory_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    path = tmp_path / "dump.py"
    path.write_text(dump_of(ROCK))
    monkeypatch.chdir(here)
    here.rmdir()
    with path.open("rb") as stream:
        assert read(stream) == [1]


def test_a_section_without_rows_may_be_left_out_in_silence() -> None:
    text = module(rows("music.Genre", "id name", (1, "Rock")), rows("music.Track", "id name"))
    with reading.open(text.replace("    yield music_track", "    # yield music_track")) as dump:
        assert list(dump.left_out()) == []


def test_a_single_file_has_no_manifest_to_be_verified_by() -> None:
    with reading.open(dump_of(ROCK)) as dump:
        assert list(dump.verify()) == []


@pytest.mark.parametrize("mark", ["<<<<<<< HEAD", "=======", ">>>>>>> theirs"])
def test_a_conflict_marker_is_called_by_its_name(mark: str) -> None:
    assert "conflict marker" in refusal(dump_of(ROCK, mark, ROCK))


def test_a_word_that_the_import_line_lacks_is_refused() -> None:
    row = "    yield create_music_genre(1, Decimal('1'))"
    assert "the import line does not have the name Decimal" in refusal(dump_of(row, row, row))


def test_a_text_with_the_name_of_a_word_that_is_not_imported_is_a_text() -> None:
    with reading.open(dump_of("    yield create_music_genre(1, 'Decimal')")) as dump:
        assert [row.values for row in dump.tables[0].rows()] == [(1, "Decimal")]


def test_a_message_does_not_repeat_a_long_value() -> None:
    said = refusal(dump_of(f"    yield create_music_genre(1, '{'x' * 20_000}'.upper())"))
    assert len(said) < 1000
    assert len(str(FixtureError(Place("x.py", 1), f"{'x y' * 9000!r} is no value of z."))) < 400


def test_a_message_of_many_words_is_whole() -> None:
    reason = "the sentence goes on and on, " * 100
    assert reason in str(FixtureError(Place("x.py", 1), reason))
