"""The rows of a table that the user selects."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError

from dumpy.errors import DumpyError
from dumpy.schema.tables import Column, ModelType, Table, is_content_type, is_special, table_of
from dumpy.text.words import JSON_NULL, Natural


class NoChoice(DumpyError):
    """A choice of rows that cannot be understood."""


_CONDITION = re.compile(r"(\w+)(?:\s*(!=|=|<|>)|\s+(in)\s+)(.*)", re.DOTALL)
_WRITE = "write field=value, field!=value, field<value, field>value, or 'field in value,value'."


@dataclass(frozen=True)
class Condition:
    """What a field must hold: ``operator`` compares it with the ``values`` that ``texts`` say."""

    name: str
    operator: str
    texts: tuple[str, ...]
    values: tuple[object, ...]

    def holds(self, found: Any) -> bool:
        """Whether a row of the dump meets it; a natural key is written with dots."""
        if self.operator in ("<", ">"):
            (limit,) = self.values
            try:
                return bool(found < limit if self.operator == "<" else found > limit)
            except TypeError:  # None, or a natural key
                return False
        is_natural = isinstance(found, Natural)
        text = ".".join(map(str, found.key)) if is_natural else ""
        is_named = text in self.texts if is_natural else found in self.values
        return is_named != (self.operator == "!=")

    def __str__(self) -> str:
        operator = " in " if self.operator == "in" else self.operator
        return f"{self.name}{operator}{','.join(self.texts)}"


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
        raise NoChoice("Select rows: name primary keys, or --where field=value.")
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
        raise NoChoice(f"{label}: Django creates these rows itself. Use manage.py migrate.")
    return model


def _condition(table: Table, text: str) -> Condition:
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise NoChoice(f"--where {text}: {_WRITE}")
    name, sign, is_in, said = match.groups()
    try:
        column = table.column(name)
    except LookupError as error:
        raise NoChoice(f"--where {text}: {error}.") from error
    texts = tuple(said.split(",")) if is_in else (said,)
    values = tuple(_wanted(column, one) for one in texts)
    return Condition(column.name, sign or is_in, texts, values)


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
        said = f"{text!r} is not a valid value for {column.field.name!r}"
        raise NoChoice(f"{said}{': write JSON.' if column.is_json else '.'}") from error
