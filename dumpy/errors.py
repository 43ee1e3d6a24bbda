"""The errors of dumpy, one class for each kind; the parts of a message are attributes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.core.serializers.base import DeserializationError, SerializationError
from django.db import DEFAULT_DB_ALIAS

SHOWN = 100
_FEW = 20
_MISSING_ROW = "that does not exist"
# What differs in messages with one cause.
_VALUE = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|“[^”\n]*”|(?<![\w.])-?\d[\w.:+-]*(?<![.:])")

# A text in quotes, or what has no blanks in it but may be a path.
_LONG = re.compile(r"'[^'\n]{200,}'|\"[^\"\n]{200,}\"|\S{400,}")


class DumpyError(CommandError):
    """The base class of all errors; commands show the message and exit with status 1."""

    # Of a command that it ends; the classes below are data, and do not call CommandError.
    returncode = 1

    def __str__(self) -> str:
        return printable_lines(shortened(self._said()))

    def _said(self) -> str:
        """Return the message, which may contain unprintable text of a dump."""
        return Exception.__str__(self)


@dataclass(frozen=True, slots=True)
class Place:
    """A line in a file: ``file`` is a path or a name like ``<stdin>``, ``line`` counts from 1."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


class ConfigurationError(DumpyError, ImproperlyConfigured):
    """An invalid setting ``DUMPY``; the message is the reason."""


@dataclass(eq=False, repr=False)
class FixtureError(DumpyError, DeserializationError):
    """A fixture that cannot be read: damaged, of an unknown format, or code that may not run.

    ``place`` (file and line), ``reason`` and ``hint`` (what to do next, or ``""``); ``left_out`` is
    what ``--ignorenonexistent`` says instead, or ``""`` where it does not help.
    """

    place: Place
    reason: str
    hint: str = ""
    left_out: str = ""

    def _said(self) -> str:
        sentence = f"{self.place}: {self.reason}"
        if not self.hint or self.hint.startswith("\n"):
            return sentence + self.hint
        return f"{sentence} {self.hint}"


@dataclass(eq=False, repr=False)
class FixtureErrors(DumpyError, DeserializationError):
    """Several errors of a fixture: a ``FixtureError`` for each in ``errors``.

    ``hint`` says what to do about all of them, or is ``""``.
    """

    errors: Sequence[FixtureError]
    hint: str = ""

    def _said(self) -> str:
        lines = ["the dump does not fit the models here; nothing was written."]
        lines += [*map(str, self.errors[:SHOWN]), *_more(self.errors), self.hint]
        return "\n".join(filter(None, lines))


@dataclass(frozen=True)
class Problem:
    """An object that could not be loaded: its model's label, primary key, place and the reason.

    ``waits``: the object waits for another object of the same load; ``is_invalid``: only
    ``full_clean()`` refuses it, not the database.
    """

    model: str
    pk: object
    place: Place | None
    reason: str
    waits: bool = False
    is_invalid: bool = False

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        return f"{where}{self.model}(pk={self.pk!r}): {self.reason}"


@dataclass(eq=False, repr=False)
class LoadError(DumpyError, DeserializationError):
    """Objects that could not be loaded, a ``Problem`` for each; nothing was written."""

    problems: Sequence[Problem]

    def _said(self) -> str:
        count = counted(len(self.problems), "object")
        lines = [f"{count} could not be loaded; nothing was written.", *self._causes()]
        lines += [f"  {problem}" for problem in self.problems[:SHOWN]]
        return "\n".join([*lines, *_more(self.problems, "  ")])

    def _causes(self) -> list[str]:
        """Return a line for each cause of many problems, the most frequent one first."""
        if len(self.problems) <= _FEW:
            return []
        causes = Counter((one.model, _VALUE.sub("…", one.reason)) for one in self.problems)
        shown = causes.most_common(_FEW)
        lines = [f"  {number} of {model}: {reason}" for (model, reason), number in shown]
        lines += [f"  … and {len(causes) - _FEW} more causes."] if len(causes) > _FEW else []
        if any(_MISSING_ROW in reason for _model, reason in causes):
            lines.append(
                "If the dump lacks these rows, make it again with their models, and with --all for "
                "rows that a default manager hides."
            )
        return [*lines, "In detail:"]


@dataclass(eq=False, repr=False)
class UnwritableRow(DumpyError, SerializationError):
    """A row that cannot be dumped: ``model``, ``pk``, ``reason`` and ``hint`` (what to do)."""

    model: str
    pk: object
    reason: str
    hint: str

    def _said(self) -> str:
        row = self.model if self.pk is None else f"{self.model}(pk={self.pk!r})"
        return f"{row}: {self.reason} {self.hint}"


@dataclass(eq=False, repr=False)
class UnwritableField(DumpyError, SerializationError):
    """A value that would not be read back unchanged: ``model``, ``pk``, ``field`` and ``value``."""

    model: str
    pk: object
    field: str
    value: object
    reason: str

    def _said(self) -> str:
        return (
            f"{self.model}(pk={self.pk!r}): the value of {self.field!r}, of type "
            f"{type(self.value).__name__}, cannot be written: {self.reason} Give the field a "
            "value_to_string() and a to_python() that reads it back, or exclude the model."
        )


@dataclass(eq=False, repr=False)
class UntrustedField(DumpyError, ValueError):
    """A custom field that would read a text of a dump although ``DUMPY["EXECUTE"]`` is False."""

    name: str

    def _said(self) -> str:
        return (
            f"{self.name} would pass a text of the dump to its own code, but DUMPY['EXECUTE'] is "
            "False. If its to_python() is harmless, add it to DUMPY['FIELD_TEXT']."
        )


@dataclass(eq=False, repr=False)
class UnreadableValue(DumpyError, SerializationError):
    """A value in the database that its field cannot read: ``model``, ``pk`` and ``field``."""

    model: str
    pk: object
    field: str
    reason: str

    def _said(self) -> str:
        return (
            f"{self.model}(pk={self.pk!r}): the value of {self.field!r} cannot be read: "
            f"{self.reason} Correct it in the database, or leave the model out with --exclude."
        )


@dataclass(eq=False, repr=False)
class MigrationError(DumpyError, DeserializationError):
    """A dump that cannot be migrated to the version of the project; nothing was written.

    ``step`` is the method of the migrator, or ``""``; ``reason``, and ``hint`` (what to do next).
    """

    step: str
    reason: str
    hint: str = ""

    def _said(self) -> str:
        return " ".join(filter(None, (self.step and f"{self.step}:", self.reason, self.hint)))


class RestoreFailed(DumpyError):
    """A restore that was refused or failed."""


@dataclass(eq=False, repr=False)
class LockedOut(DumpyError):
    """A row that cannot be written because another session holds a lock.

    ``reason`` is the message of the database.
    """

    reason: str

    def _said(self) -> str:
        return (
            f"Another session uses the tables ({self.reason}); nothing was written. Wait until it "
            "ends, then load again."
        )


@dataclass(eq=False, repr=False)
class RowsRejected(DumpyError):
    """Rows that were rejected while all others were loaded.

    ``count`` is their number, ``path`` the fixture that holds them, ``using`` the database.
    """

    count: int
    path: str
    using: str

    def _said(self) -> str:
        one = self.count == 1
        database = "" if self.using == DEFAULT_DB_ALIAS else f" --database {self.using}"
        return (
            f"{self.count} {'row was' if one else 'rows were'} rejected; the other rows are in "
            f"the database. Correct {'it' if one else 'them'} in {self.path}, which gives the "
            f"reason for each, and load it: manage.py loaddata {self.path}{database}"
        )


class DumpFailed(DumpyError):
    """A dump that could not be made; the message is the reason."""


def sentence(error: BaseException) -> str:
    """Return the message of an exception in one line, with its class unless dumpy raised it."""
    if isinstance(error, SystemExit):
        return f"it ends the process with sys.exit({error.code!r})."
    if isinstance(error, DumpyError) or getattr(error, "is_sentence", False):
        text = str(error)
    else:
        text = ": ".join(filter(None, (type(error).__name__, " ".join(str(error).split()))))
    return text if text.endswith((".", "!", "?")) else f"{text}."


def counted(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _more(shown: Sequence[object], indent: str = "") -> list[str]:
    """Return the line for those that are not shown, if there are more than can be."""
    return [f"{indent}… and {len(shown) - SHOWN} more."] if len(shown) > SHOWN else []


def shortened(text: str) -> str:
    """Return a message with very long values cut, because a dump may contain any value."""
    return _LONG.sub(lambda found: f"{found[0][:200]}…", text) if len(text) > 200 else text


def printable(text: str) -> str:
    """Return a text on one line, with escapes for line breaks and terminal control characters."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def printable_lines(text: str) -> str:
    """Return lines with escapes for terminal control characters, which a dump may contain."""
    return "\n".join(map(printable, text.split("\n")))
