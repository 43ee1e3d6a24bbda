"""What stands in a dump does not command the terminal of who reads what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostile_dumps import changed
from running import called

from dumpy.errors import (
    FixtureError,
    LoadError,
    Place,
    Problem,
    RestoreFailed,
    RowRef,
    printable,
    printable_lines,
)
from dumpy.restoring.scratch import scratch
from music.models import Genre

CLEAR = "\x1b[2J"
SHOWN = r"\x1b[2J"
VERSION = f"SOURCE_VERSION = {CLEAR!r}"


def test_a_sentence_stays_on_its_line() -> None:
    assert printable(f"a\n\u2028\x85{CLEAR}é") == rf"a\n\u2028\x85{SHOWN}é"


def test_lines_stay_lines() -> None:
    assert printable_lines(f"a\r\n{CLEAR}\n") == f"a\\r\n{SHOWN}\n"


@pytest.mark.parametrize(
    "error",
    [
        RestoreFailed(CLEAR),
        FixtureError(Place(CLEAR, 1), CLEAR, CLEAR),
        LoadError([Problem(RowRef(CLEAR, CLEAR, Place(CLEAR, 1)), CLEAR)]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_error_commands_a_terminal(error: Exception) -> None:
    assert "\x1b" not in str(error)
    assert SHOWN in str(error)


@pytest.mark.django_db
def test_what_loaddata_says_commands_no_terminal(tmp_path: Path) -> None:
    path = tmp_path / "dump.py"
    path.write_text(changed("SOURCE_VERSION = '2.3.0'", VERSION), encoding="utf-8")
    assert f"The dump is of version {SHOWN}, the project names none" in called("loaddata", path).out


@pytest.fixture
def dump(tmp_path: Path, transactional_db: None) -> Path:
    """A directory of a version that clears the screen."""
    Genre.objects.create(pk=1, name="Rock")
    called("dump2py", str(tmp_path / "dump"), "music", verbosity=0)
    script = tmp_path / "dump" / "restore.py"
    text = script.read_text(encoding="utf-8")
    assert "SOURCE_VERSION = None" in text
    script.write_text(text.replace("SOURCE_VERSION = None", VERSION), encoding="utf-8")
    return tmp_path / "dump"


@pytest.mark.parametrize("command", ["ddt", "repair", "checkdump"])
def test_what_commands_say_of_a_directory_commands_no_terminal(dump: Path, command: str) -> None:
    chosen = ["music.Genre", "1"] if command == "repair" else []
    said = called(command, str(dump), *chosen).out
    assert "\x1b" not in said
    assert SHOWN in said or command != "checkdump"


@pytest.mark.django_db(transaction=True)
def test_what_a_restore_says_commands_no_terminal(tmp_path: Path) -> None:
    path = tmp_path / "dump.py"
    path.write_text(changed("SOURCE_VERSION = '2.3.0'", VERSION), encoding="utf-8")
    with scratch("default"):
        said = called("restore", str(path), interactive=False).out
    assert f"The dump is of version {SHOWN}, the project names none" in said
    assert "\x1b" not in said
