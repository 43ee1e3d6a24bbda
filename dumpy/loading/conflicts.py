"""Rows that hold unique values of other rows, and how these rows are replaced."""

from __future__ import annotations

import datetime
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import cache, reduce
from ipaddress import IPv4Address
from itertools import count, islice, product
from operator import or_
from typing import Any

from django.apps import apps
from django.db import DatabaseError, connections
from django.db.models import ForeignKey, GenericIPAddressField, Model, Q, QuerySet, UniqueConstraint
from django.db.models.signals import post_save, pre_save

from dumpy.conf import configuration
from dumpy.schema.tables import Column, Field, ModelType, Table, concrete

_KEYS_PER_QUERY = 500
_ROWS_PER_QUERY = 100
_CHARACTERS = "~0123456789!#$&*+-"
_LENGTH = 12
_DIGITS = 15
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


HOOK = "before_dumpy_save"


class SideEffects:
    """Rows that receivers, hooks and ``save()`` make of their own accord while others are loaded.

    Only rows of models of which another row may have one only: those may stand in the way.
    """

    def __init__(self, using: str) -> None:
        self._using = using
        self._keys: defaultdict[ModelType, set[object]] = defaultdict(set)
        self._has_receivers: dict[ModelType, bool] = {}
        self._saving: list[Model] = []
        self._is_listening = False

    def of(self, model: ModelType) -> set[object]:
        """Return the primary keys of the rows that were made."""
        return self._keys[model]

    def is_heard(self, model: ModelType) -> bool:
        """Whether each dumped row of a model is sent to receivers."""
        return configuration().signals == "raw" and self._receivers_of(model)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear of rows that are made in the block."""
        if self._is_listening:
            yield
            return
        models = [model for model in apps.get_models() if _owners(concrete(model))]
        for model in models:
            # Before there is a receiver of our own.
            self._receivers_of(model)
        for model in models:
            post_save.connect(self._note, sender=model)
        self._is_listening = True
        try:
            yield
        finally:
            self._is_listening = False
            for model in models:
                post_save.disconnect(self._note, sender=model)

    @contextmanager
    def noted(self, instance: Model) -> Iterator[None]:
        """Note what others make in the block, in which an instance is saved."""
        model = type(instance)
        is_code_run = hasattr(model, HOOK) or model.save is not Model.save
        if not (is_code_run or self._receivers_of(model)):
            yield
            return
        with self.listening():
            self._saving.append(instance)
            try:
                yield
            finally:
                self._saving.pop()

    def _note(self, sender: ModelType, created: bool, using: str, **details: Any) -> None:
        made = details["instance"]
        if created and using == self._using and self._saving and made is not self._saving[-1]:
            self._keys[concrete(sender)].add(made.pk)

    def _receivers_of(self, model: ModelType) -> bool:
        if model not in self._has_receivers:
            signals = (pre_save, post_save)
            self._has_receivers[model] = any(one.has_listeners(model) for one in signals)
        return self._has_receivers[model]


def conflicts(table: Table, rows: Sequence[Mapping[str, object]], using: str) -> set[object]:
    """Return the primary keys of stored rows that belong to the same row as one of ``rows``.

    Such as the profile of a user, of which there can be one only.
    """
    stored: QuerySet[Any] = QuerySet(table.model, using=using)
    found: set[object] = set()
    for start in range(0, len(rows), _ROWS_PER_QUERY):
        some = rows[start : start + _ROWS_PER_QUERY]
        conditions = [q for unique in _owners(table.model) for q in _conditions(unique, some)]
        if conditions:
            found |= set(stored.filter(reduce(or_, conditions)).values_list("pk", flat=True))
    return found


def blank(table: Table, keys: Iterable[object], using: str) -> set[object]:
    """Return the primary keys of rows that say nothing but whose they are: all else is default."""
    owners = {name for unique in _owners(table.model) for name in unique}
    fields = [c.field for c in table.columns if c.name not in {*table.key, *owners}]
    telling = [field for field in fields if not _is_stamp(field)]
    rows: QuerySet[Any] = QuerySet(table.model, using=using).filter(pk__in=list(keys))
    values = rows.values_list("pk", *(field.attname for field in telling))
    return {pk for pk, *held in values if held == [field.get_default() for field in telling]}


def _is_stamp(field: Field) -> bool:
    """Whether a field holds another value by itself in each row."""
    is_time = getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
    return is_time or bool(field.get_default() != field.get_default())


def _conditions(unique: tuple[str, ...], rows: Iterable[Mapping[str, object]]) -> Iterator[Q]:
    for values in rows:
        wanted = {name: values.get(name) for name in unique}
        if None not in wanted.values():
            yield Q(**wanted)


@cache
def _unique_sets(model: ModelType) -> tuple[tuple[str, ...], ...]:
    """The names of the fields that are unique, alone or together, but for the primary key."""
    meta = model._meta
    single = [(f.name,) for f in meta.local_concrete_fields if f.unique and not f.primary_key]
    constraints = [constraint.fields for constraint in meta.total_unique_constraints]
    return tuple(map(tuple, [*single, *meta.unique_together, *constraints]))


@cache
def _owners(model: ModelType) -> tuple[tuple[str, ...], ...]:
    """The attribute names of the foreign keys that are unique, alone or together."""
    fields = model._meta.local_concrete_fields
    keys = {field.name: field.attname for field in fields if isinstance(field, ForeignKey)}
    sets = [names for names in _unique_sets(model) if set(names) <= keys.keys()]
    return tuple(tuple(keys[name] for name in names) for names in sets)


def exchangeable(model: ModelType, columns: Sequence[Column]) -> list[Column]:
    """Return columns of which a model has one in each of its unique constraints.

    Those that may be NULL come first: NULL is in nobody's way.
    """
    found: list[Column] = []
    expressions: list[Any] = [
        [*constraint.fields, *_named_in(constraint.expressions)]
        for constraint in model._meta.constraints
        if isinstance(constraint, UniqueConstraint)
    ]
    for names in [*_unique_sets(model), *expressions]:
        some = [one for one in columns if {one.name, one.field.name} & {*names}]
        some = [one for one in some if one.field.null or one.types]
        if some and not any(one in found for one in some):
            found.append(min(some, key=lambda one: (not one.field.null, bool in (one.types or ()))))
    return found


def holder(table: Table, values: Mapping[str, Any], using: str) -> tuple[object, str] | None:
    """Return the primary key of another row with a unique value of a row, and which value it is."""
    rows: QuerySet[Any] = QuerySet(table.model, using=using)
    own = [values.get(name) for name in table.key]
    for names in _unique_sets(table.model):
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
            raise DatabaseError(f"{column.name} has no free value for a swap of unique values.")
        held = rows.filter(**{f"{column.name}__in": some}).values_list(column.name, flat=True)
        taken = set(held)
        found += [one for one in some if one not in taken]
    return found[:number]


def _named_in(expressions: Any) -> Iterator[str]:
    nodes: list[Any] = [node for one in expressions for node in one.flatten()]
    return (node.name for node in nodes if hasattr(node, "name"))


def _candidates(column: Column, using: str) -> Iterator[Any]:
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
    if kind is Decimal:
        # SQLite tells no more digits apart; since Django 6.1, a field need not say how many it has.
        highest = 10 ** min(target.max_digits or _DIGITS, _DIGITS) - 1
        places = target.decimal_places or 0
        return (Decimal(n).scaleb(-places) for n in range(highest, 0, -1))
    return map(_SERIES[kind], count()) if kind in _SERIES else iter(())
