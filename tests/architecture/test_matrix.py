"""Every directory of tests says where its tests run, and the documentation says the same."""

from __future__ import annotations

import re
from pathlib import Path

from matrix import DIRECTORIES, SAMPLED, WITHOUT_DATABASE, WITHOUT_SQL

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs" / "contributing" / "testing.md"


def test_every_directory_of_tests_is_in_the_table() -> None:
    found = {path.name for path in TESTS.iterdir() if any(path.glob("*.py"))}
    assert found == DIRECTORIES.keys()


def test_each_file_of_tests_has_a_name_of_its_own() -> None:
    # They are modules without packages: pytest collects only one of a name.
    names = [path.name for path in TESTS.rglob("test_*.py") if "suite" not in path.parts]
    assert sorted(names) == sorted(set(names))


def test_directories_without_a_database_are_not_said_to_reach_sql() -> None:
    assert {name for name in WITHOUT_DATABASE if "sql" in DIRECTORIES[name]} == set()


def test_files_that_need_no_sql_are_in_directories_that_do() -> None:
    assert [name for name in WITHOUT_SQL if not (TESTS / name).is_file()] == []
    assert {name for name in WITHOUT_SQL if "sql" not in DIRECTORIES[name.split("/")[0]]} == set()


def test_directories_of_which_each_tenth_case_is_run_are_run_on_every_python() -> None:
    assert {name for name in SAMPLED if "python" not in DIRECTORIES[name]} == set()


def test_the_documentation_shows_the_table() -> None:
    rows = re.findall(r"^\| `(\w+)/` \|[^|]*\|([^|]*)\|$", PAGE.read_text(encoding="utf-8"), re.M)
    shown = {name: frozenset(re.findall(r"\w+", marks)) for name, marks in rows}
    assert shown == DIRECTORIES
