"""One snapshot of a database for everything that a dump reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from dumpy.errors import DumpFailed

_ISOLATED = {"repeatable read", "repeatable-read", "serializable"}


@contextmanager
def snapshot(using: str, tables: Sequence[str]) -> Iterator[None]:
    """Make all queries in the block see the database at one instant.

    ``tables`` are the names of the tables that will be read. Raises ``DumpFailed`` inside an
    ``atomic()`` block whose isolation level gives every query a snapshot of its own (but not inside
    a ``TestCase``, whose data nobody else sees).
    """
    connection = connections[using]
    if connection.in_atomic_block:
        _require_isolation(connection)
        yield
        return
    lockable = _lockable(connection, tables)
    if connection.vendor == "mysql":
        _execute(connection, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    with transaction.atomic(using=using):
        _begin(connection, lockable)
        yield


def _require_isolation(connection: BaseDatabaseWrapper) -> None:
    blocks = connection.atomic_blocks
    if connection.vendor == "sqlite" or all(map(attrgetter("_from_testcase"), blocks)):
        return
    level = _isolation_level(connection)
    if level.lower() not in _ISOLATED:
        raise DumpFailed(
            f"A dump inside atomic() with the isolation level {level!r} could mix several states "
            "of the database. Call it outside of atomic(), or with the level 'repeatable read'."
        )


def _isolation_level(connection: BaseDatabaseWrapper) -> str:
    query = (
        "SHOW transaction_isolation"
        if connection.vendor == "postgresql"
        else "SELECT @@session.tx_isolation"
        if connection.mysql_is_mariadb  # type: ignore[attr-defined]
        else "SELECT @@session.transaction_isolation"
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        return str(cursor.fetchone()[0])


def _begin(connection: BaseDatabaseWrapper, lockable: Sequence[str]) -> None:
    if connection.vendor == "postgresql":
        _execute(connection, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        _lock(connection, lockable)
    elif connection.vendor == "mysql":
        _execute(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
    # The first query fixes the snapshot: on SQLite and PostgreSQL BEGIN alone does not.
    connection.introspection.table_names()


def _lockable(connection: BaseDatabaseWrapper, tables: Sequence[str]) -> list[str]:
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        found = connection.introspection.get_table_list(cursor)
        # What may not be read may not be locked either: reading it says so, for it alone.
        cursor.execute(
            "SELECT relname FROM pg_class WHERE pg_table_is_visible(oid) "
            "AND has_table_privilege(oid, 'SELECT')"
        )
        readable = {name for (name,) in cursor.fetchall()}
    there = {info.name for info in found if info.type in ("t", "p")}
    return sorted(there & readable & set(tables))


def _lock(connection: BaseDatabaseWrapper, tables: Sequence[str]) -> None:
    """Keep TRUNCATE and ALTER out: a snapshot does not see through them."""
    if tables:
        names = ", ".join(connection.ops.quote_name(name) for name in tables)
        _execute(connection, f"LOCK TABLE {names} IN ACCESS SHARE MODE")


def _execute(connection: BaseDatabaseWrapper, sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)
