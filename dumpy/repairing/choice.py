"""The rows that the user chooses for a repair."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError

from dumpy.errors import DumpyError, suggestion
from dumpy.loading.statements import localized
from dumpy.schema.tables import Column, ModelType, Table, is_content_type, is_special, table_of
from dumpy.text.words import JSON_NULL, Natural


class InvalidChoice(DumpyError):
    """A choice that is invalid, or selects no rows."""


_CONDITION = re.compile(r"(\w+)(?:\s*(!=|=|<|>)|\s+(in)\s+)(.*)", re.DOTALL)
_WRITE = "write field=value, field!=value, field<value, field>value, or 'field in value,value'."


@dataclass(frozen=True)
class Condition:
    """A condition for the value of a field, such as ``name=Rock``.

    Attributes:
        operator: ``"="``, ``"!="``, ``"<"``, ``">"``, or ``"in"``.
        texts: what the value is compared with, as written by the user.
        values: the same, as values of the field.
    """

    name: str
    operator: str
    texts: tuple[str, ...]
    values: tuple[object, ...]

    def is_met(self, value: Any) -> bool:
        """Whether a value of the dump meets the condition; a natural key is text with dots."""
        if self.operator in ("<", ">"):
            (limit,) = self.values
            if isinstance(value, bool) != isinstance(limit, bool):
                return False
            try:
                return bool(value < limit if self.operator == "<" else value > limit)
            except TypeError:  # None, or a natural key
                return False
        if isinstance(value, Natural):
            is_equal = joined_key(value) in self.texts
        else:
            is_equal = _distinct(value) in map(_distinct, self.values)
        return is_equal != (self.operator == "!=")

    def __str__(self) -> str:
        operator = " in " if self.operator == "in" else self.operator
        return f"{self.name}{operator}{','.join(self.texts)}"


@dataclass(frozen=True)
class Choice:
    """The rows of a table that have one of ``keys``, if given, and meet all conditions."""

    table: Table
    keys: frozenset[object]
    conditions: tuple[Condition, ...]

    def __contains__(self, row: Mapping[str, Any]) -> bool:
        if self.keys and row.get(self.table.key[0]) not in self.keys:
            return False
        return all(c.name in row and c.is_met(row[c.name]) for c in self.conditions)

    def __str__(self) -> str:
        keys = [f"the key {' or '.join(map(str, self.keys))}"] if self.keys else []
        return ", ".join([*keys, *map(str, self.conditions)])


def joined_key(reference: Natural) -> str:
    """Return the parts of a natural key with dots between them, as in conditions."""
    return ".".join(map(str, reference.key))


def _distinct(value: Any) -> Any:
    """Return a value of JSON in which booleans are not equal to numbers."""
    if isinstance(value, bool):
        return str(value), bool
    if isinstance(value, list):
        return list(map(_distinct, value))
    return {k: _distinct(v) for k, v in value.items()} if isinstance(value, dict) else value


def choice_of(label: str, keys: Sequence[str], conditions: Sequence[str]) -> Choice:
    """Return the choice of rows of a model by primary keys and conditions like ``field=value``.

    Raises ``InvalidChoice``.
    """
    table = table_of(_model(label))
    if not keys and not conditions:
        raise InvalidChoice("Select rows: name primary keys, or --where field=value.")
    if keys and len(table.key) > 1:
        raise InvalidChoice(f"{table.label} has a composite primary key. Use --where field=value.")
    key = table.column(table.key[0])
    try:
        values = frozenset(_value(key, text) for text in keys)
    except InvalidChoice as error:
        if any("," in text for text in keys):
            raise InvalidChoice(f"{error} Separate keys with blanks, not with commas.") from error
        raise
    return Choice(table, values, tuple(_condition(table, text) for text in conditions))


def _model(label: str) -> ModelType:
    try:
        model: ModelType = apps.get_model(label)
    except (LookupError, ValueError) as error:
        raise InvalidChoice(
            f"There is no model {label!r}. Name a model of the project as app_label.ModelName."
        ) from error
    if is_special(model):
        raise InvalidChoice(f"{label}: Django creates these rows itself. Use manage.py migrate.")
    return model


def _condition(table: Table, text: str) -> Condition:
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise InvalidChoice(f"--where {text}: {_WRITE}")
    name, sign, is_in, value = match.groups()
    try:
        column = table.column(name)
    except LookupError as error:
        names = (column.field.name for column in table.columns)
        sentence = f"--where {text}: {error}. {suggestion(name, names)}"
        raise InvalidChoice(sentence.rstrip()) from error
    texts = tuple(value.split(",")) if is_in else (value,)
    values = tuple(_operand(column, text) for text in texts)
    return Condition(column.name, sign or is_in, texts, values)


def _operand(column: Column, text: str) -> object:
    model = column.references
    if model is not None and is_content_type(model) and "." not in text:
        raise InvalidChoice(f"{column.field.name}={text}: name a content type as app_label.model.")
    try:
        return _value(column, text)
    except InvalidChoice:
        if hasattr(model, "natural_key"):
            return text
        raise


def _value(column: Column, text: str) -> object:
    try:
        if column.is_json:
            return JSON_NULL if (value := json.loads(text)) is None else value
        value = column.target.to_python(text)
        return localized(value) if isinstance(value, datetime) else value
    except (ValidationError, ValueError, TypeError) as error:
        hint = ": write JSON." if column.is_json else "."
        reason = f"{text!r} is not a valid value for {column.field.name!r}{hint}"
        raise InvalidChoice(reason) from error
