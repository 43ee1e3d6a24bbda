"""What a user can name is in the reference."""

from __future__ import annotations

import pkgutil
import re
from argparse import ArgumentParser
from pathlib import Path

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
OWN = ("checkdump", "convertfixtures", "ddt", "repair", "restore")
COMMANDS = (*REPLACED, *OWN)


def page(name: str) -> str:
    """Return the text of a page of the reference."""
    return (ROOT / "docs" / "reference" / f"{name}.md").read_text(encoding="utf-8")


def options(app: str, command: str) -> set[str]:
    """Return the options that a command of an app has."""
    return options_of(load_command_class(app, command))


def options_of(command: BaseCommand) -> set[str]:
    """Return the options of a command."""
    parser: ArgumentParser = command.create_parser("manage.py", "command")
    return {option for action in parser._actions for option in action.option_strings}


ADDED = [
    (command, option)
    for command in REPLACED
    for option in options("dumpy", command) - options("django.core", command)
] + [
    (command, option)
    for command in OWN
    for option in options("dumpy", command) - options_of(BaseCommand())
]
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


@pytest.mark.parametrize("key", sorted(ALLOWED))
def test_a_key_of_the_settings_is_documented(key: str) -> None:
    assert f'## `"{key}"`' in page("settings")


@pytest.mark.parametrize("check", CHECKS)
def test_a_system_check_is_documented(check: str) -> None:
    assert f"| `{check}` |" in page("checks")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_documented(command: str) -> None:
    assert f"## `{command}`" in page("commands")


def test_an_option_that_dumpy_adds_is_documented() -> None:
    assert [option for _, option in ADDED if f"`{option}`" not in page("commands")] == []


@pytest.mark.parametrize("name", sorted(dumpy.__all__))
def test_a_public_name_is_documented(name: str) -> None:
    assert f"dumpy.{name}" in GENERATED


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_documented(name: str) -> None:
    assert {f"dumpy.{name}", f"dumpy.errors.{name}"} & GENERATED


@pytest.mark.parametrize("name", sorted(GENERATED))
def test_a_name_in_the_reference_has_a_docstring(name: str) -> None:
    assert pkgutil.resolve_name(name).__doc__


@pytest.mark.parametrize("name", sorted({*dumpy.dump.__all__, *NAMES}))
def test_a_name_that_a_dump_imports_is_documented(name: str) -> None:
    assert f"`{name}" in page("vocabulary")


@pytest.mark.parametrize("line", [FIRST_LINE, LAST_LINE])
def test_the_frame_of_a_dump_is_documented(line: str) -> None:
    assert f"`{line}`" in page("format")


@pytest.mark.parametrize("path", sorted((ROOT / "docs").rglob("*.md")), ids=lambda path: path.stem)
def test_a_page_is_in_a_table_of_contents(path: Path) -> None:
    tables = [p.read_text(encoding="utf-8") for p in (ROOT / "docs").rglob("index.md")]
    relative = path.relative_to(ROOT / "docs").with_suffix("")
    listed = {relative.as_posix(), relative.name}
    assert path.stem == "index" or any(listed & set(table.split()) for table in tables)
