"""What a command tells of itself while it runs, and what happens to it at a point.

The project of the tests calls `install`; nothing of this is in dumpy. An event is a line:

- ``sql INSERT INTO ...``: a statement is about to be executed;
- ``row INSERT INTO ...``: a row is about to be inserted, one of a statement with many;
- ``commit``, ``committed``: a transaction is about to be, or has been, committed;
- ``open NAME``: a file is about to be opened for writing; so ``os.mkdir``, ``os.rename``,
  ``os.remove``, ``os.rmdir``, ``shutil.rmtree``, ``fsync``, and ``exchange``, of two names.

The environment says what happens at which of them.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import connections
from django.db.backends.signals import connection_created
from django.db.utils import ConnectionHandler

FAULT, EVENT, AFTER, NUMBER = "FAULT", "FAULT_EVENT", "FAULT_AFTER", "FAULT_NUMBER"
LOG = "FAULT_LOG"
PAUSED = "paused in "

_FILES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}


class Probe:
    """Waits for an event, and lets the fault happen there."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.fault = environment.get(FAULT, "")
        self.event = re.compile(environment.get(EVENT, "(?!)"))
        self.after = re.compile(environment.get(AFTER, ""))
        self.left = int(environment.get(NUMBER, "1"))
        self.is_after = not self.after.pattern
        log = environment.get(LOG)
        self.log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if log else None
        self.is_busy = False

    def __call__(self, event: str, connection: Any = None) -> None:
        """Pass an event; those of the fault itself do not count."""
        if self.is_busy:
            return
        self.is_busy = True
        try:
            self._pass(" ".join(event.split()), connection or connections["default"])
        finally:
            self.is_busy = False

    def _pass(self, event: str, connection: Any) -> None:
        if self.log is not None:
            os.write(self.log, f"{event[:300]}\n".encode())
        if self.is_after and self.left and self.event.match(event):
            self.left -= 1
            if not self.left:
                self._strike(event, connection)
        self.is_after = self.is_after or bool(self.after.match(event))

    def _strike(self, event: str, connection: Any) -> None:
        where = f"{connection.settings_dict['NAME']}, at: {event}"
        if self.fault == "cut":
            _cut(connection)
            _say(f"cut from {where}")
        elif self.fault == "pause":
            _say(f"{PAUSED}{where}")
            # Until somebody writes, or closes the pipe.
            os.read(0, 1)
        elif self.fault.startswith("SIG"):
            _say(f"{self.fault} in {where}")
            os.kill(os.getpid(), signal.Signals[self.fault])
        else:
            number = getattr(errno, self.fault)
            raise OSError(number, os.strerror(number))


def install() -> None:
    """Watch this process, if the environment says so."""
    if FAULT not in os.environ and LOG not in os.environ:
        return
    probe = Probe(os.environ)
    connection_created.connect(lambda connection, **_: _watch(probe, connection), weak=False)
    sys.addaudithook(lambda name, args: _pass_file(probe, name, args))
    os.fsync = _told(probe, os.fsync, "fsync")  # type: ignore[assignment]


def _watch(probe: Probe, connection: Any) -> None:
    if connection is not connections["default"]:
        return
    if connection.vendor == "sqlite":
        connection.connection.set_trace_callback(lambda sql: probe(f"row {sql}", connection))
    if any(isinstance(one, _Statements) for one in connection.execute_wrappers):
        return
    connection.execute_wrappers.append(_Statements(probe))
    commit = connection._commit

    def told() -> None:
        probe("commit", connection)
        commit()
        probe("committed", connection)

    connection._commit = told
    if connection.vendor == "postgresql":
        _watch_copies(probe)


class _Statements:
    """Tells of each statement that Django's cursors execute."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe

    def __call__(self, run: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        connection = context["connection"]
        self.probe(f"sql {sql}", connection)
        if many and connection.vendor == "mysql":
            # Else all rows would go in one statement.
            context["cursor"].cursor.max_stmt_length = 1024
            params = self._told_of(sql, params, connection)
        return run(sql, params, many, context)

    def _told_of(self, sql: str, rows: Any, connection: Any) -> Iterator[Any]:
        for row in rows:
            self.probe(f"row {sql}", connection)
            yield row


def _watch_copies(probe: Probe) -> None:
    from psycopg import Cursor

    original: Any = Cursor.copy

    @contextmanager
    def copy(cursor: Any, statement: Any, *args: Any, **options: Any) -> Iterator[Any]:
        probe(f"sql {statement}")
        with original(cursor, statement, *args, **options) as given:
            for name in ("write", "write_row"):
                setattr(given, name, _told(probe, getattr(given, name), f"row {statement}"))
            yield given

    Cursor.copy = copy  # type: ignore[method-assign, assignment]


def _told(probe: Probe, function: Callable[..., Any], event: str) -> Callable[..., Any]:
    def told(*args: Any, **options: Any) -> Any:
        probe(event)
        return function(*args, **options)

    return told


def _pass_file(probe: Probe, name: str, args: tuple[Any, ...]) -> None:
    if name == "open" and isinstance(args[0], str) and args[2] & (os.O_WRONLY | os.O_RDWR):
        probe(f"open {os.path.basename(args[0])}")
    elif name in _FILES:
        probe(f"{name} {os.path.basename(os.fspath(args[0]))}")
    elif name == "ctypes.dlsym" and args[1] in ("renameat2", "renamex_np"):
        probe("exchange")


def _say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def _cut(connection: Any) -> None:
    other = ConnectionHandler({"default": {**connection.settings_dict}})["default"]
    with other.cursor() as cursor:
        if connection.vendor == "postgresql":
            # It returns when the session has ended.
            process = connection.connection.info.backend_pid
            cursor.execute("SELECT pg_terminate_backend(%s, 600000)", [process])
        else:
            cursor.execute("KILL %s", [connection.connection.thread_id()])
    other.close()
