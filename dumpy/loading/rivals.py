"""Rows that stand in the way of others: the only one that another row may have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache, reduce
from operator import or_
from typing import Any

from django.db.models import ForeignKey, Q, QuerySet

from dumpy.loading.batches import Converted, Layout
from dumpy.schema.tables import Field, ModelType, Table

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


@cache
def has_rivals(model: ModelType) -> bool:
    """Whether another row may have only one row of a model."""
    return any(_unique_sets(model))


def blank(table: Table, keys: Iterable[object], using: str) -> set[object]:
    """Return the primary keys of rows that say nothing but whose they are: all else is default."""
    owners = {name for unique in _unique_sets(table.model) for name in unique}
    fields = [c.field for c in table.columns if c.name not in {*table.key, *owners}]
    telling = [field for field in fields if not _is_stamp(field)]
    rows: QuerySet[Any] = QuerySet(table.model, using=using).filter(pk__in=list(keys))
    values = rows.values_list("pk", *(field.attname for field in telling))
    return {pk for pk, *held in values if held == [field.get_default() for field in telling]}


def _is_stamp(field: Field) -> bool:
    """Whether a field holds another value by itself in each row."""
    is_time = getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
    return is_time or bool(field.get_default() != field.get_default())


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
