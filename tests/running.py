"""The commands, called in this process or run in processes of their own."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import forkserver
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connections

SETTINGS = "from project.settings import *\n"


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
class Project:
    """The test project in processes of its own, on the databases of the test.

    An SQLite database of the tests lives in memory: it is copied to a file before a process
    starts, and back when it has ended.
    """

    directory: Path
    aliases: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        testproject = os.path.dirname(os.path.dirname(sys.modules["project.settings"].__file__))
        self.configure("")
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "live_settings",
            "PYTHONPATH": os.pathsep.join([str(self.directory), testproject]),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def configure(self, more: str) -> None:
        """Add lines to the settings of the processes to come."""
        names = {alias: str(self._name(alias)) for alias in connections}
        lines = [f"DATABASES[{alias!r}]['NAME'] = {name!r}\n" for alias, name in names.items()]
        (self.directory / "live_settings.py").write_text(
            SETTINGS + "".join(lines) + more, encoding="utf-8"
        )

    def manage(self, *args: object, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command of Django's to its end, with text streams."""
        return self.python("-m", "django", *args, **options)

    def python(
        self,
        *args: object,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        **options: Any,
    ) -> subprocess.CompletedProcess[Any]:
        """Run Python to its end; `env` adds to the environment."""
        self._give()
        env = {**self.environment, **(env or {})}
        done = forkserver.run(args, cwd=cwd or self.directory, env=env, **options)
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

    def _name(self, alias: str) -> object:
        if settings.ENGINE == "sqlite":
            return self.directory / f"{alias}.sqlite3"
        return connections[alias].settings_dict["NAME"]

    def _give(self) -> None:
        for alias in self.aliases if settings.ENGINE == "sqlite" else ():
            connections[alias].ensure_connection()
            with closing(sqlite3.connect(str(self._name(alias)))) as file:
                connections[alias].connection.backup(file)

    def _take(self) -> None:
        for alias in self.aliases if settings.ENGINE == "sqlite" else ():
            with closing(sqlite3.connect(str(self._name(alias)))) as file:
                file.backup(connections[alias].connection)
