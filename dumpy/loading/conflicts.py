"""Rows that hold unique values of other rows, and how these rows are replaced."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache, reduce
from ipaddress import IPv4Address
from itertools import count, product
from operator import or_
from typing import Any

from django.db import DatabaseError, connections
from django.db.models import ForeignKey, GenericIPAddressField, Q, QuerySet, UniqueConstraint

from dumpy.schema.tables import FLOAT_DIGITS, Column, Field, ModelType, Table, chunks, single

# A condition of each row takes its own place in a query.
_ROWS_PER_QUERY = 100
_CHARACTERS = "~0123456789!#$&*+-"
_LENGTH = 12
_FAR = datetime.datetime(9999, 12, 31, tzinfo=datetime.timezone.utc)


def conflicts(table: Table, rows: Sequence[Mapping[str, object]], using: str) -> set[object]:
    """Return the primary keys of stored rows that belong to the same row as one of ``rows``.

    Such as the profile of a user, of which there can be one only.
    """
    stored: QuerySet[Any] = QuerySet(table.model, using=using)
    found: set[object] = set()
    for some in chunks(rows, _ROWS_PER_QUERY):
        conditions = [
            Q(**{name: values[name] for name in unique})
            for unique in unique_foreign_keys(table.model)
            for values in some
            if None not in map(values.get, unique)
        ]
        if conditions:
            found |= set(stored.filter(reduce(or_, conditions)).values_list("pk", flat=True))
    return found


def blank(table: Table, keys: Iterable[object], using: str) -> set[object]:
    """Return the primary keys of rows that only have defaults beside the key of their owner."""
    owning = {name for unique in unique_foreign_keys(table.model) for name in unique}
    fields = [c.field for c in table.columns if c.name not in {*table.key, *owning}]
    telling = [field for field in fields if not _is_stamp(field)]
    rows: QuerySet[Any] = QuerySet(table.model, using=using).filter(pk__in=list(keys))
    values = rows.values_list("pk", *(field.attname for field in telling))
    return {pk for pk, *held in values if held == [field.get_default() for field in telling]}


def _is_stamp(field: Field) -> bool:
    """Whether a field holds another value by itself in each row."""
    is_time = getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
    return is_time or bool(field.get_default() != field.get_default())


@cache
def _unique_sets(model: ModelType) -> tuple[tuple[str, ...], ...]:
    """The names of the fields that are unique, alone or together, but for the primary key."""
    meta = model._meta
    single = [(f.name,) for f in meta.local_concrete_fields if f.unique and not f.primary_key]
    constraints = [constraint.fields for constraint in meta.total_unique_constraints]
    return tuple(map(tuple, [*single, *meta.unique_together, *constraints]))


@cache
def unique_foreign_keys(model: ModelType) -> tuple[tuple[str, ...], ...]:
    """The attribute names of the foreign keys that are unique, alone or together."""
    fields = model._meta.local_concrete_fields
    keys = {field.name: field.attname for field in fields if isinstance(field, ForeignKey)}
    sets = [names for names in _unique_sets(model) if set(names) <= keys.keys()]
    return tuple(tuple(keys[name] for name in names) for names in sets)


def exchangeable(model: ModelType, columns: Sequence[Column]) -> list[Column]:
    """Return columns of which a model has one in each of its unique constraints.

    Those that may be NULL come first: NULL conflicts with no other row.
    """
    found: list[Column] = []
    sets: list[Any] = list(_unique_sets(model))
    for constraint in model._meta.constraints:
        if isinstance(constraint, UniqueConstraint):
            expressions: Any = constraint.expressions
            nodes = [node for one in expressions for node in one.flatten()]
            named = [node.name for node in nodes if hasattr(node, "name")]
            sets.append([*constraint.fields, *named])
    for names in sets:
        some = [one for one in columns if {one.name, one.field.name} & {*names}]
        some = [one for one in some if one.field.null or one.types]
        if some and not any(one in found for one in some):
            found.append(min(some, key=lambda one: (not one.field.null, bool in (one.types or ()))))
    return found


def holder(table: Table, values: Mapping[str, Any], using: str) -> tuple[object, str] | None:
    """Return the primary key of another row with a unique value of a row, and which value it is."""
    rows: QuerySet[Any] = QuerySet(table.model, using=using)
    own = single([values.get(name) for name in table.key])
    for names in _unique_sets(table.model):
        wanted = {
            one.name: values.get(one.name) for one in table.columns if one.field.name in names
        }
        if len(wanted) < len(names) or None in wanted.values():
            continue
        others = rows.filter(**wanted).exclude(pk=own)
        found = others.values_list("pk", flat=True).first()
        if found is not None:
            return found, " and ".join(sorted(names))
    return None


def spare_values(column: Column, number: int, using: str) -> list[Any]:
    """Return as many values that no row of a table holds; raises ``DatabaseError``."""
    if column.field.null:
        return [None] * number
    rows: QuerySet[Any] = QuerySet(column.field.model, using=using)
    found: list[Any] = []
    for some in chunks(_candidates(column, using)):
        held = rows.filter(**{f"{column.name}__in": some}).values_list(column.name, flat=True)
        taken = set(held)
        found += [one for one in some if one not in taken]
        if len(found) >= number:
            return found[:number]
    raise DatabaseError(f"{column.name} has no free value for a swap of unique values.")


def _candidates(column: Column, using: str) -> Iterator[Any]:
    """Yield values of a field, from an end of their range where rows seldom have any."""
    target: Any = column.target
    (kind,) = column.types or (object,)
    if isinstance(target, GenericIPAddressField):
        return (str(IPv4Address(2**32 - 1 - n)) for n in range(2**32))
    if kind is str:
        length = min(target.max_length or _LENGTH, _LENGTH)
        return map("".join, product(_CHARACTERS, repeat=length))
    if kind is int:
        ranges = connections[using].ops.integer_field_range(target.get_internal_type())
        return iter(range(ranges[1] or 2**63 - 1, 0, -1))
    # SQLite tells no more digits apart; since Django 6.1, a field need not say how many it has.
    digits = min(getattr(target, "max_digits", None) or FLOAT_DIGITS, FLOAT_DIGITS)
    highest = 10**digits - 1
    series: dict[type, Callable[[int], object]] = {
        Decimal: lambda n: Decimal(highest - n).scaleb(-(target.decimal_places or 0)),
        bytes: lambda n: b"~%d" % n,
        float: lambda n: -1e300 - n * 1e290,
        uuid.UUID: lambda n: uuid.UUID(int=2**128 - 1 - n),
        datetime.date: lambda n: datetime.date.max - datetime.timedelta(n),
        datetime.datetime: lambda n: _FAR - datetime.timedelta(seconds=n),
        datetime.time: lambda n: (_FAR - datetime.timedelta(seconds=n + 1)).time(),
        datetime.timedelta: lambda n: datetime.timedelta(-9999, n),
    }
    return map(series[kind], count()) if kind in series else iter(())
