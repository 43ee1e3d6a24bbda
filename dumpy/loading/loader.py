"""Load rows and objects into a database, and verify the result."""

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
from dumpy.loading.registry import TODAY, Registry, routed_to
from dumpy.loading.report import Counts, InvalidRow, Rejects, Report, problem_order
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

# The natural keys of so many models may depend on each other if they move between rows.
_MAX_PASSES = 100


class Destination:
    """Loads the rows of one table of a dump: in blocks, or as instances.

    Instances are needed for models with hooks or receivers, for rows without a primary key, and for
    validation. An invalid row becomes a pending object, which may be valid when other rows are
    loaded. With ``is_skipped``, no row is loaded.
    """

    def __init__(self, loader: Loader, layout: Layout, *, is_skipped: bool = False) -> None:
        self.layout = layout
        self._is_skipped = is_skipped
        self._loader = loader
        self._is_changed = is_changed(layout)
        self._is_validated = loader.is_validated(layout.model, self._is_changed)
        rejects = loader.rejects
        self._rejects = rejects if rejects and rejects.has_model(layout.table.label) else None
        self._rows = None if is_skipped else loader.table_loader(layout)

    def add_block(self, block: Block) -> None:
        """Load a block of rows."""
        if self._rows is not None and not (self._is_validated or self._rejects):
            self._rows.add_block(block)
            return
        with self._loader.side_effects.recording() if self._rows is None else nullcontext():
            for row in block.rows():
                self.add(row)

    def add(self, row: Row) -> None:
        """Load a row."""
        if self._is_skipped or self._is_rejected(row):
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
            # The table loader reports the values that do not fit.
            return True
        return True

    def _is_rejected(self, row: Row) -> bool:
        """Whether a row must be left out; adds it to the rejected rows."""
        if self._rejects is None:
            return False
        problem = self._rejects.problem(self.layout.ref(row))
        if problem is not None:
            self._rejects.left_out.append(self.layout.rejected(row, problem))
        return problem is not None


class Loader:
    """Loads objects into one database, for scripts. The caller manages transactions.

    Attributes:
        using: the alias of the database.
        report: what the load did, as a ``Report``.
    """

    # Whether the deserializer may yield blocks of rows instead of objects.
    takes_blocks = False
    # Whether hints may name the options of loaddata.
    offers_options = False
    # Whether hints may say that a restore of the dump would replace all rows.
    offers_restore = False

    # A script passes the alias only.
    #
    # rejects: collects the rows that cannot be loaded; without it, they are errors.
    # validation: the rows of a dump that are validated.
    # tables_are_empty: no table has rows, and no row of a dump may have the key of another.
    # checks_objects: check the references of all rows in the tables of objects, too.
    # excluded: the models whose rows are left out.
    # asks_router: leave out models that the router does not allow in the database.
    #
    # finish() calls the functions in final_steps, and then those in after_load.
    def __init__(
        self,
        using: str = DEFAULT_DB_ALIAS,
        *,
        ignore_nonexistent: bool = False,
        registry: Registry = TODAY,
        rejects: Rejects | None = None,
        validation: Validation = Validation.CHANGED,
        tables_are_empty: bool = False,
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
        self.dumped: defaultdict[Table, dict[DumpedTable, Layout]] = defaultdict(dict)
        self.loaders: dict[Hashable, TableLoader] = {}
        self.side_effects = SideEffects(using)
        self.tables_are_empty = tables_are_empty
        self.pending = Pending(self)
        self.objects = ObjectLoader(self)
        self.final_steps: list[Callable[[Loader], object]] = []
        self.after_load: list[Callable[[Loader], object]] = []
        self._checks_objects = checks_objects
        self._layouts: dict[DumpedTable, Layout | None] = {}
        self._included: dict[ModelType, bool] = {}
        self._has_table: set[ModelType] = set()
        self._saved_tables: set[Table] = set()
        self._pending_references = Pending(self)
        self._postponed: list[tuple[DumpedTable, Layout]] = []
        self._is_finished = self._is_claimed = False
        self._resources = ExitStack()

    def destination(self, dumped: DumpedTable) -> Destination | None:
        """Return the destination of the rows of a table, or None if their model does not exist."""
        self.flush()
        layout = self.layout(dumped)
        if layout is None:
            return None
        if not self._is_included(layout.model):
            return Destination(self, layout, is_skipped=True)
        self.dumped[layout.table][dumped] = layout
        is_postponed = self._has_changing_keys(dumped, layout)
        if is_postponed:
            self._postponed.append((dumped, layout))
        return Destination(self, layout, is_skipped=is_postponed)

    def _has_changing_keys(self, dumped: DumpedTable, layout: Layout) -> bool:
        """Whether primary keys are natural keys that may lead to other rows after the load.

        Other references can be corrected at the end, but the key of a row cannot.
        """
        for name in layout.table.key:
            model, position = layout.table.column(name).references, layout.fields.get(name)
            if model and isinstance(position, int) and self.references.may_change(model):
                row = next(dumped.rows(), None)
                if row is not None and isinstance(row.values[position], Natural):
                    return True
        return False

    def table_loader(self, layout: Layout) -> TableLoader | None:
        """Return the loader of the rows of a table, or None if they are saved as instances."""
        counts = self.report.tables[layout.table.label]
        sends_signals = self.side_effects.sends_signals(layout.model)
        if hasattr(layout.model, HOOK) or not layout.has_key or sends_signals:
            counts.lane = "objects"
            return None
        counts.lane = "rows"
        loader_class = SpecialLoader if is_special(layout.model) else TableLoader
        loader = loader_class(layout, self.pending, counts)
        self.loaders[layout.dumped] = loader
        return loader

    @property
    def _is_strict(self) -> bool:
        return self.validation is Validation.ALWAYS

    def is_validated(self, model: ModelType, is_changed: bool) -> bool:
        """Whether rows of a model, which ``is_changed`` since the dump, are validated."""
        validates = self._is_strict or (is_changed and self.validation is Validation.CHANGED)
        return validates and not is_special(model)

    def validate(self, instance: Model, names: Collection[str], *, is_changed: bool) -> None:
        """Validate an object of a dump if its model requires it; raises ``InvalidRow``."""
        if self.is_validated(type(instance), is_changed):
            validate(instance, names, is_strict=self._is_strict, using=self.using)

    def check(
        self,
        tables: Sequence[DumpedTable],
        *,
        is_built: bool = True,
        has_all_fields: bool = True,
    ) -> None:
        """Raise ``FixtureError``, or ``FixtureErrors``, if tables of a dump do not fit the models.

        ``is_built`` requires that the tables exist in the database, ``has_all_fields`` that rows
        have a value for each field without a default.
        """
        pairs = [
            (dumped, layout)
            for dumped, layout in ((dumped, self.layout(dumped)) for dumped in tables)
            if layout is None or self._is_included(layout.model)
        ]
        places = {layout.model: dumped.declared_at() for dumped, layout in pairs if layout}
        errors = [
            error
            for dumped, layout in pairs
            for error in mismatches(
                dumped, layout, may_be_ignored=self.offers_options, has_all_fields=has_all_fields
            )
        ]
        errors += lost_keys({dumped: layout for dumped, layout in pairs if layout})
        errors += self._missing_tables(places) if is_built else []
        ignored = [error for error in errors if self.ignore_nonexistent and error.left_out]
        errors = [error for error in errors if error not in ignored]
        errors.sort(key=lambda error: error.place.line or 0)
        if errors:
            raise errors[0] if len(errors) == 1 else FixtureErrors(errors)
        for model in places:
            self.references.expect(model)
        for error in ignored:
            self.report.ignore(f"{error.place}: {error.reason} {error.left_out}")

    def _missing_tables(self, places: Mapping[ModelType, Place]) -> list[FixtureError]:
        """Return an error for each model without a table; ``places`` name the models."""
        names = [model._meta.db_table for model in places if model not in self._has_table]
        existing = engine_of(connections[self.using]).tables(names) if names else {}
        self._has_table |= {model for model in places if model._meta.db_table in existing}
        missing = places.keys() - self._has_table
        return [
            no_table(model, places[model], self.using, self.offers_options) for model in missing
        ]

    def require_table(self, model: ModelType, place: Place | None) -> None:
        """Raise ``FixtureError`` if the table of a model does not exist."""
        if model not in self._has_table:
            for error in self._missing_tables({model: place or Place("<objects>")}):
                raise error

    def layout(self, dumped: DumpedTable) -> Layout | None:
        """Return the layout of the rows of a table, or None if their model does not exist."""
        if dumped not in self._layouts:
            self._layouts[dumped] = layout_of(dumped, self.registry)
        return self._layouts[dumped]

    def includes(self, model: ModelType) -> bool:
        """Whether rows of a model are loaded: it is not excluded, and the router allows it."""
        if model not in self._included:
            is_allowed = not self.asks_router or router.allow_migrate_model(self.using, model)
            self._included[model] = is_allowed and model not in self.excluded
        return self._included[model]

    def _is_included(self, model: ModelType) -> bool:
        """Whether rows of a model are loaded; reports a model that the router does not allow."""
        if not self.includes(model) and model not in self.excluded:
            label = model._meta.label
            reason = f"the router does not allow it in the database {self.using!r}."
            self.report.ignore(f"{label} is left out: {reason}")
        return self.includes(model)

    def keep_open(self, resource: Any) -> None:
        """Keep a resource open until the load has finished."""
        self._resources.callback(resource.close)

    def close(self) -> None:
        """Close the resources."""
        self._resources.close()

    def existing_rows(self) -> dict[str, int]:
        """Return the numbers of rows of loaded tables that are not in the dump, by label."""
        counts = {}
        for table in self.dumped:
            is_unknown = table.model in self.references.other_models or is_special(table.model)
            if self.references.had_rows(table.model) and not is_unknown:
                rows: QuerySet[Model] = QuerySet(table.model, using=self.using)
                counts[table.label] = rows.count() - self.report.tables[table.label].total
        return {label: count for label, count in counts.items() if count > 0}

    def claim_finish(self) -> Any:
        """Return ``deferred_fields`` for the one object whose caller will call ``finish()``."""
        claimed, self._is_claimed = self._is_claimed, True
        return None if claimed else {"dumpy": None}

    def save(
        self, instance: Model, place: Place | None = None, *, is_changed: bool = False
    ) -> bool:
        """Save an object, or defer it if it cannot be saved yet; return whether it was saved.

        An object from a create function of a dump is saved as it is in the dump. Any other object
        is validated and saved. ``is_changed`` marks a row of a dump whose model has changed.
        """
        if not self._is_included(type(instance)):
            return False
        table = table_of(type(instance))
        self._saved_tables.add(table)
        item = PendingObject(instance, place, is_changed=is_changed)
        if self.rejects is not None:
            problem = self.rejects.problem(RowRef(table.label, instance.pk, place))
            if problem is not None:
                self.rejects.left_out += item.rejected(problem)
                return False
        with routed_to(self.using):
            return self.objects.add(item)

    def flush(self) -> None:
        """Write all rows that were added so far."""
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
            with self._resources, routed_to(self.using):
                try:
                    self._finish()
                finally:
                    _forget_content_types()

    def _load_deferred(self) -> None:
        self._load_pending()
        self._resolve_stale()
        while self._postponed:
            dumped, layout = self._postponed.pop(0)
            destination = Destination(self, layout)
            for block in dumped.blocks():
                destination.add_block(block)
            self._load_pending()
            self._resolve_stale()

    def _load_pending(self) -> None:
        self.flush_deferred_objects()
        while self.pending and self.pending.retry_cycles():
            self.flush_deferred_objects()
        self.pending.write_conflicting()

    def _resolve_stale(self) -> None:
        """Resolve natural keys against the rows as the load leaves them."""
        for _pass in range(_MAX_PASSES):
            # A load that fails anyway would report the natural keys of its pending rows, too.
            has_failed = self.rejects is None and not self._postponed and len(self.pending)
            stale = set() if has_failed else self.references.pop_stale()
            if not stale:
                return
            self._resolve_again(stale)
        reason = "the natural keys of its rows refer to each other in a cycle."
        labels = sorted(model._meta.label for model in stale)
        raise LoadError([Problem(RowRef(label), reason) for label in labels])

    def _resolve_again(self, stale: set[ModelType]) -> None:
        """Resolve references by natural keys to stale models again, and write them."""
        self._pending_references = Pending(self)
        for table, layouts in self.dumped.items():
            # If several rows have one key, the last one is written last again.
            loaders = [self.loaders.get(dumped) for dumped in layouts]
            names = {name for loader in loaders if loader for name in loader.natural_fields}
            stale_names = _stale_references(stale, table, names)
            for dumped, layout in layouts.items() if stale_names else ():
                if layout.has_key and not is_special(layout.model):
                    written = {*table.key, *stale_names}
                    fields = {n: layout.fields[n] for n in layout.fields if n in written}
                    self._write_references(Layout(table, fields, dumped), dumped.rows())
        for layout, rows in self.objects.rows_with_natural_keys():
            if _stale_references(stale, layout.table, layout.fields):
                self._write_references(layout, rows)
        self._pending_references.write_conflicting()

    def _write_references(self, layout: Layout, rows: Iterable[Row]) -> None:
        loader = ReferenceLoader(layout, self._pending_references, Counts())
        loader.require_queries()
        for row in rows:
            loader.add(row)
        loader.flush()

    def _finish(self) -> None:
        self._load_deferred()
        for step in self.final_steps:
            step(self)
            self._load_deferred()
        self._verify()
        total = self.report.total()
        for handler in self.after_load:
            handler(self)
            self._load_deferred()
        if self.report.total() != total or len(self.pending):
            self._verify()
        for label in self.references.added_content_types:
            self.report.ignore(f"There is no model {label}: a content type was made for it.")

    def _verify(self) -> None:
        """Raise ``LoadError`` for the rows that were not loaded, or add them to the rejects."""
        refused_rows = list(self.pending.rejected_rows())
        problems = [row.problem for row in refused_rows]
        left_out = {
            row.problem.ref.place for row in (self.rejects.left_out if self.rejects else ())
        }
        places = {problem.ref.place for problem in problems} | left_out
        unresolved = [row.problem for row in self._pending_references.rejected_rows()]
        unresolved = [problem for problem in unresolved if problem.ref.place not in places]
        if unresolved and self.rejects is not None:
            raise LoadError(sorted(unresolved, key=problem_order))
        problems += unresolved
        rejected = {problem.ref.name for problem in problems}
        loaded_keys = self.pending.loaded_keys
        by_file = not self.tables_are_empty
        duplicates = list(loaded_keys.duplicates(self.dumped, left_out, by_file=by_file))
        for sentence in dangling_composite_keys(self.dumped, self.using):
            self.report.ignore(sentence)
        if self.rejects is None:
            problems += duplicates
            tables = [*self.dumped, *self._violating_tables(), *self._dependent_tables()]
            problems += self._dangling_problems(tables, rejected)
            if problems:
                raise LoadError(sorted(problems, key=problem_order))
            return
        self.rejects.refused = refused_rows
        loaded = dict.fromkeys([*self.dumped, *self._saved_tables, *self._dependent_tables()])
        if refused := [*duplicates, *self._dangling_problems(loaded, rejected)]:
            if any(problem.ref.label in self._labels_without_keys for problem in refused):
                # The database assigns such rows another key in each attempt.
                raise LoadError(sorted(refused, key=problem_order))
            # In a table that had rows, a row may refer to an existing row with the same key.
            new = [table for table in loaded if not self.references.had_rows(table.model)]
            self.rejects.leave_out([*refused, *dependent_problems(new, refused, self.using)])

    def _violating_tables(self) -> Collection[Table]:
        """Return the tables of hand-written objects if they violate foreign key constraints."""
        tables = self._saved_tables - self.dumped.keys()
        if not (tables and self._checks_objects):
            return ()
        names = [name for table in tables for name in table.db_tables]
        try:
            with transaction.atomic(using=self.using):
                connections[self.using].check_constraints(table_names=names)
        except IntegrityError:
            return sorted(tables, key=lambda table: table.label)
        return ()

    def _dependent_tables(self) -> list[Table]:
        """Return the other tables that refer to fields of loaded tables other than their keys."""
        loaded = self.dumped.keys() | self._saved_tables
        tables = {
            table_of(owner)
            for table in loaded
            for owner, name in referring_fields(table.model, self.using)
            for column in table_of(owner).columns
            if column.name == name and column.references and not column.parent_field.primary_key
        }
        return sorted(tables - self.dumped.keys(), key=lambda table: table.label)

    @property
    def _labels_without_keys(self) -> set[str]:
        """The labels of the models with rows that have no primary key in the dump."""
        return {
            table.label
            for table, layouts in self.dumped.items()
            if not all(layout.has_key for layout in layouts.values())
        }

    def _dangling_problems(
        self, tables: Collection[Table], rejected: Collection[tuple[str, str]]
    ) -> list[Problem]:
        return [
            problem
            for table in tables
            for problem in dangling_problems(
                table, self.dumped.get(table, ()), self.using, rejected
            )
        ]


def _forget_content_types() -> None:
    """Clear Django's cache of content types, whose primary keys a load may have changed."""
    if apps.is_installed("django.contrib.contenttypes"):
        from django.contrib.contenttypes.models import ContentType

        ContentType.objects.clear_cache()


def _stale_references(stale: set[ModelType], table: Table, names: Collection[str]) -> set[str]:
    """Return the names of the foreign keys and links of a table that refer to stale models."""
    return {
        name
        for name in table.references.keys() & names
        if any(issubclass(model, table.references[name].references or ()) for model in stale)
    }


_shared: ContextVar[Loader | None] = ContextVar("dumpy_loader", default=None)


@contextmanager
def sharing(loader: Loader) -> Iterator[None]:
    """Load the fixtures that are read in the block with one loader."""
    token = _shared.set(loader)
    try:
        yield
    finally:
        _shared.reset(token)
        loader.close()


def shared_loader(using: str) -> Loader | None:
    """Return the shared loader for a database, or None."""
    loader = _shared.get()
    return loader if loader is not None and loader.using == using else None
