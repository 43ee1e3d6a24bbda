"""Dump real data, load the dump elsewhere, dump again, compare everything: ``make demo``."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
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


@contextmanager
def prepared_project() -> Iterator[Path]:
    """Set Django up with two empty databases in a temporary directory, and enter it."""
    with tempfile.TemporaryDirectory(prefix="dumpy-demo-") as directory:
        os.environ["DUMPY_DATA_DIR"] = directory
        os.environ["DUMPY_TEST_ENGINE"] = "sqlite"
        os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
        django.setup()
        for alias in connections:
            call_command("migrate", database=alias, verbosity=0)
        os.chdir(directory)
        yield Path(directory)
        connections.close_all()


def timed(command: str, *arguments: str, **options: Any) -> tuple[float, str]:
    """Run a management command; return the seconds of CPU it took and what it printed."""
    out, start = StringIO(), time.process_time()
    call_command(command, *arguments, stdout=out, **options)
    return time.process_time() - start, out.getvalue().strip()


def tables() -> list[Any]:
    """Return the models of the music shop, with those of the links of its playlists."""
    return list(apps.get_app_config("music").get_models(include_auto_created=True))


def columns(model: Any) -> str:
    """Return the names of the columns that are data; links are numbered anew by each load."""
    fields = model._meta.local_concrete_fields
    is_link = model._meta.auto_created
    return ", ".join(f'"{field.column}"' for field in fields if not (is_link and field.primary_key))


def is_equal(cursor: Any, model: Any) -> bool:
    """Whether a table has the same rows in both databases, as SQL sees them."""
    here, there = (
        f'SELECT {columns(model)} FROM {base}."{model._meta.db_table}"'
        for base in ("main", "other")
    )
    cursor.execute(
        f"SELECT EXISTS (SELECT * FROM ({here} EXCEPT {there}))"
        f" + EXISTS (SELECT * FROM ({there} EXCEPT {here}))"
        f" + ((SELECT COUNT(*) FROM ({here})) <> (SELECT COUNT(*) FROM ({there})))"
    )
    return not cursor.fetchone()[0]


def unequal_tables() -> list[str]:
    """Return the tables of the music shop whose rows differ between the databases."""
    with connections["default"].cursor() as cursor:
        cursor.execute("ATTACH %s AS other", [str(connections["other"].settings_dict["NAME"])])
        return [model._meta.db_table for model in tables() if not is_equal(cursor, model)]


def lines_of(path: Path) -> Iterator[str]:
    """Yield some telling lines of a dump: a create function and two of its rows."""
    lines = path.read_text(encoding="utf-8").split("\n")
    for start, number in (("def create_music_album(", 7), ("def music_album_objects(", 3)):
        first = next(i for i, line in enumerate(lines) if line.startswith(start))
        yield from lines[first : first + number]
        yield ""


def show_data() -> None:
    """Load the Chinook music shop into the first database and say how large it is."""
    print("$ python manage.py loaddata chinook --verbosity 0")
    timed("loaddata", "chinook", verbosity=0)
    rows = {model._meta.db_table: QuerySet(model).count() for model in tables()}
    print(f"the Chinook music shop: {sum(rows.values()):,} rows in {len(rows)} tables\n")


def show_dump(path: Path) -> None:
    """Dump the first database and print some lines of the dump."""
    json, _ = timed("dumpdata", "music", format="json", output="music.json", verbosity=0)
    mine, _ = timed("dumpdata", "music", format="py", output=path.name, verbosity=0)
    print(f"$ python manage.py dumpdata music --format=py --output {path.name}")
    print(f"{path.stat().st_size:,} bytes in {mine:.2f} s of CPU (json: {json:.2f} s).", end=" ")
    print("Some lines of it:\n")
    for line in lines_of(path):
        print(f"    {line if len(line) <= WIDTH else line[: WIDTH - 1] + '…'}".rstrip())


def show_load(path: Path) -> None:
    """Load the dump into the second database."""
    json, _ = timed("loaddata", "music.json", database="other", verbosity=0)
    timed("flush", database="other", interactive=False, verbosity=0)
    mine, said = timed("loaddata", path.name, database="other")
    print(f"$ python manage.py loaddata {path.name} --database other")
    print(f"{said}\nin {mine:.2f} s of CPU (json: {json:.2f} s)\n")


def show_verdict(first: Path, second: Path) -> bool:
    """Dump the second database, compare all there is, and return whether it is the same."""
    timed("dumpdata", "music", format="py", output=second.name, database="other", verbosity=0)
    print(f"$ python manage.py dumpdata music --format=py --output {second.name} --database other")
    are_same_bytes = first.read_bytes() == second.read_bytes()
    unequal = unequal_tables()
    print(f"The two dumps have {'the same' if are_same_bytes else 'DIFFERENT'} bytes.")
    print(f"{len(tables())} tables compared in SQL: ", end="")
    print(f"DIFFERENT: {', '.join(unequal)}." if unequal else "all rows are equal.")
    return are_same_bytes and not unequal


def main() -> int:
    """Run the demo; return 0 if nothing was lost and nothing was changed."""
    with prepared_project() as directory:
        first, second = directory / "music.py", directory / "again.py"
        show_data()
        show_dump(first)
        show_load(first)
        return 0 if show_verdict(first, second) else 1


if __name__ == "__main__":
    sys.exit(main())
