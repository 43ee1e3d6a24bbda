"""What a load has done, which rows it refuses and why, and what it does without."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import connections, transaction
from django.db.utils import Error

from dumpy.engines import engine_of
from dumpy.errors import LoadError, Place, Problem, RowRef, reason_of
from dumpy.schema.instances import RejectedRow
from dumpy.schema.tables import Table

T = TypeVar("T")
# The kinds of validation errors by their codes; all others are "invalid".
_CODES = {
    "null": "null",
    "unique": "not-unique",
    "unique_together": "not-unique",
    "max_length": "too-long",
    "invalid_choice": "choice",
}


@dataclass
class Counts:
    """The numbers of rows of one model that were loaded.

    Attributes:
        inserted: new rows.
        updated: existing rows with other values.
        unchanged: existing rows with the same values.
        lane: ``"rows"`` if they were loaded in blocks, ``"objects"`` if as instances.
    """

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    lane: str = ""

    @property
    def total(self) -> int:
        """The sum of the three numbers."""
        return self.inserted + self.updated + self.unchanged

    def __str__(self) -> str:
        words = ("inserted", "updated", "unchanged")
        named = [f"{count} {word}" for word in words if (count := getattr(self, word))]
        return ", ".join(named) or "nothing to do"


@dataclass
class Report:
    """What a load did.

    Attributes:
        tables: a ``Counts`` for each model, by label.
    """

    tables: defaultdict[str, Counts] = field(default_factory=lambda: defaultdict(Counts))
    _ignored: dict[str, None] = field(default_factory=dict)

    @property
    def ignored(self) -> list[str]:
        """A sentence for each thing that was left out."""
        return list(self._ignored)

    def total(self) -> Counts:
        """Return the sums of all models."""
        total = Counts()
        for counts in self.tables.values():
            total.inserted += counts.inserted
            total.updated += counts.updated
            total.unchanged += counts.unchanged
        return total

    def ignore(self, sentence: str) -> None:
        """Note, once, that something was left out."""
        self._ignored[sentence] = None


class LoadAgain(Exception):
    """Rows are in the database that must not be: the load is to be undone and made without them."""


@dataclass
class Rejects:
    """What a load does without, which may take several attempts.

    ``left`` are the rows that could not be saved in the last of them, ``sifted`` those that it did
    not try to save.
    """

    left: list[RejectedRow] = field(default_factory=list)
    sifted: list[RejectedRow] = field(default_factory=list)
    _left_out: dict[tuple[str, str, Place | None], Problem] = field(default_factory=dict)

    def attempts(self, using: str, load: Callable[[], T]) -> T:
        """Call ``load`` until no row in the database refers to one that is not there.

        Returns what it returns; raises what it raises, with the database as it was.
        """
        while True:
            self.left, self.sifted = [], []
            try:
                with transaction.atomic(using=using):
                    return load()
            except LoadAgain:
                continue

    @property
    def rows(self) -> list[RejectedRow]:
        """The rows that the last attempt has kept out, causes first, in the order of the files."""
        return sorted([*self.left, *self.sifted], key=lambda row: position(row.problem))

    def leave_out(self, problems: Iterable[Problem]) -> None:
        """Leave rows out in the next attempt.

        Raises ``LoadAgain``, or ``LoadError`` if they come again, not being rows of the dump.
        """
        found = {(*problem.ref.name, problem.ref.place): problem for problem in problems}
        if found.keys() <= self._left_out.keys():
            raise LoadError(list(found.values()))
        self._left_out = {**found, **self._left_out}
        raise LoadAgain

    def concerns(self, label: str) -> bool:
        """Whether rows of a model are to be left out."""
        return any(label == one for one, _key, _place in self._left_out)

    def reason(self, ref: RowRef) -> Problem | None:
        """Return why a row is to be left out, or None."""
        left_out = (self._left_out.get((*ref.name, where)) for where in (ref.place, None))
        problem = next(filter(None, left_out), None)
        return None if problem is None else replace(problem, ref=ref)


def position(problem: Problem) -> tuple[bool, str, int]:
    """Causes first, then those that wait for them; each in the order of the files."""
    place = problem.ref.place or Place("")
    return problem.kind == "waits", place.file, place.line or 0


class RefusedRow(Exception):
    """A row that the load itself refuses.

    Attributes:
        kind: The kind of its ``Problem``.
        name: The name of the column that is to blame, or ``""``.
    """

    kind = "refused"

    def __init__(self, reason: str = "", name: str = "") -> None:
        super().__init__(reason)
        self.name = name


class InvalidRow(ValidationError):
    """What ``full_clean()`` says against a dumped row."""


def problem_of(ref: RowRef, table: Table, error: Exception, using: str, name: str = "") -> Problem:
    """Return what keeps a row out; ``name`` is the column that failed, if the error is not told."""
    if isinstance(error, ValidationError):
        return _of_validation(ref, table, error, name)
    if isinstance(error, Error):
        said = engine_of(connections[using]).refusal(error)
        return Problem(ref, said.reason, said.kind, _fields(table, said.names or [name]))
    own = error if isinstance(error, RefusedRow) else RefusedRow()
    return Problem(ref, reason_of(error), own.kind, _fields(table, [own.name or name]))


def _of_validation(ref: RowRef, table: Table, error: ValidationError, name: str) -> Problem:
    if hasattr(error, "error_dict"):
        name, errors = next(iter(error.error_dict.items()))
    else:
        errors = error.error_list
    names: Sequence[str] = [name]
    if name == NON_FIELD_ERRORS:
        names = (errors[0].params or {}).get("unique_check", ())
    kind = _CODES.get(errors[0].code or "", "invalid")
    is_invalid = isinstance(error, InvalidRow)
    return Problem(ref, reason_of(error), kind, _fields(table, names), is_invalid=is_invalid)


def _fields(table: Table, names: Sequence[str]) -> str:
    """Return the fields with columns of these names; a constraint stands for its fields."""
    for constraint in table.model._meta.constraints:
        if [constraint.name] == names:
            names = getattr(constraint, "fields", ()) or names
    known = {column.name: column.field.name for column in table.columns}
    known |= {column.db_name: column.field.name for column in table.columns}
    return ", ".join(known.get(name, name) for name in names)
