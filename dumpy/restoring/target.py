"""The database of a restore, whose content is replaced completely or not at all."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from django.apps import apps
from django.apps.registry import Apps
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.utils import Error as DatabaseError

from dumpy.engines import engine_of
from dumpy.engines.base import Engine, Rebuilt, Trigger
from dumpy.errors import RestoreFailed
from dumpy.restoring.schema import MIGRATIONS

UNCHANGED = "The database is as it was."
_LOCKED = (
    "Another session uses the tables, and did not release them in time. End that session, or "
    "wait until it ends, and restore again."
)
_IN_TRANSACTION = "A restore needs its own transaction: call it outside of atomic()."
_CONNECTION_LOST = "The connection was lost during the commit:"
_UNKNOWN = "it is unknown whether the database was restored. Check it, or restore it again."


class UnknownOutcome(RestoreFailed):
    """A restore that may be complete or rolled back."""


@contextmanager
def lock_timeout(using: str) -> Iterator[None]:
    """Wait in the block for the locks of other sessions, for a limited time.

    Raises ``RestoreFailed`` if they do not release the locks.
    """
    connection = connections[using]
    engine = engine_of(connection)
    try:
        with engine.lock_timeout():
            yield
    except DatabaseError as error:
        if not engine.is_locked_out(error):
            raise
        raise RestoreFailed(f"{error}\n{_LOCKED}") from error


@contextmanager
def replacing(
    using: str,
    *,
    rebuilt: Rebuilt | None = None,
    emptied: Sequence[str] = (),
    dry_run: bool = False,
) -> Iterator[None]:
    """Run the block in a transaction in which tables are rebuilt or emptied.

    Other sessions see the old rows until the block ends. The database is unchanged if the block
    fails, if the process is killed, and after a dry run. Raises ``RestoreFailed`` if other sessions
    lock the tables, and ``UnknownOutcome`` if the connection was lost during the commit.
    """
    connection = connections[using]
    engine = engine_of(connection)
    if connection.in_atomic_block:
        raise RestoreFailed(_IN_TRANSACTION)
    driver_connection = None
    try:
        with (
            engine.rebuilding(rebuilt, is_dry=dry_run)
            if rebuilt
            else engine.transaction(is_dry=dry_run)
        ):
            if rebuilt is None:
                engine.lock_tables(emptied)
                engine.require_restorable(emptied)
                engine.restart_sequences(emptied)
            yield
            driver_connection = connection.connection
    except DatabaseError as error:
        # Django may have opened another connection since.
        is_known = driver_connection is None or (
            connection.connection is driver_connection and connection.is_usable()
        )
        if not is_known:
            raise UnknownOutcome(f"{error}\n{_CONNECTION_LOST} {_UNKNOWN}") from error
        if not engine.is_locked_out(error):
            raise
        raise RestoreFailed(f"{error}\n{_LOCKED}") from error


@contextmanager
def without_triggers(
    connection: BaseDatabaseWrapper, triggers: Sequence[Trigger]
) -> Iterator[None]:
    """Disable triggers in the block, which must be in a transaction."""
    engine = engine_of(connection)
    disabled = [trigger for trigger in triggers if trigger.off]
    engine.execute(*(trigger.off for trigger in disabled))
    yield
    if disabled:
        # PostgreSQL cannot alter a table with pending foreign key checks.
        connection.check_constraints()
    engine.execute(*(trigger.on for trigger in disabled))


def require_rebuildable(using: str, tables: Collection[str], drop: Collection[str]) -> None:
    """Raise ``RestoreFailed`` if dropping tables would destroy objects that ``drop`` lacks."""
    engine = engine_of(connections[using])
    existing = engine.existing_tables({*tables, *drop})
    unknown = sorted({*drop} - engine.tables(drop).keys())
    if unknown:
        raise RestoreFailed(f"--drop: there is no table or view {', '.join(map(repr, unknown))}.")
    losses = [
        f"{sentence} To drop it: --drop {name}" if name else sentence
        for name, sentence in engine.objects_lost_by_dropping(existing)
        if name not in drop
    ]
    if losses:
        raise RestoreFailed(
            "The database is at other migrations than the project: its tables must be rebuilt, "
            "and the following would be lost.\n"
            + "\n".join(losses)
            + "\nIf no migration creates it again, create it yourself after the restore. Or "
            "restore into an empty database."
        )


def require_references(connection: BaseDatabaseWrapper, tables: Collection[str]) -> None:
    """Raise ``RestoreFailed`` if rows of other tables refer to rows that no longer exist."""
    if dangling := {*engine_of(connection).dangling(tables)}:
        keys = ", ".join(f"{table!r} to {target!r}" for table, target in sorted(dangling))
        raise RestoreFailed(
            "Foreign keys of tables outside of the dump refer to rows that are not in the dump: "
            f"{keys}. Delete these rows, or restore into an empty database."
        )


def unknown_columns(engine: Engine, tables: Collection[str], recorded: Apps) -> list[str]:
    """Return the columns that neither the current nor the ``recorded`` models have.

    They were added by hand, or by migrations that were written again under the same names.
    """
    known: dict[str, set[str]] = {}
    migrated = {model._meta.db_table for model in recorded.get_models(include_auto_created=True)}
    for registry in (apps, recorded):
        for model in registry.get_models(include_auto_created=True):
            names = {str(field.column) for field in model._meta.local_concrete_fields}
            known.setdefault(model._meta.db_table, set()).update(names)
    return [
        f"{table}.{name}"
        for table in sorted(migrated.intersection(engine.existing_tables(tables)))
        for name in engine.column_names(table)
        if name not in known[table]
    ]


def rows_without_model(engine: Engine, tables: Collection[str]) -> dict[str, int]:
    """Return the numbers of rows of the existing tables that no current model has."""
    current = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    return {
        name: engine.column(f"SELECT COUNT(*) FROM {engine.quote(name)}")[0]
        for name in engine.existing_tables({*tables} - current - {MIGRATIONS})
    }


def recorded_apps(connection: BaseDatabaseWrapper) -> Apps:
    """Return the historical models after the migrations that the database has recorded."""
    try:
        loader = MigrationLoader(connection, ignore_no_migrations=True)
        applied = [key for key in loader.applied_migrations or () if key in loader.graph.nodes]
        return loader.project_state(applied).apps if applied else Apps()
    except DatabaseError:
        raise
    except Exception:  # Building the schema reports errors in migrations.
        return Apps()
