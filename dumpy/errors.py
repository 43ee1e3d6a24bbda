"""What can go wrong, one sentence per class; the data are attributes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.core.serializers.base import DeserializationError, SerializationError
from django.db import DEFAULT_DB_ALIAS

SHOWN = 100

# A text in quotes, or what has no blanks in it but may be a path.
_LONG = re.compile(r"'[^'\n]{200,}'|\"[^\"\n]{200,}\"|\S{400,}")


class DumpyError(CommandError):
    """Anything that dumpy refuses or cannot do; any command shows it as a sentence."""

    def __str__(self) -> str:
        return printable_lines(shortened(self._said()))

    def _said(self) -> str:
        """What it says, with whatever stands in a dump."""
        return Exception.__str__(self)


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file: ``file`` is a path or a name like ``<stdin>``, ``line`` counts from 1."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


class ConfigurationError(DumpyError, ImproperlyConfigured):
    """A setting ``DUMPY`` that is wrong; the reason is the sentence."""


class FixtureError(DumpyError, DeserializationError):
    """A fixture that cannot be read: damaged, of an unknown format, or code that may not run.

    ``place`` (file and line), ``reason`` and ``hint`` (what to do next, or ``""``).
    """

    def __init__(self, place: Place, reason: str, hint: str = "") -> None:
        super().__init__(place, reason, hint)
        self.place = place
        self.reason = reason
        self.hint = hint

    def _said(self) -> str:
        sentence = f"{self.place}: {self.reason}"
        if not self.hint or self.hint.startswith("\n"):
            return sentence + self.hint
        return f"{sentence} {self.hint}"


class FixtureErrors(DumpyError, DeserializationError):
    """Several things that are wrong with a fixture: a ``FixtureError`` for each in ``errors``.

    ``hint`` says what to do about all of them, or is ``""``.
    """

    def __init__(self, errors: Sequence[FixtureError], hint: str = "") -> None:
        super().__init__(errors, hint)
        self.errors = tuple(errors)
        self.hint = hint

    def _said(self) -> str:
        lines = ["the dump does not fit the models here; nothing was written."]
        lines += map(str, self.errors[:SHOWN])
        if len(self.errors) > SHOWN:
            lines.append(f"… and {len(self.errors) - SHOWN} more.")
        return "\n".join(filter(None, [*lines, self.hint]))


@dataclass(frozen=True)
class Problem:
    """One object that could not be loaded: its model's label, primary key, place and the reason.

    ``waits`` says that the reason is another object of the same load; ``is_invalid`` that the
    database would take it, and only ``full_clean()`` does not.
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


class LoadError(DumpyError, DeserializationError):
    """Objects that could not be loaded; nothing was written.

    ``problems`` holds one ``Problem`` for each that is known by name, ``total`` how many there are.
    """

    def __init__(self, problems: Sequence[Problem], total: int | None = None) -> None:
        super().__init__(problems, total)
        self.problems = tuple(problems)
        self.total = len(problems) if total is None else total

    def _said(self) -> str:
        noun = "object" if self.total == 1 else "objects"
        shown = self.problems[:SHOWN]
        lines = [f"{self.total} {noun} could not be loaded; nothing was written."]
        lines += [f"  {problem}" for problem in shown]
        if self.total > len(shown):
            lines.append(f"  … and {self.total - len(shown)} more.")
        return "\n".join(lines)


class UnwritableRow(DumpyError, SerializationError):
    """A row that cannot be dumped: ``model``, ``pk``, ``reason`` and ``hint`` (what to do)."""

    def __init__(self, model: str, pk: object, reason: str, hint: str) -> None:
        super().__init__(model, pk, reason, hint)
        self.model = model
        self.pk = pk
        self.reason = reason
        self.hint = hint

    def _said(self) -> str:
        row = self.model if self.pk is None else f"{self.model}(pk={self.pk!r})"
        return f"{row}: {self.reason} {self.hint}"


class UnwritableField(DumpyError, SerializationError):
    """A value that would not come back as it is: ``model``, ``pk``, ``field`` and ``value``."""

    def __init__(self, model: str, pk: object, field: str, value: object, reason: str) -> None:
        super().__init__(model, pk, field, value, reason)
        self.model = model
        self.pk = pk
        self.field = field
        self.value = value
        self.reason = reason

    def _said(self) -> str:
        return (
            f"{self.model}(pk={self.pk!r}): the value of {self.field!r}, of type "
            f"{type(self.value).__name__}, cannot be written: {self.reason} Give the field a "
            "value_to_string() and a to_python() that reads it back, or exclude the model."
        )


class UntrustedField(DumpyError, ValueError):
    """A field that is not Django's own, and would read a text where nothing may be run."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def _said(self) -> str:
        return (
            f"{self.name} would read a text of the dump with code of its own, and DUMPY['EXECUTE'] "
            "is False. If its to_python() is harmless, name it in DUMPY['FIELD_TEXT']."
        )


class UnreadableValue(DumpyError, SerializationError):
    """A value in the database that its field cannot read: ``model``, ``pk`` and ``field``."""

    def __init__(self, model: str, pk: object, field: str, reason: str) -> None:
        super().__init__(model, pk, field, reason)
        self.model = model
        self.pk = pk
        self.field = field
        self.reason = reason

    def _said(self) -> str:
        return (
            f"{self.model}(pk={self.pk!r}): the value of {self.field!r} cannot be read: "
            f"{self.reason} Correct it in the database, or leave the model out with --exclude."
        )


class MigrationError(DumpyError, DeserializationError):
    """A dump that cannot be brought to the version of the project; nothing was written.

    ``step`` is the method of the migrator, or ``""``; ``reason``, and ``hint`` (what to do next).
    """

    def __init__(self, step: str, reason: str, hint: str = "") -> None:
        super().__init__(step, reason, hint)
        self.step = step
        self.reason = reason
        self.hint = hint

    def _said(self) -> str:
        return " ".join(filter(None, (self.step and f"{self.step}:", self.reason, self.hint)))


class RestoreFailed(DumpyError):
    """A restore that was refused or given up; the database is as it was."""


class LockedOut(DumpyError):
    """A row that cannot be written, since another session holds what it needs.

    ``reason`` is what the database says.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def _said(self) -> str:
        return (
            f"Another session uses the tables ({self.reason}); nothing was written. "
            "Wait until it is done, then load again."
        )


class RowsRejected(DumpyError):
    """Rows that were kept out while all others were loaded.

    ``count`` says how many, ``path`` is the fixture that holds them, ``using`` the database.
    """

    def __init__(self, count: int, path: str, using: str) -> None:
        super().__init__(count, path, using)
        self.count = count
        self.path = path
        self.using = using

    def _said(self) -> str:
        one = self.count == 1
        database = "" if self.using == DEFAULT_DB_ALIAS else f" --database {self.using}"
        return (
            f"{self.count} {'row was' if one else 'rows were'} rejected; all others are in the "
            f"database. Correct {'it' if one else 'them'} in {self.path}, which says what is wrong "
            f"with each, and load it: manage.py loaddata {self.path}{database}"
        )


class DumpFailed(DumpyError):
    """A dump that could not be made; the reason is the sentence."""


def sentence(error: BaseException) -> str:
    """Return what an exception says, in one line; with its kind, unless the sentence is ours."""
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


def shortened(text: str) -> str:
    """Return a message without most of a very long value in it: a dump may hold any."""
    return _LONG.sub(lambda found: f"{found[0][:200]}…", text) if len(text) > 200 else text


def printable(text: str) -> str:
    """Return a text on one line, with escapes for what would break it or command a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def printable_lines(text: str) -> str:
    """Return lines with escapes for what would command a terminal: a dump may say anything."""
    return "\n".join(map(printable, text.split("\n")))
