"""Options, questions, and a progress line for commands."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.utils import Error as DatabaseError

from dumpy.errors import DumpyError, printable_lines

if TYPE_CHECKING:
    from argparse import ArgumentParser, _ActionsContainer

_SECONDS = 0.2

# The help of options, for all commands that have them.
_HELP = {
    "--allow-version-mismatch": "Load a dump as it is, even if it is newer than the project or no "
    "migrator leads to its version.",
    "--as-version": "The version of the dump, if the dump names none.",
    "--database": 'The database, by its alias in DATABASES. Defaults to "default".',
    "--drop": "A table or view that may be dropped, with its grants and triggers, if tables are "
    "rebuilt.",
    "--dry-run": "Show what would happen, and change nothing.",
    "--exclude": "An app or model to leave out.",
    "--explain": "Print to standard error why each row is in the subset.",
    "--html": "Write the result to an HTML page.",
    "--json": "Print the result as one JSON object.",
    "--keep-going": "Load the rows that can be loaded, write the others to a separate fixture, and "
    "exit with status 1.",
    "--keep-scratch": "Keep the tables of the scratch database, so that the next command with this "
    "option need not run the migrations.",
    "--mask": "A module with subclasses of dumpy.masks.Mask, or one subclass, which replace the "
    "values of fields.",
    "--no-needed": "Do not dump the rows that chosen rows refer to.",
    "--noinput": "Do not ask for confirmation.",
    "--only": "Choose rows by primary key.",
    "--where": "Choose rows by a lookup of Django, such as shop.Order:placed__gte=2026-01-01.",
    "--with-children": "Also dump the rows of this model that refer to chosen rows.",
}
_LISTS = {
    "--drop": "NAME",
    "--exclude": "app_label[.ModelName]",
    "--mask": "dotted.path",
    "--only": "app_label.ModelName:pk,pk",
    "--where": "app_label.ModelName:lookup=value",
    "--with-children": "app_label.ModelName",
}
# Options that are not in _LISTS or _VALUES are switches.
_VALUES: dict[str, dict[str, Any]] = {
    "--as-version": {"metavar": "VERSION"},
    "--database": {"default": DEFAULT_DB_ALIAS},
    "--html": {"metavar": "FILE", "type": Path},
    "--no-needed": {"action": "store_false", "dest": "needed"},
    "--noinput": {"action": "store_false", "dest": "interactive"},
}
_MORE_NAMES = {"--noinput": ("-b", "--no-input"), "--exclude": ("-e",)}


def add_options(parser: _ActionsContainer, *names: str) -> None:
    """Add the options ``names`` to a command, or to a group of its options."""
    for name in names:
        settings: dict[str, Any] = {"help": _HELP[name]}
        if name in _LISTS:
            settings |= {"action": "append", "default": [], "metavar": _LISTS[name]}
            settings["help"] += " Can be used multiple times."
        else:
            settings |= _VALUES.get(name, {"action": "store_true"})
        if name == "--database":  # Not at import time, because the settings define the databases.
            settings["choices"] = [*connections]
        parser.add_argument(name, *_MORE_NAMES.get(name, ()), **settings)


def add_subset_options(parser: ArgumentParser) -> None:
    """Add the options that choose and mask rows to a command that dumps a database."""
    group = parser.add_argument_group(
        "subset",
        "Dump some rows with all rows that they refer to, instead of whole tables. Options that "
        "can be used multiple times add to each other. Labels of apps or models cannot be "
        "combined with a subset.",
    )
    add_options(group, "--only", "--where", "--with-children", "--no-needed", "--explain")
    add_options(parser, "--mask")


def subset_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the options that choose rows."""
    return {name: options[name] for name in ("only", "where", "with_children", "needed", "explain")}


@contextmanager
def failing(beginning: str, *, is_traced: bool = False, status: int = 1) -> Iterator[None]:
    """Turn errors of dumps, files, or the database into ``CommandError`` with one message.

    ``is_traced`` is the option ``--traceback``, which raises the original error. If stdout is a
    closed pipe, as after ``| head``, exit without a message.
    """
    try:
        yield
    except (DumpyError, DatabaseError, OSError) as error:
        if is_traced:
            raise
        if isinstance(error, BrokenPipeError) and _is_unread(sys.stdout):
            # Python flushes stdout when it exits, and would report the error again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(status)
        raise CommandError(printable_lines(f"{beginning}{error}"), returncode=status) from error


def _is_unread(stream: Any) -> bool:
    """Whether a stream is a pipe that its reader has closed."""
    with suppress(OSError, AttributeError):  # not a file; Windows has no poll()
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        return bool(poll.poll(0))
    return False


def confirmed(question: str) -> bool:
    """Ask the user a question, and return whether the answer is yes; end of input means no."""
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
        self._started = self._written = time.perf_counter()
        self._label = ""
        self._done = 0

    def begin(self, label: str) -> None:
        """Set the current table."""
        self._label = label

    def rows(self, count: int) -> None:
        """Add a number of finished rows."""
        self._done += count
        now = time.perf_counter()
        if self.is_shown and now - self._written > _SECONDS:
            self._written = now
            self._stream.write(f"\r\x1b[K{self._line(now)}", ending="")
            self._stream.flush()

    def clear(self) -> None:
        """Clear the line before other output."""
        if self.is_shown:
            self._stream.write("\r\x1b[K", ending="")

    def _line(self, now: float) -> str:
        rate = self._done / max(now - self._started, 0.001)
        seconds = max(self._expected - self._done, 0) / max(rate, 0.001)
        done = f"{self._done:,} of {self._expected:,} rows"
        return f"{self._label}: {done}, {rate:,.0f}/s, {seconds:.0f} s left"
