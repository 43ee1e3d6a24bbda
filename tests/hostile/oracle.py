"""What a reader of hostile input may do: nothing that the audit events of Python would tell."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.apps import apps
from django.core import serializers
from django.core.management import CommandError
from django.db import connection, transaction
from running import loaded

from dumpy.errors import (
    SHOWN,
    DumpyError,
    FixtureError,
    FixtureErrors,
    LoadError,
    Place,
    printable_lines,
)
from zoo.models import Species

Refuse = Callable[[str | bytes], DumpyError]

DATA_ONLY = {"EXECUTE": False}
# It is to take a second; a machine with other things to do counts more, and coverage much more.
SECONDS = 5 if sys.gettrace() is None else 60
MEMORY = 64 * 2**20
STATUS = Path("/proc/self/statm")
_WATCHED = ("exec", "import", "open", "os.", "subprocess.", "socket.", "ctypes.", "shutil.")
_LOOKING = ("os.scandir", "os.listdir")
# Django executes the packages of migrations again when it looks for what came after a dump.
_MIGRATIONS = "/migrations/", "/auth_at_once/"
# CPython looks for the line of a mistake in the file that `parse` has named.
_NO_FILE = f"{os.devnull}/<dumpy>"


def another(door: str) -> object:
    """Return a door that the text of a test comes through as well, but on one Python only.

    Another Python has another parser, which is the same behind all doors.
    """
    return pytest.param(door, marks=pytest.mark.slow)


@dataclass
class Watch:
    """The events seen while it was on; opening a file below `here` is allowed."""

    here: str | None = None
    events: list[str] = field(default_factory=list)

    def note(self, event: str, arguments: tuple[object, ...]) -> None:
        """Keep an event that must not be."""
        if event == "open" and self._is_allowed(arguments[0]):
            return
        if event in ("open", "exec") and any(name in str(arguments[0]) for name in _MIGRATIONS):
            return
        self.events.append(f"{event} {arguments[0] if arguments else ''!r}")

    def _is_allowed(self, path: object) -> bool:
        if isinstance(path, int) or path == _NO_FILE:
            return True
        return self.here is not None and str(path).startswith(self.here)


_on: list[Watch] = []


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if _on and event.startswith(_WATCHED) and event not in _LOOKING:
        _on[-1].note(event, arguments)


sys.addaudithook(_hear)


@contextmanager
def watching(here: object = None) -> Iterator[Watch]:
    """See what is done in the block; files may be opened below `here` only."""
    watch = Watch(None if here is None else str(here))
    _on.append(watch)
    try:
        yield watch
    finally:
        _on.remove(watch)


def deserialized(given: object) -> None:
    """Load what `deserialize` takes, as `loaddata` does."""
    deferred = []
    with transaction.atomic():
        for each in serializers.deserialize("py", given, handle_forward_references=True):
            each.save()
            if each.deferred_fields:
                deferred.append(each)
        for each in deferred:
            each.save_deferred_fields()


def state() -> object:
    """Return the number of rows of every table, and the rows of one."""
    quote = connection.ops.quote_name
    tables = sorted({m._meta.db_table for m in apps.get_models(True) if m._meta.managed})
    counts = ", ".join(f"(SELECT COUNT(*) FROM {quote(table)})" for table in tables)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {counts}")
        return cursor.fetchone(), sorted(Species.objects.values_list("pk", "latin"))


def is_refused(load: Callable[[], object], here: object = None) -> DumpyError:
    """Load what must be refused, quickly and without doing anything; return the error."""
    before = state()
    start = time.process_time()
    error: Exception | None = None
    with watching(here) as watch:
        try:
            load()
        except Exception as caught:
            error = caught
    seconds = time.process_time() - start
    assert error is not None, "it was loaded"
    assert watch.events == []
    assert seconds < SECONDS
    assert state() == before
    return checked(error)


def checked(error: Exception) -> DumpyError:
    """Return an error, which must be one of dumpy's that says where and why."""
    if not isinstance(error, FixtureError | FixtureErrors | LoadError):
        raise error
    assert isinstance(error, CommandError)
    said = str(error)
    for place, reason in reasons(error)[:SHOWN]:
        assert place is not None
        assert reason
        # A name must not command a terminal either.
        assert f"{printable_lines(str(place))}: " in said
    assert len(said) < 30_000
    return error


def reasons(error: FixtureError | FixtureErrors | LoadError) -> list[tuple[Place | None, str]]:
    """Return the places and reasons in an error."""
    if isinstance(error, FixtureErrors):
        return [(each.place, each.reason) for each in error.errors]
    if isinstance(error, LoadError):
        return [(problem.ref.place, problem.reason) for problem in error.problems]
    return [(error.place, error.reason)]


def first_line(error: DumpyError) -> int | None:
    """Return the line of the first place that an error names."""
    place = reasons(error)[0][0]  # type: ignore[arg-type]
    return None if place is None else place.line


@contextmanager
def little_memory() -> Iterator[None]:
    """Let the process have so much more memory in the block, and no more.

    `tracemalloc`, which counts what Python has, makes most of these tests ten times as slow.
    """
    if not STATUS.exists():
        pytest.skip("the system does not tell how much memory a process has")
    import resource

    pages = int(STATUS.read_text(encoding="ascii").split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def caught_from(load: Callable[[], object]) -> DumpyError:
    """Return the error that a load raises."""
    try:
        load()
    except Exception as error:
        return checked(error)
    raise AssertionError("it was loaded")


def by_loaddata(label: object) -> Callable[[], object]:
    """A load by the command."""
    return lambda: loaded(label)
