"""What lies aside while it is made: a process holds the lock of its own, so that others know it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


@contextmanager
def locked_directory(prefix: str, suffix: str = "", parent: Path | None = None) -> Iterator[Path]:
    """Make a directory, in that of temporary files by default, which is gone in the end."""
    if fcntl is None:
        with tempfile.TemporaryDirectory(suffix, prefix, parent, True) as name:
            yield Path(name)
        return
    descriptor, name = _locked_new(lambda: _directory(prefix, suffix, parent))
    try:
        yield Path(name)
    finally:
        shutil.rmtree(name, ignore_errors=True)
        os.close(descriptor)


def locked_file(prefix: str, suffix: str, parent: Path) -> tuple[int, str]:
    """Return the descriptor of a new file, and its path."""
    return _locked_new(lambda: tempfile.mkstemp(suffix, prefix, parent))


def left_by_the_dead(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield files and directories whose lock nobody holds; each is locked meanwhile."""
    for path in paths:
        with suppress(OSError), locked(path):
            yield path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of what is there, whatever it will be called; raises ``OSError`` if taken."""
    descriptor = os.open(path, _FLAGS)
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


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
