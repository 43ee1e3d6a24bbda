"""Find rows that conflict with others by unique values, and values for exchanging them."""

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
from django.db.models import ForeignKey, GenericIPAddressField, Q, QuerySet

from dumpy.schema.tables import (
    FLOAT_DIGITS,
    Column,
    Field,
    ModelType,
    Table,
    chunks,
    single,
    unique_sets,
)

# A query has a condition for each row.
_ROWS_PER_QUERY = 100
_CHARACTERS = "~0123456789!#$&*+-"
_LENGTH = 12
_LAST_DAY = datetime.datetime(9999, 12, 31, tzinfo=datetime.timezone.utc)


def conflicts(table: Table, rows: Sequence[Mapping[str, object]], using: str) -> set[object]:
    """Return the primary keys of stored rows with the same unique foreign keys as ``rows``.

    An example is the profile of a user, who can have only one.
    """
    stored: QuerySet[Any] = QuerySet(table.model, using=using)
    keys: set[object] = set()
    for chunk in chunks(rows, _ROWS_PER_QUERY):
        conditions = [
            Q(**{name: values[name] for name in names})
            for names in unique_foreign_keys(table.model)
            for values in chunk
            if None not in map(values.get, names)
        ]
        if conditions:
            keys |= set(stored.filter(reduce(or_, conditions)).values_list("pk", flat=True))
    return keys


def keys_of_default_rows(table: Table, keys: Iterable[object], using: str) -> set[object]:
    """Return the primary keys of rows with defaults in all fields but unique foreign keys."""
    unique = {name for names in unique_foreign_keys(table.model) for name in names}
    fields = [
        column.field
        for column in table.columns
        if column.name not in {*table.key, *unique} and not _varies(column.field)
    ]
    defaults = [field.get_default() for field in fields]
    rows: QuerySet[Any] = QuerySet(table.model, using=using).filter(pk__in=list(keys))
    rows_of_values = rows.values_list("pk", *(field.attname for field in fields))
    return {pk for pk, *values in rows_of_values if values == defaults}


def _varies(field: Field) -> bool:
    """Whether the default of a field is different in each row."""
    is_time = getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
    return is_time or bool(field.get_default() != field.get_default())


@cache
def _total_unique_sets(model: ModelType) -> tuple[tuple[str, ...], ...]:
    """Return the names of the fields that are unique in all rows, alone or together."""
    meta = model._meta
    single = [(f.name,) for f in meta.local_concrete_fields if f.unique and not f.primary_key]
    constraints = [constraint.fields for constraint in meta.total_unique_constraints]
    return tuple(map(tuple, [*single, *meta.unique_together, *constraints]))


@cache
def unique_foreign_keys(model: ModelType) -> tuple[tuple[str, ...], ...]:
    """Return the attribute names of the foreign keys that are unique, alone or together."""
    fields = model._meta.local_concrete_fields
    keys = {field.name: field.attname for field in fields if isinstance(field, ForeignKey)}
    sets = [names for names in _total_unique_sets(model) if set(names) <= keys.keys()]
    return tuple(tuple(keys[name] for name in names) for names in sets)


def exchangeable_columns(model: ModelType, columns: Sequence[Column]) -> list[Column]:
    """Return a column of each unique constraint of a model, preferably a nullable one.

    NULL conflicts with no other row.
    """
    found: list[Column] = []
    for names in unique_sets(model):
        candidates = [
            column
            for column in columns
            if {column.name, column.field.name} & {*names} and (column.field.null or column.types)
        ]
        if candidates and not any(column in found for column in candidates):
            found.append(min(candidates, key=_exchange_order))
    return found


def _exchange_order(column: Column) -> tuple[bool, bool]:
    return not column.field.null, bool in (column.types or ())


def conflicting_row(
    table: Table, values: Mapping[str, Any], using: str
) -> tuple[object, str] | None:
    """Return the primary key of another row with a unique value, and the names of the fields."""
    rows: QuerySet[Any] = QuerySet(table.model, using=using)
    key = single([values.get(name) for name in table.key])
    for names in _total_unique_sets(table.model):
        unique = {
            column.name: values.get(column.name)
            for column in table.columns
            if column.field.name in names
        }
        if len(unique) < len(names) or None in unique.values():
            continue
        conflict = rows.filter(**unique).exclude(pk=key).values_list("pk", flat=True).first()
        if conflict is not None:
            return conflict, " and ".join(sorted(names))
    return None


def spare_values(column: Column, count: int, using: str) -> list[Any]:
    """Return ``count`` values that no row of the table has; raises ``DatabaseError``."""
    if column.field.null:
        return [None] * count
    rows: QuerySet[Any] = QuerySet(column.field.model, using=using)
    spare: list[Any] = []
    for chunk in chunks(_candidates(column, using)):
        stored = rows.filter(**{f"{column.name}__in": chunk}).values_list(column.name, flat=True)
        used = set(stored)
        spare += [value for value in chunk if value not in used]
        if len(spare) >= count:
            return spare[:count]
    raise DatabaseError(f"{column.name} has no free value for a swap of unique values.")


def _candidates(column: Column, using: str) -> Iterator[Any]:
    """Yield values of a field, from the end of the range that rows seldom use."""
    target: Any = column.target
    (value_type,) = column.types or (object,)
    if isinstance(target, GenericIPAddressField):
        return (str(IPv4Address(2**32 - 1 - n)) for n in range(2**32))
    if value_type is str:
        length = min(target.max_length or _LENGTH, _LENGTH)
        return map("".join, product(_CHARACTERS, repeat=length))
    if value_type is int:
        ranges = connections[using].ops.integer_field_range(target.get_internal_type())
        return iter(range(ranges[1] or 2**63 - 1, 0, -1))
    # SQLite distinguishes no more digits; since Django 6.1, a field may have no max_digits.
    digits = min(getattr(target, "max_digits", None) or FLOAT_DIGITS, FLOAT_DIGITS)
    highest = 10**digits - 1
    series: dict[type, Callable[[int], object]] = {
        Decimal: lambda n: Decimal(highest - n).scaleb(-(target.decimal_places or 0)),
        bytes: lambda n: b"~%d" % n,
        float: lambda n: -1e300 - n * 1e290,
        uuid.UUID: lambda n: uuid.UUID(int=2**128 - 1 - n),
        datetime.date: lambda n: datetime.date.max - datetime.timedelta(n),
        datetime.datetime: lambda n: _LAST_DAY - datetime.timedelta(seconds=n),
        datetime.time: lambda n: (_LAST_DAY - datetime.timedelta(seconds=n + 1)).time(),
        datetime.timedelta: lambda n: datetime.timedelta(-9999, n),
    }
    return map(series[value_type], count()) if value_type in series else iter(())
