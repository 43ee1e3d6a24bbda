"""The database to restore: what happens in it happens wholly, or not at all."""

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
from dumpy.restoring.schema import MIGRATIONS, tables_of

UNCHANGED = "The database is as it was."
_IN_THE_WAY = (
    "Another session uses the tables, and did not release them in time. End that session, or "
    "wait until it ends, and restore again."
)
_WITHIN = "A restore needs its own transaction: call it outside of atomic()."
_LOST = "The connection was lost during the commit:"
_UNKNOWN = "it is unknown whether the database was restored. Check it, or restore it again."


class UnknownOutcome(RestoreFailed):
    """A restore that may have been done, or not."""


@contextmanager
def lock_timeout(using: str) -> Iterator[None]:
    """Read in the block what others may have locked; wait for them for a limited time.

    Raises ``RestoreFailed`` if they do not release it in time.
    """
    connection = connections[using]
    engine = engine_of(connection)
    try:
        with engine.lock_timeout():
            yield
    except DatabaseError as error:
        if not engine.is_locked_out(error):
            raise
        raise RestoreFailed(f"{error}\n{_IN_THE_WAY}") from error


@contextmanager
def replacing(
    using: str,
    *,
    rebuilt: Rebuilt | None = None,
    emptied: Sequence[str] = (),
    dry_run: bool = False,
) -> Iterator[None]:
    """Run the block where tables may be replaced: they are rebuilt, or their rows are deleted.

    Other sessions see the old rows until the block ends. If the block fails, if the process dies,
    and after a dry run, the database is as it was. Raises ``RestoreFailed`` if other sessions are
    locking the tables, ``UnknownOutcome`` if the connection was lost during the commit.
    """
    connection = connections[using]
    engine = engine_of(connection)
    if connection.in_atomic_block:
        raise RestoreFailed(_WITHIN)
    held = None
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
            held = connection.connection
    except DatabaseError as error:
        # Django may have made a new connection by now.
        is_known = held is None or (connection.connection is held and connection.is_usable())
        if not is_known:
            raise UnknownOutcome(f"{error}\n{_LOST} {_UNKNOWN}") from error
        if not engine.is_locked_out(error):
            raise
        raise RestoreFailed(f"{error}\n{_IN_THE_WAY}") from error


@contextmanager
def without_triggers(
    connection: BaseDatabaseWrapper, triggers: Sequence[Trigger]
) -> Iterator[None]:
    """Keep triggers from running in the block, which is a transaction."""
    engine = engine_of(connection)
    quiet = [trigger for trigger in triggers if trigger.off]
    engine.execute(*(trigger.off for trigger in quiet))
    yield
    if quiet:
        # PostgreSQL alters no table with pending foreign keys.
        connection.check_constraints()
    engine.execute(*(trigger.on for trigger in quiet))


def known_tables(
    connection: BaseDatabaseWrapper, planned: Collection[str], recorded: Apps
) -> frozenset[str]:
    """Return the names of the tables that Django knows, whether they are there or not.

    These are those ``planned``, those of today's models, and those of the ``recorded`` ones.
    """
    today = connection.introspection.django_table_names()
    return frozenset({*today, *planned, *tables_of(recorded), MIGRATIONS})


def require_rebuildable(using: str, tables: Collection[str], drop: Collection[str]) -> None:
    """Raise ``RestoreFailed`` with all that would go with tables, but for what may be dropped."""
    engine = engine_of(connections[using])
    there = engine.existing_tables({*tables, *drop})
    unknown = sorted({*drop} - engine.tables(drop).keys())
    if unknown:
        raise RestoreFailed(f"--drop: there is no table or view {', '.join(map(repr, unknown))}.")
    found = [
        f"{sentence} To drop it: --drop {name}" if name else sentence
        for name, sentence in engine.objects_lost_by_dropping(there)
        if name not in drop
    ]
    if found:
        raise RestoreFailed(
            "The database is at other migrations than the project: its tables must be rebuilt, "
            "and the following would be lost.\n"
            + "\n".join(found)
            + "\nIf no migration creates it again, create it yourself after the restore. Or "
            "restore into an empty database."
        )


def require_references(connection: BaseDatabaseWrapper, tables: Collection[str]) -> None:
    """Raise ``RestoreFailed`` if rows of tables other than these refer to rows that are gone."""
    found = {*engine_of(connection).dangling(tables)}
    if found:
        named = ", ".join(f"{table!r} to {target!r}" for table, target in sorted(found))
        raise RestoreFailed(
            "Foreign keys of tables outside of the dump refer to rows that are not in the dump: "
            f"{named}. Delete these rows, or restore into an empty database."
        )


def unknown_columns(engine: Engine, tables: Collection[str], recorded: Apps) -> list[str]:
    """Return the columns that neither today's models nor the ``recorded`` ones know.

    They were added by hand, or by migrations that were made again under the same names.
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


def recorded_apps(connection: BaseDatabaseWrapper) -> Apps:
    """Return the models as they are after the migrations that the database says are applied."""
    try:
        loader = MigrationLoader(connection, ignore_no_migrations=True)
        applied = [key for key in loader.applied_migrations or () if key in loader.graph.nodes]
        return loader.project_state(applied).apps if applied else Apps()
    except DatabaseError:
        raise
    except Exception:  # building the schema says what is wrong with migrations
        return Apps()
