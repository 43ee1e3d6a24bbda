"""Assertions about data, for the tests of a project."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connections

from dumpy.checking.diff import DATABASE, comparing, totals
from dumpy.errors import SHOWN, counted
from dumpy.restoring.schema import delete_rows
from dumpy.restoring.scratch import rolled_back
from dumpy.writing.database import DatabaseDump, Options, select


def assert_same_data(first: str | Path, second: str | Path) -> None:
    """Fail if two dumps or databases have different rows, with the lines that ``diffdump`` prints.

    Each is the path of a file or directory, or the alias of a database. If a database is compared
    with a dump, only the models of the dump are compared. Raises ``DumpyError`` if a dump cannot be
    read.
    """
    if lines := _differences(_dump_or_database(first), _dump_or_database(second)):
        raise AssertionError("\n".join([f"{first} and {second} differ:", *lines]))


def assert_round_trip(*labels: str, database: str = DEFAULT_DB_ALIAS) -> None:
    """Fail if rows are different after they are dumped and loaded into empty tables.

    ``labels`` name apps or models, as for ``dumpdata``; the default is all models. The database is
    not changed. Raises ``DumpyError`` if the rows cannot be dumped or loaded.
    """
    dump = DatabaseDump(select(labels, [], database), Options(database, all_rows=True))
    with TemporaryDirectory(prefix="dumpy-trip-") as directory, rolled_back(database):
        before, after = Path(directory, "before.py"), Path(directory, "after.py")
        dump.save(before)
        with connections[database].constraint_checks_disabled():
            names = (name for table in dump.tables for name in table.db_tables)
            delete_rows(database, names)
        call_command("loaddata", before, database=database, verbosity=0)
        dump.save(after)
        lines = _differences(str(before), str(after))
    if lines:
        raise AssertionError("\n".join(["Rows that differ after the round trip:", *lines]))


def _differences(first: str, second: str) -> list[str]:
    with comparing(first, second) as diff:
        rows = diff.rows()
        lines = [str(row) for row in islice(rows, SHOWN)]
        if more := sum(1 for _row in rows):
            lines.append(f"… and {counted(more, 'more row')}.")
    return [*lines, *totals(diff.models, {})]


def _dump_or_database(source: str | Path) -> str:
    is_alias = isinstance(source, str) and source in connections
    return f"{DATABASE}{source}" if is_alias else str(source)
