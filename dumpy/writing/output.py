"""A file that appears under its name only when it is complete."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any

from dumpy.writing.aside import locked_file, stale

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
