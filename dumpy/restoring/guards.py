"""What a restore would change beside the rows of the project: it is refused, each by its name."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.apps import apps
from django.apps.registry import Apps
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.utils import DatabaseError

from dumpy.engines import engine_of
from dumpy.errors import RestoreFailed
from dumpy.restoring import schema
from dumpy.restoring.schema import MIGRATIONS, tables_of


def known_tables(
    connection: BaseDatabaseWrapper, planned: Collection[str], recorded: Apps
) -> frozenset[str]:
    """Return the names of the tables that Django knows, whether they are there or not.

    These are those ``planned``, those of today's models, and those of the ``recorded`` ones.
    """
    today = connection.introspection.django_table_names()
    return frozenset({*today, *planned, *tables_of(recorded), MIGRATIONS})


def require_rebuildable(using: str, tables: Collection[str], drop: Collection[str]) -> None:
    """Raise ``RestoreFailed`` with all that would go with tables, but for what may be dropped."""
    connection = connections[using]
    there = schema.there(connection, {*tables, *drop})
    unknown = sorted({*drop} - schema.all_there(connection))
    if unknown:
        raise RestoreFailed(
            f"--drop: there is no table or view {', '.join(map(repr, unknown))}. The database is "
            "as it was."
        )
    found = [
        f"{sentence} To let it go: --drop {name}" if name else sentence
        for name, sentence in engine_of(connection).taken_along(there)
        if name not in drop
    ]
    if found:
        raise RestoreFailed(
            "The database is of another time than the project: its tables have to be made anew, "
            "and what follows would not be kept.\n"
            + "\n".join(found)
            + "\nMigrations may make it again; otherwise do so yourself after the restore. Or "
            "restore into an empty database. The database is as it was."
        )


def require_untouched(connection: BaseDatabaseWrapper, tables: Sequence[str]) -> None:
    """Raise ``RestoreFailed`` if emptying tables would change others, or cannot be taken back."""
    found = [*engine_of(connection).side_effects(tables)]
    if found:
        raise RestoreFailed("\n".join([*found, "The database is as it was."]))


def require_references(connection: BaseDatabaseWrapper, tables: Collection[str]) -> None:
    """Raise ``RestoreFailed`` if rows of tables other than these refer to rows that are gone."""
    found = {*engine_of(connection).dangling(tables)}
    if found:
        named = ", ".join(f"{table!r} to {target!r}" for table, target in sorted(found))
        raise RestoreFailed(
            f"After loading, foreign keys of tables that the dump does not have lead to rows that "
            f"it does not have: {named}. Delete these rows, or restore into an empty database. "
            "The database is as it was."
        )


def unknown_columns(
    connection: BaseDatabaseWrapper, tables: Collection[str], recorded: Apps
) -> list[str]:
    """Return the columns that neither today's models nor the ``recorded`` ones know.

    A person may have added them, or migrations that were made anew under the same names.
    """
    found = []
    known: dict[str, set[str]] = {}
    migrated = {model._meta.db_table for model in recorded.get_models(include_auto_created=True)}
    for registry in (apps, recorded):
        for model in registry.get_models(include_auto_created=True):
            names = {str(field.column) for field in model._meta.local_concrete_fields}
            known.setdefault(model._meta.db_table, set()).update(names)
    for table in sorted(migrated.intersection(schema.there(connection, tables))):
        there = engine_of(connection).column_names(table)
        found += [f"{table}.{name}" for name in there if name not in known[table]]
    return found


def recorded_apps(connection: BaseDatabaseWrapper) -> Apps:
    """Return the models as they are after the migrations that the database says are applied."""
    try:
        loader = MigrationLoader(connection, ignore_no_migrations=True)
        applied = [key for key in loader.applied_migrations or () if key in loader.graph.nodes]
        return loader.project_state(applied).apps if applied else Apps()
    except DatabaseError:
        raise
    except Exception:  # building the schema says what is wrong with migrations
        return Apps()
