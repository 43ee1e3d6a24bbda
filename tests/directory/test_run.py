"""`run`: a script in the environment of the project."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sites import Site


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Return a script that tells what it sees."""
    path = tmp_path / "script.py"
    path.write_text(
        "import sys\n"
        "from shop.models import Artist\n"
        "print(__name__, __file__, sys.argv, Artist.__name__)\n"
    )
    return path


@pytest.mark.parametrize("args", [[], ["-b", "--database", "other"], ["--help"], ["-v", "3", "x"]])
def test_the_arguments_are_those_of_the_script(site: Site, script: Path, args: list[str]) -> None:
    said = site.succeed("run", script, *args)
    assert said == f"__main__ {script} {[str(script), *args]} Artist\n"


@pytest.mark.parametrize("own", [["-v", "0"], ["--settings", "site_settings"], ["--traceback"]])
def test_options_before_the_script_are_those_of_the_command(
    site: Site, script: Path, own: list[str]
) -> None:
    assert site.succeed("run", *own, script, "-v") == (
        f"__main__ {script} {[str(script), '-v']} Artist\n"
    )


@pytest.mark.parametrize(
    ("statement", "status"),
    [("sys.exit(7)", 7), ("sys.exit('no')", 1), ("1 / 0", 1), ("sys.exit()", 0), ("pass", 0)],
)
def test_the_exit_status_is_that_of_the_script(
    site: Site, script: Path, statement: str, status: int
) -> None:
    script.write_text(f"import sys\n{statement}\n")
    assert site.manage("run", script).returncode == status


@pytest.mark.parametrize("command", ["run", "restore", "loaddata"])
@pytest.mark.parametrize("name", ["link.py", "dump/shop_album.py"])
def test_a_file_of_a_dump_is_refused_with_what_to_type(
    site: Site, dump: Path, name: str, command: str
) -> None:
    (dump.parent / "link.py").symlink_to(dump / "restore.py")
    said = site.fail(command, dump.parent / name)
    assert f"manage.py restore {dump}" in said


def test_an_error_in_the_script_of_a_dump_names_the_line(site: Site, dump: Path) -> None:
    text = (dump / "restore.py").read_text()
    text = text.replace("# dumpy: format 1", "# dumpy: program 1")
    edited = text.replace("\nSOURCE_VERSION", "\nimport nothing_of_that_name\n\nSOURCE_VERSION")
    (dump / "restore.py").write_text(edited)
    said = site.refuse(dump)
    line = edited.split("\n").index("import nothing_of_that_name") + 1
    assert f"{dump / 'restore.py'}:{line}: ModuleNotFoundError: No module named" in said
    assert "The database is as it was." in said
    assert "Traceback" not in said


def test_a_slip_in_the_script_of_a_dump_names_the_line(site: Site, dump: Path) -> None:
    text = (dump / "restore.py").read_text().replace("title=title,", "title=title", 1)
    (dump / "restore.py").write_text(text)
    said = site.refuse(dump)
    assert "it is not valid Python" in said
    assert "Traceback" not in said


def test_a_directory_is_no_fixture(site: Site, dump: Path) -> None:
    said = site.fail("loaddata", dump)
    assert f"{dump} is a directory. To restore it: manage.py restore {dump}" in said


def test_a_script_runs_in_any_working_directory(site: Site, script: Path, tmp_path: Path) -> None:
    said = site.succeed("run", "script.py", cwd=tmp_path)
    assert said == "__main__ script.py ['script.py'] Artist\n"


def test_a_script_that_is_not_there_is_named(site: Site) -> None:
    assert "There is no script 'nowhere.py'." in site.fail("run", "nowhere.py")


def test_without_arguments_only_the_script_is_required(site: Site) -> None:
    assert site.fail("run").endswith("the following arguments are required: script\n")


def test_a_directory_is_led_to_its_restore_script(site: Site, dump: Path) -> None:
    said = site.fail("run", dump)
    assert f"{dump} is a dump. Restore it with: manage.py restore {dump}" in said


def test_a_dump_that_is_no_script_is_led_to_the_commands_for_it(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "snapshot.py"
    site.succeed("dumpdata", "--format=py", "-o", path)
    assert f"manage.py restore {path}" in site.fail("run", path, "-b")


def test_a_dump_that_is_run_without_its_project_says_how_to_run_it(dump: Path) -> None:
    done = subprocess.run(
        [sys.executable, dump / "restore.py"],
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "manage.py run DIRECTORY/restore.py" in done.stderr.splitlines()[-1]


def test_execfile_runs_a_file_in_the_namespace_of_the_script(site: Site, script: Path) -> None:
    (script.parent / "part.py").write_text("answer = question + 1\n")
    script.write_text("question = 41\nexecfile('part.py')\nprint(answer)\n")
    assert site.succeed("run", script, cwd=script.parent) == "42\n"


def test_execfile_runs_a_file_in_a_given_namespace(site: Site, script: Path) -> None:
    (script.parent / "part.py").write_text("answer = question + 1\n")
    script.write_text(
        "given = {'question': 1}\nexecfile('part.py', given)\n"
        "print(given['answer'], 'answer' in globals())\n"
    )
    assert site.succeed("run", script, cwd=script.parent) == "2 False\n"
