"""The database to restore: what happens in it happens wholly, or not at all."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error as DatabaseError

from dumpy.engines import engine_of
from dumpy.errors import RestoreFailed
from dumpy.restoring import schema
from dumpy.restoring.guards import require_untouched
from dumpy.restoring.staging import locked, staged

_IN_THE_WAY = (
    "Somebody else uses the tables, and did not let go of them in time. End their session, or wait "
    "until it is over, and restore again. The database is as it was."
)
_WITHIN = "A restore is a transaction of its own: call it outside of atomic()."
_UNKNOWN = (
    "The connection was lost at the last moment: whether the database was restored is unknown. "
    "Look at it, or restore it again."
)


@contextmanager
def patient(using: str) -> Iterator[None]:
    """Read in the block what others may have locked, and wait for them, but not for ever.

    Raises ``RestoreFailed`` when they have not let go of it in time.
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
    """Return a context in which tables are empty, and their schema is left alone.

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
        schema.empty(connection, tables)
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
        if is_known and not engine_of(connection).is_locked_out(error):
            raise
        raise RestoreFailed(f"{error}\n{_IN_THE_WAY if is_known else _UNKNOWN}") from error


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
