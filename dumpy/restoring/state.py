"""Whether the schema of a database is the one that the project's migrations make."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.db import connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.utils import DatabaseError

from dumpy.engines import engine_of
from dumpy.restoring.schema import columns_there
from dumpy.schema.tables import ModelType

_PROBE = "dumpy_probe"


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
    unmigrated = executor.loader.unmigrated_apps
    return all(
        _fits_exactly(connection, model)
        if model._meta.app_label in unmigrated
        else columns_there(connection, model)
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


def _fits_exactly(connection: BaseDatabaseWrapper, model: ModelType) -> bool:
    """Whether a table has the columns of a model, each of its type: no migration says so.

    The engine is asked to make such columns, as it may call their types by other names.
    """
    engine, quote = engine_of(connection), connection.ops.quote_name
    columns = ", ".join(_definitions(connection, model))
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            there = engine.columns(model._meta.db_table)
            cursor.execute(f"CREATE TEMPORARY TABLE {quote(_PROBE)} ({columns})")
            wanted = engine.columns(_PROBE)
            cursor.execute(f"DROP TABLE {quote(_PROBE)}")
    except DatabaseError as error:
        if engine.is_locked_out(error):
            raise
        return False
    return there == wanted


def _definitions(connection: BaseDatabaseWrapper, model: ModelType) -> Iterator[str]:
    for field in model._meta.local_concrete_fields:
        # A column that numbers itself would have to be a key.
        type_ = (field.db_type(connection) or "").removesuffix(" AUTO_INCREMENT")
        null = "NULL" if field.null else "NOT NULL"
        yield f"{connection.ops.quote_name(str(field.column))} {type_} {null}"
