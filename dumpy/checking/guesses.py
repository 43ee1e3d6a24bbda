"""Renames, guessed: from names that are alike, and from values that fit."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from dumpy.checking.columns import ColumnCheck
from dumpy.schema.tables import Column, Link, ModelType, Table, table_of

_ENOUGH = 0.7
_EMPTY: tuple[object, ...] = (None, "", [], {}, b"")


def is_empty(value: object) -> bool:
    """Whether nothing is lost with a value."""
    return value in _EMPTY


def renamed_fields(
    removed: Mapping[str, Sequence[Any]], added: Mapping[str, ColumnCheck | Link]
) -> dict[str, str]:
    """Return the new names of fields, for the first values of each that is gone."""
    scored = sorted(
        (-score, old, new)
        for old, values in removed.items()
        for new, target in added.items()
        if (score := _score(old, new, values, target)) >= _ENOUGH
    )
    return _best((old, new) for _score, old, new in scored)


def renamed_models(
    removed: Mapping[str, Iterable[str]], added: Sequence[ModelType], wanted: Container[str]
) -> dict[str, str]:
    """Return the new labels of models, for the names of the fields of each that is gone.

    Rows of the ``wanted`` models must come from somewhere: what is in the dump refers to them.
    """
    tables = [table_of(model) for model in added]
    scored = sorted(
        (-score, label, table.label)
        for label, fields in removed.items()
        for table in tables
        if (score := _model_score(label, set(fields), table, wanted)) > 0
    )
    return _best((old, new) for _score, old, new in scored)


def _best(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for old, new in pairs:
        if old not in found and new not in found.values():
            found[old] = new
    return found


def _score(old: str, new: str, values: Sequence[Any], target: ColumnCheck | Link) -> float:
    is_link = isinstance(target, Link)
    known = [value for value in values if not is_empty(value)]
    if any((type(value) is list) is not is_link for value in known if _is_telling(target)):
        return 0.0
    alike = _likeness(old.removesuffix("_id"), new.removesuffix("_id"))
    if isinstance(target, Link):
        return alike + 0.2
    fit = _fit(target, known)
    return 0.0 if fit is None else alike + fit + _need(target.column)


def _is_telling(target: ColumnCheck | Link) -> bool:
    """Whether a list can be no value of a column: of some fields it can."""
    return isinstance(target, Link) or target.column.types is not None


def _fit(check: ColumnCheck, values: Sequence[Any]) -> float | None:
    """How well values fit a column, None if one cannot be converted, or most do not fit."""
    _python, faults = check.faults(values)
    stopping = [fault.kind for fault in faults if fault.stops]
    if "refused" in stopping or len(stopping) > len(values) / 2:
        return None
    types = check.column.types
    is_exact = values and types is not None and set(map(type, values)) <= types
    return 0.4 if is_exact else 0.2


def _need(column: Column) -> float:
    """A field that must have a value, and has no default, is more likely to be an old one."""
    field = column.field
    return 0.0 if field.null or field.blank or field.has_default() else 0.3


def _model_score(label: str, fields: set[str], table: Table, wanted: Container[str]) -> float:
    columns = {column.name for column in table.columns if column.name not in table.key}
    today = columns | {link.name for link in table.links}
    theirs = fields - set(table.key)
    common = len(theirs & today)
    overlap = common / max(1, len(theirs | today))
    (old_app, _, old), (new_app, _, new) = label.partition("."), table.label.partition(".")
    alike = _likeness(old.lower(), new.lower())
    is_wanted = table.label in wanted
    is_alike = alike >= 0.6 and old_app == new_app
    is_likely = overlap >= 0.4 and (is_wanted or is_alike or common >= 3)
    return overlap + alike + is_wanted if is_likely or alike == 1 else 0.0


def _likeness(one: str, other: str) -> float:
    ratio = SequenceMatcher(None, one, other).ratio()
    # Any two short names have a letter or two in common.
    return ratio if ratio >= 0.5 else ratio / 2
