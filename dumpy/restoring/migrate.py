"""Migrations within the one transaction of a restore."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.core.management.commands import migrate
from django.db import connections
from django.db.migrations.operations import AddIndex, RemoveIndex, RunPython
from django.db.migrations.operations.base import Operation

from dumpy.errors import DumpyError, RestoreFailed


class Migrate(migrate.Command):
    """Migrates within one transaction; raises ``RestoreFailed``, which names the migration."""

    _migration: Any = None

    def migration_progress_callback(
        self, action: str, migration: Any = None, fake: bool = False
    ) -> None:
        """Let a migration do in one transaction what it does in transactions of its own."""
        super().migration_progress_callback(action, migration, fake)
        if action == "apply_start":
            self._migration = migration
            if connections[self.database].vendor == "postgresql":
                migration.operations = list(_within_transaction(migration.operations))
        if action == "apply_success":
            self._migration = None

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate."""
        self.database = options["database"]
        try:
            self.migrate(**options)
        except DumpyError:
            raise
        except (Exception, SystemExit) as error:
            what = f"The migration {self._migration}" if self._migration else "Migrating"
            raise RestoreFailed(
                f"{what} has failed: {_sentence(error)} The database is as it was."
            ) from error

    def migrate(self, **options: Any) -> None:
        """Migrate to the newest migrations."""
        super().handle(**options)


class _CheckPending(Operation):
    """Checks the foreign keys that are pending, and would keep a table from being altered.

    That of any row is which the same transaction has inserted, and then changes.
    """

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Change nothing."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        """Check."""
        schema_editor.connection.check_constraints()


def _within_transaction(operations: Iterable[Any]) -> Iterator[Any]:
    """The operations of a migration for PostgreSQL, as they are within a transaction of others."""
    from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently

    for operation in operations:
        if not isinstance(operation, RunPython):
            yield _CheckPending()
        if isinstance(operation, AddIndexConcurrently):
            yield AddIndex(operation.model_name, operation.index)
        elif isinstance(operation, RemoveIndexConcurrently):
            yield RemoveIndex(operation.model_name, operation.name)
        else:
            yield operation
    # Indexes and constraints are made in the end.
    yield _CheckPending()


def _sentence(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"it ends the process with sys.exit({error.code!r})."
    return f"{type(error).__name__}: {' '.join(str(error).split()).rstrip('.')}."
