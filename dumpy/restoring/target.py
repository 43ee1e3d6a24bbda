"""The database to restore: what happens in it happens wholly, or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error as DatabaseError

from dumpy.errors import RestoreFailed
from dumpy.restoring import schema
from dumpy.restoring.staging import staged

_PATIENCE = "30s"


def emptied(
    using: str, dumped: Sequence[str], *, dry_run: bool = False
) -> AbstractContextManager[None]:
    """Return a context in which the database has no table of the project.

    ``dumped`` are the names of tables that the dump knows of. If the block fails, if the process
    dies, and after a dry run, the database is what it was. Raises ``RestoreFailed``.
    """
    connection = connections[using]
    if connection.in_atomic_block:
        raise RestoreFailed("A restore is a transaction of its own: call it outside of atomic().")
    is_transactional = connection.features.can_rollback_ddl
    make = _in_transaction if is_transactional else staged
    return _honest(connection, make(connection, dumped, dry_run))


@contextmanager
def _honest(
    connection: BaseDatabaseWrapper, target: AbstractContextManager[None]
) -> Iterator[None]:
    """Raise ``RestoreFailed`` if the connection is lost when nobody can know what became of it."""
    held = None
    try:
        with target:
            yield
            held = connection.connection
    except DatabaseError as error:
        # Django may have made a new connection by now.
        if held is None or (connection.connection is held and connection.is_usable()):
            raise
        raise RestoreFailed(
            f"{error}\nThe connection was lost at the last moment: whether the database was "
            "restored is unknown. Look at it, or restore it again."
        ) from error


@contextmanager
def _in_transaction(
    connection: BaseDatabaseWrapper, dumped: Sequence[str], dry_run: bool
) -> Iterator[None]:
    # SQLite switches them off only outside of a transaction.
    connection.disable_constraint_checking()
    try:
        with transaction.atomic(using=connection.alias):
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute(f"SET LOCAL lock_timeout = '{_PATIENCE}'")
            tables = schema.own_tables(connection, dumped)
            schema.drop(connection, schema.own_views(connection), tables)
            schema.drop_collations(connection)
            yield
            if dry_run:
                transaction.set_rollback(True, using=connection.alias)
    finally:
        connection.enable_constraint_checking()
