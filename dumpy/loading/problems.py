"""Why a row or an object is refused: what an exception says of it, by its attributes."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import connections
from django.db.utils import Error

from dumpy.engines import engine_of
from dumpy.errors import Problem, RowRef, reason_of
from dumpy.schema.tables import Table

# The kinds of validation errors by their codes; all others are "invalid".
_CODES = {
    "null": "null",
    "unique": "not-unique",
    "unique_together": "not-unique",
    "max_length": "too-long",
    "invalid_choice": "choice",
}


class Refused(Exception):
    """A row that the load itself refuses.

    Attributes:
        kind: The kind of its ``Problem``.
        name: The name of the column that is to blame, or ``""``.
    """

    kind = "refused"

    def __init__(self, reason: str = "", name: str = "") -> None:
        super().__init__(reason)
        self.name = name


class Invalid(ValidationError):
    """What ``full_clean()`` says against a dumped row."""


def problem_of(ref: RowRef, table: Table, error: Exception, using: str, name: str = "") -> Problem:
    """Return what keeps a row out; ``name`` is the column that failed, if the error is not told."""
    if isinstance(error, ValidationError):
        return _of_validation(ref, table, error, name)
    if isinstance(error, Error):
        said = engine_of(connections[using]).refusal(error)
        return Problem(ref, said.reason, said.kind, _fields(table, said.names or [name]))
    own = error if isinstance(error, Refused) else Refused()
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
    is_invalid = isinstance(error, Invalid)
    return Problem(ref, reason_of(error), kind, _fields(table, names), is_invalid=is_invalid)


def _fields(table: Table, names: Sequence[str]) -> str:
    """Return the fields with columns of these names; a constraint stands for its fields."""
    for constraint in table.model._meta.constraints:
        if [constraint.name] == names:
            names = getattr(constraint, "fields", ()) or names
    known = {column.name: column.field.name for column in table.columns}
    known |= {column.db_name: column.field.name for column in table.columns}
    return ", ".join(known.get(name, name) for name in names)
