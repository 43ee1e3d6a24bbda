"""A repair holds the rows that it restores, not the dump."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from running import called

from music.models import Genre

pytestmark = pytest.mark.django_db


def peak(tmp_path: Path, rows: int) -> int:
    """Return how many bytes are held at most while one row of many is restored."""
    Genre.objects.all().delete()
    Genre.objects.bulk_create(
        (Genre(pk=pk, name=f"{pk} {'x' * 100}") for pk in range(1, rows + 1)), batch_size=500
    )
    called("dump2py", str(tmp_path / str(rows)), "music.Genre", verbosity=0)
    Genre.objects.filter(pk=rows).delete()
    tracemalloc.start()
    called("repair", str(tmp_path / str(rows)), "music.Genre", str(rows), "--really")
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert Genre.objects.filter(pk=rows).exists()
    return held


def test_a_table_ten_times_as_large_takes_no_more_memory(tmp_path: Path) -> None:
    peak(tmp_path, 10)  # what is made once, on first use
    assert peak(tmp_path, 50_000) < peak(tmp_path, 5_000) + 500_000
