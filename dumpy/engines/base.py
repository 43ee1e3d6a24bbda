"""The behaviour that most engines share."""

from __future__ import annotations

import datetime
import secrets
import socket
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from functools import reduce
from operator import add, attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import CharField, F, Func, IntegerField, Max, QuerySet, TextField
from django.db.models.functions import Cast, Coalesce, Collate
from django.db.utils import Error

from dumpy.ending import uninterrupted
from dumpy.errors import DumpFailed, RestoreFailed
from dumpy.schema.stored import as_driven
from dumpy.schema.tables import DATES, INSTANTS, Column, ModelType

if TYPE_CHECKING:
    from dumpy.schema.tables import Field

SCRATCH = "dumpy_scratch_"
DIGITS = 16
# The number of seconds that a restore waits for other sessions. SQLite has its own setting.
PATIENCE = 30

_QUOTES = tuple('"`')
_ISOLATED = {"repeatable read", "repeatable-read", "serializable"}


def reference_message(table: str, target: str) -> str:
    """Return the message for a table whose foreign key prevents dropping another table."""
    return f"The table {table!r}, not part of the project, has a foreign key to {target!r}."


def other_restore_error(name: str) -> RestoreFailed:
    """Return the error for a database that another process is restoring."""
    return RestoreFailed(f"Another restore of {name!r} is running. Wait until it ends.")


class Trigger(NamedTuple):
    """A trigger of a table, with the statements that disable and enable it, or "".

    Also a foreign key or an index that is created after the rows.
    """

    table: str
    name: str
    off: str = ""
    on: str = ""

    def __str__(self) -> str:
        return f"{self.name} on {self.table}"


class Refusal(NamedTuple):
    """The reason why a database refuses a row.

    Attributes:
        reason: The message of the database, in one line.
        kind: The kind of a ``Problem``.
        names: The columns in the message, or the constraint.
        hint: What to do, or ``""``.
    """

    reason: str
    kind: str = "refused"
    names: Sequence[str] = ()
    hint: str = ""


class Rebuilt(NamedTuple):
    """The names of the tables of a database to rebuild; they need not exist.

    Attributes:
        known: The tables to rebuild.
        filled: The tables of unmanaged models, whose rows are replaced.
        dropped: Tables and views that may be dropped, because the user has named them.
    """

    known: Collection[str]
    filled: Collection[str] = ()
    dropped: Collection[str] = ()


class Engine(ABC):
    """The engine of a connection.

    Attributes:
        native: Types of values that the driver stores without preparation by the field.
        lossy: Fields for which the driver reads some stored values as None or False.
        texts: Fields that are read as text, because the driver loses some values or is slow.
        plain: Prefixes of modules whose fields need no SQL around inserted values.
        code_points: The collation that orders texts by code points, "" for the default one.
        checks_unmanaged_keys: Whether keys to tables of unmanaged models are constrained.
        cuts_blanks: Whether blanks beyond the length of a column are cut off, and not refused.
        streams: Whether the driver can read a result without holding all of it in memory.
        copies: Whether a database can be copied.
    """

    native: ClassVar[frozenset[type]] = frozenset({str, int, bool, float, bytes})
    lossy: ClassVar[tuple[type[Field], ...]] = ()
    texts: ClassVar[tuple[type[Field], ...]] = ()
    plain: ClassVar[tuple[str, ...]] = ("django.db.models.",)
    code_points: ClassVar[str] = ""
    checks_unmanaged_keys: ClassVar[bool] = True
    cuts_blanks: ClassVar[bool] = False
    streams: ClassVar[bool] = True
    copies: ClassVar[bool] = True

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    # Reading

    @contextmanager
    def snapshot(self, tables: Sequence[str]) -> Iterator[None]:
        """Run the queries of the block in one snapshot of the database.

        ``tables`` are the names of the tables to read. Raises ``DumpFailed`` inside an ``atomic()``
        block with one snapshot per query, except inside a ``TestCase``, whose data no other
        session sees.
        """
        if self.connection.in_atomic_block:
            level = self._isolation_level()
            is_test = all(map(attrgetter("_from_testcase"), self.connection.atomic_blocks))
            if level not in _ISOLATED and not is_test:
                raise DumpFailed(
                    f"A dump inside atomic() with the isolation level {level!r} could mix several "
                    "states of the database. Call it outside of atomic(), or with the level "
                    "'repeatable read'."
                )
            yield
            return
        statements = self._begin(tables)
        with transaction.atomic(using=self.connection.alias):
            self.execute(*statements)
            # The first query fixes the snapshot: on SQLite and PostgreSQL BEGIN alone does not.
            self.connection.introspection.table_names()
            yield

    def _begin(self, tables: Sequence[str]) -> list[str]:
        """Return the statements that begin a snapshot of tables in a new transaction."""
        return []

    def _isolation_level(self) -> str:
        return "serializable"

    def as_driven(self, column: Column) -> Any:
        """Return the expression that reads a column without loss and without converters."""
        if column.types is None or isinstance(column.target, self.lossy):
            return as_driven(column)
        is_text = isinstance(column.target, self.texts)
        return Cast(F(column.name), CharField()) if is_text else column.name

    def misread(
        self, rows: QuerySet[Any], columns: Iterable[Column]
    ) -> Iterable[tuple[Column, object, str]]:
        """Yield values that the driver reads as other values: column, primary key, and reason."""
        return ()

    def longest(self, rows: QuerySet[Any], columns: Iterable[Column]) -> int:
        """Return the size of the longest row of a query in the given columns, in bytes.

        If the driver fetches few rows as fast as many, this may be any number.
        """
        return sys.maxsize

    def exact_order(self, column: Column) -> Any:
        """Return an order that is the same on every engine: by code points, or by UUID digits."""
        if self.code_points and isinstance(column.target, CharField | TextField):
            return Collate(F(column.name), self.code_points)
        return column.name

    def tables(self, names: Iterable[str]) -> dict[str, str]:
        """Map the names that exist among ``names`` to their kinds: "v" for a view."""
        names = list(names)
        fold = str.lower if self.connection.features.ignores_table_name_case else str
        with self.connection.cursor() as cursor:
            infos = self.connection.introspection.get_table_list(cursor)
        kinds = {fold(info.name): info.type for info in infos}
        existing = {name: kinds[fold(name)] for name in names if fold(name) in kinds}
        # A model may quote its table itself, with a schema; introspection does not list it so.
        quoted_names = (name for name in names if name not in existing and name[:1] in _QUOTES)
        return {**existing, **{name: "t" for name in quoted_names if self._exists(name)}}

    def existing_tables(self, names: Iterable[str]) -> list[str]:
        """Return the names of existing tables, but not views, among ``names``."""
        return sorted(name for name, kind in self.tables(names).items() if kind != "v")

    def _exists(self, table: str) -> bool:
        try:
            with transaction.atomic(using=self.connection.alias):
                return bool(self.column_names(table))
        except Error:
            return False

    # Writing

    def insert(self, table: str, names: Sequence[str], columns: Sequence[Sequence[Any]]) -> None:
        """Insert rows, given as columns of prepared values.

        The names of the table and the columns are quoted.
        """
        marks = ", ".join(["%s"] * len(names))
        sql = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"
        with self.connection.cursor() as cursor:
            cursor.executemany(sql, list(zip(*columns, strict=True)))

    def storing_unchanged(self, *, has_zero: bool) -> AbstractContextManager[None]:
        """Return a context in which values that do not fit are refused.

        ``has_zero`` says that an automatic key of 0 is stored.
        """
        return nullcontext()

    def preparation(self, column: Column) -> Callable[[Any], Any] | None:
        """Return the function that prepares a column's values for the driver, or None.

        The values have the types of the field and are not None.
        """
        if column.types is not None and column.types <= self.native:
            return None
        if column.types == INSTANTS:
            return self._instant_preparation()
        if column.types == DATES:
            return str
        prepare = column.target.get_db_prep_save
        return lambda value: prepare(value, self.connection)

    def _instant_preparation(self) -> Callable[[datetime.datetime], Any]:
        utc = datetime.timezone.utc
        if settings.USE_TZ and self.connection.timezone == utc:
            # The same result as adapt_datetimefield_value for UTC, in a tenth of the time.
            zone = len("+00:00")
            return lambda value: (
                value if value.tzinfo is utc else value.astimezone(utc)
            ).isoformat(" ")[:-zone]
        adapt: Callable[[Any], Any] = self.connection.ops.adapt_datetimefield_value
        return adapt

    def reset_sequences(self, models: Iterable[ModelType]) -> None:  # noqa: B027
        """Advance the sequences of models beyond the keys of their rows."""

    # Restoring

    def lock_timeout(self) -> AbstractContextManager[None]:
        """Return a context in which statements wait only for a limited time for other sessions."""
        return nullcontext()

    @contextmanager
    def transaction(self, *, is_dry: bool) -> Iterator[None]:
        """Run the block in the transaction of a restore, with a lock and a time limit.

        Foreign keys are checked at the end of the block. A dry run is rolled back. Ctrl-C waits
        for a COMMIT, because the outcome of an interrupted COMMIT is unknown.
        """
        # SQLite switches the checks off only outside of a transaction.
        self.connection.disable_constraint_checking()
        try:
            with ExitStack() as end, transaction.atomic(using=self.connection.alias):
                yield
                self.connection.check_constraints()
                if is_dry:
                    transaction.set_rollback(True, using=self.connection.alias)
                end.enter_context(uninterrupted())
        finally:
            self.connection.enable_constraint_checking()

    @contextmanager
    def rebuilding(self, tables: Rebuilt, *, is_dry: bool) -> Iterator[None]:
        """Drop the tables to rebuild, and run the block in the same transaction."""
        with self.transaction(is_dry=is_dry):
            self.require_restorable(self.existing_tables(tables.filled))
            self._drop({*self.existing_tables(tables.known), *self.tables(tables.dropped)})
            yield

    def _drop(self, names: Collection[str]) -> None:
        """Drop views, then tables."""
        kinds = self.tables(names)
        for name in sorted(names, key=lambda name: (kinds[name] != "v", name)):
            kind = "VIEW" if kinds[name] == "v" else "TABLE"
            self.execute(f"DROP {kind} {self.quote(name)}")

    @abstractmethod
    def is_locked_out(self, error: Error) -> bool:
        """Whether a statement failed because another session holds a lock."""

    @abstractmethod
    def refusal(self, error: Error) -> Refusal:
        """Return the reason why the database refused the row of a statement."""

    def lock_tables(self, tables: Sequence[str]) -> None:  # noqa: B027
        """Lock tables against writing by other sessions until the transaction ends."""

    def require_restorable(self, tables: Sequence[str]) -> None:
        """Raise ``RestoreFailed`` if emptying tables would change others or cannot be undone."""
        if messages := [*self._side_effects(tables)]:
            raise RestoreFailed("\n".join(messages))

    def _side_effects(self, tables: Sequence[str]) -> Iterable[str]:
        return ()

    def dangling(self, tables: Collection[str]) -> Iterable[tuple[str, str]]:
        """Yield other tables with dangling foreign keys, and the tables that the keys refer to.

        Some engines do not check them, and Django skips tables without a primary key.
        """
        return ()

    @abstractmethod
    def objects_lost_by_dropping(self, tables: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield a message for each object that dropping the tables would destroy.

        The message comes with the name for ``--drop`` that allows it.
        """

    def restart_sequences(self, tables: Sequence[str]) -> None:  # noqa: B027
        """Restart the sequences of empty tables, if a rollback undoes this."""

    def operations(self, operations: Sequence[Any]) -> list[Any]:
        """Return the operations of a migration, adapted to a transaction of several migrations."""
        return list(operations)

    def as_rebuilt(self, sql: str) -> str:
        """Return a statement of a migration, adapted to the transaction of a restore."""
        return sql

    @abstractmethod
    def triggers(self, tables: Sequence[str]) -> list[Trigger]:
        """Return the triggers of tables that run when rows change."""

    def created_after_rows(self, tables: Sequence[str]) -> list[Trigger]:
        """Return the foreign keys and indexes that are faster to create after inserting rows."""
        return []

    # Databases

    @abstractmethod
    def name(self) -> str:
        """Return the name or path of the database, as reported by the database."""

    def location(self) -> tuple[str, str]:
        """Return the name of the database and of its host, or ``""`` for this machine."""
        settings = self.connection.settings_dict
        return str(settings["NAME"] or ""), str(settings["HOST"] or "")

    def schemas(self) -> list[str]:
        """Return the statements that create the schemas of this database."""
        return []

    def keep(self, name: str) -> None:
        """Keep a copy of this database, and delete older copies with the same prefix."""
        raise NotImplementedError

    def forget_types(self) -> None:  # noqa: B027
        """Clear the cache of the database's types."""

    def quote(self, name: str) -> str:
        """Quote a name, unless a model has quoted it."""
        return str(self.connection.ops.quote_name(name))

    def execute(self, *statements: str) -> None:
        """Execute statements without parameters."""
        with self.connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def rows(self, query: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with self.connection.cursor() as cursor:
            cursor.execute(query, parameters)
            return list(cursor.fetchall())

    def column(self, query: str, parameters: Any = None) -> list[Any]:
        """Return the only column of a query."""
        return [value for (value,) in self.rows(query, parameters)]

    def column_names(self, table: str) -> list[str]:
        """Return the names of the columns that ``SELECT *`` returns for a table.

        Django's introspection parses SQL on SQLite, which takes 8 ms per table.
        """
        with self.connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {self.quote(table)} WHERE 1 = 0")
            return [column[0] for column in cursor.description]


class ServerEngine(Engine):
    """An engine that keeps its databases on a server.

    Attributes:
        location_query: Returns the name of the database and of its host.
        lock_query: Takes a lock that ends with the connection, by the name of a database.
        leftovers_query: Returns the scratch databases without a lock.
        right_to_create: The statement that allows a user to create scratch databases.
    """

    location_query: ClassVar[str]
    lock_query: ClassVar[str]
    leftovers_query: ClassVar[str]
    right_to_create: ClassVar[str]

    cuts_blanks = True

    def longest(self, rows: QuerySet[Any], columns: Iterable[Column]) -> int:
        """Return the size of the longest row, which is unknown if a column has a custom field."""
        sizes: list[Any] = []
        for column in columns:
            if column.types is None and not column.is_json:
                return sys.maxsize
            value = Cast(F(column.name), TextField()) if column.is_json else F(column.name)
            size = Func(value, function="OCTET_LENGTH", output_field=IntegerField())
            sizes.append(Coalesce(size, 0))
        longest: int | None = rows.order_by().aggregate(n=Max(reduce(add, sizes)))["n"]
        return longest or 0

    def name(self) -> str:
        return str(self.rows(self.location_query)[0][0])

    def location(self) -> tuple[str, str]:
        name, host = super().location()
        # A service or an option file may set them instead of the settings.
        if name and host:
            return name, host
        server_name, server_host = self.rows(self.location_query)[0]
        is_local = server_host in (None, "", socket.gethostname())
        return server_name, host or ("" if is_local else server_host)

    @contextmanager
    def scratch_database(self, template: str) -> Iterator[str]:
        """Create a database, from a kept copy if it exists; yield its name, and drop it at the
        end.
        """
        name = f"{SCRATCH}{secrets.token_hex(DIGITS // 2)}"
        # The server releases the lock when this connection ends, even if the process is killed.
        with self.connection._nodb_cursor() as cursor:
            cursor.execute(self.lock_query, [name])
            cursor.execute(self.leftovers_query)
            for (leftover,) in cursor.fetchall():
                # A database of another user, or one in use, is not dropped.
                with suppress(Error):
                    self._drop_database(leftover)
            try:
                cursor.execute(f"CREATE DATABASE {self.quote(name)} {self._properties(template)}")
            except Error as error:
                raise RestoreFailed(
                    f"{error}\nThe scratch database is created on the same server, with a name "
                    f"that begins with {SCRATCH}. Grant the database user the right to create and "
                    f"drop it: {self.right_to_create}"
                ) from error
            try:
                yield name
            finally:
                self._drop_database(name)

    @abstractmethod
    def _properties(self, template: str) -> str:
        """Return the properties of a new scratch database, as SQL."""

    def _drop_database(self, name: str) -> None:
        with self.connection._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE {self.quote(name)}")
