"""The objects lane: model instances, one by one."""

from __future__ import annotations

import inspect
import json
from collections import defaultdict, deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, cast

from django.core.exceptions import ValidationError
from django.db import DatabaseError, router, transaction
from django.db.models import ForeignKey, Model, QuerySet
from django.db.models.expressions import DatabaseDefault
from django.db.models.signals import post_save, pre_save
from django.dispatch import Signal

from dumpy.conf import configuration
from dumpy.dump import JSON_NULL, DumpedRow, Natural, dumped_row, has_own_decoder
from dumpy.errors import DumpyError, Place, Problem
from dumpy.loading.batches import Layout, TableLoader, reason_of, require_lock
from dumpy.loading.links import LinkLoader
from dumpy.loading.references import Ambiguous, Missing, stored_key
from dumpy.loading.report import Counts
from dumpy.loading.settling import Settling, at_risk
from dumpy.loading.signals import has_receivers
from dumpy.loading.special import SpecialLoader, is_special
from dumpy.loading.waiting import WaitingRoom
from dumpy.schema.tables import Column, ModelType, Table, attribute, concrete, table_of

HOOK = "before_dumpy_save"


@dataclass(frozen=True)
class RowKey:
    """A row named by the value of one of its fields."""

    model: ModelType
    name: str
    value: object


class MissingRow(Exception):
    """A foreign key to a row that is not there yet: ``key`` names it."""

    def __init__(self, name: str, key: RowKey) -> None:
        super().__init__(name, key)
        self.name = name
        self.key = key

    def __str__(self) -> str:
        label = self.key.model._meta.label
        return f"{self.name}={self.key.value!r} refers to a row of {label} that does not exist."


class Invalid(ValidationError):
    """What ``full_clean()`` says against a dumped row."""


class UnsavedRelated(Exception):
    """An unsaved object that another one points at, and that cannot be saved."""

    def __init__(self, name: str, instance: Model, error: Exception) -> None:
        super().__init__(name, instance, error)
        self.name = name
        self.instance = instance
        self.error = error

    def __str__(self) -> str:
        label = self.instance._meta.label
        return f"its {self.name}, an unsaved {label}, is refused: {reason_of(self.error)}"


@dataclass(eq=False)
class Item:
    """An object on its way, with its place and what kept it out the last time.

    ``is_changed`` says that it is a row of a model that has changed since the dump, ``has_key``
    that no other object of the load may have its key any more.
    """

    instance: Model
    place: Place | None
    error: Exception | None = None
    is_incomplete: bool = False
    is_changed: bool = False
    has_key: bool = False

    def problem(self) -> Problem:
        """Return what keeps the object out, for a person."""
        error = self.error or RuntimeError("it was not tried.")
        is_invalid = isinstance(error, Invalid)
        label, pk = self.instance._meta.label, self.instance.pk
        return Problem(label, pk, self.place, reason_of(error), is_invalid=is_invalid)


@dataclass(frozen=True)
class InstanceRow:
    """The values of an instance as a row."""

    item: Item
    values: tuple[Any, ...]
    size: int = 0


@dataclass(frozen=True)
class NaturalRow:
    """The primary key of a row, its references by natural key, and its place."""

    values: tuple[Any, ...]
    place: Place | None
    size: int = 0


class Unwritten(Exception):
    """A hook wants to see rows that are not written yet."""


class RunningHook:
    """A ``before_dumpy_save`` at work: what it asks for waits, because a failing one is undone."""

    def __init__(self, *, is_all_written: bool) -> None:
        self.is_all_written = is_all_written
        self.asked: list[Item] = []

    def flush(self) -> None:
        """Let the hook be called again when all rows are written."""
        if not self.is_all_written:
            raise Unwritten


class ObjectLoader:
    """Saves instances; those that cannot be saved yet are deferred."""

    def __init__(self, desk: Any) -> None:
        self._desk = desk
        self._waiting: WaitingRoom[Item] = WaitingRoom()
        self._refused: list[Item] = []
        self._known: dict[tuple[ModelType, str], set[object]] = {}
        self._open: set[int] = set()
        self._circle: set[RowKey] = set()
        self.hook: RunningHook | None = None
        self._natural: defaultdict[tuple[Table, tuple[str, ...]], list[NaturalRow]] = defaultdict(
            list
        )

    def add(self, instance: Model, place: Place | None, *, is_changed: bool = False) -> bool:
        """Save an instance, and those that wait for it; return whether it could be saved.

        What a running hook asks for is saved when the hook has succeeded.
        """
        self._desk.require_table(type(instance), place)
        item = Item(instance, place, is_changed=is_changed)
        if self.hook is not None:
            self.hook.asked.append(item)
            return False
        self._work([item])
        return item.error is None

    def retry(self) -> bool:
        """Try the deferred objects again; return whether one of them could be saved."""
        before = self.deferred
        self._work([item for key in self._waiting.missing() for item in self._found(key)])
        # Every other time from the end, so that neither direction of a chain is slow.
        refused, self._refused = self._refused[::-1], []
        self._work(refused)
        return self.deferred < before

    def settle(self, settling: Settling, stale: set[ModelType]) -> None:
        """Write the references by natural key again that may lead to stale models."""
        for (table, names), rows in self._natural.items():
            if at_risk(table, names, stale):
                fields = {name: where for where, name in enumerate((*table.key, *names))}
                settling.load(table, fields, rows, lambda row: row.place)

    def _note_natural(self, item: Item, row: DumpedRow) -> None:
        """Keep the references of a saved row by which it may have to be found again."""
        instance = item.instance
        table = table_of(type(instance))
        natural: dict[str, object] = {
            table.column(name).name: one
            for name, one in row.references.items()
            if one.model.lower() != "contenttypes.contenttype"
        }
        natural |= {n: some for n, some in row.links.items() if Natural in set(map(type, some))}
        if natural:
            key = [getattr(instance, name) for name in table.key]
            given = NaturalRow((*key, *natural.values()), item.place)
            self._natural[table, tuple(natural)].append(given)

    def save_circles(self) -> bool:
        """Save the objects that wait only for each other; return whether there were any."""
        items = self._only_for_each_other()
        self._circle = {key for item in items for key in _keys_of(item.instance)}
        try:
            self._work(items)
        finally:
            self._circle = set()
        return bool(items)

    def save_incomplete(self) -> bool:
        """Save rows without what they wait for, where that may be absent for now.

        Rows without primary key that refer to each other by natural key get in no other way. They
        go on waiting, to be completed. Returns whether there were any.
        """
        items = [item for _key, item in self._waiting if self._may_be_incomplete(item)]
        for item in items:
            item.is_incomplete = True
            row = cast(DumpedRow, dumped_row(item.instance))
            there = {k: v for k, v in row.references.items() if self._desk.references.is_there(v)}
            self._save_dumped(item, DumpedRow(row.names, there))
            self._desk.flush()
            self._work(self._woken_by(item.instance))
        return bool(items)

    def _may_be_incomplete(self, item: Item) -> bool:
        row = dumped_row(item.instance)
        if row is None or item.is_incomplete:
            return False
        table = table_of(type(item.instance))
        return all(
            table.column(name).field.null or self._desk.references.is_there(natural)
            for name, natural in row.references.items()
        )

    @property
    def deferred(self) -> int:
        """How many objects wait."""
        return len(self._waiting) + len(self._refused)

    def problems(self) -> Iterator[Problem]:
        """Yield what keeps the deferred objects out."""
        return (problem for _instance, problem in self.left())

    def left(self) -> Iterator[tuple[Model, Problem]]:
        """Yield the deferred objects, each with what keeps it out."""
        for item in self._refused:
            yield item.instance, item.problem()
        deferred = [*self._refused, *(item for _key, item in self._waiting)]
        coming = {key for item in deferred for key in _keys_of(item.instance)}
        for key, item in self._waiting:
            yield item.instance, replace(item.problem(), waits=key in coming)

    def _work(self, items: list[Item]) -> None:
        queue = deque(items)
        while queue:
            item = queue.popleft()
            if self._try(item):
                queue.extend(self._woken_by(item.instance))

    def _try(self, item: Item) -> bool:
        """Save an item; return whether its row is there, if not complete."""
        try:
            self._save(item)
        except DumpyError:
            raise
        except (Missing, MissingRow) as error:
            item.error = error
            self._waiting.wait(item, error.key)
            # One that waits for a key of its own, which another row has too, must not wake itself.
            return item.is_incomplete and not isinstance(error, Ambiguous)
        except Exception as error:
            require_lock(error, self._desk.using)
            item.error = error
            self._refused.append(item)
            return False
        item.error = None
        return True

    def _save(self, item: Item) -> None:
        self._call_hook(item.instance)
        row = dumped_row(item.instance)
        if row is None:
            self._save_new(item)
        else:
            self._save_dumped(item, row)
            self._note_natural(item, row)

    def _call_hook(self, instance: Model) -> None:
        if not hasattr(instance, HOOK):
            return
        try:
            asked = self._asked_by(instance, RunningHook(is_all_written=False))
        except Exception:
            # What it looks for may be in a batch that is not written yet.
            self._desk.flush()
            asked = self._asked_by(instance, RunningHook(is_all_written=True))
        self._work(asked)

    def _asked_by(self, instance: Model, hook: RunningHook) -> list[Item]:
        """Call the hook of an instance; return the objects that it wants to be saved."""
        self.hook = hook
        try:
            with self._desk.made.noted(instance):
                _call(instance, self._desk)
        finally:
            self.hook = None
        return hook.asked

    def _save_new(self, item: Item) -> None:
        """Save an object of a person: validated, with its own ``save()``, signals and all."""
        instance = item.instance
        # Assigning an object to a foreign key has made it one of the default database.
        instance._state.db = self._desk.using
        self._save_related(item)
        exempt = self._check_references(instance)
        if instance._state.adding:
            self._claim_key(item)
        if instance._state.adding:
            instance._state.adding = not self._is_stored(instance)
        adding = instance._state.adding
        with transaction.atomic(using=self._desk.using):
            # Django looks for duplicates in the database that it would read from.
            is_read = router.db_for_read(type(instance)) == self._desk.using
            instance.full_clean(exclude=exempt, validate_unique=is_read)
            with self._desk.made.noted(instance):
                instance.save(using=self._desk.using)
            self._claim_key(item)
        counts = self._counts(instance)
        counts.inserted += adding
        counts.updated += not adding
        for model in (type(instance), *instance._meta.get_parent_list()):
            self._desk.references.inserted(concrete(model))
            if not adding:
                self._desk.references.changed(concrete(model))

    def _claim_key(self, item: Item) -> None:
        """Raise ``Repeated`` if another object of a load in which rows come once has the key."""
        instance, origins = item.instance, self._desk.origins
        if origins is None or item.place is None or item.has_key or instance.pk is None:
            return
        origins.claim(table_of(type(instance)), instance.pk, item.place)
        item.has_key = True

    def _save_related(self, item: Item) -> None:
        """Save the unsaved objects that the object points at, as factories build them."""
        instance = item.instance
        self._open.add(id(instance))
        try:
            for field in [*_foreign_keys(instance), *_generic_keys(instance)]:
                related = field.get_cached_value(instance, default=None)
                if related is None or id(related) in self._open:
                    continue
                if related._state.adding and not self._is_stored(related):
                    self._save_part(field.name, Item(related, item.place))
                if getattr(instance, _value_name(field)) is None:
                    setattr(instance, field.name, related)
        finally:
            self._open.discard(id(instance))

    def _save_part(self, name: str, item: Item) -> None:
        try:
            self._save(item)
        except (ValidationError, DatabaseError) as error:
            raise UnsavedRelated(name, item.instance, error) from error

    def _check_references(self, instance: Model) -> set[str]:
        """Return the foreign keys that lead to the object itself, or into the circle of cycles."""
        exempt = set()
        for field in _foreign_keys(instance):
            value = getattr(instance, field.attname)
            # The row of a parent is saved with the object.
            if value is None or field.remote_field.parent_link:
                continue
            if self._may_dangle(field):
                exempt.add(field.name)
                continue
            model, name = field.remote_field.model, field.target_field.attname
            key = RowKey(model._meta.concrete_model, name, value)
            if key in self._circle or key in _keys_of(instance):
                exempt.add(field.name)
            elif not self._exists(model, name, value):
                raise MissingRow(field.attname, key)
        return exempt

    def _may_dangle(self, field: Any) -> bool:
        """Whether a foreign key may lead to a row of another database."""
        model = field.remote_field.model
        return not field.db_constraint and not router.allow_migrate_model(self._desk.using, model)

    def _is_stored(self, instance: Model) -> bool:
        return instance.pk is not None and self._exists(type(instance), "pk", instance.pk)

    def _exists(self, model: ModelType, name: str, value: object) -> bool:
        known = self._known.setdefault((model._meta.concrete_model or model, name), set())
        if value in known:
            return True
        if QuerySet(model, using=self._desk.using).filter(**{name: value}).exists():
            known.add(value)
            return True
        return False

    def _save_dumped(self, item: Item, row: DumpedRow) -> None:
        """Put an object back as it was: no ``save()``, stamps kept."""
        instance = item.instance
        table = table_of(type(instance))
        for name, natural in row.references.items():
            column = table.column(name)
            value = self._desk.references.resolve(natural, column.parent_field.attname)
            setattr(instance, column.name, value)
        if not item.is_incomplete:
            self._desk.validate(instance, row.names, is_changed=item.is_changed)
        if not set(table.key) <= set(row.names):
            instance.pk = stored_key(instance, self._desk.using) or instance.pk
            if instance._state.adding and not self._is_stored(instance):
                self._insert(item, row)
                return
        self._claim_key(item)
        if is_signalled(type(instance)):
            self._put(item, row)
        else:
            self._loader_of(item, row).add(self._row(item, row))

    def _put(self, item: Item, row: DumpedRow) -> None:
        """Write a row at once, between its signals."""
        self._desk.flush()
        instance, using = item.instance, self._desk.using
        is_new = not self._is_stored(instance)
        with transaction.atomic(using=using), self._desk.made.noted(instance):
            _send(pre_save, instance, using, update_fields=None)
            self._loader_of(item, row).put(self._row(item, row))
            _send(post_save, instance, using, update_fields=None, created=is_new)

    def _insert(self, item: Item, row: DumpedRow) -> None:
        """Insert a row whose key the dump does not give, and then its links, which may wait."""
        self._desk.flush()
        instance, using = item.instance, self._desk.using
        key = instance.pk
        is_heard = is_signalled(type(instance))
        try:
            with transaction.atomic(using=using), self._desk.made.noted(instance):
                if is_heard:
                    _send(pre_save, instance, using, update_fields=None)
                self._insert_quietly(instance)
                self._claim_key(item)
                if is_heard:
                    _send(post_save, instance, using, update_fields=None, created=True)
        except Exception:
            # The next attempt must not take the key of a row that was rolled back.
            instance.pk = key
            raise
        self._counts(instance).inserted += 1
        self._desk.references.inserted(table_of(type(instance)).model)
        item.is_incomplete = True
        with transaction.atomic(using=using):
            self._link(instance, row)

    def _insert_quietly(self, instance: Any) -> None:
        """Insert a row whose key the dump does not give."""
        meta = instance._meta
        fields = [f for f in meta.local_concrete_fields if not f.generated]
        if instance.pk is None:
            fields.remove(meta.pk)
        (values,) = type(instance)._base_manager._insert(
            [instance],
            fields=fields,
            returning_fields=[meta.pk],
            using=self._desk.using,
            raw=True,
        )
        instance.pk = values[0]

    def _link(self, instance: Model, row: DumpedRow) -> None:
        failures: dict[int, Exception] = {}
        for link in table_of(type(instance)).links:
            if link.name in row.links:
                loader = LinkLoader(link, self._desk)
                lists = loader.convert([row.links[link.name]], failures)
                for error in failures.values():
                    raise error
                loader.look_again()
                loader.write([instance.pk], lists)

    def _loader_of(self, item: Item, row: DumpedRow) -> TableLoader:
        table = table_of(type(item.instance))
        names = (*(column.name for column in given(table, item.instance)), *_linked(table, row))
        loader: TableLoader = self._desk.rows_of(
            (table.label, names), lambda: self._table_loader(table, names)
        )
        return loader

    def _row(self, item: Item, row: DumpedRow) -> InstanceRow:
        table = table_of(type(item.instance))
        values = [field_value(column, item.instance) for column in given(table, item.instance)]
        links = [row.links[name] for name in _linked(table, row)]
        return InstanceRow(item, (*values, *links))

    def _table_loader(self, table: Table, names: tuple[str, ...]) -> TableLoader:
        layout = Layout(table, {name: position for position, name in enumerate(names)})
        counts = self._desk.report.tables[table.label]
        counts.lane = "objects"
        # A special row may get another key: whoever refers to it must be written later.
        self._desk.flush()
        make = SpecialLoader if is_special(table.model) else TableLoader
        return make(layout, self._desk, counts, lambda row: row.item.place)

    def _counts(self, instance: Model) -> Counts:
        counts: Counts = self._desk.report.tables[table_of(type(instance)).label]
        counts.lane = "objects"
        return counts

    def _woken_by(self, instance: Model) -> list[Item]:
        if not len(self._waiting):
            return []
        keys: list[Hashable] = [*_keys_of(instance)]
        if hasattr(instance, "natural_key"):
            keys.append(Natural(instance._meta.label, tuple(instance.natural_key())))
        for key in keys:
            if isinstance(key, RowKey):
                self._known.setdefault((key.model, key.name), set()).add(key.value)
        return [item for key in keys for item in self._waiting.wake(key)]

    def _found(self, key: Hashable) -> list[Item]:
        """The items whose key is there by now, brought by the rows lane or by another load."""
        if isinstance(key, RowKey):
            is_there = self._exists(key.model, key.name, key.value)
        else:
            is_there = isinstance(key, Natural) and self._desk.references.is_there(key)
        return self._waiting.wake(key) if is_there else []

    def _only_for_each_other(self) -> list[Item]:
        items = {id(item): (key, item) for key, item in self._waiting}
        provided: dict[Hashable, int] = {
            k: i for i, (_key, item) in items.items() for k in _keys_of(item.instance)
        }
        changed = True
        while changed:
            lost = [i for i, (key, _item) in items.items() if provided.get(key) not in items]
            changed = bool(lost)
            for i in lost:
                del items[i]
        return [item for key, _ in items.values() for item in self._waiting.wake(key)]


def _generic_keys(instance: Model) -> list[Any]:
    return [field for field in instance._meta.private_fields if hasattr(field, "fk_field")]


def _value_name(field: Any) -> str:
    """The attribute that holds the key of the row that a field leads to."""
    name: str = getattr(field, "fk_field", None) or field.attname
    return name


def _foreign_keys(instance: Model) -> list[Any]:
    return [field for field in instance._meta.concrete_fields if isinstance(field, ForeignKey)]


def _keys_of(instance: Model) -> set[RowKey]:
    """The names under which others may wait for an object, also as a row of its parents."""
    models = [type(instance), *instance._meta.get_parent_list()]
    return {
        RowKey(model._meta.concrete_model or model, field.attname, getattr(instance, field.attname))
        for model in models
        for field in model._meta.local_concrete_fields
        if field.unique and _can_be_key(getattr(instance, field.attname, None))
    }


def _can_be_key(value: object) -> bool:
    # A row that was refused may hold anything.
    return value is not None and isinstance(value, Hashable)


def is_signalled(model: ModelType) -> bool:
    """Whether somebody is to hear of each dumped row of a model."""
    return configuration().signals == "raw" and has_receivers(model)


def _send(signal: Signal, instance: Model, using: str, **details: object) -> None:
    signal.send(sender=type(instance), instance=instance, raw=True, using=using, **details)


def given(table: Table, instance: Model) -> list[Column]:
    """Return the columns whose values an instance has, not the database."""
    return [
        column
        for column in table.columns
        if not isinstance(getattr(instance, column.name), DatabaseDefault)
    ]


def _linked(table: Table, row: DumpedRow) -> list[str]:
    return [link.name for link in table.links if link.name in row.links]


def field_value(column: Column, instance: Model) -> Any:
    """Return what an instance holds for a column, as a row of a dump has it."""
    value = attribute(column, instance)
    if column.is_json and hasattr(value, "as_sql"):
        return JSON_NULL
    if value is not None and has_own_decoder(column):
        return json.loads(json.dumps(value, cls=column.target.encoder))
    return value


def _call(instance: Any, loader: Any) -> None:
    hook = getattr(instance, HOOK)
    with transaction.atomic(using=loader.using):
        if _takes_loader(instance.__class__):
            hook(loader)
        else:
            hook()


@cache
def _takes_loader(model: Hashable) -> bool:
    return len(inspect.signature(getattr(model, HOOK)).parameters) > 1
