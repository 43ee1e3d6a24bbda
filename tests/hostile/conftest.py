"""The ways in which hostile input comes in."""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core import serializers
from django.db import transaction
from django.test import override_settings
from hostile_dumps import DUMP, changed
from oracle import DATA_ONLY, Refuse, caught_from, deserialized, is_refused
from running import loaded

from dumpy.errors import DumpyError
from zoo.models import Species


@pytest.fixture(scope="session")
def warm(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Let everything be imported that is imported late."""
    path = tmp_path_factory.mktemp("warm") / "warm.py"
    path.write_text(DUMP)
    with django_db_blocker.unblock(), transaction.atomic():
        loaded(path)
        with zipfile.ZipFile(f"{path}.zip", "w") as archive:
            archive.write(path, "warm.py")
        loaded(f"{path}.zip")
        deserialized(DUMP)
        caught_from(lambda: deserialized(changed("def objects():", "def objects(:")))
        caught_from(lambda: deserialized(changed("1, []", "77, []")))
        transaction.set_rollback(True)


@pytest.fixture(autouse=True)
def formats() -> None:
    """Let Django import its serializers, also after a test that has let it forget them."""
    serializers.get_serializer_formats()


@pytest.fixture
def target(warm: None, db: None) -> None:
    """A database that is not empty, so that an update would be seen."""
    Species.objects.create(pk=1, latin="as before")


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    """Make a directory the current one, and that of temporary files.

    After a `monkeypatch`, all would be forgotten that was learned of the models.
    """
    before, tempfile.tempdir = (Path.cwd(), tempfile.tempdir), str(tmp_path)
    os.chdir(tmp_path)
    yield tmp_path
    directory, tempfile.tempdir = before
    os.chdir(directory)


@pytest.fixture
def refuse(request: pytest.FixtureRequest, target: None, here: Path) -> Refuse:
    """A function that brings text in through one of the doors and returns the error."""
    doors: dict[str, Refuse] = {
        "data only": _data_only,
        "text": _as_given,
        "stream": lambda data: _as_given(io.BytesIO(_encoded(data))),
        "file": lambda data: _file(here, data),
        "bare name": lambda data: _bare_name(here, data),
    }
    return doors[request.param]


def _encoded(data: str | bytes) -> bytes:
    return data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")


def _as_given(given: object) -> DumpyError:
    return is_refused(lambda: deserialized(given))


@override_settings(DUMPY=DATA_ONLY)
def _data_only(data: str | bytes) -> DumpyError:
    return _as_given(data)


@override_settings(DUMPY=DATA_ONLY)
def _file(here: Path, data: str | bytes) -> DumpyError:
    path = here / "hostile.py"
    path.write_bytes(_encoded(data))
    return is_refused(lambda: loaded(path), here)


def _bare_name(here: Path, data: str | bytes) -> DumpyError:
    (here / "hostile.py").write_bytes(_encoded(data))
    return is_refused(lambda: loaded("hostile"), here)
