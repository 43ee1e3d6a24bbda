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
from django.db.models import AutoField
from django.db.utils import Error, InternalError

from dumpy.engines.base import (
    DIGITS,
    PATIENCE,
    SCRATCH,
    Refusal,
    ServerEngine,
    Trigger,
    other_restore,
    refers,
)
from dumpy.errors import RestoreFailed
from dumpy.schema.tables import ModelType

_LOCK = 0x64756D7079
# A lock was not to be had in time; a deadlock.
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
_ACTING_KEYS = """
    SELECT conrelid::regclass::text, conname, confrelid::regclass::text, confdeltype
    FROM pg_constraint
    WHERE contype = 'f' AND confrelid = ANY(%(tables)s::regclass[])
        AND conrelid <> ALL(%(tables)s::regclass[])
        AND conparentid = 0 AND NOT (condeferrable AND confdeltype = 'a')
    ORDER BY 1, 2
"""
_BELONGINGS = """
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
_PLACES = """
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
# Unique indexes stay: rows are refused because of them. So does what the statement does not tell.
_MADE_AFTER_ROWS = """
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
_KEPT = "SELECT datname FROM pg_database WHERE starts_with(datname, %s)"
_KINDS = """
    SELECT CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END,
        string_agg(oid::regclass::text, ', ' ORDER BY oid::regclass::text)
    FROM pg_class WHERE oid = ANY(%(tables)s::regclass[])
    GROUP BY 1 ORDER BY min(array_position('{v,m}'::"char"[], relkind))
"""
_ACTIONS = {"c": "deletes them", "n": "sets NULL", "d": "sets a default"}
_CHECK = ("SET CONSTRAINTS ALL IMMEDIATE", "SET CONSTRAINTS ALL DEFERRED")

_NULL = "\\N"
_NONE = type(None)


def _escaped(text: str) -> str:
    text = text.replace("\\", "\\\\").replace("\t", "\\t")
    return text.replace("\n", "\\n").replace("\r", "\\r")


# The types whose text PostgreSQL reads as psycopg would send it.
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
        statements = ["SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"]
        # What may not be read may not be locked either: reading it says so, for it alone.
        if lockable := self.column(_READABLE, [[*map(self.quote, tables)]]):
            # A snapshot does not see through TRUNCATE and ALTER.
            statements.append(f"LOCK TABLE {', '.join(lockable)} IN ACCESS SHARE MODE")
        return statements

    def _isolation_level(self) -> str:
        return str(self.column("SHOW transaction_isolation")[0])

    @cached_property
    def _can_copy(self) -> bool:
        from django.db.backends.postgresql.psycopg_any import is_psycopg3

        return is_psycopg3

    @property
    def plain(self) -> tuple[str, ...]:  # type: ignore[override]
        """Prefixes of modules: COPY knows the types that PostgreSQL's fields cast to."""
        more = ("django.contrib.postgres.",) if self._can_copy else ()
        return (*super().plain, *more)

    def insert(self, table: str, names: Sequence[str], columns: Sequence[Sequence[Any]]) -> None:
        """Insert rows with COPY, as one text where their values are of simple types."""
        if not self._can_copy:
            super().insert(table, names, columns)
            return
        text = _copy_text(columns)
        with (
            # An error shows when the copy ends, where Django's cursor does not translate it.
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
    def patient(self) -> Iterator[None]:
        """Open a transaction, whose settings limit the time to wait."""
        with transaction.atomic(using=self.connection.alias):
            self.execute(f"SET LOCAL lock_timeout = '{PATIENCE}s'")
            yield

    @contextmanager
    def transaction(self, *, is_dry: bool) -> Iterator[None]:
        """Wait a limited time for other sessions, and not at all for another restore."""
        with super().transaction(is_dry=is_dry), self.patient():
            if self.column("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK]) != [True]:
                raise other_restore(self.location()[0])
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
        copied = _COPIED_COLUMN.search(diag.context or "")
        said = [diag.message_primary]
        if key:
            names = key[1].split(", ")
            said.append(diag.message_detail)
        elif copied:
            names = [copied[1]]
            said.insert(0, f"{copied[1]}:")
        else:
            names = [*filter(None, (diag.column_name or diag.constraint_name,))]
        reason = " ".join(" ".join(said).split())
        return Refusal(reason, _REFUSALS.get(diag.sqlstate, "refused"), names)

    def _drop(self, names: Collection[str]) -> None:
        """Drop views, and tables in one statement, because they may refer to each other.

        The collations that migrations of the project make go as well: no table uses them any more.
        """
        try:
            for kind, found in self._of(names, _KINDS):
                self.execute(f"DROP {kind} {found}")
            for name in _collations():
                self.execute(f"DROP COLLATION IF EXISTS {self.quote(name)}")
        except InternalError as error:
            raise RestoreFailed(
                f"{error}\nDrop the objects that depend on them, and create them again after the "
                "restore."
            ) from error

    def operations(self, operations: Sequence[Any]) -> list[Any]:
        """Return the operations, with a check of foreign keys before each that alters a table.

        Each row that a transaction inserts and then changes has pending foreign keys, which would
        prevent altering its table.
        """
        from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently

        adapted: list[Any] = []
        for one in operations:
            if not isinstance(one, RunPython):
                adapted.append(RunSQL(_CHECK))
            if isinstance(one, AddIndexConcurrently):
                one = AddIndex(one.model_name, one.index)
            elif isinstance(one, RemoveIndexConcurrently):
                one = RemoveIndex(one.model_name, one.name)
            adapted.append(one)
        # Indexes and constraints are made in the end.
        return [*adapted, RunSQL(_CHECK)]

    def as_rebuilt(self, sql: str) -> str:
        """Create indexes without CONCURRENTLY, and schemas only if they do not exist."""
        return _SCHEMA.sub(r"\1 IF NOT EXISTS ", _CONCURRENTLY.sub(r"\1", sql))

    def triggers(self, tables: Sequence[str]) -> list[Trigger]:
        """Return the triggers; triggers on tables of other owners cannot be disabled."""
        found = []
        for table, name, is_always, may_alter in self._of(tables, _TRIGGERS):
            alter, quoted = f"ALTER TABLE {table}", self.quote(name)
            always = "ALWAYS " if is_always else ""
            off = f"{alter} DISABLE TRIGGER {quoted}" if may_alter else ""
            found.append(Trigger(table, name, off, f"{alter} ENABLE {always}TRIGGER {quoted}"))
        return found

    def made_after_rows(self, tables: Sequence[str]) -> list[Trigger]:
        """Return the foreign keys, and the indexes that are not unique."""
        return [Trigger(*row) for row in self._of(tables, _MADE_AFTER_ROWS)]

    def hold(self, tables: Sequence[str]) -> None:
        """Lock out writers, and defer the foreign keys of other tables."""
        if names := ", ".join(map(self.quote, sorted(tables))):
            self.execute(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE")
        self.execute("SET CONSTRAINTS ALL DEFERRED")

    def _side_effects(self, tables: Sequence[str]) -> Iterator[str]:
        """Yield the foreign keys of other tables that act, or fail, as soon as a row is deleted."""
        for table, key, target, action in self._of(tables, _ACTING_KEYS):
            if self.rows(f"SELECT 1 FROM {table} LIMIT 1"):
                what = _ACTIONS.get(action, "fails")
                yield (
                    f"The table {table} is not restored, and its foreign key {key} to {target} "
                    f"{what} as soon as rows of {target} are deleted. Drop the key (ALTER TABLE "
                    f"{table} DROP CONSTRAINT {self.quote(key)}) and create it again "
                    " after the restore, or restore into an empty database."
                )

    def taken_along(self, tables: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield views, keys of other tables, and what belongs to the tables."""
        unplaced = [name for name in tables if not name.startswith('"')]
        for place, name in self._of(unplaced, _PLACES):
            yield (
                "",
                f"The table {name!r} is in the schema {place!r}, but the search_path would have it "
                f"made in another one. Let the search_path begin with {place!r}.",
            )
        for kind, name in self._of(tables, _READERS):
            yield name, f"The {kind} {name!r} reads tables of the project."
        for table, target in self._of(tables, _KEYS):
            yield table, refers(table, target)
        for table, what in self._of(tables, _BELONGINGS):
            yield table, f"The table {table!r} has {what}."

    def restart_sequences(self, tables: Sequence[str]) -> None:
        """Restart the sequences that can be restarted: unlike setval(), a rollback undoes this."""
        for (name,) in self._of(tables, _SEQUENCES):
            self.execute(f"ALTER SEQUENCE {name} RESTART")

    def reset_sequences(self, models: Iterable[ModelType]) -> None:
        """Set the sequences; a transaction that fails keeps what was not restarted in it."""
        for model in sorted(models, key=attrgetter("_meta.label")):
            table = self.quote(model._meta.db_table)
            for field in model._meta.local_concrete_fields:
                if isinstance(field, AutoField):
                    query = _RESET.format(table=table, column=self.quote(str(field.column)))
                    self.rows(query, [table, field.column])

    def _of(self, tables: Collection[str], query: str) -> list[tuple[Any, ...]]:
        return self.rows(query, {"tables": [*map(self.quote, tables)]})

    def _properties(self, kept: str) -> str:
        there = kept and self.rows("SELECT 1 FROM pg_database WHERE datname = %s", [kept])
        return f"TEMPLATE {self.quote(kept)}" if there else ""

    def keep(self, name: str) -> None:
        """Keep a copy of this database; a kept one is complete and has no connections."""
        source = self.quote(self.name())
        # PostgreSQL copies no database that is in use.
        self.connection.close()
        with self.connection._nodb_cursor() as cursor:
            cursor.execute(_KEPT, [f"{name.rpartition('_')[0]}_"])
            for (old,) in cursor.fetchall():
                with suppress(Error):  # Another process may be copying it.
                    self._drop_database(old)
            # Another process may have kept its own meanwhile.
            with suppress(Error):
                cursor.execute(f"CREATE DATABASE {self.quote(name)} TEMPLATE {source}")

    def schemas(self) -> list[str]:
        return self.column(_SCHEMAS)

    def forget_types(self) -> None:
        """Clear the cached types of extensions."""
        # Not before: it needs the driver.
        types: Any = import_module("django.contrib.postgres.signals")
        types.get_citext_oids.cache_clear()
        types.get_hstore_oids.cache_clear()


def _collations() -> list[str]:
    """Return the names of the collations that migrations of the project make."""
    from django.contrib.postgres.operations import CreateCollation

    migrations = MigrationLoader(None, ignore_no_migrations=True).disk_migrations.values()
    operations = [operation for migration in migrations for operation in migration.operations]
    return sorted({one.name for one in operations if isinstance(one, CreateCollation)})


def _copy_text(columns: Sequence[Sequence[Any]]) -> str | None:
    """Return rows, given as columns, as one text, or None if a value is of another type."""
    texts = [_column_text(values) for values in columns]
    known = [text for text in texts if text is not None]
    if len(known) < len(texts):
        return None
    return "\n".join(map("\t".join, zip(*known, strict=True))) + "\n"


def _column_text(values: Sequence[Any]) -> Sequence[str] | None:
    kinds = set(map(type, values))
    is_optional = _NONE in kinds
    kinds.discard(_NONE)
    if not kinds:
        return [_NULL] * len(values)
    if len(kinds) > 1 or not kinds <= _WRITERS.keys():
        return None
    write = _WRITERS[kinds.pop()]
    if is_optional:
        return [_NULL if value is None else write(value) for value in values]
    return list(map(write, values))
