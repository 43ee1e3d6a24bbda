"""A file that appears under its name only when it is complete; temporary files and directories.

Each of these is locked by its process, so that leftovers can be told.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)

_ENDING = {getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n)}

# The time of compression is kept out, so that the same data give the same bytes.
_COMPRESSIONS: dict[str, Callable[[IO[bytes]], Any]] = {
    ".gz": lambda file: gzip.GzipFile("", "wb", fileobj=file, mtime=0),
    ".bz2": lambda file: bz2.BZ2File(file, "wb"),
    ".xz": lambda file: lzma.LZMAFile(file, "wb"),  # noqa: SIM115
    ".lzma": lambda file: lzma.LZMAFile(file, "wb", format=lzma.FORMAT_ALONE),  # noqa: SIM115
}


@contextmanager
def replaced(path: Path) -> Iterator[IO[str]]:
    """Open a text file (UTF-8, ``\n``) that replaces ``path`` when the block succeeds.

    It is compressed if the name ends with gz, bz2, xz or lzma. If the block fails or the process is
    killed, the old file is kept. A new file is readable only for its owner.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        with named(target), target.open("wb") as device, _text(device, target) as stream:
            yield stream
        return
    with named(target), _aside(target) as stream:
        yield stream
    sync_directory(target.parent)


@contextmanager
def named(target: Path) -> Iterator[None]:
    """Let write errors, such as a full disk, name the target instead of the temporary file."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(target)) from error


@contextmanager
def _aside(target: Path) -> Iterator[IO[str]]:
    _remove_leftovers(target)
    with (
        locked_file(f".{target.name}.dumpy-", ".tmp", target.parent) as (descriptor, name),
        os.fdopen(descriptor, "wb") as file,
    ):
        with _text(file, target) as stream:
            yield stream
        file.flush()
        os.fsync(file.fileno())
        if target.exists():
            os.chmod(name, target.stat().st_mode & 0o777)
        os.replace(name, target)


@contextmanager
def _text(file: IO[bytes], target: Path) -> Iterator[IO[str]]:
    compress = _COMPRESSIONS.get(target.suffix)
    binary = compress(file) if compress else file
    stream = TextIOWrapper(binary, encoding="utf-8", newline="\n", write_through=False)
    try:
        yield stream
        stream.flush()
    finally:
        try:
            stream.detach()
        finally:
            # Left to the garbage collector, it would complain on stderr that its file is closed.
            if compress:
                binary.close()


def _remove_leftovers(target: Path) -> None:
    for leftover in stale(target.parent.glob(f".{escape(target.name)}.dumpy-*.tmp")):
        with suppress(OSError):
            leftover.unlink()


def sync_directory(directory: Path) -> None:
    """Flush the names in a directory to disk, if the system can."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def needs_ascii(stream: Any) -> bool:
    """Whether a text stream has an encoding other than UTF-8."""
    encoding = getattr(stream, "encoding", None)
    return isinstance(encoding, str) and codecs.lookup(encoding).name != "utf-8"


# Temporary files and directories


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
