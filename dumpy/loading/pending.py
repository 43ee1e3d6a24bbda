"""Keep the rows and objects that could not be saved yet, and try them again."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import Model, QuerySet

from dumpy.errors import SHOWN, Problem
from dumpy.loading.batches import REFUSALS, PendingRow, TableLoader
from dumpy.loading.conflicts import conflicts, keys_of_default_rows
from dumpy.loading.references import (
    Key,
    LoadedKeys,
    MissingRow,
    natural_key_models,
    places_by_key,
    referenced_keys,
    row_keys,
)
from dumpy.schema.instances import RejectedRow, dumped_row
from dumpy.schema.tables import ModelType, Table, table_of
from dumpy.text.words import Natural

if TYPE_CHECKING:
    from dumpy.loading.loader import Loader
    from dumpy.loading.objects import PendingObject

# If a smaller share of rows is saved, another pass over all of them is not worthwhile.
_WORTHWHILE = 0.5
_RESTORE_HINT = "To replace all rows with those of a dump: manage.py restore FILE"


class Pending:
    """The rows and objects that wait for another row, or were refused.

    They wait under the key of the other row, and are tried again when it is saved.

    Attributes:
        unwritten: the table loaders with rows that are not written yet.
        loaded_keys: the keys of the rows that were saved.
    """

    def __init__(self, loader: Loader) -> None:
        self.references = loader.references
        self.using = loader.using
        self.loaded_keys = LoadedKeys()
        self.unwritten: dict[TableLoader, None] = {}
        self._loader = loader
        self._waiting: dict[Key, list[PendingRow | PendingObject]] = {}
        self._refused_rows: list[PendingRow] = []
        self._refused_objects: list[PendingObject] = []

    def __len__(self) -> int:
        refused = len(self._refused_rows) + len(self._refused_objects)
        return refused + sum(map(len, self._waiting.values()))

    def add(self, item: PendingRow | PendingObject) -> None:
        """Add a row or an object, which waits if its ``error`` is a ``MissingRow``."""
        if isinstance(item.error, MissingRow):
            self._waiting.setdefault(item.error.key, []).append(item)
        elif isinstance(item, PendingRow):
            self._refused_rows.append(item)
        else:
            self._refused_objects.append(item)

    def flush(self) -> None:
        """Write the unwritten rows of table loaders."""
        for loader in list(self.unwritten):
            loader.flush()

    def process(self, items: Iterable[PendingRow | PendingObject]) -> None:
        """Try rows and objects, and the rows and objects that wait for them."""
        queue = deque(items)
        rows: list[PendingRow] = []
        seen: set[Key] = set()
        while queue or rows:
            if queue:
                item = queue.popleft()
                if isinstance(item, PendingRow):
                    item.loader.add(item.row)
                    rows.append(item)
                elif self._loader.objects.try_save(item) and self._waiting:
                    queue += self._pop_waiting(_keys_of(item.instance))
                continue
            # The rows are written at once, level by level. Rows whose natural key belongs to
            # several rows wait again; the same key must not wake them endlessly.
            self.flush()
            saved = [key for key in self._natural_keys(rows) if key not in seen]
            seen.update(saved)
            queue += self._pop_waiting(saved)
            rows.clear()

    def retry(self) -> bool:
        """Try rows and objects that may succeed now; return whether the queue has changed."""
        before, is_available = self._state(), self.references.is_available
        self.process(self._pop_waiting([key for key in self._waiting if is_available(key)]))
        # The order is reversed each time, so that neither direction of a chain is slow.
        objects, self._refused_objects = self._refused_objects[::-1], []
        self.process(objects)
        return self._state() != before

    def retry_cycles(self) -> bool:
        """Retry rows and objects that need each other; return whether one was saved."""
        waiting = chain.from_iterable(self._waiting.values())
        rows = (item.instance for item in waiting if isinstance(item, PendingRow))
        return (
            self._retry_with_provisional_keys(rows)
            or self._retry_rows(_WORTHWHILE)
            or self._retry_with_provisional_keys(self._dumped_instances())
            or self._save_cycles()
            or self._save_incomplete()
        )

    def write_conflicting(self) -> None:
        """Write rows that conflict with each other, all rows of a table at once."""
        items_by_loader: defaultdict[TableLoader, list[PendingRow]] = defaultdict(list)
        for item in self._refused_by_database():
            items_by_loader[item.loader].append(item)
        for loader, items in items_by_loader.items():
            rows = [item.row for item in items]
            try:
                with transaction.atomic(using=self.using):
                    self._delete_conflicting_rows(loader, items)
                    loader.write_together(rows)
            except REFUSALS:
                continue
            saved = set(items)
            self._refused_rows = [item for item in self._refused_rows if item not in saved]
        while self._retry_rows(0):
            pass

    def rejected_rows(self) -> Iterator[RejectedRow]:
        """Yield the pending rows and objects, each with its problem."""
        pending_keys = {
            key
            for item in [*self._refused_objects, *(item for _key, item in self._waiting_objects())]
            for key in row_keys(item.instance)
        }
        for item in self._refused_objects:
            yield from item.rejected(item.problem(self.using))
        problems = self._problems_of_conflicts()
        for row in self._refused_rows:
            yield from row.rejected(problems.get(row) or row.problem(self.using))
        for key, items in self._waiting.items():
            for waiting in items:
                problem = waiting.problem(self.using)
                if key in pending_keys:
                    problem = replace(problem, kind="waits")
                yield from waiting.rejected(problem)

    def _problems_of_conflicts(self) -> dict[PendingRow, Problem]:
        """Return the problems of refused rows that name the row with the same unique value."""
        others: dict[PendingRow, tuple[object, str]] = {}
        keys: defaultdict[Table, set[str]] = defaultdict(set)
        for row in self._refused_rows[:SHOWN]:
            if isinstance(row.error, IntegrityError):
                with transaction.atomic(using=self.using):
                    other = row.loader.conflicting_row(row.row)
                if other is not None:
                    others[row] = other
                    if row.loader.had_rows():
                        keys[row.loader.table].add(str(other[0]))
        dumped = self._loader.dumped
        existing = {
            table: table_keys - places_by_key(table, dumped.get(table, ()), table_keys).keys()
            for table, table_keys in keys.items()
        }
        problems = {}
        for row, (key, fields) in others.items():
            table, problem = row.loader.table, row.problem(self.using)
            reason = problem.reason.rstrip(".")
            reason = f"{reason}. {table.label}(pk={key!r}) has the same {fields}"
            if str(key) in existing.get(table, ()):
                hint = _RESTORE_HINT if self._loader.offers_restore else problem.hint
                problems[row] = replace(problem, reason=f"{reason} and already exists.", hint=hint)
            else:
                problems[row] = replace(problem, reason=f"{reason}.")
        return problems

    def _state(self) -> object:
        return len(self), set(self._waiting)

    def _pop_waiting(self, keys: Iterable[Key]) -> list[PendingRow | PendingObject]:
        return [item for key in keys for item in self._waiting.pop(key, ())]

    def _refused_by_database(self) -> list[PendingRow]:
        """Return the refused rows that may be saved after other rows have changed."""
        return [row for row in self._refused_rows if isinstance(row.error, DatabaseError)]

    def _waiting_objects(self) -> Iterator[tuple[Key, PendingObject]]:
        for key, items in self._waiting.items():
            yield from ((key, item) for item in items if not isinstance(item, PendingRow))

    def _natural_keys(self, rows: Iterable[PendingRow]) -> Iterator[Natural]:
        """Yield the natural keys of the rows that were saved."""
        keys: defaultdict[ModelType, list[object]] = defaultdict(list)
        for item in rows if self._waiting else ():
            if hasattr(item.loader.model, "natural_key"):
                with suppress(*REFUSALS, MissingRow, ValidationError):
                    keys[item.loader.model].append(item.loader.convert_row(item.row).key)
        for model, model_keys in keys.items():
            for instance in QuerySet(model, using=self.using).filter(pk__in=model_keys):
                yield from _natural_key(instance)

    def _retry_with_provisional_keys(self, instances: Iterable[Model]) -> bool:
        """Retry rows and objects that wait for instances, whose rows are not saved yet."""
        if not any(isinstance(key, Natural) for key in self._waiting):
            return False
        provisional = _provisional_keys(instances, self.references.resolve)
        ready = [key for key in self._waiting if key in provisional]
        for natural, instance in provisional.items():
            self.references.add_provisional(natural, instance)
        self.process(self._pop_waiting(ready))
        return bool(ready)

    def _dumped_instances(self) -> Iterator[Model]:
        """Yield instances of the rows of the dump that the missing natural keys may depend on.

        They are needed if a row of the database has such a key until the load changes that row.
        """
        get = self.references.registry.get
        missing = {get(key.model) for key in self._waiting if isinstance(key, Natural)}
        models = {parent for model in missing for parent in natural_key_models(model)}
        for table, layouts in self._loader.dumped.items():
            if table.model in models and hasattr(table.model, "natural_key"):
                for dumped, layout in layouts.items():
                    for row in dumped.rows():
                        with suppress(Exception):
                            yield layout.instance(row)

    def _retry_rows(self, share: float) -> bool:
        """Retry refused rows in reverse order; return whether more than ``share`` were saved."""
        refused = self._refused_by_database()
        tried = set(refused)
        self._refused_rows = [item for item in self._refused_rows if item not in tried]
        for item in reversed(refused):
            item.loader.write_one_by_one(item.loader.convert_rows([item.row]))
        return len(refused) - len(self._refused_by_database()) > share * len(refused)

    def _delete_conflicting_rows(self, loader: TableLoader, items: Sequence[PendingRow]) -> None:
        """Delete conflicting rows that code created, and that no other row refers to."""
        table, layout = loader.table, loader.layout
        if table not in self._loader.dumped:
            return
        names = [column.name for column in layout.columns]
        rows = loader.convert_rows([item.row for item in items])
        values = [dict(zip(names, row.python, strict=True)) for row in rows]
        keys = conflicts(table, values, self.using) - {row.key for row in rows}
        dumped = places_by_key(table, self._loader.dumped[table], set(map(str, keys)))
        keys = self._created_by_code(table, {key for key in keys if str(key) not in dumped})
        keys -= referenced_keys(table.model, keys, self.using) if keys else set()
        if keys:
            QuerySet(table.model, using=self.using).filter(pk__in=keys)._raw_delete(self.using)
        for key in keys:
            sentence = f"{table.label}(pk={key!r}) was replaced by a row of the dump."
            self._loader.report.ignore(sentence)

    def _created_by_code(self, table: Table, keys: set[object]) -> set[object]:
        """Return the keys of rows that code created, in this load or in a new database."""
        if self._loader.tables_are_empty or not keys:
            return keys
        created = keys & self._loader.side_effects.keys(table.model)
        rows: QuerySet[Model] = QuerySet(table.model, using=self.using)
        others = rows.count() - len(keys) - self._loader.report.tables[table.label].total
        return created if others > 0 else created | keys_of_default_rows(table, keys, self.using)

    def _save_cycles(self) -> bool:
        """Save the objects that wait only for each other; return whether there were any."""
        cycle = {item: key for key, item in self._waiting_objects()}
        items: dict[Key, PendingObject] = {
            key: item for item in cycle for key in row_keys(item.instance)
        }
        while outside := [item for item, key in cycle.items() if items.get(key) not in cycle]:
            for item in outside:
                del cycle[item]
        for item, key in cycle.items():
            self._waiting[key].remove(item)
        self._waiting = {key: waiting for key, waiting in self._waiting.items() if waiting}
        with self._loader.objects.cycle(cycle):
            self.process(cycle)
        return bool(cycle)

    def _save_incomplete(self) -> bool:
        """Save rows without the references that they wait for; return whether there were any.

        Rows without primary keys that refer to each other by natural key need this. They wait on,
        to be completed. Their natural key must not depend on these references: without them, it
        would be that of another row.
        """
        objects, resolve = self._loader.objects, self.references.resolve
        items = [
            item
            for _key, item in self._waiting_objects()
            if objects.may_be_incomplete(item) and _has_resolvable_key(item.instance, resolve)
        ]
        for item in items:
            if objects.save_incomplete(item):
                self.flush()
                self.process(self._pop_waiting(_keys_of(item.instance)))
        return bool(items)


def _natural_key(instance: Model) -> Iterator[Natural]:
    """Yield the natural key of an instance if it has one; raises ``MissingRow``."""
    if not hasattr(instance, "natural_key"):
        return
    try:
        natural = Natural(instance._meta.label, tuple(instance.natural_key()))
        hash(natural)
    except MissingRow:
        raise
    except Exception:  # the method of a project may raise anything, or return an unhashable key
        return
    yield natural


def _has_resolvable_key(instance: Model, resolve: Callable[[Natural, str], Any]) -> bool:
    """Whether the natural key of an instance depends on no missing row."""
    instance = copy(instance)
    if instance.pk is None:
        instance.pk = 0  # Django 6 does not refresh a missing field of an object without a key.
    try:
        _set_references(instance, {}, resolve)
        next(_natural_key(instance), None)
    except MissingRow:
        return False
    return True


def _keys_of(instance: Model) -> list[Key]:
    """Return the keys under which others may wait for an object."""
    return [*row_keys(instance), *_natural_key(instance)]


def _provisional_keys(
    instances: Iterable[Model], resolve: Callable[[Natural, str], Any]
) -> dict[Natural, Model]:
    """Return the instances whose natural key is known before they are saved, by natural key.

    A key is known if all references that it depends on are: ``resolve`` or this function returns
    them. So instances may refer to each other in a cycle, but their keys must not.
    """
    known: dict[Natural, Model] = {}
    waiting: dict[Key, list[Model]] = {}
    queue = deque(instances)
    while queue:
        instance = queue.popleft()
        try:
            _set_references(instance, known, resolve)
            if instance.pk is None:
                continue
            natural = next(_natural_key(instance), None)
        except MissingRow as error:
            waiting.setdefault(error.key, []).append(instance)
            continue
        except Exception:  # a natural key may depend on other missing rows
            continue
        if natural is not None:
            known[natural] = instance
            queue.extend(waiting.pop(natural, ()))
    return known


def _set_references(
    instance: Model, known: dict[Natural, Model], resolve: Callable[[Natural, str], Any]
) -> None:
    """Set the known foreign keys of an instance; reading the others raises ``MissingRow``.

    As None, they would make the natural key that of another row.
    """
    row = dumped_row(instance)
    unknown: dict[str, Natural] = {}
    table = table_of(type(instance))
    for name, natural in row.references.items() if row else ():
        column = table.column(name)
        if natural in known:
            setattr(instance, column.field.name, known[natural])
            continue
        try:
            setattr(instance, column.name, resolve(natural, column.parent_field.attname))
        except MissingRow:
            if column.name in table.key:
                raise
            instance.__dict__.pop(column.name, None)
            unknown[column.name] = natural

    def refresh_from_db(*, fields: Sequence[str], **_kwargs: object) -> None:
        raise MissingRow(unknown[fields[0]])

    # Django calls it for a field that an instance does not have.
    instance.__dict__["refresh_from_db"] = refresh_from_db
