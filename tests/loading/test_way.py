"""Through how much of dumpy a row goes on its way into the database."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType

import pytest
from dumps import module, rows
from loading_tools import Load

import dumpy
from zoo.models import Keeper

pytestmark = pytest.mark.django_db

PACKAGE = str(Path(dumpy.__file__).parent)
FILES = 29
FRAMES = 16


def calls_of(load: Load, text: str) -> list[list[str]]:
    """Load a text; return for each call of a function of dumpy the files of those that run."""
    found = []

    def note(frame: FrameType | None, event: str, _argument: object) -> None:
        if event != "call":
            return
        files = []
        while frame is not None:
            if frame.f_code.co_filename.startswith(PACKAGE):
                files.append(frame.f_code.co_filename)
            frame = frame.f_back
        found.append(files)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        load(text)
    finally:
        sys.setprofile(before)
    return found


def test_a_row_goes_through_few_files_and_calls(load: Load) -> None:
    text = module(rows("zoo.Keeper", "id name", (1, "Ada")))
    load(text)
    Keeper.objects.all().delete()
    calls = calls_of(load, text)
    assert Keeper.objects.get().name == "Ada"
    assert len({file for files in calls for file in files}) <= FILES
    assert max(map(len, calls)) <= FRAMES
