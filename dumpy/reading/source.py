"""Input of any kind as a binary file that can be read twice."""

from __future__ import annotations

import io
import os
import stat
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from lzma import LZMAError
from typing import IO, Any
from zipfile import BadZipFile, ZipFile

from dumpy.errors import FixtureError, Place
from dumpy.text.outline import MAX_SKELETON

_MEMORY = 8 * 2**20
_BLOCK = 2**20
_LINE = MAX_SKELETON + 1
_ROWS = (b"    yield create_", b"loader.save(create_")
_UNREADABLE = (OSError, EOFError, ValueError, BadZipFile, zlib.error, LZMAError)


@dataclass
class Source:
    """A fixture: ``file`` (binary, seekable), ``name`` for messages, ``path`` when it is a file."""

    file: IO[bytes]
    name: str
    path: str | None

    def lines(self) -> Iterator[bytes]:
        """Yield the lines from here on; one that is too long and no row comes in pieces."""
        for line in iter(partial(self.file.readline, _LINE), b""):
            is_cut = len(line) == _LINE and line.startswith(_ROWS)
            yield line + self.file.readline() if is_cut else line

    def place(self, line: int | None = None) -> Place:
        """Return a line of the fixture as a place for messages."""
        return Place(self.name, line)

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def open_source(given: object) -> Source:
    """Return a source for what ``deserialize`` was given: text, bytes, or a stream of either.

    What can be read only once is spooled to a temporary file as it is read: a bomb is not unpacked
    further than it is believed. When it has been read to its end, the stream may be closed.
    """
    if isinstance(given, str):
        return Source(io.BytesIO(_encoded(given, "<string>")), "<string>", None)
    if isinstance(given, bytes | bytearray | memoryview):
        return Source(io.BytesIO(bytes(given)), "<bytes>", None)
    return _open_stream(given)


def check_file(path: str) -> None:
    """Raise ``FixtureError`` for what is no regular file, or a zip file of several files."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise FixtureError(Place(path), "it is no regular file.")
        if path.endswith(".zip"):
            with ZipFile(path) as archive:
                archive.open(_only_member(archive)).close()
    except (OSError, BadZipFile, RuntimeError) as error:
        raise FixtureError(Place(path), f"it cannot be read: {error}") from error


def _open_stream(stream: Any) -> Source:
    name = _name(stream)
    path = os.path.realpath(name) if name and _is_open_on(stream, name) else None
    shown = os.path.relpath(path) if path and _is_below_here(path) else path or name or "<stream>"
    own = _own_file(stream)
    if own is None:
        own = io.BufferedReader(_Spool(_binary(stream), shown))
    return Source(own, shown, path)


def _name(stream: Any) -> str | None:
    if stream is sys.stdin:
        return "<stdin>"
    for attribute in ("name", "filename"):
        name = getattr(stream, attribute, None)
        if isinstance(name, str):
            return name
    # bz2 and lzma files do not tell their names before Python 3.13
    inner = getattr(stream, "_fp", None)
    return getattr(inner, "name", None) if isinstance(getattr(inner, "name", None), str) else None


def _is_open_on(stream: Any, path: str) -> bool:
    """Whether a stream reads the file at a path: a name alone is what an archive may call it."""
    with suppress(OSError, ValueError, AttributeError):
        file: Any = stream.fp if isinstance(stream, ZipFile) else stream
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    return False


def _is_below_here(path: str) -> bool:
    with suppress(OSError, ValueError):
        return os.path.commonpath([os.getcwd(), path]) == os.getcwd()
    return False


def _own_file(stream: Any) -> IO[bytes] | None:
    """A file of our own on the same open file, so that what is read twice is the same file."""
    if not isinstance(stream, io.BufferedReader) or not isinstance(stream.raw, io.FileIO):
        return None
    if not stream.seekable() or stream.tell() != 0:
        return None
    return os.fdopen(os.dup(stream.fileno()), "rb")


def _binary(stream: Any) -> Any:
    if isinstance(stream, ZipFile):
        return stream.open(_only_member(stream))
    return getattr(stream, "buffer", stream)


def _only_member(archive: ZipFile) -> str:
    names = archive.namelist()
    if len(names) != 1:
        raise FixtureError(
            Place(str(archive.filename)),
            f"the zip file holds {len(names)} files.",
            "It must hold exactly one.",
        )
    return names[0]


class _Spool(io.RawIOBase):
    """A stream that is read when it is needed, and kept in a temporary file to be read again."""

    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self._name = name
        self._kept = tempfile.SpooledTemporaryFile(max_size=_MEMORY)  # noqa: SIM115
        self._size = self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place that has been read."""
        self._position = offset + (self._position if whence == os.SEEK_CUR else 0)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Read on, from what is kept as far as it goes; raises ``FixtureError``."""
        if self._position == self._size:
            self._read_on()
        self._kept.seek(self._position)
        data = self._kept.read(len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        """Throw away what is kept."""
        self._kept.close()
        super().close()

    def _read_on(self) -> None:
        try:
            block = self._stream.read(_BLOCK)
        except _UNREADABLE as error:
            raise FixtureError(Place(self._name), f"it cannot be read: {error}") from error
        data = _encoded(block, self._name) if isinstance(block, str) else block
        self._kept.seek(self._size)
        self._size += self._kept.write(data)


def _encoded(text: str, name: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise FixtureError(Place(name, line), "a lone surrogate is not text.") from error
