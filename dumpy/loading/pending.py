"""The rows and objects that are not in the database yet: one queue for all of them."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import Model, QuerySet

from dumpy.errors import SHOWN
from dumpy.loading.batches import REFUSALS, PendingRow, TableLoader
from dumpy.loading.conflicts import blank, conflicts
from dumpy.loading.references import (
    LoadedKeys,
    MissingRow,
    RowKey,
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

# Below this share of rows that get in, another pass over all of them does not pay.
_WORTHWHILE = 0.5


class Pending:
    """Keeps rows and objects that wait for another row, or were refused, and tries them again.

    What waits is kept under the key of the row that it waits for, and woken when that row arrives.

    Attributes:
        unwritten: the table loaders with rows that they have not written.
        loaded_keys: the keys of the rows that were saved.
    """

    def __init__(self, loader: Loader) -> None:
        self.references = loader.references
        self.using = loader.using
        self.loaded_keys = LoadedKeys()
        self.unwritten: dict[TableLoader, None] = {}
        self._loader = loader
        self._waiting: dict[Hashable, list[PendingRow | PendingObject]] = {}
        self._refused_rows: list[PendingRow] = []
        self._refused_objects: list[PendingObject] = []

    def __len__(self) -> int:
        refused = len(self._refused_rows) + len(self._refused_objects)
        return refused + sum(map(len, self._waiting.values()))

    def add(self, item: PendingRow | PendingObject) -> None:
        """Keep a row or an object, whose ``error`` says why it is not in the database."""
        if isinstance(item.error, MissingRow):
            self._waiting.setdefault(item.error.key, []).append(item)
        elif isinstance(item, PendingRow):
            self._refused_rows.append(item)
        else:
            self._refused_objects.append(item)

    def flush(self) -> None:
        """Write the rows that table loaders have taken."""
        for loader in list(self.unwritten):
            loader.flush()

    def work(self, items: Iterable[PendingRow | PendingObject]) -> None:
        """Try rows and objects, and those that wait for them."""
        queue = deque(items)
        rows: list[PendingRow] = []
        seen: set[Hashable] = set()
        while queue or rows:
            if queue:
                item = queue.popleft()
                if isinstance(item, PendingRow):
                    item.loader.add(item.row)
                    rows.append(item)
                elif self._loader.objects.try_save(item) and self._waiting:
                    queue += self._woken_by(_names_of(item.instance))
                continue
            # Written at once, level by level. A key that several rows have is waited for again:
            # it must not wake for ever.
            self.flush()
            arrived = [key for key in self._natural_keys(rows) if key not in seen]
            seen.update(arrived)
            queue += self._woken_by(arrived)
            rows.clear()

    def retry(self) -> bool:
        """Try what may succeed by now; return whether something has changed."""
        before = self._state()
        self.work(self._woken_by([key for key in self._waiting if self._is_there(key)]))
        # Every other time from the end, so that neither direction of a chain is slow.
        objects, self._refused_objects = self._refused_objects[::-1], []
        self.work(objects)
        return self._state() != before

    def retry_at_last(self) -> bool:
        """Retry rows that need others of them; return whether one was saved."""
        waiting = [item for items in self._waiting.values() for item in items]
        # A provisional row may refer to nothing for a while, and be found by the key of a root.
        return (
            self._provide(item.instance for item in waiting if isinstance(item, PendingRow))
            or self._retry_rows(_WORTHWHILE)
            or self._provide(self._dumped_instances())
            or self._save_circles()
            or self._save_incomplete()
        )

    def replace(self) -> None:
        """Write rows that conflict with each other, all of a table at once."""
        by_loader: defaultdict[TableLoader, list[PendingRow]] = defaultdict(list)
        for item in self._changeable():
            by_loader[item.loader].append(item)
        for loader, items in by_loader.items():
            rows = [item.row for item in items]
            try:
                with transaction.atomic(using=self.using):
                    self._give_way(loader, items)
                    loader.replace(rows)
            except REFUSALS:
                continue
            settled = set(map(id, items))
            self._refused_rows = [one for one in self._refused_rows if id(one) not in settled]
        while self._retry_rows(0):
            pass

    def left(self) -> Iterator[RejectedRow]:
        """Yield the rows that are still out, each with what keeps it out."""
        coming = {
            key
            for item in [*self._refused_objects, *(one for _key, one in self._objects())]
            for key in row_keys(item.instance)
        }
        for one in self._refused_objects:
            yield from one.rejected(one.problem(self.using))
        for number, item in enumerate(self._refused_rows):
            problem = item.problem(self.using)
            if number < SHOWN and isinstance(item.error, IntegrityError):
                with transaction.atomic(using=self.using):
                    problem = item.loader.with_conflict(problem, item.row)
            yield from item.rejected(problem)
        for key, items in self._waiting.items():
            for waiting in items:
                said = waiting.problem(self.using)
                yield from waiting.rejected(replace(said, kind="waits") if key in coming else said)

    def _state(self) -> object:
        return len(self), set(self._waiting)

    def _is_there(self, key: Hashable) -> bool:
        return isinstance(key, Natural | RowKey) and self.references.is_available(key)

    def _woken_by(self, keys: Iterable[Hashable]) -> list[PendingRow | PendingObject]:
        return [item for key in keys for item in self._waiting.pop(key, ())]

    def _changeable(self) -> list[PendingRow]:
        """The refused rows that may be saved when others have changed."""
        return [row for row in self._refused_rows if isinstance(row.error, DatabaseError)]

    def _objects(self) -> Iterator[tuple[Hashable, PendingObject]]:
        for key, items in self._waiting.items():
            yield from ((key, one) for one in items if not isinstance(one, PendingRow))

    def _natural_keys(self, rows: Iterable[PendingRow]) -> Iterator[Hashable]:
        """The natural keys of rows that are in the database now."""
        keys: defaultdict[ModelType, list[object]] = defaultdict(list)
        for item in rows if self._waiting else ():
            if hasattr(item.loader.model, "natural_key"):
                with suppress(*REFUSALS, MissingRow, ValidationError):
                    keys[item.loader.model].append(item.loader.converted(item.row).key)
        for model, some in keys.items():
            for instance in QuerySet(model, using=self.using).filter(pk__in=some):
                yield from _natural_key(instance)

    def _provide(self, rows: Iterable[Model]) -> bool:
        """Let rows that wait refer to some of ``rows``, by the keys that those will have."""
        if not any(isinstance(key, Natural) for key in self._waiting):
            return False
        coming = provisional(rows, self.references.resolve)
        ready = [key for key in self._waiting if key in coming]
        for natural, instance in coming.items():
            self.references.add_provisional(natural, instance)
        self.work(self._woken_by(ready))
        return bool(ready)

    def _dumped_instances(self) -> Iterator[Model]:
        """All rows of the dump by which the natural keys that are waited for may be found.

        Where a row of the database has such a key until the load has changed it.
        """
        get = self.references.registry.get
        awaited = {get(key.model) for key in self._waiting if isinstance(key, Natural)}
        wanted = {one for model in awaited for one in natural_key_models(model)}
        for table, some in self._loader.dumped.items():
            if table.model in wanted and hasattr(table.model, "natural_key"):
                for dumped in some:
                    layout = self._loader.layout(dumped)
                    for row in dumped.rows() if layout is not None else ():
                        with suppress(Exception):
                            yield layout.instance(row)  # type: ignore[union-attr]

    def _retry_rows(self, share: float) -> bool:
        """Retry refused rows, each time in the other order; return whether enough were saved."""
        refused = self._changeable()
        tried = set(map(id, refused))
        self._refused_rows = [item for item in self._refused_rows if id(item) not in tried]
        for item in reversed(refused):
            item.loader.write_one_by_one(item.loader.convert([item.row]))
        return len(refused) - len(self._changeable()) > share * len(refused)

    def _give_way(self, loader: TableLoader, items: Sequence[PendingRow]) -> None:
        """Remove the conflicting rows that code made, and that no other row refers to."""
        table, layout = loader.table, loader.layout
        if table not in self._loader.dumped:
            return
        names = [column.name for column in layout.columns]
        rows = loader.convert([item.row for item in items])
        keys = conflicts(
            table, [dict(zip(names, row.python, strict=True)) for row in rows], self.using
        )
        keys -= {row.key for row in rows}
        dumped = places_by_key(table, self._loader.dumped[table], set(map(str, keys)))
        alone = self._made_by_code(table, {key for key in keys if str(key) not in dumped})
        alone -= referenced_keys(table.model, alone, self.using) if alone else set()
        if alone:
            QuerySet(table.model, using=self.using).filter(pk__in=alone)._raw_delete(self.using)
        for key in alone:
            self._loader.report.ignore(
                f"{table.label}(pk={key!r}) was replaced by a row of the dump."
            )

    def _made_by_code(self, table: Table, keys: set[object]) -> set[object]:
        """Return the keys of rows that code made, in this load or before it in a new database."""
        if self._loader.tables_are_empty or not keys:
            # There were no rows before the load.
            return keys
        made = keys & self._loader.side_effects.keys(table.model)
        rows: QuerySet[Model] = QuerySet(table.model, using=self.using)
        others = rows.count() - len(keys) - self._loader.report.tables[table.label].total
        return made if others > 0 else made | blank(table, keys, self.using)

    def _save_circles(self) -> bool:
        """Save the objects that wait only for each other; return whether there were any."""
        items = {id(item): (key, item) for key, item in self._objects()}
        provided: dict[Hashable, int] = {
            key: i for i, (_key, item) in items.items() for key in row_keys(item.instance)
        }
        lost = True
        while lost:
            found = [i for i, (key, _item) in items.items() if provided.get(key) not in items]
            lost = bool(found)
            for i in found:
                del items[i]
        circle = [item for _key, item in items.values()]
        for key, item in items.values():
            self._waiting[key].remove(item)
        self._waiting = {key: some for key, some in self._waiting.items() if some}
        with self._loader.objects.cycle(circle):
            self.work(circle)
        return bool(circle)

    def _save_incomplete(self) -> bool:
        """Save rows without what they wait for, where that may be absent for now.

        Rows without primary key that refer to each other by natural key need this. They
        go on waiting, to be completed. Those come first that can be found by their natural key
        meanwhile. Returns whether there were any.
        """
        objects = self._loader.objects
        items = [item for _key, item in self._objects() if objects.may_be_incomplete(item)]
        resolve = self.references.resolve
        items = [item for item in items if _has_known_key(item.instance, resolve)] or items
        for item in items:
            if objects.save_incomplete(item):
                self.flush()
                self.work(self._woken_by(_names_of(item.instance)))
        return bool(items)


def _natural_key(instance: Model) -> Iterator[Natural]:
    """Yield the natural key, if there is one and it can be computed; raises ``MissingRow``."""
    if not hasattr(instance, "natural_key"):
        return
    try:
        natural = Natural(instance._meta.label, tuple(instance.natural_key()))
        hash(natural)
    except MissingRow:
        raise
    except Exception:  # it is code of the project: nobody can wait for a key that is none
        return
    yield natural


def _has_known_key(instance: Model, resolve: Callable[[Natural, str], Any]) -> bool:
    """Whether the natural key needs no reference that is not there yet."""
    instance = copy(instance)
    if instance.pk is None:
        instance.pk = 0  # Django 6 looks for no missing field of an object without a key.
    try:
        _refer(instance, {}, resolve)
        next(_natural_key(instance), None)
    except MissingRow:
        return False
    return True


def _names_of(instance: Model) -> list[Hashable]:
    """The keys under which others may wait for an object."""
    return [*row_keys(instance), *_natural_key(instance)]


def provisional(
    instances: Iterable[Model], resolve: Callable[[Natural, str], Any]
) -> dict[Natural, Model]:
    """Return the instances by natural key, of those whose key can be known before they are written.

    An instance may refer to others of them, also in a circle, as long as not all keys do. A key is
    computed only of references that are known: by ``resolve``, or because they are in the result.
    """
    known: dict[Natural, Model] = {}
    waiting: dict[Hashable, list[Model]] = {}
    queue = deque(instances)
    while queue:
        instance = queue.popleft()
        try:
            _refer(instance, known, resolve)
            if instance.pk is None:
                continue
            natural = next(_natural_key(instance), None)
        except MissingRow as error:
            waiting.setdefault(error.key, []).append(instance)
            continue
        except Exception:  # it may depend on other rows that are not there
            continue
        if natural is not None:
            known[natural] = instance
            queue.extend(waiting.pop(natural, ()))
    return known


def _refer(
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

    def read(*, fields: Sequence[str], **_options: object) -> None:
        raise MissingRow(unknown[fields[0]])

    # What Django calls for a field that an instance does not hold.
    instance.__dict__["refresh_from_db"] = read
