"""A site whose tables hold money, and what is done to its commands while they run."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import probe
from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from forkserver import PATIENCE
from points import Point
from sites import BEGIN, Site

ACCOUNTS = 500
AMOUNT = 1_000_000
TOTAL = 2 * ACCOUNTS * AMOUNT

TABLES_ONLY = ("--exclude", "shop.Balance")

MODELS = """
from django.db import models


class Till(models.Model):
    amount = models.BigIntegerField()


class Vault(models.Model):
    amount = models.BigIntegerField()
    till = models.ForeignKey(Till, models.CASCADE)
    guards = models.ManyToManyField("self", symmetrical=False)


class Note(models.Model):
    text = models.CharField(max_length=20)

    def before_dumpy_save(self, loader):
        if self.pk == 1:
            Note.objects.using(loader.using).get(pk=2)


class Balance(models.Model):
    amount = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "shop_balance"
"""
MIGRATION = """
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [
        migrations.RunSQL({sql!r})
    ]
"""
# MySQL cannot move a view that a migration makes.
VIEW = (
    "CREATE VIEW shop_balance AS SELECT 1 AS id, SUM(amount) AS amount FROM shop_vault "
    "WHERE '5%' <> 'x'"
)
FILL = f"""
from shop.models import Note, Till, Vault

numbers = range(1, {ACCOUNTS} + 1)
Till.objects.bulk_create([Till(pk=n, amount={AMOUNT}) for n in numbers])
Vault.objects.bulk_create([Vault(pk=n, amount={AMOUNT}, till_id=n) for n in numbers])
Vault.objects.get(pk=1).guards.add(2, 3)
Note.objects.bulk_create([Note(pk=n, text="note") for n in (1, 2)])
"""
APPS = """
import os

import dumpy
import probe
from django.apps import AppConfig
from django.db import connection


class ShopConfig(AppConfig):
    name = "shop"

    def ready(self):
        probe.install()
        if connection.vendor == "sqlite":
            timeout = float(os.environ.get("SHOP_TIMEOUT", "60"))
            connection.settings_dict["OPTIONS"]["timeout"] = timeout


def pass_by(name):
    def handler(loader):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT '{name}'")

    return handler


class Migrator(dumpy.Migrator):
    def migrate_from_1(self, globals_dict):
        self.before_load(pass_by("before_load"))
        self.after_load(pass_by("after_load"))
        return "2"


def version():
    return os.environ.get("SHOP_VERSION", "1")
"""
INSTALLED_APPS = ["django.contrib.contenttypes", "dumpy", "shop"]
DUMPY = {"VERSION": "shop.apps.version", "MIGRATION_CLASS": "shop.apps.Migrator"}


@dataclass(frozen=True)
class Ended:
    """A process that has ended: its status, and what it said."""

    status: int
    said: str

    @property
    def was_killed(self) -> bool:
        """Whether it was killed before its end."""
        return self.status == -signal.SIGKILL


@dataclass
class Paused:
    """A command that waits at a point until the block is left, where it goes on to its end.

    Attributes:
        database: the name of the database that it works in.
        ended: how it ended, once it has.
    """

    database: str
    ended: Ended | None = None

    @property
    def status(self) -> int:
        """The status with which it ended."""
        assert self.ended is not None
        return self.ended.status

    @property
    def said(self) -> str:
        """What it said after the point."""
        assert self.ended is not None
        return self.ended.said


@dataclass
class Bank(Site):
    """A site with money in two tables, and a view.

    It is in one of two states: that which was dumped, or another one.
    """

    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What the database holds in the state of each name, and after a load."""
    journal: str = "delete"
    """How SQLite keeps its journal."""

    def make(self) -> None:
        """Write the project, make its tables, fill them, and keep two states."""
        own = Path(probe.__file__).read_text(encoding="utf-8")
        self.write({"shop/models.py": MODELS, "shop/apps.py": APPS, "probe.py": own})
        self.write({"shop/migrations/__init__.py": ""})
        self.configure(INSTALLED_APPS=INSTALLED_APPS, DUMPY=DUMPY)
        self.succeed("makemigrations", "shop", "-v0")
        sql = "SELECT 1" if settings.ENGINE == "mysql" else VIEW
        self.write({"shop/migrations/0002_view.py": MIGRATION.format(sql=sql)})
        self.shell(BEGIN.format(aliases=self.aliases) + FILL)
        # The next keys of a restored database are not those of rows that were made with theirs.
        dumped = self.dump("dumped", *TABLES_ONLY)
        self._change()
        self.restore(dumped)
        self._keep("dumped")
        self._change()
        self._keep("changed")
        self.succeed("loaddata", "dumped.py")
        self.states["loaded"] = self.state()

    def _keep(self, name: str) -> None:
        """Keep what the database holds under a name, and dumps of it."""
        self.states[name] = self.state()
        self.dump(name, *TABLES_ONLY)
        self.succeed("dumpdata", "--format=py", "-o", f"{name}.py", *TABLES_ONLY)
        if settings.ENGINE == "sqlite":
            shutil.copyfile(self._file, self.directory / f"{name}.sqlite3")

    def put(self, name: str) -> None:
        """Let the database be in the state of a name."""
        if settings.ENGINE == "sqlite":
            for journal in self.directory.glob(f"{self._file.name}-*"):
                journal.unlink()
            shutil.copyfile(self.directory / f"{name}.sqlite3", self._file)
            self.keep_journal(self.journal)
        elif self.state() != self.states[name]:
            # Tables that stay keep their next keys on MariaDB: all are made anew.
            self._change()
            self.restore(self.directory / "dumped")
            if name == "changed":
                self._change()
            assert self.state() == self.states[name]

    def age_rows(self) -> None:
        """Change rows, and nothing that tells of another time."""
        self.execute("DELETE FROM shop_vault_guards")
        self.execute("DELETE FROM shop_vault WHERE id > 7")
        self.execute("UPDATE shop_till SET amount = -1")

    def keep_journal(self, mode: str) -> None:
        """Let SQLite keep its journal in another way."""
        self.journal = mode
        if settings.ENGINE == "sqlite":
            assert self.execute(f"PRAGMA journal_mode = {mode}") == [(mode,)]

    @property
    def _file(self) -> Path:
        return Path(self.databases["default"]["NAME"])

    def _change(self) -> None:
        """Make the database another than that of the dump, and one of another time."""
        self.execute("DELETE FROM django_migrations WHERE app = 'shop' AND name = '0002_view'")
        self.execute("DELETE FROM shop_vault_guards")
        self.execute("DELETE FROM shop_vault WHERE id > 7")
        self.execute("DELETE FROM shop_note")
        self.execute("UPDATE shop_till SET amount = -1")
        self.execute("INSERT INTO shop_vault (id, amount, till_id) VALUES (9000, 1, 1)")
        self.execute("DROP VIEW IF EXISTS shop_balance")
        self.execute(NEXT_KEY[settings.ENGINE])

    def state(self) -> dict[str, Any]:
        """Return all that the database holds: rows, sequences, and definitions."""
        self.settle()
        connection = self.connection()
        try:
            with connection.cursor() as cursor:
                return _state(connection, cursor)
        finally:
            connection.close()

    def settle(self, name: object = None) -> None:
        """Wait until the server has noticed that a process is dead."""
        if settings.ENGINE != "sqlite":
            name = name or self.databases["default"]["NAME"]
            self.wait_for(f"SELECT ({SESSIONS[settings.ENGINE].format(name=name)}) = 0")

    def wait_for(self, query: str) -> None:
        """Wait until the server says that something has happened, which it will."""
        deadline = time.monotonic() + PATIENCE
        while not self.execute(query)[0][0]:
            assert time.monotonic() < deadline, f"it has not happened: {query}"
            # MariaDB answers as before if it was asked for transactions within a tenth of a second.
            time.sleep(0.2)

    def transact(self, statements: Sequence[str]) -> None:
        """Execute statements in one transaction; raises at once if others are in the way."""
        connection = self.connection()
        try:
            with transaction_of(connection) as cursor:
                for statement in statements:
                    cursor.execute(statement)
        finally:
            connection.close()

    def start_with(self, *args: object, **environment: str) -> subprocess.Popen[str]:
        """Start a command that waits, where it waits, for its input to be closed."""
        env = {**self.environment, **environment}
        return self.start(*args, env=env, stdin=subprocess.PIPE)

    def hit(self, fault: str, point: Point, *args: object, **environment: str) -> Ended:
        """Run a command to which something happens at a point."""
        return end_of(self.start_with(*args, **faults(fault, point), **environment))

    @contextmanager
    def paused(self, point: Point, *args: object, **environment: str) -> Iterator[Paused]:
        """Run a command that waits at a point while the block is done."""
        child = self.start_with(*args, **faults("pause", point), **environment)
        assert child.stdout is not None
        said = ""
        while probe.PAUSED not in said:
            line = child.stdout.readline()
            assert line, f"it does not pass {point}: {said}"
            said += line
        (name,) = re.findall(rf"{probe.PAUSED}(.*), at: ", said)
        paused = Paused(name)
        try:
            yield paused
        finally:
            paused.ended = end_of(child)


@contextmanager
def transaction_of(connection: BaseDatabaseWrapper) -> Iterator[Any]:
    """Give a cursor in a transaction that waits for nobody; an error of the block ends it."""
    with connection.cursor() as cursor:
        cursor.execute(AT_ONCE[settings.ENGINE])
        connection.set_autocommit(False)
        yield cursor
        connection.commit()


def faults(fault: str, point: Point) -> Mapping[str, str]:
    """Return the environment of a command to which something happens at a point."""
    return {
        probe.FAULT: fault,
        probe.EVENT: point.event,
        probe.AFTER: point.after,
        probe.NUMBER: str(point.number),
        "SHOP_VERSION": point.version,
    }


def end_of(child: subprocess.Popen[str]) -> Ended:
    """Close the input of a process, and wait for its end."""
    said, _errors = child.communicate(timeout=PATIENCE)
    return Ended(child.returncode, said)


def without_next_keys(state: dict[str, Any]) -> dict[str, Any]:
    """Return what a database holds, but for what a server does not take back: its next keys.

    They are taken back where tables are made anew, and by SQLite. MySQL gives them to links.
    """
    if settings.ENGINE == "sqlite":
        return state
    definitions = re.sub(r" AUTO_INCREMENT=\d+", "", repr(state["definitions"]))
    links = sorted(row.partition(", ")[2] for row in state["shop_vault_guards"])
    taken = {"definitions": definitions, "sequences": None, "shop_vault_guards": links}
    return {**state, **taken}


# A wait of 0 would be one without an end on PostgreSQL.
AT_ONCE = {
    "sqlite": "PRAGMA busy_timeout = 0",
    "postgresql": "SET lock_timeout = '1ms'",
    "mysql": "SET lock_wait_timeout = 0, innodb_lock_wait_timeout = 0",
}
NEXT_KEY = {
    "sqlite": "UPDATE sqlite_sequence SET seq = 12345 WHERE name = 'shop_till'",
    "postgresql": "SELECT setval('shop_till_id_seq', 12345)",
    "mysql": "ALTER TABLE shop_till AUTO_INCREMENT = 12345",
}
SESSIONS = {
    "postgresql": "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = '{name}' "
    "AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
    "mysql": "SELECT COUNT(*) FROM information_schema.processlist "
    "WHERE db IN ('{name}', '{name}_dumpy_stage', '{name}_dumpy_old') AND id <> CONNECTION_ID()",
}


def _state(connection: BaseDatabaseWrapper, cursor: Any) -> dict[str, Any]:
    names = sorted(connection.introspection.table_names(cursor, include_views=True))
    state: dict[str, Any] = {name: _rows(cursor, name) for name in names}
    state["definitions"] = _definitions(connection, cursor, names)
    if connection.vendor == "sqlite":
        state["sequences"] = sorted(_all(cursor, "SELECT name, seq FROM sqlite_sequence"))
    elif connection.vendor == "postgresql":
        sequences = _all(cursor, "SELECT sequencename FROM pg_sequences ORDER BY 1")
        state["sequences"] = {
            name: _all(cursor, f"SELECT last_value, is_called FROM {name}") for (name,) in sequences
        }
    return state


def _definitions(connection: BaseDatabaseWrapper, cursor: Any, names: list[str]) -> list[Any]:
    if connection.vendor == "sqlite":
        return sorted(_all(cursor, "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    if connection.vendor == "mysql":  # it names the next key, too
        return [_all(cursor, f"SHOW CREATE TABLE {name}") for name in names]
    columns = (
        "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns "
        "WHERE table_schema = 'public'"
    )
    constraints = (
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE connamespace = 'public'::regnamespace"
    )
    indexes = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
    return [sorted(_all(cursor, query)) for query in (columns, constraints, indexes)]


def _rows(cursor: Any, name: str) -> list[str]:
    # When a migration was applied is the one thing that no dump brings back.
    columns = "app, name" if name == "django_migrations" else "*"
    return sorted(map(repr, _all(cursor, f"SELECT {columns} FROM {name}")))


def _all(cursor: Any, sql: str) -> list[tuple[Any, ...]]:
    cursor.execute(sql)
    return list(cursor.fetchall())
