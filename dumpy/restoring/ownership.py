"""Which tables and views of a database are the project's, to be made anew."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.apps import apps
from django.apps.registry import Apps
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import CreateModel, RunSQL, SeparateDatabaseAndState
from django.db.migrations.recorder import MigrationRecorder
from django.db.utils import OperationalError

from dumpy.engines import engine_of
from dumpy.errors import RestoreFailed
from dumpy.restoring import schema
from dumpy.restoring.schema import CONTENT_TYPES, MIGRATIONS, tables_of, there

Label = tuple[str, str]
"""The label of an app, and the name of a model in lower case."""


@dataclass(frozen=True)
class Names:
    """The names of what a project has in a database, whether it is there or not.

    The tables ``made`` are those that a restore makes anew. Those of ``unmanaged`` models, and
    their views, are somebody else's unless they are among these. Those ``left`` are among them:
    ``newer`` migrations have made them, which are applied in the database, but not here.
    """

    made: frozenset[str]
    unmanaged: frozenset[str]
    left: frozenset[str]
    newer: tuple[str, ...]

    @property
    def others(self) -> frozenset[str]:
        """The tables of unmanaged models, which stay where they are."""
        return self.unmanaged - self.made


def names_of(
    connection: BaseDatabaseWrapper,
    planned: Iterable[str],
    dumped: Iterable[str],
    migrations: Mapping[str, str],
) -> Names:
    """Return the names of the tables of today, of those planned, and of those of the database.

    The latter are those that the migrations have made which it says are applied there, and of
    those ``dumped`` the ones that bear the name of a model which its content types know. Where it
    is of newer code than the dump, of which the ``migrations`` are here, so are all tables of
    models that its content types know.
    """
    loader = _loader(connection)
    past = _migrated(loader)
    models = [*apps.get_models(), *past.get_models()]
    unmanaged = {model._meta.db_table for model in models if not model._meta.managed}
    made = {*connection.introspection.django_table_names(), *planned, *tables_of(past), MIGRATIONS}
    made |= _made_by_migrations(loader, unmanaged)
    known = _known(connection)
    made |= set(_called_like(known, dumped)) - unmanaged
    newer = _newer(connection, loader, migrations) if loader else {}
    left = _left_over(connection, [one for one in known if one[0] in newer]) - made - unmanaged
    return Names(
        frozenset(made | left),
        frozenset(unmanaged),
        frozenset(left),
        tuple(f"{app}.{name}" for app, names in newer.items() for name in names),
    )


def require_again(gone: Iterable[str], made: Iterable[str]) -> None:
    """Refuse to drop tables of unmanaged models that only seemed to be made by migrations."""
    unmanaged = {model._meta.db_table for model in apps.get_models() if not model._meta.managed}
    for name in sorted(unmanaged.intersection(gone).difference(made)):
        raise RestoreFailed(
            f"The table {name!r} of an unmanaged model would be lost: a migration seems to make "
            "it, but it is not there after all migrations. The database is as it was."
        )


def require_no_strangers(connection: BaseDatabaseWrapper, gone: Sequence[str]) -> None:
    """Refuse to take tables away from the foreign keys of tables that stay.

    Raises ``RestoreFailed``. SQLite minds only if such a table has rows.
    """
    for table in there(connection, schema.all_there(connection) - {*gone}):
        with connection.cursor() as cursor:
            relations = connection.introspection.get_relations(cursor, table).values()
        referenced = sorted({relation[1] for relation in relations} & {*gone})
        minds = engine_of(connection).keeps_referenced or schema.count(connection, [table])
        if referenced and minds:
            raise RestoreFailed(
                f"The table {table!r}, which is not of the project, refers to {referenced[0]!r}. "
                "If it is left over, drop it; if not, drop its foreign key first, and make that "
                "again afterwards. The database is as it was."
            )


def _loader(connection: BaseDatabaseWrapper) -> MigrationLoader | None:
    try:
        return MigrationLoader(connection, ignore_no_migrations=True)
    except OperationalError:
        raise
    except Exception:  # building the schema says what is wrong with migrations
        return None


def _migrated(loader: MigrationLoader | None) -> Apps:
    """The models as they are after the migrations that the database says are applied."""
    if loader is None:
        return Apps()
    applied = [key for key in loader.applied_migrations or () if key in loader.graph.nodes]
    try:
        return loader.project_state(applied).apps if applied else Apps()
    except Exception:  # building the schema says what is wrong with migrations
        return Apps()


def _newer(
    connection: BaseDatabaseWrapper, loader: MigrationLoader, dumped: Mapping[str, str]
) -> dict[str, list[str]]:
    """The migrations of apps that are not here, and applied after those that are."""
    if not there(connection, [MIGRATIONS]):
        return {}
    here = set(loader.disk_migrations or {})
    # If that of the dump is not here, the migrations were made anew.
    found: dict[str, list[str]] = {app: [] for app, name in dumped.items() if (app, name) in here}
    applied = MigrationRecorder(connection).migration_qs.order_by("id")
    for app, name in applied.values_list("app", "name"):
        if (app, name) in here:
            found.get(app, []).clear()
        elif app in found:
            found[app].append(name)
    return {app: names for app, names in found.items() if names}


def _left_over(connection: BaseDatabaseWrapper, models: Collection[Label]) -> set[str]:
    """The tables of some models that are there, and those of their links."""
    tables = {f"{app_label}_{model}" for app_label, model in models}
    return {
        table
        for table in _called_like(models, schema.all_tables(connection) if models else ())
        if table in tables or _links(connection, table)
    }


def _links(connection: BaseDatabaseWrapper, table: str) -> bool:
    """Whether a table has a key, and two references, as that of a many-to-many field."""
    columns = schema.columns_of(connection, table)
    with connection.cursor() as cursor:
        references = connection.introspection.get_relations(cursor, table).keys()
    return len(references) == 2 and columns - references == {"id"}


def _known(connection: BaseDatabaseWrapper) -> list[Label]:
    """The models that the content types of the database know."""
    if not there(connection, [CONTENT_TYPES]):
        return []
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT app_label, model FROM {CONTENT_TYPES}")
        return list(cursor.fetchall())


def _called_like(models: Iterable[Label], tables: Iterable[str]) -> Iterator[str]:
    """Yield those of some tables that are called like a model, or like a link of one."""
    begins = tuple(f"{app_label}_{model}_" for app_label, model in models)
    return (table for table in tables if f"{table}_".startswith(begins))


def _made_by_migrations(loader: MigrationLoader | None, names: set[str]) -> set[str]:
    """Those of some tables that migrations make, though their models are not managed."""
    migrations = (loader.disk_migrations if loader else None) or {}
    found = set()
    for migration in migrations.values():
        for operation in _flat(migration.operations):
            if isinstance(operation, RunSQL):
                text = _text(operation)
                found |= {name for name in names if _pattern(name).search(text)}
            elif isinstance(operation, CreateModel) and operation.options.get("managed", True):
                default = f"{migration.app_label}_{operation.name_lower}"
                found.add(operation.options.get("db_table", default))
    return found & names


def _flat(operations: Iterable[object]) -> Iterator[object]:
    for operation in operations:
        if isinstance(operation, SeparateDatabaseAndState):
            yield from _flat(operation.database_operations)
        else:
            yield operation


def _text(operation: RunSQL) -> str:
    if isinstance(operation.sql, str):
        return operation.sql
    return "\n".join(one if isinstance(one, str) else one[0] for one in operation.sql)


def _pattern(name: str) -> re.Pattern[str]:
    """The SQL that makes a table with a name, quoted or not, in any schema."""
    return re.compile(
        r"\bcreate\s+(\w+\s+)*table\s+(if\s+not\s+exists\s+)?"
        rf"([`\"]?\w+[`\"]?\s*\.\s*)?[`\"]?{re.escape(name)}(?!\w)",
        re.IGNORECASE,
    )
