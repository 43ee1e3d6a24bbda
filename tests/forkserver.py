"""Python commands without start-up: a server that has Django loaded forks itself for each command.

    done = forkserver.run(["-m", "django", "check"], cwd=directory, env=environment)
    process = forkserver.Process(["script.py"], stdout=subprocess.PIPE)

`run` is `subprocess.run`, and `Process` is `subprocess.Popen`, of the words that would follow
``python``: ``-c CODE``, ``-m MODULE`` or a script. A command has its own arguments, directory,
environment, import path, streams and signals; its pid is its own, and the interpreter ends it as
any other: with its status, its traceback, and the functions of `atexit`. It has no settings yet.

What an interpreter decides when it starts is not the command's own: the locale, the encoding of the
streams, the hash seed, the options of ``python``, and the memory that it holds. Tests of these, and
of start-up itself, start `sys.executable`. So do tests of what is imported: dumpy is already.

Each process of pytest starts one server, with its first command. A server is connected to it by a
socket, and ends when the socket does. For each command the process of pytest sends the streams, and
a socket of the command's own: there the arguments go in, the pid and then the status come out. The
server forks a keeper, which forks the command and waits for it.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import time
import types
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

# After so many seconds a process hangs: a busy machine is no reason to fail.
PATIENCE = 600
# A pid, or a status, is sent as a number of so many characters.
WIDTH = 8
SIGNALS = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
PRELOADED = (
    "django.conf",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.core",
    "django.db",
    "django.dispatch",
    "django.forms",
    "django.template",
    "django.test",
    "django.urls",
    "django.utils",
    "django.views",
    "dumpy",
)
"""The packages whose modules the server imports, as far as that goes without settings."""


class Process(subprocess.Popen[Any]):
    """A `subprocess.Popen` of ``python *args`` that is forked instead of started."""

    def _execute_child(self, args: Any, *options: Any) -> None:
        preexec, cwd, env, handles = options[1], options[4], options[5], options[9:15]
        assert preexec is None, "a function cannot be sent to another process"
        reads, _, _, writes, _, complains = handles
        streams = [own if end == -1 else end for own, end in enumerate((reads, writes, complains))]
        self._connection, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(_server(), [b"."], [theirs.fileno(), *streams])
        request = {
            "args": list(map(str, args)),
            "cwd": os.fspath(cwd or os.getcwd()),
            "env": dict(env if env is not None else os.environ),
            "ignored": [n for n in SIGNALS if signal.getsignal(n) == signal.SIG_IGN],
        }
        self._connection.sendall(json.dumps(request).encode() + b"\n")
        self.pid = self._reply()
        self._child_created = True
        self._close_pipe_fds(*handles)  # type: ignore[attr-defined]

    def _internal_poll(self, *_ignored: Any, **_also: Any) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            return self._wait(timeout=0)
        return None

    def _wait(self, timeout: float | None) -> int:
        if self.returncode is None:
            self._connection.settimeout(timeout and max(0, timeout))
            try:
                self.returncode = self._reply()
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self._connection.close()
        return self.returncode

    def _reply(self) -> int:
        # A number is sent at once: it has come as a whole, or not at all.
        reply = self._connection.recv(WIDTH)
        assert reply, "the server of the commands has died"
        return int(reply)


def run(
    args: Iterable[object], *, input: Any = None, timeout: float = PATIENCE, **options: Any
) -> subprocess.CompletedProcess[Any]:
    """Run ``python *args`` to its end; return its streams, by default as text."""
    options = {
        "stdin": subprocess.DEVNULL if input is None else subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "encoding": "utf-8",
        **options,
    }
    with Process(list(map(str, args)), **options) as process:
        try:
            out, err = process.communicate(input, timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@cache
def _server() -> socket.socket:
    """Start the server; return the socket whose end is its end."""
    ours, theirs = socket.socketpair()
    taken = {"DJANGO_SETTINGS_MODULE", "PYTHONPATH"}
    with theirs:
        server = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            env={name: value for name, value in os.environ.items() if name not in taken},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
    atexit.register(server.wait)
    atexit.register(ours.close)
    return ours


def _serve(control: socket.socket) -> dict[str, Any]:
    """Fork for each message; return what is asked for in each process that is to do it."""
    while True:
        message, descriptors, _flags, _address = socket.recv_fds(control, 1, 4)
        # Those who have ended are waited for: the time that they took counts.
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not message:
            sys.exit()
        if os.fork() == 0:
            control.close()
            return _keep(descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _keep(descriptors: list[int]) -> dict[str, Any]:
    """Fork the command itself, where this returns, and wait for its end."""
    connection = socket.socket(fileno=descriptors[0])
    with connection.makefile("rb") as lines:
        request: dict[str, Any] = json.loads(lines.readline())
    child = os.fork()
    if child == 0:
        connection.close()
        for number, descriptor in enumerate(descriptors[1:]):
            os.dup2(descriptor, number)
            os.close(descriptor)
        return request
    # The keeper outlives those who read the pipes of the command.
    for descriptor in (0, 1, 2, *descriptors[1:]):
        os.close(descriptor)
    connection.sendall(b"%*d" % (WIDTH, child))
    _pid, status = os.waitpid(child, 0)
    with suppress(OSError):
        connection.sendall(b"%*d" % (WIDTH, os.waitstatus_to_exitcode(status)))
    os._exit(0)


def _preload() -> None:
    sys.path[0] = str(Path(__file__).parents[1])
    for name in PRELOADED:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}.", onerror=lambda _: None):
            # Models, and the drivers that are not there, cannot be imported.
            with suppress(Exception):
                importlib.import_module(module.name)
    gc.collect()
    gc.freeze()


def _become(request: dict[str, Any]) -> None:
    """Make this process what a new Python in that directory and environment would be."""
    for number in SIGNALS:
        ignored = number in request["ignored"]
        signal.signal(number, signal.SIG_IGN if ignored else signal.SIG_DFL)
    if signal.SIGINT not in request["ignored"]:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    sys.dont_write_bytecode = "PYTHONDONTWRITEBYTECODE" in os.environ
    paths = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:] = [*map(os.path.abspath, paths), *sys.path[1:]]
    importlib.invalidate_caches()
    unbuffered = "PYTHONUNBUFFERED" in os.environ
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        buffering = 0 if unbuffered and number else -1
        binary = os.fdopen(number, "wb" if number else "rb", buffering, closefd=False)
        stream = io.TextIOWrapper(
            binary,
            encoding="utf-8",
            errors="backslashreplace" if name == "stderr" else "strict",
            line_buffering=name == "stderr" or binary.isatty(),
            write_through=unbuffered,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _leave(status: list[int]) -> None:
    """End this process after all functions of `atexit`, without what an interpreter tidies up.

    That would copy the memory which the process shares with the server: 37 ms for each command.
    """
    if status:
        # Files that the command has left open are written to their end.
        if (names := sys.modules["__main__"].__dict__) is not globals():
            names.clear()
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status[0])


def _run(args: list[str], status: list[int]) -> None:
    """Do what ``python *args`` does, and note the status if it is one that any process can have."""
    try:
        _execute(args)
    except KeyboardInterrupt:  # its process dies of the signal
        raise
    except SystemExit as error:
        if isinstance(error.code, int | None):
            status.append((error.code or 0) & 0xFF)
        raise
    except BaseException:
        status.append(1)
        raise
    status.append(0)


def _execute(args: list[str]) -> None:
    """Do what ``python *args`` does."""
    # The traceback of a command begins in the command: after the module that this is, and this.
    sys.excepthook = lambda kind, error, trace: sys.__excepthook__(
        kind, error.with_traceback(trace.tb_next.tb_next.tb_next), None
    )
    first, *rest = args
    if first == "-m":
        sys.argv = rest
        sys.path.insert(0, os.getcwd())
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        return
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    if first == "-c":
        source, name, sys.argv = rest[0], "<string>", ["-c", *rest[1:]]
        sys.path.insert(0, "")
    else:
        main.__file__ = os.path.abspath(first)
        with open(first, "rb") as file:
            source, name, sys.argv = file.read(), main.__file__, args
        sys.path.insert(0, os.path.dirname(name))
    exec(compile(source, name, "exec"), main.__dict__)


if __name__ == "__main__":
    _preload()
    request = _serve(socket.socket(fileno=int(sys.argv[1])))
    _become(request)
    status: list[int] = []
    atexit.register(_leave, status)
    _run(request["args"], status)
