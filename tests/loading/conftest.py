"""Loading text as ``manage.py loaddata`` does."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from loading_tools import Load


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """A function that loads a text as the fixture ``fixture.py`` and returns what is printed."""

    def load(text: str, **options: Any) -> str:
        path = tmp_path / "fixture.py"
        path.write_bytes(text.encode())
        out = StringIO()
        call_command("loaddata", str(path), stdout=out, stderr=out, **options)
        return out.getvalue()

    return load
