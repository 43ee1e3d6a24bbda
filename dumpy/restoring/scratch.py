"""A database for one purpose: it takes the place of the live one for a while, and is gone."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from django.db import connections

from dumpy.engines import engine_of
from dumpy.engines.base import Engine, ServerEngine
from dumpy.errors import RestoreFailed
from dumpy.restoring import schema
from dumpy.restoring.reads import reading_only
from dumpy.writing.aside import left_by_the_dead, locked_directory

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
    engine = engine_of(connection)
    with ExitStack() as stack:
        name = stack.enter_context(_database(engine))
        stack.enter_context(_leading_to(connection, name))
        _require(engine, name)
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
def _database(engine: Engine) -> Iterator[str]:
    """Make a database, and drop it in the end; yields its name."""
    if isinstance(engine, ServerEngine):
        with engine.scratch_database() as name:
            yield name
    else:
        with scratch_directory("scratch") as directory:
            yield str(directory / "scratch.sqlite3")


@contextmanager
def _leading_to(connection: Any, name: str) -> Iterator[None]:
    kept = connection.settings_dict
    live, connection.connection = connection.connection, None
    # The connections of a pool lead to the live database.
    options = {key: value for key, value in kept["OPTIONS"].items() if key != "pool"}
    # Connections of other threads have the same settings, and stay where they are.
    connection.settings_dict = {**kept, "NAME": name, "OPTIONS": options}
    schema.forget(connection)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict = kept
        connection.connection = live
        schema.forget(connection)


def _require(engine: Engine, name: str) -> None:
    found = engine.name()
    if found != name and not (os.path.exists(name) and os.path.samefile(found, name)):
        raise RestoreFailed(f"The connection leads to {found!r}, not to the scratch database.")
