"""Views that read tables of the project: migrations make them again, or a restore does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error

from dumpy.errors import RestoreFailed


@dataclass(frozen=True)
class View:
    """A view: what it shows, and the statements that make it with all that belongs to it.

    ``kind`` is the word of SQL for it; ``reads`` are the names of tables and of other views;
    ``definer`` is the account of MySQL that made it.
    """

    name: str
    kind: str
    definition: str
    statements: tuple[str, ...]
    reads: frozenset[str] = frozenset()
    definer: str = ""


def in_order(views: Iterable[View]) -> list[View]:
    """Return views, each after those that it reads."""
    found = {view.name: view for view in views}
    reads = {name: view.reads & found.keys() for name, view in found.items()}
    return [found[name] for name in TopologicalSorter(reads).static_order()]


def drop_views(
    connection: BaseDatabaseWrapper, names: Collection[str], tables: Collection[str]
) -> list[View]:
    """Drop some views, and all that read tables which will be dropped.

    Returns them in the order in which they can be made again.
    """
    every = _READERS[connection.vendor](connection)
    if connection.vendor != "sqlite":  # which does not say what a view reads
        every = _reading(every, names, {*names, *tables})
    views = in_order(every)
    with connection.cursor() as cursor:
        for view in reversed(views):
            cursor.execute(f"DROP {view.kind} {connection.ops.quote_name(view.name)}")
    return views


def _reading(views: Iterable[View], names: Collection[str], sources: set[str]) -> list[View]:
    """The views with some names, and those that read any of the sources, or other such views."""
    left = {view.name: view for view in views}
    found: list[View] = []
    wanted = [view for view in left.values() if view.name in names or view.reads & sources]
    while wanted:
        found += wanted
        for view in wanted:
            del left[view.name]
        there = {view.name for view in found}
        wanted = [view for view in left.values() if view.reads & there]
    return found


def make_missing(connection: BaseDatabaseWrapper, views: Iterable[View]) -> None:
    """Make the views again that are not there; raises ``RestoreFailed`` if one cannot be made."""
    with connection.cursor() as cursor:
        there = {table.name for table in connection.introspection.get_table_list(cursor)}
    for view in views:
        if view.name not in there:
            _make(connection, view)


def _make(connection: BaseDatabaseWrapper, view: View) -> None:
    try:
        with connection.cursor() as cursor:
            for statement in view.statements:
                cursor.execute(statement)
    except Error as error:
        raise RestoreFailed(
            f"The view {view.name!r}, which no migration makes, cannot be made again: {error}. "
            "Put it into a migration, or drop it. The database is as it was."
        ) from error


def _of_sqlite(connection: BaseDatabaseWrapper) -> list[View]:
    # A view may be made before what it reads.
    return [
        View(name, "VIEW", sql, (sql, *_column(connection, _SQLITE_TRIGGERS, [name])))
        for name, sql in _rows(connection, _SQLITE_VIEWS)
    ]


_SQLITE_VIEWS = "SELECT name, sql FROM sqlite_master WHERE type = 'view'"
_SQLITE_TRIGGERS = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s"


def _of_postgresql(connection: BaseDatabaseWrapper) -> list[View]:
    return [
        View(
            name,
            kind,
            make,
            (make, *(sql for query in _MORE for sql in _column(connection, query, [oid]))),
            frozenset(_column(connection, _READS, [oid])),
        )
        for oid, name, kind, make in _rows(connection, _POSTGRESQL_VIEWS)
    ]


_POSTGRESQL_VIEWS = """
    SELECT oid, relname, kind, format(
        'CREATE %s %I%s AS %s%s', kind, relname,
        ' WITH (' || array_to_string(reloptions, ', ') || ')',
        rtrim(pg_get_viewdef(oid), ';'), CASE WHEN relispopulated THEN '' ELSE ' WITH NO DATA' END
    ) FROM (
        SELECT *, CASE relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END AS kind
        FROM pg_class WHERE relkind IN ('m', 'v') AND pg_table_is_visible(oid)
    ) AS views
"""
_READS = """
    SELECT DISTINCT relname FROM pg_rewrite
    JOIN pg_depend ON classid = 'pg_rewrite'::regclass AND objid = pg_rewrite.oid
    JOIN pg_class ON refclassid = 'pg_class'::regclass AND refobjid = pg_class.oid
    WHERE ev_class = %s AND pg_class.oid <> ev_class
"""
# What belongs to a view, as statements that make it again.
_MORE = (
    "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = %s ORDER BY indexrelid",
    "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = %s AND NOT tgisinternal",
    """
        SELECT format(
            'COMMENT ON %%s %%I IS %%L',
            CASE relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END,
            relname, obj_description(oid)
        ) FROM pg_class WHERE oid = %s AND obj_description(oid) IS NOT NULL
    """,
)


def of_mysql(connection: BaseDatabaseWrapper, source: str, live: str) -> list[View]:
    """Return the views of a database, as they are made in another one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM information_schema.views WHERE table_schema = %s", [source])
        columns = [column[0].lower() for column in cursor.description]
        found = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    names = [row["table_name"] for row in found]
    return [_mysql_view(row, names, source, live) for row in found]


def _mysql_view(row: dict[str, Any], names: Sequence[str], source: str, live: str) -> View:
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
    return View(name, "VIEW", f"{how} {security} {rest}", (make,), frozenset(reads), row["definer"])


def quoted_account(account: str) -> str:
    """Quote an account of MySQL, or a role, which has no host."""
    user, _, host = account.rpartition("@")
    return f"{quote(user)}@{quote(host)}" if user else quote(host)


def quote(name: str) -> str:
    """Quote a name as MySQL does."""
    return f"`{name.replace('`', '``')}`"


_READERS: dict[str, Callable[[BaseDatabaseWrapper], list[View]]] = {
    "sqlite": _of_sqlite,
    "postgresql": _of_postgresql,
}


def _rows(
    connection: BaseDatabaseWrapper, query: str, params: Sequence[Any] | None = None
) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        return list(cursor.fetchall())


def _column(connection: BaseDatabaseWrapper, query: str, params: Sequence[Any]) -> list[str]:
    return [value for (value,) in _rows(connection, query, params)]
