"""Rows flow in blocks: what a block holds is what the rows say, each at its place."""

from __future__ import annotations

import pytest

from dumpy import reading
from dumpy.errors import FixtureError
from dumpy.reading.dump import Block

DUMP = """\
# dumpy: format 1
from dumpy.dump import Decimal, new, resolve_model

SOURCE_VERSION = None
SOURCE_MIGRATIONS = {{}}

music_Genre = resolve_model('music.Genre')


def create_music_genre(id, name):
    return new(
        music_Genre,
        id=id,
        name=name,
    )


def music_genre_objects():
{rows}

def objects():
    yield music_genre_objects()

# dumpy: end
"""
FIRST = DUMP.split("{rows}", maxsplit=1)[0].count("\n") + 1


def blocks(*rows: str) -> list[Block]:
    """Return the blocks of a dump with these rows."""
    with reading.open(DUMP.format(rows="".join(f"{row}\n" for row in rows))) as dump:
        return [block for table in dump.tables for block in table.blocks()]


def row(number: int, name: str) -> str:
    """Return a row."""
    return f"    yield create_music_genre({number}, {name!r})"


def test_a_block_holds_its_rows_as_columns() -> None:
    (block,) = blocks(row(1, "Rock"), row(2, "Jazz"))
    assert [list(column) for column in block.columns] == [[1, 2], ["Rock", "Jazz"]]
    assert [one.values for one in block.rows()] == [(1, "Rock"), (2, "Jazz")]
    assert block.row(1).values == (2, "Jazz")


def test_a_block_knows_the_line_of_each_row() -> None:
    (block,) = blocks(row(1, "Rock"), "    # a note", "", row(2, "Jazz"))
    assert [block.place(index).line for index in range(len(block))] == [FIRST, FIRST + 3]


def test_many_rows_come_in_blocks_of_a_bounded_size() -> None:
    found = blocks(*(row(number, "x" * 1000) for number in range(1000)))
    assert len(found) > 2
    assert max(block.size for block in found) < 300_000
    assert [key for block in found for key in block.columns[0]] == list(range(1000))
    assert [one.line for block in found for one in block.rows()] == list(range(FIRST, FIRST + 1000))


def test_a_row_of_another_kind_than_those_before_is_read_like_any_other() -> None:
    (block,) = blocks(*(row(number, "Rock") for number in range(9)), row(9, "it's\n"))
    assert block.row(9).values == (9, "it's\n")


def test_a_row_with_too_few_values_is_an_error_with_its_line() -> None:
    with pytest.raises(FixtureError, match=rf":{FIRST + 1}: the row has 1 value"):
        blocks(row(1, "Rock"), "    yield create_music_genre(2)")


def test_a_row_that_is_code_is_an_error_with_its_line() -> None:
    with pytest.raises(FixtureError, match=rf":{FIRST + 1}: "):
        blocks(row(1, "Rock"), "    yield create_music_genre(2, 'a'.upper())")
