"""Compares the rows of all tables of two databases, as SQL gives them; prints JSON.

Content types are compared by what they name: their keys may differ. So may the keys of the rows
that Django makes by itself for many-to-many fields. Everything else must be equal.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import django
from django.apps import apps
from django.db import connections

# What a dump leaves out on purpose.
LEFT_OUT = {"django_migrations", "django_session", "sqlite_sequence"}
# The tables behind an index of SQLite's full-text search: the virtual table itself is compared.
FTS_TABLES = ("_fts_data", "_fts_idx", "_fts_content", "_fts_docsize", "_fts_config")
ALIASES = ("default", "other")
Rows = Counter[str]


def main() -> None:
    """Compare, and print what was found."""
    django.setup()
    names = [set(tables(alias)) for alias in ALIASES]
    counts: dict[str, int] = {}
    different: dict[str, list[str]] = {}
    for name in sorted(names[0] | names[1]):
        first, second = (rows_of(name, alias) for alias in ALIASES)
        counts[name] = first.total()
        if first != second:
            different[name] = differences(first, second)
    print(json.dumps({"counts": counts, "different": different}))


def tables(alias: str) -> list[str]:
    """Return the names of the tables to compare."""
    names = connections[alias].introspection.table_names(include_views=True)
    return [name for name in names if name not in LEFT_OUT and not name.endswith(FTS_TABLES)]


def rows_of(table: str, alias: str) -> Rows:
    """Return the rows of a table as text, with how often each occurs."""
    connection = connections[alias]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
        names = [column[0] for column in cursor.description]
        shown = [(i, name, shower(table, name, alias)) for i, name in enumerate(names)]
        kept = [(i, name, show) for i, name, show in shown if show is not None]
        return Counter(
            repr({name: show(row[i]) for i, name, show in kept}) for row in cursor.fetchall()
        )


def shower(table: str, column: str, alias: str) -> Callable[[Any], Any] | None:
    """Return what shows a value of a column, or None if it is not compared."""
    if (table, column) in keys_given_by_the_database():
        return None
    if (table, column) in keys_of_content_types():
        names = content_types(alias)
        return lambda value: names.get(value, value)
    return lambda value: bytes(value) if isinstance(value, memoryview) else value


def keys_given_by_the_database() -> set[tuple[str, str]]:
    """Return the primary keys that nobody refers to."""
    models = apps.get_models(include_auto_created=True)
    return {(m._meta.db_table, m._meta.pk.column) for m in models if m._meta.auto_created}


def keys_of_content_types() -> set[tuple[str, str]]:
    """Return the columns that hold keys of content types."""
    table = "django_content_type"
    return {(table, "id")} | {
        (model._meta.db_table, field.column)
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.local_concrete_fields
        if field.is_relation and field.related_model._meta.db_table == table
    }


def content_types(alias: str) -> dict[Any, str]:
    """Return what the keys of content types mean."""
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT id, app_label, model FROM django_content_type")
        return {key: f"{app}.{model}" for key, app, model in cursor.fetchall()}


def differences(first: Rows, second: Rows) -> list[str]:
    """Return the first rows that only one of the tables has."""
    gone = [f"- {row}" for row in (first - second).elements()]
    come = [f"+ {row}" for row in (second - first).elements()]
    return [*gone[:3], *come[:3], f"{len(gone)} gone, {len(come)} come"]


if __name__ == "__main__":
    main()
