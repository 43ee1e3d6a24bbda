"""A directory or a module, opened to be checked: nothing of it is run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dumpy import reading
from dumpy.errors import ConfigurationError, DumpyError, FixtureError, MigrationError, Place
from dumpy.migrating.chain import NoWay
from dumpy.migrating.install import migration_of_dump
from dumpy.migrating.migration import Migration
from dumpy.migrating.policy import Policy, migrating
from dumpy.migrating.tables import migrated
from dumpy.reading import Dump, DumpedTable
from dumpy.reading.program import labels_in
from dumpy.text.manifest import NAME, RESTORE, Manifest

_NOT_MIGRATED = (ConfigurationError, MigrationError)
_STEP = re.compile(r"migrate_from_(\w+)")


@dataclass(frozen=True)
class DumpedModel:
    """The rows of one create function: where its model is named, and where its rows are listed."""

    label: str
    tables: tuple[DumpedTable, ...]
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
    migrated_by_code: dict[str, list[DumpedTable]] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    arrived: str | None = None
    manifest: Manifest | None = None
    is_edited: bool = False
    unlisted: Mapping[str, int] = field(default_factory=dict)
    is_prepared: bool = False

    def begin(self, dump: Dump) -> Migration | None:
        """Take what a skeleton says, and return what the migrators of the project make of it."""
        self.version, self.migrations = dump.version, dump.migrations
        labels = dump.skeleton.models.values() if dump.skeleton else ()
        self.labels = frozenset({*self.labels, *labels})
        policy = Policy(say=self.steps.append)
        try:
            return self._migration(dump, policy)
        except _NOT_MIGRATED as error:
            self.errors.append(error)
            # What a message ends with is what a method must be called.
            name = _STEP.search(error.hint) if isinstance(error, NoWay) else None
            self.arrived = name[1].replace("_", ".") if name else None
        self.steps.clear()
        # Steps that end too early are of use; all else would be said as if it were allowed.
        say = self.steps.append if self.arrived else lambda sentence: None
        with suppress(*_NOT_MIGRATED):
            return self._migration(dump, replace(policy, say=say, allow_mismatch=True))
        return None

    @staticmethod
    def _migration(dump: Dump, policy: Policy) -> Migration | None:
        with migrating(policy):
            return migration_of_dump(dump)


@dataclass
class _Models:
    """Tables, put together by their create functions."""

    opened: Opened
    migration: Migration | None
    dump: Dump
    found: dict[tuple[int, str], list[DumpedTable]] = field(default_factory=dict)
    listed: dict[tuple[int, str], list[Place]] = field(default_factory=dict)

    def add(self, raw: DumpedTable) -> None:
        """Take a table."""
        table = migrated(raw, self.migration)
        if table.create is not None:
            self.opened.migrated_by_code.setdefault(raw.label, []).append(raw)
        elif not table.drops:
            key = table.line, table.label
            self.found.setdefault(key, []).append(table)
            self.listed.setdefault(key, []).append(raw.skeleton_place(raw.listed_at))

    def finish(self) -> None:
        """Hand over the models."""
        self.opened.is_prepared = bool(self.migration and self.migration.before_load)
        lines = self.dump.skeleton.model_lines if self.dump.skeleton else {}
        self.opened.models = tuple(
            DumpedModel(
                label,
                tuple(tables),
                tables[0].skeleton_place(lines.get(label, line)),
                tuple(dict.fromkeys(self.listed[line, label])),
            )
            for (line, label), tables in self.found.items()
        )


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """Open a dump; raises ``FixtureError`` for what is none."""
    if path.name == RESTORE and (path.parent / NAME).is_file():
        path = path.parent
    damages: list[FixtureError] = []
    with reading.open(path, damages=damages) as dump:
        if dump.outline is None:
            hint = f"To add its objects to a database: manage.py loaddata {path}"
            raise FixtureError(dump.source.place(1), "it is a program, not a dump.", hint)
        yield _opened(path, dump, damages)


def _opened(path: Path, dump: Dump, damages: list[FixtureError]) -> Opened:
    found = Opened(path, dump.version, dump.migrations, manifest=dump.manifest)
    found.errors += damages
    found.is_edited = dump.is_edited
    if dump.manifest is not None:
        left_out = dump.manifest.left_out
        found.labels = frozenset({*(table.model for table in dump.entries), *left_out})
    if dump.is_program:
        found.code.append(f"{dump.source.place(1)}: it is a program, which is not run here.")
        found.labels |= set(labels_in(dump))
        return found
    found.unlisted = {entry.model: entry.rows for entry in dump.unlisted}
    models = _Models(found, found.begin(dump), dump)
    for table in _tables(dump, found, {Path(error.place.file).name for error in damages}):
        models.add(table)
    models.finish()
    return found


def _tables(dump: Dump, found: Opened, damaged: set[str]) -> Iterator[DumpedTable]:
    """Yield the tables that are whole."""
    if dump.path is None:
        yield from dump.tables
        return
    try:
        dump.listed()
    except FixtureError as error:
        found.errors.append(error)
    for name in dump.skeleton.files if dump.skeleton else ():
        if name in dump.files and name not in damaged:
            yield from dump.tables_of(name)
