"""The content of a dump for a restore: its rows, migrations and models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from dumpy import reading
from dumpy.conf import configuration
from dumpy.errors import DumpyError, FixtureError, Place, counted, line_of, sentence
from dumpy.migrating.install import is_waiting, migrate, migration_of
from dumpy.migrating.migration import Migration
from dumpy.migrating.tables import MigratedDump
from dumpy.reading import Dump, DumpedTable, Program
from dumpy.reading.program import labels_in
from dumpy.reading.source import allow_programs, announce
from dumpy.restoring.changes import Changes, count_filled
from dumpy.restoring.compare import DumpedContent, by_model
from dumpy.restoring.history import MigrationKey, Past
from dumpy.scripting import execfile
from dumpy.text.manifest import RESTORE, TableEntry


@dataclass
class Content(MigratedDump):
    """The content of a verified directory or a single file.

    Attributes:
        namespace: the globals of a ``restore.py`` that is a program, after it was run; it is run
            when the models to load with are known, unless it runs already.
    """

    namespace: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def past(self) -> Past:
        """The migrations of the dump; raises ``RestoreFailed`` if migrations cannot be read."""
        return Past(self.dump.migrations)

    @cached_property
    def changes(self) -> Changes:
        """The changes by migrations since the dump was made."""
        return Changes(self.past)

    @property
    def skipped(self) -> Sequence[tuple[MigrationKey, str]]:
        """The migrations whose effect on rows a restore does not repeat, with descriptions."""
        return [] if self.has_arrived else list(self.changes.skipped(self._fields))

    @property
    def unknown(self) -> Mapping[MigrationKey, str]:
        """A message for each migration that the dump names and the project does not have."""
        return {} if self.has_arrived else self.past.unknown

    @property
    def _fields(self) -> Mapping[str, Collection[str] | None]:
        """The fields of the rows by the labels of their models; None if code makes the rows."""
        fields: dict[str, Collection[str] | None] = dict.fromkeys(self.labels)
        if not self.dump.is_program:
            for label, tables in by_model(self.tables).items():
                fields[label] = set.intersection(*(set(table.fields) for table in tables))
        return fields

    @cached_property
    def removals(self) -> Sequence[str]:
        """A sentence for each migration that removes values or rows of the dump."""
        removed = self.changes.removed
        removals: dict[MigrationKey, list[str]] = {}
        exception = ", unless a data migration moves it" if self.changes.scripts else ""
        values: dict[str, Counter[str]] = {}
        for ((app, model), name), key in removed.items():
            label = f"{app}.{model}"
            tables = [table for table in self.tables if table.label.lower() == label]
            if name and label not in values:
                names = [n for removed_model, n in removed if n and removed_model == (app, model)]
                values[label] = self._count_values(tables, names)
            count = values[label][name] if name else sum(table.row_count for table in tables)
            if count:
                path = ".".join(filter(None, [tables[0].label, name]))
                number = counted(count, "value" if name else "row")
                removals.setdefault(key, []).append(f"{path} ({number})")
        return [
            f"{'.'.join(key)} removes what the dump has in {', '.join(texts)}{exception}."
            for key, texts in removals.items()
        ]

    def _count_values(self, tables: Iterable[DumpedTable], names: Sequence[str]) -> Counter[str]:
        """Return the number of values in each historical field that are not empty."""
        counts: Counter[str] = Counter()
        for table in tables:
            old_table = self.changes.old_table(table.label)
            aliases = old_table.names if old_table is not None else {}
            indexes = {aliases.get(name, name): index for name, index in table.fields.items()}
            columns = [(name, indexes.get(aliases.get(name, name))) for name in names]
            for block in table.blocks() if columns else ():
                for name, index in columns:
                    if isinstance(index, int):
                        counts[name] += count_filled(block.columns[index])
        return counts

    @property
    def content_types(self) -> Mapping[str, int]:
        """The primary keys of the source's content types by label, if the manifest has them."""
        return self.dump.manifest.content_types if self.dump.manifest else {}

    @property
    def labels(self) -> Sequence[str]:
        """The labels of the models that have rows in the dump."""
        if self.makes_objects:
            return labels_in(self.dump)
        if self.dump.is_program and not self.namespace:
            return [entry.model for entry in self.dump.entries]
        return list(dict.fromkeys(table.label for table in self.tables if not table.drops))

    @property
    def row_counts(self) -> Mapping[str, int]:
        """The number of rows of each model after migrators, by label."""
        counts: Counter[str] = Counter()
        for table in self.tables:
            counts[table.label] += 0 if table.drops else table.row_count
        return +counts

    @property
    def empty(self) -> Sequence[str]:
        """The labels of the models without rows, according to the manifest."""
        return [
            entry.model for entry in self.dump.entries if not entry.rows and self._is_listed(entry)
        ]

    @property
    def unlisted(self) -> Sequence[str]:
        """The database tables whose rows are in the dump, but not listed to be loaded."""
        entries = [
            entry for entry in self.dump.entries if entry.rows and not self._is_listed(entry)
        ]
        return [name for entry in entries for name in entry.db_tables]

    @property
    def comparable(self) -> Sequence[DumpedContent]:
        """The contents to compare after the load: rows without code."""
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
        """Return the original tables, with the functions of a program that was run."""
        if not self.dump.is_program or self.dump.path is None:
            return self.dump.tables
        namespace = self.migration.namespace if self.migration else self.namespace
        files = self._listed_files()
        return [table for name in files for table in self.dump.tables_of(name, namespace)]

    def _listed_files(self) -> Sequence[str]:
        return self.dump.listed(self.namespace.get("TABLES") if self.dump.is_program else None)

    def _is_listed(self, entry: TableEntry) -> bool:
        return set(self._listed_files()).issuperset(file.name for file in entry.files)

    def find_migration(self) -> Migration | None:
        """Return the migration of the dump, or None; a program is run."""
        if not self.dump.is_program or self.dump.path is None:
            return super().find_migration()
        if not self.namespace:
            self.namespace = _run_script(self.dump.path / RESTORE)
            # The script is run as an import, so its migration is complete.
            return migration_of(self.namespace)
        return migrate(self.namespace, {}, is_complete=True) if is_waiting(self.namespace) else None

    @cached_property
    def _program(self) -> Program:
        with allow_programs([self.dump.source.path or ""]):
            return Program(self.dump)


def content_of(path: Path, namespace: dict[str, Any] | None = None) -> Content:
    """Open and verify a directory or a single file, which may be compressed.

    ``namespace`` contains the globals of a ``restore.py`` that was run. Raises ``FixtureError``,
    also for a file that is not a dump.
    """
    dump = reading.open(path)
    require_dump(dump)
    require_permission(dump)
    if namespace and dump.is_program:
        dump.listed(namespace.get("TABLES"))
    return Content(dump, namespace=namespace or {})


def require_dump(dump: Dump) -> None:
    """Raise ``FixtureError`` for a hand-written fixture."""
    if dump.outline is None:
        hint = f"To add its objects to a database: manage.py loaddata {dump.source.path}"
        raise FixtureError(dump.source.place(1), "it is a program, not a dump.", hint)


def require_permission(dump: Dump) -> None:
    """Raise ``FixtureError`` for a program if the settings do not allow programs."""
    if dump.is_program and not configuration().execute:
        reason = "it is a program, and DUMPY['EXECUTE'] is False, so it was not run."
        raise FixtureError(dump.source.place(1), reason)


def _run_script(script: Path) -> dict[str, Any]:
    """Run a script as if it were imported, and return its globals."""
    namespace: dict[str, Any] = {"__name__": "", "__file__": str(script), "execfile": execfile}
    announce(str(script))
    try:
        exec(compile(script.read_bytes(), str(script), "exec", dont_inherit=True), namespace)
    except DumpyError:
        raise
    except (Exception, SystemExit) as error:
        place = Place(str(script), line_of(error, str(script)))
        raise FixtureError(place, sentence(error)) from error
    return namespace
