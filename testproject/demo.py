"""Load real data, dump it, load the dump elsewhere, dump again, and compare: `make demo`."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import django
from django.apps import apps
from django.core.management import call_command
from django.db import connections
from django.db.models import QuerySet

WIDTH = 100


class Stopwatch:
    """Counts, for each table, the seconds that went into filling it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.last = time.perf_counter()

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        """Execute one statement; if it fills a table, note the time since the last that did."""
        result = execute(sql, params, many, context)
        if sql.startswith("INSERT"):
            now = time.perf_counter()
            self.seconds[sql.split('"')[1]] += now - self.last
            self.last = now
        return result


@contextmanager
def prepared_project() -> Iterator[Path]:
    """Set Django up with two empty databases in a temporary directory."""
    with tempfile.TemporaryDirectory(prefix="dumpy-demo-") as directory:
        os.environ["DUMPY_DATA_DIR"] = directory
        os.environ["DUMPY_TEST_ENGINE"] = "sqlite"
        os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
        django.setup()
        for alias in connections:
            call_command("migrate", database=alias, verbosity=0)
        yield Path(directory)
        connections.close_all()


def timed(command: str, *args: str, **options: Any) -> float:
    """Run a management command and return the seconds it took."""
    start = time.perf_counter()
    call_command(command, *args, **options)
    return time.perf_counter() - start


def load(fixture: str, database: str) -> tuple[float, Stopwatch, str]:
    """Load a fixture and return the seconds, those of each table, and what was printed."""
    watch, out = Stopwatch(), StringIO()
    with connections[database].execute_wrapper(watch):
        seconds = timed("loaddata", fixture, database=database, stdout=out)
    return seconds, watch, out.getvalue().strip()


def dump(path: Path, database: str) -> float:
    """Dump a database into a file and return the seconds."""
    return timed("dumpdata", format="py", output=str(path), database=database, verbosity=0)


def print_tables(watch: Stopwatch) -> None:
    """Print rows and seconds of each table of the music shop, the links of playlists too."""
    print(f"\n   {'table':<24}{'rows':>8}{'seconds':>10}")
    for model in apps.get_app_config("music").get_models(include_auto_created=True):
        table = model._meta.db_table
        rows = QuerySet(model).count()
        print(f"   {table:<24}{rows:>8,}{watch.seconds[table]:>10.3f}")


def block(lines: list[str], start: str) -> list[str]:
    """Return the lines from the one with that start to the next empty one."""
    first = next(number for number, line in enumerate(lines) if line.startswith(start))
    return lines[first : lines.index("", first)]


def ten_lines(path: Path) -> list[str]:
    """Return ten telling lines of a dump: a create function, and rows."""
    lines = path.read_text(encoding="utf-8").split("\n")
    function = block(lines, "def create_music_album(")
    return (function + block(lines, "def music_invoice_objects("))[:10]


def tables() -> dict[str, list[str]]:
    """Return the columns of each table, without the numbers that links are given anew."""
    models = [model for model in apps.get_models(include_auto_created=True) if has_table(model)]
    return {model._meta.db_table: columns(model) for model in models}


def has_table(model: Any) -> bool:
    """Return whether a model has a table of its own."""
    return model._meta.managed and not model._meta.proxy


def columns(model: Any) -> list[str]:
    """Return the columns of a table that are data."""
    given_anew = model._meta.auto_created and model._meta.pk
    fields = model._meta.local_concrete_fields
    return [field.column for field in fields if field is not given_anew]


def unequal_tables() -> list[str]:
    """Return the tables whose rows are not the same in both databases, as SQL sees them."""
    with connections["default"].cursor() as cursor:
        cursor.execute("ATTACH %s AS other", [str(connections["other"].settings_dict["NAME"])])
        return [table for table, names in tables().items() if is_unequal(cursor, table, names)]


def is_unequal(cursor: Any, table: str, names: list[str]) -> bool:
    """Return whether a row of one table is missing in the other."""
    listed = ", ".join(f'"{name}"' for name in names)
    here, there = (f'SELECT {listed} FROM {base}."{table}"' for base in ("main", "other"))
    cursor.execute(
        f"SELECT EXISTS (SELECT * FROM ({here} EXCEPT {there}))"
        f" + EXISTS (SELECT * FROM ({there} EXCEPT {here}))"
        f" + ((SELECT COUNT(*) FROM ({here})) <> (SELECT COUNT(*) FROM ({there})))"
    )
    return bool(cursor.fetchone()[0])


def digest(path: Path) -> str:
    """Return the start of the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def show_first_load() -> None:
    """Load Chinook into the first database and print what was loaded."""
    print("1. manage.py loaddata chinook            the Chinook music shop, into an empty database")
    seconds, watch, said = load("chinook", "default")
    print_tables(watch)
    print(f"\n   {said}: {seconds:.2f} s")


def show_dump(path: Path) -> None:
    """Dump the first database and print ten lines of the dump."""
    seconds = dump(path, "default")
    print(f"\n2. manage.py dumpdata --format=py -o {path.name}")
    print(f"   {path.stat().st_size:,} bytes in {seconds:.2f} s; ten lines of them:\n")
    for line in ten_lines(path):
        print("   " + (line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"))


def show_second_load(path: Path) -> None:
    """Load the dump into the second database."""
    print(f"\n3. manage.py loaddata {path.name} --database other")
    seconds, _, said = load(str(path), "other")
    print(f"   {said}: {seconds:.2f} s")


def show_verdict(first: Path, second: Path) -> bool:
    """Dump the second database, compare all there is, and return whether it is the same."""
    seconds = dump(second, "other")
    print(f"\n4. manage.py dumpdata --format=py -o {second.name} --database other")
    print(f"   {second.stat().st_size:,} bytes in {seconds:.2f} s\n")
    same = first.read_bytes() == second.read_bytes()
    different = unequal_tables()
    print(f"   the two dumps:   {'the same bytes' if same else 'DIFFERENT'}, ", end="")
    print(f"sha256 {digest(first)}… and {digest(second)}…")
    print(f"   the two databases: {len(tables())} tables compared in SQL, ", end="")
    print(f"DIFFERENT: {', '.join(different)}" if different else "all equal")
    return same and not different


def main() -> int:
    """Run the demo; return 0 if nothing was lost and nothing was changed."""
    with prepared_project() as directory:
        first, second = directory / "dump1.py", directory / "dump2.py"
        show_first_load()
        show_dump(first)
        show_second_load(first)
        return 0 if show_verdict(first, second) else 1


if __name__ == "__main__":
    sys.exit(main())
