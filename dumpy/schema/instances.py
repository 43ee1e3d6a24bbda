"""Rows of a dump as unsaved instances, made when create functions run as Python."""

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

_MARK = "_dumpy_row"
# Values of a row that are no values of a field.
_UNLIKE = {Natural, FieldText, Stored, type(JSON_NULL)}


@dataclass
class DumpedRow:
    """The values of a row that are not on its instance; each instance made by ``new`` has one.

    ``names``: the fields that the row has; ``references``: foreign keys given by natural key;
    ``links``: many-to-many values, a list of primary keys or natural keys per field.
    """

    names: tuple[str, ...]
    references: dict[str, Natural] = field(default_factory=dict)
    links: dict[str, list[object]] = field(default_factory=dict)


@dataclass(frozen=True)
class RejectedRow:
    """A row that was kept out: its values by the names that fields have today, and the reason."""

    model: type[Model]
    values: Mapping[str, Any]
    problem: Problem


def has_receivers(model: type[Model]) -> bool:
    """Whether code is told when an object of a model is saved."""
    return any(signal.has_listeners(model) for signal in (pre_save, post_save))


@dataclass(frozen=True)
class MissingModel:
    """A stand-in for a model that does not exist: its dump can be imported, but not its rows."""

    label: str

    def row(self, values: dict[str, Any]) -> Any:
        """Raise ``LookupError``, as ``new`` must for a model that does not exist."""
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
        return (_lookup.get() or apps.get_model)(label)
    except LookupError:
        return MissingModel(label)


_Lookup = Callable[[str], type[Model]]
_lookup: ContextVar[_Lookup | None] = ContextVar("dumpy_lookup", default=None)


@contextmanager
def resolving(lookup: _Lookup) -> Iterator[None]:
    """Replace the function with which ``resolve_model`` finds models, inside the block."""
    token = _lookup.set(lookup)
    try:
        yield
    finally:
        _lookup.reset(token)


def new(model: type[Model] | MissingModel, /, **values: Any) -> Model:
    """Return an unsaved instance of ``model`` with the values of a row.

    References by natural key and many-to-many values cannot be set before the row is saved; the
    instance keeps them for the loader, see ``dumped_row``. Raises ``LookupError`` for a
    ``MissingModel``.
    """
    if isinstance(model, MissingModel):
        made: Model = model.row(values)
        return made
    row = DumpedRow(tuple(values))
    for name in _link_names(model) & values.keys():
        row.links[name] = values.pop(name)
    decoded = _decoded(model)
    for name in [n for n, value in values.items() if type(value) in _UNLIKE or n in decoded]:
        if isinstance(values[name], Natural):
            row.references[name] = values.pop(name)
        else:
            values[name] = _value(_columns(model).get(name), values[name])
    instance = model(**values)
    setattr(instance, _MARK, row)
    return instance


@cache
def _link_names(model: type[Model]) -> frozenset[str]:
    return frozenset(link.name for link in table_of(model).links)


@cache
def _columns(model: type[Model]) -> Mapping[str, Column]:
    return {column.name: column for column in table_of(model).columns}


@cache
def _decoded(model: type[Model]) -> frozenset[str]:
    return frozenset(name for name, column in _columns(model).items() if has_own_decoder(column))


def dumped_row(instance: Model) -> DumpedRow | None:
    """Return the ``DumpedRow`` that ``new`` set on an instance, or None for any other instance."""
    row: DumpedRow | None = instance.__dict__.get(_MARK)
    return row


def row_ref(instance: Model, place: Place | None) -> RowRef:
    """Return what names the row of an instance."""
    return RowRef(instance._meta.label, instance.pk, place)


def has_own_decoder(column: Column) -> bool:
    """Whether the Python value of a JSON column differs from the value of its JSON text."""
    return column.is_json and getattr(column.target, "decoder", None) is not None


def _value(column: Column | None, value: object) -> Any:
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
