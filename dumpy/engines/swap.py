"""For MySQL: swap tables in one step, together with their views and triggers."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from dumpy.engines.mysql import quote, quoted_account
from dumpy.errors import RestoreFailed

# Older servers, and MySQL itself, make no trigger within a procedure.
_MAKES_TRIGGERS = (10, 6, 2)

_TRIGGERS = """
    SELECT trigger_name, event_object_table, definer, sql_mode,
        CONCAT(action_timing, ' ', event_manipulation)
    FROM information_schema.triggers WHERE trigger_schema = %s
    ORDER BY event_object_table, action_order
"""
_BEFORE_ACTION = re.compile(r".*?\bFOR\s+EACH\s+ROW\s+((FOLLOWS|PRECEDES)\s+\S+\s+)?", re.I | re.S)

Move = tuple[str, str, str]
"""The database that a table leaves, the one it comes to, and its name."""


@dataclass(frozen=True)
class View:
    """A view: its query, and the statements that create it with its properties.

    ``reads`` are the names of other views; ``definer`` is the account that created it.
    """

    name: str
    definition: str
    statements: tuple[str, ...]
    reads: frozenset[str]
    definer: str


@dataclass(frozen=True)
class Trigger:
    """A trigger, which prevents moving its table to another database."""

    name: str
    table: str
    definer: str
    sql_mode: str
    event: str
    action: str

    def make(self, database: str) -> str:
        """Return the statements that create it in a database."""
        statement = (
            f"CREATE DEFINER = {quoted_account(self.definer)} TRIGGER IF NOT EXISTS "
            f"{quote(database)}.{quote(self.name)} {self.event} "
            f"ON {quote(database)}.{quote(self.table)} FOR EACH ROW {self.action}"
        )
        return f"SET sql_mode = '{self.sql_mode}'; EXECUTE IMMEDIATE {_literal(statement)}"

    def drop(self, database: str) -> str:
        """Return the statement that drops it from a database."""
        return f"DROP TRIGGER IF EXISTS {quote(database)}.{quote(self.name)}"


def swap(connection: BaseDatabaseWrapper, stage: str, live: str, moves: Sequence[Move]) -> None:
    """Move tables, and create the views and triggers of the stage in the live database.

    Triggers of the replaced tables are kept.
    """
    views, triggers = (
        _Views.of(connection, stage, live),
        _Triggers.of(connection, stage, live, moves),
    )
    if not (views.new or triggers.new or triggers.old):
        _execute(connection, _rename(moves))
        return
    for account in sorted({v.definer for v in views.old} | {t.definer for t in triggers.old}):
        # What cannot be taken back must not be done.
        _execute(
            connection,
            f"CREATE OR REPLACE DEFINER = {quoted_account(account)} "
            f"VIEW {quote(stage)}.dumpy_probe AS SELECT 1",
        )
    _execute(connection, _procedure(stage, live, moves, views, triggers))
    _execute(connection, f"CALL {quote(stage)}.dumpy_swap()")


def require_movable(connection: BaseDatabaseWrapper, live: str, tables: Collection[str]) -> None:
    """Raise an error for tables with triggers if the server could not create these again."""
    server: Any = connection
    if server.mysql_is_mariadb and server.mysql_version >= _MAKES_TRIGGERS:
        return
    if found := [trigger for trigger in _triggers(connection, live) if trigger.table in tables]:
        named = ", ".join(f"{trigger.name!r} of {trigger.table!r}" for trigger in found)
        raise RestoreFailed(
            f"This server cannot move tables with triggers: {named}. Drop them first, and create "
            "them again after the restore."
        )


@dataclass(frozen=True)
class _Views:
    """The views to create, and the views that they replace."""

    new: list[View]
    old: list[View]

    @classmethod
    def of(cls, connection: BaseDatabaseWrapper, stage: str, live: str) -> _Views:
        """Return the views of the stage that are new or differ."""
        there = {view.name: view for view in _views_of(connection, live, live)}
        new = [
            view
            for view in _in_order(_views_of(connection, stage, live))
            if view.name not in there or there[view.name].definition != view.definition
        ]
        return cls(new, [there[view.name] for view in new if view.name in there])

    def undo(self, live: str) -> list[str]:
        """Return the statements that undo the change."""
        added = {view.name for view in self.new} - {view.name for view in self.old}
        drops = [f"DROP VIEW IF EXISTS {quote(live)}.{quote(name)}" for name in sorted(added)]
        return [*drops, *(statement for view in self.old for statement in view.statements)]


@dataclass(frozen=True)
class _Triggers:
    """The triggers to create, of the replaced tables, and of the new tables."""

    new: list[Trigger]
    old: list[Trigger]
    staged: list[Trigger]

    @classmethod
    def of(
        cls, connection: BaseDatabaseWrapper, stage: str, live: str, moves: Sequence[Move]
    ) -> _Triggers:
        """Return the triggers of the stage, and the triggers that no migration creates."""
        come = {table for source, _to, table in moves if source == stage}
        go = {table for source, _to, table in moves if source == live}
        old = [trigger for trigger in _triggers(connection, live) if trigger.table in go]
        staged = _triggers(connection, stage)
        names = {trigger.name for trigger in staged}
        kept = [one for one in old if one.table in come and one.name not in names]
        return cls([*staged, *kept], old, staged)


def _in_order(views: Iterable[View]) -> list[View]:
    """Return views, each after the views that it reads."""
    found = {view.name: view for view in views}
    reads = {name: view.reads & found.keys() for name, view in found.items()}
    return [found[name] for name in TopologicalSorter(reads).static_order()]


def _views_of(connection: Any, source: str, live: str) -> list[View]:
    """Return the views of a database, as they are created in another one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM information_schema.views WHERE table_schema = %s", [source])
        columns = [column[0].lower() for column in cursor.description]
        found = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    names = [row["table_name"] for row in found]
    return [_view(row, names, source, live) for row in found]


def _view(row: dict[str, Any], names: Sequence[str], source: str, live: str) -> View:
    name, text = row["table_name"], row["view_definition"]
    security = f"SQL SECURITY {row['security_type']}"
    # MySQL itself does not say the algorithm.
    how = f"ALGORITHM = {row.get('algorithm', 'UNDEFINED')}"
    check = row["check_option"]
    rest = text.replace(quote(source), quote(live))
    if check != "NONE":
        rest += f" WITH {check} CHECK OPTION"
    make = (
        f"CREATE OR REPLACE {how} DEFINER = {quoted_account(row['definer'])} {security} "
        f"VIEW {quote(live)}.{quote(name)} AS {rest}"
    )
    reads = {
        other for other in names if other != name and f"{quote(source)}.{quote(other)}" in text
    }
    return View(name, f"{how} {security} {rest}", (make,), frozenset(reads), row["definer"])


def _procedure(
    stage: str, live: str, moves: Sequence[Move], views: _Views, triggers: _Triggers
) -> str:
    """Return all statements as one call, which the server completes even without its client."""
    back = [(to, source, table) for source, to, table in reversed(moves)]
    drop = [one.drop(live) for one in triggers.old] + [one.drop(stage) for one in triggers.staged]
    make = [statement for view in views.new for statement in view.statements]
    make += [trigger.make(live) for trigger in triggers.new]
    undo = [*(one.drop(live) for one in triggers.new), _rename(back), *views.undo(live)]
    undo_drop = [trigger.make(live) for trigger in triggers.old]
    return f"""
        CREATE PROCEDURE {quote(stage)}.dumpy_swap() SQL SECURITY INVOKER
        BEGIN
            DECLARE EXIT HANDLER FOR SQLEXCEPTION
            BEGIN
                {_lines(undo_drop)}
                RESIGNAL;
            END;
            {_lines([*drop, _rename(moves)])}
            BEGIN
                DECLARE EXIT HANDLER FOR SQLEXCEPTION
                BEGIN
                    {_lines(undo)}
                    RESIGNAL;
                END;
                {_lines(make)}
            END;
        END
    """


def _triggers(connection: BaseDatabaseWrapper, database: str) -> list[Trigger]:
    with connection.cursor() as cursor:
        cursor.execute(_TRIGGERS, [database])
        found = cursor.fetchall()
        return [
            Trigger(name, table, definer, sql_mode, event, _action(cursor, database, name))
            for name, table, definer, sql_mode, event in found
        ]


def _action(cursor: Any, database: str, name: str) -> str:
    # In the information schema, backslashes are missing.
    cursor.execute(f"SHOW CREATE TRIGGER {quote(database)}.{quote(name)}")
    return _BEFORE_ACTION.sub("", cursor.fetchone()[2], count=1)


def _rename(moves: Iterable[Move]) -> str:
    renames = (
        f"{quote(source)}.{quote(table)} TO {quote(to)}.{quote(table)}"
        for source, to, table in moves
    )
    return f"RENAME TABLE {', '.join(renames)}"


def _lines(statements: Iterable[str]) -> str:
    return "".join(f"{statement};\n" for statement in statements)


def _literal(text: str) -> str:
    # How a text in quotes reads depends on the mode of the server.
    return f"CONVERT(X'{text.encode().hex()}' USING utf8mb4)"


def _execute(connection: BaseDatabaseWrapper, sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)
