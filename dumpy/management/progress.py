"""What a command says while it works: a moving line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import Any

from dumpy.writing.directory import Watcher

_SECONDS = 0.2


class TableProgress(Watcher):
    """Says which table is on, and a line for each table that is done.

    ``stream`` is the ``stdout`` of a command, ``expected`` the number of all rows.
    """

    def __init__(self, stream: Any, verbosity: int, expected: int) -> None:
        self._stream = stream
        self._verbosity = verbosity
        self._expected = expected
        self._is_terminal = verbosity > 0 and bool(stream.isatty())
        self._started = self._said = self._begun = time.perf_counter()
        self._label = ""
        self._done = self._size = self._tables = 0

    def begin(self, label: str) -> None:
        """Take note of the table that is on."""
        self._label = label
        self._begun = time.perf_counter()

    def rows(self, count: int) -> None:
        """Take note of rows that are done."""
        self._done += count
        now = time.perf_counter()
        if self._is_terminal and now - self._said > _SECONDS:
            self._said = now
            self._stream.write(f"\r\x1b[K{self._line(now)}", ending="")
            self._stream.flush()

    def end(self, rows: int, size: int) -> None:
        """Say what became of a table."""
        self._tables += 1
        self._size += size
        if self._is_terminal:
            self._stream.write("\r\x1b[K", ending="")
        if self._verbosity > 0:
            self._say(self._label, rows, size, time.perf_counter() - self._begun)

    def total(self, seconds: float) -> None:
        """Say what became of all."""
        if self._verbosity > 0:
            self._say(f"{self._tables} tables", self._done, self._size, seconds)

    def _say(self, what: str, rows: int, size: int, seconds: float) -> None:
        self._stream.write(f"{what:<40} {rows:>11,} rows {size:>14,} bytes {seconds:>8.2f} s")

    def _line(self, now: float) -> str:
        rate = self._done / max(now - self._started, 0.001)
        left = max(self._expected - self._done, 0) / max(rate, 0.001)
        done = f"{self._done:,} of {self._expected:,} rows"
        return f"{self._label}: {done}, {rate:,.0f}/s, {left:.0f} s left"
