"""Everything of one load: its lanes, its queue, and what remains at the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Container, Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import cached_property
from itertools import count
from typing import Any

from django.db import DEFAULT_DB_ALIAS, IntegrityError, connections, router, transaction
from django.db.models import Model, QuerySet

from dumpy.dump import Natural
from dumpy.errors import FixtureError, FixtureErrors, LoadError, Place, Problem
from dumpy.loading.batches import Layout, RowLike, TableLoader, named_values
from dumpy.loading.deferred import DeferredRows
from dumpy.loading.drift import (
    KnownTable,
    absent,
    gaps,
    known_table,
    lost_keys,
    misfits,
    no_table,
    unknowns,
)
from dumpy.loading.dumped import DumpedTable
from dumpy.loading.integrity import consequences, dangling_problems, repeated
from dumpy.loading.lanes import Destination, ObjectLane, Skipped, wants_instances
from dumpy.loading.made import MadeRows
from dumpy.loading.objects import ObjectLoader
from dumpy.loading.origins import Origins
from dumpy.loading.references import Missing, References
from dumpy.loading.registry import TODAY, Registry
from dumpy.loading.rejects import (
    RejectedRow,
    Rejects,
    position,
    rows_of_instance,
)
from dumpy.loading.report import Report
from dumpy.loading.routing import led_to
from dumpy.loading.settling import Settling, at_risk
from dumpy.loading.special import SpecialLoader, forget_content_types, is_special
from dumpy.loading.validation import ValidatedLane, Validation, is_changed, validate
from dumpy.schema.tables import ModelType, Table, table_of

# As many levels of natural keys may lean on each other where they have moved between rows.
_PASSES = 100


class Loader:
    """Loads rows and objects into one database.

    ``using`` is the alias of the database, ``report`` says what was done. Call ``finish()`` when
    everything is in: it raises ``LoadError`` with all that could not be loaded. It calls the
    functions in ``at_last``, which load what comes last, and then those in ``after_load``. With
    ``rejects``, which make the attempts, the rows that cannot be loaded are kept out instead.
    ``validation`` says which dumped rows are validated. Where rows ``come_once``, one with the key
    of another is refused, but for what handlers save; they are loaded into tables without rows.
    References of dumped rows are checked; with ``checks_objects``, those of all rows in the tables
    of objects as well. Rows of ``excluded`` models, and with ``asks_router`` of those that the
    router does not allow in the database, are left out.
    Transactions are the caller's.
    """

    def __init__(
        self,
        using: str = DEFAULT_DB_ALIAS,
        *,
        ignore_nonexistent: bool = False,
        registry: Registry = TODAY,
        rejects: Rejects | None = None,
        validation: Validation = Validation.CHANGED,
        come_once: bool = False,
        checks_objects: bool = False,
        excluded: Container[ModelType] = (),
        asks_router: bool = False,
    ) -> None:
        self.using = using
        self.ignore_nonexistent = ignore_nonexistent
        self.rejects = rejects
        self.validation = validation
        self.registry = registry
        self.references = References(using, registry)
        self.report = Report()
        self.origins = Origins() if come_once else None
        self._checks_objects = checks_objects
        self.excluded = excluded
        self.asks_router = asks_router
        self.objects = ObjectLoader(self)
        self._loaders: dict[Hashable, TableLoader] = {}
        self._dumped: defaultdict[Table, list[DumpedTable]] = defaultdict(list)
        self.made = MadeRows(using)
        self._deferred = DeferredRows(
            self.references, self.report, self._dumped, self.flush, None if come_once else self.made
        )
        self.at_last: list[Callable[[Loader], object]] = []
        self.after_load: list[Callable[[Loader], object]] = []
        self._was_empty: dict[Table, bool] = {}
        self._saved: set[Table] = set()
        self._settling = Settling(self.references)
        self._postponed: list[tuple[DumpedTable, Table, KnownTable]] = []
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
            model = self.registry.find(dumped.label)
            return None if model is None else Skipped(model)
        table = table_of(known.model)
        self._dumped[table].append(dumped)
        self._note(table)
        if self._is_uncertain(dumped, table, known):
            self._postponed.append((dumped, table, known))
            return Skipped(table.model)
        return self._sieved_lane(dumped, table, known)

    def _sieved_lane(self, dumped: DumpedTable, table: Table, known: KnownTable) -> Destination:
        lane = self._lane(dumped, table, known)
        if self.rejects is None:
            return lane
        return self.rejects.sieved(lane, dumped, table, known.fields)

    def _is_uncertain(self, dumped: DumpedTable, table: Table, known: KnownTable) -> bool:
        """Whether the primary keys of rows are natural keys that may lead elsewhere in the end.

        Other references can be put right when all rows are in, these could not.
        """
        for name in table.key:
            model, where = table.column(name).references, known.fields.get(name)
            if model is None or not isinstance(where, int) or not self.references.may_change(model):
                continue
            row = next(dumped.rows(), None)
            if row is not None and isinstance(row.values[where], Natural):
                return True
        return False

    def _lane(self, dumped: DumpedTable, table: Table, known: KnownTable) -> Destination:
        counts = self.report.tables[table.label]
        changed = is_changed(table, known.fields, dumped)
        if wants_instances(table, known.fields):
            counts.lane = "objects"
            return ObjectLane(self, table, known.fields, dumped, is_changed=changed)
        layout = Layout(table, known.fields)
        counts.lane = "rows"
        make = SpecialLoader if is_special(table.model) else TableLoader
        loader = make(layout, self, counts, lambda row: dumped.place(row.line))
        self._loaders[id(dumped)] = loader
        if self.origins is not None:
            self.origins.add(table, dumped)
        if not self._is_validated(table.model, changed):
            return loader
        return ValidatedLane(
            loader, self, layout, dumped, is_strict=self._is_strict, using=self.using
        )

    def _note(self, table: Table) -> None:
        """Keep in mind which tables rows were loaded into, and whether there were any before."""
        if self.rejects is not None and table not in self._was_empty:
            self._was_empty[table] = not QuerySet(table.model, using=self.using).exists()

    @property
    def _is_strict(self) -> bool:
        return self.validation is Validation.ALWAYS

    def _is_validated(self, model: ModelType, changed: bool) -> bool:
        is_wanted = self._is_strict or (changed and self.validation is Validation.CHANGED)
        return is_wanted and not is_special(model)

    def validate(self, instance: Model, names: Collection[str], *, is_changed: bool) -> None:
        """Raise ``Invalid`` if a dumped object is to be validated, and is not valid."""
        if self._is_validated(type(instance), is_changed):
            validate(instance, names, is_strict=self._is_strict, using=self.using)

    def check(
        self,
        tables: Sequence[DumpedTable],
        *,
        is_built: bool = True,
        has_all_fields: bool = True,
    ) -> None:
        """Raise ``FixtureError``, or ``FixtureErrors`` for several, if tables do not fit models.

        ``is_built`` says that the tables of the models must be there already, ``has_all_fields``
        that rows must have a value for each field that needs one.
        """
        left_out = {id(one) for one in tables if self._is_left_out(one)}
        tables = [one for one in tables if id(one) not in left_out]
        errors = [
            error for dumped in tables for error in self._misfits(dumped, is_built, has_all_fields)
        ]
        errors += lost_keys(tables, self.registry)
        errors.sort(key=lambda error: error.place.line or 0)
        if len(errors) > 1:
            raise FixtureErrors(errors)
        for error in errors:
            raise error
        for dumped in tables:
            known = None if dumped.drops else self.known(dumped)
            if known is not None:
                self.references.expect(known.model)
            self._say_unknowns(dumped)

    def _is_left_out(self, dumped: DumpedTable) -> bool:
        """Whether rows are not loaded, so that it does not matter whether they fit."""
        model = None if dumped.drops else self.registry.find(dumped.label)
        return model is not None and not self._is_wanted(model)

    @cached_property
    def _table_names(self) -> tuple[str, set[str]]:
        connection = connections[self.using]
        with connection.cursor() as cursor:
            names = connection.introspection.table_names(cursor, include_views=True)
        return self.using, set(names)

    def require_table(self, model: ModelType, place: Place | None) -> None:
        """Raise ``FixtureError`` if the table of a model does not exist."""
        error = no_table(model, place or Place("<objects>"), self._table_names)
        if error is not None:
            raise error

    def _misfits(
        self, dumped: DumpedTable, is_built: bool, has_all_fields: bool
    ) -> Iterator[FixtureError]:
        if not self.ignore_nonexistent:
            # To restore is to lose nothing: only who adds rows to a database may ask for that.
            find = misfits if has_all_fields else unknowns
            yield from find(dumped, self.registry, may_be_ignored=is_built)
        elif has_all_fields:
            yield from gaps(dumped, self.registry)
        if is_built:
            yield from absent(dumped, self._table_names)

    def _say_unknowns(self, dumped: DumpedTable) -> None:
        left_out = "Its rows are left out." if self.known(dumped) is None else "It is left out."
        for error in unknowns(dumped, self.registry):
            self.report.ignore(f"{error.place}: {error.reason} {left_out}")

    def known(self, dumped: DumpedTable) -> KnownTable | None:
        """Return what the rows of a table mean here, or None for a model that is left out."""
        known = known_table(dumped, self.registry)
        return known if known is not None and self._is_wanted(known.model) else None

    @cached_property
    def _wanted(self) -> dict[ModelType, bool]:
        return {}

    def wants(self, model: ModelType) -> bool:
        """Return whether rows of a model are loaded: it is not excluded, and the router allows it.

        The router is asked once for each model.
        """
        if model not in self._wanted:
            is_allowed = not self.asks_router or router.allow_migrate_model(self.using, model)
            self._wanted[model] = is_allowed and model not in self.excluded
        return self._wanted[model]

    def _is_wanted(self, model: ModelType) -> bool:
        """Whether rows of a model are loaded; says so, once, where the router forbids it."""
        if not self.wants(model) and model not in self.excluded:
            label = model._meta.label
            where = f"the router does not allow it in the database {self.using!r}."
            self.report.ignore(f"{label} is left out: {where}")
        return self.wants(model)

    def keep(self, resource: Any) -> None:
        """Keep a resource open until the load is over."""
        self._resources.callback(resource.close)

    def close(self) -> None:
        """Close what was kept open."""
        self._resources.close()

    def kept(self) -> dict[str, int]:
        """Return how many rows of the loaded tables were there before, and are not in the load."""
        found = {}
        for table in self._dumped:
            if self.references.had_rows(table.model) and not is_special(table.model):
                rows: QuerySet[Model] = QuerySet(table.model, using=self.using)
                found[table.label] = rows.count() - self.report.tables[table.label].total
        return {label: number for label, number in found.items() if number > 0}

    def claim(self) -> bool:
        """Return True once: for the one who will call ``finish()``."""
        claimed, self._is_claimed = self._is_claimed, True
        return not claimed

    def save(
        self, instance: Model, place: Place | None = None, *, is_changed: bool = False
    ) -> bool:
        """Save an object, or defer it; return whether it is saved.

        ``is_changed`` says that it is a row of a dump whose model has changed since.
        """
        if not self._is_wanted(type(instance)):
            return False
        table = table_of(type(instance))
        self._saved.add(table)
        if self.rejects is not None:
            self._note(table)
            if self.rejects.keeps_out(instance, place):
                return False
        with led_to(self.using):
            return self.objects.add(instance, place, is_changed=is_changed)

    def rows_of(self, key: Hashable, make: Callable[[], TableLoader]) -> TableLoader:
        """Return the table loader kept under a key, made when it is first asked for."""
        if key not in self._loaders:
            self._loaders[key] = make()
        return self._loaders[key]

    def wait(self, loader: TableLoader, row: RowLike, missing: Missing) -> None:
        """Keep a row until the row it refers to by natural key is there."""
        self._deferred.wait(loader, row, missing)

    def reject(self, loader: TableLoader, row: RowLike, error: Exception) -> None:
        """Keep a row that the database or a field has refused."""
        self._deferred.reject(loader, row, error)

    def flush(self) -> None:
        """Write all rows taken so far."""
        if self.objects.hook is not None:
            self.objects.hook.flush()
            return
        for loader in list(self._loaders.values()):
            loader.flush()

    def flush_deferred_objects(self) -> None:
        """Try the deferred objects again, as long as some of them can be saved."""
        self.flush()
        while self.objects.hook is None and self.objects.retry():
            self.flush()

    def finish(self) -> None:
        """Load what was deferred, and check all references; raises ``LoadError``."""
        if not self._is_finished:
            self._is_finished = True
            with self._resources, led_to(self.using):
                try:
                    self._finish()
                finally:
                    forget_content_types()

    def _load_deferred(self) -> None:
        self._load_waiting()
        self._settle_all()
        while self._postponed:
            dumped, table, known = self._postponed.pop(0)
            lane = self._sieved_lane(dumped, table, known)
            for block in dumped.blocks():
                lane.add_block(block)
            self._load_waiting()
            self._settle_all()

    def _settle_all(self) -> None:
        passes = count(1)
        while stale := self._stale():
            self._settle(stale)
            if next(passes) > _PASSES:
                raise LoadError(list(self._unsettled(stale)))

    def _load_waiting(self) -> None:
        self.flush_deferred_objects()
        while (
            self._deferred.retry() or self.objects.save_circles() or self.objects.save_incomplete()
        ):
            self.flush_deferred_objects()
        self._deferred.replace()

    def _stale(self) -> set[ModelType]:
        """The models of which natural keys may lead to other rows than they did, if it matters."""
        is_lost = self.rejects is None and not self._postponed and any(self._left())
        return set() if is_lost else self.references.settle()

    def _settle(self, stale: set[ModelType]) -> None:
        """Resolve references by natural key again that may lead to other rows now."""
        settling = Settling(self.references)
        for table, some in self._dumped.items():
            # All rows of a table again, so that the last of several with one key remains.
            names = {name for one in some for name in self._natural_names(one)}
            if names := at_risk(table, names, stale):
                for one in some:
                    self._settle_rows(settling, table, one, names)
        self.objects.settle(settling, stale)
        settling.exchange()
        self._settling = settling

    def _natural_names(self, dumped: DumpedTable) -> set[str]:
        loader = self._loaders.get(id(dumped))
        return loader.natural if loader is not None else set()

    def _settle_rows(
        self, settling: Settling, table: Table, dumped: DumpedTable, names: set[str]
    ) -> None:
        known = self.known(dumped)
        fields = known.fields if known is not None else {}
        wanted = {name: fields[name] for name in fields if name in {*table.key, *names}}
        if set(table.key) <= wanted.keys() and not is_special(table.model):
            place = dumped.place
            settling.load(table, wanted, dumped.rows(), lambda row: place(row.line))

    def _unsettled(self, stale: set[ModelType]) -> Iterator[Problem]:
        reason = "the natural keys of its rows refer to each other and do not come to rest."
        for label in sorted(model._meta.label for model in stale):
            yield Problem(label, None, None, reason)

    def _finish(self) -> None:
        self._load_deferred()
        for handler in self.at_last:
            handler(self)
            self._load_deferred()
        if repeated := list(self._repeated()):
            raise LoadError(sorted(repeated, key=position))
        self._judge()
        loaded = self.report.total()
        for handler in self.after_load:
            handler(self)
            self._load_deferred()
        if self.report.total() != loaded or any(self._left()):
            self._judge()
        for label in self.references.made:
            self.report.ignore(f"There is no model {label}: a content type was made for it.")

    def _repeated(self) -> Iterator[Problem]:
        """The rows that have the key of another one in their file: of two, one would be lost."""
        for table, some in self._dumped.items() if self.origins is None else ():
            loaders = [self._loaders.get(id(one)) for one in some]
            if len(some) > 1 or not all(loader and loader.is_ordered for loader in loaders):
                yield from repeated(table, some)

    def _judge(self) -> None:
        """Raise ``LoadError`` for what is still out; where it may be rejected, note it."""
        left = list(self._left())
        problems = [row.problem for row in left]
        places = {problem.place for problem in problems}
        places |= {row.problem.place for row in self.rejects.sifted} if self.rejects else set()
        unsettled = [one for one in self._settling.problems() if one.place not in places]
        if unsettled and self.rejects is not None:
            raise LoadError(sorted(unsettled, key=position))
        problems += unsettled
        kept_out = {(problem.model, str(problem.pk)) for problem in problems}
        if self.rejects is None:
            problems += self._dangling([*self._dumped, *self._broken()], kept_out)
            if problems:
                raise LoadError(sorted(problems, key=position))
            return
        self.rejects.left = left
        if dangling := self._dangling(self._was_empty, kept_out):
            if any(problem.model in self._keyless for problem in dangling):
                # The database gives such rows another key in each attempt.
                raise LoadError(sorted(dangling, key=position))
            self.rejects.leave_out([*dangling, *self._consequences(dangling)])

    def _broken(self) -> Collection[Table]:
        """The tables of objects that are no rows of a dump, if there are any wrong references."""
        tables = self._saved - self._dumped.keys()
        if not (tables and self._checks_objects):
            return ()
        names = [name for table in tables for name in table.db_tables]
        try:
            with transaction.atomic(using=self.using):
                connections[self.using].check_constraints(table_names=names)
        except IntegrityError:
            return sorted(tables, key=lambda table: table.label)
        return ()

    @property
    def _keyless(self) -> set[str]:
        """The models of which the dump has rows without their key."""
        return {
            table.label
            for table, dumped in self._dumped.items()
            if any(not set(table.key) <= one.fields.keys() for one in dumped)
        }

    def _left(self) -> Iterator[RejectedRow]:
        """The rows that are still out."""
        for loader, row, problem in self._deferred.left():
            values = named_values(loader.layout.fields, row.values)
            yield RejectedRow(loader.model, values, problem)
        for instance, problem in self.objects.left():
            yield from rows_of_instance(instance, problem)

    def _dangling(self, tables: Collection[Table], kept_out: Collection[Any]) -> list[Problem]:
        return [
            problem
            for table in tables
            for problem in dangling_problems(
                table, self._dumped.get(table, ()), self.using, kept_out
            )
        ]

    def _consequences(self, problems: Sequence[Problem]) -> Iterator[Problem]:
        """What leads to rows that will not be there at all, having not been there before."""
        tables = {table.label: table for table, was_empty in self._was_empty.items() if was_empty}
        rows: defaultdict[Table, set[object]] = defaultdict(set)
        for problem in problems:
            if problem.model in tables:
                rows[tables[problem.model]].add(problem.pk)
        return consequences(tables.values(), rows, self.using)


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
