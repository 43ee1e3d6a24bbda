"""``python -m dumpy`` refuses dumps that no load would take, without a project."""

from __future__ import annotations

from pathlib import Path

import pytest

from dumpy.__main__ import main

GOLDEN = Path(__file__).parents[1] / "migrating" / "golden"


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """A dump of the first release of the newspaper."""
    (tmp_path / "dump.py").write_bytes((GOLDEN / "v1.py").read_bytes())
    return tmp_path / "dump.py"


def test_a_whole_dump_and_other_python_files_pass() -> None:
    assert main([str(GOLDEN / "v1.py"), __file__, str(GOLDEN / "v1" / "press_tag.py")]) == 0


def test_conflict_markers_are_named(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = "    yield create_press_tag(1, "
    dump.write_text(dump.read_text().replace(start, f"<<<<<<< HEAD\n{start}", 1))
    assert main([str(dump)]) == 1
    assert "conflict" in capsys.readouterr().err


def test_a_key_that_is_there_twice_is_named(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = dump.read_text()
    dump.write_text(text.replace("create_press_tag(2, ", "create_press_tag(1, "))
    assert main([str(dump)]) == 1
    assert capsys.readouterr().err == f"{dump}: two rows are press.Tag(id=1).\n"


def test_a_file_of_a_directory_is_checked_against_its_manifest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (GOLDEN / "v1").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "press_tag.py").write_text((tmp_path / "press_tag.py").read_text() + "\n")
    assert main([str(tmp_path / "press_tag.py"), str(tmp_path / "press_video.py")]) == 1
    assert capsys.readouterr().err.count("press_tag.py: it has ") == 1


def test_a_directory_is_checked_as_a_dump(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(GOLDEN / "v1")]) == 0
    assert main([str(GOLDEN)]) == 1
    assert "it is not a dump: it has no manifest.json." in capsys.readouterr().err


def test_a_file_that_is_missing_is_named(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = dump.with_name("missing.py")
    assert main([str(dump), str(missing)]) == 1
    assert capsys.readouterr().err == f"{missing}: No such file or directory.\n"


@pytest.mark.parametrize(("arguments", "status"), [([], 2), (["--help"], 0)])
def test_without_files_the_usage_is_said(
    arguments: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == status
    assert "usage: python -m dumpy [-h] FILE" in "".join(capsys.readouterr())
