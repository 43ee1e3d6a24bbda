"""Which rows of a table somebody has named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError

from dumpy.errors import DumpyError
from dumpy.loading.special import is_special
from dumpy.schema.tables import Column, ModelType, Table, table_of


class NoChoice(DumpyError):
    """A choice of rows that cannot be understood."""


@dataclass(frozen=True)
class Choice:
    """The rows of a table with one of the keys, if there are any, and with all of the values."""

    table: Table
    keys: frozenset[object]
    values: tuple[tuple[str, object], ...]

    def __contains__(self, row: Mapping[str, Any]) -> bool:
        if self.keys and row.get(self.table.key[0]) not in self.keys:
            return False
        return all(name in row and row[name] == value for name, value in self.values)


def choice_of(label: str, keys: Sequence[str], conditions: Sequence[str]) -> Choice:
    """Return the choice of ``app.Model``, primary keys, and conditions like ``field=value``.

    Raises ``NoChoice``.
    """
    table = table_of(_model(label))
    if not keys and not conditions:
        raise NoChoice("Say which rows: name primary keys, or --where field=value.")
    if keys and len(table.key) > 1:
        raise NoChoice(f"{table.label} has a composite primary key. Use --where field=value.")
    key = table.column(table.key[0])
    pairs = [_condition(table, text) for text in conditions]
    return Choice(table, frozenset(_value(key, text) for text in keys), tuple(pairs))


def _model(label: str) -> ModelType:
    try:
        model: ModelType = apps.get_model(label)
    except (LookupError, ValueError) as error:
        raise NoChoice(f"There is no model {label!r}. Name one as app_label.ModelName.") from error
    if is_special(model):
        raise NoChoice(f"{label}: Django makes these rows itself. Use manage.py migrate.")
    return model


def _condition(table: Table, text: str) -> tuple[str, object]:
    name, sign, value = text.partition("=")
    try:
        column = table.column(name)
    except LookupError as error:
        raise NoChoice(f"--where {text}: {error}.") from error
    if not sign:
        raise NoChoice(f"--where {text}: write field=value.")
    return column.name, _value(column, value)


def _value(column: Column, text: str) -> object:
    try:
        return column.target.to_python(text)
    except (ValidationError, ValueError, TypeError) as error:
        raise NoChoice(f"{text!r} is no value for {column.field.name!r}.") from error
