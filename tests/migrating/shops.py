"""Shops that age: dumped with the code of one day, restored with the code of another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sites import Site, Version, create_database

DUMP = """
call_command("dump2py", "dump", verbosity=0)
call_command("dumpdata", format="py", output="dump.py", verbosity=0)
"""


def first(version: Version) -> Version:
    """Return the version that a shop begins with: its database is dumped twice."""
    settings = {"INSTALLED_APPS": ["dumpy", "shop"], **version.settings}
    return replace(version, settings=settings, fill=version.fill + DUMP)


def aged(made: Site, directory: Path, version: Version) -> Site:
    """Return a copy with the code of another version, and a database that holds something else."""
    site = made.copied(directory, filled=False)
    site.become(version)
    note(site)
    return site


def renew(site: Site) -> None:
    """Let the database hold something else."""
    create_database(site.databases["default"])
    note(site)


def note(site: Site) -> None:
    """Make one row in a table of the project."""
    site.execute("CREATE TABLE shop_note (id integer, text varchar(9))")
    site.execute("INSERT INTO shop_note VALUES (99, 'before')")
