"""The newspaper of ``testproject/versions`` in processes of its own, in any of its releases."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import forkserver
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler

from project import settings as project_settings
from versions.history import RELEASES

GOLDEN = Path(__file__).resolve().parent / "golden"
NEWEST = RELEASES[-1]
TESTPROJECT = project_settings.BASE_DIR
MAKE = """
from make_golden import make
make({target!r})
"""
CHOSEN_BY_NOBODY = {
    "django_content_type": {"id"},
    "django_migrations": {"id", "applied"},
    "auth_permission": {"id"},
    "auth_group_permissions": {"id"},
    "auth_user_user_permissions": {"id"},
    "auth_user_groups": {"id"},
    "press_article_tags": {"id"},
    "press_article_topics": {"id"},
}
"""The columns of each table that need not be the same for two databases to be the same."""

Content = dict[str, list[str]]


@dataclass(frozen=True)
class Press:
    """A site of the newspaper: a directory, and a database called after ``name``."""

    directory: Path
    name: str

    def manage(self, release: int, *args: object) -> subprocess.CompletedProcess[str]:
        """Run a command with the code of a release to its end."""
        return forkserver.run(
            [TESTPROJECT / "manage.py", *args],
            cwd=self.directory,
            env=self._environment(release),
        )

    def succeed(self, release: int, *args: object) -> str:
        """Run a command, which must succeed; return what it says."""
        done = self.manage(release, *args)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def fail(self, release: int, *args: object) -> str:
        """Run a command, which must fail without a traceback; return what it says."""
        done = self.manage(release, *args)
        assert done.returncode != 0, done.stdout
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def make(self, release: int, target: Path) -> None:
        """Fill the empty database with the rows of a release, and dump it twice, as golden."""
        self.succeed(release, "shell", "-v0", "-c", MAKE.format(target=str(target)))

    def content(self) -> Content:
        """Return what is in the database, apart from the keys that nobody has chosen."""
        connection = ConnectionHandler({"default": self.database})["default"]
        try:
            return _content(connection)
        finally:
            connection.close()

    @property
    def database(self) -> dict[str, Any]:
        """The settings of its database."""
        make = getattr(project_settings, project_settings.ENGINE)
        name = f"{self.name}_press"
        if project_settings.ENGINE == "sqlite":
            return {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": self.directory / f"{name}.sqlite3",
            }
        found: dict[str, Any] = make(name)
        return found

    def _environment(self, release: int) -> dict[str, str]:
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "project.versions_settings",
            "DUMPY_DATA_DIR": str(self.directory),
            "DUMPY_TEST_NAME": self.name,
            "PRESS_RELEASE": str(release),
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)]),
            "PYTHONDONTWRITEBYTECODE": "1",
        }


def differences(found: Content, expected: Content) -> dict[str, dict[str, list[str]]]:
    """Return the rows of each table that only one of two databases has."""
    return {
        table: {
            "missing": sorted(set(expected.get(table, [])) - set(found.get(table, []))),
            "unexpected": sorted(set(found.get(table, [])) - set(expected.get(table, []))),
        }
        for table in sorted({*found, *expected})
        if found.get(table) != expected.get(table)
    }


def _content(connection: BaseDatabaseWrapper) -> Content:
    with connection.cursor() as cursor:
        tables = {
            name: _rows(cursor, connection.ops.quote_name(name))
            for name in connection.introspection.table_names(cursor)
        }
    types = {row["id"]: (row["app_label"], row["model"]) for row in tables["django_content_type"]}
    permissions = {
        row["id"]: (*types[row["content_type_id"]], row["codename"])
        for row in tables["auth_permission"]
    }
    named = {"content_type_id": types, "permission_id": permissions}
    return {
        name: sorted(_text(row, CHOSEN_BY_NOBODY.get(name, set()), named) for row in rows)
        for name, rows in tables.items()
    }


def _rows(cursor: Any, table: str) -> list[dict[str, Any]]:
    cursor.execute(f"SELECT * FROM {table}")
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]


def _text(row: dict[str, Any], left_out: set[str], named: Mapping[str, Mapping[Any, Any]]) -> str:
    pairs = [
        (name, named[name][value] if name in named else value)
        for name, value in sorted(row.items())
        if name not in left_out
    ]
    return repr(pairs)
