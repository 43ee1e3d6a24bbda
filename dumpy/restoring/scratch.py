"""Scratch databases, which replace the database of a connection for a block."""

from __future__ import annotations

import hashlib
import inspect
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import django
from django.apps import apps
from django.conf import settings
from django.db import connections, transaction
from django.db.migrations.loader import MigrationLoader

from dumpy.engines import engine_of
from dumpy.engines.base import Engine, ServerEngine
from dumpy.engines.sqlite import kept_file
from dumpy.errors import RestoreFailed
from dumpy.loading.registry import TODAY
from dumpy.restoring import schema
from dumpy.writing.publishing import locked_directory, stale

_MARK = ".dumpy-scratch"
_MAX_SQL = 80

# Strings, names and comments do not affect the kind of a statement. In MySQL, /*! is code.
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"[^"]*"|`[^`]*`|--[^\n]*|/\*(?!!).*?\*/""", re.DOTALL)
_READS = re.compile(
    r"[\s(]*(SELECT|WITH|VALUES|SHOW|EXPLAIN|DESC|DESCRIBE|PRAGMA|DECLARE|FETCH|CLOSE|SET"
    r"|BEGIN|START|SAVEPOINT|RELEASE|ROLLBACK|COMMIT)\b",
    re.IGNORECASE,
)
_WRITES = re.compile(
    r"\bINTO\b|\bDELETE\s+FROM\b|\bUPDATE\b.*\bSET\b|\b(setval|nextval)\s*\("
    r"|\bPRAGMA\b(?!\s+foreign_keys\b).*=",
    re.IGNORECASE | re.DOTALL,
)
_OTHER_DATABASE = (
    "the scratch database replaces only {!r}. A migration, a receiver, or a router writes to "
    "another database: let it write to the one that it is given (schema_editor.connection.alias, "
    "using)."
)


@contextmanager
def scratch(using: str, kept: str = "") -> Iterator[None]:
    """Connect ``using`` to a new database in the block; other connections are read-only.

    The database is empty, or a copy of the database ``kept`` if that exists. Raises
    ``RestoreFailed`` if the connection leads to another database.
    """
    connection = connections[using]
    if connection.in_atomic_block:
        raise RestoreFailed("A scratch database needs a connection without a transaction.")
    engine = engine_of(connection)
    if kept and not engine.copies:
        name = connection.display_name
        raise RestoreFailed(f"{name} cannot copy a database: leave out --keep-scratch.")
    schemas = engine.schemas()
    with ExitStack() as stack:
        name = stack.enter_context(_database(engine, kept))
        stack.enter_context(_connected_to(connection, name))
        _require_connected(engine, name)
        engine.execute(*schemas)
        others = [alias for alias in connections if alias != using]
        stack.enter_context(reading_only(others, _OTHER_DATABASE.format(using)))
        yield


@contextmanager
def scratch_directory(purpose: str) -> Iterator[Path]:
    """Create a directory for the block, and remove the directories of killed processes.

    A process locks its directory.
    """
    prefix = f"dumpy-{purpose}-"
    paths = Path(tempfile.gettempdir()).glob(f"{prefix}*")
    # Other directories may have the same prefix.
    for leftover in stale(path for path in paths if (path / _MARK).is_file()):
        shutil.rmtree(leftover, ignore_errors=True)
    with locked_directory(prefix) as directory:
        (directory / _MARK).touch()
        yield directory


@contextmanager
def _database(engine: Engine, kept: str) -> Iterator[str]:
    """Create a database for the block; yield its name."""
    if isinstance(engine, ServerEngine):
        with engine.scratch_database(kept) as name:
            yield name
    else:
        with scratch_directory("scratch") as directory:
            path = directory / "scratch.sqlite3"
            with suppress(FileNotFoundError):
                shutil.copyfile(kept_file(kept), path)
            yield str(path)


def build_scratch(using: str, labels: Iterable[str], kept: str = "") -> None:
    """Create all tables of the project in a scratch database, and those of unmanaged models.

    ``labels`` names the unmanaged models. A copy is kept under the name ``kept``, if any.
    """
    connection = connections[using]
    if not (kept and schema.is_current(using)):
        schema.build(using)
        if kept:
            engine_of(connection).keep(kept)
    models = [model for model in TODAY.find_all(labels) if not model._meta.managed]
    existing = engine_of(connection).tables(model._meta.db_table for model in models)
    with connection.schema_editor() as editor:
        for model in models:
            if model._meta.db_table not in existing:
                editor.create_model(model)


def kept_name(using: str) -> str:
    """Return the name of the database to keep: a digest of all that the schema depends on."""
    connection, digest = connections[using], hashlib.sha256()
    versions = django.get_version(), settings.INSTALLED_APPS, settings.AUTH_USER_MODEL
    digest.update(repr(versions).encode())
    migrations = MigrationLoader(None, ignore_no_migrations=True).disk_migrations or {}
    for key, migration in sorted(migrations.items()):
        digest.update(repr(key).encode())
        digest.update(Path(inspect.getfile(type(migration))).read_bytes())
    for model in apps.get_models(include_auto_created=True):
        meta = model._meta
        columns = [(f.column, f.db_type(connection)) for f in meta.local_concrete_fields]
        names = meta.label, meta.db_table, meta.permissions, meta.default_permissions
        digest.update(repr((names, columns)).encode())
    location = hashlib.sha256(repr(engine_of(connection).location()).encode())
    return f"dumpy_kept_{location.hexdigest()[:8]}_{digest.hexdigest()[:16]}"


@contextmanager
def _connected_to(connection: Any, name: str) -> Iterator[None]:
    """Connect to another database in the block."""
    original = connection.settings_dict
    live, connection.connection = connection.connection, None
    # A pool has connections to the live database.
    options = {key: value for key, value in original["OPTIONS"].items() if key != "pool"}
    # A copy, because other threads share the settings.
    connection.settings_dict = {**original, "NAME": name, "OPTIONS": options}
    schema.clear_caches(connection)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict = original
        connection.connection = live
        schema.clear_caches(connection)


def _require_connected(engine: Engine, name: str) -> None:
    actual = engine.name()
    if actual != name and not (os.path.exists(name) and os.path.samefile(actual, name)):
        raise RestoreFailed(f"The connection leads to {actual!r}, not to the scratch database.")


@contextmanager
def rolled_back(alias: str) -> Iterator[None]:
    """Roll back the block, in which the connection stays open."""
    atomic = transaction.atomic(using=alias)
    # As in a TestCase, so that durable blocks and dumps are allowed.
    atomic._from_testcase = True  # type: ignore[attr-defined]
    # Each TestCase class closes all connections at its end.
    with atomic, mock.patch.object(connections[alias], "close"):
        yield
        transaction.set_rollback(True, using=alias)


@contextmanager
def reading_only(aliases: Iterable[str], reason: str) -> Iterator[None]:
    """Raise ``RestoreFailed`` for statements in the block that do more than read."""

    def execute(run: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        if not reads_only(str(sql)):
            alias = context["connection"].alias
            raise RestoreFailed(
                f"{alias!r} must stay as it is: {reason} Refused: {sql!s:.{_MAX_SQL}}"
            )
        return run(sql, params, many, context)

    with ExitStack() as stack:
        for alias in aliases:
            stack.enter_context(connections[alias].execute_wrapper(execute))
        yield


def reads_only(sql: str) -> bool:
    """Whether all statements of a text only read or control the connection."""
    blank = _QUOTED.sub(lambda match: " " if match[0].startswith(("--", "/*")) else "x", sql)
    statements = [statement for statement in blank.split(";") if statement.strip()]
    return bool(statements) and all(
        _READS.match(statement) and not _WRITES.search(statement) for statement in statements
    )
