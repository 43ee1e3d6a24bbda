"""A disk that is full, or fails: the dump says so, and what was there before is still there."""

from __future__ import annotations

from pathlib import Path

import pytest
from bank import TABLES_ONLY, Bank
from dumps import files
from points import DUMP2PY, DUMPDATA, OVERWRITE, Point, named

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("error", "point"),
    [
        ("EACCES", named("before the directory", OVERWRITE)),
        ("EMFILE", named("before the first row", OVERWRITE)),
        ("ENOSPC", named("between tables", OVERWRITE)),
        ("EDQUOT", named("before the manifest", OVERWRITE)),
        ("EIO", named("before a file is on the disk", OVERWRITE)),
    ],
    ids=str,
)
def test_an_error_of_the_disk_leaves_the_old_dump(
    changed: Bank, tmp_path: Path, error: str, point: Point
) -> None:
    """D5, F5, F6"""
    path = tmp_path / "the_dump"
    command = ("dump2py", path, *TABLES_ONLY, "--overwrite")
    changed.succeed(*command)
    before = files(tmp_path)
    changed.execute("UPDATE shop_till SET amount = amount + 1")
    assert_fails_with_a_message(changed, error, point, path, *command)
    assert files(tmp_path) == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_dump_that_cannot_be_renamed_is_not_there(bank: Bank, tmp_path: Path) -> None:
    """F6"""
    path = tmp_path / "the_dump"
    point = named("before the rename", DUMP2PY)
    assert_fails_with_a_message(bank, "EIO", point, path, "dump2py", path, *TABLES_ONLY)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["before the file", "before the file is on the disk", "before the rename"]
)
def test_an_error_of_the_disk_leaves_the_old_file(bank: Bank, tmp_path: Path, name: str) -> None:
    """D5, F5, F6"""
    path = tmp_path / "the_dump.py"
    path.write_text("# what was there before\n")
    before = files(tmp_path)
    command = ("dumpdata", "--format=py", "-o", path, *TABLES_ONLY)
    assert_fails_with_a_message(bank, "ENOSPC", named(name, DUMPDATA), path, *command)
    assert files(tmp_path) == before


def assert_fails_with_a_message(
    bank: Bank, error: str, point: Point, path: Path, *command: object
) -> None:
    """Require that a command whose file cannot be written says so, and names it."""
    ended = bank.hit(error, point, *command)
    assert ended.status == 1, ended.said
    assert str(path) in ended.said
    assert "Traceback" not in ended.said
