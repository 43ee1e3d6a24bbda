"""Two dumps that differ."""

from __future__ import annotations

from pathlib import Path

import pytest
from products import AFTER, BEFORE, dump


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Two dumps that differ in a value, and of which each has a row of its own."""
    return dump(tmp_path / "a.py", *BEFORE), dump(tmp_path / "b.py", *AFTER)
