"""A site whose tables hold money, and what is done to its commands while they run."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from forkserver import PATIENCE
from small_site import Site

RUNS = int(os.environ.get("DUMPY_FAULT_RUNS", "6"))
ACCOUNTS = 500
AMOUNT = 1_000_000
# By how much later than expected a command may end.
MORE = 1.05

# Transfers in a second: more leave no time for the dumps on a small machine.
PACE = 600
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
        migrations.RunSQL(
            "CREATE VIEW shop_balance AS SELECT 1 AS id, SUM(amount) AS amount FROM shop_vault "
            "WHERE '5%' <> 'x'"
        )
    ]
"""
FILL = f"""
from shop.models import Till, Vault

numbers = range(1, {ACCOUNTS} + 1)
Till.objects.bulk_create([Till(pk=n, amount={AMOUNT}) for n in numbers])
Vault.objects.bulk_create([Vault(pk=n, amount={AMOUNT}, till_id=n) for n in numbers])
Vault.objects.get(pk=1).guards.add(2, 3)
"""
# Each statement and each commit is an instant; at one of them, something happens.
APPS = """
import atexit
import os
import signal

from django.apps import AppConfig
from django.db import connections
from django.db.backends.signals import connection_created
from django.db.utils import ConnectionHandler

instants = 0


def cut(connection):
    ask, end = {
        "postgresql": ("pg_backend_pid()", "SELECT pg_terminate_backend(%s)"),
        "mysql": ("CONNECTION_ID()", "KILL %s"),
    }[connection.vendor]
    with connection.connection.cursor() as cursor:
        cursor.execute(f"SELECT {ask}")
        (process,) = cursor.fetchone()
    other = ConnectionHandler({"default": {**connection.settings_dict}})["default"]
    with other.cursor() as cursor:
        cursor.execute(end, [process])
    other.close()


def pass_instant(connection):
    global instants
    if connection is not connections["default"]:
        return
    instants += 1
    if instants == int(os.environ.get("FAULT_AT", "0")):
        fault = os.environ["FAULT"]
        if fault == "cut":
            cut(connection)
        else:
            print(fault, "in", connection.settings_dict["NAME"], flush=True)
            os.kill(os.getpid(), signal.Signals[fault])


def execute(run, sql, params, many, context):
    pass_instant(context["connection"])
    return run(sql, params, many, context)


def watch(connection, **kwargs):
    if execute in connection.execute_wrappers:
        return
    connection.execute_wrappers.append(execute)
    commit = connection._commit

    def counted():
        pass_instant(connection)
        commit()
        pass_instant(connection)

    connection._commit = counted


class ShopConfig(AppConfig):
    name = "shop"

    def ready(self):
        if "FAULT_AT" in os.environ:
            connection_created.connect(watch, weak=False)
            atexit.register(lambda: print(f"instants: {instants}"))
"""


@dataclass(frozen=True)
class Ended:
    """A process that has ended: its status, and what it said."""

    status: int
    said: str

    @property
    def was_killed(self) -> bool:
        """Whether it was killed before its end."""
        return self.status == -signal.SIGKILL


class Bank(Site):
    """A site with money in two tables, and a view."""

    def dump(self, name: str, *args: object) -> Path:
        """Dump the tables, not the view."""
        return super().dump(name, *TABLES_ONLY, *args)

    def make(self) -> None:
        """Write the project, migrate its databases, and fill the first one."""
        migrations = self.directory / "shop" / "migrations"
        migrations.mkdir(parents=True)
        for package in (migrations.parent, migrations):
            (package / "__init__.py").touch()
        self.write_models(MODELS)
        (migrations.parent / "apps.py").write_text(APPS)
        (self.directory / "site_settings.py").write_text(self._settings(), encoding="utf-8")
        self.succeed("makemigrations", "shop", "-v0")
        (migrations / "0002_view.py").write_text(MIGRATION)
        self.succeed("migrate", "-v0")
        self.succeed("shell", "-v0", "-c", FILL)

    def change(self) -> None:
        """Make the database another than that of the dump: rows, sequences, and views."""
        self.execute("DELETE FROM shop_vault_guards")
        self.execute("DELETE FROM shop_vault WHERE id > 7")
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
        deadline = time.monotonic() + 60
        while settings.ENGINE != "sqlite" and self._sessions(name):
            assert time.monotonic() < deadline, "a session of a dead process does not end"

    def _sessions(self, name: object) -> int:
        query = SESSIONS[settings.ENGINE].format(name=name or self.databases["default"]["NAME"])
        return int(self.execute(query)[0][0])

    def start_with(self, faults: dict[str, str], *args: object) -> subprocess.Popen[str]:
        """Start a command to which something will happen."""
        self._environment.update(faults)
        try:
            return self.start(*args)
        finally:
            for name in faults:
                del self._environment[name]

    def instants_of(self, *args: object) -> int:
        """Return at how many instants a command can be hit; it runs to its end."""
        ended = end_of(self.start_with({"FAULT_AT": "0"}, *args))
        assert ended.status == 0, ended.said
        return int(re.findall(r"instants: (\d+)", ended.said)[-1])

    def hit(self, fault: str, instant: int, *args: object) -> Ended:
        """Run a command to which something happens at an instant."""
        faults = {"FAULT": fault, "FAULT_AT": str(instant), "PYTHONUNBUFFERED": "1"}
        return end_of(self.start_with(faults, *args))

    def seconds_of(self, *args: object) -> tuple[float, float]:
        """Return how long a command takes, until it says something and from then on."""
        started = time.monotonic()
        child = self.start_with({"PYTHONUNBUFFERED": "1"}, *args)
        heard = first_word(child)
        spoken = time.monotonic()
        ended = end_of(child)
        assert ended.status == 0, heard + ended.said
        return spoken - started, time.monotonic() - spoken

    def killed_after(self, seconds: float, *args: object, heard: bool = False) -> Ended:
        """Kill a command from outside, so long after its start, or after its first word."""
        child = self.start_with({"PYTHONUNBUFFERED": "1"}, *args)
        said = first_word(child) if heard else ""
        try:
            child.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            child.kill()
        ended = end_of(child)
        return Ended(ended.status, said + ended.said)

    def kills(self, *args: object, seed: int) -> Iterator[Ended]:
        """Kill a command at random instants, every other time counted from its first word.

        How long it takes is measured again and again: the machine may have other things to do.
        Whoever iterates restores what a command has changed.
        """
        silent = heard = 0.0
        for number, part in enumerate(spread(RUNS, seed)):
            if number % 10 == 0:
                silent, heard = self.seconds_of(*args)
                yield Ended(0, "measured")
            seconds = heard if number % 2 else silent + heard
            yield self.killed_after(MORE * part * seconds, *args, heard=bool(number % 2))

    @contextmanager
    def transfers(self) -> Iterator[Rate]:
        """Let another process move money all the time; gives how fast it was, in the end."""
        (self.directory / "writer.py").write_text(WRITER)
        child, rate = self.start("run", "writer.py"), Rate()
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        try:
            yield rate
        finally:
            child.terminate()
            ended = end_of(child)
        rate.transfers_in_a_second = float(ended.said.removeprefix("rate: "))


@dataclass
class Rate:
    """How many transfers there were in a second."""

    transfers_in_a_second: float = 0


def end_of(child: subprocess.Popen[str]) -> Ended:
    """Wait for the end of a process."""
    said, _errors = child.communicate(timeout=PATIENCE)
    return Ended(child.returncode, said)


def first_word(child: subprocess.Popen[str]) -> str:
    """Wait until a process says something; return the line."""
    assert child.stdout is not None
    return child.stdout.readline()


def spread(runs: int, seed: int) -> list[float]:
    """Return numbers below 1 at random, one in each of ``runs`` equal parts, mixed."""
    chance = random.Random(seed)
    return chance.sample([(part + chance.random()) / runs for part in range(runs)], runs)


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


WRITER = f"""
import random
import signal
import threading
import time

from django.db import connection

ended = []
signal.signal(signal.SIGTERM, lambda *args: ended.append(True))


def transfer(cursor):
    one, other = (random.randrange(1, {ACCOUNTS} + 1) for _side in range(2))
    step = random.randrange(1, 1000)
    cursor.execute("BEGIN")
    cursor.execute(f"UPDATE shop_till SET amount = amount - {{step}} WHERE id = {{one}}")
    cursor.execute(f"UPDATE shop_vault SET amount = amount + {{step}} WHERE id = {{other}}")
    cursor.execute("COMMIT")


def move_money():
    connection.ensure_connection()
    cursor = connection.connection.cursor()
    cursor.execute(haste)
    transfers, started = 0, time.monotonic()
    while not ended:
        time.sleep(max(0, transfers / ({PACE} / writers) - (time.monotonic() - started)))
        try:
            transfer(cursor)
            transfers += 1
        except connection.Database.OperationalError:  # SQLite has one writer or several readers
            cursor.execute("ROLLBACK")
    rates.append(transfers / (time.monotonic() - started))


# The disk would be the limit: nobody asks here what survives a power cut.
haste, writers = {{
    "sqlite": ("PRAGMA synchronous = OFF", 1),
    "postgresql": ("SET synchronous_commit = off", 4),
    "mysql": ("SET autocommit = 1", 12),
}}[connection.vendor]
threads, rates = [threading.Thread(target=move_money) for _one in range(writers)], []
for thread in threads:
    thread.start()
print("ready", flush=True)
for thread in threads:
    thread.join()
print("rate:", sum(rates))
"""
