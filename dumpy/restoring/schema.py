"""The schema of the project, from nothing."""

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
_EXISTS = " To drop the existing table or view: --drop NAME."


class NotAtomic(RestoreFailed):
    """A migration that is not atomic, and has failed in the transaction of a restore."""


class Migrate(migrate.Command):
    """Migrates within one transaction; raises ``RestoreFailed``, which names the migration."""

    _migration: Any = None

    def migration_progress_callback(
        self, action: str, migration: Any = None, fake: bool = False
    ) -> None:
        """Let a migration do in one transaction what it does in transactions of its own."""
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
            is_apart = is_within and self._migration and not self._migration.atomic
            said = f"{what} has failed: {sentence(error)}"
            if "already exists" in str(error):
                raise RestoreFailed(said + _EXISTS) from error
            raise (NotAtomic if is_apart else RestoreFailed)(said) from error

    def migrate(self, **options: Any) -> None:
        """Migrate to the newest migrations."""
        super().handle(**options)


def build(using: str, command: Migrate | None = None) -> None:
    """Make all tables of the project, by migrations and for apps without them.

    A ``command`` may take the place of ``migrate``. Raises ``RestoreFailed``.
    """
    engine = engine_of(connections[using])

    def execute(run: Any, sql: Any, *args: Any) -> Any:
        return run(engine.as_rebuilt(sql) if isinstance(sql, str) else sql, *args)

    with connections[using].execute_wrapper(execute):
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


def update_content_types(model: ModelType, using: str) -> None:
    """Make the content types that are missing, and remove those of no model that nothing needs."""
    from django.contrib.contenttypes.management import create_contenttypes

    for config in apps.get_app_configs():
        create_contenttypes(config, verbosity=0, interactive=False, using=using)
    rows: QuerySet[Any] = QuerySet(model, using=using)
    gone = {row.pk for row in rows if row.model_class() is None}
    rows.filter(pk__in=gone - referenced_keys(model, gone, using))._raw_delete(using)


def tables_of(apps: Apps) -> set[str]:
    """Return the names of all tables that the models of a registry have."""
    models = apps.get_models(include_auto_created=True)
    return {model._meta.db_table for model in models if model._meta.managed}


def delete_rows(using: str, tables: Iterable[str]) -> None:
    """Delete the rows that migrations put into tables, which the dump's rows replace."""
    engine = engine_of(connections[using])
    engine.execute(
        *(f"DELETE FROM {engine.quote(table)}" for table in engine.existing_tables(tables))
    )


def models_with_tables(
    using: str, models: Iterable[ModelType], unmanaged: Iterable[ModelType] = ()
) -> list[ModelType]:
    """Return the models whose tables are there, and of those without migrations the given ones."""
    mine = {*(model for model in models if model._meta.managed), *unmanaged}
    found = engine_of(connections[using]).existing_tables(model._meta.db_table for model in mine)
    return [model for model in mine if model._meta.db_table in found]


def missing_columns(connection: BaseDatabaseWrapper, model: ModelType) -> list[str]:
    """Return the columns of a model that its table does not have.

    The table itself is asked: SQLite does not list the ``rowid`` that each of its tables has.
    """
    table, names = model._meta.db_table, [str(f.column) for f in model._meta.local_concrete_fields]
    if _has_columns(connection, table, names):
        return []
    return [name for name in names if not _has_columns(connection, table, [name])]


def _has_columns(connection: BaseDatabaseWrapper, table: str, names: Iterable[str]) -> bool:
    # In quotes alone, SQLite takes the name of a column that is not there for a text.
    quote = connection.ops.quote_name
    columns = ", ".join(f"t.{quote(name)}" for name in names)
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(f"SELECT {columns} FROM {quote(table)} t WHERE 1 = 0")
    except DatabaseError as error:
        if engine_of(connection).is_locked_out(error):
            raise
        return False
    return True


def clear_caches(connection: BaseDatabaseWrapper) -> None:
    """Clear what content types, sites, and types of extensions remember of a database."""
    clear_row_caches()
    engine_of(connection).forget_types()


def clear_row_caches() -> None:
    """Clear what managers, such as those of content types and sites, remember of rows."""
    for model in apps.get_models():
        clear = getattr(model._default_manager, "clear_cache", None)
        if clear is not None:
            clear()


def is_current(using: str) -> bool:
    """Return whether all migrations are applied and all models find their columns."""
    connection = connections[using]
    try:
        executor = MigrationExecutor(connection)
        is_migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        raise
    except Exception:  # a migration is code; building the schema says what is wrong with it
        return False
    if not is_migrated or _has_newer(connection, executor.loader):
        return False
    return all(
        not missing_columns(connection, model)
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed
        and not model._meta.proxy
        and router.allow_migrate_model(using, model)
    )


def _has_newer(connection: BaseDatabaseWrapper, loader: MigrationLoader) -> bool:
    """Whether the last migration that is applied of an app is unknown: newer code made it.

    Names before the last may be those of migrations that a squashed one has replaced.
    """
    recorder = MigrationRecorder(connection)
    if not recorder.has_table():
        return False
    rows = recorder.migration_qs.order_by("id").values_list("app", "name")
    last = {app: name for app, name in rows if app in loader.migrated_apps}
    return not set(last.items()) <= set(loader.disk_migrations or {})
