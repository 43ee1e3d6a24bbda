"""Everything of one load: its lanes, its queue, and what remains at the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, DatabaseError, transaction
from django.db.models import Model, QuerySet

from dumpy.dump import Natural, new
from dumpy.errors import FixtureError, FixtureErrors, LoadError, Place, Problem
from dumpy.loading.batches import ConstantLike, Layout, RowLike, TableLoader
from dumpy.loading.drift import no_field, no_model, no_value
from dumpy.loading.dumped import DumpedTable
from dumpy.loading.objects import HOOK, ObjectLoader, is_signalled
from dumpy.loading.promises import promised
from dumpy.loading.references import Dangling, Missing, References, dangling, is_used
from dumpy.loading.report import Report
from dumpy.loading.rivals import rivals
from dumpy.loading.special import SpecialLoader, is_special
from dumpy.loading.waiting import WaitingRoom
from dumpy.schema.tables import Column, ModelType, Table, table_of


class Destination(Protocol):
    """Where the rows of one table go: one of the two lanes."""

    @property
    def model(self) -> ModelType: ...
    def add(self, row: Any) -> None: ...
    def flush(self) -> None: ...


@dataclass(frozen=True)
class KnownTable:
    """What the rows of a table mean here: the model, and its fields that the rows have."""

    model: ModelType
    fields: dict[str, int | ConstantLike]


@dataclass(eq=False)
class Rejected:
    """A row that the database has refused, and why."""

    loader: TableLoader
    row: RowLike
    error: Exception


class Loader:
    """Loads rows and objects into one database.

    ``using`` is the alias of the database, ``report`` says what was done. Call ``finish()`` when
    everything is in: it raises ``LoadError`` with all that could not be loaded. Transactions are
    the caller's.
    """

    def __init__(self, using: str = DEFAULT_DB_ALIAS, *, ignore_nonexistent: bool = False) -> None:
        self.using = using
        self.ignore_nonexistent = ignore_nonexistent
        self.references = References(using)
        self.report = Report()
        self.objects = ObjectLoader(self)
        self._loaders: dict[Hashable, TableLoader] = {}
        self._dumped: defaultdict[Table, list[DumpedTable]] = defaultdict(list)
        self._waiting: WaitingRoom[tuple[TableLoader, RowLike]] = WaitingRoom()
        self._rejected: list[Rejected] = []
        self._is_finished = False
        self._is_claimed = False
        self._resources = ExitStack()

    def destination(self, dumped: DumpedTable) -> Destination | None:
        """Return the lane for a table of a dump, or None if it is left out.

        Raises ``FixtureError`` for a model or a field that does not exist.
        """
        self.flush()
        known = self.known(dumped)
        if known is None:
            return None
        table, fields = table_of(known.model), known.fields
        self._dumped[table].append(dumped)
        counts = self.report.tables[table.label]
        if self._is_object(table, fields):
            counts.lane = "objects"
            return ObjectLane(self, table, fields, dumped)
        layout = Layout(table, fields)
        counts.lane = "rows"
        make = SpecialLoader if is_special(table.model) else TableLoader
        loader = make(layout, self, counts, lambda row: dumped.place(row.line))
        self._loaders[id(dumped)] = loader
        return loader

    def check(self, tables: Sequence[DumpedTable]) -> None:
        """Raise ``FixtureError``, or ``FixtureErrors`` for several, if tables do not fit models."""
        misfits = [error for dumped in tables for error in self._misfits(dumped)]
        errors = sorted(misfits, key=lambda error: error.place.line or 0)
        if len(errors) > 1:
            raise FixtureErrors(errors)
        for error in errors:
            raise error

    def known(self, dumped: DumpedTable) -> KnownTable | None:
        """Return what the rows of a table mean here, or None for a model that is left out."""
        model = self._model(dumped)
        return None if model is None else KnownTable(model, self._fields(table_of(model), dumped))

    def keep(self, resource: Any) -> None:
        """Keep a resource open until the load is over."""
        self._resources.callback(resource.close)

    def close(self) -> None:
        """Close what was kept open."""
        self._resources.close()

    def claim(self) -> bool:
        """Return True once: for the one who will call ``finish()``."""
        claimed, self._is_claimed = self._is_claimed, True
        return not claimed

    def save(self, instance: Model, place: Place | None = None) -> bool:
        """Save an object, or defer it; return whether it is saved."""
        return self.objects.add(instance, place)

    def rows_of(self, key: Hashable, make: Callable[[], TableLoader]) -> TableLoader:
        """Return the table loader kept under a key, made when it is first asked for."""
        if key not in self._loaders:
            self._loaders[key] = make()
        return self._loaders[key]

    def wait(self, loader: TableLoader, row: RowLike, missing: Missing) -> None:
        """Keep a row until the row it refers to by natural key is there."""
        self._waiting.wait((loader, row), missing.key)

    def reject(self, loader: TableLoader, row: RowLike, error: Exception) -> None:
        """Keep a row that the database or a field has refused."""
        self._rejected.append(Rejected(loader, row, error))

    def flush(self) -> None:
        """Write all rows taken so far."""
        for loader in list(self._loaders.values()):
            loader.flush()

    def flush_deferred_objects(self) -> None:
        """Try the deferred objects again, as long as some of them can be saved."""
        self.flush()
        while self.objects.retry():
            self.flush()

    def finish(self) -> None:
        """Load what was deferred, and check all references; raises ``LoadError``."""
        if not self._is_finished:
            self._is_finished = True
            with self._resources:
                self._finish()

    def _finish(self) -> None:
        self.flush_deferred_objects()
        while self._wake_rows() or self._retry_rejected() or self._promise_rows():
            self.flush_deferred_objects()
        while self.objects.save_circles() or self.objects.save_incomplete():
            self.flush_deferred_objects()
        self._replace_rejected()
        problems = [*self._row_problems(), *self.objects.problems()]
        problems += self._dangling_problems()
        if problems:
            raise LoadError(sorted(problems, key=_position))

    def _model(self, dumped: DumpedTable) -> ModelType | None:
        try:
            return apps.get_model(dumped.label)
        except (LookupError, ValueError):
            return None

    def _misfits(self, dumped: DumpedTable) -> Iterator[FixtureError]:
        """What does not fit, unless it is to be ignored, which then is said."""
        if dumped.drops:
            return
        model = self._model(dumped)
        if model is None:
            yield from self._unless_ignored(no_model(dumped), "its rows are left out.")
            return
        table = table_of(model)
        for name in dumped.fields.keys() - _names(table).keys():
            yield from self._unless_ignored(no_field(table, name, dumped), "it is left out.")
        if set(table.key) <= {_names(table).get(name) for name in dumped.fields}:
            yield from no_value(Layout(table, self._fields(table, dumped)), dumped)

    def _unless_ignored(self, error: FixtureError, consequence: str) -> Iterator[FixtureError]:
        if self.ignore_nonexistent:
            self.report.ignore(f"{error.place}: {error.reason} {consequence.capitalize()}")
        else:
            yield error

    def _fields(self, table: Table, dumped: DumpedTable) -> dict[str, int | ConstantLike]:
        names = _names(table)
        return {names[name]: where for name, where in dumped.fields.items() if name in names}

    def _is_object(self, table: Table, fields: Mapping[str, object]) -> bool:
        if hasattr(table.model, HOOK) or not set(table.key) <= set(fields):
            return True
        return is_signalled(table.model)

    def _wake_rows(self) -> bool:
        """Load the rows whose references are there by now, and then those that wait for them."""
        ready: list[Hashable] = [
            key
            for key in self._waiting.missing()
            if isinstance(key, Natural) and self.references.is_there(key)
        ]
        progress = bool(ready)
        while ready:
            woken = [pair for key in ready for pair in self._waiting.wake(key)]
            for loader, row in woken:
                loader.add(row)
            self.flush()
            ready = [key for key in self._natural_keys(woken) if key in self._waiting]
        return progress

    def _promise_rows(self) -> bool:
        """Let rows that wait for each other refer to each other, by the keys that they have."""
        coming = promised([loader.layout.instance(row) for _key, (loader, row) in self._waiting])
        ready = [key for key in self._waiting.missing() if key in coming]
        for natural, instance in coming.items():
            self.references.promise(natural, instance)
        for loader, row in [pair for key in ready for pair in self._waiting.wake(key)]:
            loader.add(row)
        return bool(ready)

    def _natural_keys(self, rows: list[tuple[TableLoader, RowLike]]) -> Iterator[Hashable]:
        """The natural keys of rows that are in the database now."""
        keys: defaultdict[ModelType, list[object]] = defaultdict(list)
        for loader, row in rows:
            keys[loader.table.model].append(loader.layout.values(loader.table.key[0], [row])[0])
        for model, some in keys.items():
            if hasattr(model, "natural_key"):
                for instance in QuerySet(model, using=self.using).filter(pk__in=some):
                    yield Natural(model._meta.label, tuple(instance.natural_key()))

    def _retry_rejected(self) -> bool:
        """Try refused rows again, each time from the other end; return whether one got in."""
        refused = [r for r in self._rejected if isinstance(r.error, DatabaseError)]
        self._rejected = [r for r in self._rejected if not isinstance(r.error, DatabaseError)]
        before = len(refused)
        for rejected in reversed(refused):
            rejected.loader.write_one_by_one(rejected.loader.convert([rejected.row]))
        return len([r for r in self._rejected if isinstance(r.error, DatabaseError)]) < before

    def _replace_rejected(self) -> None:
        """Give rows that stand in each other's way a last chance: all of a table at once."""
        by_loader: defaultdict[int, list[Rejected]] = defaultdict(list)
        for rejected in self._rejected:
            if isinstance(rejected.error, DatabaseError):
                by_loader[id(rejected.loader)].append(rejected)
        for group in by_loader.values():
            loader, rows = group[0].loader, [rejected.row for rejected in group]
            try:
                with transaction.atomic(using=self.using):
                    self._give_way(loader, rows)
                    loader.replace(rows)
            except (DatabaseError, ValueError):
                continue
            self._rejected = [r for r in self._rejected if r not in group]

    def _give_way(self, loader: TableLoader, rows: list[RowLike]) -> None:
        """Remove the rows that stand in the way, that the dump has not, and that nobody uses.

        So are rows that a receiver has made for another one in a fresh database.
        """
        table = loader.table
        if table not in self._dumped:
            return
        keys = rivals(table, loader.convert(rows), loader.layout, self.using)
        mine = self._lines(table, self._dumped[table], set(map(str, keys)))
        alone = {key for key in keys if str(key) not in mine}
        alone -= is_used(table.model, alone, self.using) if alone else set()
        if alone:
            QuerySet(table.model, using=self.using).filter(pk__in=alone)._raw_delete(self.using)
            for key in alone:
                self.report.ignore(f"{table.label}(pk={key!r}) has given way to a row of the dump.")

    def _row_problems(self) -> Iterator[Problem]:
        for rejected in self._rejected:
            yield rejected.loader.problem(rejected.row, rejected.error)
        for key, (loader, row) in self._waiting:
            if isinstance(key, Natural):
                yield loader.problem(row, Missing(key))

    def _dangling_problems(self) -> Iterator[Problem]:
        for table, dumped in self._dumped.items():
            found = list(dangling(table, self.using))
            lines = self._lines(table, dumped, {str(one.pk) for one in found}) if found else {}
            for one in found:
                yield Problem(table.label, one.pk, lines.get(str(one.pk)), str(one))
            yield from self._dangling_links(table, dumped)

    def _dangling_links(self, table: Table, dumped: list[DumpedTable]) -> Iterator[Problem]:
        for link in table.links:
            found = [
                (self._source_of(link.through, link.source, one), one)
                for one in dangling(table_of(link.through), self.using)
            ]
            lines = self._lines(table, dumped, {str(pk) for pk, _one in found}) if found else {}
            for pk, one in found:
                reason = f"{link.name}: {one}"
                yield Problem(table.label, pk, lines.get(str(pk)), reason)

    def _source_of(self, through: ModelType, source: Column, one: Dangling) -> object:
        rows = QuerySet(through, using=self.using).filter(pk=one.pk)
        return rows.values_list(source.name, flat=True).get()

    def _lines(self, table: Table, dumped: list[DumpedTable], wanted: set[str]) -> dict[str, Place]:
        """Find rows in the dump by primary key; only errors pay for it."""
        found = {}
        for one in dumped:
            position = one.fields.get(table.key[0])
            if isinstance(position, int):
                for row in one.rows():
                    if str(row.values[position]) in wanted:
                        found[str(row.values[position])] = one.place(row.line)
        return found


_shared: ContextVar[Loader | None] = ContextVar("dumpy_loader", default=None)


@contextmanager
def sharing(loader: Loader) -> Iterator[None]:
    """Load all fixtures that are read in the block with one loader."""
    token = _shared.set(loader)
    try:
        yield
    finally:
        _shared.reset(token)
        loader.close()


def shared_loader(using: str) -> Loader | None:
    """Return the loader of the block, if there is one for this database."""
    loader = _shared.get()
    return loader if loader is not None and loader.using == using else None


class ObjectLane:
    """Makes an instance of each row of a table, for models with hooks or receivers."""

    def __init__(
        self,
        loader: Loader,
        table: Table,
        fields: Mapping[str, int | ConstantLike],
        dumped: DumpedTable,
    ) -> None:
        self.model = table.model
        self._loader = loader
        self._fields = fields
        self._dumped = dumped

    def add(self, row: Any) -> None:
        """Take a row."""
        place = self._dumped.place(row.line)
        values = {
            name: row.values[where] if isinstance(where, int) else where.value
            for name, where in self._fields.items()
        }
        try:
            instance = new(self.model, **values)
        except Exception as error:
            raise FixtureError(place, f"{type(error).__name__}: {error}") from error
        self._loader.save(instance, place)

    def flush(self) -> None:
        """Write the rows taken so far."""
        self._loader.flush()


def _position(problem: Problem) -> tuple[bool, str, int]:
    """Causes first, then those that wait for them; each in the order of the files."""
    place = problem.place or Place("")
    return problem.waits, place.file, place.line or 0


def _names(table: Table) -> dict[str, str]:
    """The names that a row may give its values: of fields, or attribute names."""
    names = {column.field.name: column.name for column in table.columns}
    names |= {column.name: column.name for column in table.columns}
    return names | {link.name: link.name for link in table.links}
