"""A small dump in the text of format 1, and ways to change it."""

from __future__ import annotations

import os
from collections.abc import Callable

from dumps import Rows, module
from dumps import rows as table

Edit = Callable[[str], str]


def dump_of(*tables: Rows) -> str:
    """Return a dump with these tables, as dumpy writes it."""
    described = {"description": "The data of a zoo.", "version": "2.3.0"}
    return module(*tables, **described, migrations={"zoo": "0001_initial"})


DUMP = dump_of(
    table("zoo.Species", "id latin", "1, 'Lutra lutra'", "2, 'Panthera leo'"),
    table("zoo.Animal", "id name species_id prey", "1, 'Olli', 1, []", "2, 'Leo', 2, [1]"),
    table("zoo.Diet", "id plan", "1, {'meat': 3}"),
)
LEO = "(2, 'Panthera leo')"


def changed(*replacements: str) -> str:
    """Return the dump with each (old, new) of the replacements made once."""
    text = DUMP
    for old, new in zip(replacements[::2], replacements[1::2], strict=True):
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def changed_line(text: str) -> int:
    """Return the line in which a text begins to differ from the dump."""
    same = os.path.commonprefix([DUMP, text])  # noqa: RUF071 - it is the characters that count
    return len(same.splitlines())


def before_objects(text: str) -> str:
    """Return the dump with these lines before the last of it, which begins with migrations."""
    return changed("\n\ninstall_migrations(", f"\n\n{text}\n\n\ninstall_migrations(")


# Where an expression may stand.
EXPRESSIONS: dict[str, Edit] = {
    "a row": lambda x: changed(LEO, f"(2, {x})"),
    "a key": lambda x: changed(LEO, f"({x}, 'Panthera leo')"),
    "a JSON value": lambda x: changed("{'meat': 3}", f"{{'meat': [{x}]}}"),
    "a JSON key": lambda x: changed("{'meat': 3}", f"{{{x}: 3}}"),
    "a link": lambda x: changed("2, [1])", f"2, [{x}])"),
    "a word": lambda x: changed("'Leo', 2,", f"'Leo', natural('zoo.Nation', {x}),"),
    "a spread row": lambda x: changed(LEO, f"(2,\n        {x},\n    )"),
    "a constant": lambda x: changed("latin=latin", f"latin={x}"),
    "a constant in **": lambda x: changed("latin=latin", f"**{{'latin': {x}}}"),
    "the version": lambda x: changed("VERSION = '2.3.0'", f"VERSION = {x}"),
    "the migrations": lambda x: changed("{'zoo': '0001_initial'}", f"{{'zoo': {x}}}"),
    "a label": lambda x: changed("resolve_model('zoo.Diet')", f"resolve_model({x})"),
    "objects()": lambda x: changed("yield zoo_diet_objects()", f"yield {x}"),
}
# Where a statement may stand.
STATEMENTS: dict[str, Edit] = {
    "before all": lambda x: changed('"""The', f'{x}\n"""The'),
    "the module": lambda x: changed("SOURCE_VERSION =", f"{x}\nSOURCE_VERSION ="),
    "a create function": lambda x: changed("    return new(", f"    {x}\n    return new("),
    "a section": lambda x: changed("diet_objects():\n", f"diet_objects():\n    {x}\n"),
    "between rows": lambda x: changed(
        f"    yield create_zoo_species{LEO}", f"    {x}\n    yield create_zoo_species{LEO}"
    ),
    "after a row": lambda x: changed(LEO, f"{LEO}; {x}"),
    "before a row": lambda x: changed(
        "    yield create_zoo_diet", f"    {x}; yield create_zoo_diet"
    ),
    "objects()": lambda x: changed("def objects():\n", f"def objects():\n    {x}\n"),
    "the end": lambda x: changed("\n# dumpy: end", f"\n{x}\n\n# dumpy: end"),
    "after the end": lambda x: f"{DUMP}{x}\n",
}
