"""Report what a load has done, and which rows it has refused and why."""

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
        names = ("inserted", "updated", "unchanged")
        parts = [f"{count} {name}" for name in names if (count := getattr(self, name))]
        return ", ".join(parts) or "nothing to do"


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
    """The load must be repeated without some rows, which are in the database now."""


@dataclass
class Rejects:
    """The rows that a load leaves out, after as many attempts as it needs.

    Attributes:
        refused: the rows that could not be saved in the last attempt.
        left_out: the rows that the last attempt did not try to save.
    """

    refused: list[RejectedRow] = field(default_factory=list)
    left_out: list[RejectedRow] = field(default_factory=list)
    _problems: dict[tuple[str, str, Place | None], Problem] = field(default_factory=dict)

    def run_attempts(self, using: str, load: Callable[[], T]) -> T:
        """Call ``load`` until no row has to be left out that was loaded; return its result.

        Each attempt is a transaction, which is rolled back if ``load`` raises an exception.
        """
        while True:
            self.refused, self.left_out = [], []
            try:
                with transaction.atomic(using=using):
                    return load()
            except LoadAgain:
                continue

    @property
    def rows(self) -> list[RejectedRow]:
        """The rows that the last attempt did not save, ordered by ``problem_order``."""
        return sorted([*self.refused, *self.left_out], key=lambda row: problem_order(row.problem))

    def leave_out(self, problems: Iterable[Problem]) -> None:
        """Leave out the rows of problems in the next attempt.

        Raises ``LoadAgain``, or ``LoadError`` if all were left out: they are not rows of the dump.
        """
        new = {(*problem.ref.name, problem.ref.place): problem for problem in problems}
        if new.keys() <= self._problems.keys():
            raise LoadError(list(new.values()))
        self._problems = {**new, **self._problems}
        raise LoadAgain

    def has_model(self, label: str) -> bool:
        """Whether rows of a model must be left out."""
        return any(label == other for other, _key, _place in self._problems)

    def problem(self, ref: RowRef) -> Problem | None:
        """Return the problem of a row that must be left out, or None."""
        problems = (self._problems.get((*ref.name, place)) for place in (ref.place, None))
        problem = next(filter(None, problems), None)
        return None if problem is None else replace(problem, ref=ref)


def problem_order(problem: Problem) -> tuple[bool, str, int]:
    """Return the sort key of a problem: by place, and rows that wait for another row last."""
    place = problem.ref.place or Place("")
    return problem.kind == "waits", place.file, place.line or 0


class RefusedRow(Exception):
    """A row that the load itself refuses.

    Attributes:
        kind: the kind of its ``Problem``.
        name: the name of the column that failed, or ``""``.
    """

    kind = "refused"

    def __init__(self, reason: str = "", name: str = "") -> None:
        super().__init__(reason)
        self.name = name


class InvalidRow(ValidationError):
    """The error of ``full_clean()`` for a row of a dump."""


def problem_of(ref: RowRef, table: Table, error: Exception, using: str, name: str = "") -> Problem:
    """Return the problem of a row; ``name`` is the column if the error does not name one."""
    if isinstance(error, ValidationError):
        return _validation_problem(ref, table, error, name)
    if isinstance(error, Error):
        refusal = engine_of(connections[using]).refusal(error)
        field = _fields(table, refusal.names or [name])
        return Problem(ref, refusal.reason, refusal.kind, field, refusal.hint)
    refused = error if isinstance(error, RefusedRow) else RefusedRow()
    return Problem(ref, reason_of(error), refused.kind, _fields(table, [refused.name or name]))


def _validation_problem(ref: RowRef, table: Table, error: ValidationError, name: str) -> Problem:
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
    """Return the names of the fields for names of columns, or for the name of a constraint."""
    for constraint in table.model._meta.constraints:
        if [constraint.name] == names:
            names = getattr(constraint, "fields", ()) or names
    field_names = {column.name: column.field.name for column in table.columns}
    field_names |= {column.db_name: column.field.name for column in table.columns}
    return ", ".join(field_names.get(name, name) for name in names)
