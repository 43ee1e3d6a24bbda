"""The newspaper of ``testproject/versions`` in any of its releases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from sites import Database, Site, database

from versions.history import RELEASES

GOLDEN = Path(__file__).resolve().parent / "golden"
NEWEST = RELEASES[-1]
MAKE = """
import sys
sys.path.append({here!r})
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
    # Migrators make these rows; MariaDB goes on counting where tables stay.
    "press_placement": {"id"},
}
"""The columns of each table that need not be the same for two databases to be the same."""

Content = dict[str, list[str]]


@dataclass
class Press(Site):
    """A newspaper with the code of a release."""

    settings: str = "project.versions_settings"
    release: int = NEWEST

    def at(self, release: int) -> Press:
        """Return the same site with the code of another release."""
        return replace(self, release=release)

    def make(self, target: Path) -> None:
        """Fill the empty database with the rows of the release, and dump it twice, as golden."""
        self.shell(MAKE.format(here=str(Path(__file__).parent), target=str(target)))

    def content(self) -> Content:
        """Return what is in the database, apart from the keys that nobody has chosen."""
        connection = self.connection()
        try:
            return _content(connection)
        finally:
            connection.close()

    @property
    def databases(self) -> dict[str, Database]:
        """The settings of its database."""
        return {"default": database(f"{self.name}_press", self.directory)}

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its commands."""
        return {
            **super().environment,
            "DUMPY_DATA_DIR": str(self.directory),
            "DUMPY_TEST_NAME": self.name,
            "PRESS_RELEASE": str(self.release),
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
