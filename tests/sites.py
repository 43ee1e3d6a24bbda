"""Sites for tests: a project in a directory, its databases, and commands in processes of their own.

A `Version` is the code of a day: files by their paths, settings beside the common ones, and a
script that fills the database. The fixture `new_site` makes a site, once for the tests of a session
or a module; each test gets a copy, whose files and databases it may change as it likes:

    @pytest.fixture(scope="session")
    def made_site(new_site: NewSite) -> Site:
        return new_site("shop", Version({"shop/models.py": MODELS}, {"INSTALLED_APPS": APPS}, FILL))

    @pytest.fixture
    def site(made_site: Site, tmp_path: Path, unblocked: None) -> Site:
        return made_site.copied(tmp_path / "site")

What a test does with a site:

    site.succeed("dump2py", "dump")         # run a command; return what it says
    site.fail("restore", "nowhere.py")      # the same, where the status must not be 0
    site.refuse(site.the_dump)              # a restore that fails and leaves the database as it was
    site.write({"shop/models.py": NEW})     # other code; edit(), remove(), configure(), install()
    site.execute("DELETE FROM shop_item")   # SQL; contents() and rows() return what is there

Apps without migrations get their tables from ``migrate --run-syncdb``. `django.contrib.auth` is
only there if a test names it, and its tables are made by one migration. A database is copied as a
file on SQLite, as a template on PostgreSQL, and table by table on MySQL. On a server a site has one
copy at a time: the next one takes its place.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import forkserver
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler

from project import settings as project_settings

ROOT = Path(__file__).resolve().parents[1]
COMMON = {
    "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
    "MIGRATION_MODULES": project_settings.MIGRATION_MODULES,
    "SECRET_KEY": "for tests only",
    "USE_TZ": True,
}
BEGIN = """
from django.core.management import call_command
for alias in {aliases!r}:
    call_command("migrate", database=alias, run_syncdb=True, verbosity=0)
"""

# What a restore on MySQL makes beside a database, and what a copy is called.
BESIDE = ("", "_dumpy_stage", "_dumpy_old")
COPY = "_copy"

Database = dict[str, Any]
Contents = dict[str, list[str]]


@dataclass(frozen=True)
class Version:
    """The code of a day: files by their paths, settings, and a script that makes rows."""

    files: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    fill: str = ""


@dataclass
class Site:
    """A project in a directory; its databases are called after its name."""

    directory: Path
    name: str
    aliases: tuple[str, ...] = ("default",)
    settings: str = "site_settings"
    values: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    # The code and the databases

    def begin(self, version: Version) -> None:
        """Write the code of a version, and make its tables and rows in empty databases."""
        self.values = dict(version.settings)
        self.become(version)
        self.shell(BEGIN.format(aliases=self.aliases) + version.fill)

    def become(self, version: Version) -> None:
        """Write the code of another version over that of today."""
        self.write(version.files)
        self.configure(**version.settings)

    def copied(self, directory: Path, *, filled: bool = True) -> Site:
        """Return a copy with its files, and with its databases, or empty ones."""
        ignored = shutil.ignore_patterns(*([] if filled else ["*.sqlite3"]))
        shutil.copytree(self.directory, directory, ignore=ignored, dirs_exist_ok=True)
        name = self.name if project_settings.ENGINE == "sqlite" else f"{self.name}{COPY}"
        copy = replace(self, directory=directory, name=name, values=dict(self.values))
        for alias, found in copy.databases.items():
            if not filled:
                create_database(found)
            elif project_settings.ENGINE != "sqlite":
                copy_database(self.databases[alias], found)
        copy._write_databases()
        return copy

    def drop(self) -> None:
        """Drop its databases, and those of its copy."""
        for site in (self, replace(self, name=f"{self.name}{COPY}")):
            for found in site.databases.values():
                drop_database(found)

    def write(self, files: Mapping[str, str]) -> None:
        """Write files; directories that are new are packages."""
        for name, text in files.items():
            path = self.directory / name
            for directory in reversed(path.parents):
                if not directory.exists():
                    directory.mkdir()
                    (directory / "__init__.py").touch()
            path.write_text(text, encoding="utf-8")

    def edit(self, name: str, *edits: tuple[str, str]) -> None:
        """Edit a file as a person would."""
        text = (self.directory / name).read_text(encoding="utf-8")
        for old, new in edits:
            assert old in text
            text = text.replace(old, new)
        self.write({name: text})

    def remove(self, names: Iterable[str]) -> None:
        """Remove files."""
        for name in names:
            (self.directory / name).unlink()

    def configure(self, text: str = "", **values: Any) -> None:
        """Write the settings: those of the site, and values and lines for this time."""
        values = {**COMMON, **self.values, **values}
        lines = [f"{name} = {value!r}\n" for name, value in values.items()]
        path = f"{self.settings.replace('.', '/')}.py"
        self.write({path: "".join(["from site_databases import DATABASES\n", *lines, text])})
        self._write_databases()

    def install(self, *apps: str, without: str = "") -> None:
        """Install more apps, or one less, for good."""
        installed = [app for app in self.values["INSTALLED_APPS"] if app != without]
        self.values["INSTALLED_APPS"] = [*installed, *apps]
        self.configure()

    @property
    def databases(self) -> dict[str, Database]:
        """The settings of its databases by alias."""
        names = {a: self.name if a == "default" else f"{self.name}_{a}" for a in self.aliases}
        return {alias: database(name, self.directory) for alias, name in names.items()}

    def _write_databases(self) -> None:
        plain = {alias: {**d, "NAME": str(d["NAME"])} for alias, d in self.databases.items()}
        self.write({"site_databases.py": f"DATABASES = {plain!r}\n"})

    # Commands

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its commands."""
        paths = [self.directory, ROOT, ROOT / "testproject"]
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": self.settings,
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "PYTHONDONTWRITEBYTECODE": "1",
            **self.variables,
        }

    def python(
        self, *args: object, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[Any]:
        """Run Python to its end; ``env`` adds to the environment."""
        options = {"cwd": self.directory, **options}
        return forkserver.run(args, env={**self.environment, **(env or {})}, **options)

    def start(self, *args: object, **options: Any) -> subprocess.Popen[str]:
        """Start a command, whose output and errors are one text."""
        given = {"cwd": self.directory, "env": self.environment, "encoding": "utf-8"}
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                   "stderr": subprocess.STDOUT}  # fmt: skip
        return forkserver.Process(["-m", "django", *args], **{**given, **streams, **options})

    def manage(
        self, *args: object, typed: str = "", **options: Any
    ) -> subprocess.CompletedProcess[Any]:
        """Run a command to its end, with what is typed, or comes from the ``stdin`` given."""
        given = {} if {"stdin", "input"} & options.keys() else {"input": typed}
        return self.python("-m", "django", *args, **given, **options)

    def succeed(self, *args: object, **options: Any) -> str:
        """Run a command, which must succeed; return what it says."""
        done = self.manage(*args, **options)
        assert done.returncode == 0, done.stdout + done.stderr
        return str(done.stdout)

    def fail(self, *args: object, **options: Any) -> str:
        """Run a command, which must fail; return what it says."""
        done = self.manage(*args, **options)
        assert done.returncode != 0, done.stdout
        return str(done.stdout + done.stderr)

    def refused(self, *args: object) -> str:
        """Let a command fail in a sentence, with the database as it was; return what is said."""
        alias = str(args[args.index("--database") + 1]) if "--database" in args else "default"
        before = self.contents(alias)
        said = self.fail(*args)
        assert "Traceback" not in said
        assert self.contents(alias) == before
        return said

    def shell(self, code: str) -> str:
        """Return what Python prints within the project."""
        return self.succeed("shell", "-v0", "-c", code)

    # Dumps and restores

    @property
    def the_dump(self) -> Path:
        """The directory that is called a dump."""
        return self.directory / "dump"

    @property
    def the_file(self) -> Path:
        """The single file that is called a dump."""
        return self.directory / "dump.py"

    def dump(self, name: str, *args: object) -> Path:
        """Dump to a directory beside the project, labels first; return it."""
        path = self.directory / name
        self.succeed("dump2py", path, *args, "-v0", "--overwrite")
        return path

    def restore(self, path: Path, *args: object) -> str:
        """Restore a directory without being asked; return what is said."""
        return self.succeed("run", path / "restore.py", "-b", *args)

    def restore_file(self, *args: object) -> str:
        """Restore the single file without being asked; return what is said."""
        return self.succeed("restore", self.the_file, "-b", *args)

    def refuse(self, path: Path, *args: object) -> str:
        """Let the restore of a directory be refused; return what is said."""
        return self.refused("run", path / "restore.py", "-b", *args)

    def refuse_file(self, *args: object) -> str:
        """Let the restore of the single file be refused; return what is said."""
        return self.refused("restore", self.the_file, "-b", *args)

    # What is in the databases

    def connection(self, alias: str = "default") -> BaseDatabaseWrapper:
        """Return a new connection."""
        return _connection(self.databases[alias])

    def execute(self, sql: str, alias: str = "default") -> list[tuple[Any, ...]]:
        """Execute SQL in a transaction of its own; return the rows."""
        connection = self.connection(alias)
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def contents(self, alias: str = "default") -> Contents:
        """Return all rows of all tables, in an order of no meaning."""
        connection = self.connection(alias)
        try:
            with connection.cursor() as cursor:
                names = connection.introspection.table_names(cursor, include_views=True)
                return {name: _texts(cursor, name) for name in names}
        finally:
            connection.close()

    def rows(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """Return columns of a table, by the first of them."""
        quote = self.connection().ops.quote_name
        return self.execute(
            f"SELECT {', '.join(map(quote, columns))} FROM {quote(table)} ORDER BY 1"
        )


NewSite = Callable[..., Site]


def database(name: str, directory: Path) -> Database:
    """Return the settings of a database on the engine of the tests, a file in the directory."""
    if project_settings.ENGINE == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": directory / f"{name}.sqlite3"}
    return dict(project_settings.database(name))


def create_database(settings: Database) -> None:
    """Make an empty database; what has its name is dropped."""
    drop_database(settings)
    suffix = _connection(settings).creation.sql_table_creation_suffix()
    _on_the_server(settings, f"CREATE DATABASE {settings['NAME']} {suffix}")


def drop_database(settings: Database) -> None:
    """Drop a database, and what a restore that was killed has left beside it."""
    name = settings["NAME"]
    if settings["ENGINE"].endswith("sqlite3"):
        for more in ("", "-journal", "-wal", "-shm"):
            Path(f"{name}{more}").unlink(missing_ok=True)
    for more in BESIDE:
        _on_the_server(settings, f"DROP DATABASE IF EXISTS {name}{more}")


def copy_database(source: Database, target: Database) -> None:
    """Copy a database that nothing is connected to, on a server."""
    if source["ENGINE"].endswith("postgresql"):
        drop_database(target)
        _on_the_server(source, f"CREATE DATABASE {target['NAME']} TEMPLATE {source['NAME']}")
        return
    create_database(target)
    connection = _connection(target)
    with connection.cursor() as cursor:
        cursor.execute("SET foreign_key_checks = 0")
        cursor.execute(f"SHOW TABLES FROM {source['NAME']}")
        for (table,) in cursor.fetchall():
            cursor.execute(f"SHOW CREATE TABLE {source['NAME']}.{table}")
            cursor.execute(cursor.fetchone()[1])
            cursor.execute(f"INSERT INTO {table} SELECT * FROM {source['NAME']}.{table}")
    connection.close()


def _connection(settings: Database) -> BaseDatabaseWrapper:
    return ConnectionHandler({"default": settings})["default"]


def _on_the_server(settings: Database, sql: str) -> None:
    if not settings["ENGINE"].endswith("sqlite3"):
        with _connection(settings)._nodb_cursor() as cursor:
            cursor.execute(sql)


def name_on_server(name: str) -> str:
    """Return the name of a database that no other process of the tests has."""
    if project_settings.ENGINE == "sqlite":
        return name
    found = connections["default"].settings_dict["NAME"]
    # It is the name of the live database if no test of the process has a database of its own.
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    return f"{name}_{found}" if worker in found else f"{name}_{found}_{worker}"


def _texts(cursor: Any, name: str) -> list[str]:
    cursor.execute(f"SELECT * FROM {name}")
    return sorted(map(repr, cursor.fetchall()))
