"""Skeletons that are large because there is much of the same are read; dumps are refused before."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from text_dumps import outline_of

from dumpy.text.emit import (
    Names,
    head,
    main_function,
    objects_function,
    section_head,
)
from dumpy.text.outline import SAVED, YIELDED, check_skeleton, split
from dumpy.text.parsing import FormatError
from dumpy.text.skeleton import Section, interpret


def test_a_restore_file_may_list_ten_thousand_files() -> None:
    files = [f"shop_artist_{number}.py" for number in range(10_000)]
    text = head("Rows of a test.", None, {}, "TABLES") + main_function(files)
    check_skeleton(text)
    outline = split(io.BytesIO(text.encode()), SAVED)
    assert list(interpret(outline, SAVED).files) == files


def test_a_model_may_have_a_thousand_columns_with_the_longest_names() -> None:
    fields = [f"{'column':_<58}{number:05}" for number in range(1000)]
    names = Names()
    text = head("Rows of a test.", None, {})
    text += names.declaration(names.for_model("shop", "Wide"), "shop.Wide", fields)
    text += objects_function([])
    check_skeleton(text)
    outline = outline_of(text)
    assert interpret(outline, YIELDED) is not None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x = 1\n" * 200_001, id="lines"),
        pytest.param(f"x = '{'x' * 2**22}'\n", id="characters"),
        pytest.param(f"x = [{'1, ' * 150_000}]\n", id="words"),
        pytest.param(f"x = [{'1 + ' * 33_000}1]\n", id="expression"),
    ],
)
def test_what_would_be_too_much_to_be_read_is_told_before_it_is_written(text: str) -> None:
    with pytest.raises(FormatError):
        check_skeleton(text)


def test_rows_that_a_formatter_has_broken_over_lines_are_understood() -> None:
    assert len(sections(100)[0].parts) == 100


def test_of_too_many_such_rows_the_formatter_is_named() -> None:
    with pytest.raises(FormatError, match="If a formatter has broken the rows"):
        sections(10_000)


def sections(rows: int) -> Sequence[Section]:
    """Return the sections of a dump with so many rows, each of them over three lines."""
    names = Names()
    text = head("Rows of a test.", None, {})
    text += names.declaration(names.for_model("shop", "Tag"), "shop.Tag", ("id", "name", "note"))
    text += section_head("shop_tag_objects")
    for number in range(rows):
        text += f'    yield create_shop_tag(\n        {number}, "a, b c d", "e f g"\n    )\n'
    text += objects_function(["shop_tag_objects"])
    return interpret(outline_of(text), YIELDED).sections
