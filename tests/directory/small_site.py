"""A small site in processes of its own, with two databases on the engine of the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import forkserver
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler

from dumpy.text import manifest as manifests
from dumpy.text.manifest import FileEntry, Manifest
from project import settings as project_settings

MODELS = """
from django.db import models


class Artist(models.Model):
    name = models.CharField(max_length=100)


class Album(models.Model):
    title = models.CharField(max_length=100)
    artist = models.ForeignKey(Artist, models.CASCADE)
    price = models.DecimalField(max_digits=6, decimal_places=2, null=True)
    similar = models.ManyToManyField("self")
"""
MIGRATION = """
from django.db import migrations


def fill(apps, schema_editor):
    Artist = apps.get_model("shop", "Artist")
    Artist.objects.using(schema_editor.connection.alias).create(pk=1, name="by a migration")


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(fill)]
"""
FILL = """
from shop.models import Album, Artist
Artist.objects.filter(pk=1).update(name="Ada")
Artist.objects.create(pk=7, name="Bach \\u2028 'quoted'")
for number in range(1, 26):
    Album.objects.create(pk=3 * number, title=f"Album {number}", artist_id=7, price="9.90")
Album.objects.get(pk=3).similar.add(6)
"""
TABLES = ("shop_artist", "shop_album", "shop_album_similar")


@dataclass
class Site:
    """A project with the app ``shop`` in a directory; its databases have the names given."""

    directory: Path
    databases: Mapping[str, dict[str, Any]]

    def make(self) -> None:
        """Write the project, migrate its databases, and fill the first one."""
        migrations = self.directory / "shop" / "migrations"
        migrations.mkdir(parents=True)
        for package in (migrations.parent, migrations):
            (package / "__init__.py").touch()
        self.write_models(MODELS)
        (self.directory / "site_settings.py").write_text(self._settings(), encoding="utf-8")
        self.succeed("makemigrations", "shop", "-v0")
        (migrations / "0002_fill.py").write_text(MIGRATION)
        for alias in self.databases:
            self.succeed("migrate", "-v0", "--database", alias)
        self.succeed("shell", "-v0", "-c", FILL)

    def write_models(self, text: str) -> None:
        """Give the app other models."""
        (self.directory / "shop" / "models.py").write_text(text, encoding="utf-8")

    def _settings(self) -> str:
        plain = {a: {**d, "NAME": str(d["NAME"])} for a, d in self.databases.items()}
        return (
            f"DATABASES = {plain!r}\n"
            "INSTALLED_APPS = ['django.contrib.contenttypes', 'dumpy', 'shop']\n"
            "DEFAULT_AUTO_FIELD = 'django.db.models.BigAutoField'\n"
            "SECRET_KEY = 'x'\nUSE_TZ = True\n"
        )

    @cached_property
    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "site_settings",
            "PYTHONPATH": os.pathsep.join([str(self.directory), *filter(None, sys.path)]),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def manage(
        self, *args: object, typed: str = "", cwd: Path | None = None, stdin: int | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, with what is typed, or comes from a terminal."""
        given: dict[str, Any] = {"input": typed} if stdin is None else {"stdin": stdin}
        return forkserver.run(
            ["-m", "django", *args], cwd=cwd or self.directory, env=self._environment, **given
        )

    def succeed(self, *args: object, **options: Any) -> str:
        """Run a command, which must succeed; return what it says."""
        done = self.manage(*args, **options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def fail(self, *args: object, **options: Any) -> str:
        """Run a command, which must fail; return what it says."""
        done = self.manage(*args, **options)
        assert done.returncode != 0, done.stdout
        return done.stdout + done.stderr

    def dump(self, name: str, *args: object) -> Path:
        """Dump to a directory beside the project, labels first; return it."""
        path = self.directory / name
        self.succeed("dump2py", path, *args, "-v0", "--overwrite")
        return path

    def restore(self, path: Path, *args: object) -> str:
        """Restore a directory without being asked; return what is said."""
        return self.succeed("run", path / "restore.py", "-b", *args)

    def refuse(self, path: Path, *args: object) -> str:
        """Let a restore fail, which must leave the database as it was; return what is said."""
        alias = args[args.index("--database") + 1] if "--database" in args else "default"
        before = self.contents(str(alias))
        said = self.fail("run", path / "restore.py", "-b", *args)
        assert self.contents(str(alias)) == before
        return said

    def connection(self, alias: str = "default") -> BaseDatabaseWrapper:
        """Return a new connection."""
        return ConnectionHandler({"default": self.databases[alias]})["default"]

    def execute(self, sql: str, alias: str = "default") -> list[tuple[Any, ...]]:
        """Execute SQL in a transaction of its own; return the rows."""
        connection = self.connection(alias)
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def contents(self, alias: str = "default") -> dict[str, list[str]]:
        """Return all rows of all tables, in an order of no meaning."""
        connection = self.connection(alias)
        try:
            with connection.cursor() as cursor:
                names = connection.introspection.table_names(cursor, include_views=True)
                return {name: _rows(cursor, name) for name in names}
        finally:
            connection.close()

    def data(self, alias: str = "default") -> dict[str, list[str]]:
        """Return the rows of the tables of the app, without the keys that nobody sees."""
        found = {name: rows for name, rows in self.contents(alias).items() if name in TABLES}
        links = self.execute("SELECT from_album_id, to_album_id FROM shop_album_similar", alias)
        return {**found, "shop_album_similar": sorted(map(repr, links))}


def _rows(cursor: Any, name: str) -> list[str]:
    cursor.execute(f"SELECT * FROM {name}")
    return sorted(map(repr, cursor.fetchall()))


def new_databases(names: Mapping[str, str], directory: Path) -> dict[str, dict[str, Any]]:
    """Return the settings of databases on the engine of the tests."""
    engine = project_settings.ENGINE
    if engine == "sqlite":
        settings: dict[str, Any] = {"ENGINE": "django.db.backends.sqlite3"}
        return {a: {**settings, "NAME": directory / f"{n}.sqlite3"} for a, n in names.items()}
    make: Callable[[str], dict[str, Any]] = getattr(project_settings, engine)
    return {alias: make(name) for alias, name in names.items()}


def resealed(path: Path, *edited: str) -> None:
    """Let the manifest agree with files that were edited, as somebody could who knows how."""
    manifest = manifests.from_text((path / manifests.NAME).read_text(encoding="utf-8"))
    tables = tuple(
        replace(table, files=tuple(_entry(path, file, edited) for file in table.files))
        for table in manifest.tables
    )
    write_manifest(path, replace(manifest, tables=tables))


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write a manifest with its seal."""
    (path / manifests.NAME).write_text(manifests.to_text(manifest), encoding="utf-8")


def _entry(path: Path, file: FileEntry, edited: tuple[str, ...]) -> FileEntry:
    if file.name not in edited:
        return file
    data = (path / file.name).read_bytes()
    digest = manifests.digest()
    digest.update(data)
    return FileEntry(file.name, len(data), digest.hexdigest())
