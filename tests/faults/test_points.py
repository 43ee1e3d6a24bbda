"""Whatever happens at any of the points: what is there is what was before, or what comes after."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from bank import TABLES_ONLY, Bank, without_next_keys
from dumps import files
from points import (
    DUMP2PY,
    DUMPDATA,
    LOAD,
    NEW,
    OVERWRITE,
    RESTORE,
    ROWS_ONLY,
    Point,
)

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

RESTORES = [pytest.param("restore", point, id=f"restore {point}") for point in RESTORE]
LOADS = [pytest.param("load", point, id=f"load {point}") for point in LOAD]
DUMPS = [
    pytest.param(command, point, id=f"{command} {point}")
    for command, points in {
        "dump2py": DUMP2PY,
        "overwrite": OVERWRITE,
        "dumpdata": DUMPDATA,
    }.items()
    for point in points
]


def arguments(command: str, bank: Bank, tmp_path: Path) -> tuple[object, ...]:
    """Return a command, and where it dumps to."""
    return {
        "restore": ("run", bank.directory / "dumped" / "restore.py", "-b"),
        "load": ("loaddata", bank.directory / "dumped.py"),
        "dump2py": ("dump2py", tmp_path / "the_dump", *TABLES_ONLY),
        "overwrite": ("dump2py", tmp_path / "the_dump", *TABLES_ONLY, "--overwrite"),
        "dumpdata": ("dumpdata", "--format=py", "-o", tmp_path / "the_dump.py", *TABLES_ONLY),
    }[command]


@pytest.mark.parametrize(("command", "point"), [*RESTORES, *LOADS])
@pytest.mark.usefixtures("journal")
def test_a_restore_or_load_that_is_killed_is_done_or_has_not_happened(
    changed: Bank, tmp_path: Path, command: str, point: Point
) -> None:
    """F4: rows, definitions, and, where they can be taken back, the next keys."""
    ended = changed.hit("SIGKILL", point, *arguments(command, changed, tmp_path))
    assert ended.was_killed, ended.said
    assert_is_left(changed, command, point)


def assert_is_left(bank: Bank, command: str, point: Point) -> None:
    """Require that the database is in the state that a command leaves when it dies at a point."""
    done = "dumped" if command == "restore" else "loaded"
    expected = bank.states[done if point.leaves == NEW else "changed"]
    if command == "load":
        assert without_next_keys(bank.state()) == without_next_keys(expected)
    else:
        assert bank.state() == expected


@pytest.mark.parametrize("point", ROWS_ONLY, ids=str)
@pytest.mark.usefixtures("journal")
def test_a_restore_of_rows_that_is_killed_is_done_or_has_not_happened(
    bank: Bank, point: Point
) -> None:
    """Tables stay, so that on a server their next keys do."""
    new = without_next_keys(bank.state())
    bank.age_rows()
    old = without_next_keys(bank.state())
    ended = bank.hit("SIGKILL", point, "restore", bank.directory / "dumped", "-b")
    assert ended.was_killed, ended.said
    assert without_next_keys(bank.state()) == (new if point.leaves == NEW else old)


@pytest.mark.sqlite
@pytest.mark.parametrize(("command", "point"), DUMPS)
def test_a_dump_that_is_killed_leaves_the_old_or_the_new_one_and_the_next_cleans_up(
    changed: Bank, tmp_path: Path, command: str, point: Point
) -> None:
    """D5, F1, F2"""
    words = arguments(command, changed, tmp_path)
    name = "the_dump.py" if command == "dumpdata" else "the_dump"
    path, suffix = tmp_path / name, Path(name).suffix
    new = files(changed.directory / f"changed{suffix}")
    old = {} if command == "dump2py" else files(changed.directory / f"dumped{suffix}")
    if command == "dumpdata":
        shutil.copy(changed.directory / "dumped.py", path)
    elif old:
        shutil.copytree(changed.directory / "dumped", path)
    ended = changed.hit("SIGKILL", point, *words)
    assert ended.was_killed, ended.said
    assert files(path) == (new if point.leaves == NEW else old)
    if command == "dump2py" and point.leaves == NEW:
        shutil.rmtree(path)
    changed.succeed(*words)
    assert files(path) == new
    assert [one.name for one in tmp_path.iterdir()] == [name]


@pytest.mark.postgresql
@pytest.mark.mysql
@pytest.mark.parametrize(("command", "point"), [*RESTORES, *LOADS])
def test_a_restore_or_load_whose_connection_is_cut_is_done_or_has_not_happened(
    changed: Bank, tmp_path: Path, command: str, point: Point
) -> None:
    """F12: status 0 only if it is done; a restore says what became of it, or that it is unknown."""
    ended = changed.hit("cut", point, *arguments(command, changed, tmp_path))
    assert "cut from" in ended.said, ended.said
    assert_is_left(changed, command, point)
    if command == "load":
        # MariaDB is asked for one thing more when the transaction is over.
        assert ended.status != 0 or point.leaves == NEW
        return
    assert (ended.status == 0) == (point.leaves == NEW) or "is unknown" in ended.said, ended.said
    assert "Traceback" not in ended.said
