"""Views that read tables of the project: migrations make them again, or a restore does."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error

from dumpy.engines import engine_of
from dumpy.engines.base import View, in_order
from dumpy.errors import RestoreFailed


def drop_views(
    connection: BaseDatabaseWrapper, names: Collection[str], tables: Collection[str]
) -> list[View]:
    """Drop some views, and all that read tables which will be dropped.

    Returns them in the order in which they can be made again.
    """
    engine = engine_of(connection)
    every = engine.views()
    if engine.knows_sources:
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
