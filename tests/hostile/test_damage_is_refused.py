"""Bytes, layout and names that no dump has: refused with a line, whatever the door."""

from __future__ import annotations

import codecs

import pytest
from hostile_dumps import DUMP, LEO, before_objects, changed
from oracle import Refuse, another, first_line, reasons

# Nothing that is refused comes as far as an engine.
pytestmark = pytest.mark.sqlite

DOORS = ["data only", another("bare name")]
ROW = f"    yield create_zoo_species{LEO}\n"
FIRST, _, REST = DUMP.partition("\n")
WHOLE = DUMP.encode()


def row(text: str) -> str:
    """Return the dump with these lines for one of its rows."""
    return changed(ROW, text)


def data(old: bytes, new: bytes) -> bytes:
    """Return the dump as bytes with one text replaced."""
    assert old in WHOLE
    return WHOLE.replace(old, new, 1)


COOKIES = [
    "utf-7",
    "utf_7",
    "rot13",
    "latin-1",
    "raw_unicode_escape",
    "unicode_escape",
    "idna",
    "punycode",
    "hex",
    "utf-16",
    "utf-8-sig",
    "shift_jis",
    "cp1252",
    "nonsense",
]
ENCODED: dict[str, bytes] = {
    "a mark of utf-8": codecs.BOM_UTF8 + WHOLE,
    "utf-16": DUMP.encode("utf-16"),
    "utf-16 without a mark": DUMP.encode("utf-16-le"),
    "utf-32": DUMP.encode("utf-32"),
    "utf-7": REST.encode("utf-7"),
    "an overlong slash": data(b"Panthera", b"\xc0\xaf"),
    "an overlong NUL": data(b"Panthera", b"\xc0\x80"),
    "a raw surrogate": data(b"Panthera", b"\xed\xa0\x80"),
    "a raw pair of surrogates": data(b"Panthera", b"\xed\xa0\xbd\xed\xb8\x80"),
    "more than Unicode has": data(b"Panthera", b"\xf4\x90\x80\x80"),
    "half a character": data(b"Panthera leo", b"\xe2\x82"),
    "latin-1 in a row": data(b"Panthera", b"\xe9"),
    "latin-1 in a comment": data(b"SOURCE_VERSION", b"# \xe9\nSOURCE_VERSION"),
    "latin-1 in the description": data(b"The data", b"\xe9"),
    "a NUL in a row": data(b"Panthera", b"\0"),
    "a NUL after a row": data(b"leo')", b"leo')\0"),
    "a NUL in the skeleton": data(b"SOURCE_VERSION", b"\0SOURCE_VERSION"),
    "a NUL in the label": data(b"zoo.Diet", b"zoo.Diet\0"),
    "a NUL after the end": WHOLE + b"\0",
    "a carriage return in a row": data(b"Panthera", b"\r"),
    "a carriage return in a comment": data(b"SOURCE_VERSION", b"# \rimport os\nSOURCE_VERSION"),
    "carriage returns only": WHOLE.replace(b"\n", b"\r"),
    "a form feed in a row": data(b", 'Panthera", b",\x0c'Panthera"),
    "a form feed before a row": data(ROW.encode(), b"\x0c" + ROW.encode()),
    "a control in a row": data(b", 'Panthera", b",\x1c'Panthera"),
    "a ZIP after the end": WHOLE + b"PK\x05\x06" + b"\0" * 18,
    "a ZIP before": b"PK\x03\x04" + WHOLE,
    "a PDF": b"%PDF-1.4\n" + WHOLE,
    "a shebang": b"#!/usr/bin/python3\n" + WHOLE,
    "a gzip that is not said to be one": b"\x1f\x8b\x08\0" + WHOLE,
    "a pickle": b"\x80\x04\x95\x0b\0\0\0\0\0\0\0\x8c\x02os\x94.",
    "a pickle of protocol 0": b"cos\nsystem\n(S'true'\ntR.",
    "bytecode": b"\xa7\r\r\n" + b"\0" * 12 + WHOLE,
    "JSON": b'[{"model": "zoo.species", "pk": 9, "fields": {"latin": "a"}}]\n',
    "YAML": b"!!python/object/apply:os.system ['true']\n",
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "nothing": b"",
    "a line end": b"\n",
    "blank lines": b"\n" * 1000,
    "random bytes": bytes(range(256)) * 16,
}
LAYOUT: dict[str, str] = {
    # the first and the last line
    "a newer format": changed("format 1", "format 2"),
    "format 01": changed("format 1", "format 01"),
    "format 1.0": changed("format 1", "format 1.0"),
    "a format in other digits": changed("format 1", "format \u0661"),
    "a full-width format": changed("format 1", "format \uff11"),
    "a blank before the format": f" {DUMP}",
    "text before the format": f"Loading…\n{DUMP}",
    "a program before the format": f"import os\n{DUMP}",
    "blanks behind the format": changed("format 1", "format 1  "),
    "no end": DUMP.removesuffix("\n# dumpy: end\n"),
    "no line end": DUMP[:-1],
    "half an end": DUMP[:-3],
    "the end twice": f"{DUMP}# dumpy: end\n",
    "two dumps": DUMP * 2,
    "a blank line after the end": f"{DUMP}\n",
    "a program after the end": f"{DUMP}import os\n",
    "the end in a string": changed("The data", "\n# dumpy: end\nThe data").replace(
        "\n# dumpy: end\n", "", 2
    ),
    "the end between rows": row(f"# dumpy: end\n{ROW}"),
    "the end in upper case": changed("# dumpy: end", "# DUMPY: END"),
    "an indented end": changed("# dumpy: end", "    # dumpy: end"),
    "a full-width end": changed("# dumpy: end", "# dumpy： end"),
    # rows
    "an odd indent": row(f" {ROW}"),
    "a smaller indent": row(ROW[1:]),
    "no indent": row(ROW.lstrip()),
    "a tab": row(f"\t{ROW.lstrip()}"),
    "a no-break space": row(ROW.replace("yield ", "yield\u00a0")),
    "an ideographic space": row(ROW.replace(", ", ",\u3000")),
    "a line separator": row(ROW.replace(", ", ",\u2028")),
    "a next line": row(ROW.replace(", ", ",\x85")),
    "a zero-width space": row(ROW.replace(", ", ",\u200b")),
    "a direction mark": row(ROW.replace(", ", ",\u202e")),
    "a soft hyphen": row(ROW.replace("create_", "create\u00ad_")),
    "a backslash": row(ROW.replace(", ", ", \\")),
    "a row that continues a line": changed("species_objects():\n", "species_objects(): \\\n"),
    "a row that continues a row": row(f"    pass \\\n{ROW}"),
    "a string without an end": row(ROW.replace("leo'", "leo")),
    "a string without a start": row(ROW.replace("'Pan", "Pan")),
    "a triple quote without an end": row(ROW.replace("'Pan", "'''Pan")),
    "another quote": row(ROW.replace("leo'", 'leo"')),
    "a typographic quote": row(ROW.replace("'", "’")),
    "a bad hex escape": row(ROW.replace("leo", "\\x0")),
    "a bad escape": row(ROW.replace("leo", "\\u12")),
    "a character that is too large": row(ROW.replace("leo", "\\U00110000")),
    "a character without a name": row(ROW.replace("leo", "\\N{LION OF THE ZOO}")),
    "an open bracket": row(ROW.replace("'Panthera", "['Panthera")),
    "a bracket too many": row(ROW.replace("leo'", "leo']")),
    "two commas": row(ROW.replace(", ", ",, ")),
    "no comma": row(ROW.replace(", ", " ")),
    "two calls": row(ROW.replace(")\n", ")(1)\n")),
    "two rows on a line": row(ROW.replace("\n", ROW.lstrip())),
    "two rows with a semicolon": row(ROW.replace("\n", f"; {ROW.lstrip()}")),
    "two values": row(ROW.replace(")\n", "), 1\n")),
    "keywords": row("    yield create_zoo_species(id=2, latin='Panthera leo')\n"),
    "a method of a row": row(ROW.replace(")\n", ").save()\n")),
    "a row in brackets": row("    yield (create_zoo_species)(2, 'a')(1)\n"),
    "a return of a row": row(ROW.replace("yield", "return")),
    "a row without a yield": row(ROW.replace("yield ", "")),
    "a row of yield from": row(ROW.replace("yield ", "yield from ")),
    "a row in a loop": row(f"    for a in []:\n    {ROW}"),
    "a row of another function": row(ROW.replace("zoo_species", "zoo_egg")),
    "a row of a vocabulary word": row("    yield natural('zoo.Species', 2)\n"),
    "a row in full-width letters": row(ROW.replace("create", "\uff43reate")),
    "a row in a string": changed("The data", f"\n{ROW}The data"),
    "a string around rows": changed(
        "species_objects():\n", "species_objects():\n    '''\n", ROW, f"{ROW}    '''\n"
    ),
    "brackets around rows": changed(
        "species_objects():\n", "species_objects():\n    (\n", ROW, f"{ROW}    )\n"
    ),
    "a row in the module": changed("def zoo_species_objects():\n", ""),
    "a row in objects()": changed("def objects():\n", f"def objects():\n{ROW}"),
    "a row in a create function": changed("    return new(", f"{ROW}    return new("),
    "a row after objects()": changed("\n# dumpy: end", f"{ROW}\n# dumpy: end"),
    "our own placeholder": row("    yield from __dumpy_rows__(0)\n"),
    "our own placeholder in a class": before_objects("class A:\n    __dumpy_rows__(0)"),
    # the skeleton
    "a mistake in objects()": changed("def objects():", "def objects(:"),
    "no objects()": DUMP.partition("\n\ndef objects")[0] + "\n\n# dumpy: end\n",
    "objects() twice": before_objects("def objects():\n    return []"),
    "objects with a parameter": changed("def objects():", "def objects(a):"),
    "objects with a decorator": changed("def objects():", "@print\ndef objects():"),
    "objects as a class": changed("def objects():", "class objects:"),
    "an asynchronous objects": changed("def objects():", "async def objects():"),
    "a section twice": changed("yield zoo_animal_objects()", "yield zoo_species_objects()"),
    "a section that is not there": changed("yield zoo_animal_objects()", "yield zoo_egg_objects()"),
    "a section with an argument": changed("zoo_animal_objects()\n", "zoo_animal_objects(1)\n"),
    "a section that is returned": changed("yield zoo_diet_objects()", "return zoo_diet_objects()"),
    "a section with a decorator": changed(
        "def zoo_diet_objects", "@print\ndef zoo_diet_objects"
    ),
    "a create function with a decorator": changed(
        "def create_zoo_diet", "@print\ndef create_zoo_diet"
    ),
    "a create function with a default": changed("(id, latin)", "(id, latin='a')"),
    "a create function with an annotation": changed("(id, latin)", "(id, latin: print())"),
    "a create function with a star": changed("(id, latin)", "(id, *latin)"),
    "a create function with two stars": changed("(id, latin)", "(id, **latin)"),
    "a parameter twice": changed("(id, latin)", "(latin, latin)"),
    "a parameter called new": changed("(id, latin)", "(new, latin)", "id=id", "id=new"),
    "a parameter that hides the model": changed("(id, latin)", "(zoo_Species, latin)"),
    "a folded parameter": changed("(id, latin)", "(id, \uff4catin)"),
    "a folded keyword": changed("latin=latin", "\uff4catin=latin"),
    "a folded value": changed("latin=latin", "latin=\uff4catin"),
    "a folded model": changed("zoo_Species = ", "zoo_\uff33pecies = "),
    "a folded import": changed("    Decimal, ", "    \uff24ecimal, "),
    "a folded section": changed("yield zoo_diet", "yield \uff5aoo_diet"),
    "a folded version": changed("SOURCE_VERSION", "\uff33OURCE_VERSION"),
    "a letter that looks like another": changed("yield zoo_diet", "yield zоо_diet"),
    "two models": changed("        zoo_Species,", "        zoo_Species, zoo_Species,"),
    "no model": changed("        zoo_Species,\n", ""),
    "another import": changed("from dumpy.dump import", "from zoo.models import"),
    "a relative import": changed("from dumpy.dump", "from .dump"),
    "an import of a submodule": changed("from dumpy.dump", "from dumpy.dump.os"),
    "an import as": changed("    Decimal, ", "    Decimal as Double, "),
    "an import as itself": changed("    Decimal, ", "    Decimal as Decimal, "),
    "an import of what we do not give": changed("    Decimal, ", "    Decimal, json, "),
    "no import of new": changed(" new,", ""),
    "a version of bytes": changed("'2.3.0'", "b'2.3.0'"),
    "a version that is a number": changed("'2.3.0'", "2.3"),
    "migrations in a list": changed("{'zoo': '0001_initial'}", "['zoo']"),
    "migrations of numbers": changed("'0001_initial'", "1"),
    "migrations in migrations": changed("'0001_initial'", "{'zoo': 'a'}"),
}  # fmt: skip


@pytest.mark.parametrize("refuse", DOORS, indirect=True)
@pytest.mark.parametrize("text", ENCODED.values(), ids=ENCODED.keys())
def test_bytes_that_are_no_dump_are_refused(text: bytes, refuse: Refuse) -> None:
    line = first_line(refuse(text))
    assert line is None or 1 <= line <= text.count(b"\n") + 1


@pytest.mark.parametrize("refuse", DOORS, indirect=True)
@pytest.mark.parametrize("text", LAYOUT.values(), ids=LAYOUT.keys())
def test_a_layout_that_dumpy_does_not_write_is_refused(text: str, refuse: Refuse) -> None:
    line = first_line(refuse(text))
    assert line is not None
    assert 1 <= line <= text.count("\n") + 1


@pytest.mark.parametrize("refuse", DOORS, indirect=True)
@pytest.mark.parametrize("cookie", COOKIES)
def test_a_cookie_of_another_encoding_is_refused(cookie: str, refuse: Refuse) -> None:
    error = refuse(changed("# fmt: off", f"# -*- coding: {cookie} -*-"))
    ((place, reason),) = reasons(error)  # type: ignore[arg-type]
    assert place is not None
    assert place.line == 2
    assert "utf-8" in reason


def test_text_with_a_lone_surrogate_is_refused_with_its_line(target: None) -> None:
    from oracle import deserialized, is_refused

    text = changed("Panthera", "\ud800")
    error = is_refused(lambda: deserialized(text))
    assert first_line(error) == text[: text.index("\ud800")].count("\n") + 1
