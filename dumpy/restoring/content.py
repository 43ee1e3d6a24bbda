"""A dump as a restore needs it: its rows, what migrators make of them, and what code makes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from dumpy import reading
from dumpy.conf import configuration
from dumpy.errors import DumpyError, FixtureError, Place, counted
from dumpy.migrating.install import is_waiting, migrate, migration_of
from dumpy.migrating.migration import Migration
from dumpy.migrating.tables import MigratedDump
from dumpy.reading import Dump, DumpedTable, Program
from dumpy.reading.program import labels_in, migrations_named
from dumpy.reading.source import allow_programs, announce
from dumpy.restoring.changes import Changes, count_filled
from dumpy.restoring.compare import DumpedContent, by_model
from dumpy.restoring.history import MigrationKey, Past
from dumpy.scripting import execfile
from dumpy.text.manifest import RESTORE, TableEntry


@dataclass
class Content(MigratedDump):
    """What a restore is given: a verified directory, or a single file.

    Attributes:
        namespace: the globals of a ``restore.py`` that is a program, if it was run.
        is_run_again: whether it has to be run when it is known which models it will find.
    """

    namespace: dict[str, Any] = field(default_factory=dict)
    is_run_again: bool = False

    @property
    def migrations(self) -> Mapping[str, str]:
        """The newest migration of each app when the dump was made."""
        if self.makes_objects:
            return migrations_named(self.dump)
        return self.dump.migrations

    @cached_property
    def past(self) -> Past:
        """How far the dump had come; raises ``RestoreFailed`` if migrations cannot be read."""
        return Past(self.migrations)

    @cached_property
    def changes(self) -> Changes:
        """What migrations of the project have changed since the dump was made."""
        return Changes(self.past)

    @property
    def skipped(self) -> Sequence[tuple[MigrationKey, str]]:
        """The migrations that the rows need, and nothing applies, with what they do."""
        return [] if self.has_arrived else list(self.changes.skipped(self._fields))

    @property
    def unknown(self) -> Mapping[MigrationKey, str]:
        """The migrations that the dump names and the project lacks, each with a sentence."""
        return {} if self.has_arrived else self.past.unknown

    @property
    def _fields(self) -> Mapping[str, Collection[str] | None]:
        """The fields of rows by the labels of their models, None where code makes them."""
        found: dict[str, Collection[str] | None] = dict.fromkeys(self.labels)
        if not self.dump.is_program:
            for label, tables in by_model(self.tables).items():
                found[label] = set.intersection(*(set(table.fields) for table in tables))
        return found

    @cached_property
    def removals(self) -> Sequence[str]:
        """A sentence for each migration that removes values or rows of the dump."""
        removed = self.changes.removed
        found: dict[MigrationKey, list[str]] = {}
        moved = ", unless a data migration moves it" if self.changes.scripts else ""
        values: dict[str, Counter[str]] = {}
        for ((app, model), name), key in removed.items():
            label = f"{app}.{model}"
            tables = [one for one in self.tables if one.label.lower() == label]
            if name and label not in values:
                names = [other for of, other in removed if other and of == (app, model)]
                values[label] = self._values(tables, names)
            count = values[label][name] if name else sum(one.row_count for one in tables)
            if count:
                what = ".".join(filter(None, [tables[0].label, name]))
                gone = counted(count, "value" if name else "row")
                found.setdefault(key, []).append(f"{what} ({gone})")
        return [
            f"{'.'.join(key)} removes what the dump has in {', '.join(places)}{moved}."
            for key, places in found.items()
        ]

    def _values(self, tables: Iterable[DumpedTable], names: Sequence[str]) -> Counter[str]:
        """Return how many rows have a value in each field, by the name that the field had then."""
        counts: Counter[str] = Counter()
        for table in tables:
            then = self.changes.old_table(table.label)
            own = then.names if then is not None else {}
            where = {own.get(one, one): at for one, at in table.fields.items()}
            columns = [(name, where.get(own.get(name, name))) for name in names]
            for block in table.blocks() if columns else ():
                for name, at in columns:
                    if isinstance(at, int):
                        counts[name] += count_filled(block.columns[at])
        return counts

    @property
    def content_types(self) -> Mapping[str, int]:
        """The primary keys of the content types of the source, by label, if it says so."""
        return self.dump.manifest.content_types if self.dump.manifest else {}

    @property
    def labels(self) -> Sequence[str]:
        """The labels of the models whose rows the dump has."""
        if self.makes_objects:
            return labels_in(self.dump)
        if self.dump.is_program and not self.namespace:
            return [entry.model for entry in self.dump.entries]
        return list(dict.fromkeys(table.label for table in self.tables if not table.drops))

    @property
    def row_counts(self) -> Mapping[str, int]:
        """The number of rows of each model, by its label after migrators."""
        counts: Counter[str] = Counter()
        for table in self.tables:
            counts[table.label] += 0 if table.drops else table.row_count
        return +counts

    @property
    def empty(self) -> Sequence[str]:
        """The models without rows, by the manifest."""
        return [entry.model for entry in self.dump.entries if not entry.rows and self._lists(entry)]

    @property
    def unlisted(self) -> Sequence[str]:
        """The tables of the database whose rows the dump has, and does not list to be loaded."""
        entries = [entry for entry in self.dump.entries if entry.rows and not self._lists(entry)]
        return [name for entry in entries for name in entry.db_tables]

    @property
    def comparable(self) -> Sequence[DumpedContent]:
        """The rows that are data, whose content is compared when they are loaded."""
        digests = {
            frozenset(file.name for file in entry.files): entry.digest
            for entry in self.dump.entries
        }
        return [
            DumpedContent(
                label, tables, digests.get(frozenset(Path(t.source.name).name for t in tables))
            )
            for label, tables in by_model(self.tables).items()
        ]

    def dumped_tables(self) -> Sequence[DumpedTable]:
        """Return the tables as they were written, with the functions of a program that was run."""
        if not self.dump.is_program or self.dump.path is None:
            return self.dump.tables
        namespace = self.migration.namespace if self.migration else self.namespace
        return [one for name in self._listed() for one in self.dump.tables_of(name, namespace)]

    def _listed(self) -> Sequence[str]:
        return self.dump.listed(self.namespace.get("TABLES") if self.dump.is_program else None)

    def _lists(self, entry: TableEntry) -> bool:
        return set(self._listed()).issuperset(file.name for file in entry.files)

    def find_migration(self) -> Migration | None:
        """Return what migrators make of the dump; runs what code there is."""
        if not self.dump.is_program or self.dump.path is None:
            return super().find_migration()
        if self.is_run_again:
            self.namespace = _namespace(self.dump.path / RESTORE)
            # It is imported, so that it has waited for nobody.
            return migration_of(self.namespace)
        return migrate(self.namespace, {}, is_complete=True) if is_waiting(self.namespace) else None

    @cached_property
    def _program(self) -> Program:
        with allow_programs([self.dump.source.path or ""]):
            return Program(self.dump)


def content_of(
    path: Path, namespace: dict[str, Any] | None = None, *, is_run_again: bool = False
) -> Content:
    """Verify a directory, or read a single file, which may be compressed.

    ``namespace`` holds the globals of a ``restore.py`` that was run. Raises ``FixtureError``, also
    if it is not a dump.
    """
    dump = reading.open(path)
    require_dump(dump)
    require_permission(dump)
    if namespace and dump.is_program:
        dump.listed(namespace.get("TABLES"))
    return Content(dump, namespace=namespace or {}, is_run_again=is_run_again)


def require_dump(dump: Dump) -> None:
    """Raise ``FixtureError`` for a fixture that is written by hand."""
    if dump.outline is None:
        hint = f"To add its objects to a database: manage.py loaddata {dump.source.path}"
        raise FixtureError(dump.source.place(1), "it is a program, not a dump.", hint)


def require_permission(dump: Dump) -> None:
    """Raise ``FixtureError`` for a program where none may be run."""
    if dump.is_program and not configuration().execute:
        reason = "it is a program, and DUMPY['EXECUTE'] is False, so it was not run."
        raise FixtureError(dump.source.place(1), reason)


def _namespace(script: Path) -> dict[str, Any]:
    """Return the names that a script defines; it runs as if it were imported."""
    namespace: dict[str, Any] = {"__name__": "", "__file__": str(script), "execfile": execfile}
    announce(str(script))
    try:
        exec(compile(script.read_bytes(), str(script), "exec", dont_inherit=True), namespace)
    except DumpyError:
        raise
    except (Exception, SystemExit) as error:
        raise FixtureError(Place(str(script)), f"{type(error).__name__}: {error}") from error
    return namespace
