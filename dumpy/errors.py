"""What can go wrong, one sentence per class; the data are attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.core.management.base import CommandError
from django.core.serializers.base import DeserializationError, SerializationError

SHOWN = 100


class DumpyError(CommandError):
    """Anything that dumpy refuses or cannot do; any command shows it as a sentence."""


@dataclass(frozen=True)
class Place:
    """A line of a file: ``file`` is a path or a name like ``<stdin>``, ``line`` counts from 1."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


class FixtureError(DumpyError, DeserializationError):
    """A fixture that cannot be read: damaged, of an unknown format, or code that may not run.

    ``place`` (file and line), ``reason`` and ``hint`` (what to do next, or ``""``).
    """

    def __init__(self, place: Place, reason: str, hint: str = "") -> None:
        super().__init__(place, reason, hint)
        self.place = place
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        sentence = f"{self.place}: {self.reason}"
        if not self.hint or self.hint.startswith("\n"):
            return sentence + self.hint
        return f"{sentence} {self.hint}"


class FixtureErrors(DumpyError, DeserializationError):
    """Several things that are wrong with a fixture: a ``FixtureError`` for each in ``errors``."""

    def __init__(self, errors: Sequence[FixtureError]) -> None:
        super().__init__(errors)
        self.errors = tuple(errors)

    def __str__(self) -> str:
        lines = ["the dump does not fit the models here; nothing was written."]
        lines += map(str, self.errors[:SHOWN])
        if len(self.errors) > SHOWN:
            lines.append(f"… and {len(self.errors) - SHOWN} more.")
        return "\n".join(lines)


@dataclass(frozen=True)
class Problem:
    """One object that could not be loaded: its model's label, primary key, place and the reason.

    ``waits`` says that the reason is another object of the same load.
    """

    model: str
    pk: object
    place: Place | None
    reason: str
    waits: bool = False

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

    def __str__(self) -> str:
        noun = "object" if self.total == 1 else "objects"
        shown = self.problems[:SHOWN]
        lines = [f"{self.total} {noun} could not be loaded; nothing was written."]
        lines += [f"  {problem}" for problem in shown]
        if self.total > len(shown):
            lines.append(f"  … and {self.total - len(shown)} more.")
        return "\n".join(lines)


class UnwritableField(DumpyError, SerializationError):
    """A value that would not come back as it is: ``model``, ``pk``, ``field`` and ``value``."""

    def __init__(self, model: str, pk: object, field: str, value: object, reason: str) -> None:
        super().__init__(model, pk, field, value, reason)
        self.model = model
        self.pk = pk
        self.field = field
        self.value = value
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"{self.model}(pk={self.pk!r}): the value of {self.field!r}, of type "
            f"{type(self.value).__name__}, cannot be written: {self.reason} Give the field a "
            "value_to_string() and a to_python() that reads it back, or exclude the model."
        )


class RestoreFailed(DumpyError):
    """A restore that was refused or given up; the database is as it was."""


class DumpFailed(DumpyError):
    """A dump that could not be made; the reason is the sentence."""
