"""The database to restore: what happens in it happens wholly, or not at all."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error as DatabaseError

from dumpy.engines import engine_of
from dumpy.errors import RestoreFailed
from dumpy.restoring import schema
from dumpy.restoring.ownership import Names, require_again, require_no_strangers
from dumpy.restoring.rights import give_back, rights_of
from dumpy.restoring.staging import staged
from dumpy.restoring.views import drop_views, make_missing

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
    engine = engine_of(connection)
    try:
        with engine.patient():
            yield
    except DatabaseError as error:
        if not engine.is_locked_out(error):
            raise
        raise RestoreFailed(f"{error}\n{_IN_THE_WAY}") from error


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
    with engine_of(connection).patient(), staged(connection, names, shared, dry_run):
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
def _in_transaction(connection: BaseDatabaseWrapper, names: Names, dry_run: bool) -> Iterator[None]:
    engine = engine_of(connection)
    # SQLite switches them off only outside of a transaction.
    connection.disable_constraint_checking()
    try:
        with engine.transaction():
            tables = schema.there(connection, names.made)
            require_no_strangers(connection, tables)
            rights = rights_of(connection, schema.all_there(connection))
            views = drop_views(connection, names.unmanaged, tables)
            engine.drop_tables(tables)
            schema.drop_collations(connection)
            yield
            make_missing(connection, views)
            give_back(connection, rights)
            require_again(tables, schema.all_there(connection))
            if dry_run:
                transaction.set_rollback(True, using=connection.alias)
    finally:
        connection.enable_constraint_checking()
