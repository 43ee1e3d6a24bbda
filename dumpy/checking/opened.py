"""A directory or a module, opened to be checked: nothing of it is run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dumpy.errors import ConfigurationError, DumpyError, FixtureError, MigrationError, Place
from dumpy.migrating.chain import NoWay
from dumpy.migrating.install import migration_of_dump
from dumpy.migrating.migration import Migration
from dumpy.migrating.policy import Policy, migrating
from dumpy.migrating.tables import migrated
from dumpy.reading.directory import Directory, damages, read_manifest, understood
from dumpy.reading.execution import named
from dumpy.reading.fixture import EditedDump, TableRows
from dumpy.restoring.content import ModuleContent, module_content
from dumpy.text.directory import Restore
from dumpy.text.manifest import NAME, RESTORE, Manifest
from dumpy.text.named import Lines, models_in, sections_in
from dumpy.text.outline import SAVED, parse, split
from dumpy.text.skeleton import Skeleton

_NOT_MIGRATED = (ConfigurationError, MigrationError)
_STEP = re.compile(r"migrate_from_(\w+)")


@dataclass(frozen=True)
class DumpedModel:
    """The rows of one create function: where its model is named, and where its rows are listed."""

    label: str
    tables: tuple[TableRows, ...]
    named_at: Place
    listed_at: tuple[Place, ...]

    @property
    def fields(self) -> Mapping[str, Any]:
        """Where each field has its value."""
        return self.tables[0].fields

    @property
    def created_at(self) -> Place:
        """The line of the create function."""
        return self.tables[0].skeleton_place(self.tables[0].line)

    def field_at(self, name: str) -> Place:
        """The line of a field in the create function."""
        first = self.tables[0]
        return first.skeleton_place(first.field_lines.get(name, first.line))


@dataclass
class Opened:
    """A dump: ``labels`` are the models that it names, ``code`` says what of it is a program.

    ``migrated_by_code`` are models whose rows go through code of a migrator, ``steps`` what the
    migrators have said, ``arrived`` the version where their steps end too early. ``manifest`` is
    that of a directory, ``errors`` say what is damaged; ``unlisted`` are the rows of models that a
    person has taken out of the list. ``is_prepared`` says that handlers of a migrator may make rows
    before those of the dump come.
    """

    path: Path
    version: str | None = None
    migrations: Mapping[str, str] = field(default_factory=dict)
    models: tuple[DumpedModel, ...] = ()
    labels: frozenset[str] = frozenset()
    errors: list[DumpyError] = field(default_factory=list)
    code: list[str] = field(default_factory=list)
    migrated_by_code: dict[str, list[TableRows]] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    arrived: str | None = None
    manifest: Manifest | None = None
    is_edited: bool = False
    unlisted: Mapping[str, int] = field(default_factory=dict)
    is_prepared: bool = False

    def begin(self, skeleton: Restore | Skeleton) -> Migration | None:
        """Take what a skeleton says, and return what the migrators of the project make of it."""
        self.version, self.migrations = skeleton.version, skeleton.migrations
        self.labels = frozenset({*self.labels, *skeleton.models.values()})
        policy = Policy(say=self.steps.append)
        try:
            return self._migration(skeleton, policy)
        except _NOT_MIGRATED as error:
            self.errors.append(error)
            # What a message ends with is what a method must be called.
            name = _STEP.search(error.hint) if isinstance(error, NoWay) else None
            self.arrived = name[1].replace("_", ".") if name else None
        self.steps.clear()
        # Steps that end too early are of use; all else would be said as if it were allowed.
        say = self.steps.append if self.arrived else lambda sentence: None
        with suppress(*_NOT_MIGRATED):
            return self._migration(skeleton, replace(policy, say=say, allow_mismatch=True))
        return None

    @staticmethod
    def _migration(skeleton: Restore | Skeleton, policy: Policy) -> Migration | None:
        with migrating(policy):
            return migration_of_dump(skeleton)


@dataclass
class _Models:
    """Tables, put together by their create functions."""

    opened: Opened
    migration: Migration | None
    lines: Mapping[str, Place]
    found: dict[tuple[int, str], list[TableRows]] = field(default_factory=dict)
    listed: dict[tuple[int, str], list[Place]] = field(default_factory=dict)

    def add(self, raw: TableRows, place: Place) -> None:
        """Take a table, and where it is listed."""
        table = migrated(raw, self.migration)
        if table.create is not None:
            self.opened.migrated_by_code.setdefault(raw.label, []).append(raw)
        elif not table.drops:
            key = table.line, table.label
            self.found.setdefault(key, []).append(table)
            self.listed.setdefault(key, []).append(place)

    def finish(self) -> None:
        """Hand over the models."""
        self.opened.is_prepared = bool(self.migration and self.migration.before_load)
        self.opened.models = tuple(
            DumpedModel(
                label,
                tuple(tables),
                self.lines.get(label, tables[0].skeleton_place(line)),
                tuple(dict.fromkeys(self.listed[line, label])),
            )
            for (line, label), tables in self.found.items()
        )


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """Open a dump; raises ``FixtureError`` for what is none.

    Rows that are code are found, not refused, for they are not run.
    """
    if path.name == RESTORE and (path.parent / NAME).is_file():
        path = path.parent
    if path.is_dir():
        with named(map(str, path.glob("*.py"))):
            yield _directory(path)
    else:
        with module_content(path) as content:
            yield _module(path, content)


def _directory(path: Path) -> Opened:
    manifest = read_manifest(path)
    labels = frozenset({*(table.model for table in manifest.tables), *manifest.left_out})
    found = Opened(path, manifest.version, manifest.migrations, labels=labels, manifest=manifest)
    problems = list(damages(path, manifest))
    found.errors += problems
    directory = _understood(found, manifest)
    if directory is not None:
        found.is_edited = directory.is_edited
        found.unlisted = {entry.model: entry.rows for entry in directory.unlisted}
        models = _Models(found, found.begin(directory.restore), _named_in(directory))
        _add_files(directory, models, {Path(error.place.file).name for error in problems})
        models.finish()
    return found


def _understood(found: Opened, manifest: Manifest) -> Directory | None:
    """A directory, even if what lists its rows is a program in part."""
    try:
        return understood(found.path, manifest)
    except FixtureError as error:
        found.is_edited = True
        with suppress(FixtureError):
            program = understood(found.path, manifest, is_run=True)
            found.code.append(str(error))
            return program
        found.errors.append(error)
    return None


def _add_files(directory: Directory, models: _Models, damaged: set[str]) -> None:
    known = {entry.name for table in directory.manifest.tables for entry in table.files}
    errors = models.opened.errors
    try:
        directory.listed()
    except FixtureError as error:
        errors.append(error)
    for file, line in directory.restore.files.items():
        if file in known - damaged:
            try:
                for table in directory.tables_of(file):
                    models.add(table, directory.source.place(line))
            except FixtureError as error:
                errors.append(error)


def _named_in(directory: Directory) -> dict[str, Place]:
    source = directory.source
    source.file.seek(0)
    tree = parse(split(source.lines(), SAVED))
    return {label: source.place(line) for label, line in models_in(tree)}


def _module(path: Path, content: ModuleContent) -> Opened:
    source, fixture = content.source, content.fixture
    found = Opened(path)
    if isinstance(fixture, EditedDump):
        found.code.append(fixture.reason)
        found.labels = frozenset(label for label, _line in models_in(fixture.tree))
        return found
    tree = fixture.program.tree
    lines = {label: source.place(line) for label, line in models_in(tree)}
    models = _Models(found, found.begin(fixture.skeleton), lines)
    listed = dict(sections_in(tree))
    for table in fixture.tables:
        models.add(table, source.place(_section_line(listed, table)))
    models.finish()
    return found


def _section_line(listed: Mapping[Lines, int], table: TableRows) -> int:
    part = table.parts[0]
    first: int = getattr(part, "first_line", getattr(part, "line", 0))
    for (start, end), line in listed.items():
        if start <= first <= end:
            return line
    return table.line
