"""MySQL and MariaDB."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from django.db.models import CharField, DateField, F, TimeField, UUIDField
from django.db.models.functions import Cast
from django.db.utils import Error

from dumpy.engines.base import DIGITS, PATIENCE, SCRATCH, ServerEngine, Trigger, refers
from dumpy.schema.tables import Column

# A lock was not to be had in time; a deadlock.
_LOCKED_OUT = {1205, 1213}
_WITHOUT_TRANSACTIONS = """
    SELECT table_name, engine FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND engine NOT IN (
        SELECT engine FROM information_schema.engines WHERE transactions = 'YES'
    )
"""
_TRIGGERS = """
    SELECT event_object_table, trigger_name FROM information_schema.triggers
    WHERE trigger_schema = DATABASE() ORDER BY 1, 2
"""
_REFERENCES = """
    SELECT constraint_name, table_schema, table_name, referenced_table_name,
        GROUP_CONCAT(column_name ORDER BY ordinal_position SEPARATOR '\n'),
        GROUP_CONCAT(referenced_column_name ORDER BY ordinal_position SEPARATOR '\n')
    FROM information_schema.key_column_usage
    WHERE referenced_table_schema = DATABASE() GROUP BY 1, 2, 3, 4 ORDER BY 2, 3, 1
"""


class MySQL(ServerEngine):
    """A database on a server of MySQL or MariaDB."""

    lossy = (DateField, TimeField)
    code_points = "utf8mb4_bin"
    compares_by_code_points = False
    # The client holds it all.
    streams = False

    location_query = "SELECT database(), @@hostname"
    lock_query = "SELECT GET_LOCK(%s, 0)"
    # A restore makes databases beside the one that it restores.
    leftovers_query = f"""
        SELECT schema_name FROM information_schema.schemata
        WHERE schema_name REGEXP '^{SCRATCH}[0-9a-f]{{{DIGITS}}}(_dumpy_(stage|old))?$'
        AND IS_FREE_LOCK(LEFT(schema_name, {len(SCRATCH) + DIGITS})) = 1
    """

    def _begin(self, tables: Sequence[str]) -> list[str]:
        return [
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "START TRANSACTION WITH CONSISTENT SNAPSHOT",
        ]

    def _isolation_level(self) -> str:
        name = "tx_isolation" if self.connection.mysql_is_mariadb else "transaction_isolation"
        return str(self.column(f"SELECT @@session.{name}")[0]).lower()

    def as_driven(self, column: Column) -> Any:
        """Return the expression that reads a column; dates as text, as the driver loses some."""
        if isinstance(column.target, DateField | TimeField) and column.types is not None:
            return Cast(F(column.name), CharField())
        return super().as_driven(column)

    def exact_order(self, column: Column) -> Any:
        """Return an order that is the same on every engine: by code points, or by UUID digits."""
        if isinstance(column.target, UUIDField):
            return Cast(F(column.name), CharField(max_length=36))
        return super().exact_order(column)

    def streaming_cursor(self) -> Any:
        """Return a cursor that leaves the result on the server."""
        self.connection.ensure_connection()
        return self.connection.connection.cursor(self.connection.Database.cursors.SSCursor)

    def as_stored(self, name: str) -> str:
        """Return the column as a text."""
        return f"CAST({name} AS CHAR)"

    def by_code_points(self, name: str) -> str:
        """Return the bytes of the column."""
        return f"BINARY {name}"

    @contextmanager
    def storing_zero(self) -> Iterator[None]:
        """Store an automatic key of 0 instead of the next number."""
        mode = self.column("SELECT @@SESSION.sql_mode")[0]
        with self.connection.cursor() as cursor:
            cursor.execute("SET SESSION sql_mode = %s", [f"{mode},NO_AUTO_VALUE_ON_ZERO"])
            try:
                yield
            finally:
                cursor.execute("SET SESSION sql_mode = %s", [mode])

    @contextmanager
    def patient(self) -> Iterator[None]:
        """Limit the time that this session waits for locks."""
        kept = self.column("SELECT @@lock_wait_timeout")[0]
        self.execute(f"SET lock_wait_timeout = {PATIENCE}")
        try:
            yield
        finally:
            # A new connection has its own.
            with suppress(Error):
                self.execute(f"SET lock_wait_timeout = {kept}")

    def is_locked_out(self, error: Error) -> bool:
        """Return whether a lock could not be taken."""
        return bool(error.args) and error.args[0] in _LOCKED_OUT

    def columns(self, table: str) -> set[tuple[Any, ...]]:
        """Return name, type and nullability of each column."""
        return {row[:3] for row in self.rows(f"SHOW COLUMNS FROM {quote(table)}")}

    def side_effects(self, tables: Sequence[str]) -> Iterator[str]:
        """Yield the tables without transactions."""
        for table, engine in self.rows(_WITHOUT_TRANSACTIONS):
            if table in tables:
                yield (
                    f"The table {table!r} is of the engine {engine}, which cannot roll back a "
                    f"failed restore. First: ALTER TABLE {quote(table)} ENGINE=InnoDB"
                )

    def dangling(self, tables: Collection[str]) -> Iterator[tuple[str, str]]:
        """Yield other tables with dangling keys, which are not checked during a restore."""
        here = self.name()
        for _name, schema, table, target, columns, targets in self.rows(_REFERENCES):
            if schema == here and table in tables:
                continue
            pairs = [*zip(columns.split("\n"), targets.split("\n"), strict=True)]
            on = " AND ".join(f"a.{quote(one)} = b.{quote(other)}" for one, other in pairs)
            given = " AND ".join(f"a.{quote(one)} IS NOT NULL" for one, _other in pairs)
            if self.rows(
                f"SELECT 1 FROM {quote(schema)}.{quote(table)} a LEFT JOIN {quote(target)} b "
                f"ON {on} WHERE {given} AND b.{quote(pairs[0][1])} IS NULL LIMIT 1"
            ):
                yield table, target

    def taken_along(self, tables: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield the keys of other tables; a rename keeps views, triggers and grants."""
        here = self.name()
        for _name, schema, table, target, *_columns in self.rows(_REFERENCES):
            if target in tables and not (schema == here and table in tables):
                yield table, refers(table, target)

    def triggers(self, tables: Sequence[str]) -> list[Trigger]:
        """Return the triggers; MySQL cannot disable them."""
        found = (Trigger(table, name) for table, name in self.rows(_TRIGGERS))
        return [trigger for trigger in found if trigger.table in tables]

    def _character_set(self) -> str:
        characters, collation = self.rows("SELECT @@character_set_database, @@collation_database")[
            0
        ]
        return f"CHARACTER SET {characters} COLLATE {collation}"


def quoted_account(account: str) -> str:
    """Quote an account of MySQL, or a role, which has no host."""
    user, _, host = account.rpartition("@")
    return f"{quote(user)}@{quote(host)}" if user else quote(host)


def quote(name: str) -> str:
    """Quote a name as MySQL does."""
    return f"`{name.replace('`', '``')}`"
