"""The schema of the project."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.apps.registry import Apps
from django.core.management import call_command
from django.core.management.commands import migrate
from django.db import connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import QuerySet
from django.db.utils import DatabaseError

from dumpy.engines import engine_of
from dumpy.errors import DumpyError, RestoreFailed, sentence
from dumpy.loading.references import referenced_keys
from dumpy.schema.tables import ModelType

MIGRATIONS = "django_migrations"
_DROP_HINT = " To drop the existing table or view: --drop NAME."


class NotAtomic(RestoreFailed):
    """A non-atomic migration that has failed in the transaction of a restore."""


class Migrate(migrate.Command):
    """Migrates within one transaction; raises ``RestoreFailed``, which names the migration."""

    _migration: Any = None

    def migration_progress_callback(
        self, action: str, migration: Any = None, fake: bool = False
    ) -> None:
        """Adapt the operations of a migration to the transaction of a restore."""
        super().migration_progress_callback(action, migration, fake)
        if action == "apply_start":
            self._migration = migration
            connection = connections[self.database]
            if connection.in_atomic_block:
                migration.operations = engine_of(connection).operations(migration.operations)
        if action == "apply_success":
            self._migration = None

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate."""
        self.database = options["database"]
        try:
            self.migrate(**options)
        except DumpyError:
            raise
        except (Exception, SystemExit) as error:
            what = f"The migration {self._migration}" if self._migration else "Migrating"
            is_within = connections[self.database].in_atomic_block
            is_non_atomic = is_within and self._migration and not self._migration.atomic
            message = f"{what} has failed: {sentence(error)}"
            if "already exists" in str(error):
                raise RestoreFailed(message + _DROP_HINT) from error
            raise (NotAtomic if is_non_atomic else RestoreFailed)(message) from error

    def migrate(self, **options: Any) -> None:
        """Migrate to the newest migrations."""
        super().handle(**options)


def build(using: str, command: Migrate | None = None) -> None:
    """Create all tables of the project, also of apps without migrations.

    ``command`` replaces the command ``migrate``. Raises ``RestoreFailed``.
    """
    engine = engine_of(connections[using])

    def execute(run: Any, sql: Any, *args: Any) -> Any:
        return run(engine.as_rebuilt(sql) if isinstance(sql, str) else sql, *args)

    with connections[using].execute_wrapper(execute):
        call_command(
            command or Migrate(), database=using, run_syncdb=True, interactive=False, verbosity=0
        )


def add_permissions(using: str) -> None:
    """Create the missing permissions of the models, as after a migration.

    The dump has replaced the rows of other receivers of ``post_migrate``.
    """
    if apps.is_installed("django.contrib.auth"):
        from django.contrib.auth.management import create_permissions

        for config in apps.get_app_configs():
            create_permissions(config, verbosity=0, using=using)


def update_content_types(model: ModelType, using: str) -> None:
    """Create missing content types, and delete unused ones without a model."""
    from django.contrib.contenttypes.management import create_contenttypes

    for config in apps.get_app_configs():
        create_contenttypes(config, verbosity=0, interactive=False, using=using)
    rows: QuerySet[Any] = QuerySet(model, using=using)
    stale = {row.pk for row in rows if row.model_class() is None}
    rows.filter(pk__in=stale - referenced_keys(model, stale, using))._raw_delete(using)


def tables_of(apps: Apps) -> set[str]:
    """Return the names of the tables of all managed models."""
    models = apps.get_models(include_auto_created=True)
    return {model._meta.db_table for model in models if model._meta.managed}


def delete_rows(using: str, tables: Iterable[str]) -> None:
    """Delete all rows of the tables that exist."""
    engine = engine_of(connections[using])
    engine.execute(
        *(f"DELETE FROM {engine.quote(table)}" for table in engine.existing_tables(tables))
    )


def models_with_tables(
    using: str, models: Iterable[ModelType], unmanaged: Iterable[ModelType] = ()
) -> list[ModelType]:
    """Return the managed models, and the given unmanaged models, whose tables exist."""
    candidates = {*(model for model in models if model._meta.managed), *unmanaged}
    names = [model._meta.db_table for model in candidates]
    existing = engine_of(connections[using]).existing_tables(names)
    return [model for model in candidates if model._meta.db_table in existing]


def missing_columns(connection: BaseDatabaseWrapper, model: ModelType) -> list[str]:
    """Return the columns of a model that its table does not have.

    A query finds them, because SQLite does not list the ``rowid`` of a table.
    """
    table, names = model._meta.db_table, [str(f.column) for f in model._meta.local_concrete_fields]
    if _has_columns(connection, table, names):
        return []
    return [name for name in names if not _has_columns(connection, table, [name])]


def _has_columns(connection: BaseDatabaseWrapper, table: str, names: Iterable[str]) -> bool:
    # SQLite reads a quoted name without a table as a string if the column does not exist. MariaDB
    # cannot rename a column with a CHECK if the first query of a new table gave it an alias.
    quote = connection.ops.quote_name
    columns = ", ".join(f"{quote(table)}.{quote(name)}" for name in names)
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(f"SELECT {columns} FROM {quote(table)} WHERE 1 = 0")
    except DatabaseError as error:
        if engine_of(connection).is_locked_out(error):
            raise
        return False
    return True


def clear_caches(connection: BaseDatabaseWrapper) -> None:
    """Clear the caches of rows and of the types of the database."""
    clear_row_caches()
    engine_of(connection).forget_types()


def clear_row_caches() -> None:
    """Clear the caches of managers, such as those of content types and sites."""
    for model in apps.get_models():
        clear = getattr(model._default_manager, "clear_cache", None)
        if clear is not None:
            clear()


def is_current(using: str) -> bool:
    """Whether all migrations are applied and all columns of the models exist."""
    connection = connections[using]
    try:
        executor = MigrationExecutor(connection)
        is_migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        raise
    except Exception:  # Building the schema reports errors in migrations.
        return False
    if not is_migrated or _is_newer(connection, executor.loader):
        return False
    return all(
        not missing_columns(connection, model)
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed
        and not model._meta.proxy
        and router.allow_migrate_model(using, model)
    )


def _is_newer(connection: BaseDatabaseWrapper, loader: MigrationLoader) -> bool:
    """Whether the last applied migration of an app is unknown, so that newer code has applied it.

    Earlier names may be those of migrations that a squashed migration has replaced.
    """
    recorder = MigrationRecorder(connection)
    if not recorder.has_table():
        return False
    rows = recorder.migration_qs.order_by("id").values_list("app", "name")
    last = {app: name for app, name in rows if app in loader.migrated_apps}
    return not set(last.items()) <= set(loader.disk_migrations or {})
