"""What a user can name is in the reference."""

from __future__ import annotations

import pkgutil
import re
from argparse import ArgumentParser

import pytest
from django.core.management import load_command_class
from django.core.management.base import BaseCommand
from doc_pages import ROOT

import dumpy
import dumpy.dump
import dumpy.errors
from dumpy.conf import ALLOWED
from dumpy.text.outline import FIRST_LINE, LAST_LINE
from dumpy.text.words import NAMES

REPLACED = ("dumpdata", "loaddata")
OWN = (
    "checkdump",
    "convertfixtures",
    "ddt",
    "diffdump",
    "dump2py",
    "mergedump",
    "repair",
    "restore",
    "run",
)
# Of a dump that is made, they choose rows of any model; of one that is repaired, those of one.
OF_REPAIR = {"--where", "--with-children"}
COMMANDS = (*REPLACED, *OWN)


def page(name: str) -> str:
    """Return the text of a page of the reference."""
    return (ROOT / "docs" / "reference" / f"{name}.md").read_text(encoding="utf-8")


def options_of(command: BaseCommand) -> dict[str, str]:
    """Return the options of a command, with what its help says of each."""
    parser: ArgumentParser = command.create_parser("manage.py", "command")
    actions = [action for action in parser._actions if action.option_strings]
    return {option: str(one.help) for one in actions for option in one.option_strings}


def added(command: str) -> dict[str, str]:
    """Return the options of a command that Django does not have, with what its help says."""
    of_django = load_command_class("django.core", command) if command in REPLACED else BaseCommand()
    own, others = options_of(load_command_class("dumpy", command)), options_of(of_django)
    return {option: text for option, text in own.items() if option not in others}


ADDED = {command: added(command) for command in COMMANDS}
OPTIONS = [option for options in ADDED.values() for option in options.items()]
CHECKS = sorted(set(re.findall(r"dumpy\.[EW]\d+", (ROOT / "dumpy" / "checks.py").read_text())))
# The names whose docstrings are the reference.
GENERATED = {
    name
    for path in (ROOT / "docs" / "reference").glob("*.md")
    for name in re.findall(r"^\.\. auto\w+:: ([\w.]+)", path.read_text("utf-8"), re.M)
}
ERRORS = sorted(
    name
    for name, value in vars(dumpy.errors).items()
    if isinstance(value, type) and value.__module__ == "dumpy.errors"
)


def test_a_key_of_the_settings_is_documented() -> None:
    text = page("settings")
    assert [key for key in ALLOWED if f'## `"{key}"`' not in text] == []


def test_a_system_check_is_documented() -> None:
    text = page("checks")
    assert [check for check in CHECKS if f"| `{check}` |" not in text] == []


def test_a_command_and_the_options_that_dumpy_adds_are_documented() -> None:
    text = page("commands")
    assert [command for command in COMMANDS if f"## `{command}`" not in text] == []
    assert [option for option, _ in OPTIONS if f"`{option}`" not in text] == []


def test_the_help_of_an_option_is_a_sentence() -> None:
    assert [option for option, said in OPTIONS if not said.endswith(".")] == []


def test_an_option_means_the_same_in_every_command() -> None:
    said: dict[str, set[str]] = {}
    for command, options in ADDED.items():
        for option, text in options.items():
            if not (command == "repair" and option in OF_REPAIR):
                said.setdefault(option, set()).add(text)
    assert {option: texts for option, texts in said.items() if len(texts) > 1} == {}


def test_a_public_name_is_documented() -> None:
    assert [name for name in dumpy.__all__ if f"dumpy.{name}" not in GENERATED] == []


def test_an_error_is_documented() -> None:
    places = {name: {f"dumpy.{name}", f"dumpy.errors.{name}"} for name in ERRORS}
    assert [name for name, of_name in places.items() if not of_name & GENERATED] == []


def test_a_name_in_the_reference_has_a_docstring() -> None:
    assert [name for name in GENERATED if not pkgutil.resolve_name(name).__doc__] == []


def test_a_name_that_a_dump_imports_is_documented() -> None:
    text = page("vocabulary")
    assert [name for name in {*dumpy.dump.__all__, *NAMES} if f"`{name}" not in text] == []


@pytest.mark.parametrize("line", [FIRST_LINE, LAST_LINE])
def test_the_frame_of_a_dump_is_documented(line: str) -> None:
    assert f"`{line}`" in page("format")


def test_a_page_is_in_a_table_of_contents() -> None:
    tables = [page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("index.md")]
    listed = {word for table in tables for word in table.split()}
    pages = [page.relative_to(ROOT / "docs") for page in (ROOT / "docs").rglob("*.md")]
    names = [page.with_suffix("") for page in pages if page.stem != "index"]
    assert [name for name in names if not {name.as_posix(), name.name} & listed] == []
