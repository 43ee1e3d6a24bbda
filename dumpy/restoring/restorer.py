"""The steps of a restore."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

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
from dumpy.restoring import schema
from dumpy.restoring.digests import differing_tables
from dumpy.restoring.target import emptied


@dataclass
class Restorer:
    """Restores a verified directory into the database ``using``.

    ``say`` is told each step in a sentence.
    """

    directory: Directory
    using: str
    say: Callable[[str], object]

    @cached_property
    def tables(self) -> list[TableRows]:
        """The tables of rows, parents first."""
        return self.directory.tables()

    def replaced_rows(self) -> int:
        """Return how many rows of the database the restore will replace."""
        connection = connections[self.using]
        return schema.count(connection, schema.own_tables(connection, self._db_tables()))

    def run(self, *, dry_run: bool = False) -> Report:
        """Restore; raises ``DumpyError`` or ``DatabaseError``, with the database as it was."""
        Loader(self.using).check(self.tables)
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
        for table in self.tables:
            if table.drops:
                continue
            self.say(f"loading {table.label}")
            destination = loader.destination(table)
            if destination is not None:
                for row in _data_rows(table):
                    destination.add(row)
        loader.finish()
        return loader.report

    def _check(self) -> None:
        connection = connections[self.using]
        self.say("checking references and content")
        connection.check_constraints()
        different = differing_tables(self.directory, self.using)
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
        models = with_positive_keys(apps.get_models(), self.using)
        there = set(connection.introspection.table_names())
        models = {
            model for model in models if model._meta.managed and model._meta.db_table in there
        }
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
