"""Whether a dump would be restored: its files, its names, and a rehearsal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from django.apps import apps
from django.db import router

from dumpy import reading
from dumpy.checking.names import DumpedModel, Names
from dumpy.checking.rehearsal import rehearse
from dumpy.checking.report import Finding, Findings
from dumpy.conf import project_version
from dumpy.errors import ConfigurationError, FixtureError, MigrationError, RestoreFailed
from dumpy.loading.registry import TODAY
from dumpy.migrating.chain import NoWay
from dumpy.migrating.install import migrating, policy_here
from dumpy.reading import Dump, DumpedTable
from dumpy.reading.program import labels_in
from dumpy.restoring.changes import Changes
from dumpy.restoring.content import Content, require_dump
from dumpy.restoring.plans import skipped_advice, through_advice
from dumpy.schema.tables import ModelType, table_of
from dumpy.text.manifest import NAME, RESTORE
from dumpy.writing.database import LEFT_OUT


def check(
    path: Path, using: str, *, is_rehearsed: bool = True, keeps_scratch: bool = False
) -> Findings:
    """Return what is in a directory or a file, and what keeps it from being restored.

    Without a rehearsal only files and names are checked. The schema of its scratch database may be
    kept for the next rehearsal. Raises ``ConfigurationError``.
    """
    if path.name == RESTORE and (path.parent / NAME).is_file():
        path = path.parent
    found = Findings(path, project_version=project_version())
    damages: list[FixtureError] = []
    with _noted(found), reading.open(path, damages=damages) as dump:
        require_dump(dump)
        found.damages += damages
        _Check(dump, found, using, keeps_scratch).run(is_rehearsed=is_rehearsed)
    found.damages = list({str(error): error for error in found.damages}.values())
    return found


@contextmanager
def _noted(found: Findings) -> Iterator[None]:
    """Note what is raised in the block as a damage."""
    try:
        yield
    except (FixtureError, RestoreFailed) as error:
        found.damages.append(error)


class _Check:
    """Checks one dump."""

    def __init__(self, dump: Dump, found: Findings, using: str, keeps_scratch: bool) -> None:
        self.dump = dump
        self.content = Content(dump, is_run_again=dump.is_program)
        self.found = found
        self.using = using
        self.keeps_scratch = keeps_scratch
        found.version = dump.version or policy_here().as_version
        found.manifest = dump.manifest
        found.is_edited = dump.is_edited
        found.rows = {entry.model: entry.rows for entry in dump.entries}

    def run(self, *, is_rehearsed: bool) -> None:
        """Check it."""
        if not self.dump.is_program:
            self._check_names()
        elif not is_rehearsed:
            reason, hint = (
                "it is a program, which only a rehearsal runs",
                "check it without --no-rehearsal",
            )
            place = self.dump.source.place(1)
            self.found.findings.append(Finding("code", "", reason, hint=hint, place=place))
        if is_rehearsed and all(isinstance(one, NoWay) for one in self.found.damages):
            self._rehearse()
        elif is_rehearsed:
            is_damaged = any(isinstance(one, FixtureError) for one in self.found.damages)
            why = "it is damaged" if is_damaged else "its rows cannot be migrated"
            self.found.unrehearsed = f"The dump was not rehearsed, because {why}."

    def _check_names(self) -> None:
        found = self.found
        self._migrate()
        models = self._models()
        with _noted(found):
            found.notes += self.dump.left_out()
        changes = Changes(None)
        with _noted(found):
            changes = self.content.changes
        names = Names(models, self._added({model.label for model in models}), changes)
        found.findings += names.findings()
        found.findings += _without_migration(models, names)
        found.findings += _read_by_code(models)
        skipped = [*self._skipped()] if changes.past else []
        is_stopped = bool(found.stopping)
        found.findings += skipped
        with suppress(FixtureError, RestoreFailed):  # which is among the damages
            if skipped:
                found.advice = skipped_advice(self.content)
            elif is_stopped:
                found.advice = through_advice(self.content)

    def _migrate(self) -> None:
        """Let the migrators of the project change what rows mean, as far as they lead."""
        found = self.found
        policy = replace(policy_here(), say=found.notes.append)
        try:
            with migrating(policy):
                self.content.migrate()
        except NoWay as error:
            found.damages.append(error)
            found.arrived = str(error.arrived)
            found.notes.clear()
            with migrating(replace(policy, allow_mismatch=True)):
                self.content.migrate()
        except (ConfigurationError, MigrationError) as error:
            found.damages.append(error)

    def _models(self) -> list[DumpedModel]:
        """Read all rows, and put the tables together by their create functions."""
        groups: dict[tuple[int, str], list[DumpedTable]] = {}
        with _noted(self.found):
            for table in self.content.tables:
                if table.create is not None:
                    self._count(DumpedModel([table]))
                elif not table.drops:
                    groups.setdefault((table.function.line, table.label), []).append(table)
        models = [DumpedModel(tables) for tables in groups.values()]
        for model in models:
            self._count(model)
        return models

    def _count(self, model: DumpedModel) -> None:
        with _noted(self.found):
            model.count()
        if self.found.manifest is None:
            self.found.rows[model.label] = self.found.rows.get(model.label, 0) + model.rows

    def _added(self, known: set[str]) -> list[ModelType]:
        """Return the models of today that the dump does not know."""
        known |= {*(entry.model for entry in self.dump.entries)}
        known |= {*self.dump.skeleton.models.values()} if self.dump.skeleton else set()
        known |= {*self.dump.manifest.left_out} if self.dump.manifest else set()
        there = {*(label.lower() for label in known), *LEFT_OUT}
        return [
            model
            for model in apps.get_models()
            if model._meta.label_lower not in there
            and not (model._meta.proxy or model._meta.swapped)
            and model._meta.managed
            and router.allow_migrate_model(self.using, model)
        ]

    def _skipped(self) -> Iterator[Finding]:
        """Yield the migrations that the rows need, and nothing applies."""
        for key, said in self.content.unknown.items():
            yield Finding("data-migration", ".".join(key), said)
        with suppress(FixtureError):  # of a table file, which is among the damages
            for key, said in self.content.skipped:
                reason = f"{said}: a restore does not do this"
                yield Finding("data-migration", ".".join(key), reason)

    def _rehearse(self) -> None:
        found = self.found
        stopping = [one for one in found.stopping if one.kind not in ("code", "data-migration")]
        unsettled = [one for one in stopping if one.call is None]
        if unsettled or (stopping and self.dump.skeleton and not self.dump.skeleton.installs):
            first = (unsettled or stopping)[0]
            name = f"{first.model}.{first.field}" if first.field else first.model
            found.unrehearsed = (
                f"The rows were not rehearsed, because {name} does not fit the models. "
                "Edit the dump or write a migrator as shown above, then check again."
            )
            return
        rehearse(self.content, self.using, found, keeps_scratch=self.keeps_scratch)
        if self.dump.is_program and not found.rows:
            found.rows = dict.fromkeys(labels_in(self.dump), 0)


def _without_migration(models: Sequence[DumpedModel], names: Names) -> Iterator[Finding]:
    """Yield the fields without a migration: a restore makes no column for them."""
    labels = (names.today(model)[0] for model in models)
    known = TODAY.found(filter(None, labels))
    past = names.changes.past
    for label, name in past.without_migration(dict.fromkeys(known)) if past else ():
        hint = "run manage.py makemigrations"
        yield Finding("no-migration", label, "no migration makes it", field=name, hint=hint)


def _read_by_code(models: Sequence[DumpedModel]) -> Iterator[Finding]:
    """Yield the fields whose values are read by code that is not Django's."""
    for dumped in models:
        model = TODAY.find(dumped.label)
        for column in table_of(model).columns if model else ():
            if column.name not in dumped.fields and column.field.name not in dumped.fields:
                continue
            kind = type(column.target)
            for name in ("to_python", "from_db_value"):
                owner = next((one for one in kind.__mro__ if name in vars(one)), None)
                if owner is not None and not owner.__module__.startswith("django."):
                    path = f"{owner.__module__}.{owner.__qualname__}"
                    yield Finding(
                        "read-by-code", dumped.label, f"is read by {name}() of {path}",
                        field=str(column.field.name), to=path, stops=False,
                    )  # fmt: skip
                    break
