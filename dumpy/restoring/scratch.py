"""A database for one purpose: it takes the place of the live one for a while, and is gone."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from dumpy.errors import RestoreFailed


@contextmanager
def scratch(using: str) -> Iterator[None]:
    """Let the connection ``using`` lead to a new, empty database until the block ends.

    Everything that asks for that connection is led there: models, migrations, receivers. Raises
    ``RestoreFailed`` if the connection leads anywhere else.
    """
    connection = connections[using]
    if connection.in_atomic_block:
        raise RestoreFailed("A scratch database needs a connection without a transaction.")
    with ExitStack() as stack:
        name = stack.enter_context(_database(connection))
        stack.enter_context(_leading_to(connection, name))
        _require(connection, name)
        yield


@contextmanager
def _database(connection: BaseDatabaseWrapper) -> Iterator[str]:
    """Make a database, and drop it in the end; yields its name."""
    if connection.vendor == "sqlite":
        with tempfile.TemporaryDirectory(prefix="dumpy-scratch-") as directory:
            yield str(Path(directory, "scratch.sqlite3"))
        return
    name = f"dumpy_scratch_{os.getpid()}_{secrets.token_hex(4)}"
    quoted = connection.ops.quote_name(name)
    _execute_aside(connection, f"CREATE DATABASE {quoted} {_character_set(connection)}")
    try:
        yield name
    finally:
        _execute_aside(connection, f"DROP DATABASE {quoted}")


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
    _forget()
    try:
        yield
    finally:
        connection.close()
        settings.update(kept)
        connection.connection = live
        _forget()


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


def _forget() -> None:
    """Clear what content types and sites remember of a database."""
    for model in apps.get_models():
        clear = getattr(model._default_manager, "clear_cache", None)
        if clear is not None:
            clear()
