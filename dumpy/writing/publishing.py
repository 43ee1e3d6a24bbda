"""Write files and directories that get their names only when they are complete.

Until then they have a temporary name and a lock; temporary files without a lock are leftovers.
"""

from __future__ import annotations

import bz2
import codecs
import ctypes
import gzip
import lzma
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any

from dumpy.errors import DumpFailed
from dumpy.text.manifest import NAME, RESTORE, FileEntry, digest, from_text
from dumpy.text.outline import is_program
from dumpy.text.strings import escape_non_ascii

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_TEMPORARY, _OLD = ".tmp", ".old"
_EXCHANGE = 2
_CURRENT_DIRECTORY = -100
_MAX_FIRST_LINE = 100
_SHOWN = 10
# Some C libraries have no function for the system call; these are its numbers on Linux.
_RENAMEAT2 = {"aarch64": 276, "ppc64le": 357, "riscv64": 276, "s390x": 347, "x86_64": 316}

# Without the time of compression, so that the same data give the same bytes.
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
        with _naming_errors(target), target.open("wb") as device, _text(device, target) as stream:
            yield stream
        return
    with _naming_errors(target), _temporary_file(target) as stream:
        yield stream
    _sync_directory(target.parent)


@contextmanager
def _naming_errors(target: Path) -> Iterator[None]:
    """Name the target instead of the temporary file in write errors, such as a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(target)) from error


@contextmanager
def _temporary_file(target: Path) -> Iterator[IO[str]]:
    for leftover in stale(_leftovers(target, _TEMPORARY)):
        with suppress(OSError):
            leftover.unlink()
    prefix = f".{target.name}.dumpy-"
    descriptor, name = _locked_new(lambda: tempfile.mkstemp(_TEMPORARY, prefix, target.parent))
    try:
        with os.fdopen(descriptor, "wb") as file:
            with _text(file, target) as stream:
                yield stream
            file.flush()
            os.fsync(file.fileno())
            if target.exists():
                os.chmod(name, target.stat().st_mode & 0o777)
            os.replace(name, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise


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
            # The garbage collector would print an error, because its file is closed by then.
            if compress:
                binary.close()


def _sync_directory(directory: Path) -> None:
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


def write_source(stream: Any) -> Callable[[str], object]:
    """Return the function that writes source to a text stream, in ASCII if it is not UTF-8."""
    if not needs_ascii(stream):
        return stream.write  # type: ignore[no-any-return]
    return lambda source: stream.write(escape_non_ascii(source))


@contextmanager
def published(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary directory, which replaces ``path`` when the block succeeds.

    If the block fails or the process is killed, the old content is kept. Raises ``DumpFailed`` if
    ``path`` may not be overwritten. Only the owner can read the directory.
    """
    target = Path(os.path.realpath(path))
    _remove_leftovers(target)
    _require_replaceable(target, overwrite)
    prefix = f".{target.name}.dumpy-"
    with _naming_errors(target), locked_directory(prefix, _TEMPORARY, target.parent) as temporary:
        yield temporary
        _sync_directory(temporary)
        # Another process may have been faster.
        _require_replaceable(target, overwrite)
        try:
            # In one step, if the system can; the old content then has the temporary name.
            if _is_free(target):
                os.replace(temporary, target)
            elif not _exchange(temporary, target):
                _replace_in_two_steps(temporary, target)
        except OSError:
            _require_replaceable(target, overwrite)
            raise
    _sync_directory(target.parent)


def holds_dump(path: Path) -> bool:
    """Whether a directory contains a dump; other programs write manifests, too."""
    try:
        with (path / RESTORE).open("rb") as file:
            first_line = file.readline(_MAX_FIRST_LINE)
        return (path / NAME).is_file() and is_program(first_line) is not None
    except OSError:
        return False


def _unknown_files(path: Path) -> list[str]:
    """Return the names of files in a dump that ``dump2py`` did not write, or that were changed."""
    known: set[str] = set()
    with suppress(ValueError):
        manifest = from_text((path / NAME).read_text(encoding="utf-8"))
        files = [manifest.restore, *(file for table in manifest.tables for file in table.files)]
        known = {NAME, "__pycache__", *(file.name for file in files if _is_unchanged(path, file))}
    return sorted(file.name for file in path.iterdir() if file.name not in known)


def _is_unchanged(path: Path, entry: FileEntry) -> bool:
    try:
        return sha256_of(path / entry.name) == entry.sha256
    except OSError:
        return False


def sha256_of(path: Path) -> str:
    """Return the digest of a file, which may be large; raises ``OSError``."""
    hasher = digest()
    with path.open("rb") as file:
        while data := file.read(2**20):
            hasher.update(data)
    return str(hasher.hexdigest())


def _require_replaceable(target: Path, overwrite: bool) -> None:
    if not target.parent.is_dir():
        raise DumpFailed(f"{target.parent} is not a directory. Create it first.")
    if _is_free(target):
        return
    if not holds_dump(target):
        raise DumpFailed(f"{target} exists and is not a dump. Choose another name, or remove it.")
    if not overwrite:
        raise DumpFailed(
            f"{target} already contains a dump. Use --overwrite (in code: overwrite=True) to "
            "replace it."
        )
    if unknown := _unknown_files(target):
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        raise DumpFailed(
            f"{target} contains files that dump2py did not write in this form: "
            f"{', '.join(unknown[:_SHOWN])}{more}. Nothing was replaced: move them out of it, or "
            "choose another name."
        )


def _is_free(target: Path) -> bool:
    return not target.exists() or (target.is_dir() and not any(target.iterdir()))


def _replace_in_two_steps(temporary: Path, target: Path) -> None:
    """Replace a dump in two steps.

    If the process is killed between them, the next process finds the old dump by its name, sees
    that it has no lock, and restores it.
    """
    old = temporary.with_suffix(_OLD)
    try:
        with locked(target):
            os.replace(target, old)
            try:
                os.replace(temporary, target)
            finally:
                _restore_or_mark(old, target)
    except BlockingIOError:
        raise DumpFailed(f"{target} is being replaced by another process.") from None


def _restore_or_mark(old: Path, target: Path) -> None:
    """Restore an old dump, or mark it for removal if there is a new one."""
    if _is_free(target):
        os.replace(old, target)
    elif holds_dump(target):
        os.replace(old, old.with_suffix(_TEMPORARY))


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two names in one step, if the system can."""
    old, new = os.fsencode(first), os.fsencode(second)
    try:
        library: Any = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            status = library.renamex_np(old, new, _EXCHANGE)
        elif hasattr(library, "renameat2"):
            status = library.renameat2(_CURRENT_DIRECTORY, old, _CURRENT_DIRECTORY, new, _EXCHANGE)
        else:
            directory, flag = ctypes.c_long(_CURRENT_DIRECTORY), ctypes.c_long(_EXCHANGE)
            number = ctypes.c_long(_RENAMEAT2[os.uname().machine])
            status = library.syscall(number, directory, old, directory, new, flag)
    except (OSError, AttributeError, TypeError, KeyError):
        return False
    return bool(status == 0)


def _remove_leftovers(target: Path) -> None:
    """Remove the leftovers of killed processes, except the only complete dump."""
    for suffix in (_TEMPORARY, _OLD, _TEMPORARY):
        for leftover in stale(_leftovers(target, suffix)):
            if suffix == _OLD:
                _restore_or_mark(leftover, target)
            else:
                shutil.rmtree(leftover, ignore_errors=True)


def _leftovers(target: Path, suffix: str) -> Iterable[Path]:
    return target.parent.glob(f".{escape(target.name)}.dumpy-*{suffix}")


# Temporary files and directories


@contextmanager
def locked_directory(prefix: str, suffix: str = "", parent: Path | None = None) -> Iterator[Path]:
    """Create a locked directory, by default a temporary one, and remove it at the end."""
    if fcntl is None:
        with tempfile.TemporaryDirectory(suffix, prefix, parent, True) as name:
            yield Path(name)
        return

    def make() -> tuple[int, str]:
        while True:
            name = tempfile.mkdtemp(suffix, prefix, parent)
            with suppress(FileNotFoundError):
                return os.open(name, _FLAGS), name

    descriptor, name = _locked_new(make)
    try:
        yield Path(name)
    finally:
        shutil.rmtree(name, ignore_errors=True)
        os.close(descriptor)


def _locked_new(make: Callable[[], tuple[int, str]]) -> tuple[int, str]:
    while True:
        descriptor, name = make()
        # Another process that removes leftovers can be faster than the lock.
        with suppress(BlockingIOError):
            _lock(descriptor)
            if os.path.exists(name):
                return descriptor, name
        os.close(descriptor)


def stale(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files and directories that have no lock; hold the lock of each meanwhile."""
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


def _lock(descriptor: int) -> None:
    if fcntl:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def temporary_database() -> sqlite3.Connection:
    """Open an SQLite database with a small cache and a file that is deleted at the end."""
    database = sqlite3.connect("", isolation_level=None)
    database.execute("PRAGMA journal_mode = OFF")
    return database
