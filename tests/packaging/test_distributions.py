"""What is in the files that are uploaded."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path, PurePosixPath

import pytest

import dumpy

pytestmark = [pytest.mark.slow, pytest.mark.sqlite]

ROOT = Path(__file__).resolve().parents[2]
NOT_SOURCE = shutil.ignore_patterns(
    ".git", ".venv*", ".tox", ".*_cache", ".hypothesis", "__pycache__", "*.egg-info", "*.py[cod]",
    "_build", "build", "dist", "var", ".coverage*",
)  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the source tree, without what was made in it."""
    path = tmp_path_factory.mktemp("source") / "tree"
    shutil.copytree(ROOT, path, ignore=NOT_SOURCE)
    return path


@pytest.fixture(scope="module")
def dist(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory with the sdist and the wheel that was built from it."""
    path = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(path), str(source)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return path


@pytest.fixture(scope="module")
def wheel(dist: Path) -> zipfile.ZipFile:
    """Return the wheel, open."""
    [path] = dist.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def sdist_files(dist: Path) -> set[str]:
    """Return the paths of the files in the sdist, without its top directory."""
    [path] = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        members = [member.name for member in archive if member.isfile()]
    return {str(PurePosixPath(*PurePosixPath(name).parts[1:])) for name in members}


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    """Return what the wheel says of itself."""
    [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return Parser().parsestr(wheel.read(name).decode())


def files(root: Path, pattern: str = "*") -> set[str]:
    """Return the paths of the files under a directory, relative to it."""
    return {path.relative_to(root).as_posix() for path in root.rglob(pattern) if path.is_file()}


def test_the_wheel_holds_every_module_of_the_package(source: Path, wheel: zipfile.ZipFile) -> None:
    modules = {f"dumpy/{path}" for path in files(source / "dumpy", "*.py")}
    assert modules <= set(wheel.namelist())


def test_the_wheel_holds_every_template(source: Path, wheel: zipfile.ZipFile) -> None:
    templates = {f"dumpy/{path}" for path in files(source / "dumpy", "*.html")}
    assert "dumpy/templates/dumpy/report.html" in templates
    assert templates <= set(wheel.namelist())


def test_the_wheel_holds_nothing_but_the_package(wheel: zipfile.ZipFile) -> None:
    tops = {PurePosixPath(name).parts[0] for name in wheel.namelist()}
    assert tops == {"dumpy", f"django_dumpy-{dumpy.__version__}.dist-info"}


def test_the_wheel_says_that_it_is_typed(wheel: zipfile.ZipFile) -> None:
    assert "dumpy/py.typed" in wheel.namelist()


def test_the_wheel_holds_the_licence(wheel: zipfile.ZipFile) -> None:
    [name] = [name for name in wheel.namelist() if name.endswith("LICENSE")]
    assert b"BSD 3-Clause License" in wheel.read(name)


def test_the_sdist_holds_every_source_file(source: Path, sdist_files: set[str]) -> None:
    unneeded = {".gitignore"}
    assert files(source) - unneeded <= sdist_files


@pytest.mark.parametrize(
    "path",
    [
        "CHANGELOG.md",
        "LICENSE",
        "README.md",
        "testproject/music/fixtures/chinook.py",
        "testproject/music/fixtures/CHINOOK-LICENSE",
        "tests/packaging/test_distributions.py",
    ],
)
def test_the_sdist_holds_a_file(path: str, sdist_files: set[str]) -> None:
    assert path in sdist_files


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Name", "django-dumpy"),
        ("Version", dumpy.__version__),
        ("Requires-Python", ">=3.10"),
    ],
)
def test_the_metadata_say(name: str, value: str, metadata: Message) -> None:
    assert metadata[name] == value


def test_only_django_and_packaging_are_required(metadata: Message) -> None:
    required = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    names = [re.split(r"[<>=]", line)[0].strip().lower() for line in required]
    assert names == ["django", "packaging"]


def test_the_extras_are_those_that_the_readme_promises(metadata: Message) -> None:
    assert set(metadata.get_all("Provides-Extra", [])) == {
        "docs", "lint", "mysql", "postgresql", "test",
    }  # fmt: skip
