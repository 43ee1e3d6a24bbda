"""PostgreSQL, and backends that derive from Django's backend for it."""

from __future__ import annotations

import datetime
import re
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from functools import cached_property
from importlib import import_module
from operator import attrgetter
from typing import Any

from django.db import transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import AddIndex, RemoveIndex, RunPython, RunSQL
from django.db.models import AutoField, DateField, DurationField, F, QuerySet, TextField
from django.db.models.functions import Cast
from django.db.models.lookups import Regex
from django.db.utils import Error, InternalError

from dumpy.engines.base import (
    DIGITS,
    PATIENCE,
    SCRATCH,
    Refusal,
    ServerEngine,
    Trigger,
    other_restore_error,
    reference_message,
)
from dumpy.errors import RestoreFailed
from dumpy.schema.tables import Column, Field, ModelType

_LOCK = 0x64756D7079
# A lock timeout; a deadlock.
_LOCKED_OUT = {"55P03", "40P01"}
_REFUSALS = {
    "22001": "too-long",
    "23502": "null",
    "23503": "reference",
    "23505": "not-unique",
    "23514": "constraint",
    "23P01": "constraint",
}
_KEY = re.compile(r"Key \((.+?)\)=")
_COPIED_COLUMN = re.compile(r"COPY .*?, line \d+, column ([^:]+)")
_READABLE = """
    SELECT name FROM unnest(%s::text[]) AS name JOIN pg_class ON oid = to_regclass(name)
    WHERE relkind IN ('r', 'p') AND has_table_privilege(oid, 'SELECT') ORDER BY 1
"""
_HIDING_TABLES = """
    SELECT name::text FROM unnest(%(tables)s::regclass[]) AS name
    WHERE row_security_active(name::oid) ORDER BY 1
"""
_ACTING_KEYS = """
    SELECT conrelid::regclass::text, conname, confrelid::regclass::text, confdeltype
    FROM pg_constraint
    WHERE contype = 'f' AND confrelid = ANY(%(tables)s::regclass[])
        AND conrelid <> ALL(%(tables)s::regclass[])
        AND conparentid = 0 AND NOT (condeferrable AND confdeltype = 'a')
    ORDER BY 1, 2
"""
_ATTACHED_OBJECTS = """
    WITH tables AS (SELECT * FROM pg_class WHERE oid = ANY(%(tables)s::regclass[])),
    acls AS (
        SELECT oid, relowner, relacl AS acl FROM tables
        UNION ALL SELECT tables.oid, relowner, attacl FROM tables
            JOIN pg_attribute ON attrelid = tables.oid
        UNION ALL SELECT tables.oid, sequences.relowner, sequences.relacl FROM tables
            JOIN pg_depend ON refclassid = 'pg_class'::regclass AND refobjid = tables.oid
                AND classid = 'pg_class'::regclass AND deptype IN ('a', 'i')
            JOIN pg_class AS sequences ON sequences.oid = objid AND sequences.relkind = 'S'
    )
    SELECT relname, 'the trigger ' || tgname FROM tables
        JOIN pg_trigger ON tgrelid = tables.oid WHERE NOT tgisinternal
    UNION SELECT relname, 'the policy ' || polname FROM tables
        JOIN pg_policy ON polrelid = tables.oid
    UNION SELECT relname, 'row-level security' FROM tables
        WHERE relrowsecurity OR relforcerowsecurity
    UNION SELECT relname, 'the owner ' || pg_get_userbyid(relowner) FROM tables
        WHERE pg_get_userbyid(relowner) <> current_user
    UNION SELECT relname, 'a place in the publication ' || pubname FROM tables
        JOIN pg_publication_rel ON prrelid = tables.oid JOIN pg_publication p ON p.oid = prpubid
    UNION SELECT relname, 'the rule ' || rulename FROM tables
        JOIN pg_rewrite ON ev_class = tables.oid
    UNION SELECT relname, 'grants to ' ||
            CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END
        FROM acls JOIN tables USING (oid), aclexplode(acl) WHERE grantee <> acls.relowner
    ORDER BY 1, 2
"""
_READERS = """
    WITH RECURSIVE readers(oid) AS (
        SELECT unnest(%(tables)s::regclass[])::oid
        UNION SELECT ev_class FROM readers
            JOIN pg_depend ON refclassid = 'pg_class'::regclass AND refobjid = readers.oid
            JOIN pg_rewrite ON classid = 'pg_rewrite'::regclass AND objid = pg_rewrite.oid
    )
    SELECT CASE relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END, oid::regclass::text
    FROM readers JOIN pg_class USING (oid) WHERE relkind IN ('v', 'm') ORDER BY 2
"""
_KEYS = """
    SELECT DISTINCT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint
    WHERE contype = 'f' AND confrelid = ANY(%(tables)s::regclass[])
        AND conrelid <> ALL(%(tables)s::regclass[]) ORDER BY 1, 2
"""
_SCHEMAS_OF_TABLES = """
    SELECT relnamespace::regnamespace::text, relname FROM pg_class
    WHERE oid = ANY(%(tables)s::regclass[]) AND relnamespace::regnamespace::text <> current_schema()
    ORDER BY 1, 2
"""
_SEQUENCES = """
    SELECT objid::regclass::text FROM pg_depend JOIN pg_class ON pg_class.oid = objid
    WHERE classid = 'pg_class'::regclass AND relkind = 'S' AND deptype IN ('a', 'i')
        AND refclassid = 'pg_class'::regclass AND refobjid = ANY(%(tables)s::regclass[])
        AND pg_has_role(relowner, 'USAGE')
"""
_RESET = (
    "SELECT setval(name, GREATEST(highest, COALESCE(pg_sequence_last_value(name), 1))) FROM ("
    "SELECT pg_get_serial_sequence(%s, %s)::regclass AS name, "
    "(SELECT MAX({column}) FROM {table}) AS highest"
    ") AS found WHERE name IS NOT NULL AND highest > 0"
)
_TRIGGERS = """
    SELECT tgrelid::regclass::text, tgname, tgenabled = 'A', pg_has_role(relowner, 'USAGE')
    FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
    WHERE tgrelid = ANY(%(tables)s::regclass[]) AND NOT tgisinternal AND tgenabled IN ('O', 'A')
    ORDER BY 1, 2
"""
# Unique indexes stay, because they refuse rows, and so do objects that are not fully described by
# their definitions.
_CREATED_AFTER_ROWS = """
    SELECT conrelid::regclass::text, conname,
        format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname),
        format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', conrelid::regclass, conname,
            pg_get_constraintdef(oid))
    FROM pg_constraint WHERE contype = 'f' AND conrelid = ANY(%(tables)s::regclass[])
        AND conparentid = 0 AND obj_description(oid, 'pg_constraint') IS NULL
    UNION ALL
    SELECT indrelid::regclass::text, indexrelid::regclass::text,
        format('DROP INDEX %%s', indexrelid::regclass), pg_get_indexdef(indexrelid)
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = ANY(%(tables)s::regclass[]) AND relkind = 'i' AND NOT relispartition
        AND NOT (indisunique OR indisexclusion OR indisclustered OR indisreplident)
        AND reltablespace = 0 AND obj_description(indexrelid, 'pg_class') IS NULL
    ORDER BY 1, 2
"""
_CONCURRENTLY = re.compile(
    r"\A((?:\s|--[^\n]*\n)*(?:CREATE\s+(?:UNIQUE\s+)?INDEX|DROP\s+INDEX)\s+)CONCURRENTLY\b", re.I
)
_SCHEMA = re.compile(
    r"\A((?:\s|--[^\n]*\n)*CREATE\s+SCHEMA)\s+(?!IF\s+NOT\s+EXISTS\b|AUTHORIZATION\b)", re.I
)
_SCHEMAS = """
    SELECT format('CREATE SCHEMA IF NOT EXISTS %I', nspname) FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1
"""
_KEPT_DATABASES = "SELECT datname FROM pg_database WHERE starts_with(datname, %s)"
_KINDS = """
    SELECT CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END,
        string_agg(oid::regclass::text, ', ' ORDER BY oid::regclass::text)
    FROM pg_class WHERE oid = ANY(%(tables)s::regclass[])
    GROUP BY 1 ORDER BY min(array_position('{v,m}'::"char"[], relkind))
"""
_ACTIONS = {"c": "deletes them", "n": "sets NULL", "d": "sets a default"}
# Django reads durations in this style.
_INTERVAL_STYLE = "SET LOCAL intervalstyle = 'postgres'"
# A query fails if row-level security would hide rows from it.
_ALL_ROWS = "SET LOCAL row_security = off"
_CHECK = ("SET CONSTRAINTS ALL IMMEDIATE", "SET CONSTRAINTS ALL DEFERRED")

_NULL = "\\N"
_NONE = type(None)


def _escaped(text: str) -> str:
    text = text.replace("\\", "\\\\").replace("\t", "\\t")
    return text.replace("\n", "\\n").replace("\r", "\\r")


# Writers for types whose text is the same as psycopg would send.
_WRITERS: dict[type, Callable[[Any], str]] = {
    int: str,
    float: repr,
    Decimal: str,
    uuid.UUID: str,
    datetime.date: str,
    datetime.datetime: str,
    datetime.time: str,
    str: _escaped,
    bool: {True: "t", False: "f"}.__getitem__,
    bytes: lambda value: f"\\\\x{value.hex()}",
}


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

    location_query = "SELECT current_database(), host(inet_server_addr())"
    lock_query = "SELECT pg_advisory_lock(hashtextextended(%s, 0))"
    leftovers_query = f"""
        SELECT datname FROM pg_database WHERE datname ~ '^{SCRATCH}[0-9a-f]{{{DIGITS}}}$'
        AND hashtextextended(datname, 0) NOT IN (
            SELECT classid::bigint << 32 | objid::bigint FROM pg_locks WHERE locktype = 'advisory'
        )
    """

    right_to_create = "ALTER ROLE … CREATEDB"

    def _begin(self, tables: Sequence[str]) -> list[str]:
        statements = [
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
            _INTERVAL_STYLE,
            _ALL_ROWS,
        ]
        # A table without the right to read cannot be locked; reading it raises its own error.
        if lockable := self.column(_READABLE, [[*map(self.quote, tables)]]):
            # A snapshot does not protect against TRUNCATE and ALTER.
            statements.append(f"LOCK TABLE {', '.join(lockable)} IN ACCESS SHARE MODE")
        return statements

    def _isolation_level(self) -> str:
        return str(self.column("SHOW transaction_isolation")[0])

    @cached_property
    def _can_copy(self) -> bool:
        from django.db.backends.postgresql.psycopg_any import is_psycopg3

        return is_psycopg3

    @property
    def texts(self) -> tuple[type[Field], ...]:  # type: ignore[override]
        """Fields that are read as text: the driver would turn months into 30 days, and is slow.

        The text of an instant has an offset, which is known in UTC only.
        """
        is_utc = self.connection.timezone == datetime.timezone.utc
        return (DurationField, DateField) if is_utc else (DurationField,)

    def misread(
        self, rows: QuerySet[Any], columns: Iterable[Column]
    ) -> Iterator[tuple[Column, object, str]]:
        """Yield intervals with months, and arrays with subscripts that do not begin with 1.

        The driver turns months into 30 days also within arrays and ranges.
        """
        for column in columns:
            text: Any = Cast(F(column.name), TextField())
            for pattern, reason in _misread_texts(column.target):
                found: Any = rows.order_by().filter(Regex(text, pattern)).values_list("pk", text)
                yield from ((column, key, reason) for key, _text in found[:1])

    @property
    def plain(self) -> tuple[str, ...]:  # type: ignore[override]
        """Prefixes of modules; COPY does not need the casts of PostgreSQL's fields."""
        prefixes = ("django.contrib.postgres.",) if self._can_copy else ()
        return (*super().plain, *prefixes)

    def insert(self, table: str, names: Sequence[str], columns: Sequence[Sequence[Any]]) -> None:
        """Insert rows with COPY, as one text if all values have simple types."""
        if not self._can_copy:
            super().insert(table, names, columns)
            return
        text = _copy_text(columns)
        with (
            # Errors are raised when the copy ends, where Django's cursor does not convert them.
            self.connection.wrap_database_errors,
            self.connection.cursor() as cursor,
            cursor.copy(f"COPY {table} ({', '.join(names)}) FROM STDIN") as copy,
        ):
            if text is not None:
                copy.write(text)
            else:
                for row in zip(*columns, strict=True):
                    copy.write_row(row)

    @contextmanager
    def lock_timeout(self) -> Iterator[None]:
        """Open a transaction with a lock timeout."""
        with transaction.atomic(using=self.connection.alias):
            self.execute(f"SET LOCAL lock_timeout = '{PATIENCE}s'")
            yield

    @contextmanager
    def transaction(self, *, is_dry: bool) -> Iterator[None]:
        """Wait a limited time for other sessions, and not at all for another restore."""
        with super().transaction(is_dry=is_dry), self.lock_timeout():
            self.execute(_INTERVAL_STYLE)
            if self.column("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK]) != [True]:
                raise other_restore_error(self.location()[0])
            yield

    def is_locked_out(self, error: Error) -> bool:
        cause = error.__cause__
        state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
        return state in _LOCKED_OUT

    def refusal(self, error: Error) -> Refusal:
        """Return the kind of an error by its SQLSTATE, and the names in its diagnostics."""
        diag = getattr(error.__cause__, "diag", None)
        if diag is None or diag.sqlstate is None:
            # The driver has refused a value.
            return Refusal(" ".join(str(error).split()))
        key = _KEY.match(diag.message_detail or "")
        column = _COPIED_COLUMN.search(diag.context or "")
        parts = [diag.message_primary]
        if key:
            names = key[1].split(", ")
            parts.append(diag.message_detail)
        elif column:
            names = [column[1]]
            parts.insert(0, f"{column[1]}:")
        else:
            names = [*filter(None, (diag.column_name or diag.constraint_name,))]
        reason = " ".join(" ".join(parts).split())
        return Refusal(reason, _REFUSALS.get(diag.sqlstate, "refused"), names)

    def _drop(self, names: Collection[str]) -> None:
        """Drop views, then tables in one statement, because they may refer to each other.

        Also drop the collations that migrations create: no table uses them any more.
        """
        try:
            for kind, tables in self._rows_of(names, _KINDS):
                self.execute(f"DROP {kind} {tables}")
            for name in _collations():
                self.execute(f"DROP COLLATION IF EXISTS {self.quote(name)}")
        except InternalError as error:
            raise RestoreFailed(
                f"{error}\nDrop the objects that depend on them, and create them again after the "
                "restore."
            ) from error

    def operations(self, operations: Sequence[Any]) -> list[Any]:
        """Return the operations, with a check of foreign keys before each schema change.

        Rows that the transaction has written have pending foreign keys, which would prevent
        altering their tables.
        """
        from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently

        adapted: list[Any] = []
        for operation in operations:
            if not isinstance(operation, RunPython):
                adapted.append(RunSQL(_CHECK))
            if isinstance(operation, AddIndexConcurrently):
                operation = AddIndex(operation.model_name, operation.index)
            elif isinstance(operation, RemoveIndexConcurrently):
                operation = RemoveIndex(operation.model_name, operation.name)
            adapted.append(operation)
        # Indexes and constraints are created at the end of a migration.
        return [*adapted, RunSQL(_CHECK)]

    def as_rebuilt(self, sql: str) -> str:
        """Create indexes without CONCURRENTLY, and schemas only if they do not exist."""
        return _SCHEMA.sub(r"\1 IF NOT EXISTS ", _CONCURRENTLY.sub(r"\1", sql))

    def triggers(self, tables: Sequence[str]) -> list[Trigger]:
        """Return the triggers; triggers on tables of other owners cannot be disabled."""
        triggers = []
        for table, name, is_always, may_alter in self._rows_of(tables, _TRIGGERS):
            alter, quoted = f"ALTER TABLE {table}", self.quote(name)
            always = "ALWAYS " if is_always else ""
            off = f"{alter} DISABLE TRIGGER {quoted}" if may_alter else ""
            triggers.append(Trigger(table, name, off, f"{alter} ENABLE {always}TRIGGER {quoted}"))
        return triggers

    def created_after_rows(self, tables: Sequence[str]) -> list[Trigger]:
        """Return the foreign keys, and the indexes that are not unique."""
        return [Trigger(*row) for row in self._rows_of(tables, _CREATED_AFTER_ROWS)]

    def lock_tables(self, tables: Sequence[str]) -> None:
        """Lock out writers, and defer the foreign keys of other tables."""
        if names := ", ".join(map(self.quote, sorted(tables))):
            self.execute(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE")
        self.execute("SET CONSTRAINTS ALL DEFERRED")

    def _side_effects(self, tables: Sequence[str]) -> Iterator[str]:
        """Yield tables with hidden rows, and foreign keys that act as soon as a row is deleted."""
        for (table,) in self._rows_of(tables, _HIDING_TABLES):
            yield (
                f"Row-level security of the table {table} applies to the database user, and may "
                "hide rows. Restore as the owner of the table, or as a user with BYPASSRLS."
            )
        for table, key, target, action in self._rows_of(tables, _ACTING_KEYS):
            if self.rows(f"SELECT 1 FROM {table} LIMIT 1"):
                effect = _ACTIONS.get(action, "fails")
                yield (
                    f"The table {table} is not restored, and its foreign key {key} to {target} "
                    f"{effect} as soon as rows of {target} are deleted. Drop the key (ALTER TABLE "
                    f"{table} DROP CONSTRAINT {self.quote(key)}) and create it again "
                    " after the restore, or restore into an empty database."
                )

    def objects_lost_by_dropping(self, tables: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield views, keys of other tables, and triggers, grants etc. of the tables."""
        unquoted = [name for name in tables if not name.startswith('"')]
        for schema, name in self._rows_of(unquoted, _SCHEMAS_OF_TABLES):
            yield (
                "",
                f"The table {name!r} is in the schema {schema!r}, but with this search_path it "
                f"would be created in another schema. Put {schema!r} first in the search_path.",
            )
        for kind, name in self._rows_of(tables, _READERS):
            yield name, f"The {kind} {name!r} reads tables of the project."
        for table, target in self._rows_of(tables, _KEYS):
            yield table, reference_message(table, target)
        for table, attachment in self._rows_of(tables, _ATTACHED_OBJECTS):
            yield table, f"The table {table!r} has {attachment}."

    def restart_sequences(self, tables: Sequence[str]) -> None:
        """Restart the sequences of the user; unlike setval(), a rollback undoes this."""
        for (name,) in self._rows_of(tables, _SEQUENCES):
            self.execute(f"ALTER SEQUENCE {name} RESTART")

    def reset_sequences(self, models: Iterable[ModelType]) -> None:
        """Advance the sequences; a rollback does not undo this, unless they were restarted."""
        for model in sorted(models, key=attrgetter("_meta.label")):
            table = self.quote(model._meta.db_table)
            for field in model._meta.local_concrete_fields:
                if isinstance(field, AutoField):
                    query = _RESET.format(table=table, column=self.quote(str(field.column)))
                    self.rows(query, [table, field.column])

    def _rows_of(self, tables: Collection[str], query: str) -> list[tuple[Any, ...]]:
        return self.rows(query, {"tables": [*map(self.quote, tables)]})

    def _properties(self, template: str) -> str:
        exists = template and self.rows("SELECT 1 FROM pg_database WHERE datname = %s", [template])
        return f"TEMPLATE {self.quote(template)}" if exists else ""

    def keep(self, name: str) -> None:
        """Keep a copy of this database; a copy is complete and has no connections."""
        source = self.quote(self.name())
        # PostgreSQL cannot copy a database that is in use.
        self.connection.close()
        with self.connection._nodb_cursor() as cursor:
            cursor.execute(_KEPT_DATABASES, [f"{name.rpartition('_')[0]}_"])
            for (old,) in cursor.fetchall():
                with suppress(Error):  # Another process may be copying it.
                    self._drop_database(old)
            # Another process may have kept a copy meanwhile.
            with suppress(Error):
                cursor.execute(f"CREATE DATABASE {self.quote(name)} TEMPLATE {source}")

    def schemas(self) -> list[str]:
        return self.column(_SCHEMAS)

    def forget_types(self) -> None:
        """Clear the cached types of extensions."""
        # Imported here, because it needs the driver.
        types: Any = import_module("django.contrib.postgres.signals")
        types.get_citext_oids.cache_clear()
        types.get_hstore_oids.cache_clear()


def _collations() -> list[str]:
    from django.contrib.postgres.operations import CreateCollation

    migrations = MigrationLoader(None, ignore_no_migrations=True).disk_migrations.values()
    operations = [operation for migration in migrations for operation in migration.operations]
    collations = (item for item in operations if isinstance(item, CreateCollation))
    return sorted({collation.name for collation in collations})


def _misread_texts(field: Any) -> Iterator[tuple[str, str]]:
    """Yield patterns for the texts of values that the driver misreads, with the reasons."""
    if not hasattr(field, "base_field"):
        return
    from django.contrib.postgres.fields import ArrayField

    if isinstance(field, ArrayField):
        yield r"^\[", "the subscripts of an array do not begin with 1."
    while hasattr(field, "base_field"):
        field = field.base_field
    if field is DurationField or isinstance(field, DurationField):
        yield "mon|year", "an interval has months, which are 28 to 31 days."


def _copy_text(columns: Sequence[Sequence[Any]]) -> str | None:
    """Return the text of rows, given as columns, or None if a value has no simple type."""
    texts = [_column_text(values) for values in columns]
    simple = [text for text in texts if text is not None]
    if len(simple) < len(texts):
        return None
    return "\n".join(map("\t".join, zip(*simple, strict=True))) + "\n"


def _column_text(values: Sequence[Any]) -> Sequence[str] | None:
    types = set(map(type, values))
    is_optional = _NONE in types
    types.discard(_NONE)
    if not types:
        return [_NULL] * len(values)
    if len(types) > 1 or not types <= _WRITERS.keys():
        return None
    write = _WRITERS[types.pop()]
    if is_optional:
        return [_NULL if value is None else write(value) for value in values]
    return list(map(write, values))
