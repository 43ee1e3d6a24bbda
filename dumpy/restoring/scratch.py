"""A database for one purpose: it takes the place of the live one for a while, and is gone."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error

from dumpy.errors import RestoreFailed
from dumpy.restoring.reads import reading_only
from dumpy.writing.aside import left_by_the_dead, locked_directory

_PREFIX = "dumpy_scratch_"
_DIGITS = 16


# The queries that take a lock by the name of a database, and that find databases without one.
_LOCKS = {
    "postgresql": (
        "SELECT pg_advisory_lock(hashtextextended(%s, 0))",
        f"""
            SELECT datname FROM pg_database WHERE datname ~ '^{_PREFIX}[0-9a-f]{{{_DIGITS}}}$'
            AND hashtextextended(datname, 0) NOT IN (
                SELECT classid::bigint << 32 | objid::bigint FROM pg_locks
                WHERE locktype = 'advisory'
            )
        """,
    ),
    # A restore makes databases beside the one that it restores.
    "mysql": (
        "SELECT GET_LOCK(%s, 0)",
        f"""
            SELECT schema_name FROM information_schema.schemata
            WHERE schema_name REGEXP '^{_PREFIX}[0-9a-f]{{{_DIGITS}}}(_dumpy_(stage|old))?$'
            AND IS_FREE_LOCK(LEFT(schema_name, {len(_PREFIX) + _DIGITS})) = 1
        """,
    ),
}


_MARK = ".dumpy-scratch"
_OTHERS = (
    "a scratch database stands in for {!r} alone. A migration, a receiver, or a router writes "
    "there: let it write to the database that it is given (schema_editor.connection.alias, using)."
)


@contextmanager
def scratch(using: str) -> Iterator[None]:
    """Let the connection ``using`` lead to a new, empty database until the block ends.

    Everything that asks for that connection is led there: models, migrations, receivers. The other
    connections can only be read. Raises ``RestoreFailed`` if the connection leads anywhere else.
    """
    connection = connections[using]
    if connection.in_atomic_block:
        raise RestoreFailed("A scratch database needs a connection without a transaction.")
    with ExitStack() as stack:
        name = stack.enter_context(_database(connection))
        stack.enter_context(_leading_to(connection, name))
        _require(connection, name)
        others = [alias for alias in connections if alias != using]
        stack.enter_context(reading_only(others, _OTHERS.format(using)))
        yield


@contextmanager
def scratch_directory(purpose: str) -> Iterator[Path]:
    """Make a directory that is gone in the end, and remove those that killed processes have left.

    A process holds a lock on what it uses.
    """
    prefix = f"dumpy-{purpose}-"
    found = Path(tempfile.gettempdir()).glob(f"{prefix}*")
    # Somebody else may call a directory so.
    for leftover in left_by_the_dead(path for path in found if (path / _MARK).is_file()):
        shutil.rmtree(leftover, ignore_errors=True)
    with locked_directory(prefix) as directory:
        (directory / _MARK).touch()
        yield directory


@contextmanager
def _database(connection: BaseDatabaseWrapper) -> Iterator[str]:
    """Make a database, and drop it in the end; yields its name."""
    if connection.vendor == "sqlite":
        with scratch_directory("scratch") as directory:
            yield str(directory / "scratch.sqlite3")
        return
    name = f"{_PREFIX}{secrets.token_hex(_DIGITS // 2)}"
    quoted = connection.ops.quote_name(name)
    take, leftovers = _LOCKS[connection.vendor]
    # The server gives up the lock when this connection ends, as it does if the process dies.
    with connection._nodb_cursor() as cursor:
        cursor.execute(take, [name])
        cursor.execute(leftovers)
        for (leftover,) in cursor.fetchall():
            _drop(connection, leftover)
        try:
            cursor.execute(f"CREATE DATABASE {quoted} {_character_set(connection)}")
        except Error as error:
            raise RestoreFailed(
                f"{error}\nThe scratch database is one on the same server, whose name begins with "
                f"{_PREFIX}. Let the user of the database make and drop such."
            ) from error
        try:
            yield name
        finally:
            _execute_aside(connection, f"DROP DATABASE {quoted}")


def _drop(connection: BaseDatabaseWrapper, leftover: str) -> None:
    # Another user's stays, and so does one that somebody is connected to.
    with suppress(Error):
        _execute_aside(connection, f"DROP DATABASE {connection.ops.quote_name(leftover)}")


def _character_set(connection: BaseDatabaseWrapper) -> str:
    if connection.vendor != "mysql":
        return ""
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@character_set_database, @@collation_database")
        return "CHARACTER SET {} COLLATE {}".format(*cursor.fetchone())


def _execute_aside(connection: BaseDatabaseWrapper, sql: str) -> None:
    with connection._nodb_cursor() as cursor:
        cursor.execute(sql)


@contextmanager
def _leading_to(connection: Any, name: str) -> Iterator[None]:
    settings = connection.settings_dict
    kept = {key: settings[key] for key in ("NAME", "OPTIONS")}
    live, connection.connection = connection.connection, None
    # The connections of a pool lead to the live database.
    options = {key: value for key, value in kept["OPTIONS"].items() if key != "pool"}
    settings.update(NAME=name, OPTIONS=options)
    _forget(connection)
    try:
        yield
    finally:
        connection.close()
        settings.update(kept)
        connection.connection = live
        _forget(connection)


def _require(connection: BaseDatabaseWrapper, name: str) -> None:
    found = _name(connection)
    if found != name and not (os.path.exists(name) and os.path.samefile(found, name)):
        raise RestoreFailed(f"The connection leads to {found!r}, not to the scratch database.")


def _name(connection: BaseDatabaseWrapper) -> str:
    """Return what the database itself says that it is called."""
    queries = {
        "postgresql": "SELECT current_database()",
        "mysql": "SELECT DATABASE()",
        "sqlite": "SELECT file FROM pragma_database_list WHERE name = 'main'",
    }
    with connection.cursor() as cursor:
        cursor.execute(queries[connection.vendor])
        return str(cursor.fetchone()[0])


def _forget(connection: BaseDatabaseWrapper) -> None:
    """Clear what content types, sites, and types of extensions remember of a database."""
    for model in apps.get_models():
        clear = getattr(model._default_manager, "clear_cache", None)
        if clear is not None:
            clear()
    if connection.vendor == "postgresql":
        # Not before: it needs the driver.
        types: Any = import_module("django.contrib.postgres.signals")
        types.get_citext_oids.cache_clear()
        types.get_hstore_oids.cache_clear()
