"""Rows that stand in the way of others: the only one that another row may have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import ForeignKey, Q, QuerySet

from dumpy.loading.batches import Converted, Layout
from dumpy.schema.tables import ModelType, Table

_ROWS_PER_QUERY = 100


def rivals(table: Table, rows: list[Converted], layout: Layout, using: str) -> set[object]:
    """Return the primary keys of stored rows that belong to the same row as one of ``rows``.

    Such as the profile of a user, of which there can be one only.
    """
    names = [column.name for column in layout.columns]
    stored: QuerySet[Any] = QuerySet(table.model, using=using)
    found: set[object] = set()
    for start in range(0, len(rows), _ROWS_PER_QUERY):
        values = [
            dict(zip(names, row.python, strict=True))
            for row in rows[start : start + _ROWS_PER_QUERY]
        ]
        conditions = [
            q for unique in _unique_sets(table.model) for q in _conditions(unique, values)
        ]
        if conditions:
            found |= set(stored.filter(reduce(or_, conditions)).values_list("pk", flat=True))
    return found - {layout.key_of(row.python) for row in rows}


def _conditions(unique: tuple[str, ...], rows: Iterable[dict[str, object]]) -> Iterator[Q]:
    for values in rows:
        wanted = {name: values.get(name) for name in unique}
        if None not in wanted.values():
            yield Q(**wanted)


def _unique_sets(model: ModelType) -> Iterator[tuple[str, ...]]:
    """The attribute names of the foreign keys that are unique, alone or together."""
    meta = model._meta
    keys = [field for field in meta.local_concrete_fields if isinstance(field, ForeignKey)]
    local = {field.name: field.attname for field in keys}
    for field in keys:
        if field.unique and not field.primary_key:
            yield (field.attname,)
    together = [tuple(names) for names in meta.unique_together]
    for names in together + [constraint.fields for constraint in meta.total_unique_constraints]:
        if set(names) <= local.keys():
            yield tuple(local[name] for name in names)
