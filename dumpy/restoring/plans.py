"""The plans of a restore: the schema that it builds, and the models that it loads with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import ClassVar

from django.db import connections

from dumpy.conf import configuration, project_version
from dumpy.engines import engine_of
from dumpy.errors import FixtureError, FixtureErrors, Place, RestoreFailed
from dumpy.loading.loader import Loader
from dumpy.loading.registry import TODAY, Registry
from dumpy.migrating.install import Policy, migrating
from dumpy.reading import DumpedTable
from dumpy.restoring import schema
from dumpy.restoring.content import Content
from dumpy.restoring.findings import Finding
from dumpy.restoring.history import MigrateTo
from dumpy.restoring.names import ModelComparison, added_models, models_of
from dumpy.schema.instances import resolving
from dumpy.schema.tables import table_of
from dumpy.writing.database import LEFT_OUT, last_migrations, select

_SAME_VERSION = (
    "The dump is of the same version as the project: if the models have changed since, raise "
    "DUMPY['VERSION'], so that a migrator runs."
)
THROUGH_MIGRATIONS = "--through-migrations"
_THROUGH_HINT = (
    "The dump is older than the migrations of the project. To load it with the models of its time "
    f"and migrate it, restore with {THROUGH_MIGRATIONS}."
)
_SKIPPED = "Since the dump was made, migrations have changed rows, which a restore does not do:"
_NOT_THROUGH = "The dump cannot be restored through the migrations; nothing was written."


@dataclass
class Plan:
    """A restore into the current schema; rows must fit the current models.

    Attributes:
        registry: the models to load with.
        is_lenient: whether rows are loaded although migrations have changed rows since.
        not_atomic_hint: the hint for a migration that cannot run in a transaction.
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
        """The tables of the schema to load into."""
        return schema.tables_of(self.registry.apps)

    @property
    def past_tables(self) -> set[str]:
        """The tables that existed when the dump was made; its rows replace those of migrations."""
        labels = {*self.content.empty, *(model._meta.label for model in self.content.past.models())}
        models = [model for model in TODAY.find_all(labels) if model._meta.managed]
        return {name for model in models for name in table_of(model).db_tables}

    @property
    def new_tables(self) -> set[str]:
        """The tables that are newer than the dump, and keep their rows."""
        past = self.content.past.models() if self.content.past.has_newer_migrations else []
        known = {model._meta.label_lower for model in past}
        known |= {label.lower() for label in self.content.labels}
        apps = {model._meta.app_label for model in past}
        return {
            name
            for model in self.registry.models()
            if model._meta.app_label in apps and model._meta.label_lower not in known
            for name in table_of(model).db_tables
        }

    def is_current(self) -> bool:
        """Whether the database has the schema of the plan."""
        return schema.is_current(self.using)

    def context(self) -> AbstractContextManager[object]:
        """Return the context for code of the dump."""
        return nullcontext()

    def check(self, tables: Sequence[DumpedTable]) -> None:
        """Raise ``DumpyError`` if the rows do not fit the models, before the first write."""
        errors = self._differences(tables)
        skipped = [] if self.is_lenient else list(self.content.unknown.values())
        if not self.is_lenient and (changes := self.content.skipped):
            skipped += [_SKIPPED, *(f"  {'.'.join(key)}: {change}" for key, change in changes)]
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
            hints.append(f"To print a migrator: manage.py checkdump {path} --write-migrator")
            raise FixtureErrors(errors, "\n".join(hints))
        raise errors[0]

    def _differences(self, tables: Sequence[DumpedTable]) -> list[FixtureError]:
        """Return an error for each difference between the dump and the models that stops a load.

        The rows are compared with the models by the loader, which reads none of them. Only if there
        is a difference, it is described as by a check, which counts values.
        """
        changes, errors = self.content.changes, list[FixtureError]()
        try:
            Loader(self.using).check(tables, is_built=False)
        except FixtureErrors as error:
            errors += error.errors
        except FixtureError as error:
            errors.append(error)
        if not errors and not any(
            field for t in tables for field in changes.retargeted_fields(t.label, t.fields)
        ):
            return []
        models = models_of(tables)
        for model in models:
            model.count()
        added = added_models(self.content.dump, models, self.using)
        findings = ModelComparison(models, added, changes).findings()
        by_label = {model.label: model for model in models}
        return [
            _error_of(finding, finding.place or by_label[finding.model].place(finding.field))
            for finding in findings
            if finding.stops
        ] or errors

    def build(self) -> None:
        """Build the schema."""
        schema.build(self.using)

    def finish(self, say: Callable[[str], object]) -> None:
        """Finish the restore after the rows are loaded and compared."""
        # Not always: permissions that were deleted in the source must stay deleted. A subset does
        # not say which were.
        if self.content.dump.is_subset or self._is_newer_than_dump():
            schema.add_permissions(self.using)

    def _is_newer_than_dump(self) -> bool:
        """Whether the project has migrations or models that the dump does not know."""
        dumped = self.content.dump.migrations
        known = {*map(str.lower, (*self.content.labels, *self.content.empty)), *LEFT_OUT}
        return last_migrations(self.using, dumped) != dict(dumped) or any(
            model._meta.app_label not in dumped and model._meta.label_lower not in known
            for model in select([], [], self.using)
            if model._meta.managed
        )

    @property
    def hint(self) -> str:
        """The hint for a dump that does not fit the models, or ``""``."""
        return through_advice(self.content)

    @property
    def removals(self) -> Sequence[str]:
        """No messages: a dump whose values cannot be kept is refused."""
        return ()


def _error_of(finding: Finding, place: Place) -> FixtureError:
    """Return a finding as an error of a line of the dump."""
    reason, steps = f"{finding.name}: {finding.sentence}.", finding.step.splitlines()
    ways = [finding.hint, f"{'or ' if finding.hint else ''}in a migrator:" if steps else ""]
    hints = [f"{way[0].upper()}{way[1:]}" for way in ways if way]
    return FixtureError(
        place,
        reason,
        "\n  ".join(["", *hints, *(f"  {step}" for step in steps)])
        if len(steps) > 1
        else " ".join([". ".join(hints), *steps]),
    )


def through_advice(content: Content) -> str:
    """Return the advice to restore through migrations, with the values that they remove."""
    past = content.past
    if (
        configuration().migration_class
        or not past.has_newer_migrations
        or past.problems(content.labels)
    ):
        return ""
    return " ".join([_THROUGH_HINT, *content.removals])


def skipped_advice(content: Content) -> str:
    """Return the advice about migrations that a restore does not repeat."""
    options, skipped = ["let a step of a migrator do the same"], content.skipped
    is_possible = bool(skipped) and not content.past.problems(content.labels)
    if is_possible:
        options.insert(0, f"restore with {THROUGH_MIGRATIONS}")
    apps = {app for app, _name in (*(key for key, _change in skipped), *content.unknown)}
    leaves = (leaf for leaf in content.past.leaves if leaf[0] in apps)
    names = ", ".join(f"{app!r}: {name!r}" for app, name in leaves)
    removals = content.removals
    apply = f"To apply these migrations, {', or '.join(options)}. " if skipped else ""
    cost = f" With {THROUGH_MIGRATIONS}: {' '.join(removals)}" if is_possible and removals else ""
    return (
        f"{apply}If the rows of this dump are those of today as they stand, write into "
        f"SOURCE_MIGRATIONS of {content.dump.source.place().file}: {names}.{cost}"
    )


class PlanThroughMigrations(Plan):
    """A restore into the historical schema, which is then migrated.

    Raises ``RestoreFailed`` if the historical schema cannot be built.
    """

    not_atomic_hint = "Restore the dump with the code of its time, then run manage.py migrate."

    def __init__(self, content: Content, using: str) -> None:
        problems = content.past.problems(content.labels)
        if problems or content.past.registry is None:
            raise RestoreFailed("\n".join([_NOT_THROUGH, *problems]))
        super().__init__(content, using, content.past.registry)

    @property
    def past_tables(self) -> set[str]:
        """All tables."""
        return self.tables

    @property
    def new_tables(self) -> set[str]:
        """No tables."""
        return set()

    @property
    def hint(self) -> str:
        """No hint: the restore already goes through the migrations."""
        return ""

    @property
    def removals(self) -> Sequence[str]:
        """A sentence for each migration that removes values of the dump."""
        return self.content.removals

    def is_current(self) -> bool:
        """Return False: the historical schema is always built."""
        return False

    @contextmanager
    def context(self) -> Iterator[None]:
        """Let code find the historical models, and run no migrator."""
        with migrating(Policy(is_off=True)), resolving(self.registry.get):
            yield

    def check(self, tables: Sequence[DumpedTable]) -> None:
        """Compare rows with the historical models."""
        Loader(self.using, registry=self.registry).check(tables, is_built=False)

    def build(self) -> None:
        """Build the historical schema."""
        schema.build(self.using, MigrateTo(self.content.past))

    def finish(self, say: Callable[[str], object]) -> None:
        """Migrate."""
        say("migrating to today's models")
        schema.build(self.using)
        models = schema.models_with_tables(self.using, TODAY.models())
        engine_of(connections[self.using]).reset_sequences(models)
