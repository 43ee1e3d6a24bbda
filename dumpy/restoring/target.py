"""The database to restore: what happens in it happens wholly, or not at all."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from django.apps import apps
from django.apps.registry import Apps
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.utils import Error as DatabaseError

from dumpy.engines import engine_of
from dumpy.engines.base import Trigger
from dumpy.errors import RestoreFailed
from dumpy.restoring import schema
from dumpy.restoring.schema import MIGRATIONS, tables_of
from dumpy.restoring.staging import locked, staged

AS_IT_WAS = "The database is as it was."
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
def patient(using: str) -> Iterator[None]:
    """Read in the block what others may have locked, and wait for them, but not for ever.

    Raises ``RestoreFailed`` if they do not release it in time.
    """
    connection = connections[using]
    engine = engine_of(connection)
    try:
        with engine.patient():
            yield
    except DatabaseError as error:
        if not engine.is_locked_out(error):
            raise
        raise RestoreFailed(f"{error}\n{_IN_THE_WAY}") from error


@dataclass(frozen=True)
class Tables:
    """The tables of a database that is rebuilt, by name, whether they are there or not.

    Attributes:
        known: those that are made anew.
        filled: those of unmanaged models, which stay, and whose rows are replaced.
        dropped: tables and views that may go, because a person has named them.
    """

    known: Collection[str]
    filled: Collection[str] = ()
    dropped: Collection[str] = ()


def emptied(using: str, tables: Tables, *, dry_run: bool = False) -> AbstractContextManager[None]:
    """Return a context in which the database has no table that Django knows.

    If the block fails, if the process dies, and after a dry run, the database is what it was.
    Raises ``RestoreFailed``.
    """
    connection = connections[using]
    if connection.in_atomic_block:
        raise RestoreFailed(_WITHIN)
    if connection.features.can_rollback_ddl:
        return _honest(connection, _in_transaction(connection, tables, dry_run))
    return _honest(connection, _staged(connection, tables, dry_run))


def refilled(
    using: str, tables: Sequence[str], *, dry_run: bool = False
) -> AbstractContextManager[None]:
    """Return a context in which the rows of tables may be replaced: nobody else writes to them.

    It is one transaction: others read the rows that were there until it ends. If the block fails,
    if the process dies, and after a dry run, the database is what it was. Raises ``RestoreFailed``.
    """
    connection = connections[using]
    if connection.in_atomic_block:
        raise RestoreFailed(_WITHIN)
    return _honest(connection, _rows_only(connection, tables, dry_run))


@contextmanager
def _rows_only(
    connection: BaseDatabaseWrapper, tables: Sequence[str], dry_run: bool
) -> Iterator[None]:
    engine = engine_of(connection)
    with ExitStack() as stack:
        if not connection.features.can_rollback_ddl:
            stack.enter_context(engine.patient())
            stack.enter_context(locked(connection))
        # Keys that lead nowhere meanwhile are checked in the end.
        connection.disable_constraint_checking()
        stack.callback(connection.enable_constraint_checking)
        stack.enter_context(engine.transaction())
        engine.hold(tables)
        require_untouched(connection, tables)
        engine.restart_sequences(tables)
        yield
        connection.check_constraints()
        if dry_run:
            transaction.set_rollback(True, using=connection.alias)


@contextmanager
def _staged(connection: BaseDatabaseWrapper, tables: Tables, dry_run: bool) -> Iterator[None]:
    with engine_of(connection).patient():
        names = tables.known, tables.filled, tables.dropped
        with staged(connection, *names, dry_run=dry_run):
            yield


@contextmanager
def _honest(
    connection: BaseDatabaseWrapper, target: AbstractContextManager[None]
) -> Iterator[None]:
    """Raise ``RestoreFailed`` if others are in the way, or if nobody can know what became of it."""
    held = None
    try:
        with target:
            yield
            held = connection.connection
    except DatabaseError as error:
        # Django may have made a new connection by now.
        is_known = held is None or (connection.connection is held and connection.is_usable())
        if not is_known:
            raise UnknownOutcome(f"{error}\n{_LOST} {_UNKNOWN}") from error
        if not engine_of(connection).is_locked_out(error):
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
    # PostgreSQL alters no table whose foreign keys are to be checked.
    connection.check_constraints()
    engine.execute(*(trigger.on for trigger in quiet))


@contextmanager
def _in_transaction(
    connection: BaseDatabaseWrapper, tables: Tables, dry_run: bool
) -> Iterator[None]:
    engine = engine_of(connection)
    # SQLite switches them off only outside of a transaction.
    connection.disable_constraint_checking()
    try:
        with engine.transaction():
            require_untouched(connection, schema.there(connection, tables.filled))
            engine.drop_views(tables.dropped)
            gone = {*tables.known, *tables.dropped}
            engine.drop_tables(schema.there(connection, gone))
            schema.drop_collations(connection)
            yield
            if dry_run:
                transaction.set_rollback(True, using=connection.alias)
    finally:
        connection.enable_constraint_checking()


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
    connection = connections[using]
    there = schema.there(connection, {*tables, *drop})
    unknown = sorted({*drop} - engine_of(connection).tables(drop).keys())
    if unknown:
        raise RestoreFailed(f"--drop: there is no table or view {', '.join(map(repr, unknown))}.")
    found = [
        f"{sentence} To drop it: --drop {name}" if name else sentence
        for name, sentence in engine_of(connection).taken_along(there)
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


def require_untouched(connection: BaseDatabaseWrapper, tables: Sequence[str]) -> None:
    """Raise ``RestoreFailed`` if emptying tables would change others, or cannot be taken back."""
    found = [*engine_of(connection).side_effects(tables)]
    if found:
        raise RestoreFailed("\n".join(found))


def require_references(connection: BaseDatabaseWrapper, tables: Collection[str]) -> None:
    """Raise ``RestoreFailed`` if rows of tables other than these refer to rows that are gone."""
    found = {*engine_of(connection).dangling(tables)}
    if found:
        named = ", ".join(f"{table!r} to {target!r}" for table, target in sorted(found))
        raise RestoreFailed(
            "Foreign keys of tables outside of the dump refer to rows that are not in the dump: "
            f"{named}. Delete these rows, or restore into an empty database."
        )


def unknown_columns(
    connection: BaseDatabaseWrapper, tables: Collection[str], recorded: Apps
) -> list[str]:
    """Return the columns that neither today's models nor the ``recorded`` ones know.

    A person may have added them, or migrations that were made anew under the same names.
    """
    found = []
    known: dict[str, set[str]] = {}
    migrated = {model._meta.db_table for model in recorded.get_models(include_auto_created=True)}
    for registry in (apps, recorded):
        for model in registry.get_models(include_auto_created=True):
            names = {str(field.column) for field in model._meta.local_concrete_fields}
            known.setdefault(model._meta.db_table, set()).update(names)
    for table in sorted(migrated.intersection(schema.there(connection, tables))):
        there = engine_of(connection).column_names(table)
        found += [f"{table}.{name}" for name in there if name not in known[table]]
    return found


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
