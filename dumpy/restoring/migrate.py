"""Migrations within the one transaction of a restore."""

from __future__ import annotations

from typing import Any

from django.core.management.commands import migrate
from django.db import connections

from dumpy.engines import engine_of
from dumpy.errors import DumpyError, RestoreFailed

_EXISTS = "To let go of what is there already, name the table or view: --drop NAME. "


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
            engine = engine_of(connections[self.database])
            migration.operations = engine.operations(migration.operations)
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
            hint = _EXISTS if "already exists" in str(error) else ""
            raise RestoreFailed(
                f"{what} has failed: {_sentence(error)} {hint}The database is as it was."
            ) from error

    def migrate(self, **options: Any) -> None:
        """Migrate to the newest migrations."""
        super().handle(**options)


def _sentence(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"it ends the process with sys.exit({error.code!r})."
    return f"{type(error).__name__}: {' '.join(str(error).split()).rstrip('.')}."
