"""The steps of a restore."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.apps import apps
from django.core.management.color import no_style
from django.db import connections, transaction
from django.db.migrations.recorder import MigrationRecorder

from dumpy.errors import RestoreFailed
from dumpy.loading.loader import Loader
from dumpy.loading.report import Report
from dumpy.loading.sequences import with_positive_keys
from dumpy.reading.directory import Directory
from dumpy.reading.fixture import Row, TableRows
from dumpy.reading.replay import placed_calls
from dumpy.restoring import schema
from dumpy.restoring.digests import differing_tables
from dumpy.restoring.target import emptied


@dataclass
class Restorer:
    """Restores a verified directory into the database ``using``.

    ``say`` is told each step in a sentence; ``compares`` refuses content that is not the dump's.
    ``functions`` are the globals of a ``restore.py`` that was run.
    """

    directory: Directory
    using: str
    say: Callable[[str], object]
    compares: bool = True
    functions: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def tables(self) -> dict[str, list[TableRows]]:
        """The tables of rows by file, parents first."""
        return {name: self.directory.tables_of(name) for name in self.directory.listed()}

    def replaced_rows(self) -> int:
        """Return how many rows of the database the restore will replace."""
        connection = connections[self.using]
        return schema.count(connection, schema.own_tables(connection, self._db_tables()))

    def run(self, *, dry_run: bool = False) -> Report:
        """Restore; raises ``DumpyError`` or ``DatabaseError``, with the database as it was."""
        tables = [table for tables in self.tables.values() for table in tables]
        Loader(self.using).check(tables, is_built=False)
        with emptied(self.using, self._db_tables(), dry_run=dry_run):
            self.say("building the schema")
            schema.build(self.using)
            with transaction.atomic(using=self.using):
                schema.empty(connections[self.using], self._db_tables())
                report = self._load()
                self._check()
        return report

    def _db_tables(self) -> list[str]:
        entries = self.directory.manifest.tables
        return [name for entry in entries for name in entry.db_tables]

    def _load(self) -> Report:
        loader = Loader(self.using)
        for name, tables in self.tables.items():
            self.say(f"loading {name}")
            for table in tables:
                destination = None if table.drops else loader.destination(table)
                if destination is not None:
                    for row in _data_rows(table):
                        destination.add(row)
            self._call(name, loader)
        loader.finish()
        return loader.report

    def _call(self, name: str, loader: Loader) -> None:
        """Load what functions that are code make of the rows of a file."""
        for source, block in self.directory.blocks_of(name) if self.directory.restore.code else ():
            for line, instance in placed_calls(source, block, self.functions):
                if instance is not None:
                    loader.save(instance, source.place(line))

    def _check(self) -> None:
        connection = connections[self.using]
        self.say("checking references and content")
        connection.check_constraints()
        different = differing_tables(self.directory, self.using) if self.compares else []
        if different:
            raise RestoreFailed(
                f"After loading, the content of {', '.join(different)} is not that of the dump. "
                "The database is as it was."
            )
        if self._is_migrated():
            schema.complete(self.using)
        self._reset_sequences()

    def _is_migrated(self) -> bool:
        """Whether the schema has moved on since the dump."""
        applied = {
            (app, name)
            for app, name in MigrationRecorder(connections[self.using]).applied_migrations()
        }
        dumped = set(self.directory.manifest.migrations.items())
        return not dumped <= applied or any(app not in dict(dumped) for app, _name in applied)

    def _reset_sequences(self) -> None:
        connection = connections[self.using]
        there = set(connection.introspection.table_names())
        models = with_positive_keys(
            (m for m in apps.get_models() if m._meta.managed and m._meta.db_table in there),
            self.using,
        )
        with connection.cursor() as cursor:
            for statement in connection.ops.sequence_reset_sql(no_style(), list(models)):
                cursor.execute(statement)


def _data_rows(table: TableRows) -> Iterator[Row]:
    for entry in table.entries():
        if not isinstance(entry, Row):
            raise RestoreFailed(
                f"{table.place(entry.line)}: the row is code, which is not run here."
            )
        yield entry
