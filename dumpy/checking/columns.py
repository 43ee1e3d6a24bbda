"""Whether values fit the fields of today: rules per column, made once, for many values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import DecimalValidator
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField, DecimalField, FileField, FilePathField, IntegerField

from dumpy.dump import Natural
from dumpy.engines import engine_of
from dumpy.loading.batches import reason_of
from dumpy.loading.references import References
from dumpy.loading.values import Failures, is_kept, to_python
from dumpy.schema.tables import Column

_LONGEST = 200
_TEXTS = (CharField, FileField, FilePathField)


@dataclass(frozen=True)
class Rule:
    """What a column asks of its values.

    ``may_fail`` looks at many values at once, ``reason`` at one: it returns what is wrong with it,
    ``""`` if nothing is. ``stops`` says that a restore ends when it fails.
    """

    kind: str
    may_fail: Callable[[Sequence[Any]], bool]
    reason: Callable[[Any], str]
    stops: bool = True


@dataclass(frozen=True)
class Fault:
    """What is wrong with the value at a position."""

    position: int
    kind: str
    reason: str
    stops: bool = True


class ColumnCheck:
    """Finds the values that do not fit a column; ``is_validated``: rows will be validated."""

    def __init__(
        self, column: Column, connection: BaseDatabaseWrapper, *, is_validated: bool
    ) -> None:
        self.column = column
        self._references = References(connection.alias)
        self._rules = [
            rule
            for make in (_nulls, _choices, _lengths, _nuls, _ranges, _digits, _validators)
            if (rule := make(column, connection, is_validated)) is not None
        ]

    def is_opaque(self, values: Sequence[Any]) -> bool:
        """Whether only the database, or a custom field, knows what values say."""
        column = self.column
        is_natural = column.references is not None and Natural in set(map(type, values))
        return column.is_encoded or is_natural

    def converted(self, values: Sequence[Any], failures: Failures) -> Sequence[Any]:
        """Return values as those of the field; the others go into ``failures``."""
        if self.is_opaque(values):
            return values
        return to_python(self.column, values, self._references, failures)

    def faults(self, values: Sequence[Any]) -> tuple[Sequence[Any], list[Fault]]:
        """Return the values as those of the field, and what is wrong with some of them."""
        failures: Failures = {}
        python = self.converted(values, failures)
        faults = {
            position: Fault(position, "refused", reason_of(error)[:_LONGEST])
            for position, error in failures.items()
        }
        is_opaque = self.is_opaque(values)
        if python != values and not is_opaque and self.column.types is not None:
            for position, (value, made) in enumerate(zip(values, python, strict=True)):
                if position not in faults and not is_kept(value, made):
                    reason = f"would become {made!r}"[:_LONGEST]
                    faults[position] = Fault(position, "lossy", reason)
        for rule in self._rules:
            if (rule.kind == "null" or not is_opaque) and rule.may_fail(python):
                for position, value in enumerate(python):
                    reason = "" if position in faults else rule.reason(value)
                    if reason:
                        faults[position] = Fault(position, rule.kind, reason, rule.stops)
        return python, list(faults.values())


def _nulls(column: Column, _connection: object, _is_validated: bool) -> Rule | None:
    if column.field.null:
        return None
    reason = "NULL, which the field does not take"
    return Rule(
        "null", lambda values: None in values, lambda value: "" if value is not None else reason
    )


def _lengths(column: Column, connection: BaseDatabaseWrapper, is_validated: bool) -> Rule | None:
    target = column.target
    limit: int | None = getattr(target, "max_length", None)
    if limit is None or not isinstance(target, _TEXTS) or column.types is None:
        return None
    most: int = limit
    reason = f"more than max_length={most} characters"
    return Rule(
        "too-long",
        lambda values: max(map(len, filter(None, values)), default=0) > most,
        lambda value: reason if value is not None and len(value) > most else "",
        is_validated or engine_of(connection).checks_lengths,
    )


def _nuls(column: Column, connection: BaseDatabaseWrapper, _is_validated: bool) -> Rule | None:
    is_text = column.types == frozenset({str})
    if engine_of(connection).takes_nul or not (is_text or column.is_json):
        return None
    reason = "NUL in a text, which PostgreSQL does not take"
    return Rule(
        "nul",
        # Whatever repr shows so may be a NUL; what it is for a single value, is looked at closely.
        lambda values: any("\\x00" in repr(value) for value in values),
        lambda value: reason if _has_nul(value) else "",
    )


def _has_nul(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_has_nul, (*value.keys(), *value.values())))
    return any(map(_has_nul, value)) if isinstance(value, list) else "\0" in str(value)


def _ranges(column: Column, connection: BaseDatabaseWrapper, _is_validated: bool) -> Rule | None:
    if not isinstance(column.target, IntegerField) or column.types is None:
        return None
    low, high = connection.ops.integer_field_range(column.target.get_internal_type())
    least = float("-inf") if low is None else low
    most = float("inf") if high is None else high

    def may_fail(values: Sequence[Any]) -> bool:
        found = [value for value in values if value is not None]
        return bool(found) and (min(found) < least or max(found) > most)

    reason = f"not between {least} and {most}"
    return Rule(
        "out-of-range",
        may_fail,
        lambda value: "" if value is None or least <= value <= most else reason,
    )


def _digits(column: Column, _connection: object, _is_validated: bool) -> Rule | None:
    target = column.target
    if not isinstance(target, DecimalField) or column.types is None:
        return None
    validate = DecimalValidator(target.max_digits, target.decimal_places)

    def reason(value: Any) -> str:
        if isinstance(value, Decimal) and value.is_finite():
            return _said(lambda: validate(value))
        return ""

    return Rule("digits", lambda values: any(map(reason, set(values))), reason)


def _choices(column: Column, _connection: object, is_validated: bool) -> Rule | None:
    choices = column.field.flatchoices
    if not choices or column.types is None:
        return None
    known = {value for value, _label in choices}
    # Like Django's own validation, which leaves what is empty to other rules.
    fine = known | {value for value in column.field.empty_values if value.__hash__}

    def reason(value: Any) -> str:
        return "" if value in fine else "not among the choices"

    return Rule("choice", lambda values: not fine.issuperset(values), reason, is_validated)


def _validators(column: Column, _connection: object, is_validated: bool) -> Rule | None:
    """What the validation of dumped rows asks beyond the rest; keys are left to the database."""
    field: Any = column.field
    is_checkable = column.types is not None and field.remote_field is None and not field.primary_key
    if not is_validated or not is_checkable:
        return None

    def reason(value: Any) -> str:
        if value in field.empty_values:
            return ""
        return _said(lambda: field.clean(value, None))

    return Rule("invalid", lambda values: any(map(reason, set(values))), reason)


def _said(check: Callable[[], object]) -> str:
    try:
        check()
    except ValidationError as error:
        return " ".join(error.messages)[:_LONGEST]
    except Exception:  # It wants to see more than the value: the restore will show it.
        return ""
    return ""
