"""Input of any kind as a binary file that can be read twice."""

from __future__ import annotations

import io
import os
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from lzma import LZMAError
from typing import IO, Any, cast
from zipfile import BadZipFile, ZipFile

from dumpy.errors import FixtureError, Place

_MEMORY = 8 * 2**20
_BLOCK = 2**20
_UNREADABLE = (OSError, EOFError, ValueError, BadZipFile, zlib.error, LZMAError)


@dataclass
class Source:
    """A fixture: ``file`` (binary, seekable), ``name`` for messages, ``path`` when it is a file."""

    file: IO[bytes]
    name: str
    path: str | None

    def place(self, line: int | None = None) -> Place:
        """Return a line of the fixture as a place for messages."""
        return Place(self.name, line)

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def open_source(given: object) -> Source:
    """Return a source for what ``deserialize`` was given: text, bytes, or a stream of either.

    What can be read only once is spooled to a temporary file. The stream given may be closed
    afterwards: the source has its own.
    """
    if isinstance(given, str):
        return Source(io.BytesIO(_encoded(given, "<string>")), "<string>", None)
    if isinstance(given, bytes | bytearray | memoryview):
        return Source(io.BytesIO(bytes(given)), "<bytes>", None)
    return _open_stream(given)


def _open_stream(stream: Any) -> Source:
    name = _name(stream)
    path = os.path.realpath(name) if name and os.path.isfile(name) else None
    shown = os.path.relpath(path) if path and _is_below_here(path) else path or name or "<stream>"
    own = _own_file(stream)
    if own is None:
        with _binary(stream) as binary:
            own = _spool(binary, shown)
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


@contextmanager
def _binary(stream: Any) -> Iterator[Any]:
    if isinstance(stream, ZipFile):
        with stream.open(_only_member(stream)) as member:
            yield member
    elif hasattr(stream, "buffer"):
        yield stream.buffer
    else:
        yield stream


def _only_member(archive: ZipFile) -> str:
    names = archive.namelist()
    if len(names) != 1:
        raise FixtureError(
            Place(str(archive.filename)),
            f"the zip file holds {len(names)} files.",
            "It must hold exactly one.",
        )
    return names[0]


def _spool(stream: Any, name: str) -> IO[bytes]:
    spooled = tempfile.SpooledTemporaryFile(max_size=_MEMORY)  # noqa: SIM115
    try:
        while block := stream.read(_BLOCK):
            spooled.write(_encoded(block, name) if isinstance(block, str) else block)
    except _UNREADABLE as error:
        raise FixtureError(Place(name), f"it cannot be read: {error}") from error
    spooled.seek(0)
    return cast(IO[bytes], spooled)


def _encoded(text: str, name: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise FixtureError(Place(name, line), "a lone surrogate is not text.") from error
