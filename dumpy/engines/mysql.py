"""MySQL and MariaDB."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

from django.db.models import CharField, DateField, F, TimeField, UUIDField
from django.db.models.functions import Cast
from django.db.utils import Error

from dumpy.ending import uninterrupted
from dumpy.engines.base import (
    DIGITS,
    PATIENCE,
    SCRATCH,
    Rebuilt,
    Refusal,
    ServerEngine,
    Trigger,
    other_restore_error,
    reference_message,
)
from dumpy.errors import RestoreFailed
from dumpy.schema.tables import Column

# A lock timeout; a deadlock.
_LOCKED_OUT = {1205, 1213}
_REFUSALS = {
    1048: "null",
    1062: "not-unique",
    1364: "null",
    1406: "too-long",
    1452: "reference",
    3819: "constraint",
    4025: "constraint",
}
_NAMES = (
    re.compile(r"FOREIGN KEY \((.+?)\)"),
    re.compile(r"(?:[Cc]olumn|for key) ([\w.`']+)"),
    re.compile(r"(?i:constraint) ([\w.`']+)"),
)
_INCORRECT_VALUE = 1366
_INCORRECT_TEXT = re.compile(r"Incorrect string value: .* for column (?:`[^`]*`\.(`[^`]*`)\.)?")
_CHARACTER_SET = (
    "The character set of the column does not have all characters of the text. To store them: "
    "ALTER TABLE {} CONVERT TO CHARACTER SET utf8mb4"
)
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
# Objects that RENAME TABLE cannot move to another database.
_UNMOVABLE = """
    SELECT CONCAT('view ', table_name) FROM information_schema.views
        WHERE table_schema = DATABASE()
    UNION SELECT CONCAT('trigger ', trigger_name) FROM information_schema.triggers
        WHERE trigger_schema = DATABASE()
    UNION SELECT CONCAT(LOWER(routine_type), ' ', routine_name) FROM information_schema.routines
        WHERE routine_schema = DATABASE()
    UNION SELECT CONCAT('event ', event_name) FROM information_schema.events
        WHERE event_schema = DATABASE()
    ORDER BY 1
"""
_LONGEST_NAME = 64
# Without one of these modes, the server cuts texts off, and replaces NULL and numbers.
_STRICT = {"STRICT_ALL_TABLES", "STRICT_TRANS_TABLES"}
_REFERENCES = """
    SELECT constraint_name, table_schema, table_name, referenced_table_name,
        GROUP_CONCAT(column_name ORDER BY ordinal_position SEPARATOR '\n'),
        GROUP_CONCAT(referenced_column_name ORDER BY ordinal_position SEPARATOR '\n')
    FROM information_schema.key_column_usage
    WHERE referenced_table_schema = DATABASE() GROUP BY 1, 2, 3, 4 ORDER BY 2, 3, 1
"""


class MySQL(ServerEngine):
    """A database on a server of MySQL or MariaDB."""

    texts = (DateField, TimeField)
    code_points = "utf8mb4_bin"
    streams = False
    copies = False

    location_query = "SELECT database(), @@hostname"
    lock_query = "SELECT GET_LOCK(%s, 0)"
    # A restore of a scratch database creates databases with these suffixes.
    leftovers_query = f"""
        SELECT schema_name FROM information_schema.schemata
        WHERE schema_name REGEXP '^{SCRATCH}[0-9a-f]{{{DIGITS}}}(_dumpy_(stage|old))?$'
        AND IS_FREE_LOCK(LEFT(schema_name, {len(SCRATCH) + DIGITS})) = 1
    """

    right_to_create = f"GRANT ALL ON `{SCRATCH}%`.* TO …".replace("_", r"\_")

    def _begin(self, tables: Sequence[str]) -> list[str]:
        return [
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "START TRANSACTION WITH CONSISTENT SNAPSHOT",
        ]

    def _isolation_level(self) -> str:
        name = "tx_isolation" if self.connection.mysql_is_mariadb else "transaction_isolation"
        return str(self.column(f"SELECT @@session.{name}")[0]).lower()

    def exact_order(self, column: Column) -> Any:
        if isinstance(column.target, UUIDField):
            return Cast(F(column.name), CharField(max_length=36))
        return super().exact_order(column)

    def storing_unchanged(self, *, has_zero: bool) -> AbstractContextManager[None]:
        if not has_zero and self.connection.sql_mode & _STRICT:
            return nullcontext()
        modes = "STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO"
        return self._session_variable("sql_mode", lambda mode: f"{mode},{modes}")

    def lock_timeout(self) -> AbstractContextManager[None]:
        return self._session_variable("lock_wait_timeout", lambda _seconds: PATIENCE)

    @contextmanager
    def _session_variable(self, name: str, change: Callable[[Any], Any]) -> Iterator[None]:
        """Change a variable of the session for the block."""
        original = self.column(f"SELECT @@SESSION.{name}")[0]
        with self.connection.cursor() as cursor:
            cursor.execute(f"SET SESSION {name} = %s", [change(original)])
        try:
            yield
        finally:
            # If the connection is lost, a new one has its own variables.
            with suppress(Error), self.connection.cursor() as cursor:
                cursor.execute(f"SET SESSION {name} = %s", [original])

    def is_locked_out(self, error: Error) -> bool:
        return bool(error.args) and error.args[0] in _LOCKED_OUT

    def refusal(self, error: Error) -> Refusal:
        """Return the kind of an error by its number, and the names in its message."""
        number, reason = error.args if len(error.args) == 2 else (0, str(error))
        match = next(filter(None, (pattern.search(reason) for pattern in _NAMES)), None)
        names = match[1].split(",") if match else ()
        return Refusal(
            " ".join(reason.split()),
            _REFUSALS.get(number, "refused"),
            [name.rpartition(".")[2].strip("`' ") for name in names],
            _character_set_hint(reason) if number == _INCORRECT_VALUE else "",
        )

    def _side_effects(self, tables: Sequence[str]) -> Iterator[str]:
        for table, engine in self.rows(_WITHOUT_TRANSACTIONS):
            if table in tables:
                yield (
                    f"The table {table!r} is of the engine {engine}, which cannot roll back a "
                    f"failed restore. First: ALTER TABLE {quote(table)} ENGINE=InnoDB"
                )

    def dangling(self, tables: Collection[str]) -> Iterator[tuple[str, str]]:
        """Yield other tables with dangling keys, which are not checked during a restore."""
        database = self.name()
        for _name, schema, table, target, columns, targets in self.rows(_REFERENCES):
            if schema == database and table in tables:
                continue
            pairs = [*zip(columns.split("\n"), targets.split("\n"), strict=True)]
            condition = " AND ".join(f"a.{quote(own)} = b.{quote(key)}" for own, key in pairs)
            not_null = " AND ".join(f"a.{quote(own)} IS NOT NULL" for own, _key in pairs)
            if self.rows(
                f"SELECT 1 FROM {quote(schema)}.{quote(table)} a LEFT JOIN {quote(target)} b "
                f"ON {condition} WHERE {not_null} AND b.{quote(pairs[0][1])} IS NULL LIMIT 1"
            ):
                yield table, target

    def objects_lost_by_dropping(self, tables: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield the keys of other tables; a rename keeps views and grants."""
        database = self.name()
        for _name, schema, table, target, *_columns in self.rows(_REFERENCES):
            if target in tables and not (schema == database and table in tables):
                yield table, reference_message(table, target)

    def triggers(self, tables: Sequence[str]) -> list[Trigger]:
        """Return the triggers; MySQL cannot disable them."""
        triggers = (Trigger(table, name) for table, name in self.rows(_TRIGGERS))
        return [trigger for trigger in triggers if trigger.table in tables]

    def _properties(self, template: str) -> str:
        query = "SELECT @@character_set_database, @@collation_database"
        characters, collation = self.rows(query)[0]
        return f"CHARACTER SET {characters} COLLATE {collation}"

    @contextmanager
    def transaction(self, *, is_dry: bool) -> Iterator[None]:
        """Wait a limited time for other sessions, and not at all for another restore."""
        with self.lock_timeout(), self._locked(), super().transaction(is_dry=is_dry):
            yield

    @contextmanager
    def _locked(self) -> Iterator[str]:
        """Lock the database against other restores, and yield its name."""
        name = self.location()[0]
        lock = additional_database(name, "stage")
        if self.column("SELECT GET_LOCK(%s, 0)", [lock]) != [1]:
            raise other_restore_error(name)
        try:
            yield name
        finally:
            with suppress(Error):  # The lock ends with its connection.
                self.column("SELECT RELEASE_LOCK(%s)", [lock])

    @contextmanager
    def rebuilding(self, tables: Rebuilt, *, is_dry: bool) -> Iterator[None]:
        """Run the block in a second database, because DDL commits.

        It is empty except for the filled tables. One statement then moves the old tables to a
        third database, and the new tables into place.
        """
        if triggers := self.triggers([*tables.known, *tables.filled]):
            raise RestoreFailed(
                f"MySQL cannot move tables with triggers: {', '.join(map(str, triggers))}. "
                "Drop them first, and create them again after the restore."
            )
        with self.lock_timeout(), self._locked() as live:
            settings = self.connection.settings_dict
            stage, old = additional_database(live, "stage"), additional_database(live, "old")
            try:
                self._create_databases(live, stage, old)
                self._use(stage)
                with self.connection.constraint_checks_disabled():
                    for table in map(quote, tables.filled):
                        self.execute(self.rows(f"SHOW CREATE TABLE {quote(live)}.{table}")[0][1])
                    yield
                    self.connection.check_constraints()
                if not is_dry:
                    self._swap({*tables.known, *tables.filled, *tables.dropped}, live, stage, old)
            finally:
                # The next restore drops what is left.
                with suppress(Error):
                    self._use(live)
                    with self.connection.constraint_checks_disabled():
                        self.execute(*(f"DROP DATABASE IF EXISTS {quote(n)}" for n in (stage, old)))
                self.connection.settings_dict = settings

    def _create_databases(self, live: str, stage: str, old: str) -> None:
        for name in map(quote, (stage, old)):
            try:
                self.execute(f"DROP DATABASE IF EXISTS {name}")
                self.execute(f"CREATE DATABASE {name} {self._properties('')}")
            except Error as error:
                pattern = additional_database(live, "%").replace("_", r"\_")
                raise RestoreFailed(
                    f"{error}\nA restore creates two additional databases. Grant the right to the "
                    f"user: GRANT ALL ON {quote(pattern)}.* TO …"
                ) from error

    def _use(self, name: str) -> None:
        # The lock belongs to the connection, which therefore stays open.
        self.execute(f"USE {quote(name)}")
        # Connections of other threads share the settings, and must not change.
        self.connection.settings_dict = {**self.connection.settings_dict, "NAME": name}

    def _swap(self, names: Collection[str], live: str, stage: str, old: str) -> None:
        """Replace tables of the database with the tables of the stage."""
        if objects := self.column(_UNMOVABLE):
            raise RestoreFailed(
                f"Migrations create the {', the '.join(objects)}, which MySQL cannot move to "
                "another database. Run manage.py migrate --run-syncdb in an empty database, then "
                "restore into it."
            )
        new = self.connection.introspection.table_names()
        self._use(live)
        for name in self.existing_tables({*new}.difference(names)):
            raise RestoreFailed(
                f"A migration makes the table {name!r}, which already exists and belongs to no "
                f"model of the project. To drop it: --drop {name}."
            )
        moves = [(live, old, table) for table in self.existing_tables(names)]
        moves += [(stage, live, table) for table in new]
        renames = ", ".join(
            f"{quote(source)}.{quote(table)} TO {quote(target)}.{quote(table)}"
            for source, target, table in moves
        )
        with uninterrupted(), self.connection.constraint_checks_disabled():
            self.execute(f"RENAME TABLE {renames}")


def additional_database(name: str, purpose: str) -> str:
    """Return the name of an additional database that a restore of ``name`` creates."""
    ending = f"_dumpy_{purpose}"
    if len(name + ending) > _LONGEST_NAME:
        digest = hashlib.sha256(name.encode()).hexdigest()[:DIGITS]
        name = f"{name[: _LONGEST_NAME - len(ending) - len(digest) - 1]}_{digest}"
    return f"{name}{ending}"


def quote(name: str) -> str:
    """Quote a name as MySQL does."""
    return f"`{name.replace('`', '``')}`"


def _character_set_hint(reason: str) -> str:
    """Return how to store all characters, if a text has one that its column cannot store."""
    match = _INCORRECT_TEXT.match(reason)
    return _CHARACTER_SET.format(match[1] or "…") if match else ""
