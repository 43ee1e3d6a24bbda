"""The dumps of five releases, as the commands have written them once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from press_site import GOLDEN, Press

from versions.history import RELEASES

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db


OF_THE_DAY = ("django", "dumpy", "content_types", "seal")
"""What a manifest says of who wrote it, and the digest of all that it says.

Versions of Django make content types in another order.
"""


def contents(path: Path) -> dict[str, object]:
    """Return each file of a dump by its name."""
    files = path.iterdir() if path.is_dir() else [path]
    return {file.name: content(file) for file in files}


def content(file: Path) -> object:
    """Return the bytes of a file, or what a manifest says of the data."""
    if file.suffix != ".json":
        return file.read_bytes()
    manifest = json.loads(file.read_text(encoding="utf-8"))
    return {key: value for key, value in manifest.items() if key not in OF_THE_DAY}


@pytest.mark.parametrize("release", RELEASES)
def test_a_release_writes_the_same_bytes_on_every_engine(
    release: int, new_press: Callable[[str], Press], tmp_path: Path
) -> None:
    """When this fails because dumps look different now: ``make golden``."""
    new_press("golden").at(release).make(tmp_path / f"v{release}")
    for name in (f"v{release}", f"v{release}.py"):
        assert contents(tmp_path / name) == contents(GOLDEN / name)


@pytest.mark.parametrize("release", RELEASES)
def test_the_migrations_of_a_release_lead_to_its_models(
    release: int, new_press: Callable[[str], Press]
) -> None:
    said = new_press("golden").at(release).succeed("makemigrations", "--check", "--dry-run")
    assert said == "No changes detected\n"
