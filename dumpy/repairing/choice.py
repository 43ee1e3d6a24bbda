"""Which rows of a table somebody has named."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError

from dumpy.dump import JSON_NULL, Natural
from dumpy.errors import DumpyError
from dumpy.loading.special import is_special
from dumpy.schema.tables import Column, ModelType, Table, is_content_type, table_of


class NoChoice(DumpyError):
    """A choice of rows that cannot be understood."""


@dataclass(frozen=True)
class Condition:
    """A value of a field, and the ``text`` that says it."""

    name: str
    text: str
    value: object

    def holds(self, found: object) -> bool:
        """Whether a row of the dump has the value; a natural key is written with dots."""
        if isinstance(found, Natural):
            return ".".join(map(str, found.key)) == self.text
        return found == self.value

    def __str__(self) -> str:
        return f"{self.name}={self.text}"


@dataclass(frozen=True)
class Choice:
    """The rows of a table with one of the keys, if there are any, and that meet all conditions."""

    table: Table
    keys: frozenset[object]
    conditions: tuple[Condition, ...]

    def __contains__(self, row: Mapping[str, Any]) -> bool:
        if self.keys and row.get(self.table.key[0]) not in self.keys:
            return False
        return all(one.name in row and one.holds(row[one.name]) for one in self.conditions)

    def __str__(self) -> str:
        keys = [f"the key {' or '.join(map(str, self.keys))}"] if self.keys else []
        return ", ".join([*keys, *map(str, self.conditions)])


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


def _condition(table: Table, text: str) -> Condition:
    name, sign, value = text.partition("=")
    if not sign:
        raise NoChoice(f"--where {text}: write field=value.")
    try:
        column = table.column(name)
    except LookupError as error:
        raise NoChoice(f"--where {text}: {error}.") from error
    return Condition(column.name, value, _wanted(column, value))


def _wanted(column: Column, text: str) -> object:
    model = column.references
    if model is not None and is_content_type(model) and "." not in text:
        raise NoChoice(f"{column.field.name}={text}: name a content type as app_label.model.")
    try:
        return _value(column, text)
    except NoChoice:
        if hasattr(model, "natural_key"):
            return text
        raise


def _value(column: Column, text: str) -> object:
    try:
        if column.is_json:
            return JSON_NULL if (value := json.loads(text)) is None else value
        return column.target.to_python(text)
    except (ValidationError, ValueError, TypeError) as error:
        said = f"{text!r} is no value for {column.field.name!r}"
        raise NoChoice(f"{said}{': write JSON.' if column.is_json else '.'}") from error
