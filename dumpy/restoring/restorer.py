"""The steps of a restore."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
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
from dumpy.loading.registry import TODAY, each_led_to
from dumpy.loading.report import Rejects, Report
from dumpy.loading.special import renumber_content_types
from dumpy.loading.validation import Validation
from dumpy.migrating.tables import created, start
from dumpy.reading import DumpedTable
from dumpy.reading.program import Placed
from dumpy.restoring import schema
from dumpy.restoring.compare import DumpedContent, differing, is_renamed, rows_digest
from dumpy.restoring.content import Content
from dumpy.restoring.plans import Today
from dumpy.restoring.schema import NotAtomic
from dumpy.restoring.summary import Summary, by_label
from dumpy.restoring.target import (
    AS_IT_WAS,
    known_tables,
    patient,
    recorded_apps,
    replaced,
    require_rebuildable,
    require_references,
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
    """Restores what a verified dump holds into the database of a plan.

    Attributes:
        say: is told each step in a sentence.
        compares: whether content that is not the dump's is refused.
        rejects: takes the rows that cannot be loaded; they are written to a file beside the dump.
        drop: the tables and views that may be dropped where tables are rebuilt.
        progress: is told how many rows of a table are loaded, and 0 before the first.
        rejected: names the file of rejected rows, if there are any.
        left: says what became of the database if the restore fails.
    """

    content: Content
    plan: Today
    say: Callable[[str], object] = lambda step: None
    compares: bool = True
    validation: Validation = Validation.CHANGED
    rejects: Rejects | None = None
    drop: Sequence[str] = ()
    progress: Callable[[str, int], object] = lambda name, rows: None
    rejected: RowsRejected | None = None
    left: str = AS_IT_WAS
    _keeps_schema: bool = False
    _code_labels: set[str] = field(default_factory=set)
    _rows: dict[str, int] = field(default_factory=dict)
    _triggers: list[Trigger] = field(default_factory=list)

    @property
    def using(self) -> str:
        """The alias of the database."""
        return self.plan.using

    @property
    def _engine(self) -> Engine:
        return engine_of(connections[self.using])

    def run(
        self, *, dry_run: bool = False, confirm: Callable[[Summary], object] | None = None
    ) -> Report:
        """Restore; raises ``DumpyError`` or ``DatabaseError``, with the database as ``left``
        says.

        When all that can be known is said, ``confirm`` is given both sides; what it raises ends it.
        """
        with self.plan.context():
            self.content.migrate()
            self.plan.check(self.content.data)
            with patient(self.using):
                self._keeps_schema = self.plan.is_current()
                if not self._keeps_schema:
                    require_rebuildable(self.using, self._known, self.drop)
                summary = self._say_what_goes()
                if confirm is not None:
                    summary.here  # noqa: B018, counted while nobody has to wait for an answer
            if confirm is not None:
                confirm(summary)
            try:
                return self._replace(dry_run)
            except NotAtomic as error:
                is_empty = not self._engine.tables({*self._known, *self.drop})
                if dry_run or self.plan.registry is not TODAY or not is_empty:
                    raise RestoreFailed(f"{error} {_NOT_ATOMIC} {self.plan.before}") from error
            self._migrate()
            return self._replace(dry_run)

    def _replace(self, dry_run: bool) -> Report:
        """Replace the contents of the database, all of them or none."""
        with ExitStack() as stack:
            # What this process remembers is of other rows, whether they stay or go.
            stack.callback(schema.forget, connections[self.using])
            if self._keeps_schema:
                emptied = self._tables_emptied()
                stack.enter_context(replaced(self.using, emptied=emptied, dry_run=dry_run))
            else:
                rebuilt = Rebuilt(self._known, self._filled(), self.drop)
                stack.enter_context(replaced(self.using, rebuilt=rebuilt, dry_run=dry_run))
            report = self._restore()
            if self.rejects and self.rejects.rows and not dry_run:
                # If it cannot be written, nothing is restored.
                rows, beside = self.rejects.rows, _beside(self.content)
                self.rejected = write_rejected(rows, self.using, beside)
            return report

    def _migrate(self) -> None:
        """Migrate as ``manage.py migrate`` does, outside of a transaction."""
        self.say("migrating outside of a transaction, because a migration cannot run in one")
        self.left = "The database was empty. Some of its migrations may be applied now."
        self.plan.build()
        self.left = "The database was empty. It is migrated now, and has no rows of the dump."
        self._keeps_schema = True
        self._say_triggers()

    def _say_what_goes(self) -> Summary:
        makes_rows = self.content.makes_objects or self.content.data != self.content.tables
        summary = Summary(self.using, self.content, self._tables_going(), makes_rows)
        for sentence in (*summary.losses(), *self.content.dump.left_out(), *self.plan.losses):
            self.say(sentence)
        if self._keeps_schema:
            self._say_triggers()
        elif columns := unknown_columns(self._engine, self._known, self._recorded):
            self.say(f"Columns that no model has are dropped: {', '.join(columns)}.")
        return summary

    def _say_triggers(self) -> None:
        self._triggers = self._engine.triggers(self._tables_emptied())
        if quiet := [trigger for trigger in self._triggers if trigger.off]:
            self.say(f"Triggers do not run for the rows: {_listed(quiet)}.")
        if running := self._running():
            self.say(f"Triggers run for the rows, because they cannot be disabled: {running}.")

    def _running(self) -> str:
        return _listed(trigger for trigger in self._triggers if not trigger.off)

    def _triggers_that_ran(self) -> str:
        running = self._running()
        return f" Triggers have run: {running}. Drop them before the restore." if running else ""

    def _restore(self) -> Report:
        if not self._keeps_schema:
            self.say("building the schema")
            self.plan.build()
        self._require_tables()
        connection, tables = connections[self.using], self._tables_emptied()
        late: list[Trigger] = []
        if not self._keeps_schema:
            self._say_triggers()
            late = self._engine.made_after_rows(self._engine.there(self.plan.tables))
        if late:  # Migrations may have inserted rows.
            connection.check_constraints()
        with (
            transaction.atomic(using=self.using),
            without_triggers(connection, [*self._triggers, *late]),
        ):
            schema.empty(self.using, tables)
            self._renew_content_types()
            load, rejects = self._load, self.rejects
            report = load() if rejects is None else rejects.attempts(self.using, load)
            require_references(connection, self.plan.tables)
            # Rows that are inserted from now on need free keys.
            self._number(self.plan.registry.models())
        self.plan.complete(self.say)
        if self.compares:
            self._say_what_was_added()
        return report

    def _renew_content_types(self) -> None:
        """Have the content types of the models, with the keys of the source.

        JSON and texts may hold these. Where the schema is kept, those without a model go.
        """
        keys = self.content.content_types
        model = self.plan.registry.find("contenttypes.ContentType")
        if model is None:
            return
        if self._keeps_schema:
            schema.renew_content_types(model, self.using)
        if keys:
            renumber_content_types(model, keys, self.using)
            # It has switched them on again.
            connections[self.using].disable_constraint_checking()
            self._number([model])

    def _number(self, models: Iterable[ModelType]) -> None:
        """Let the next rows of models have keys that are free."""
        self._engine.reset_sequences(schema.numbered(self.using, models, self._models()))

    def _require_tables(self) -> None:
        """Raise ``RestoreFailed`` if a table, or a column, is not there to be filled."""
        models = self._models()
        there = self._engine.there(model._meta.db_table for model in models)
        lost = []
        for model in models:
            name = model._meta.db_table
            if name not in there:
                raise RestoreFailed(
                    f"The table {name!r} of {model._meta.label} does not exist, and "
                    f"{self._no_table(model)}, or comment out the line that lists its rows."
                )
            if model._meta.managed:
                columns = schema.missing_columns(connections[self.using], model)
                lost += [f"{name}.{column}" for column in columns]
        if lost:
            raise RestoreFailed(
                f"No migration creates {', '.join(lost)}: a model has changed. Run manage.py "
                "makemigrations, then restore again."
            )

    def _no_table(self, model: ModelType) -> str:
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
    def _recorded(self) -> Apps:
        return recorded_apps(connections[self.using])

    @cached_property
    def _known(self) -> frozenset[str]:
        return known_tables(connections[self.using], self.plan.tables, self._recorded)

    def _filled(self) -> list[str]:
        """Return the tables that no migration makes, whose rows the dump's rows replace."""
        unmanaged = {model._meta.db_table for model in self._models() if not model._meta.managed}
        return self._engine.there(unmanaged - self._known - {*self.drop})

    def _tables_loaded(self) -> set[str]:
        """The tables that have no other rows than those of the dump."""
        return {name for model in self._models() for name in table_of(model).db_tables}

    def _tables_going(self) -> set[str]:
        """The tables whose rows come back neither with the dump nor with migrations."""
        going = self.plan.tables - self._tables_loaded() - self._tables_kept()
        return going - self.plan.new if self._keeps_schema else going

    def _tables_emptied(self) -> list[str]:
        """The tables that have no rows when the load begins, each before the tables it refers to.

        They are the tables of the time of the dump; where the schema is kept, also tables that are
        not of a newer model.
        """
        tables = (self._tables_loaded() | self.plan.known) - self._tables_kept()
        if self._keeps_schema:
            tables |= self._tables_going()
        ordered = load_order(self.plan.registry.apps.get_models())
        names = dict.fromkeys(name for table in ordered for name in table.db_tables)
        there = self._engine.there(tables)
        return [
            *sorted(tables.intersection(there) - names.keys()),
            *(name for name in reversed(names) if name in there),
        ]

    def _tables_kept(self) -> set[str]:
        """The tables whose rows are made with the schema, unless the dump knows of them."""
        known = {label.lower() for label in (*self.content.labels, *self.content.empty)}
        found = self.plan.registry.found(NATURAL_KEYS.keys() - known)
        return {model._meta.db_table for model in found}

    def _models(self) -> list[ModelType]:
        """The models of which the dump has rows; a program may know some that are gone."""
        return self.plan.registry.found(self.content.labels)

    def _load(self) -> Report:
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
        code = start(loader, self.content.migration)
        for sentence in (*self.content.dump.left_out(), *self.plan.losses):
            loader.report.ignore(sentence)
        # What migrators do when all is loaded is no part of the dump.
        loader.after_load[:0] = [self._compare, self._require_none]
        for name, tables in groupby(self.content.tables, lambda table: table.source.name):
            self.progress(Path(name).name, 0)
            for table in tables:
                if table.create is None:
                    self._load_table(table, loader)
                    continue
                for one, place in self._noted(created(table, loader.report.ignore)):
                    code.save(one, place, table)
        for one, place in self._noted(self.content.objects(loader.report.ignore)):
            if isinstance(one, Model):
                code.save(one, place)
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

    def _noted(self, given: Iterable[Placed]) -> Iterator[Placed]:
        """Note the models whose objects code makes: they replace the rows of migrations."""
        for one, place in each_led_to(self.using, given):
            if isinstance(one, Model) and one._meta.label not in self._code_labels:
                self._code_labels.add(one._meta.label)
                if one._meta.label not in self.content.labels:
                    tables = table_of(type(one)).db_tables
                    schema.empty(self.using, tables)
                    if self._keeps_schema:
                        self._engine.restart_sequences(self._engine.there(tables))
            yield one, place

    def _compare(self, loader: Loader) -> None:
        """Raise ``RestoreFailed`` if what was loaded is not what the dump holds."""
        self.say("checking references and content")
        if not self.compares:
            return
        rejected = {row.problem.ref.label for row in self.rejects.rows} if self.rejects else set()
        others = self._code_labels | rejected
        contents = [content for content in self.content.comparable if content.label not in others]
        found = differing(contents, self.plan.registry, self.using)
        redirects = loader.references.redirects
        if different := [one for one in found if not self._is_loaded_alike(one, redirects)]:
            self.refuse(different)

    def refuse(self, contents: Sequence[DumpedContent]) -> None:
        """Raise ``RestoreFailed`` for what was loaded, and is not what the dump holds."""
        labels = ", ".join(content.label for content in contents)
        said = (
            f"After loading, the content of {labels} is not that of the "
            f"dump.{self._triggers_that_ran()} To find values that do not fit the current fields: "
            f"manage.py checkdump {_beside(self.content)}"
        )
        raise RestoreFailed("\n".join(filter(None, [said, self.plan.advice])))

    def _require_none(self, loader: Loader) -> None:
        """Raise ``RestoreFailed`` if there are rows where the dump says that there were none."""
        if not self.compares:
            return
        self._rows = self._count(self.plan.registry.models())
        known = {*self.content.labels, *self._code_labels}
        strange = {label: rows for label, rows in self._rows.items() if label not in known}
        found = {label: strange.get(label, 0) for label in self.content.empty}
        if any(found.values()) and self.content.migration is None:
            raise RestoreFailed(
                f"After loading, there are rows that are not in the dump: {by_label(found)}. "
                "Receivers of signals, triggers, or methods of models make them; a receiver must "
                "do nothing if raw=True." + self._triggers_that_ran()
            )
        self._rows.update(dict.fromkeys(strange, 0))

    def _say_what_was_added(self) -> None:
        """Name the tables with rows that came beside those of the dump, or after them."""
        rows = self._count(TODAY.models())
        added = {label: rows.get(label, 0) - count for label, count in self._rows.items()}
        if any(count > 0 for count in added.values()):
            self.say(f"There are rows that are not in the dump: {by_label(added)}.")

    def _count(self, models: Iterable[ModelType]) -> dict[str, int]:
        there = set(self._engine.there(self.plan.tables | schema.tables_of(TODAY.apps)))
        return {
            model._meta.label: QuerySet(model, using=self.using).count()
            for model in models
            if model._meta.db_table in there
            and not (model._meta.proxy or model._meta.label_lower in LEFT_OUT)
        }

    def _is_loaded_alike(self, content: DumpedContent, redirects: Redirects) -> bool:
        """Whether rows that are of other types today are what a load makes of those dumped."""
        model: ModelType = self.plan.registry.get(content.label)
        is_as_dumped = content.digest in (None, rows_digest(content.tables))
        if not is_as_dumped and not is_renamed(content, table_of(model)):
            return False
        loader = Loader(self.using, registry=self.plan.registry, validation=Validation.NEVER)
        loader.references.redirects = redirects
        for table in content.tables:
            self._load_table(table, loader)
        loader.flush()
        rows: QuerySet[Model] = QuerySet(model, using=self.using)
        counts = loader.report.tables[content.label]
        return counts.unchanged == counts.total == rows.count()


def _beside(content: Content) -> Path:
    """What the rejected rows are written beside: the file, or the directory, of a dump."""
    path = Path(content.dump.source.place().file)
    return path.parent if path.name == RESTORE else path


def _listed(triggers: Iterable[Trigger]) -> str:
    return ", ".join(map(str, triggers))
