"""Make unsaved instances from the rows of a dump that runs as Python."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.apps import apps
from django.db.models import Field, JSONField, Model, Value
from django.db.models.signals import post_save, pre_save

from dumpy.conf import require_trusted
from dumpy.errors import ConfigurationError, Place, Problem, RowRef
from dumpy.schema.tables import Column, from_text, table_of
from dumpy.text.words import JSON_NULL, FieldText, Natural, Stored

_ATTRIBUTE = "_dumpy_row"
# The types of values of a row that must be converted for a field.
_WORD_TYPES = {Natural, FieldText, Stored, type(JSON_NULL)}


@dataclass
class DumpedRow:
    """The values of a row that its instance, made by ``new``, cannot hold.

    Attributes:
        names: the names of the fields in the row.
        references: the natural keys of foreign keys.
        links: a list of primary keys or natural keys for each many-to-many field.
    """

    names: tuple[str, ...]
    references: dict[str, Natural] = field(default_factory=dict)
    links: dict[str, list[object]] = field(default_factory=dict)


@dataclass(frozen=True)
class RejectedRow:
    """A row that was not loaded, with its values by current field names, and the reason."""

    model: type[Model]
    values: Mapping[str, Any]
    problem: Problem


def has_receivers(model: type[Model]) -> bool:
    """Whether ``pre_save`` or ``post_save`` has receivers for a model."""
    return any(signal.has_listeners(model) for signal in (pre_save, post_save))


@dataclass(frozen=True)
class MissingModel:
    """A model that does not exist: a dump that refers to it can be imported, but has no rows."""

    label: str

    def row(self, values: dict[str, Any]) -> Any:
        """Raise ``LookupError``; a migrator may return the values as a row instead."""
        raise LookupError(
            f"there is no model {self.label!r}. If it was removed, comment out the line that "
            "lists its rows; if it was renamed, change its name in resolve_model()."
        )

    def __str__(self) -> str:
        return self.label


def resolve_model(label: str) -> type[Model] | MissingModel:
    """Return the model called ``app_label.ModelName``, or a ``MissingModel`` if there is none.

    Raises ``ConfigurationError`` if Django is not set up.
    """
    if not apps.models_ready:
        raise ConfigurationError(
            "A dump is for a project: run a restore.py with manage.py run DIRECTORY/restore.py, or "
            "call django.setup() before you import a dump."
        )
    try:
        return (_current_lookup.get() or apps.get_model)(label)
    except LookupError:
        return MissingModel(label)


_Lookup = Callable[[str], type[Model]]
_current_lookup: ContextVar[_Lookup | None] = ContextVar("dumpy_lookup", default=None)


@contextmanager
def resolving(lookup: _Lookup) -> Iterator[None]:
    """Replace the function that ``resolve_model`` uses to find models, inside the block."""
    token = _current_lookup.set(lookup)
    try:
        yield
    finally:
        _current_lookup.reset(token)


def new(model: type[Model] | MissingModel, /, **values: Any) -> Model:
    """Return an unsaved instance of ``model`` with the values of a row.

    References by natural key and many-to-many values cannot be set before the row is saved; they
    are kept for the loader in the ``dumped_row``. Raises ``LookupError`` for a ``MissingModel``.
    """
    if isinstance(model, MissingModel):
        row_of_dump: Model = model.row(values)
        return row_of_dump
    row = DumpedRow(tuple(values))
    for name in _link_names(model) & values.keys():
        row.links[name] = values.pop(name)
    decoded = _names_with_decoder(model)
    for name in [n for n, value in values.items() if type(value) in _WORD_TYPES or n in decoded]:
        if isinstance(values[name], Natural):
            row.references[name] = values.pop(name)
        else:
            values[name] = _field_value(_columns(model).get(name), values[name])
    instance = model(**values)
    setattr(instance, _ATTRIBUTE, row)
    return instance


@cache
def _link_names(model: type[Model]) -> frozenset[str]:
    return frozenset(link.name for link in table_of(model).links)


@cache
def _columns(model: type[Model]) -> Mapping[str, Column]:
    return {column.name: column for column in table_of(model).columns}


@cache
def _names_with_decoder(model: type[Model]) -> frozenset[str]:
    return frozenset(name for name, column in _columns(model).items() if has_own_decoder(column))


def dumped_row(instance: Model) -> DumpedRow | None:
    """Return the ``DumpedRow`` that ``new`` set on an instance, or None for any other instance."""
    row: DumpedRow | None = instance.__dict__.get(_ATTRIBUTE)
    return row


def row_ref(instance: Model, place: Place | None = None) -> RowRef:
    """Return the row reference of an instance."""
    return RowRef(instance._meta.label, instance.pk, place)


def has_own_decoder(column: Column) -> bool:
    """Whether the Python value of a JSON column differs from the value of its JSON text."""
    return column.is_json and getattr(column.target, "decoder", None) is not None


def _field_value(column: Column | None, value: object) -> Any:
    if isinstance(value, FieldText) and column is not None:
        require_trusted(column.target, value.text)
        return from_text(column, value.text)
    if value is JSON_NULL:
        return Value(None, JSONField())
    if isinstance(value, Stored):
        return Value(value.value, Field())
    if column is not None and value is not None and has_own_decoder(column):
        return json.loads(json.dumps(value), cls=column.target.decoder)
    return value
