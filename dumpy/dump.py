"""The names that a dump imports, and what its create functions return when somebody runs them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db.models import JSONField, Model, Value

from dumpy.schema.tables import Column, from_text, table_of
from dumpy.text.words import (
    JSON_NULL,
    UUID,
    Decimal,
    FieldText,
    Natural,
    date,
    datetime,
    field_text,
    inf,
    json_null,
    nan,
    natural,
    time,
    timedelta,
    utc,
)

__all__ = [
    "JSON_NULL",
    "UUID",
    "Decimal",
    "FieldText",
    "Natural",
    "date",
    "datetime",
    "field_text",
    "inf",
    "json_null",
    "nan",
    "natural",
    "new",
    "resolve_model",
    "time",
    "timedelta",
    "utc",
]


class FlushDeferredObjects:
    """Yielded by ``objects()`` (the class or an instance): save now what was deferred so far."""


_MARK = "_dumpy_row"


@dataclass
class DumpedRow:
    """What a row says beyond the fields of its instance: it hangs on each instance from ``new``.

    ``names``: the fields that the row has; ``references``: foreign keys given by natural key;
    ``links``: many-to-many values, a list of primary keys or natural keys per field.
    """

    names: tuple[str, ...]
    references: dict[str, Natural] = field(default_factory=dict)
    links: dict[str, list[object]] = field(default_factory=dict)


def resolve_model(label: str) -> type[Model]:
    """Return the model called ``app_label.ModelName``; raises ``LookupError`` if there is none."""
    return apps.get_model(label)


def new(model: type[Model], /, **values: Any) -> Model:
    """Return an unsaved instance of ``model`` with the values of a row.

    References by natural key and many-to-many values cannot be set before the row is saved: they
    are kept on the instance for the loader, see ``dumped_row``.
    """
    table = table_of(model)
    links = {link.name for link in table.links}
    columns = {column.name: column for column in table.columns}
    row = DumpedRow(
        names=tuple(values),
        references={k: v for k, v in values.items() if k not in links and isinstance(v, Natural)},
        links={k: v for k, v in values.items() if k in links},
    )
    left = values.keys() - row.references.keys() - row.links.keys()
    instance = model(**{name: _value(columns.get(name), values[name]) for name in left})
    setattr(instance, _MARK, row)
    return instance


def dumped_row(instance: Model) -> DumpedRow | None:
    """Return what ``new`` has noted on an instance, or None for one that a person made."""
    row: DumpedRow | None = instance.__dict__.get(_MARK)
    return row


def has_own_decoder(column: Column) -> bool:
    """Whether the Python value of a JSON column is not simply what the JSON text says."""
    return column.is_json and getattr(column.target, "decoder", None) is not None


def _value(column: Column | None, value: object) -> Any:
    if isinstance(value, FieldText) and column is not None:
        return from_text(column, value.text)
    if value is JSON_NULL:
        return Value(None, JSONField())
    if column is not None and value is not None and has_own_decoder(column):
        return json.loads(json.dumps(value), cls=column.target.decoder)
    return value
