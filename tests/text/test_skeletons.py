from __future__ import annotations

import ast
import io
import tracemalloc
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest
from text_dumps import DUMP, changed, outline_of, skeleton_of

from dumpy.text.outline import YIELDED, Extent, parse, split
from dumpy.text.skeleton import Constant, InlineRow, NotData, Skeleton, interpret, sketch
from dumpy.text.words import inf


def rows(skeleton: Skeleton, text: str = DUMP) -> list[object]:
    """The lines and values that a skeleton has, by section."""
    lines: list[object] = []
    for section in skeleton.sections:
        for part in section.parts:
            if isinstance(part, Extent):
                lines += text.encode()[part.start : part.end].decode().splitlines()
            else:
                lines.append((part.first_line, part.values))
    return lines


def test_the_skeleton_of_a_dump_says_what_its_rows_mean() -> None:
    skeleton = skeleton_of(DUMP)
    assert skeleton.version == "2.3.0"
    assert skeleton.migrations == {"music": "0003_playlist"}
    track = skeleton.functions["create_music_track"]
    assert track.model == "music.Track"
    assert track.parameters == ("id", "class_", "genre_id")
    assert track.fields == {"id": 0, "class": 1, "genre_id": 2}
    assert track.field_lines == {"id": 38, "class": 39, "genre_id": 40}
    assert (track.line, track.drops) == (35, False)
    assert [section.name for section in skeleton.sections] == [
        "music_genre_objects",
        "music_track_objects",
    ]


def test_a_block_is_the_bytes_of_its_rows() -> None:
    block = outline_of(DUMP).blocks[1]
    text = DUMP.encode()[block.start : block.end].decode()
    assert text.startswith("    yield create_music_track(1,")
    assert text.endswith("(3, 'Fast As a Shark', 2)\n")
    assert text.count("\n") == 3
    assert DUMP.split("\n")[block.first_line - 1] == text.split("\n")[0]
    assert (block.number, block.function) == (1, "create_music_track")


def test_the_tree_has_the_line_numbers_of_the_file() -> None:
    tree = parse(outline_of(DUMP))
    lines = DUMP.split("\n")
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert len(functions) == 5
    for function in functions:
        assert lines[function.lineno - 1].startswith(f"def {function.name}(")
    assert lines[(functions[-1].end_lineno or 0) - 1] == "    yield music_track_objects()"


def test_comments_and_blank_lines_between_rows_belong_to_the_block() -> None:
    text = changed(
        "    yield create_music_track(2, 'B",
        "    # yield create_music_track(7)\n\n  \t\n# x\n    yield create_music_track(2, 'B",
        "    yield create_music_track(3",
        "# é\n    yield create_music_track(3",
    )
    blocks = outline_of(text).blocks
    assert len(blocks) == 2
    assert text.encode()[blocks[1].start : blocks[1].end].count(b"yield create_music_track(") == 4
    assert skeleton_of(text).functions == skeleton_of(DUMP).functions


def test_a_comment_after_the_last_row_does_not_belong_to_the_block() -> None:
    text = changed("Shark', 2)\n", "Shark', 2)\n    # the last one\n")
    block = outline_of(text).blocks[1]
    assert text.encode()[block.start : block.end].endswith(b"Shark', 2)\n")


@pytest.mark.slow
def test_commented_rows_take_no_memory() -> None:
    comment = b"    # yield create_music_track(1, 'For Those About To Rock', 1)\n"
    head, row, tail = DUMP.encode().partition(b"    yield create_music_track(2,")

    def lines() -> Iterator[bytes]:
        yield from io.BytesIO(head)
        for _ in range(200_000):
            yield comment
        yield from io.BytesIO(row + tail)

    tracemalloc.start()
    try:
        outline = split(lines())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**20
    assert outline.size == len(DUMP.encode()) + 200_000 * len(comment)


def test_line_ends_of_windows_are_accepted() -> None:
    text = DUMP.replace("\n", "\r\n")
    expected = skeleton_of(DUMP)
    skeleton = skeleton_of(text)
    assert skeleton.functions == expected.functions
    block = outline_of(text).blocks[1]
    assert text.encode()[block.start : block.end].endswith(b"Shark', 2)\r\n")


def test_a_table_left_out_in_objects_is_no_section() -> None:
    skeleton = skeleton_of(changed("    yield music_genre", "    # yield music_genre"))
    assert [section.name for section in skeleton.sections] == ["music_track_objects"]


def test_the_order_of_the_sections_is_that_of_objects() -> None:
    text = changed(
        "    yield music_genre_objects()\n    yield music_track_objects()\n",
        "    yield music_track_objects()\n    yield from music_genre_objects()\n",
    )
    assert [section.name for section in skeleton_of(text).sections] == [
        "music_track_objects",
        "music_genre_objects",
    ]


def test_a_row_over_several_lines_is_read_in_its_place() -> None:
    text = changed(
        "    yield create_music_track(2, 'Balls to the Wall', None)\n",
        "    yield create_music_track(\n        2,\n        'Balls to '  # edited\n"
        "        'the Wall',\n        None,\n    )\n",
    )
    section = skeleton_of(text).sections[1]
    first, second, third = section.parts
    assert isinstance(first, Extent)
    assert second == InlineRow(46, "create_music_track", (2, "Balls to the Wall", None))
    assert isinstance(third, Extent)
    assert third.first_line == 52


def test_a_row_with_a_comment_is_read_in_its_place() -> None:
    text = changed("the Wall', None)", "the Wall', None)  # edited")
    assert skeleton_of(text).sections[1].parts[1] == InlineRow(
        46, "create_music_track", (2, "Balls to the Wall", None)
    )


def test_a_section_may_have_rows_of_several_functions() -> None:
    text = changed("    yield create_music_track(2,", "    yield create_music_genre(2,")
    functions = [part.function for part in skeleton_of(text).sections[1].parts]
    assert functions == ["create_music_track", "create_music_genre", "create_music_track"]


def test_words_are_constants() -> None:
    text = changed("name=name", "name=Decimal('1'), a=inf, b=[1, -2], c=date(2024, 1, 1), d=None")
    fields = skeleton_of(text).functions["create_music_genre"].fields
    assert fields == {
        "id": 0,
        "name": Constant(Decimal("1")),
        "a": Constant(inf),
        "b": Constant([1, -2]),
        "c": Constant(date(2024, 1, 1)),
        "d": Constant(None),
    }


@pytest.mark.parametrize("body", ["return None", "return", "'''Nothing.'''\n    return None"])
def test_a_function_that_returns_nothing_drops_its_rows(body: str) -> None:
    whole = "return new(\n        music_Genre,\n        id=id,\n        name=name,\n    )"
    function = skeleton_of(changed(whole, body)).functions["create_music_genre"]
    assert (function.drops, function.fields, function.model) == (True, {}, "")


SAME: dict[str, tuple[str, ...]] = {
    "a field commented out": ("        name=name,", "        # name=name,"),
    "a field renamed": ("        name=name,", "        title=name,"),
    "a field moved": ("        id=id,\n        name=name,", "        name=name,\n        id=id,"),
    "a field as **": ("        name=name,", "        **{'name': name},"),
    "several fields as **": ("        name=name,", "        **{'name': name, 'pos': 1},"),
    "a field that is not ASCII": ("        name=name,", "        größe=name,"),
    "a field on one line": ("        id=id,\n        name=name,\n", "id=id, name=name"),
    "a field given twice from one": ("        name=name,", "        name=name, title=name,"),
    "a constant": ("        name=name,", "        name='x',"),
    "a negative constant": ("        name=name,", "        name=-1,"),
    "another model": ("'music.Track'", "'audio.Track'"),
    "double quotes": ("'music.Track'", '"music.Track"'),
    "no version": ("'2.3.0'", "None"),
    "another version": ("'2.3.0'", "'9'"),
    "no migrations": ("{'music': '0003_playlist'}", "{}"),
    "no version at all": ("SOURCE_VERSION = '2.3.0'\n", ""),
    "no migrations at all": ("SOURCE_MIGRATIONS = {'music': '0003_playlist'}\n", ""),
    "another docstring": ("The data of shop", "Die Daten des Ladens"),
    "a docstring of quotes": ("The data of shop", "' '' \\\" \\''"),
    "a docstring that looks like code": ("The data of shop", "import os; os.remove('x')"),
    "a docstring with a cookie": ("The data of", "# coding: utf-8"),
    "a docstring with a first line": ("The data of shop", "# dumpy: format 2"),
    "a docstring of a function": ("(id, name):\n", "(id, name):\n    '''A genre.'''\n"),
    "a docstring of a section": ("genre_objects():\n", "genre_objects():\n    'All.'\n"),
    "a docstring of objects": ("def objects():\n", "def objects():\n    'All.'\n"),
    "a comment in the skeleton": ("def objects():\n", "def objects():\n    # bidi \u202e\n"),
    "a comment with parentheses": (
        "def objects():\n",
        "# yield create_music_genre(1)\ndef objects():\n",
    ),
    "blank lines": ("def objects():\n", "\n\n\n\ndef objects():\n\n"),
    "a sorted import": ("    Decimal, UUID, date,", "    UUID, date, Decimal,"),
    "an import on one line each": ("Decimal, UUID,", "Decimal,\n    UUID,"),
    "no line that installs migrations": (
        "install_migrations(globals())\n",
        "# install_migrations(globals())\n",
    ),
    "an unused parameter": ("(id, name)", "(id, name, year)"),
    "an unused function": (
        "def music_genre_objects",
        "def create_x(a):\n    return None\n\n\ndef music_genre_objects",
    ),
    "an unused model": ("def objects", "a_B = resolve_model('a.B')\n\n\ndef objects"),
    "an empty section": (
        "    yield create_music_genre(1, 'Rock')\n    yield create_music_genre(2, 'Jazz')\n",
        "    return\n",
    ),
    "a return after the rows": ("(2, 'Jazz')\n", "(2, 'Jazz')\n    return\n"),
    "yield from": ("yield music_genre", "yield from music_genre"),
    "no objects": (
        "    yield music_genre_objects()\n    yield music_track_objects()\n",
        "    return []\n",
    ),
    "a cookie of utf-8": ('"""The data', '# -*- coding: utf-8 -*-\n"""The data'),
    "a parameter like a word": ("(id, name)", "(id, date)", "name=name", "date=date"),
    "a model with an old name": (
        "music_Track = resolve_model('music.Track')",
        "music_Track = (\n    resolve_model('music.Track'))",
    ),
    "a row with double quotes": ("(1, 'Rock')", '(1,  "Rock" )'),
    "a row that looks like code": ("'Rock'", "'), import os, ('"),
    "a row with the last line in it": ("'Rock'", "'# dumpy: end'"),
    "a row with a placeholder in it": ("'Rock'", "'__dumpy_rows__(1)'"),
}


@pytest.mark.parametrize("replacements", SAME.values(), ids=SAME.keys())
def test_an_edited_dump_is_still_data(replacements: tuple[str, ...]) -> None:
    skeleton_of(changed(*replacements))


def test_a_renamed_field_gets_the_values_of_the_old_one() -> None:
    skeleton = skeleton_of(changed("        name=name,", "        title=name,"))
    assert skeleton.functions["create_music_genre"].fields == {"id": 0, "title": 1}


def test_a_field_whose_name_is_not_normal_is_code() -> None:
    with pytest.raises(NotData, match="letters"):
        skeleton_of(changed("        name=name,", "        \uff4eame=name,"))


def test_the_placeholders_are_statements_of_the_tree() -> None:
    outline = outline_of(DUMP)
    tree = parse(outline)
    names: dict[str, object] = {"__dumpy_rows__": lambda number: [f"rows {number}"]}
    tree.body = [node for node in tree.body if getattr(node, "name", "").endswith("objects")]
    exec(compile(tree, "<dump>", "exec"), names)
    given = [list(section) for section in names["objects"]()]  # type: ignore[operator]
    assert given == [["rows 0"], ["rows 1"]]


def test_a_sketch_of_a_program_has_what_is_data_and_the_parameters_that_code_uses() -> None:
    text = changed("format 1", "program 1").replace("**{'class': class_},", "")
    text = text.replace("id=id,", "id=id + 1,").replace(
        "from dumpy.dump", "import os\nfrom dumpy.dump"
    )
    program = sketch(outline_of(text))
    assert program.migrations == {"music": "0003_playlist"}
    track = program.functions["create_music_track"]
    assert (track.model, track.unused) == ("music.Track", ["class_"])


def test_the_tree_of_a_program_is_not_data_but_can_be_compiled() -> None:
    text = changed(
        "    yield music_track_objects()", "    yield from filter(None, music_track_objects())"
    )
    outline = outline_of(text)
    tree = parse(outline)
    with pytest.raises(NotData) as caught:
        interpret(outline, YIELDED)
    assert text.split("\n")[caught.value.line - 1].startswith("    yield from filter")
    compile(tree, "<dump>", "exec")
