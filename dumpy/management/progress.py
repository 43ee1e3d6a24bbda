"""The progress of a dump: a progress line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import Any

from dumpy.console import Progress
from dumpy.errors import counted
from dumpy.writing.directory import Watcher


class TableProgress(Progress, Watcher):
    """Shows the current table, and prints a line for each finished table."""

    def __init__(self, stream: Any, verbosity: int, expected: int) -> None:
        super().__init__(stream, verbosity, expected)
        self._verbosity = verbosity
        self._begun = time.perf_counter()
        self._size = self._tables = 0

    def begin(self, label: str) -> None:
        """Set the current table."""
        super().begin(label)
        self._begun = time.perf_counter()

    def end(self, rows: int, size: int) -> None:
        """Print the line of a finished table."""
        self._tables += 1
        self._size += size
        self.clear()
        self._say(self._label, rows, size, time.perf_counter() - self._begun)

    def total(self, seconds: float) -> None:
        """Print the line of all tables."""
        self._say(counted(self._tables, "table"), self._done, self._size, seconds)

    def _say(self, what: str, rows: int, size: int, seconds: float) -> None:
        if self._verbosity > 0:
            self._stream.write(f"{what:<40} {rows:>11,} rows {size:>14,} bytes {seconds:>8.2f} s")
