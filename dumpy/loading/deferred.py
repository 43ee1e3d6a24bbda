"""Rows that did not get in: those that wait for another row, and those that were refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import Model, QuerySet

from dumpy.dump import Natural
from dumpy.errors import SHOWN, Problem
from dumpy.loading.batches import REFUSALS, RowLike, Rows, TableLoader
from dumpy.loading.drift import instances
from dumpy.loading.dumped import DumpedTable
from dumpy.loading.integrity import lines_of
from dumpy.loading.made import MadeRows
from dumpy.loading.promises import provisional
from dumpy.loading.references import Missing, References, is_used, read_by_natural_key
from dumpy.loading.report import Report
from dumpy.loading.rivals import blank, rivals
from dumpy.loading.waiting import WaitingRoom
from dumpy.schema.tables import ModelType, Table

# Below this share of rows that get in, another pass over all of them does not pay.
_WORTHWHILE = 0.5


@dataclass(eq=False)
class Rejected:
    """A row that the database or a field has refused, and why."""

    loader: TableLoader
    row: RowLike
    error: Exception

    @property
    def may_succeed(self) -> bool:
        """Whether it may get in when other rows have changed."""
        return isinstance(self.error, DatabaseError)


class DeferredRows:
    """Keeps rows, and tries them again.

    ``dumped`` are the tables of the dump, which are read again to know what is in it; ``flush``
    writes the rows that table loaders have taken. ``made`` are the rows that others make during
    the load, None if tables had no rows before it.
    """

    def __init__(
        self,
        references: References,
        report: Report,
        dumped: Mapping[Table, list[DumpedTable]],
        flush: Callable[[], object],
        made: MadeRows | None,
    ) -> None:
        self._references = references
        self._report = report
        self._dumped = dumped
        self._flush = flush
        self._made = made
        self._waiting: WaitingRoom[tuple[TableLoader, RowLike]] = WaitingRoom()
        self._rejected: list[Rejected] = []

    def wait(self, loader: TableLoader, row: RowLike, missing: Missing) -> None:
        """Keep a row until the row it refers to by natural key is there."""
        self._waiting.wait((loader, row), missing.key)

    def reject(self, loader: TableLoader, row: RowLike, error: Exception) -> None:
        """Keep a row that the database or a field has refused."""
        self._rejected.append(Rejected(loader, row, error))

    def retry(self) -> bool:
        """Try the rows again; return whether one of them got in."""
        # A promised row may refer to nothing for a while, and be found by the key of a root.
        return (
            self._wake()
            or self._promise(self._waiting_instances())
            or self._retry_rejected(_WORTHWHILE)
            or self._promise(self._dumped_instances())
        )

    def replace(self) -> None:
        """Give rows that stand in each other's way a last chance: all of a table at once."""
        by_loader: defaultdict[int, list[Rejected]] = defaultdict(list)
        for rejected in filter(lambda one: one.may_succeed, self._rejected):
            by_loader[id(rejected.loader)].append(rejected)
        for group in by_loader.values():
            loader, rows = group[0].loader, [rejected.row for rejected in group]
            try:
                with transaction.atomic(using=self._references.using):
                    self._give_way(loader, rows)
                    loader.replace(rows)
            except REFUSALS:
                continue
            settled = set(group)
            self._rejected = [one for one in self._rejected if one not in settled]
        while self._retry_rejected(0):
            pass

    def left(self) -> Iterator[tuple[TableLoader, RowLike, Problem]]:
        """Yield the rows that are still out, each with what keeps it out."""
        for number, one in enumerate(self._rejected):
            problem = one.loader.problem(one.row, one.error)
            if number < SHOWN and isinstance(one.error, IntegrityError):
                with transaction.atomic(using=self._references.using):
                    conflict = one.loader.conflict(one.row)
                if conflict:
                    problem = replace(problem, reason=f"{problem.reason.rstrip('.')}. {conflict}")
            yield one.loader, one.row, problem
        for key, (loader, row) in self._waiting:
            if isinstance(key, Natural):
                yield loader, row, loader.problem(row, Missing(key))

    def _promise(self, rows: Iterable[Model]) -> bool:
        """Let rows that wait refer to some of ``rows``, by the keys that those will have."""
        if not len(self._waiting):
            return False
        coming = provisional(rows, self._references.resolve)
        ready = [key for key in self._waiting.missing() if key in coming]
        for natural, instance in coming.items():
            self._references.promise(natural, instance)
        for loader, row in [pair for key in ready for pair in self._waiting.wake(key)]:
            loader.add(row)
        return bool(ready)

    def _waiting_instances(self) -> Iterator[Model]:
        return (loader.layout.instance(row) for _key, (loader, row) in self._waiting)

    def _dumped_instances(self) -> Iterator[Model]:
        """All rows of the dump by which the natural keys that are waited for may be found.

        Where a row of the database has such a key until the load has changed it.
        """
        get = self._references.registry.get
        awaited = {get(key.model) for key in self._waiting.missing() if isinstance(key, Natural)}
        wanted = {one for model in awaited for one in read_by_natural_key(model)}
        for table in self._dumped:
            if table.model in wanted and hasattr(table.model, "natural_key"):
                for dumped in self._dumped[table]:
                    yield from instances(dumped, self._references.registry)

    def _wake(self) -> bool:
        """Load the rows whose references are there by now, and then those that wait for them."""
        ready = [key for key in self._waiting.missing() if self._is_there(key)]
        progress = bool(ready)
        seen: set[Hashable] = set()
        while ready:
            # A key that several rows have is waited for again: it must not wake for ever.
            seen.update(ready)
            woken = [pair for key in ready for pair in self._waiting.wake(key)]
            for loader, row in woken:
                loader.add(row)
            self._flush()
            arrived = dict.fromkeys(self._natural_keys(woken))
            ready = [key for key in arrived if key in self._waiting and key not in seen]
        return progress

    def _is_there(self, key: Hashable) -> bool:
        return isinstance(key, Natural) and self._references.is_there(key)

    def _natural_keys(self, rows: list[tuple[TableLoader, RowLike]]) -> Iterator[Hashable]:
        """The natural keys of rows that are in the database now."""
        keys: defaultdict[ModelType, list[object]] = defaultdict(list)
        for loader, row in rows:
            if hasattr(loader.model, "natural_key"):
                with suppress(Missing):
                    keys[loader.model].append(loader.stored_key(row))
        for model, some in keys.items():
            for instance in QuerySet(model, using=self._references.using).filter(pk__in=some):
                yield Natural(model._meta.label, tuple(instance.natural_key()))

    def _retry_rejected(self, share: float) -> bool:
        """Try refused rows again, each time from the other end; did more than a share get in?"""
        refused = [rejected for rejected in self._rejected if rejected.may_succeed]
        self._rejected = [rejected for rejected in self._rejected if not rejected.may_succeed]
        for rejected in reversed(refused):
            rejected.loader.write_one_by_one(rejected.loader.convert(Rows([rejected.row])))
        left = sum(rejected.may_succeed for rejected in self._rejected)
        return len(refused) - left > share * len(refused)

    def _give_way(self, loader: TableLoader, rows: list[RowLike]) -> None:
        """Remove the rows that stand in the way, that nobody uses, and that nobody has entered."""
        table, using = loader.table, self._references.using
        if table not in self._dumped:
            return
        keys = rivals(table, loader.convert(Rows(rows)), loader.layout, using)
        mine = lines_of(table, self._dumped[table], set(map(str, keys)))
        alone = self._made_by_code(table, {key for key in keys if str(key) not in mine})
        alone -= is_used(table.model, alone, using) if alone else set()
        if alone:
            QuerySet(table.model, using=using).filter(pk__in=alone)._raw_delete(using)
        for key in alone:
            self._report.ignore(f"{table.label}(pk={key!r}) has given way to a row of the dump.")

    def _made_by_code(self, table: Table, keys: set[object]) -> set[object]:
        """Those rows that receivers have made: in this load, or before it in a fresh database."""
        if self._made is None or not keys:
            return keys
        made = keys & self._made.of(table.model)
        rows: QuerySet[Model] = QuerySet(table.model, using=self._references.using)
        others = rows.count() - len(keys) - self._report.tables[table.label].total
        return made if others > 0 else made | blank(table, keys, self._references.using)
