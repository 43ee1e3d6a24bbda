"""What a command says while it works: a moving line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import Any

_SECONDS = 0.2


class TableProgress:
    """Says which table is on, and a line for each table that is done.

    ``stream`` is the ``stdout`` of a command, ``expected`` the number of all rows.
    """

    def __init__(self, stream: Any, verbosity: int, expected: int) -> None:
        self._stream = stream
        self._verbosity = verbosity
        self._expected = expected
        self._is_terminal = verbosity > 0 and bool(stream.isatty())
        self._started = self._said = time.perf_counter()
        self._label = ""
        self._done = self._size = self._tables = 0

    def begin(self, label: str) -> None:
        """Take note of the table that is on."""
        self._label = label

    def rows(self, count: int) -> None:
        """Take note of rows that are done."""
        self._done += count
        now = time.perf_counter()
        if self._is_terminal and now - self._said > _SECONDS:
            self._said = now
            self._stream.write(f"\r\x1b[K{self._line(now)}", ending="")
            self._stream.flush()

    def end(self, written: Any) -> None:
        """Say what became of a table."""
        self._tables += 1
        self._size += written.size
        if self._is_terminal:
            self._stream.write("\r\x1b[K", ending="")
        if self._verbosity > 0:
            self._stream.write(
                f"{written.label:<40} {written.rows:>11,} rows {written.size:>14,} bytes "
                f"{written.seconds:>8.2f} s"
            )

    def total(self, seconds: float) -> None:
        """Say what became of all."""
        if self._verbosity > 0:
            self._stream.write(
                f"{f'{self._tables} tables':<40} {self._done:>11,} rows {self._size:>14,} bytes "
                f"{seconds:>8.2f} s"
            )

    def _line(self, now: float) -> str:
        rate = self._done / max(now - self._started, 0.001)
        left = max(self._expected - self._done, 0) / max(rate, 0.001)
        done = f"{self._done:,} of {self._expected:,} rows"
        return f"{self._label}: {done}, {rate:,.0f}/s, {left:.0f} s left"
