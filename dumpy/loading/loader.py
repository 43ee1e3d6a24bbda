"""One load: where rows and objects go, and what remains at the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import (
    Callable,
    Collection,
    Container,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, IntegrityError, connections, router, transaction
from django.db.models import Model, QuerySet

from dumpy.engines import engine_of
from dumpy.errors import FixtureError, FixtureErrors, LoadError, Place, Problem, RowRef
from dumpy.loading.batches import Layout, ReferenceLoader, TableLoader
from dumpy.loading.objects import HOOK, ObjectLoader, PendingObject, SideEffects
from dumpy.loading.pending import Pending
from dumpy.loading.references import (
    References,
    dangling_composite_keys,
    dangling_problems,
    dependent_problems,
    referring_fields,
)
from dumpy.loading.registry import TODAY, Registry, led_to
from dumpy.loading.report import Counts, InvalidRow, Rejects, Report, position
from dumpy.loading.special import SpecialLoader
from dumpy.loading.validation import (
    Validation,
    is_changed,
    layout_of,
    lost_keys,
    mismatches,
    no_table,
    validate,
)
from dumpy.reading import DumpedTable
from dumpy.reading.dump import Block, Row
from dumpy.schema.tables import ModelType, Table, is_special, table_of
from dumpy.text.words import Natural

# As many levels of natural keys may lean on each other where they have moved between rows.
_PASSES = 100


class Destination:
    """Where the rows of one table of a dump go: in blocks into their table, or as instances.

    Instances are made for models with hooks or receivers, for rows without a key, and for those
    that are validated; one that is not valid goes on as an object, which may be so when other rows
    are there. No row goes anywhere of a model that is left out, or whose rows are read again later.
    """

    def __init__(self, loader: Loader, layout: Layout, *, is_skipped: bool = False) -> None:
        self.layout = layout
        self._is_skipped = is_skipped
        self._loader = loader
        self._is_changed = is_changed(layout)
        self._is_validated = loader.is_validated(layout.model, self._is_changed)
        self._may_leave_out = loader.rejects is not None and loader.rejects.concerns(
            layout.table.label
        )
        self._rows = None if is_skipped else loader.table_loader(layout)

    def add_block(self, block: Block) -> None:
        """Take a block of rows, and write it."""
        if self._rows is not None and not (self._is_validated or self._may_leave_out):
            self._rows.add_block(block)
            return
        with self._loader.side_effects.recording() if self._rows is None else nullcontext():
            for row in block.rows():
                self.add(row)

    def add(self, row: Row) -> None:
        """Take a row."""
        if self._is_skipped or (self._may_leave_out and self._leaves_out(row)):
            return
        if self._rows is not None and (not self._is_validated or self._is_valid(row)):
            self._rows.add(row)
            return
        instance, place = self.layout.instance(row), self.layout.place_of(row.line)
        self._loader.save(instance, place, is_changed=self._is_changed or self._rows is not None)

    def _is_valid(self, row: Row) -> bool:
        try:
            instance = self.layout.instance(row)
            self._loader.validate(instance, self.layout.fields, is_changed=True)
        except InvalidRow:
            return False
        except LoadError:
            # What is wrong with its values is said by the table loader.
            return True
        return True

    def _leaves_out(self, row: Row) -> bool:
        """Whether a row is one of those to leave out; keeps it if so."""
        rejects = self._loader.rejects
        problem = rejects.reason(self.layout.ref(row)) if rejects is not None else None
        if rejects is not None and problem is not None:
            rejects.sifted.append(self.layout.rejected(row, problem))
        return problem is not None


class Loader:
    """Loads objects into one database, for scripts. The caller manages transactions.

    Attributes:
        using: the alias of the database.
        report: what the load did, as a ``Report``.
    """

    # Whether whoever saves the objects of a dump takes a block of rows for one.
    takes_blocks = False

    # A script gives the alias only. With `rejects`, which make the attempts, the rows that cannot
    # be loaded are kept out. `validation` says which dumped rows are validated. Where rows
    # `come_once`, one with the key of another is refused, but for what handlers save; they are
    # loaded into tables without rows. References of dumped rows are checked; with
    # `checks_objects`, those of all rows in the tables of objects as well. Rows of `excluded`
    # models, and with `asks_router` of those that the router does not allow in the database, are
    # left out. `finish()` calls the functions in `at_last`, which load what comes last, and then
    # those in `after_load`.
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
        self.excluded = excluded
        self.asks_router = asks_router
        self.references = References(using, registry)
        self.report = Report()
        self.dumped: defaultdict[Table, list[DumpedTable]] = defaultdict(list)
        self.loaders: dict[Hashable, TableLoader] = {}
        self.side_effects = SideEffects(using)
        self.come_once = come_once
        self.pending = Pending(self)
        self.objects = ObjectLoader(self)
        self.at_last: list[Callable[[Loader], object]] = []
        self.after_load: list[Callable[[Loader], object]] = []
        self._checks_objects = checks_objects
        self._layouts: dict[DumpedTable, Layout | None] = {}
        self._wanted: dict[ModelType, bool] = {}
        self._has_table: set[ModelType] = set()
        self._saved: set[Table] = set()
        self._settling = Pending(self)
        self._postponed: list[Layout] = []
        self._is_finished = self._is_claimed = False
        self._resources = ExitStack()

    def destination(self, dumped: DumpedTable) -> Destination | None:
        """Return where the rows of a table go, or None if there is no such model."""
        self.flush()
        layout = self.layout(dumped)
        if layout is None:
            return None
        if not self._is_wanted(layout.model):
            return Destination(self, layout, is_skipped=True)
        self.dumped[layout.table].append(dumped)
        is_later = self._is_uncertain(layout)
        if is_later:
            self._postponed.append(layout)
        return Destination(self, layout, is_skipped=is_later)

    def _is_uncertain(self, layout: Layout) -> bool:
        """Whether the primary keys of rows are natural keys that may lead to other rows later.

        Other references can be corrected when all rows are loaded, these could not.
        """
        for name in layout.table.key:
            model, where = layout.table.column(name).references, layout.fields.get(name)
            if model is None or not isinstance(where, int) or not self.references.may_change(model):
                continue
            row = next(layout.dumped.rows(), None) if layout.dumped else None
            if row is not None and isinstance(row.values[where], Natural):
                return True
        return False

    def table_loader(self, layout: Layout) -> TableLoader | None:
        """Return what writes the rows of a table, None where they are saved as instances."""
        counts = self.report.tables[layout.table.label]
        is_heard = self.side_effects.sends_signals(layout.model)
        if hasattr(layout.model, HOOK) or not layout.has_key or is_heard:
            counts.lane = "objects"
            return None
        counts.lane = "rows"
        make = SpecialLoader if is_special(layout.model) else TableLoader
        loader = make(layout, self.pending, counts)
        self.loaders[layout.dumped] = loader
        return loader

    @property
    def _is_strict(self) -> bool:
        return self.validation is Validation.ALWAYS

    def is_validated(self, model: ModelType, is_changed: bool) -> bool:
        """Whether rows of a model are validated, which may have changed since the dump."""
        is_wanted = self._is_strict or (is_changed and self.validation is Validation.CHANGED)
        return is_wanted and not is_special(model)

    def validate(self, instance: Model, names: Collection[str], *, is_changed: bool) -> None:
        """Raise ``InvalidRow`` if a dumped object is to be validated, and is not valid."""
        if self.is_validated(type(instance), is_changed):
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
        pairs = [(dumped, self.layout(dumped)) for dumped in tables]
        # Where rows are not loaded, it does not matter whether they fit.
        found = [(d, one) for d, one in pairs if one is None or self._is_wanted(one.model)]
        places = {layout.model: d.declared_at() for d, layout in found if layout}
        # To restore is to lose nothing: only who adds rows to a database may leave out any.
        errors = [
            error
            for dumped, layout in found
            for error in mismatches(
                dumped, layout, may_be_ignored=is_built, has_all_fields=has_all_fields
            )
        ]
        errors += lost_keys([layout for _dumped, layout in found if layout is not None])
        errors += self._missing_tables(places) if is_built else []
        ignored = [e for e in errors if self.ignore_nonexistent and e.left_out]
        errors = [error for error in errors if error not in ignored]
        errors.sort(key=lambda error: error.place.line or 0)
        if errors:
            raise errors[0] if len(errors) == 1 else FixtureErrors(errors)
        for model in places:
            self.references.expect(model)
        for error in ignored:
            self.report.ignore(f"{error.place}: {error.reason} {error.left_out}")

    def _missing_tables(self, places: Mapping[ModelType, Place]) -> list[FixtureError]:
        """The errors for models whose tables do not exist; ``places`` are where they are named."""
        names = [model._meta.db_table for model in places if model not in self._has_table]
        there = engine_of(connections[self.using]).tables(names) if names else {}
        self._has_table |= {m for m in places if m._meta.db_table in there}
        absent = places.keys() - self._has_table
        return [no_table(model, places[model], self.using) for model in absent]

    def require_table(self, model: ModelType, place: Place | None) -> None:
        """Raise ``FixtureError`` if the table of a model does not exist."""
        if model not in self._has_table:
            for error in self._missing_tables({model: place or Place("<objects>")}):
                raise error

    def layout(self, dumped: DumpedTable) -> Layout | None:
        """Return what the rows of a table mean here, None where there is no such model."""
        if dumped not in self._layouts:
            self._layouts[dumped] = layout_of(dumped, self.registry)
        return self._layouts[dumped]

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
        for table in self.dumped:
            is_uncertain = table.model in self.references.other_models or is_special(table.model)
            if self.references.had_rows(table.model) and not is_uncertain:
                rows: QuerySet[Model] = QuerySet(table.model, using=self.using)
                found[table.label] = rows.count() - self.report.tables[table.label].total
        return {label: number for label, number in found.items() if number > 0}

    def claim(self) -> Any:
        """Return something true once: for the object whose caller will call ``finish()``."""
        claimed, self._is_claimed = self._is_claimed, True
        return None if claimed else {"dumpy": None}

    def save(
        self, instance: Model, place: Place | None = None, *, is_changed: bool = False
    ) -> bool:
        """Save an object, or defer it if it cannot be saved yet; return whether it was saved.

        An object that a create function of a dump made is saved as it is in the dump. Any other
        object is validated and saved. ``is_changed`` marks a row of a dump whose model has changed.
        """
        if not self._is_wanted(type(instance)):
            return False
        table = table_of(type(instance))
        self._saved.add(table)
        item = PendingObject(instance, place, is_changed=is_changed)
        if self.rejects is not None:
            problem = self.rejects.reason(RowRef(table.label, instance.pk, place))
            if problem is not None:
                self.rejects.sifted += item.rejected(problem)
                return False
        with led_to(self.using):
            return self.objects.add(item)

    def flush(self) -> None:
        """Write all rows taken so far."""
        if not self.objects.is_in_hook:
            self.pending.flush()

    def flush_deferred_objects(self) -> None:
        """Try the deferred objects again, until no more of them can be saved."""
        self.flush()
        while not self.objects.is_in_hook and self.pending and self.pending.retry():
            self.flush()

    def finish(self) -> None:
        """Save the deferred objects and check all references.

        Raises ``LoadError`` with all objects that could not be loaded.
        """
        if not self._is_finished:
            self._is_finished = True
            with self._resources, led_to(self.using):
                try:
                    self._finish()
                finally:
                    _forget_content_types()

    def _load_deferred(self) -> None:
        self._load_pending()
        self._settle_all()
        while self._postponed:
            layout = self._postponed.pop(0)
            destination = Destination(self, layout)
            for block in layout.dumped.blocks() if layout.dumped else ():
                destination.add_block(block)
            self._load_pending()
            self._settle_all()

    def _load_pending(self) -> None:
        self.flush_deferred_objects()
        while self.pending and self.pending.retry_at_last():
            self.flush_deferred_objects()
        self.pending.replace()

    def _settle_all(self) -> None:
        """Resolve natural keys against the rows as the load leaves them."""
        for _pass in range(_PASSES):
            # What is out may be what natural keys lead to.
            is_lost = self.rejects is None and not self._postponed and len(self.pending)
            stale = set() if is_lost else self.references.pop_stale()
            if not stale:
                return
            self._settle(stale)
        reason = "the natural keys of its rows refer to each other in a cycle."
        labels = sorted(model._meta.label for model in stale)
        raise LoadError([Problem(RowRef(label), reason) for label in labels])

    def _settle(self, stale: set[ModelType]) -> None:
        """Resolve references by natural key again that may lead to other rows now."""
        self._settling = Pending(self)
        for table, some in self.dumped.items():
            # All rows of a table again, so that the last of several with one key remains.
            loaders = [self.loaders.get(one) for one in some]
            names = {name for loader in loaders if loader for name in loader.natural}
            wanted = _leading_to(stale, table, names)
            for layout in map(self.layout, some if wanted else ()):
                if layout and layout.dumped and layout.has_key and not is_special(layout.model):
                    known = {*table.key, *wanted}
                    fields = {name: layout.fields[name] for name in layout.fields if name in known}
                    self._write_references(
                        Layout(table, fields, layout.dumped), layout.dumped.rows()
                    )
        for layout, rows in self.objects.rows_with_natural_keys():
            if _leading_to(stale, layout.table, layout.fields):
                self._write_references(layout, rows)
        self._settling.replace()

    def _write_references(self, layout: Layout, rows: Iterable[Row]) -> None:
        loader = ReferenceLoader(layout, self._settling, Counts())
        loader.look_again()
        for row in rows:
            loader.add(row)
        loader.flush()

    def _finish(self) -> None:
        self._load_deferred()
        for handler in self.at_last:
            handler(self)
            self._load_deferred()
        self._judge()
        loaded = self.report.total()
        for handler in self.after_load:
            handler(self)
            self._load_deferred()
        if self.report.total() != loaded or len(self.pending):
            self._judge()
        for label in self.references.added_content_types:
            self.report.ignore(f"There is no model {label}: a content type was made for it.")

    def _judge(self) -> None:
        """Raise ``LoadError`` for what is still out; where it may be rejected, note it."""
        left = list(self.pending.left())
        problems = [row.problem for row in left]
        places = {problem.ref.place for problem in problems}
        places |= {row.problem.ref.place for row in self.rejects.sifted} if self.rejects else set()
        settling = [row.problem for row in self._settling.left()]
        unsettled = [one for one in settling if one.ref.place not in places]
        if unsettled and self.rejects is not None:
            raise LoadError(sorted(unsettled, key=position))
        problems += unsettled
        kept_out = {problem.ref.name for problem in problems}
        repeated = list(
            self.pending.loaded_keys.duplicates(self.dumped, by_file=not self.come_once)
        )
        for sentence in dangling_composite_keys(self.dumped, self.using):
            self.report.ignore(sentence)
        if self.rejects is None:
            problems += repeated
            tables = [*self.dumped, *self._broken(), *self._dependents()]
            problems += self._dangling(tables, kept_out)
            if problems:
                raise LoadError(sorted(problems, key=position))
            return
        self.rejects.left = left
        loaded = dict.fromkeys([*self.dumped, *self._saved, *self._dependents()])
        if refused := [*repeated, *self._dangling(loaded, kept_out)]:
            if any(problem.ref.label in self._keyless for problem in refused):
                # The database gives such rows another key in each attempt.
                raise LoadError(sorted(refused, key=position))
            # A table that had rows may have those of the problems all the same.
            new = [table for table in loaded if not self.references.had_rows(table.model)]
            self.rejects.leave_out([*refused, *dependent_problems(new, refused, self.using)])

    def _broken(self) -> Collection[Table]:
        """The tables of objects that are no rows of a dump, if there are any wrong references."""
        tables = self._saved - self.dumped.keys()
        if not (tables and self._checks_objects):
            return ()
        names = [name for table in tables for name in table.db_tables]
        try:
            with transaction.atomic(using=self.using):
                connections[self.using].check_constraints(table_names=names)
        except IntegrityError:
            return sorted(tables, key=lambda table: table.label)
        return ()

    def _dependents(self) -> list[Table]:
        """The other tables that refer to values of loaded rows which are not their keys."""
        loaded = self.dumped.keys() | self._saved
        found = {
            table_of(owner)
            for table in loaded
            for owner, name in referring_fields(table.model, self.using)
            for column in table_of(owner).columns
            if column.name == name and column.references and not column.parent_field.primary_key
        }
        return sorted(found - self.dumped.keys(), key=lambda table: table.label)

    @property
    def _keyless(self) -> set[str]:
        """The labels of models with rows in the dump that have no primary key."""
        return {
            table.label
            for table, dumped in self.dumped.items()
            if any(not set(table.key) <= one.fields.keys() for one in dumped)
        }

    def _dangling(self, tables: Collection[Table], kept_out: Collection[Any]) -> list[Problem]:
        return [
            problem
            for table in tables
            for problem in dangling_problems(
                table, self.dumped.get(table, ()), self.using, kept_out
            )
        ]


def _forget_content_types() -> None:
    """Let Django look content types up again, whose keys a load may have changed."""
    if apps.is_installed("django.contrib.contenttypes"):
        from django.contrib.contenttypes.models import ContentType

        ContentType.objects.clear_cache()


def _leading_to(stale: set[ModelType], table: Table, names: Collection[str]) -> set[str]:
    """Return those of the foreign keys and links of a table that may lead to stale models."""
    return {
        name
        for name in table.references.keys() & names
        if any(issubclass(one, table.references[name].references or ()) for one in stale)
    }


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
