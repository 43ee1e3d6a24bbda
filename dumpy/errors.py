"""The errors of dumpy; the parts of their messages are attributes."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, partial

from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist, ValidationError
from django.core.management.base import CommandError
from django.core.serializers.base import DeserializationError, SerializationError
from django.db import DEFAULT_DB_ALIAS, IntegrityError

SHOWN = 100
_FEW = 20
_FEWEST = 3
# The kinds of problems with the value of one field.
_VALUE_KINDS = ("null", "too-long", "choice", "invalid")
# Values in a message: messages that differ only in values have the same cause.
_VALUE = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|“[^”\n]*”|(?<![\w.])-?\d[\w.:+-]*(?<![.:])")
# A foreign key that is refused, or that has no value because its natural key leads to no row.
_LACKS_ROW = re.compile(r"(?i)foreign key|null.*_id\b|_id\b.*null")
# A long text in quotes, or a word that is too long for a path.
_LONG = re.compile(r"'[^'\n]{200,}'|\"[^\"\n]{200,}\"|\S{400,}")


class DumpyError(CommandError):
    """The base class of all errors; commands show the message and exit with status 1."""

    # Subclasses are dataclasses, which do not call CommandError.__init__().
    returncode = 1

    def __str__(self) -> str:
        return printable_lines(_shortened(self._message()))

    def _message(self) -> str:
        """Return the message, which may contain unprintable text of a dump."""
        return Exception.__str__(self)


@dataclass(frozen=True, slots=True)
class Place:
    """A line in a file.

    Attributes:
        file: a path, or a name such as ``<stdin>``.
        line: the line number, starting at 1, or None.
    """

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class RowRef:
    """A row of a dump, or an object of a fixture.

    Attributes:
        label: the label of its model.
        key: its primary key, or None.
        place: its ``Place``, or None.
    """

    label: str
    key: object = None
    place: Place | None = None

    @property
    def name(self) -> tuple[str, str]:
        """The label and the key as text, because the key of a refused row may have any type."""
        return self.label, str(self.key)

    def __str__(self) -> str:
        key = "" if self.key is None else f"(pk={self.key!r})"
        return f"{f'{self.place}: ' if self.place else ''}{self.label}{key}"


class ConfigurationError(DumpyError, ImproperlyConfigured):
    """The setting ``DUMPY`` is invalid, or names something that does not exist."""


@dataclass(eq=False, repr=False)
class FixtureError(DumpyError, DeserializationError):
    """A fixture cannot be read.

    It is damaged, has an unknown format, does not fit the models, or contains code that may not
    run.

    Attributes:
        place: the ``Place``.
        reason: what is wrong.
        hint: what to do next, or ``""``.
        left_out: what ``--ignorenonexistent`` reports instead, or ``""`` if it does not apply.
    """

    place: Place
    reason: str
    hint: str = ""
    left_out: str = ""

    def _message(self) -> str:
        sentence = f"{self.place}: {self.reason}"
        if not self.hint or self.hint.startswith("\n"):
            return sentence + self.hint
        return f"{sentence} {self.hint}"


@dataclass(eq=False, repr=False)
class FixtureErrors(DumpyError, DeserializationError):
    """A fixture has several errors.

    Attributes:
        errors: a ``FixtureError`` for each.
        hint: what to do about all of them, or ``""``.
    """

    errors: Sequence[FixtureError]
    hint: str = ""

    def _message(self) -> str:
        lines = ["the dump does not fit the models here; nothing was written."]
        lines += [*map(str, self.errors[:SHOWN]), *_more(self.errors), self.hint]
        return "\n".join(filter(None, lines))


@dataclass(frozen=True)
class Problem:
    """A row or an object that could not be loaded.

    Attributes:
        ref: its ``RowRef``.
        reason: why it could not be loaded.
        kind: ``"null"``, ``"not-unique"``, ``"reference"``, ``"too-long"``, ``"choice"``,
            ``"constraint"``, ``"invalid"`` (another validation error), ``"waits"`` (for a row that
            could not be loaded), or ``"refused"``.
        field: the field that causes it, several separated by commas, or the name of a constraint;
            ``""`` if it is not known.
        hint: what to do, or ``""``.
        is_invalid: whether only ``full_clean()`` refuses it, not the database.
        is_object: whether it is an object of a hand-written fixture, which no migrator changes.
    """

    ref: RowRef
    reason: str
    kind: str = "refused"
    field: str = ""
    hint: str = ""
    is_invalid: bool = False
    is_object: bool = False

    def __str__(self) -> str:
        return " ".join(filter(None, (f"{self.ref}:", self.reason, self.hint)))


@dataclass(eq=False, repr=False)
class LoadError(DumpyError, DeserializationError):
    """Objects could not be loaded. Nothing was written.

    If there are more than 20 problems, the message begins with a summary by cause.

    Attributes:
        problems: a ``Problem`` for each object.
    """

    problems: Sequence[Problem]

    def _message(self) -> str:
        count = counted(len(self.problems), "object")
        lines = [f"{count} could not be loaded; nothing was written.", *self._causes()]
        lines += [f"  {problem}" for problem in self.problems[:SHOWN]]
        return "\n".join([*lines, *_more(self.problems, "  "), *self._step()])

    def _step(self) -> list[str]:
        """Return a line with the step of a migrator that changes the first values refused."""
        for problem in self.problems:
            is_value = problem.kind in _VALUE_KINDS and problem.field.isidentifier()
            if is_value and not problem.is_object:
                step = f"self.change_values({problem.ref.label!r}, {problem.field!r}, …)"
                return [f"Correct the values, or let a migrator change them: {step}"]
        return []

    def _causes(self) -> list[str]:
        """Return a line for each cause of many problems, in the order of ``_by_cause()``."""
        if len(self.problems) <= _FEW:
            return []
        causes = self._by_cause()
        lines = [f"  {len(same)} of {model}: {reason}" for (model, reason), same in causes[:_FEW]]
        lines += [f"  … and {len(causes) - _FEW} more causes."] if len(causes) > _FEW else []
        if any(problem.kind == "reference" for problem in self.problems):
            lines.append(
                "If the dump lacks these rows, make it again with their models, and with --all for "
                "rows that a default manager hides."
            )
        return [*lines, "In detail:"]

    def _by_cause(self) -> list[tuple[tuple[str, str], list[Problem]]]:
        """Return the problems by model and reason, the most frequent ones first.

        Rows that only wait for another row are last.
        """
        cause, causes = cache(partial(_VALUE.sub, "…")), dict[tuple[str, str], list[Problem]]()
        for problem in self.problems:
            causes.setdefault((problem.ref.label, cause(problem.reason)), []).append(problem)

        def order(item: tuple[object, list[Problem]]) -> tuple[bool, int]:
            return all(problem.kind == "waits" for problem in item[1]), -len(item[1])

        return sorted(causes.items(), key=order)

    def brief(self) -> str:
        """Return a short message, with one object for each of the most frequent causes."""
        causes = self._by_cause()
        lines = [f"{counted(len(self.problems), 'object')} could not be loaded."]
        for _cause, (first, *others) in causes[:_FEWEST]:
            lines.append(f"  {first}{f' And {len(others)} more like it.' if others else ''}")
        more = f"  … and {len(causes) - _FEWEST} more causes."
        text = "\n".join([*lines, *([more] if len(causes) > _FEWEST else [])])
        return printable_lines(_shortened(text))


@dataclass(eq=False, repr=False)
class UnwritableRow(DumpyError, SerializationError):
    """A row cannot be dumped.

    Its natural key does not lead back to it, or it holds a primary key that is left out.

    Attributes:
        ref: its ``RowRef``.
        reason: what is wrong.
        hint: what to do.
        field: the name of the field that causes it, or ``""``.
    """

    ref: RowRef
    reason: str
    hint: str
    field: str = ""

    def _message(self) -> str:
        return f"{self.ref}: {self.reason} {self.hint}"


class UnwritableField(UnwritableRow):
    """A value cannot be written so that it is read back unchanged."""


class UnreadableValue(UnwritableRow):
    """A field cannot read a value in the database.

    Another program may have written it, such as a boolean 7 or an invalid date.
    """


@dataclass(eq=False, repr=False)
class UntrustedField(DumpyError, ValueError):
    """A row has a text for a custom field that may not read it.

    ``DUMPY["EXECUTE"]`` is ``False``, and ``DUMPY["FIELD_TEXT"]`` does not list the field. This is
    the reason of a ``Problem``.

    Attributes:
        name: the class whose ``to_python()`` would read the text.
    """

    name: str

    def _message(self) -> str:
        return (
            f"{self.name} would pass a text of the dump to its own code, but DUMPY['EXECUTE'] is "
            "False. If its to_python() is harmless, add it to DUMPY['FIELD_TEXT']."
        )


@dataclass(eq=False, repr=False)
class MigrationError(DumpyError, DeserializationError):
    """A dump cannot be migrated to the version of the project. Nothing was written.

    Attributes:
        step: the method of the migrator, or ``""``.
        reason: what is wrong.
        hint: what to do next, or ``""``.
    """

    step: str
    reason: str
    hint: str = ""

    def _message(self) -> str:
        return " ".join(filter(None, (self.step and f"{self.step}:", self.reason, self.hint)))


class RestoreFailed(DumpyError):
    """A restore was refused or failed. The message says what state the database is in."""


@dataclass(eq=False, repr=False)
class LockedOut(DumpyError):
    """A row cannot be written because another session holds a lock.

    Attributes:
        reason: the message of the database.
    """

    reason: str

    def _message(self) -> str:
        return (
            f"Another session uses the tables ({self.reason}); nothing was written. Wait until it "
            "ends, then load again."
        )


@dataclass(eq=False, repr=False)
class RowsRejected(DumpyError):
    """With ``--keep-going``, some rows were rejected, and all others were loaded.

    Attributes:
        count: the number of rejected rows.
        path: the fixture that holds them.
        using: the alias of the database.
    """

    count: int
    path: str
    using: str

    def _message(self) -> str:
        rows, them = ("row was", "it") if self.count == 1 else ("rows were", "them")
        database = "" if self.using == DEFAULT_DB_ALIAS else f" --database {self.using}"
        return (
            f"{self.count} {rows} rejected; the other rows are in the database. Correct {them} in "
            f"{self.path}, which gives the reason for each, and load it: "
            f"manage.py loaddata {self.path}{database}"
        )


class DumpFailed(DumpyError):
    """A dump could not be made, for example because a default manager raised an exception."""


def lacks_rows(error: BaseException) -> bool:
    """Whether a load failed because a row does not exist that another one refers to."""
    causes = [error]
    while cause := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(cause)
    return any(
        isinstance(cause, ObjectDoesNotExist)
        or (isinstance(cause, IntegrityError) and _LACKS_ROW.search(str(cause)))
        or (isinstance(cause, LoadError) and any(p.kind == "reference" for p in cause.problems))
        for cause in causes
    )


def sentence(error: BaseException) -> str:
    """Return the message of an exception in one line, with its class unless dumpy raised it."""
    if isinstance(error, SystemExit):
        return f"it ends the process with sys.exit({error.code!r})."
    if isinstance(error, DumpyError) or getattr(error, "is_sentence", False):
        text = str(error)
    elif isinstance(error, ValidationError):
        text = reason_of(error)
    else:
        text = ": ".join(filter(None, (type(error).__name__, " ".join(str(error).split()))))
    return text if text.endswith((".", "!", "?")) else f"{text}."


def line_of(error: BaseException, filename: str) -> int | None:
    """Return the line of a file at which its code has raised an exception, or None."""
    if isinstance(error, SyntaxError) and error.filename == filename:
        return error.lineno
    frames = traceback.walk_tb(error.__traceback__)
    lines = [line for frame, line in frames if frame.f_code.co_filename == filename]
    return lines[-1] if lines else None


def code_hint(error: BaseException, function: object) -> str:
    """Return a hint with the line of a function that has raised an exception, or ``""``."""
    code = getattr(function, "__code__", None)
    line = line_of(error, code.co_filename) if code is not None else None
    return f"See {code.co_filename}:{line}." if code is not None and line is not None else ""


def reason_of(error: Exception) -> str:
    """Return the message of an exception in one line, with the names of invalid fields."""
    if isinstance(error, ValidationError) and hasattr(error, "error_dict"):
        messages = error.message_dict.items()
        return "; ".join(f"{name}: {' '.join(texts).rstrip('.')}" for name, texts in messages) + "."
    if isinstance(error, ValidationError):
        return " ".join(error.messages)
    return " ".join(str(error).split()) or type(error).__name__


def counted(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def suggestion(name: str, names: Iterable[str]) -> str:
    """Return the question whether a similar name was meant, or ``""`` if there is none."""
    similar = get_close_matches(name, list(names), 1)
    return f"Did you mean {similar[0]}?" if similar else ""


def _more(items: Sequence[object], indent: str = "") -> list[str]:
    """Return a line with the number of items that are not shown, if any."""
    return [f"{indent}… and {len(items) - SHOWN} more."] if len(items) > SHOWN else []


def _shortened(text: str) -> str:
    """Return a message in which very long values of a dump are cut."""
    return _LONG.sub(lambda match: f"{match[0][:200]}…", text) if len(text) > 200 else text


def printable(text: str) -> str:
    """Return a text on one line, with escapes for line breaks and terminal control characters."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def printable_lines(text: str) -> str:
    """Return lines with escapes for terminal control characters, which a dump may contain."""
    return "\n".join(map(printable, text.split("\n")))
