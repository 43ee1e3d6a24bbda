"""For MySQL, whose DDL commits: a database aside, whose tables change places with the live ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error

from dumpy.errors import RestoreFailed
from dumpy.restoring import schema

_LONGEST_NAME = 64


@contextmanager
def staged(connection: Any, dumped: Sequence[str], dry_run: bool) -> Iterator[None]:
    """Let the connection lead to an empty database until the block has succeeded.

    Then all tables change places in one statement. Raises ``RestoreFailed``.
    """
    live = connection.settings_dict["NAME"]
    stage, old = _aside(live, "stage"), _aside(live, "old")
    _lock(connection, live)
    try:
        _make(connection, live, stage, old)
        _lead_to(connection, stage)
        with connection.constraint_checks_disabled():
            yield
        if not dry_run:
            _swap(connection, dumped, live, stage, old)
    finally:
        connection.settings_dict["NAME"] = live
        # What stays is dropped by the next restore; whether this one succeeded is known by now.
        with suppress(Error):
            _clean_up(connection, live, stage, old)


def _clean_up(connection: BaseDatabaseWrapper, live: str, stage: str, old: str) -> None:
    _lead_to(connection, live)
    with connection.constraint_checks_disabled():
        for name in (stage, old):
            _execute(connection, f"DROP DATABASE IF EXISTS {_quote(name)}")
    _execute(connection, "SELECT RELEASE_LOCK(%s)", [_lock_name(live)])


def _aside(name: str, purpose: str) -> str:
    return f"{name}_dumpy_{purpose}"[-_LONGEST_NAME:]


def _lock_name(name: str) -> str:
    return f"dumpy:{name}"[-_LONGEST_NAME:]


def _lock(connection: BaseDatabaseWrapper, live: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, 0)", [_lock_name(live)])
        if cursor.fetchone()[0] != 1:
            raise RestoreFailed(f"Another restore of {live!r} is going on. Wait until it is over.")


def _make(connection: BaseDatabaseWrapper, live: str, stage: str, old: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT default_character_set_name, default_collation_name "
            "FROM information_schema.schemata WHERE schema_name = %s",
            [live],
        )
        characters, collation = cursor.fetchone()
        for name in (stage, old):
            cursor.execute(f"DROP DATABASE IF EXISTS {_quote(name)}")
            cursor.execute(
                f"CREATE DATABASE {_quote(name)} CHARACTER SET {characters} COLLATE {collation}"
            )


def _lead_to(connection: BaseDatabaseWrapper, name: str) -> None:
    # The lock belongs to the connection, which therefore stays open.
    _execute(connection, f"USE {_quote(name)}")
    connection.settings_dict["NAME"] = name


def _swap(
    connection: BaseDatabaseWrapper, dumped: Sequence[str], live: str, stage: str, old: str
) -> None:
    with connection.cursor() as cursor:
        new = [i.name for i in connection.introspection.get_table_list(cursor) if i.type == "t"]
    views = _views(connection, stage, live)
    _lead_to(connection, live)
    gone = sorted({*schema.own_tables(connection, dumped), *_there(connection, new)})
    _require_no_strangers(connection, live, gone)
    renames = [f"{_quote(live)}.{_quote(t)} TO {_quote(old)}.{_quote(t)}" for t in gone]
    renames += [f"{_quote(stage)}.{_quote(t)} TO {_quote(live)}.{_quote(t)}" for t in new]
    with connection.constraint_checks_disabled():
        _execute(connection, f"RENAME TABLE {', '.join(renames)}")
    for name, definition in views.items():
        _execute(connection, f"CREATE OR REPLACE VIEW {_quote(name)} AS {definition}")


def _require_no_strangers(connection: BaseDatabaseWrapper, live: str, gone: Sequence[str]) -> None:
    """Refuse to take tables away from the foreign keys of tables that stay."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT table_name, referenced_table_name "
            "FROM information_schema.key_column_usage "
            "WHERE table_schema = %s AND referenced_table_schema = %s",
            [live, live],
        )
        found = cursor.fetchall()
    for table, referenced in found:
        if referenced in gone and table not in gone:
            raise RestoreFailed(
                f"The table {table!r}, which is not of the project, refers to {referenced!r}. Drop "
                "its foreign key first. The database is as it was."
            )


def _there(connection: BaseDatabaseWrapper, names: Sequence[str]) -> set[str]:
    with connection.cursor() as cursor:
        return {i.name for i in connection.introspection.get_table_list(cursor)} & set(names)


def _views(connection: BaseDatabaseWrapper, stage: str, live: str) -> dict[str, str]:
    """The definitions of the views of the stage, as they read in the live database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, view_definition FROM information_schema.views "
            "WHERE table_schema = %s",
            [stage],
        )
        found = cursor.fetchall()
    return {
        name: text.replace(_quote(stage), _quote(live)).replace("%", "%%") for name, text in found
    }


def _quote(name: str) -> str:
    return f"`{name.replace('`', '``')}`"


def _execute(connection: BaseDatabaseWrapper, sql: str, params: Sequence[Any] = ()) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)
