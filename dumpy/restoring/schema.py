"""The schema of the project, from nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.apps import apps
from django.core.management import call_command
from django.core.management.commands import migrate
from django.core.management.sql import emit_post_migrate_signal
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader

MIGRATIONS = "django_migrations"


class _Migrate(migrate.Command):
    """Migrates within one transaction."""

    def migration_progress_callback(
        self, action: str, migration: Any = None, fake: bool = False
    ) -> None:
        """Let no foreign key be pending that would keep the next migration from altering tables."""
        super().migration_progress_callback(action, migration, fake)
        if action == "apply_success":
            connections[self.database].check_constraints()

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate."""
        self.database = options["database"]
        super().handle(*args, **options)


def build(using: str) -> None:
    """Make all tables of the project, by migrations and for apps without them."""
    call_command(_Migrate(), database=using, run_syncdb=True, interactive=False, verbosity=0)


def complete(using: str) -> None:
    """Let apps make what they make after a migration: the permissions of new models, say."""
    emit_post_migrate_signal(verbosity=0, interactive=False, db=using)


def own_tables(connection: BaseDatabaseWrapper, dumped: Iterable[str]) -> list[str]:
    """Return the tables there that belong to the project of today, or of the dump."""
    wanted = {*connection.introspection.django_table_names(), *dumped, MIGRATIONS}
    return sorted(wanted & _names(connection, "t", "p"))


def own_views(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the views there that unmanaged models stand for, which migrations make."""
    unmanaged = {model._meta.db_table for model in apps.get_models() if not model._meta.managed}
    return sorted(unmanaged & _names(connection, "v"))


def drop_collations(connection: BaseDatabaseWrapper) -> None:
    """Drop the collations that migrations of the project will make; nothing may use them."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        for name in _collations():
            cursor.execute(f"DROP COLLATION IF EXISTS {connection.ops.quote_name(name)}")


def _collations() -> list[str]:
    from django.contrib.postgres.operations import CreateCollation

    migrations = MigrationLoader(None, ignore_no_migrations=True).disk_migrations.values()
    operations = [operation for migration in migrations for operation in migration.operations]
    return sorted({op.name for op in operations if isinstance(op, CreateCollation)})


def drop(connection: BaseDatabaseWrapper, views: Sequence[str], tables: Sequence[str]) -> None:
    """Drop views and tables; whatever else depends on them makes it fail."""
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        for view in views:
            cursor.execute(f"DROP VIEW {quote(view)}")
        if tables and connection.vendor == "postgresql":
            cursor.execute(f"DROP TABLE {', '.join(map(quote, tables))}")
            return
        for table in tables:
            cursor.execute(f"DROP TABLE {quote(table)}")


def empty(connection: BaseDatabaseWrapper, tables: Iterable[str]) -> None:
    """Remove the rows that migrations have put into tables, which give way to those of the dump."""
    quote = connection.ops.quote_name
    there = _names(connection, "t", "p")
    with connection.cursor() as cursor:
        for table in tables:
            if table in there:
                cursor.execute(f"DELETE FROM {quote(table)}")


def count(connection: BaseDatabaseWrapper, tables: Iterable[str]) -> int:
    """Return how many rows tables have."""
    quote = connection.ops.quote_name
    total = 0
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"SELECT COUNT(*) FROM {quote(table)}")
            total += cursor.fetchone()[0]
    return total


def _names(connection: BaseDatabaseWrapper, *types: str) -> set[str]:
    with connection.cursor() as cursor:
        return {i.name for i in connection.introspection.get_table_list(cursor) if i.type in types}
