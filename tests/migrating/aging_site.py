"""A site that ages: dumped with the code of one day, restored with the code of another."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections

# The site that this one is made of.
sys.path.append(str(Path(__file__).parents[1] / "directory"))

from small_site import Site, new_databases

ASIDE = ("", "_dumpy_stage", "_dumpy_old")
BEGIN = """
from django.core.management import call_command
call_command("migrate", run_syncdb=True, verbosity=0)
{fill}
call_command("dump2py", "dump", verbosity=0)
call_command("dumpdata", format="py", output="dump.py", verbosity=0)
"""


@dataclass(frozen=True)
class Release:
    """The code of one day: files by their paths, settings of its own, a script that makes rows."""

    files: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    fill: str = ""


@dataclass
class AgingSite(Site):
    """A project whose apps have no migrations; ``values`` are its settings beside the common."""

    values: Mapping[str, Any] = field(default_factory=dict)

    def begin(self, files: Mapping[str, str], fill: str) -> None:
        """Write the first code, fill the database by a script, and dump it twice."""
        self.write(files)
        self.configure()
        self.succeed("shell", "-v0", "-c", BEGIN.format(fill=fill))

    def write(self, files: Mapping[str, str]) -> None:
        """Write files; what lies in a directory can be imported."""
        for name, text in files.items():
            path = self.directory / name
            path.parent.mkdir(exist_ok=True)
            (path.parent / "__init__.py").touch()
            path.write_text(text, encoding="utf-8")

    def configure(self, **values: Any) -> None:
        """Write the settings; ``values`` are added to those that the site has always."""
        values = {"INSTALLED_APPS": ["dumpy", "shop"], **self.values, **values}
        lines = [f"{name} = {value!r}\n" for name, value in values.items()]
        text = super()._settings() + "".join(lines)
        (self.directory / "site_settings.py").write_text(text, encoding="utf-8")

    def copied(self, directory: Path) -> AgingSite:
        """Return a site with a copy of the code and of the dumps."""
        shutil.copytree(self.directory, directory, ignore=shutil.ignore_patterns("*.sqlite3"))
        return replace(self, directory=directory)

    def renew(self) -> None:
        """Make the database anew, with one row in a table of the project."""
        recreate(str(self.databases["default"]["NAME"]))
        self.execute("CREATE TABLE shop_note (id integer, text varchar(9))")
        self.execute("INSERT INTO shop_note VALUES (99, 'before')")

    def edit(self, name: str, *edits: tuple[str, str]) -> None:
        """Edit a file as a person would."""
        path = self.directory / name
        text = path.read_text(encoding="utf-8")
        for old, new in edits:
            assert old in text
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")

    def edit_line(self, name: str, number: int, old: str, new: str) -> None:
        """Edit one line of a file, in which there must be something."""
        path = self.directory / name
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        assert old in lines[number - 1]
        lines[number - 1] = lines[number - 1].replace(old, new)
        path.write_text("".join(lines), encoding="utf-8")

    @property
    def the_dump(self) -> Path:
        """The directory."""
        return self.directory / "dump"

    @property
    def the_file(self) -> Path:
        """The single file."""
        return self.directory / "dump.py"

    def refused(self, *args: object) -> str:
        """Let a command fail in a sentence, the database as it was; return what is said."""
        before = self.contents()
        said = self.fail(*args)
        assert "Traceback" not in said
        assert self.contents() == before
        return said

    def refused_restore(self, *args: object) -> str:
        """Let the restore of the directory fail in a sentence."""
        return self.refused("run", self.the_dump / "restore.py", "-b", *args)

    def rows(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """Return columns of a table, by the first of them."""
        quoted = ", ".join(map(self.connection().ops.quote_name, columns))
        name = self.connection().ops.quote_name(table)
        return self.execute(f"SELECT {quoted} FROM {name} ORDER BY 1")


@contextmanager
def aging(directory: Path, name: str, **values: Any) -> Iterator[AgingSite]:
    """Return a site, whose database is dropped in the end."""
    if settings.ENGINE != "sqlite":
        name = f"dumpy_{name}_{connections['default'].settings_dict['NAME']}"[:40]
    site = AgingSite(directory, new_databases({"default": name}, directory), values)
    recreate(str(site.databases["default"]["NAME"]))
    try:
        yield site
    finally:
        _drop(str(site.databases["default"]["NAME"]))


def recreate(name: str) -> None:
    """Make a database anew."""
    _drop(name)
    _run(f"CREATE DATABASE {name} {connections['default'].creation.sql_table_creation_suffix()}")


def _drop(name: str) -> None:
    if settings.ENGINE == "sqlite":
        Path(name).unlink(missing_ok=True)
    for aside in ASIDE:
        _run(f"DROP DATABASE IF EXISTS {name}{aside}")


def _run(sql: str) -> None:
    if settings.ENGINE != "sqlite":
        with connections["default"]._nodb_cursor() as cursor:
            cursor.execute(sql)
