"""Temporary files and directories, each locked by its process so that leftovers can be told."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)

_ENDING = {getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n)}


@contextmanager
def locked_directory(prefix: str, suffix: str = "", parent: Path | None = None) -> Iterator[Path]:
    """Create a directory, by default among the temporary files, and remove it at the end."""
    if fcntl is None:
        with tempfile.TemporaryDirectory(suffix, prefix, parent, True) as name:
            yield Path(name)
        return
    name = ""
    try:
        with _uninterrupted():
            descriptor, name = _locked_new(lambda: _directory(prefix, suffix, parent))
        yield Path(name)
    finally:
        if name:
            shutil.rmtree(name, ignore_errors=True)
            os.close(descriptor)


@contextmanager
def locked_file(prefix: str, suffix: str, parent: Path) -> Iterator[tuple[int, str]]:
    """Create a file, and yield its descriptor and path; it is removed if the block fails."""
    name = ""
    try:
        with _uninterrupted():
            descriptor, name = _locked_new(lambda: tempfile.mkstemp(suffix, prefix, parent))
        yield descriptor, name
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise


def stale(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files and directories without a lock; each is locked meanwhile."""
    for path in paths:
        with suppress(OSError), locked(path):
            yield path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a path, even if it is renamed; raises ``OSError`` if it is locked."""
    descriptor = os.open(path, _FLAGS)
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Delay signals until it is known what has to be removed."""
    if fcntl is None:
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _locked_new(make: Callable[[], tuple[int, str]]) -> tuple[int, str]:
    while True:
        descriptor, name = make()
        # Somebody who removes leftovers can be faster than the lock.
        with suppress(BlockingIOError):
            _lock(descriptor)
            if os.path.exists(name):
                return descriptor, name
        os.close(descriptor)


def _directory(prefix: str, suffix: str, parent: Path | None) -> tuple[int, str]:
    while True:
        name = tempfile.mkdtemp(suffix, prefix, parent)
        with suppress(FileNotFoundError):
            return os.open(name, _FLAGS), name


def _lock(descriptor: int) -> None:
    if fcntl:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
