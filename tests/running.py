"""The commands, called in this process or run in processes of their own."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from io import StringIO
from typing import Any

import forkserver
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from sites import Database, Site, database

from project import settings as project_settings

SETTINGS = "from project.settings import *\nfrom site_databases import DATABASES\n"

Undone = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Said:
    """What a command has written to its two streams."""

    out: str
    err: str


def called(name: str, *args: str, **options: Any) -> Said:
    """Call a command in this process; raises what it raises."""
    out, err = StringIO(), StringIO()
    call_command(name, *args, stdout=out, stderr=err, **options)
    return Said(out.getvalue(), err.getvalue())


def dumped(*labels: str, **options: Any) -> str:
    """Return what `dumpdata --format=py` writes to its output."""
    return called("dumpdata", *labels, format="py", **options).out


def loaded(*labels: object, **options: Any) -> Said:
    """Call `loaddata`; paths may be paths."""
    return called("loaddata", *map(str, labels), **options)


def contents(using: str = "default") -> dict[str, list[str]]:
    """Return all rows of all tables as the database gives them, in an order of no meaning."""
    connection = connections[using]
    with connection.cursor() as cursor:
        return {
            name: _rows(cursor, connection.ops.quote_name(name))
            for name in connection.introspection.table_names(cursor)
        }


def _rows(cursor: Any, table: str) -> list[str]:
    cursor.execute(f"SELECT * FROM {table}")
    return sorted(map(repr, cursor.fetchall()))


def shuffle_content_types(using: str) -> None:
    """Give content types and permissions other keys than those of a fresh database."""
    from django.contrib.auth.management import create_permissions
    from django.contrib.contenttypes.models import ContentType

    ContentType.objects.using(using).all().delete()
    for number, model in enumerate(sorted(apps.get_models(), key=lambda m: m.__name__), 1000):
        ContentType.objects.using(using).get_or_create(
            app_label=model._meta.app_label, model=model._meta.model_name, defaults={"pk": number}
        )
    ContentType.objects.clear_cache()
    for config in reversed(list(apps.get_app_configs())):
        create_permissions(config, verbosity=0, using=using)


@dataclass
class Project(Site):
    """The test project in processes of its own, on the databases of the test.

    An SQLite database of the tests lives in memory: it is copied to a file before a process
    starts, and back when it has ended.
    """

    settings: str = "live_settings"

    def __post_init__(self) -> None:
        self.configure()

    def configure(self, text: str = "", **values: Any) -> None:
        """Add lines and values to the settings of the processes to come."""
        lines = [f"{name} = {value!r}\n" for name, value in values.items()]
        self.write({"live_settings.py": "".join([SETTINGS, *lines, text])})
        self._write_databases()

    @property
    def databases(self) -> dict[str, Database]:
        """The settings of all databases of the test project."""
        return {alias: self._database(alias) for alias in connections}

    def python(self, *args: object, **options: Any) -> subprocess.CompletedProcess[Any]:
        """Run Python to its end; `env` adds to the environment."""
        self._give()
        done = super().python(*args, **options)
        self._take()
        return done

    def new_python(self, *args: object, **env: str) -> subprocess.CompletedProcess[bytes]:
        """Start an interpreter, which decides on locale and hashes by its environment."""
        self._give()
        return subprocess.run(
            [sys.executable, *map(str, args)],
            cwd=self.directory,
            env={**self.environment, **env},
            capture_output=True,
            check=False,
            timeout=forkserver.PATIENCE,
        )

    def _database(self, alias: str) -> Database:
        if settings.ENGINE == "sqlite":
            return database(alias, self.directory)
        found = project_settings.DATABASES[alias]
        return {**found, "NAME": connections[alias].settings_dict["NAME"]}

    def _give(self) -> None:
        for alias in self.aliases if settings.ENGINE == "sqlite" else ():
            connections[alias].ensure_connection()
            with closing(sqlite3.connect(str(self.databases[alias]["NAME"]))) as file:
                connections[alias].connection.backup(file)

    def _take(self) -> None:
        for alias in self.aliases if settings.ENGINE == "sqlite" else ():
            with closing(sqlite3.connect(str(self.databases[alias]["NAME"]))) as file:
                file.backup(connections[alias].connection)
