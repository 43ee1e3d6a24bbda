"""Check whether a dump can be restored: its files, its names, and a rehearsal."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from dumpy import reading
from dumpy.checking.rehearsal import rehearse
from dumpy.checking.report import Findings
from dumpy.conf import project_version
from dumpy.errors import ConfigurationError, FixtureError, MigrationError, RestoreFailed
from dumpy.loading.registry import TODAY
from dumpy.migrating.chain import NoStep
from dumpy.migrating.install import current_policy, migrating
from dumpy.reading import Dump
from dumpy.reading.program import labels_in
from dumpy.restoring.changes import Changes
from dumpy.restoring.content import Content, require_dump
from dumpy.restoring.findings import Finding
from dumpy.restoring.names import ModelComparison, ModelRows, added_models, models_of
from dumpy.restoring.plans import Plan, skipped_advice, through_advice
from dumpy.restoring.summary import loading_advice, subset_warning
from dumpy.schema.tables import table_of
from dumpy.text.manifest import NAME, RESTORE


def check(
    path: Path, using: str, *, is_rehearsed: bool = True, keeps_scratch: bool = False
) -> Findings:
    """Check the dump in a directory or a file.

    Without a rehearsal, only files and names are checked. ``keeps_scratch`` keeps the schema of
    the scratch database for the next rehearsal. Raises ``ConfigurationError``.
    """
    if path.name == RESTORE and (path.parent / NAME).is_file():
        path = path.parent
    result = Findings(path, project_version=project_version())
    damages: list[FixtureError] = []
    with _collecting_damage(result), reading.open(path, damages=damages) as dump:
        require_dump(dump)
        result.damages += damages
        _Check(dump, result, using, keeps_scratch).run(is_rehearsed=is_rehearsed)
    result.damages = list({str(error): error for error in result.damages}.values())
    return result


@contextmanager
def _collecting_damage(result: Findings) -> Iterator[None]:
    """Add an error that is raised inside the block to the damages."""
    try:
        yield
    except (FixtureError, RestoreFailed) as error:
        result.damages.append(error)


class _Check:
    """Checks one dump, and adds what it finds to ``result``."""

    def __init__(self, dump: Dump, result: Findings, using: str, keeps_scratch: bool) -> None:
        self.dump = dump
        self.content = Content(dump)
        self.result = result
        self.using = using
        self.keeps_scratch = keeps_scratch
        result.version = dump.version or current_policy().as_version
        result.manifest = dump.manifest
        result.is_edited = dump.is_edited
        result.rows = {entry.model: entry.rows for entry in dump.entries}

    def run(self, *, is_rehearsed: bool) -> None:
        """Check names and, if ``is_rehearsed``, rows."""
        if not self.dump.is_program:
            self._check_names()
        elif not is_rehearsed:
            reason = "it is a program, which only a rehearsal runs"
            hint, place = "check it without --no-rehearsal", self.dump.source.place(1)
            self.result.findings.append(Finding("code", "", reason, hint=hint, place=place))
        with _collecting_damage(self.result):
            self.result.notes += self.content.left_out()
        if is_rehearsed and all(isinstance(error, NoStep) for error in self.result.damages):
            self._rehearse()
        elif is_rehearsed:
            is_damaged = any(isinstance(error, FixtureError) for error in self.result.damages)
            reason = "it is damaged" if is_damaged else "its rows cannot be migrated"
            self.result.unrehearsed = f"The dump was not rehearsed, because {reason}."
        self._advise_for_part()

    def _check_names(self) -> None:
        result = self.result
        self._migrate()
        models = self._models()
        changes = Changes(None)
        with _collecting_damage(result):
            changes = self.content.changes
        comparison = ModelComparison(models, added_models(self.dump, models, self.using), changes)
        kept = Plan(self.content, self.using).new_tables if changes.past else set()
        result.findings += (f for f in comparison.findings() if not _is_kept(f, kept))
        if any(finding.kind == "no-app" for finding in result.findings):
            return
        result.findings += _without_migration(models, comparison)
        result.findings += _read_by_code(models)
        result.findings += self._unmasked()
        skipped = [*self._skipped()] if changes.past else []
        is_stopped = bool(result.stopping)
        result.findings += skipped
        with suppress(FixtureError, RestoreFailed):  # the damages have it already
            if skipped:
                result.advice = skipped_advice(self.content)
            elif is_stopped:
                result.advice = through_advice(self.content)

    def _migrate(self) -> None:
        """Migrate the dump as far as the migrators of the project lead."""
        result = self.result
        policy = replace(current_policy(), say=result.notes.append)
        try:
            with migrating(policy):
                self.content.migrate()
        except NoStep as error:
            result.damages.append(error)
            result.arrived = str(error.arrived)
            result.notes.clear()
            with migrating(replace(policy, allow_mismatch=True)):
                self.content.migrate()
        except (ConfigurationError, MigrationError) as error:
            result.damages.append(error)

    def _models(self) -> list[ModelRows]:
        """Count all rows, and return those that are data, by create function."""
        models: list[ModelRows] = []
        with _collecting_damage(self.result):
            for table in self.content.tables:
                if table.create is not None:
                    self._count(ModelRows([table]))
            models = models_of(self.content.data)
        for model in models:
            self._count(model)
        return models

    def _count(self, model: ModelRows) -> None:
        with _collecting_damage(self.result):
            model.count()
        if self.result.manifest is None:
            self.result.rows[model.label] = self.result.rows.get(model.label, 0) + model.rows

    def _unmasked(self) -> Iterator[Finding]:
        """Yield the fields of a masked dump that look personal and have no mask."""
        for name in self.dump.skeleton.unmasked if self.dump.skeleton else ():
            label, _, field = name.rpartition(".")
            reason = "is not masked, though its name may be that of personal data"
            yield Finding("not-masked", label, reason, field=field, stops=False)

    def _skipped(self) -> Iterator[Finding]:
        """Yield the data migrations that a restore does not run."""
        for key, sentence in self.content.unknown.items():
            yield Finding("data-migration", ".".join(key), sentence)
        with suppress(FixtureError):  # the damages have it already
            for key, operation in self.content.skipped:
                reason = f"{operation}: a restore does not do this"
                yield Finding("data-migration", ".".join(key), reason)

    def _advise_for_part(self) -> None:
        """Say how to add the rows of a part of a database to those of another one."""
        result, advice = self.result, loading_advice(self.dump)
        others = sum(finding.kind == "model-added" for finding in result.findings)
        result.is_part = self.dump.is_subset or others > 0
        if result.damages or result.advice:
            return
        if self.dump.is_subset:
            result.advice = subset_warning(self.dump)
        elif result.is_part:
            tables = f"{len(result.rows)} of {len(result.rows) + others} tables"
            result.advice = f"The dump has {tables}. To keep the rows of the others: {advice}."

    def _rehearse(self) -> None:
        result = self.result
        stopping = [f for f in result.stopping if f.kind not in ("code", "data-migration")]
        undecided = [finding for finding in stopping if finding.call is None]
        if any(finding.kind == "no-app" for finding in stopping):
            return
        if undecided or (stopping and self.dump.skeleton and not self.dump.skeleton.installs):
            first = (undecided or stopping)[0]
            result.unrehearsed = (
                f"The rows were not rehearsed, because {first.name} does not fit the models. "
                "Edit the dump or write a migrator as shown above, then check again."
            )
            return
        rehearse(self.content, self.using, result, keeps_scratch=self.keeps_scratch)
        if self.dump.is_program and not result.rows:
            result.rows = dict.fromkeys(labels_in(self.dump), 0)


def _is_kept(finding: Finding, tables: Collection[str]) -> bool:
    """Whether a finding is for a model that the dump does not have, and whose rows are kept."""
    is_added = finding.kind == "model-added" and not finding.hint
    return is_added and TODAY.get(finding.model)._meta.db_table in tables


def _without_migration(
    models: Sequence[ModelRows], comparison: ModelComparison
) -> Iterator[Finding]:
    """Yield the fields without a migration: a restore creates no columns for them."""
    past = comparison.changes.past
    labels = filter(None, (comparison.current_label(model)[0] for model in models))
    current = TODAY.find_all(labels)
    for label, name in past.fields_without_migration(dict.fromkeys(current)) if past else ():
        hint = "run manage.py makemigrations"
        yield Finding("no-migration", label, "no migration makes it", field=name, hint=hint)


def _read_by_code(models: Sequence[ModelRows]) -> Iterator[Finding]:
    """Yield the fields whose values are read by code that is not Django's."""
    for dumped in models:
        model = TODAY.find(dumped.label)
        for column in table_of(model).columns if model else ():
            if column.name not in dumped.fields and column.field.name not in dumped.fields:
                continue
            for name in ("to_python", "from_db_value"):
                classes = (base for base in type(column.target).__mro__ if name in vars(base))
                owner = next(classes, None)
                if owner is not None and not owner.__module__.startswith("django."):
                    path = f"{owner.__module__}.{owner.__qualname__}"
                    yield Finding(
                        "read-by-code", dumped.label, f"is read by {name}() of {path}",
                        field=str(column.field.name), to=path, stops=False,
                    )  # fmt: skip
                    break
