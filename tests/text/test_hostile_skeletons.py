from __future__ import annotations

import io
import time
import tracemalloc

import pytest
from text_dumps import DUMP, PATIENCE, changed, skeleton_of

from dumpy.text.emit import END, head, main_function
from dumpy.text.outline import SAVED, split
from dumpy.text.parsing import FormatError
from dumpy.text.skeleton import NotData, interpret

HEAD, _, REST = DUMP.partition("\n")
MODEL = "music_Genre = resolve_model('music.Genre')"
NEW = "    return new(\n        music_Genre,"


def code(text: str) -> str:
    """The dump with these lines put before objects()."""
    return changed("def objects():", f"{text}\n\n\ndef objects():")


def big(text: str) -> str:
    return code(f"X = ({text})")


INSTALL = "install_migrations(globals())"
CODE: dict[str, str] = {
    # statements
    "an import": code("import os"),
    "an import from": code("from os import path"),
    "a relative import": changed("from dumpy.dump import", "from .dumpy.dump import"),
    "an import of all": code("from dumpy.dump import *"),
    "an import of another name": changed("    Decimal,", "    Decimal, apps,"),
    "an import under another name": changed("    Decimal,", "    Decimal, new as date2,"),
    "an import twice": changed("    Decimal,", "    Decimal, Decimal,"),
    "an import of another module": changed("dumpy.dump", "dumpy.loading"),
    "a call": code("print(1)"),
    "an expression": code("1"),
    "a second docstring": code("'''Text.'''"),
    "a class": code("class A:\n    pass"),
    "a metaclass": code("class A(metaclass=print):\n    pass"),
    "a class with a row": code("class A:\n    yield create_music_genre(1, 'a')"),
    "an if": code("if True:\n    pass"),
    "a main guard": code("if __name__ == '__main__':\n    pass"),
    "a try": code("try:\n    pass\nexcept Exception:\n    pass"),
    "a with": code("with open('x'):\n    pass"),
    "a for": code("for x in []:\n    pass"),
    "a while": code("while True:\n    pass"),
    "a match": code("match 1:\n    case 1:\n        pass"),
    "a del": code("del music_Genre"),
    "a global": code("global x"),
    "an assert": code("assert True"),
    "a raise": code("raise SystemExit"),
    "a pass": code("pass"),
    "a lambda": code("f = lambda: 1"),
    "an annotation": code("x: int = 1"),
    "a bare annotation": code("x: print(1)"),
    "an augmented assignment": code("SOURCE_VERSION += '1'"),
    "an assignment of a constant": code("X = 1"),
    "an assignment to two": code("a = b = resolve_model('a.B')"),
    "an assignment to a tuple": code("a, b = resolve_model('a.B')"),
    "an assignment to an attribute": code("music_Genre.x = resolve_model('a.B')"),
    "an assignment to an item": code("SOURCE_MIGRATIONS['a'] = 'b'"),
    "an async function": code("async def f():\n    pass"),
    "two statements on a line": changed(MODEL, f"{MODEL}; import os"),
    "a walrus": changed(MODEL, "music_Genre = (x := resolve_model('music.Genre'))"),
    # names
    "a word bound again": code("date = resolve_model('a.B')"),
    "new bound again": code("new = resolve_model('a.B')"),
    "new as a function": code("def new(a):\n    return None"),
    "resolve_model as a function": code("def resolve_model():\n    return"),
    "a function twice": code("def create_music_genre(id, name):\n    return None"),
    "a model twice": code(MODEL),
    "objects twice": code("def objects():\n    return []"),
    "the version twice": code("SOURCE_VERSION = '2'"),
    "a name of Python": code("__name__ = resolve_model('a.B')"),
    "builtins": code("__builtins__ = resolve_model('a.B')"),
    "no import of new": changed(" new,", ""),
    "no import of resolve_model": changed(" resolve_model,", ""),
    "an import after its use": changed(" resolve_model,", "").replace(
        "def objects", "from dumpy.dump import resolve_model\n\n\ndef objects"
    ),
    "a word that is not imported": changed(
        "    Decimal, UUID, date,", "    Decimal, UUID,"
    ).replace("name=name", "name=date(2024, 1, 1)"),
    # the line of the migrations
    "migrations installed twice": changed(INSTALL, f"{INSTALL}\n{INSTALL}"),
    "migrations of other globals": changed(INSTALL, "install_migrations({})"),
    "migrations with an argument more": changed(INSTALL, "install_migrations(globals(), 1)"),
    "migrations without their import": changed("install_migrations, ", ""),
    "other globals": changed(INSTALL, f"globals = resolve_model('a.B')\n{INSTALL}"),
    "a function after the migrations": changed(
        INSTALL, f"{INSTALL}\n\n\ndef create_x(a):\n    return None"
    ),
    "a call in the module": code("print()"),
    "full-width new": changed("    return new(", "    return \uff4eew("),
    "full-width resolve_model": changed("= resolve_model", "= \uff52esolve_model"),
    "full-width def": changed("def create_music_genre(", "def \uff43reate_music_genre("),
    "full-width model": changed("        music_Genre,", "        music_\uff27enre,"),
    "full-width parameter": changed("(id, name)", "(id, \uff4eame)"),
    "full-width value": changed("name=name", "name=\uff4eame"),
    "full-width import": changed("Decimal, UUID", "\uff24ecimal, UUID"),
    "full-width version": changed("SOURCE_VERSION", "\uff33OURCE_VERSION"),
    "full-width section": changed("    yield music_genre", "    yield \uff4dusic_genre"),
    "full-width row": changed(
        "    yield create_music_genre(1", "    yield \uff43reate_music_genre(1"
    ),
    # assignments
    "a version that is a number": changed("'2.3.0'", "2.3"),
    "a version that is bytes": changed("'2.3.0'", "b'2.3.0'"),
    "a version that is computed": changed("'2.3.0'", "'2' + '.3'"),
    "a version that is an f-string": changed("'2.3.0'", "f'2.3.0'"),
    "migrations of numbers": changed("'0003_playlist'", "3"),
    "migrations of None": changed("'0003_playlist'", "None"),
    "migrations that are a list": changed("{'music': '0003_playlist'}", "['music']"),
    "migrations that are a set": changed("{'music': '0003_playlist'}", "{'music'}"),
    "migrations that unpack": changed("{'music'", "{**{}, 'music'"),
    "migrations that are computed": changed("{'music': '0003_playlist'}", "dict(music='3')"),
    "a model by name": changed("resolve_model('music.Genre')", "resolve_model(SOURCE_VERSION)"),
    "a model by keyword": changed("resolve_model('music.Genre')", "resolve_model(label='a.B')"),
    "a model of two": changed("resolve_model('music.Genre')", "resolve_model('music', 'Genre')"),
    "a model and more": changed("('music.Genre')", "('music.Genre').objects"),
    "a model that is code": changed("resolve_model('music.Genre')", "__import__('music').Genre"),
    # create functions
    "a decorator": changed("def create_music_genre", "@print\ndef create_music_genre"),
    "a default": changed("(id, name)", "(id, name=print())"),
    "an annotation of a parameter": changed("(id, name)", "(id, name: print())"),
    "an annotation of a function": changed("(id, name):", "(id, name) -> print():"),
    "a *parameter": changed("(id, name)", "(id, *name)"),
    "a **parameter": changed("(id, name)", "(id, **name)"),
    "a keyword parameter": changed("(id, name)", "(id, *, name)"),
    "a positional parameter": changed("(id, name)", "(id, /, name)"),
    "a parameter twice": changed("(id, name)", "(name, name)"),
    "a parameter called new": changed("(id, name)", "(id, name, new)"),
    "a parameter called as the model": changed("(id, name)", "(id, name, music_Genre)"),
    "a word hidden by a parameter": changed(
        "(id, name)", "(date, name)", "id=id", "id=date(1, 1, 1)"
    ),
    "two statements": changed(NEW, f"    id = 1\n{NEW}"),
    "no return": changed("    return new(", "    new("),
    "yield for return": changed("    return new(", "    yield new("),
    "another call": changed("    return new(", "    return print("),
    "a call of the model": changed(NEW, "    return music_Genre("),
    "no model": changed("        music_Genre,\n", ""),
    "another model": changed("        music_Genre,", "        music_Label,"),
    "a model that is a text": changed("        music_Genre,", "        'music.Genre',"),
    "a model that is a word": changed("        music_Genre,", "        date,"),
    "two models": changed("        music_Genre,", "        music_Genre, music_Genre,"),
    "a starred model": changed("        music_Genre,", "        *[music_Genre],"),
    "a field twice": changed("        name=name,", "        name=name, **{'name': id},"),
    "a field twice in **": changed("        name=name,", "        **{'a': name, 'a': id},"),
    "a name after **": changed("        name=name,", "        **name,"),
    "a ** in **": changed("        name=name,", "        **{**{}},"),
    "a computed name in **": changed("        name=name,", "        **{id: name},"),
    "a bytes name in **": changed("        name=name,", "        **{b'name': name},"),
    "a method": changed("name=name", "name=name.upper()"),
    "a function of a value": changed("name=name", "name=str(name)"),
    "an operation": changed("name=name", "name=name + 'x'"),
    "an f-string": changed("name=name", "name=f'{name}'"),
    "a condition": changed("name=name", "name=name or None"),
    "a parameter in a list": changed("name=name", "name=[name]"),
    "a parameter in a word": changed("name=name", "name=natural('a.B', name)"),
    "an unknown name": changed("name=name", "name=title"),
    "a bad constant": changed("name=name", "name=date(0, 1, 1)"),
    "a tuple": changed("name=name", "name=(1, 2)"),
    "a conditional return": changed(NEW, "    return None if id else new(\n        music_Genre,"),
    "a lambda in a field": changed("name=name", "name=lambda: 1"),
    # sections and objects()
    "a loop in a section": changed(
        "genre_objects():\n", "genre_objects():\n    for x in []: pass\n"
    ),
    "a call in a section": changed("genre_objects():\n", "genre_objects():\n    print(1)\n"),
    "rows before a return": changed("genre_objects():\n", "genre_objects():\n    return\n"),
    "a return of rows": changed("genre_objects():\n", "genre_objects():\n    return []\n"),
    "a row of an unknown function": changed("create_music_genre(1", "create_music_label(1"),
    "rows of an unknown function": DUMP.replace("yield create_music_genre(", "yield create_x("),
    "an inline row of code": changed("(1, 'Rock')", "(1,\n        print())"),
    "an inline row with keywords": changed("(1, 'Rock')", "(1,\n        name='Rock')  # a"),
    "an inline row with a star": changed("(1, 'Rock')", "(\n        *[1, 'Rock'])  # a"),
    "a row that is not yielded": changed(
        "    yield create_music_genre(1", "    create_music_genre(1"
    ),
    "a yield of a constant": changed("genre_objects():\n", "genre_objects():\n    yield 1\n"),
    "a section with a parameter": changed("genre_objects():", "genre_objects(x=1):"),
    "a section with a decorator": changed("def music_genre_obj", "@print\ndef music_genre_obj"),
    "a nested section": changed("def music_genre_objects():\n", "def a():\n  def b():\n"),
    "a section twice": changed("yield music_track_objects", "yield music_genre_objects"),
    "an unknown section": changed("yield music_track_objects()", "yield music_label_objects()"),
    "a section with an argument": changed(
        "yield music_track_objects()", "yield music_track_objects(1)"
    ),
    "a section that is not called": changed(
        "yield music_track_objects()", "yield music_track_objects"
    ),
    "a create function in objects": changed(
        "yield music_track_objects()", "yield (create_music_genre())"
    ),
    "a row in objects": changed("yield music_track_objects()", "yield create_music_genre(1, 'a')"),
    "a filter in objects": changed("yield music_track_objects()", "yield filter(None, [])"),
    "a list in objects": changed("def objects():\n", "def objects():\n    return [1]\n"),
    "a return before": changed("def objects():\n", "def objects():\n    return []\n"),
    "objects with a parameter": changed("def objects():", "def objects(x):"),
    "no objects": DUMP.partition("def objects")[0] + "\n# dumpy: end\n",
    "objects as a model": changed("def objects():", "def objects2():").replace(
        "music_Genre", "objects"
    ),
    "an empty objects": changed("    yield music_genre_objects()\n", "").replace(
        "    yield music_track_objects()", "    'Nothing.'"
    ),
    "yield from an empty section": changed(
        "    yield create_music_genre(1, 'Rock')\n    yield create_music_genre(2, 'Jazz')\n",
        "    return\n",
        "    yield music_genre",
        "    yield from music_genre",
    ),
    "rows outside of a function that is used": changed(
        "def music_track_objects():\n", "if True:\n"
    ).replace("    yield music_track_objects()\n", ""),
    "rows in a loop": changed("def music_track_objects():\n", "for x in []:\n"),
    "rows in a create function": changed("def music_track_objects():\n", "def create_x():\n"),
    "a deep if": code("if 1:\n pass\n" + "elif 1:\n pass\n" * 50),
}
DAMAGED: dict[str, str | bytes] = {
    # bytes
    "nothing": b"",
    "a line end": b"\n",
    "a byte order mark": "\ufeff" + DUMP,
    "UTF-16": DUMP.encode("utf-16"),
    "UTF-32": DUMP.encode("utf-32"),
    "latin-1": DUMP.replace("The data", "é").encode("latin-1"),
    "overlong": DUMP.encode().replace(b"The data", b"\xc0\xaf"),
    "a raw surrogate": DUMP.encode().replace(b"The data", b"\xed\xa0\x80"),
    "a cookie of utf-7": changed('"""The data', '# coding: utf-7\n"""The data'),
    "a cookie of rot13": changed('"""The data', '# -*- coding: rot13 -*-\n"""The data'),
    "a cookie of latin-1": changed('"""The data', '#coding=latin-1\n"""The data'),
    "a cookie of escapes": changed('"""The data', '# coding: raw_unicode_escape\n"""The data'),
    "a cookie of utf-8 with a mark": changed('"""The data', '# coding: utf-8-sig\n"""The data'),
    "a NUL": changed("def objects", "\0def objects"),
    "a NUL in a comment": changed("def objects", "# \0\ndef objects"),
    "a NUL between rows": changed(
        "    yield create_music_track(2", "# \0\n    yield create_music_track(2"
    ),
    "a form feed": changed("def objects", "\x0cdef objects"),
    "a lone carriage return": changed("def objects", "# a\rimport os\ndef objects"),
    "carriage returns only": DUMP.replace("\n", "\r"),
    "a carriage return between rows": changed(
        "    yield create_music_track(2", "# a\rb\n    yield create_music_track(2"
    ),
    "bytes between rows": DUMP.encode().replace(
        b"    yield create_music_track(2", b"# \xff\n    yield create_music_track(2"
    ),
    # the first and the last line
    "another format": changed("format 1", "format 2"),
    "a format that is a word": changed("format 1", "format one"),
    "no format": changed("# dumpy: format 1\n", ""),
    "blanks after the format": changed("format 1", "format 1 "),
    "a comment after the format": changed("format 1", "format 1  # really"),
    "something before": "Hello\n" + DUMP,
    "a blank line before": "\n" + DUMP,
    "JSON": b"[]\n",
    "no last line": changed("# dumpy: end\n", ""),
    "no last line end": DUMP[:-1],
    "another last line": changed("# dumpy: end", "# dumpy: End"),
    "an indented last line": changed("# dumpy: end", "  # dumpy: end"),
    "text after the last line": DUMP + "import os\n",
    "a blank line after the last line": DUMP + "\n",
    "a comment after the last line": DUMP + "# more\n",
    "a row after the last line": DUMP + "    yield create_music_track(1, 'a', 1)\n",
    "two last lines": DUMP + "# dumpy: end\n",
    "two dumps": DUMP + DUMP,
    "a last line between rows": changed(
        "    yield create_music_track(2", "# dumpy: end\n    yield create_music_track(2"
    ),
    "a last line in the docstring": changed("The data", "\n# dumpy: end\nThe data"),
    "a last line before objects": changed("def objects", "# dumpy: end\n\n\ndef objects"),
    # not Python
    "a syntax error": changed("def objects():", "def objects(:"),
    "an odd indent": changed("    yield music_track_objects", "      yield music_track_objects"),
    "a tab": changed("    yield music_track_objects", "\tyield music_track_objects"),
    "an unfinished string": changed("'2.3.0'", "'2.3.0"),
    "an unfinished docstring": changed('objects().\n"""', "objects()."),
    "a bad escape": changed("'2.3.0'", "'\\x2'"),
    "an unfinished bracket": changed("'0003_playlist'}", "'0003_playlist'"),
    "a fork of brackets": changed("'0003_playlist'}", "'0003_playlist')"),
    "a vertical tab": changed("def objects", "\x0bdef objects"),
    "a line separator": changed("def objects", "\u2028def objects"),
    "a no-break space": changed("def objects", "def\u00a0objects"),
    "NEL": changed("def objects", "\x85def objects"),
    "a row over two lines cut in half": changed("(1, 'Rock')\n", "(1, ('Rock')\n    )\n"),
    # rows that are none
    "a row in the docstring": changed("The data", "\n    yield create_x(1)\nThe data"),
    "a row in a text": code("X = '''\n    yield create_music_genre(1)\n'''"),
    "a row in brackets": changed(
        "genre_objects():\n", "genre_objects():\n    (\n", "'Jazz')\n", "'Jazz')\n    )\n"
    ),
    "a row that continues a line": changed("genre_objects():\n", "genre_objects(): \\\n"),
    "a row that is assigned": changed("genre_objects():\n", "genre_objects():\n    x = \\\n"),
    "a row outside": changed("def music_genre_objects():\n", ""),
    "rows that are indented otherwise": changed("genre_objects():\n", "genre_objects():\n  'a'\n"),
    "a placeholder": changed(
        "def objects", "def a():\n    yield from __dumpy_rows__(0)\n\n\ndef objects"
    ),
    "a placeholder that is called": changed("def objects", "__dumpy_rows__(0)\n\n\ndef objects"),
    # size and depth
    "parentheses": big("(" * 250 + "1" + ")" * 250),
    "open parentheses": big("(" * 100_000),
    "open dicts": big("{1: " * 90),
    "lists": big("[" * 5000 + "]" * 5000),
    "signs": big("-" * 5000 + "1") + "x",
    "a million signs": big("-" * 10**6 + "1"),
    "a million terms": big("+".join(["1"] * 10**6)),
    "a million terms on lines": big("+\n".join(["1"] * 10**6)),
    "a million terms in an f-string": big("f'{" + "+".join(["1"] * 10**6) + "}'"),
    "attributes": big("a" + ".a" * 10**6),
    "calls": big("a" + "()" * 10**6),
    "subscripts": big("a" + "[0]" * 10**6),
    "arguments": big("f(" + "1," * 400_000 + ")"),
    "arguments on lines": big("f(" + "1,\n" * 400_000 + ")"),
    "elifs": code("if 1:\n pass\n" + "elif 1:\n pass\n" * 100_000),
    "numbers on lines": code("1\n" * 400_000),
    "statements on lines": code("1;" * 400_000),
    "blocks": code("".join(f"{' ' * depth}if 1:\n" for depth in range(200))),
    "a long number": code(f"X = {'1' * 5000}"),
    "a long line": big("'" + "a" * 2_000_000 + "'"),
    "a longer line": big("'" + "a" * 5_000_000 + "'"),
    "a large skeleton": changed(MODEL, "# a comment\n" * 500_000 + MODEL),
    "a large docstring": changed("The data", "The data\n" * 600_000),
    "backslashes": changed("The data", "\\\\" * 1_000_000),
    "quotes": code("''" * 1_000_000),
    "triple quotes": code("'''" * 700_001),
}


def refusal(name: str, text: str | bytes) -> FormatError | NotData:
    """Return the error that a text is refused with."""
    try:
        skeleton_of(text)
    except (FormatError, NotData) as error:
        return error
    raise AssertionError(f"{name}: it is data")


def test_a_skeleton_that_is_code_is_not_data() -> None:
    for name, text in CODE.items():
        error = refusal(name, text)
        assert isinstance(error, NotData), name
        assert 1 <= error.line <= text.count("\n") + 1, name
        assert error.reason.endswith((".", "?")), name


def test_a_damaged_dump_is_refused_quickly() -> None:
    for name, text in DAMAGED.items():
        start = time.process_time()
        error = refusal(name, text)
        assert time.process_time() - start < PATIENCE, name
        assert error.line >= 1, name
        assert error.reason.endswith((".", "?")), name
        assert len(error.reason) < 400, name


RESTORE = head("Rows of a test.", None, {}, "TABLES") + main_function(["shop_tag.py"])
RESTORE_CODE = {
    "a statement after the end": RESTORE.replace(END, f"\nprint(){END}"),
    "a function": RESTORE.replace("\nTABLES", "\ndef objects():\n    return []\n\n\nTABLES"),
    "no list of texts": RESTORE.replace("'shop_tag.py'", "1"),
    "no list": RESTORE.replace("[\n    'shop_tag.py',\n]", "'shop_tag.py'"),
    "no tables": RESTORE.replace("TABLES = [", "FILES = ["),
    "another end": RESTORE.replace("    restore(globals())", "    print()"),
    "a row": RESTORE.replace("\nTABLES", "\nloader.save(create_shop_tag(1))\nTABLES"),
    "a name of dumpy": RESTORE.replace("natural, ", "").replace(
        "\nTABLES", "\nnatural = 1\nTABLES"
    ),
}


@pytest.mark.parametrize("text", RESTORE_CODE.values(), ids=RESTORE_CODE.keys())
def test_a_restore_file_that_is_code_is_not_data(text: str) -> None:
    outline = split(io.BytesIO(text.encode()), SAVED)
    with pytest.raises(NotData):
        interpret(outline, SAVED)


def test_every_prefix_of_a_dump_is_refused() -> None:
    data = DUMP.encode()
    for size in range(len(data)):
        with pytest.raises(FormatError):
            split(io.BytesIO(data[:size]))


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (DUMP[:-20], 55, "truncated"),
        (DUMP + "import os\n", 58, "after"),
        ("Hello\n" + DUMP, 2, "printed"),
        (DUMP.replace("format 1", "format 7"), 1, "format is 7; .* newer dumpy"),
        ("\ufeff" + DUMP, 1, "byte order mark"),
        (DUMP.replace("def objects():", "def objects(:"), 53, "not valid Python"),
        (DUMP.replace("The data", "# dumpy\0"), 2, "NUL"),
        ("hello\n", 1, "first line"),
    ],
)
def test_the_error_says_where_and_what(text: str, line: int, reason: str) -> None:
    with pytest.raises(FormatError, match=reason) as caught:
        skeleton_of(text)
    assert caught.value.line == line


def test_a_line_without_an_end_is_refused_in_little_memory() -> None:
    data = DUMP.replace("The data", "a" * 20 * 2**20).encode()
    stream = io.BytesIO(data)
    tracemalloc.start()
    try:
        with pytest.raises(FormatError):
            split(stream)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 * 2**20
