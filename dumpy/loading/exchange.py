"""Values that rows hold for a moment, while they exchange unique ones."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import count, islice, takewhile
from typing import Any

from django.db import DatabaseError, connections
from django.db.models import QuerySet, UniqueConstraint

from dumpy.schema.tables import Column, ModelType, Table

_KEYS_PER_QUERY = 500
_FAR = datetime.datetime(9999, 12, 31, tzinfo=datetime.timezone.utc)

_SERIES: dict[type, Callable[[int], object]] = {
    bytes: lambda n: b"~%d" % n,
    float: lambda n: -1e300 - n * 1e290,
    uuid.UUID: lambda n: uuid.UUID(int=2**128 - 1 - n),
    datetime.date: lambda n: datetime.date.max - datetime.timedelta(n),
    datetime.datetime: lambda n: _FAR - datetime.timedelta(seconds=n),
    datetime.time: lambda n: (_FAR - datetime.timedelta(seconds=n + 1)).time(),
    datetime.timedelta: lambda n: datetime.timedelta(-9999, n),
}


def exchangeable(model: ModelType, columns: Sequence[Column]) -> list[Column]:
    """Return columns of which a model has one in each of its unique constraints.

    Those that may be NULL come first: NULL is in nobody's way.
    """
    found: list[Column] = []
    for names in _unique_names(model):
        some = [one for one in columns if {one.name, one.field.name} & names]
        some = [one for one in some if one.field.null or one.types]
        if some and not any(one in found for one in some):
            found.append(min(some, key=lambda one: (not one.field.null, bool in (one.types or ()))))
    return found


def holder(table: Table, values: Mapping[str, Any], using: str) -> tuple[object, str] | None:
    """Return the primary key of another row with a unique value of a row, and which value it is."""
    meta = table.model._meta
    unique = [{f.name} for f in meta.local_concrete_fields if f.unique and not f.primary_key]
    unique += [*map(set, meta.unique_together)]
    unique += [set(constraint.fields) for constraint in meta.total_unique_constraints]
    rows: QuerySet[Any] = QuerySet(table.model, using=using)
    own = [values.get(name) for name in table.key]
    for names in unique:
        wanted = {
            one.name: values.get(one.name) for one in table.columns if one.field.name in names
        }
        if len(wanted) < len(names) or None in wanted.values():
            continue
        others = rows.filter(**wanted).exclude(pk=own[0] if len(own) == 1 else tuple(own))
        found = others.values_list("pk", flat=True).first()
        if found is not None:
            return found, " and ".join(sorted(names))
    return None


def spare_values(column: Column, number: int, using: str) -> list[Any]:
    """Return as many values that no row of a table holds; raises ``DatabaseError``."""
    if column.field.null:
        return [None] * number
    candidates = _candidates(column, using)
    rows: QuerySet[Any] = QuerySet(column.field.model, using=using)
    found: list[Any] = []
    while len(found) < number:
        some = list(islice(candidates, _KEYS_PER_QUERY))
        if not some:
            raise DatabaseError(f"{column.name} has no value left to exchange others by.")
        held = rows.filter(**{f"{column.name}__in": some}).values_list(column.name, flat=True)
        taken = set(held)
        found += [one for one in some if one not in taken]
    return found[:number]


def _unique_names(model: ModelType) -> Iterator[set[str]]:
    meta = model._meta
    yield from ({f.name} for f in meta.local_concrete_fields if f.unique and not f.primary_key)
    yield from map(set, meta.unique_together)
    for constraint in meta.constraints:
        if isinstance(constraint, UniqueConstraint):
            expressions: Any = constraint.expressions
            nodes: list[Any] = [node for one in expressions for node in one.flatten()]
            yield {*constraint.fields, *(node.name for node in nodes if hasattr(node, "name"))}


def _candidates(column: Column, using: str) -> Iterator[Any]:
    target: Any = column.target
    (kind,) = column.types or (object,)
    if kind is str:
        longest = target.max_length or 40
        return takewhile(lambda text: len(text) <= longest, (f"~{n}" for n in count()))
    if kind is int:
        ranges = connections[using].ops.integer_field_range(target.get_internal_type())
        return iter(range(ranges[1] or 2**63 - 1, 0, -1))
    if kind is Decimal:
        # Since Django 6.1, a field need not say how many digits its numbers have.
        highest = 10 ** ((target.max_digits or 15) - (target.decimal_places or 0)) - 1
        return (Decimal(n) for n in range(highest, 0, -1))
    return map(_SERIES[kind], count()) if kind in _SERIES else iter(())
