"""What must load where no code may run: all that means the same, and all that a person may do."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.test import override_settings
from hostile_dumps import DUMP, LEO, before_objects, changed, dump_of, table
from oracle import DATA_ONLY, deserialized, watching
from running import loaded

from zoo.models import Animal, Checkup, Diet, Nation, Species

# The reader is the same for every engine; what their columns hold is not.
pytestmark = [pytest.mark.usefixtures("warm", "db"), pytest.mark.sqlite]

ROW = f"    yield create_zoo_species{LEO}\n"
ALL = [(1, "Lutra lutra"), (2, "Panthera leo")]
SAME: dict[str, str | bytes] = {
    # bytes and layout
    "as dumpy writes it": DUMP,
    "line ends of Windows": DUMP.replace("\n", "\r\n"),
    "line ends of Windows in rows": DUMP.replace(")\n", ")\r\n"),
    "a cookie of utf-8": changed('"""The', '# -*- coding: utf-8 -*-\n"""The'),
    "a cookie in upper case": changed('"""The', '# vim: set fileencoding=UTF_8 :\n"""The'),
    "no description": changed(DUMP[DUMP.index('"""') : DUMP.rindex('"""') + 4], ""),
    "another description": changed("The data", "Åäö \\x41 __import__('os') The data"),
    "a cookie that is none": changed("The data", "coding: utf-7"),
    "comments": changed(ROW, f"    # The lion.\n{ROW}# At the margin.\n"),
    "a comment that looks like code": changed(ROW, f"    # exec('1'); import os\n{ROW}"),
    "a row that is a comment": changed(ROW, f"    # yield create_zoo_species(3, 'a')\n{ROW}"),
    "a comment behind a row": changed(LEO, f"{LEO}  # The lion, the king)"),
    "blank lines": changed(ROW, f"\n\n{ROW}\n    \n"),
    "400,000 comments between rows": changed(ROW, "# a\n" * 400_000 + ROW),
    "400,000 blank lines between rows": changed(ROW, "\n" * 400_000 + ROW),
    "a return at the end": changed(ROW, f"{ROW}    return\n"),
    "a description of a section": changed("species_objects():\n", "species_objects():\n    'Cats.'\n"),  # noqa: E501
    "a description of objects()": changed("def objects():\n", "def objects():\n    'All.'\n"),
    "a description of a create function": changed("    return new(", "    'A row.'\n    return new("),  # noqa: E501
    "yield from": DUMP.replace("    yield zoo", "    yield from zoo"),
    "a backslash between statements": changed("SOURCE_VERSION = ", "SOURCE_VERSION = \\\n    "),
    "a semicolon at the end": changed("'2.3.0'", "'2.3.0';"),
    "imports in one line": changed("import (\n", "import (").replace(",\n)", ")"),
    "two imports": changed(
        "from dumpy.dump import (\n    Decimal,", "from dumpy.dump import Decimal\nfrom dumpy.dump import ("  # noqa: E501
    ),
    "no version": changed("SOURCE_VERSION = '2.3.0'\n", ""),
    "no version at all": changed("'2.3.0'", "None"),
    "no migrations": changed("SOURCE_MIGRATIONS = {'zoo': '0001_initial'}\n", ""),
    "a section for each half": changed(
        "def objects():\n", "def more():\n    return\n\n\ndef objects():\n    yield more()\n"
    ),
    "a function that nobody calls": before_objects("def unused():\n    yield create_zoo_species(9, 'a')"),  # noqa: E501
    "a create function that nobody calls": before_objects("def create_a(a):\n    return None"),
    "a model twice": changed("zoo_Animal = ", "again = resolve_model('zoo.Species')\nzoo_Animal = "),  # noqa: E501
    "a model that nobody uses": before_objects("ghost = resolve_model('zoo.Unicorn')"),
    "a model in lower case": changed("'zoo.Species'", "'zoo.species'"),
    "another name of a function": DUMP.replace("create_zoo_species", "create_cat"),
    # rows
    "a row over several lines": changed(LEO, "(\n        2,\n        'Panthera leo',\n    )"),
    "a row over several lines with comments": changed(LEO, "(  # The lion\n        2, 'Panthera leo')"),  # noqa: E501
    "a backslash in a row": changed(LEO, "(2, \\\n        'Panthera leo')"),
    "a comma at the end": changed(LEO, "(2, 'Panthera leo',)"),
    "blanks in a row": changed(LEO, " ( 2 ,'Panthera leo' )  "),
    "a row in brackets": changed(ROW, f"    yield ({ROW.removeprefix('    yield ').strip()})\n"),
    "another quote": changed("'Panthera leo'", '"Panthera leo"'),
    "triple quotes": changed("'Panthera leo'", "'''Panthera leo'''"),
    "two strings": changed("'Panthera leo'", "'Panthera ' \"leo\""),
    "a raw string": changed("'Panthera leo'", "r'Panthera leo'"),
    "a u-string": changed("'Panthera leo'", "u'Panthera leo'"),
    "escapes": changed("'Panthera leo'", "'\\x50anthera\\u0020l\\145\\N{LATIN SMALL LETTER O}'"),
    "a hex number": changed("(2, 'P", "(0x2, 'P"),
    "a binary number": changed("(2, 'P", "(0b10, 'P"),
    "a plus sign": changed("(2, 'P", "(+2, 'P"),
    "two minus signs": changed("(2, 'P", "(--2, 'P"),
    "brackets around a value": changed("(2, 'P", "((2), 'P"),
    "50 brackets around a value": changed("(2, 'P", "(" + "(" * 50 + "2" + ")" * 50 + ", 'P"),
    "a number as a text": changed("(2, 'P", "('2', 'P"),
    "another order of rows": changed(
        "    yield create_zoo_species(1, 'Lutra lutra')\n" + ROW,
        ROW + "    yield create_zoo_species(1, 'Lutra lutra')\n",
    ),
    # create functions
    "brackets around a parameter": changed("latin=latin", "latin=(latin)"),
    "names in **": changed("latin=latin", "**{'latin': latin}"),
    "another name of a parameter": changed("(id, latin)", "(id, name)", "latin=latin", "latin=name"),  # noqa: E501
    "another order of fields": changed(
        "        id=id,\n        latin=latin,", "        latin=latin,\n        id=id,"
    ),
    "a foreign key by the name of its field": changed("species_id=species_id", "species=species_id"),  # noqa: E501
    "a field that is left out": changed("        prey=prey,\n", "        # prey=prey,\n"),
    "a table that is left out": changed(
        "    yield zoo_diet_objects()", "    # yield zoo_diet_objects()"
    ),
    "a table that is dropped": changed(
        "    return new(\n        zoo_Diet,\n        id=id,\n        plan=plan,\n    )", "    return"  # noqa: E501
    ),
    "sections in another order": changed(
        "    yield zoo_species_objects()\n", "", "    yield zoo_diet_objects()\n",
        "    yield zoo_diet_objects()\n    yield zoo_species_objects()\n",
    ),
}  # fmt: skip
JSON: list[tuple[str, object]] = [
    ("[]", []),
    ("{}", {}),
    ("0", 0),
    ("-1", -1),
    ("1_000", 1000),
    ("0o17", 15),
    ("10000000000000000000000000", 10**25),
    ("1e3", 1000.0),
    ("1E3", 1000.0),
    (".5", 0.5),
    ("5.", 5.0),
    ("-0.0", -0.0),
    ("1e-400", 0.0),
    ("True", True),
    ("'None'", "None"),
    ("''", ""),
    ("'\\x00'", "\0"),
    ("'😀'", "😀"),
    ("'''a\n    b'''", "a\n    b"),
    ("'# dumpy: end'", "# dumpy: end"),
    ("'a' 'b' \"c\"", "abc"),
    ("[1, [2, [3, [[[]]]]]]", [1, [2, [3, [[[]]]]]]),
    ("[" * 90 + "]" * 90, eval("[" * 90 + "]" * 90)),
    ("{'a': 1, 'a': 2}", {"a": 2}),
    ("{'__class__': 1, '$ref': 2}", {"__class__": 1, "$ref": 2}),
    ("{'a': [None, True, 1.5, 'b'],}", {"a": [None, True, 1.5, "b"]}),
    ("[1,2 , 3,]", [1, 2, 3]),
    ("'" + "x" * 60_000 + "'", "x" * 60_000),
    ("[" + "1, " * 20_000 + "]", [1] * 20_000),
]
COLUMNS: list[tuple[str, str, object]] = [
    ("price", "Decimal('1.10')", Decimal("1.10")),
    ("price", "Decimal(1)", Decimal(1)),
    ("price", "Decimal()", Decimal(0)),
    ("price", "'1.25'", Decimal("1.25")),
    ("price", "3", Decimal(3)),
    ("day", "date(year=2024, month=2, day=29)", date(2024, 2, 29)),
    ("day", "'2024-02-29'", date(2024, 2, 29)),
    ("moment", "utc(2024, 1, 1)", datetime(2024, 1, 1, tzinfo=timezone.utc)),
    ("moment", "utc(2024, 1, 1, second=5)", datetime(2024, 1, 1, 0, 0, 5, tzinfo=timezone.utc)),
    ("moment", "'2024-01-01T00:00:00Z'", datetime(2024, 1, 1, tzinfo=timezone.utc)),
    ("hour", "time(23, 59)", time(23, 59)),
    ("hour", "time()", time()),
    ("duration", "timedelta(hours=-1)", timedelta(hours=-1)),
    ("duration", "timedelta(weeks=1.5)", timedelta(weeks=1.5)),
    ("uuid", "UUID(int=5)", UUID(int=5)),
    ("uuid", "UUID('{' '" + "0" * 31 + "5}')", UUID(int=5)),
    ("binary", "b'\\x00\\xff'", b"\0\xff"),
    ("binary", "b'a' b\"b\"", b"ab"),
    ("floating", "1e308", 1e308),
    ("floating", "1", 1.0),
    ("integer", "'12'", 12),
    ("integer", str(2**31 - 1), 2**31 - 1),
    ("text", "'\\U0001f600'", "😀"),
    ("text", "'e\\u0301'", "e\u0301"),
    ("json", "json_null", None),
]


def load(given: Any) -> None:
    """Load what must be loaded, without doing anything else."""
    with watching() as watch:
        deserialized(given)
    assert watch.events == []


@override_settings(DUMPY=DATA_ONLY)
@pytest.mark.parametrize("text", SAME.values(), ids=SAME.keys())
def test_what_means_the_same_loads_the_same(text: str) -> None:
    load(text)
    assert sorted(Species.objects.values_list("pk", "latin")) == ALL
    assert sorted(Animal.objects.values_list("pk", "name", "species")) == [
        (1, "Olli", 1),
        (2, "Leo", 2),
    ]


@override_settings(DUMPY=DATA_ONLY)
@pytest.mark.parametrize(("text", "value"), JSON, ids=[text[:30] for text, _value in JSON])
def test_a_json_value_is_what_python_makes_of_it(text: str, value: object) -> None:
    load(changed("{'meat': 3}", text))
    assert repr(Diet.objects.get().plan) == repr(value)


@override_settings(DUMPY=DATA_ONLY)
@pytest.mark.parametrize(("field", "text", "value"), COLUMNS)
def test_a_value_is_what_python_makes_of_it(field: str, text: str, value: object) -> None:
    load(dump_of(table("zoo.Checkup", f"id {field}", f"1, {text}")))
    found = getattr(Checkup.objects.get(), field)
    assert (type(found), found) == (type(value), value)


@override_settings(DUMPY=DATA_ONLY)
def test_a_constant_is_what_every_row_gets() -> None:
    load(changed("species_id=species_id", "species_id=1", "name=name", "name='Felix'"))
    assert set(Animal.objects.values_list("name", "species")) == {("Felix", 1)}


@override_settings(DUMPY=DATA_ONLY)
def test_a_reference_by_natural_key_is_followed() -> None:
    nations = table("zoo.Nation", "id name", "5, 'Estonia'")
    mascots = table("zoo.Mascot", "id name nation_id", "1, 'a', natural('zoo.Nation', 'Estonia')")
    load(dump_of(nations, mascots))
    assert Nation.objects.get().mascots.count() == 1


def _zipped(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("any name.txt", data)
    return file.getvalue()


PACKS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    ".zip": _zipped,
}


@override_settings(DUMPY=DATA_ONLY)
@pytest.mark.parametrize("suffix", PACKS)
def test_a_packed_dump_is_loaded(suffix: str, here: Path) -> None:
    (here / f"packed.py{suffix}").write_bytes(PACKS[suffix](DUMP.encode()))
    loaded("packed")
    assert sorted(Species.objects.values_list("pk", "latin")) == ALL


@override_settings(DUMPY=DATA_ONLY)
@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
def test_a_dump_cut_into_members_is_loaded(suffix: str, here: Path) -> None:
    pack, data = PACKS[suffix], DUMP.encode()
    pieces = [pack(data[start : start + 100]) for start in range(0, len(data), 100)]
    (here / f"packed.py{suffix}").write_bytes(b"".join(pieces))
    loaded("packed")
    assert sorted(Species.objects.values_list("pk", "latin")) == ALL


@override_settings(DUMPY=DATA_ONLY)
@pytest.mark.parametrize(
    "kind", [str, str.encode, io.StringIO, lambda text: io.BytesIO(text.encode())]
)
def test_text_bytes_and_streams_are_loaded(kind: Callable[[str], object]) -> None:
    load(kind(DUMP))
    assert sorted(Species.objects.values_list("pk", "latin")) == ALL
