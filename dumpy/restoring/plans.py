"""Which schema a restore builds, with which models it loads, and what comes after."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import ClassVar

from django.db import connections

from dumpy.conf import configuration, project_version
from dumpy.engines import engine_of
from dumpy.errors import FixtureError, FixtureErrors, RestoreFailed
from dumpy.loading.loader import Loader
from dumpy.loading.registry import TODAY, Registry
from dumpy.migrating.install import Policy, migrating
from dumpy.reading import DumpedTable
from dumpy.restoring import schema
from dumpy.restoring.content import Content
from dumpy.restoring.history import MigrateTo
from dumpy.schema.instances import resolving
from dumpy.schema.tables import table_of
from dumpy.writing.database import LEFT_OUT, last_migrations, select

_SAME_VERSION = (
    "The dump is of the same version as the project: if the models have changed since, raise "
    "DUMPY['VERSION'], so that a migrator runs."
)
THROUGH_MIGRATIONS = "--through-migrations"
_THROUGH = (
    "The dump is older than the migrations of the project. To load it with the models of its time "
    f"and migrate it, add {THROUGH_MIGRATIONS}."
)
_SKIPPED = "Since the dump was made, migrations have changed rows, which a restore does not do:"
_NOT_THROUGH = "The dump cannot be restored through the migrations; nothing was written."
_REDIRECTED = "Say in a migrator what they become: {} (an empty mapping if the keys are the same)."


@dataclass
class Plan:
    """A restore into the schema of the project: rows that do not fit its models are an error.

    Attributes:
        registry: the models to load with.
        is_lenient: whether rows that lack what later migrations do are loaded as they are.
        not_atomic_hint: what to do first if a migration cannot run in the transaction of a restore.
    """

    not_atomic_hint: ClassVar[str] = (
        "Run manage.py migrate --run-syncdb first: a restore keeps the tables of a migrated "
        "database."
    )

    content: Content
    using: str
    registry: Registry = TODAY
    is_lenient: bool = False

    @property
    def tables(self) -> set[str]:
        """The tables that are made before the rows are loaded."""
        return schema.tables_of(self.registry.apps)

    @property
    def past_tables(self) -> set[str]:
        """The tables at the time of the dump; its rows replace those that migrations put there."""
        labels = {*self.content.empty, *(one._meta.label for one in self.content.past.models())}
        models = [model for model in TODAY.find_all(labels) if model._meta.managed]
        return {name for model in models for name in table_of(model).db_tables}

    @property
    def new_tables(self) -> set[str]:
        """The tables that came later: if they are there, their rows stay."""
        then = self.content.past.models() if self.content.past.has_newer_migrations else []
        known = {model._meta.label_lower for model in then}
        known |= {label.lower() for label in self.content.labels}
        apps = {model._meta.app_label for model in then}
        return {
            name
            for model in self.registry.models()
            if model._meta.app_label in apps and model._meta.label_lower not in known
            for name in table_of(model).db_tables
        }

    def is_current(self) -> bool:
        """Return whether the database has the schema that would be built."""
        return schema.is_current(self.using)

    def context(self) -> AbstractContextManager[object]:
        """Return the context in which code of the dump runs."""
        return nullcontext()

    def check(self, tables: Sequence[DumpedTable]) -> None:
        """Raise ``DumpyError`` if rows do not fit the models; nothing is written yet."""
        errors = [*self._mismatches(tables), *self._redirected(tables)]
        skipped = [] if self.is_lenient else list(self.content.unknown.values())
        if not self.is_lenient and (said := self.content.skipped):
            skipped += [_SKIPPED, *(f"  {'.'.join(key)}: {what}" for key, what in said)]
        if not errors:
            if skipped:
                raise RestoreFailed("\n".join([*skipped, skipped_advice(self.content)]))
            return
        hints = [*filter(None, [self.hint]), *skipped]
        version = self.content.dump.version
        if version is not None and version == project_version():
            hints.append(_SAME_VERSION)
        if len(errors) > 1 or hints:
            path = self.content.dump.path or self.content.dump.source.name
            hints.append(f"What a migrator would do about each of them: manage.py checkdump {path}")
            raise FixtureErrors(errors, "\n".join(hints))
        raise errors[0]

    def _mismatches(self, tables: Sequence[DumpedTable]) -> Sequence[FixtureError]:
        try:
            Loader(self.using).check(tables, is_built=False)
        except FixtureErrors as error:
            return error.errors
        except FixtureError as error:
            return [error]
        return []

    def _redirected(self, tables: Sequence[DumpedTable]) -> Iterator[FixtureError]:
        for table in tables:
            for found in self.content.changes.retargeted_fields(table.label, table.fields):
                place = table.declared_at(found.name)
                reason = f"{found.label}.{found.name} {found.reason}."
                yield FixtureError(place, reason, _REDIRECTED.format(found.step))

    def build(self) -> None:
        """Make the schema that the rows are loaded into."""
        schema.build(self.using)

    def finish(self, say: Callable[[str], object]) -> None:
        """Do what is left when the rows are in, and found to be those of the dump."""
        # Otherwise a permission that somebody has deleted would come back.
        if self._has_moved_on():
            schema.add_permissions(self.using)

    def _has_moved_on(self) -> bool:
        """Whether there are migrations or models of which the dump knows nothing."""
        dumped = self.content.migrations
        known = {*map(str.lower, (*self.content.labels, *self.content.empty)), *LEFT_OUT}
        return last_migrations(self.using, dumped) != dict(dumped) or any(
            model._meta.app_label not in dumped and model._meta.label_lower not in known
            for model in select([], [], self.using)
            if model._meta.managed
        )

    @property
    def hint(self) -> str:
        """Another way for a dump that does not fit, or ``""``."""
        return through_advice(self.content)

    @property
    def removals(self) -> Sequence[str]:
        """Sentences about values of the dump that are not kept: none, or rows are refused."""
        return ()


def through_advice(content: Content) -> str:
    """Return what to type for a dump that does not fit the models, and what it would cost."""
    past = content.past
    if (
        configuration().migration_class
        or not past.has_newer_migrations
        or past.problems(content.labels)
    ):
        return ""
    return " ".join([_THROUGH, *content.removals])


def skipped_advice(content: Content) -> str:
    """Return what to do about migrations that nothing applies."""
    ways, skipped = ["let a step of a migrator do the same"], content.skipped
    has_way = bool(skipped) and not content.past.problems(content.labels)
    if has_way:
        ways.insert(0, f"add {THROUGH_MIGRATIONS}")
    apps = {app for app, _name in (*(key for key, _said in skipped), *content.unknown)}
    leaves = (leaf for leaf in content.past.leaves if leaf[0] in apps)
    names = ", ".join(f"{app!r}: {name!r}" for app, name in leaves)
    lost = content.removals
    apply = f"To apply them, {', or '.join(ways)}. " if skipped else ""
    cost = f" With {THROUGH_MIGRATIONS}: {' '.join(lost)}" if has_way and lost else ""
    return (
        f"{apply}If the rows of this dump are those of today as they stand, write into "
        f"SOURCE_MIGRATIONS of {content.dump.source.place().file}: {names}.{cost}"
    )


class PlanThroughMigrations(Plan):
    """A restore into the schema of the dump; the migrations since then come after.

    Raises ``RestoreFailed`` if that schema cannot be made.
    """

    not_atomic_hint = "Restore the dump with the code of its time, then run manage.py migrate."

    def __init__(self, content: Content, using: str) -> None:
        found = content.past.problems(content.labels)
        if found or content.past.registry is None:
            raise RestoreFailed("\n".join([_NOT_THROUGH, *found]))
        super().__init__(content, using, content.past.registry)

    @property
    def past_tables(self) -> set[str]:
        """All tables, because the current models belong to other migrations."""
        return self.tables

    @property
    def new_tables(self) -> set[str]:
        """No tables."""
        return set()

    @property
    def hint(self) -> str:
        """No other way: this is it."""
        return ""

    @property
    def removals(self) -> Sequence[str]:
        """Sentences about values of the dump that migrations remove."""
        return self.content.removals

    def is_current(self) -> bool:
        """Return False: the schema of the past is always built."""
        return False

    @contextmanager
    def context(self) -> Iterator[None]:
        """Let code find the models of the past, and no migrator run."""
        with migrating(Policy(is_off=True)), resolving(self.registry.get):
            yield

    def check(self, tables: Sequence[DumpedTable]) -> None:
        """Compare rows with the models of the past."""
        Loader(self.using, registry=self.registry).check(tables, is_built=False)

    def build(self) -> None:
        """Make the tables of the past."""
        schema.build(self.using, MigrateTo(self.content.past))

    def finish(self, say: Callable[[str], object]) -> None:
        """Migrate."""
        say("migrating to today's models")
        schema.build(self.using)
        found = schema.models_with_tables(self.using, TODAY.models())
        engine_of(connections[self.using]).reset_sequences(found)
