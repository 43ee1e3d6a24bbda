"""PostgreSQL, and what derives from Django's backend for it."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import cached_property
from importlib import import_module
from typing import Any

from django.db import transaction
from django.db.migrations.operations import AddIndex, RemoveIndex, RunPython
from django.db.migrations.operations.base import Operation
from django.db.models import AutoField, Max, QuerySet
from django.db.utils import Error, InternalError

from dumpy.engines.base import DIGITS, PATIENCE, SCRATCH, ServerEngine, View, other_restore
from dumpy.errors import RestoreFailed
from dumpy.schema.tables import ModelType

_LOCK = 0x64756D7079
_LOCKED_OUT = "55P03"
_READABLE = """
    SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND pg_table_is_visible(oid)
    AND has_table_privilege(oid, 'SELECT')
"""
_VIEWS = """
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


class PostgreSQL(ServerEngine):
    """A database on a server of PostgreSQL."""

    native = ServerEngine.native | {
        Decimal,
        datetime.date,
        datetime.datetime,
        datetime.time,
        datetime.timedelta,
        uuid.UUID,
    }
    code_points = "C"
    has_rights = True
    has_collations = True
    takes_nul = False

    location_query = "SELECT current_database(), host(inet_server_addr())"
    lock_query = "SELECT pg_advisory_lock(hashtextextended(%s, 0))"
    leftovers_query = f"""
        SELECT datname FROM pg_database WHERE datname ~ '^{SCRATCH}[0-9a-f]{{{DIGITS}}}$'
        AND hashtextextended(datname, 0) NOT IN (
            SELECT classid::bigint << 32 | objid::bigint FROM pg_locks WHERE locktype = 'advisory'
        )
    """

    def _begin(self, tables: Sequence[str]) -> list[str]:
        statements = ["SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"]
        # What may not be read may not be locked either: reading it says so, for it alone.
        lockable = sorted({*self.column(_READABLE)}.intersection(tables))
        if lockable:
            # A snapshot does not see through TRUNCATE and ALTER.
            names = ", ".join(map(self.connection.ops.quote_name, lockable))
            statements.append(f"LOCK TABLE {names} IN ACCESS SHARE MODE")
        return statements

    def _isolation_level(self) -> str:
        return str(self.column("SHOW transaction_isolation")[0])

    def by_code_points(self, name: str) -> str:
        """Return the column with the collation of code points."""
        return f'{name} COLLATE "C"'

    @cached_property
    def _can_copy(self) -> bool:
        from django.db.backends.postgresql.psycopg_any import is_psycopg3

        return is_psycopg3

    @property
    def plain(self) -> tuple[str, ...]:  # type: ignore[override]
        """Prefixes of modules: COPY knows the types that PostgreSQL's fields cast to."""
        more = ("django.contrib.postgres.",) if self._can_copy else ()
        return (*super().plain, *more)

    def insert(self, table: str, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows with COPY."""
        if not self._can_copy:
            super().insert(table, names, rows)
            return
        # An error shows when the copy ends, where Django's cursor does not translate it.
        with (
            self.connection.wrap_database_errors,
            self.connection.cursor() as cursor,
            cursor.copy(f"COPY {table} ({', '.join(names)}) FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row(row)

    def numbered(self, models: Iterable[ModelType]) -> set[ModelType]:
        """Leave out the models whose highest key is below 1, which a sequence refuses."""
        return {model for model in models if not self._is_below_one(model)}

    def _is_below_one(self, model: ModelType) -> bool:
        pk = model._meta.pk
        if not isinstance(pk, AutoField):
            return False
        rows: QuerySet[Any] = QuerySet(model, using=self.connection.alias)
        highest = rows.aggregate(highest=Max(pk.attname))["highest"]
        return highest is not None and highest < 1

    @contextmanager
    def patient(self) -> Iterator[None]:
        """Read in a transaction, of which the settings are."""
        with transaction.atomic(using=self.connection.alias):
            self.execute(f"SET LOCAL lock_timeout = '{PATIENCE}s'")
            yield

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Wait for others for a while only, and for another restore not at all."""
        with self.patient():
            if self.column("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK]) != [True]:
                raise other_restore(self.location()[0])
            yield

    def is_locked_out(self, error: Error) -> bool:
        """Return whether a lock was not to be had in time."""
        cause = error.__cause__
        state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
        return state == _LOCKED_OUT

    def drop_tables(self, tables: Sequence[str]) -> None:
        """Drop tables in one statement, whichever refer to each other."""
        if not tables:
            return
        try:
            self.execute(f"DROP TABLE {', '.join(map(self.connection.ops.quote_name, tables))}")
        except InternalError as error:
            raise RestoreFailed(
                f"{error}\nDrop what depends on them, and make it again after the restore. The "
                "database is as it was."
            ) from error

    def operations(self, operations: Sequence[Any]) -> list[Any]:
        """Return the operations of a migration as they run within a transaction of others."""
        return list(_within_transaction(operations))

    def views(self) -> list[View]:
        """Return the views, and the materialized ones."""
        return [
            View(
                name,
                kind,
                make,
                (make, *(sql for query in _MORE for sql in self.column(query, [oid]))),
                frozenset(self.column(_READS, [oid])),
            )
            for oid, name, kind, make in self.rows(_VIEWS)
        ]

    def forget_types(self) -> None:
        """Clear the types of extensions."""
        # Not before: it needs the driver.
        types: Any = import_module("django.contrib.postgres.signals")
        types.get_citext_oids.cache_clear()
        types.get_hstore_oids.cache_clear()


class _CheckPending(Operation):
    """Checks the foreign keys that are pending, and would keep a table from being altered.

    That of any row is which the same transaction has inserted, and then changes.
    """

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Change nothing."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        """Check."""
        schema_editor.connection.check_constraints()


def _within_transaction(operations: Iterable[Any]) -> Iterator[Any]:
    """The operations, with the foreign keys checked before each that alters a table."""
    from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently

    for operation in operations:
        if not isinstance(operation, RunPython):
            yield _CheckPending()
        if isinstance(operation, AddIndexConcurrently):
            yield AddIndex(operation.model_name, operation.index)
        elif isinstance(operation, RemoveIndexConcurrently):
            yield RemoveIndex(operation.model_name, operation.name)
        else:
            yield operation
    # Indexes and constraints are made in the end.
    yield _CheckPending()
