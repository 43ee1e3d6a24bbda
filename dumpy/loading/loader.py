"""Everything of one load: its lanes, its queue, and what remains at the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import cached_property
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Model

from dumpy.errors import FixtureErrors, LoadError, Place, Problem
from dumpy.loading.batches import Layout, RowLike, TableLoader
from dumpy.loading.deferred import DeferredRows
from dumpy.loading.drift import KnownTable, absent, gaps, known_table, no_table, unknowns
from dumpy.loading.dumped import DumpedTable
from dumpy.loading.integrity import dangling_problems
from dumpy.loading.lanes import Destination, ObjectLane, wants_instances
from dumpy.loading.objects import ObjectLoader
from dumpy.loading.references import Missing, References
from dumpy.loading.report import Report
from dumpy.loading.special import SpecialLoader, is_special
from dumpy.schema.tables import ModelType, Table, table_of


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
        self._deferred = DeferredRows(self.references, self.report, self._dumped, self.flush)
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
        if wants_instances(table, fields):
            counts.lane = "objects"
            return ObjectLane(self, table, fields, dumped)
        layout = Layout(table, fields)
        counts.lane = "rows"
        make = SpecialLoader if is_special(table.model) else TableLoader
        loader = make(layout, self, counts, lambda row: dumped.place(row.line))
        self._loaders[id(dumped)] = loader
        return loader

    def check(self, tables: Sequence[DumpedTable], *, is_built: bool = True) -> None:
        """Raise ``FixtureError``, or ``FixtureErrors`` for several, if tables do not fit models.

        ``is_built`` says that the tables of the models must be there already.
        """
        unknown = [] if self.ignore_nonexistent else [e for d in tables for e in unknowns(d)]
        if is_built:
            unknown += [e for d in tables for e in absent(d, self._table_names)]
        missing = [error for dumped in tables for error in gaps(dumped)]
        errors = sorted([*unknown, *missing], key=lambda error: error.place.line or 0)
        if len(errors) > 1:
            raise FixtureErrors(errors)
        for error in errors:
            raise error
        for dumped in tables:
            self._say_unknowns(dumped)

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

    def _say_unknowns(self, dumped: DumpedTable) -> None:
        left_out = "Its rows are left out." if self.known(dumped) is None else "It is left out."
        for error in unknowns(dumped):
            self.report.ignore(f"{error.place}: {error.reason} {left_out}")

    def known(self, dumped: DumpedTable) -> KnownTable | None:
        """Return what the rows of a table mean here, or None for a model that is left out."""
        return known_table(dumped)

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
            with self._resources:
                self._finish()

    def _finish(self) -> None:
        self.flush_deferred_objects()
        while (
            self._deferred.retry() or self.objects.save_circles() or self.objects.save_incomplete()
        ):
            self.flush_deferred_objects()
        self._deferred.replace()
        problems = [*self._deferred.problems(), *self.objects.problems()]
        kept_out = {(problem.model, str(problem.pk)) for problem in problems}
        for table, dumped in self._dumped.items():
            problems += dangling_problems(table, dumped, self.using, kept_out)
        for label in self.references.made:
            self.report.ignore(f"There is no model {label}: a content type was made for it.")
        if problems:
            raise LoadError(sorted(problems, key=_position))


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


def _position(problem: Problem) -> tuple[bool, str, int]:
    """Causes first, then those that wait for them; each in the order of the files."""
    place = problem.place or Place("")
    return problem.waits, place.file, place.line or 0
