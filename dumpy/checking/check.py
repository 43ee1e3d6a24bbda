"""Whether a dump is whole, and what a restore of it would meet: nothing is run or written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from sqlite3 import Connection

from django.apps import apps
from django.db import router

from dumpy.checking.drift import Drift, Rows
from dumpy.checking.explain import findings_of, gone, leads_elsewhere, lost_references, moved
from dumpy.checking.findings import Finding
from dumpy.checking.guesses import is_empty, renamed_models
from dumpy.checking.opened import DumpedModel, Opened, opened
from dumpy.checking.references import ReferenceCheck
from dumpy.checking.uniques import spool
from dumpy.conf import project_version
from dumpy.errors import DumpyError, RestoreFailed
from dumpy.loading.registry import TODAY
from dumpy.restoring.history import Past, advice_for, known_past, without_migration
from dumpy.restoring.redirected import redirected
from dumpy.schema.tables import ModelType, table_of
from dumpy.text.manifest import Manifest
from dumpy.writing.database import LEFT_OUT


@dataclass
class Findings:
    """What is in a dump, what is damaged, and how it differs from the models.

    ``rows`` are counted per model; ``arrived`` is the version where the steps of migrators end;
    ``unseen`` says what only a restore can tell, ``advice`` names another way.
    """

    path: Path
    version: str | None
    project_version: str | None
    rows: dict[str, int]
    damages: list[DumpyError]
    findings: list[Finding] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    arrived: str | None = None
    manifest: Manifest | None = None
    is_edited: bool = False
    advice: str = ""

    @property
    def stopping(self) -> list[Finding]:
        """What a restore would stop at."""
        return [finding for finding in self.findings if finding.stops]

    @property
    def is_fine(self) -> bool:
        """Whether a restore would go through untouched."""
        return not self.damages and not self.stopping


def check(path: Path, using: str) -> Findings:
    """Return what is in a directory or a file, and what is wrong with it.

    Raises ``FixtureError`` for what is no dump.
    """
    with opened(path) as dump, spool() as connection:
        found = _begun(dump)
        _Comparison(dump, found, using, connection).run()
        found.damages = list({str(error): error for error in found.damages}.values())
        return found


def _begun(dump: Opened) -> Findings:
    return Findings(
        dump.path,
        dump.version,
        project_version(),
        {table.model: table.rows for table in dump.manifest.tables} if dump.manifest else {},
        dump.errors,
        steps=dump.steps,
        arrived=dump.arrived,
        manifest=dump.manifest,
        is_edited=dump.is_edited,
    )


def _wanted_by(dumped: DumpedModel) -> Iterator[str]:
    """The models of today that the values of a dumped model refer to."""
    table = table_of(TODAY.get(dumped.label))
    there = {table.names[name] for name in dumped.fields if name in table.names}
    columns = [(one.name, one) for one in table.columns]
    for name, column in columns + [(link.name, link.target) for link in table.links]:
        if name in there and column.references is not None:
            yield column.references._meta.label


@dataclass
class _Comparison:
    """Puts the models of a dump beside those of the project."""

    dump: Opened
    found: Findings
    using: str
    spool: Connection
    _new: Sequence[ModelType] = ()

    def run(self) -> None:
        known = [one for one in self.dump.models if TODAY.find(one.label) is not None]
        lost = {one.label: one for one in self.dump.models if one not in known}
        added = self._added()
        wanted = {label for one in known for label in _wanted_by(one)}
        guessed = renamed_models({one: lost[one].fields for one in lost}, added, wanted)
        self._new = [model for model in added if model._meta.label not in guessed.values()]
        references = self._references(guessed)
        for number, dumped in enumerate(self.dump.models):
            guess = guessed.get(dumped.label)
            self.found.findings += self._findings(dumped, guess, number, references)
        self.found.findings += self._lost(references)
        self.found.findings += self._forgotten(guessed)
        self.found.findings += self._programs()
        labels = Counter(one.label for one in self.dump.models)
        merged = [label for label, models in labels.items() if models > 1]
        self.found.unseen += [f"keys that come twice in {label}" for label in merged]
        self.found.findings += [
            Finding("model-added", table_of(model).label, "is not in the dump", stops=False)
            for model in self._new
        ]
        self.found.findings += [
            Finding("unlisted", label, "is not listed, or not all of it", rows=rows, stops=False)
            for label, rows in self.dump.unlisted.items()
        ]
        if self.found.stopping:
            self.found.advice = advice_for(self._past)

    def _added(self) -> list[ModelType]:
        there = {one.lower() for one in (*self.dump.labels, *(m.label for m in self.dump.models))}
        return [
            model
            for model in apps.get_models()
            if not {model._meta.label_lower} & {*there, *LEFT_OUT}
            and not (model._meta.proxy or model._meta.swapped)
            and model._meta.managed
            and router.allow_migrate_model(self.using, model)
        ]

    def _references(self, guessed: Mapping[str, str]) -> ReferenceCheck:
        labels = [guessed.get(one.label, one.label) for one in self.dump.models]
        models = {label: model for label in labels if (model := TODAY.find(label)) is not None}
        named = self.dump.labels | set(guessed.values())
        references = ReferenceCheck(self.spool, self.using, frozenset(models), named)
        references.wanted(map(table_of, models.values()))
        return references

    def _lost(self, references: ReferenceCheck) -> Iterator[Finding]:
        """What refers to rows that are not there, unless there are rows that nobody can see."""
        is_code = any(finding.kind == "code" for finding in self.found.findings)
        is_made = self.dump.code or self.dump.migrated_by_code or self.dump.is_prepared
        if self.found.damages or is_code or is_made:
            self.found.unseen.append("references")
            return
        self.found.unseen += references.unseen
        for lost in references.lost():
            yield lost_references(lost, self.dump.models[lost.source.model])

    def _forgotten(self, guessed: Mapping[str, str]) -> Iterator[Finding]:
        """What makemigrations has not been told of: a restore makes no column for it."""
        labels = dict.fromkeys(guessed.get(one.label, one.label) for one in self.dump.models)
        try:
            for label, name in without_migration(filter(None, map(TODAY.find, labels))):
                yield Finding(
                    "no-migration",
                    label,
                    "no migration makes it",
                    field=name,
                    hint="run manage.py makemigrations",
                )
        except RestoreFailed as error:
            self.found.damages.append(error)

    def _findings(
        self, dumped: DumpedModel, guess: str | None, number: int, references: ReferenceCheck
    ) -> Iterator[Finding]:
        model = TODAY.find(guess or dumped.label)
        if model is None:
            yield self._gone(dumped)
            return
        drift = Drift(dumped, table_of(model), number, references, self._new)
        drift.look()
        self.found.unseen += drift.unseen
        self._count(drift.rows)
        if guess is not None:
            yield moved(dumped, guess, drift.rows.count)
        yield from findings_of(drift, is_guess=guess is not None)
        for found in redirected(dumped.label, dumped.fields, self._past):
            yield leads_elsewhere(found, drift.rows.count)

    @cached_property
    def _past(self) -> Past | None:
        return known_past(self.dump.migrations, [one.label for one in self.dump.models])

    def _gone(self, dumped: DumpedModel) -> Finding:
        rows, values = Rows(dumped), 0
        for batch in rows.batches():
            values += sum(not is_empty(value) for row in batch.rows for value in row.values)
        self._count(rows)
        return gone(dumped, rows.count, values)

    def _count(self, rows: Rows) -> None:
        self.found.damages += rows.errors
        if self.found.manifest is None:
            label = rows.dumped.label
            self.found.rows[label] = self.found.rows.get(label, 0) + rows.count

    def _programs(self) -> Iterator[Finding]:
        for reason in self.dump.code:
            yield Finding("code", "", reason, hint="restore it with --dry-run to see what it gives")
        for label, tables in self.dump.migrated_by_code.items():
            if self.dump.manifest is None:
                self.found.rows[label] = sum(
                    len(block) for table in tables for block in table.blocks()
                )
            reason = "is migrated by code: not looked at"
            finding = Finding("migrated-by-code", label, reason, stops=False)
            yield replace(finding, rows=self.found.rows.get(label, 0))
