"""One task in a process of its own: ``python -m benchmarks.worker TASK ARGUMENTS``.

Prints one line of JSON: what the task has returned, or what it has cost.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import django
from django.core import serializers
from django.core.management import (
    call_command,
    execute_from_command_line,
    get_commands,
    load_command_class,
)
from django.db import connections, transaction

Run = Callable[[], object]

_WARM_UP = 0.2


def create(using: str) -> None:
    """Make an empty database with all tables, in the place of one that may be there."""
    drop(using)
    connection = connections[using]
    if connection.vendor != "sqlite":
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {connection.settings_dict['NAME']}")
    call_command("migrate", database=using, run_syncdb=True, verbosity=0)


def drop(using: str) -> None:
    """Remove a database."""
    connection = connections[using]
    name = connection.settings_dict["NAME"]
    connection.close()
    if connection.vendor == "sqlite":
        Path(name).unlink(missing_ok=True)
        return
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")


def fill(rows: str, linked: str) -> None:
    """Fill the source; ``linked`` is "True" or "False"."""
    from benchmarks.fill import fill as fill_tables

    fill_tables(int(rows), "default", linked=linked == "True")


def fill_plain(rows: str) -> None:
    """Fill the source with one table, but for a row in a hundred."""
    from benchmarks.plain.fill import fill as fill_tables

    fill_tables(int(rows), "default")


def fill_chain(rows: str, step: str) -> None:
    """Fill the source with a chain."""
    from benchmarks.fill import fill_chain as fill_table

    fill_table(int(rows), int(step), "default")


def digests(using: str) -> dict[str, tuple[int, str]]:
    """Return the number of rows and a digest of the content, by table."""
    from benchmarks.access import tables

    return {model._meta.label: _digest(model, using) for model in tables()}


def _digest(model: Any, using: str) -> tuple[int, str]:
    count, digest = 0, hashlib.sha256()
    for row in _content(model, using):
        count += 1
        digest.update(repr(row).encode())
    return count, digest.hexdigest()


def _content(model: Any, using: str) -> Iterator[tuple[Any, ...]]:
    from benchmarks.access import fields, listed, stored

    if not model._meta.auto_created:
        return stored(model, using)
    # The primary key of a link is nobody's: pairs are compared.
    names = [field.attname for field in fields(model)[1:]]
    return listed(model, names, *names, using=using)


def dump(format: str, path: str, *options: str) -> Run:
    """``dumpdata`` of the source into a file."""
    serializers.get_serializer(format)
    return lambda: call_command(
        "dumpdata", "shop", f"--format={format}", f"--output={path}", *options, verbosity=0
    )


def load(path: str) -> Run:
    """``loaddata`` of a file into the target."""
    serializers.get_deserializer(path.rpartition(".")[2])
    return lambda: call_command("loaddata", path, database="target", verbosity=0)


def manage(*arguments: str) -> Run:
    """``manage.py`` with these arguments."""
    load_command_class(get_commands()[arguments[0]], arguments[0])
    # Lino's ``run`` reads them there.
    sys.argv = ["manage.py", *arguments]
    return lambda: execute_from_command_line(sys.argv)


def read() -> Run:
    """The limit of a dump: all values of the source, as Python values, thrown away."""
    from benchmarks.access import stored, tables

    return lambda: [sum(1 for _ in stored(model, "default")) for model in tables()]


def write(way: str) -> Run:
    """The limit of a load: all rows of the source, ready in memory, into the target."""
    from benchmarks import access

    put = {"executemany": access.executemany, "copy": access.copy}[way]
    prepared = [
        (model, access.ready(model, access.stored(model, "default"), "target"))
        for model in access.tables()
    ]

    def run() -> None:
        with transaction.atomic(using="target"):
            for model, rows in prepared:
                put(model, rows, "target")

    return run


def run_tests(way: str, fixture: str, digests: str) -> dict[str, float]:
    """Ten TestCases on a fixture."""
    from benchmarks.suite import run_tests as run

    return run(way, fixture, digests)


def measured(run: Run) -> dict[str, float]:
    """Run something on a warm processor; return seconds and peak memory in KB."""
    until = time.perf_counter() + _WARM_UP
    while time.perf_counter() < until:
        pass
    gc.collect()
    before, start, cpu = _peak(), time.perf_counter(), time.process_time()
    run()
    return {
        "wall": time.perf_counter() - start,
        "cpu": time.process_time() - cpu,
        "before": before,
        "peak": _peak(),
    }


def _peak() -> int:
    """The peak of the resident memory, which on Linux is not what the parent's was."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


TASKS: dict[str, Callable[..., Any]] = {
    task.__name__: task for task in (create, drop, fill, fill_plain, fill_chain, digests, run_tests)
}
MEASURED: dict[str, Callable[..., Run]] = {
    task.__name__: task for task in (dump, load, manage, read, write)
}


def main(task: str, *arguments: str) -> None:
    """Do one task, and print its result."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
    django.setup()
    result = TASKS[task](*arguments) if task in TASKS else measured(MEASURED[task](*arguments))
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
