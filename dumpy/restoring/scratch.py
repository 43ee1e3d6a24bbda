"""A database for one purpose: it takes the place of the live one for a while, and is gone."""

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
_SHOWN = 80

# What is quoted says nothing of what a statement does. Comments of MySQL with a ! are code.
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
_OTHERS = (
    "the scratch database replaces only {!r}. A migration, a receiver, or a router writes to "
    "another database: let it write to the one that it is given (schema_editor.connection.alias, "
    "using)."
)


@contextmanager
def scratch(using: str, kept: str = "") -> Iterator[None]:
    """Let the connection ``using`` lead to a new database until the block ends.

    It is empty, or a copy of the ``kept`` database of that name, if there is one. Everything that
    asks for that connection is led there: models, migrations, receivers. The other connections can
    only be read. Raises ``RestoreFailed`` if the connection leads anywhere else.
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
        stack.enter_context(_leading_to(connection, name))
        _require(engine, name)
        engine.execute(*schemas)
        others = [alias for alias in connections if alias != using]
        stack.enter_context(reading_only(others, _OTHERS.format(using)))
        yield


@contextmanager
def scratch_directory(purpose: str) -> Iterator[Path]:
    """Make a directory that is removed afterwards, and remove those of killed processes.

    A process holds a lock on what it uses.
    """
    prefix = f"dumpy-{purpose}-"
    found = Path(tempfile.gettempdir()).glob(f"{prefix}*")
    # Somebody else may call a directory so.
    for leftover in stale(path for path in found if (path / _MARK).is_file()):
        shutil.rmtree(leftover, ignore_errors=True)
    with locked_directory(prefix) as directory:
        (directory / _MARK).touch()
        yield directory


@contextmanager
def _database(engine: Engine, kept: str) -> Iterator[str]:
    """Make a database, yield its name, and drop it afterwards."""
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
    """Make all tables of the project in a scratch database, also of the unmanaged models given.

    A copy of the schema is kept under a name, unless the database is itself such a copy.
    """
    connection = connections[using]
    if not (kept and schema.is_current(using)):
        schema.build(using)
        if kept:
            engine_of(connection).keep(kept)
    models = [model for model in TODAY.find_all(labels) if not model._meta.managed]
    found = engine_of(connection).tables(model._meta.db_table for model in models)
    with connection.schema_editor() as editor:
        for model in models:
            if model._meta.db_table not in found:
                editor.create_model(model)


def name_to_keep(using: str) -> str:
    """Return the name of the database to keep: it depends on everything that the schema does."""
    connection, digest = connections[using], hashlib.sha256()
    versions = django.get_version(), settings.INSTALLED_APPS, settings.AUTH_USER_MODEL
    digest.update(repr(versions).encode())
    migrations = MigrationLoader(None, ignore_no_migrations=True).disk_migrations or {}
    for key, migration in sorted(migrations.items()):
        digest.update(repr(key).encode())
        digest.update(Path(inspect.getfile(type(migration))).read_bytes())
    for model in apps.get_models(include_auto_created=True):
        meta = model._meta
        columns = [(one.column, one.db_type(connection)) for one in meta.local_concrete_fields]
        names = meta.label, meta.db_table, meta.permissions, meta.default_permissions
        digest.update(repr((names, columns)).encode())
    place = hashlib.sha256(repr(engine_of(connection).location()).encode())
    return f"dumpy_kept_{place.hexdigest()[:8]}_{digest.hexdigest()[:16]}"


@contextmanager
def _leading_to(connection: Any, name: str) -> Iterator[None]:
    kept = connection.settings_dict
    live, connection.connection = connection.connection, None
    # The connections of a pool lead to the live database.
    options = {key: value for key, value in kept["OPTIONS"].items() if key != "pool"}
    # Connections of other threads have the same settings, and stay where they are.
    connection.settings_dict = {**kept, "NAME": name, "OPTIONS": options}
    schema.clear_caches(connection)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict = kept
        connection.connection = live
        schema.clear_caches(connection)


def _require(engine: Engine, name: str) -> None:
    found = engine.name()
    if found != name and not (os.path.exists(name) and os.path.samefile(found, name)):
        raise RestoreFailed(f"The connection leads to {found!r}, not to the scratch database.")


@contextmanager
def rolled_back(alias: str) -> Iterator[None]:
    """Undo what is written to a database when the block ends; the connection stays open in it."""
    atomic = transaction.atomic(using=alias)
    # As in a TestCase: a durable block and a dump are allowed in it.
    atomic._from_testcase = True  # type: ignore[attr-defined]
    # The end of each TestCase class closes all connections.
    with atomic, mock.patch.object(connections[alias], "close"):
        yield
        transaction.set_rollback(True, using=alias)


@contextmanager
def reading_only(aliases: Iterable[str], reason: str) -> Iterator[None]:
    """Let statements that do more than read raise ``RestoreFailed`` until the block ends."""

    def execute(run: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        if not reads_only(str(sql)):
            alias = context["connection"].alias
            raise RestoreFailed(
                f"{alias!r} must stay as it is: {reason} Refused: {sql!s:.{_SHOWN}}"
            )
        return run(sql, params, many, context)

    with ExitStack() as stack:
        for alias in aliases:
            stack.enter_context(connections[alias].execute_wrapper(execute))
        yield


def reads_only(sql: str) -> bool:
    """Whether all statements of a text read, or are about the connection."""
    blank = _QUOTED.sub(lambda found: " " if found[0].startswith(("--", "/*")) else "x", sql)
    statements = [one for one in blank.split(";") if one.strip()]
    return bool(statements) and all(
        _READS.match(one) and not _WRITES.search(one) for one in statements
    )
