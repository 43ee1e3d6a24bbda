"""The database to restore: what happens in it happens wholly, or not at all."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error as DatabaseError

from dumpy.errors import RestoreFailed
from dumpy.restoring import schema
from dumpy.restoring.ownership import Names, require_again, require_no_strangers
from dumpy.restoring.rights import give_back, rights_of
from dumpy.restoring.staging import other_restore, staged
from dumpy.restoring.views import drop_views, make_missing
from dumpy.restoring.whereabouts import whereabouts

# For how many seconds a restore waits for others who use the database. SQLite has its own setting.
_PATIENCE = 30
_LOCK = 0x64756D7079
_POSTGRESQL_LOCKED_OUT = "55P03"
_MYSQL_LOCKED_OUT = 1205

_IN_THE_WAY = (
    "Somebody else uses the tables, and did not let go of them in time. End their session, or wait "
    "until it is over, and restore again. The database is as it was."
)
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
    reading = {"postgresql": _in_transaction_of_its_own, "mysql": _in_session}
    try:
        with reading.get(connection.vendor, nullcontext)(connection):
            yield
    except DatabaseError as error:
        if not _is_locked_out(error):
            raise
        raise RestoreFailed(f"{error}\n{_IN_THE_WAY}") from error


@contextmanager
def _in_transaction_of_its_own(connection: BaseDatabaseWrapper) -> Iterator[None]:
    with transaction.atomic(using=connection.alias):
        _be_patient(connection)
        yield


def _be_patient(connection: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{_PATIENCE}s'")


@contextmanager
def _in_session(connection: BaseDatabaseWrapper) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@lock_wait_timeout")
        (kept,) = cursor.fetchone()
        cursor.execute("SET lock_wait_timeout = %s", [_PATIENCE])
        try:
            yield
        finally:
            # A new connection has its own.
            with suppress(DatabaseError):
                cursor.execute("SET lock_wait_timeout = %s", [kept])


def emptied(
    using: str, names: Names, shared: Collection[str] = (), *, dry_run: bool = False
) -> AbstractContextManager[None]:
    """Return a context in which the database has no table of the project.

    In the tables ``shared``, which are somebody else's, rows may be replaced. If the block fails,
    if the process dies, and after a dry run, the database is what it was. Raises ``RestoreFailed``.
    """
    connection = connections[using]
    if connection.in_atomic_block:
        raise RestoreFailed("A restore is a transaction of its own: call it outside of atomic().")
    if connection.features.can_rollback_ddl:
        return _honest(connection, _in_transaction(connection, names, dry_run))
    return _honest(connection, _staged(connection, names, shared, dry_run))


@contextmanager
def _staged(
    connection: BaseDatabaseWrapper, names: Names, shared: Collection[str], dry_run: bool
) -> Iterator[None]:
    with _in_session(connection), staged(connection, names, shared, dry_run):
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
        if is_known and not _is_locked_out(error):
            raise
        raise RestoreFailed(f"{error}\n{_IN_THE_WAY if is_known else _UNKNOWN}") from error


@contextmanager
def _in_transaction(connection: BaseDatabaseWrapper, names: Names, dry_run: bool) -> Iterator[None]:
    # SQLite switches them off only outside of a transaction.
    connection.disable_constraint_checking()
    try:
        with _as_writer(connection), transaction.atomic(using=connection.alias):
            if connection.vendor == "postgresql":
                _be_alone(connection)
            tables = schema.there(connection, names.made)
            require_no_strangers(connection, tables)
            rights = rights_of(connection, schema.all_there(connection))
            views = drop_views(connection, names.unmanaged, tables)
            schema.drop(connection, tables)
            schema.drop_collations(connection)
            yield
            make_missing(connection, views)
            give_back(connection, rights)
            require_again(tables, schema.all_there(connection))
            if dry_run:
                transaction.set_rollback(True, using=connection.alias)
    finally:
        connection.enable_constraint_checking()


@contextmanager
def _as_writer(connection: Any) -> Iterator[None]:
    """Let a transaction on SQLite begin as one that writes: one that has read cannot wait."""
    if connection.vendor != "sqlite":
        yield
        return
    mode, connection.transaction_mode = connection.transaction_mode, "IMMEDIATE"
    try:
        yield
    finally:
        connection.transaction_mode = mode


def _be_alone(connection: BaseDatabaseWrapper) -> None:
    """Wait for others for a while only, and for another restore not at all."""
    _be_patient(connection)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if cursor.fetchone() != (True,):
            raise other_restore(whereabouts(connection)[0])


def _is_locked_out(error: DatabaseError) -> bool:
    """Whether somebody else holds what a statement needs."""
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return (
        state == _POSTGRESQL_LOCKED_OUT
        or error.args[:1] == (_MYSQL_LOCKED_OUT,)
        or "database is locked" in str(error)
    )
