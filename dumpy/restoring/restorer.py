"""The steps of a restore."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path

from django.apps.registry import Apps
from django.db import connections, router, transaction
from django.db.models import Model, QuerySet

from dumpy.engines import engine_of
from dumpy.engines.base import Engine, Rebuilt, Trigger
from dumpy.errors import RestoreFailed, RowsRejected
from dumpy.loading.loader import Loader
from dumpy.loading.references import Redirects
from dumpy.loading.registry import TODAY, routed_to
from dumpy.loading.report import Rejects, Report
from dumpy.loading.special import renumber_content_types
from dumpy.loading.validation import Validation
from dumpy.migrating.tables import created_objects, prepare_load
from dumpy.reading import DumpedTable
from dumpy.reading.program import Placed
from dumpy.restoring import schema
from dumpy.restoring.compare import DumpedContent, differs, has_renamed_references, rows_digest
from dumpy.restoring.content import Content
from dumpy.restoring.plans import Plan
from dumpy.restoring.schema import NotAtomic
from dumpy.restoring.summary import Summary, by_label
from dumpy.restoring.target import (
    UNCHANGED,
    lock_timeout,
    recorded_apps,
    replacing,
    require_rebuildable,
    require_references,
    rows_without_model,
    unknown_columns,
    without_triggers,
)
from dumpy.schema.references import load_order
from dumpy.schema.tables import NATURAL_KEYS, ModelType, table_of
from dumpy.text.manifest import RESTORE
from dumpy.writing.database import LEFT_OUT
from dumpy.writing.rejected import write_rejected

_NOT_ATOMIC = "The migration is not atomic, and was run in the transaction of the restore."


@dataclass
class Restorer:
    """Restores a verified dump into the database of a plan.

    Attributes:
        say: takes a sentence for each step.
        compares: whether content that differs from the dump is refused.
        rejects: takes the rows that cannot be loaded; they are written to a file next to the dump.
        drop: the tables and views that may be dropped when tables are rebuilt.
        progress: takes the number of loaded rows of a table, and 0 before the first.
        rejected: the error that names the file of rejected rows, if there are any.
        database_state: a sentence on the state of the database if the restore fails.
    """

    content: Content
    plan: Plan
    say: Callable[[str], object] = lambda step: None
    compares: bool = True
    validation: Validation = Validation.CHANGED
    rejects: Rejects | None = None
    drop: Sequence[str] = ()
    progress: Callable[[str, int], object] = lambda name, rows: None
    rejected: RowsRejected | None = None
    database_state: str = UNCHANGED
    _keeps_schema: bool = False
    _code_labels: set[str] = field(default_factory=set)
    _row_counts: dict[str, int] = field(default_factory=dict)
    _triggers: list[Trigger] = field(default_factory=list)

    @property
    def using(self) -> str:
        """The alias of the database."""
        return self.plan.using

    @property
    def _engine(self) -> Engine:
        return engine_of(connections[self.using])

    def run(
        self, *, dry_run: bool = False, confirm: Callable[[Sequence[str]], object] | None = None
    ) -> Report:
        """Restore the dump.

        ``confirm`` is called with the lines of the summary before the first write; an error that it
        raises ends the restore. Raises ``DumpyError`` or ``DatabaseError``; ``database_state``
        describes the database then.
        """
        with routed_to(self.using), self.plan.context():
            self.content.migrate()
            self.plan.check(self.content.data)
            with lock_timeout(self.using):
                self._keeps_schema = self.plan.is_current()
                if not self._keeps_schema:
                    require_rebuildable(self.using, self._known_tables, self.drop)
                summary = self._summarize()
                # Rows are counted here, so that no lock is held while the user decides.
                lines = list(summary.lines()) if confirm is not None else []
            if confirm is not None:
                confirm(lines)
            try:
                return self._replace(dry_run)
            except NotAtomic as error:
                is_empty = not self._engine.tables({*self._known_tables, *self.drop})
                if dry_run or self.plan.registry is not TODAY or not is_empty:
                    message = f"{error} {_NOT_ATOMIC} {self.plan.not_atomic_hint}"
                    raise RestoreFailed(message) from error
            self._migrate()
            return self._replace(dry_run)

    def _replace(self, dry_run: bool) -> Report:
        """Replace the content of the database in one transaction."""
        rebuilt, emptied = None, []
        if self._keeps_schema:
            emptied = self._emptied_tables()
        else:
            rebuilt = Rebuilt(self._known_tables, self._unmanaged_tables(), self.drop)
        try:
            with replacing(self.using, rebuilt=rebuilt, emptied=emptied, dry_run=dry_run):
                report = self._restore()
                if self.rejects and self.rejects.rows and not dry_run:
                    # Written before the commit: if the file cannot be written, nothing is restored.
                    rows, path = self.rejects.rows, _path_of(self.content)
                    self.rejected = write_rejected(rows, self.using, path)
                return report
        finally:
            schema.clear_caches(connections[self.using])

    def _migrate(self) -> None:
        """Migrate as ``manage.py migrate`` does, outside of a transaction."""
        self.say("migrating outside of a transaction, because a migration cannot run in one")
        self.database_state = "The database was empty. Some of its migrations may be applied now."
        self.plan.build()
        self.database_state = (
            "The database was empty. It is migrated now, and has no rows of the dump."
        )
        self._keeps_schema = True
        self._find_triggers()

    def _summarize(self) -> Summary:
        """Say what the restore removes, and return the summary for the confirmation."""
        makes_rows = self.content.makes_objects or self.content.data != self.content.tables
        summary = Summary(self.using, self.content, self._lost_tables(), makes_rows)
        left_out = self.content.left_out()
        for sentence in (*summary.warnings(), *left_out, *self.plan.removals):
            self.say(sentence)
        if self._keeps_schema:
            self._find_triggers()
            return summary
        if tables := by_label(rows_without_model(self._engine, self._known_tables)):
            self.say(f"Tables that no model has today are dropped: {tables}.")
        if columns := unknown_columns(self._engine, self._known_tables, self._recorded_apps):
            self.say(f"Columns that no model has are dropped: {', '.join(columns)}.")
        return summary

    def _find_triggers(self) -> None:
        """Find the triggers of the tables, and say which of them are disabled."""
        self._triggers = self._engine.triggers(self._emptied_tables())
        if disabled := ", ".join(str(trigger) for trigger in self._triggers if trigger.off):
            self.say(f"Triggers do not run for the rows: {disabled}.")
        if enabled := self._enabled_triggers():
            self.say(f"Triggers run for the rows, because they cannot be disabled: {enabled}.")

    def _enabled_triggers(self) -> str:
        return ", ".join(str(trigger) for trigger in self._triggers if not trigger.off)

    def _trigger_hint(self) -> str:
        enabled = self._enabled_triggers()
        return f" Triggers have run: {enabled}. Drop them before the restore." if enabled else ""

    def _restore(self) -> Report:
        """Build the schema if necessary, empty the tables, and load the dump."""
        if not self._keeps_schema:
            self.say("building the schema")
            self.plan.build()
        self._require_tables()
        connection, tables = connections[self.using], self._emptied_tables()
        created_later: list[Trigger] = []
        if not self._keeps_schema:
            self._find_triggers()
            existing = self._engine.existing_tables(self.plan.tables)
            created_later = self._engine.created_after_rows(existing)
        if created_later:  # Migrations may have inserted rows.
            connection.check_constraints()
        with (
            transaction.atomic(using=self.using),
            without_triggers(connection, [*self._triggers, *created_later]),
        ):
            schema.delete_rows(self.using, tables)
            self._update_content_types()
            load, rejects = self._load, self.rejects
            report = load() if rejects is None else rejects.run_attempts(self.using, load)
            require_references(connection, self.plan.tables)
            self._reset_sequences(self.plan.registry.models())
        self.plan.finish(self.say)
        if self.compares:
            self._say_added_rows()
        return report

    def _update_content_types(self) -> None:
        """Create the content types of the models, with the primary keys of the source.

        JSON fields and texts may contain these keys. If the schema is kept, content types without
        a model are deleted.
        """
        keys = self.content.content_types
        model = self.plan.registry.find("contenttypes.ContentType")
        if model is None:
            return
        if self._keeps_schema:
            schema.update_content_types(model, self.using)
        if keys:
            renumber_content_types(model, keys, self.using)
            # The renumbering has enabled it.
            connections[self.using].disable_constraint_checking()
            self._reset_sequences([model])

    def _reset_sequences(self, models: Iterable[ModelType]) -> None:
        """Advance the sequences of the tables of models beyond the keys of their rows."""
        models = schema.models_with_tables(self.using, models, self._dumped_models())
        self._engine.reset_sequences(models)

    def _require_tables(self) -> None:
        """Raise ``RestoreFailed`` if the table or a column of a dumped model does not exist."""
        models = self._dumped_models()
        existing = self._engine.existing_tables(model._meta.db_table for model in models)
        missing = []
        for model in models:
            name = model._meta.db_table
            if name not in existing:
                raise RestoreFailed(
                    f"The table {name!r} of {model._meta.label} does not exist, and "
                    f"{self._no_table_reason(model)}, or comment out the line that lists its rows."
                )
            if model._meta.managed:
                columns = schema.missing_columns(connections[self.using], model)
                missing += [f"{name}.{column}" for column in columns]
        if missing:
            raise RestoreFailed(
                f"No migration creates {', '.join(missing)}: a model has changed. Run manage.py "
                "makemigrations, then restore again."
            )

    def _no_table_reason(self, model: ModelType) -> str:
        """Return why a model has no table, and what to do about it."""
        if not router.allow_migrate_model(self.using, model):
            return (
                f"the router of the project keeps the model out of the database {self.using!r}. "
                "Restore without this router"
            )
        if not model._meta.managed:
            return "no migration creates it, because the model is unmanaged. Create it first"
        return "no migration creates it. Run manage.py makemigrations"

    @cached_property
    def _recorded_apps(self) -> Apps:
        return recorded_apps(connections[self.using])

    @cached_property
    def _known_tables(self) -> set[str]:
        """The tables of the plan, the current and the recorded models; they need not exist."""
        current = connections[self.using].introspection.django_table_names()
        recorded = schema.tables_of(self._recorded_apps)
        return {*current, *self.plan.tables, *recorded, schema.MIGRATIONS}

    def _unmanaged_tables(self) -> list[str]:
        """Return the tables that no migration creates, and whose rows the dump replaces."""
        models = self._dumped_models()
        unmanaged = {model._meta.db_table for model in models if not model._meta.managed}
        return self._engine.existing_tables(unmanaged - self._known_tables - {*self.drop})

    def _dumped_tables(self) -> set[str]:
        """Return the tables of the dumped models."""
        return {name for model in self._dumped_models() for name in table_of(model).db_tables}

    def _lost_tables(self) -> set[str]:
        """Return the tables whose rows neither the dump nor a migration restores."""
        lost = self.plan.tables - self._dumped_tables() - self._special_tables()
        return lost - self.plan.new_tables if self._keeps_schema else lost

    def _emptied_tables(self) -> list[str]:
        """Return the tables to empty before the load, each before the tables that it refers to.

        These are the tables that existed when the dump was made; if the schema is kept, also all
        tables that do not belong to a newer model.
        """
        tables = (self._dumped_tables() | self.plan.past_tables) - self._special_tables()
        if self._keeps_schema:
            tables |= self._lost_tables()
        ordered = load_order(self.plan.registry.apps.get_models())
        names = dict.fromkeys(name for table in ordered for name in table.db_tables)
        existing = self._engine.existing_tables(tables)
        return [
            *(name for name in existing if name not in names),
            *(name for name in reversed(names) if name in existing),
        ]

    def _special_tables(self) -> set[str]:
        """Return the tables of the special models that the dump does not contain."""
        labels = {label.lower() for label in (*self.content.labels, *self.content.empty)}
        models = self.plan.registry.find_all(NATURAL_KEYS.keys() - labels)
        return {model._meta.db_table for model in models}

    def _dumped_models(self) -> list[ModelType]:
        """Return the models of the dumped rows; a program may name models that no longer exist."""
        return self.plan.registry.find_all(self.content.labels)

    def _load(self) -> Report:
        """Load the dump, and compare the loaded rows with it."""
        self._code_labels.clear()
        loader = Loader(
            self.using,
            registry=self.plan.registry,
            rejects=self.rejects,
            validation=self.validation,
            tables_are_empty=True,
            checks_objects=True,
        )
        loader.references.content_types = self.content.content_types
        code = prepare_load(loader, self.content.migration)
        for sentence in (*self.content.left_out(), *self.plan.removals):
            loader.report.ignore(sentence)
        # Before the handlers of migrators, which may add rows that are not in the dump.
        loader.after_load[:0] = [self._compare, self._require_empty]
        for name, tables in groupby(self.content.tables, lambda table: table.source.name):
            self.progress(Path(name).name, 0)
            for table in tables:
                if table.create is None:
                    self._load_table(table, loader)
                    continue
                for instance, place in self._clearing_tables(
                    created_objects(table, loader.report.ignore)
                ):
                    code.save(instance, place, table)
        for instance, place in self._clearing_tables(self.content.objects(loader.report.ignore)):
            if isinstance(instance, Model):
                code.save(instance, place)
            else:
                loader.flush_deferred_objects()
        loader.finish()
        return loader.report

    def _load_table(self, table: DumpedTable, loader: Loader) -> None:
        destination = loader.destination(table)
        if destination is None:
            return
        for block in table.blocks():
            destination.add_block(block)
            self.progress(table.label, len(block))

    def _clearing_tables(self, objects: Iterable[Placed]) -> Iterator[Placed]:
        """Yield the objects that code makes.

        The first object of a model that the dump does not name deletes the rows that migrations
        have inserted into its table.
        """
        for instance, place in objects:
            if isinstance(instance, Model) and instance._meta.label not in self._code_labels:
                self._code_labels.add(instance._meta.label)
                if instance._meta.label not in self.content.labels:
                    tables = table_of(type(instance)).db_tables
                    schema.delete_rows(self.using, tables)
                    if self._keeps_schema:
                        self._engine.restart_sequences(self._engine.existing_tables(tables))
            yield instance, place

    def _compare(self, loader: Loader) -> None:
        """Raise ``RestoreFailed`` if the loaded rows differ from the dump."""
        self.say("checking references and content")
        if not self.compares:
            return
        rejected = {row.problem.ref.label for row in self.rejects.rows} if self.rejects else set()
        skipped = self._code_labels | rejected
        contents = [content for content in self.content.comparable if content.label not in skipped]
        registry, redirects = self.plan.registry, loader.references.redirects
        different = [content for content in contents if differs(content, registry, self.using)]
        changed = [c for c in different if not self._is_unchanged_by_reload(c, redirects)]
        if changed:
            self.refuse(changed)

    def refuse(self, contents: Sequence[DumpedContent]) -> None:
        """Raise ``RestoreFailed`` for models whose loaded rows differ from the dump."""
        labels = ", ".join(content.label for content in contents)
        message = (
            f"After loading, the content of {labels} is not that of the "
            f"dump.{self._trigger_hint()} To find values that do not fit the current fields: "
            f"manage.py checkdump {_path_of(self.content)}"
        )
        raise RestoreFailed("\n".join(filter(None, [message, self.plan.hint])))

    def _require_empty(self, loader: Loader) -> None:
        """Raise ``RestoreFailed`` if tables have rows that are empty in the dump."""
        if not self.compares:
            return
        self._row_counts = self._count_rows(self.plan.registry.models())
        loaded = {*self.content.labels, *self._code_labels}
        others = {label: rows for label, rows in self._row_counts.items() if label not in loaded}
        filled = {label: others.get(label, 0) for label in self.content.empty}
        if any(filled.values()) and self.content.migration is None:
            raise RestoreFailed(
                f"After loading, there are rows that are not in the dump: {by_label(filled)}. "
                "Receivers of signals, triggers, or methods of models make them; a receiver must "
                "do nothing if raw=True." + self._trigger_hint()
            )
        self._row_counts.update(dict.fromkeys(others, 0))

    def _say_added_rows(self) -> None:
        """Say which tables have rows that are not in the dump."""
        rows = self._count_rows(TODAY.models())
        added = {label: rows.get(label, 0) - count for label, count in self._row_counts.items()}
        if any(count > 0 for count in added.values()):
            self.say(f"There are rows that are not in the dump: {by_label(added)}.")

    def _count_rows(self, models: Iterable[ModelType]) -> dict[str, int]:
        tables = self.plan.tables | schema.tables_of(TODAY.apps)
        existing = set(self._engine.existing_tables(tables))
        return {
            model._meta.label: QuerySet(model, using=self.using).count()
            for model in models
            if model._meta.db_table in existing
            and not (model._meta.proxy or model._meta.label_lower in LEFT_OUT)
        }

    def _is_unchanged_by_reload(self, content: DumpedContent, redirects: Redirects) -> bool:
        """Whether loading the rows again would change no row.

        The text of a row differs from the dump if a field has another type today.
        """
        model: ModelType = self.plan.registry.get(content.label)
        is_original = content.digest in (None, rows_digest(content.tables))
        if not is_original and not has_renamed_references(content, table_of(model)):
            return False
        loader = Loader(self.using, registry=self.plan.registry, validation=Validation.NEVER)
        loader.references.redirects = redirects
        for table in content.tables:
            self._load_table(table, loader)
        loader.flush()
        rows: QuerySet[Model] = QuerySet(model, using=self.using)
        counts = loader.report.tables[content.label]
        return counts.unchanged == counts.total == rows.count()


def _path_of(content: Content) -> Path:
    """Return the path of a dump: a file, or the directory of a ``restore.py``."""
    path = Path(content.dump.source.place().file)
    return path.parent if path.name == RESTORE else path
