"""For MySQL, whose DDL commits: a database aside, whose tables change places with the live ones."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error

from dumpy.ending import uninterrupted
from dumpy.engines import engine_of
from dumpy.engines.base import other_restore
from dumpy.engines.mysql import quote
from dumpy.engines.swap import require_movable, swap
from dumpy.errors import RestoreFailed
from dumpy.restoring import schema

_LONGEST_NAME = 64


@contextmanager
def staged(
    connection: Any,
    known: Collection[str],
    filled: Collection[str],
    dropped: Collection[str],
    *,
    dry_run: bool,
) -> Iterator[None]:
    """Let the connection lead to an empty database until the block has succeeded.

    It is empty but for tables like those ``filled``, which no migration makes. Then all tables
    change places in one statement, with those ``dropped``. Raises ``RestoreFailed``.
    """
    given = connection.settings_dict
    live = given["NAME"] or engine_of(connection).location()[0]
    stage, old = aside(live, "stage"), aside(live, "old")
    _lock(connection, live)
    try:
        require_movable(connection, live, {*known, *filled})
        _make(connection, live, stage, old)
        _lead_to(connection, stage)
        with connection.constraint_checks_disabled():
            _make_alike(connection, live, filled)
            yield
        if not dry_run:
            with uninterrupted():
                _swap(connection, {*known, *filled, *dropped}, live, stage, old)
    finally:
        # What stays is dropped by the next restore; whether this one succeeded is known by now.
        with suppress(Error):
            _clean_up(connection, live, stage, old)
        connection.settings_dict = given


@contextmanager
def locked(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Let no other restore of the database begin until the block ends."""
    name = engine_of(connection).location()[0]
    _lock(connection, name)
    try:
        yield
    finally:
        with suppress(Error):  # with its connection, the lock is gone
            _execute(connection, "SELECT RELEASE_LOCK(%s)", [_lock_name(name)])


def _clean_up(connection: BaseDatabaseWrapper, live: str, stage: str, old: str) -> None:
    _lead_to(connection, live)
    with connection.constraint_checks_disabled():
        for name in (stage, old):
            _execute(connection, f"DROP DATABASE IF EXISTS {quote(name)}")
    _execute(connection, "SELECT RELEASE_LOCK(%s)", [_lock_name(live)])


def aside(name: str, purpose: str) -> str:
    """Return the name of the database that a restore of another one makes for a purpose."""
    ending = f"_dumpy_{purpose}"
    return f"{_shortened(name, _LONGEST_NAME - len(ending))}{ending}"


def _lock_name(name: str) -> str:
    return f"dumpy:{_shortened(name, _LONGEST_NAME - len('dumpy:'))}"


def _shortened(name: str, length: int) -> str:
    """The name if it is short, else one that no other name has."""
    if len(name) <= length:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{name[: length - len(digest) - 1]}_{digest}"


def _lock(connection: BaseDatabaseWrapper, live: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, 0)", [_lock_name(live)])
        if cursor.fetchone()[0] != 1:
            raise other_restore(live)


def _make(connection: BaseDatabaseWrapper, live: str, stage: str, old: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT default_character_set_name, default_collation_name "
            "FROM information_schema.schemata WHERE schema_name = %s",
            [live],
        )
        characters, collation = cursor.fetchone()
        for name in (stage, old):
            made = f"{quote(name)} CHARACTER SET {characters} COLLATE {collation}"
            try:
                cursor.execute(f"DROP DATABASE IF EXISTS {quote(name)}")
                cursor.execute(f"CREATE DATABASE {made}")
            except Error as error:
                pattern = aside(live, "%").replace("_", r"\_")
                raise RestoreFailed(
                    f"{error}\nA restore creates two additional databases. Grant the right to the "
                    f"user: GRANT ALL ON {quote(pattern)}.* TO …"
                ) from error


def _make_alike(connection: BaseDatabaseWrapper, live: str, tables: Collection[str]) -> None:
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"SHOW CREATE TABLE {quote(live)}.{quote(table)}")
            cursor.execute(cursor.fetchone()[1])


def _lead_to(connection: Any, name: str) -> None:
    # The lock belongs to the connection, which therefore stays open.
    _execute(connection, f"USE {quote(name)}")
    # Connections of other threads have the same settings, and stay where they are.
    connection.settings_dict = {**connection.settings_dict, "NAME": name}


def _swap(
    connection: BaseDatabaseWrapper, names: Collection[str], live: str, stage: str, old: str
) -> None:
    with connection.cursor() as cursor:
        new = [i.name for i in connection.introspection.get_table_list(cursor) if i.type == "t"]
    _lead_to(connection, live)
    for name in schema.there(connection, {*new}.difference(names)):
        raise RestoreFailed(
            f"A migration makes the table {name!r}, which already exists and belongs to no model "
            f"of the project. To drop it: --drop {name}."
        )
    gone = schema.there(connection, names)
    moves = [(live, old, table) for table in gone] + [(stage, live, table) for table in new]
    with connection.constraint_checks_disabled():
        swap(connection, stage, live, moves)


def _execute(connection: BaseDatabaseWrapper, sql: str, params: Sequence[Any] = ()) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)
