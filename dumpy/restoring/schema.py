"""The schema of the project, from nothing."""

from __future__ import annotations

from collections.abc import Iterable

from django.apps import apps
from django.apps.registry import Apps
from django.core.management import call_command
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader

from dumpy.engines import engine_of
from dumpy.loading.registry import TODAY
from dumpy.restoring.migrate import Migrate
from dumpy.schema.tables import ModelType

MIGRATIONS = "django_migrations"
CONTENT_TYPES = "django_content_type"


def build(using: str, command: Migrate | None = None) -> None:
    """Make all tables of the project, by migrations and for apps without them.

    With a ``command`` of its own, those which it makes. Raises ``RestoreFailed``.
    """
    call_command(
        command or Migrate(), database=using, run_syncdb=True, interactive=False, verbosity=0
    )


def add_permissions(using: str) -> None:
    """Let models have the permissions that they lack, as after a migration.

    What other receivers of ``post_migrate`` make came with the schema, and gave way to the dump.
    """
    if apps.is_installed("django.contrib.auth"):
        from django.contrib.auth.management import create_permissions

        for config in apps.get_app_configs():
            create_permissions(config, verbosity=0, using=using)


def tables_of(apps: Apps) -> set[str]:
    """Return the names of all tables that the models of a registry have."""
    models = apps.get_models(include_auto_created=True)
    return {model._meta.db_table for model in models if model._meta.managed}


def drop_collations(connection: BaseDatabaseWrapper) -> None:
    """Drop the collations that migrations of the project will make; nothing may use them."""
    if not engine_of(connection).has_collations:
        return
    with connection.cursor() as cursor:
        for name in _collations():
            cursor.execute(f"DROP COLLATION IF EXISTS {connection.ops.quote_name(name)}")


def _collations() -> list[str]:
    from django.contrib.postgres.operations import CreateCollation

    migrations = MigrationLoader(None, ignore_no_migrations=True).disk_migrations.values()
    operations = [operation for migration in migrations for operation in migration.operations]
    return sorted({op.name for op in operations if isinstance(op, CreateCollation)})


def make_unmanaged(using: str, labels: Iterable[str]) -> None:
    """Make the tables of unmanaged models that are not there: where nobody else can make them."""
    connection = connections[using]
    found = all_there(connection)
    with connection.schema_editor() as editor:
        for model in filter(None, map(TODAY.find, labels)):
            if not model._meta.managed and model._meta.db_table not in found:
                editor.create_model(model)


def empty(connection: BaseDatabaseWrapper, tables: Iterable[str]) -> None:
    """Remove the rows that migrations have put into tables, which give way to those of the dump."""
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        for table in there(connection, tables):
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


def reset_sequences(
    using: str, models: Iterable[ModelType], unmanaged: Iterable[ModelType] = ()
) -> None:
    """Let the next rows of models have keys that are free."""
    found = _names(connections[using], "t", "p")
    mine = {*(model for model in models if model._meta.managed), *unmanaged}
    engine = engine_of(connections[using])
    engine.reset_sequences(model for model in mine if model._meta.db_table in found)


def there(connection: BaseDatabaseWrapper, names: Iterable[str]) -> list[str]:
    """Return which tables are there of those with some names."""
    return sorted(set(names) & all_tables(connection))


def all_tables(connection: BaseDatabaseWrapper) -> set[str]:
    """Return the names of all tables."""
    return _names(connection, "t", "p")


def columns_of(connection: BaseDatabaseWrapper, table: str) -> set[str]:
    """Return the names of the columns of a table."""
    with connection.cursor() as cursor:
        description = connection.introspection.get_table_description(cursor, table)
    return {column.name for column in description}


def all_there(connection: BaseDatabaseWrapper) -> set[str]:
    """Return the names of all tables and views."""
    return _names(connection, "t", "p", "v")


def _names(connection: BaseDatabaseWrapper, *types: str) -> set[str]:
    with connection.cursor() as cursor:
        return {i.name for i in connection.introspection.get_table_list(cursor) if i.type in types}
