"""Options and a progress line that commands share."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from contextlib import suppress
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

_SECONDS = 0.2


def add_database_option(parser: ArgumentParser, purpose: str) -> None:
    """Add the option ``--database`` to a command."""
    parser.add_argument(
        "--database",
        default=DEFAULT_DB_ALIAS,
        choices=tuple(connections),
        help=f'The database {purpose}. Defaults to the "default" database.',
    )


def add_noinput_option(parser: ArgumentParser, *more: str) -> None:
    """Add the option ``--noinput`` to a command."""
    parser.add_argument(
        *more,
        "--noinput",
        "--no-input",
        action="store_false",
        dest="interactive",
        help="Do not ask for confirmation.",
    )


def add_dry_run_option(parser: ArgumentParser) -> None:
    """Add the option ``--dry-run`` to a command."""
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="Do everything except commit; nothing is asked.",
    )


def add_keep_scratch_option(parser: ArgumentParser) -> None:
    """Add the option ``--keep-scratch`` to a command."""
    parser.add_argument(
        "--keep-scratch",
        action="store_true",
        help="Keep the tables of the scratch database, so that the next command with this option "
        "need not run the migrations.",
    )


def confirmed(question: str) -> bool:
    """Ask the user, and return whether the answer is yes; the end of the input means no."""
    answer = ""
    with suppress(EOFError):
        answer = input(f"{question} [y/N] ")
    return answer.strip().lower() in ("y", "yes")


class Progress:
    """A line on a terminal with the current table and the number of rows done.

    ``stream`` is the ``stdout`` of a command, ``expected`` the total number of rows.
    """

    def __init__(self, stream: Any, verbosity: int, expected: int) -> None:
        self._stream = stream
        self._expected = expected
        self.is_shown = verbosity > 0 and bool(stream.isatty())
        self._started = self._said = time.perf_counter()
        self._label = ""
        self._done = 0

    def begin(self, label: str) -> None:
        """Set the current table."""
        self._label = label

    def rows(self, count: int) -> None:
        """Add rows that are done."""
        self._done += count
        now = time.perf_counter()
        if self.is_shown and now - self._said > _SECONDS:
            self._said = now
            self._stream.write(f"\r\x1b[K{self._line(now)}", ending="")
            self._stream.flush()

    def clear(self) -> None:
        """Clear the line before other output."""
        if self.is_shown:
            self._stream.write("\r\x1b[K", ending="")

    def _line(self, now: float) -> str:
        rate = self._done / max(now - self._started, 0.001)
        left = max(self._expected - self._done, 0) / max(rate, 0.001)
        done = f"{self._done:,} of {self._expected:,} rows"
        return f"{self._label}: {done}, {rate:,.0f}/s, {left:.0f} s left"
