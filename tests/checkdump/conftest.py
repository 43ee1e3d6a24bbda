"""The dump that a test checks."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """The path of a dump that a test writes."""
    return tmp_path / "dump.py"
