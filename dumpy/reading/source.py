"""Read files and streams, and decide which files may run as programs."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import re
import stat
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile, ZipFile

from django.apps import apps
from django.conf import settings

from dumpy.conf import configuration
from dumpy.errors import FixtureError, Place
from dumpy.text.manifest import NAME, RESTORE
from dumpy.text.outline import FIRST_LINE, PROGRAM_LINE, SAVED, YIELDED, is_program

_MEMORY_BYTES = 8 * 2**20
_PAGE_BYTES = 2**18
_ALWAYS_UNPACKED = 64 * 2**20  # regardless of the ratio
_ROW_STARTS = tuple(f"{style.start}create_".encode() for style in (YIELDED, SAVED))
_UNREADABLE = (OSError, EOFError, ValueError, BadZipFile, zlib.error, lzma.LZMAError)
_OPENERS: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".lzma": lzma.open,
    ".zip": ZipFile,
}
_FIRST_LINE_BYTES = 200
_MARK = re.compile(rb"^# dumpy: (format|program|end)\b")
_allowed: ContextVar[frozenset[str]] = ContextVar("dumpy_allowed", default=frozenset())
_report: ContextVar[Callable[[str], object]] = ContextVar(
    "dumpy_report", default=lambda _line: None
)
PROGRAM_HINT = f"To run the file as a program, write {PROGRAM_LINE!r} as its first line."
"""The hint for a dump that contains code."""


class Source:
    """A file of a dump, which is refused if it changes while it is read.

    Attributes:
        name: the name in messages.
        path: the path, or None for a stream or text.
        sha256: the digest of the bytes that were read so far.
        size: the number of these bytes.
    """

    def __init__(
        self,
        open_file: Callable[[], AbstractContextManager[_File]],
        name: str,
        path: str | None,
        close: Callable[[], object] = lambda: None,
    ) -> None:
        self.name = name
        self.path = path
        self.sha256 = hashlib.sha256()
        self.size = 0
        self.close = close
        self._open = open_file
        self._digests: list[bytes] = []

    def first_line(self) -> bytes:
        """Return the first line, or the first page of a longer line."""
        page = next(self._pages(), b"")
        return page[: page.find(b"\n") + 1] or page

    def lines(self) -> Iterator[bytes]:
        """Yield the lines; raises ``FixtureError`` for a line that is too long."""
        limits = configuration()
        pieces, size, number = list[bytes](), 0, 1
        for page in self._pages():
            *lines, rest = page.split(b"\n")
            if lines:
                yield b"".join([*pieces, lines[0], b"\n"])
                yield from [line + b"\n" for line in lines[1:]]
                pieces, size, number = [], 0, number + len(lines)
            pieces.append(rest)
            size += len(rest)
            if size > limits.max_row_bytes or (
                size > limits.max_skeleton_bytes and not pieces[0].startswith(_ROW_STARTS)
            ):
                raise self._too_long(number, is_row=pieces[0].startswith(_ROW_STARTS))
        if size:
            yield b"".join(pieces)

    def whole_lines(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the lines between two positions in pieces, without the last newline of a piece."""
        position, pieces = start - start % _PAGE_BYTES, list[bytes]()
        for page in self._pages(start):
            data = page[max(0, start - position) : end - position]
            position += len(page)
            head, newline, tail = data.rpartition(b"\n")
            if newline:
                yield b"".join([*pieces, head])
                pieces = []
            pieces.append(tail)
            if position >= end:
                return
        raise self._changed()

    def text(self, limit: int) -> bytes:
        """Return the content of the file, but not much more than ``limit`` bytes."""
        pages, size = list[bytes](), 0
        for page in self._pages():
            pages.append(page)
            size += len(page)
            if size > limit:
                break
        return b"".join(pages)

    def read_all(self) -> None:
        """Read the rest of the file, to know the size and the digest."""
        for _page in self._pages(len(self._digests) * _PAGE_BYTES):
            pass

    def place(self, line: int | None = None) -> Place:
        """Return the place of a line for messages."""
        return Place(self.name, line)

    def _pages(self, start: int = 0) -> Iterator[bytes]:
        """Yield the pages of the file from a position on; raises ``FixtureError``."""
        number = start // _PAGE_BYTES
        with self._open() as file:
            while True:
                # Another iterator may have moved the position of the file.
                file.seek(number * _PAGE_BYTES)
                page = file.read(_PAGE_BYTES)
                self._check_page(number, page)
                if not page:
                    return
                yield page
                number += 1

    def _check_page(self, number: int, page: bytes) -> None:
        digest = hashlib.blake2b(page, digest_size=16).digest()
        if number < len(self._digests):
            if self._digests[number] != digest:
                raise self._changed()
            return
        self._digests.append(digest)
        self.sha256.update(page)
        self.size += len(page)

    def _changed(self) -> FixtureError:
        return FixtureError(self.place(), "it changed while it was read.", "Read it again.")

    def _too_long(self, number: int, *, is_row: bool) -> FixtureError:
        key = "MAX_ROW_BYTES" if is_row else "MAX_SKELETON_BYTES"
        limit = getattr(configuration(), key.lower())
        noun = "row" if is_row else "line, which is not a row,"
        reason = f"the {noun} has more than {limit} bytes."
        return FixtureError(
            self.place(number), reason, f"If this is intended, raise DUMPY[{key!r}]."
        )


def open_source(file: object) -> Source:
    """Return a source for text, bytes, a stream of either, or the path of a file.

    A stream that cannot be read again is copied to a temporary file while it is read, up to the
    limits of unpacked bytes. When it has been read to its end, the stream may be closed.
    """
    if isinstance(file, str):
        return _open_source(io.BytesIO(_encoded(file, "<string>")), "<string>", None)
    if isinstance(file, bytes | bytearray | memoryview):
        return _open_source(io.BytesIO(bytes(file)), "<bytes>", None)
    if isinstance(file, Path):
        check_file(str(file))
        stream = _OPENERS.get(file.suffix, partial(Path.open, mode="rb"))(file)
        return _stream_source(stream, stream.close)
    return _stream_source(file)


def file_source(path: Path) -> Source:
    """Return the source of a regular file, which is open only while it is read.

    A directory may have more files than a process can open. Raises ``FixtureError``.
    """
    return Source(partial(open_plain, path), str(path), str(path))


def open_plain(path: Path) -> IO[bytes]:
    """Open a regular file, but no link and no device; raises ``FixtureError``."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        reason = f"it cannot be opened: {error.strerror}."
        raise FixtureError(Place(str(path)), reason) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FixtureError(Place(str(path)), "it is not a regular file.")
    return os.fdopen(descriptor, "rb")


def check_file(path: str) -> None:
    """Raise ``FixtureError`` unless a path is a regular file; a zip file must hold one file."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise FixtureError(Place(path), "it is not a regular file.")
        if path.endswith(".zip"):
            with ZipFile(path) as archive:
                archive.open(_only_member(archive)).close()
    except (OSError, BadZipFile, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FixtureError(Place(path), f"it cannot be read: {reason}.") from error


def _open_source(
    file: _File, name: str, path: str | None, close: Callable[[], object] = lambda: None
) -> Source:
    """Return a source that keeps its file open."""

    def close_both() -> None:
        file.close()
        close()

    return Source(lambda: nullcontext(file), name, path, close_both)


def _stream_source(stream: Any, close: Callable[[], object] = lambda: None) -> Source:
    name = _name(stream)
    path = os.path.realpath(name) if name and _reads_file(stream, name) else None
    shown = os.path.relpath(path) if path and _is_below_cwd(path) else path or name or "<stream>"
    file: _File | None = _duplicate(stream)
    if file is None:
        packed = os.path.getsize(path) if path and not isinstance(stream, io.FileIO) else None
        file = _Spool(_binary(stream), shown, packed)
    return _open_source(file, shown, path, close)


def _name(stream: Any) -> str | None:
    if stream is sys.stdin:
        return "<stdin>"
    # The files of bz2 and lzma have no name before Python 3.13, but the files inside have.
    for file in (stream, getattr(stream, "_fp", None)):
        for attribute in ("name", "filename"):
            name = getattr(file, attribute, None)
            if isinstance(name, str):
                return name
    return None


def _reads_file(stream: Any, path: str) -> bool:
    """Whether a stream reads the file at a path, which may also be the name of another file."""
    with suppress(OSError, ValueError, AttributeError):
        file: Any = stream.fp if isinstance(stream, ZipFile) else stream
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    return False


def _is_below_cwd(path: str) -> bool:
    with suppress(OSError, ValueError):
        return os.path.commonpath([os.getcwd(), path]) == os.getcwd()
    return False


def _duplicate(stream: Any) -> IO[bytes] | None:
    """Return a duplicate of an open file, or None if the stream is not an unread file."""
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


class _Spool:
    """A stream that is copied to a temporary file while it is read, so that it can be read again.

    ``packed`` is the size of the compressed file, if the stream unpacks one.
    """

    def __init__(self, stream: Any, name: str, packed: int | None) -> None:
        self._stream = stream
        self._name = name
        self._file = tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES)  # noqa: SIM115
        self._size = self._position = 0
        self._is_complete = False
        limits = configuration()
        self._limit = limits.max_unpacked_bytes
        self._key = "MAX_UNPACKED_BYTES"
        ratio = limits.max_unpacked_ratio * (packed or 0)
        if packed is not None and max(ratio, _ALWAYS_UNPACKED) < self._limit:
            self._limit, self._key = max(ratio, _ALWAYS_UNPACKED), "MAX_UNPACKED_RATIO"

    def seek(self, offset: int) -> None:
        """Set the position."""
        self._position = offset

    def read(self, size: int) -> bytes:
        """Return bytes from the position on; raises ``FixtureError``."""
        while self._size < self._position + size and not self._is_complete:
            self._read_page()
        self._file.seek(self._position)
        return self._file.read(size)

    def close(self) -> None:
        """Close the temporary file."""
        self._file.close()

    def _read_page(self) -> None:
        try:
            block = self._stream.read(_PAGE_BYTES)
        except _UNREADABLE as error:
            raise FixtureError(Place(self._name), f"it cannot be read: {error}") from error
        data = _encoded(block, self._name) if isinstance(block, str) else block
        if self._size + len(data) > self._limit:
            reason = f"unpacked, it has more than {self._limit} bytes."
            hint = f"If this is intended, raise DUMPY[{self._key!r}]."
            raise FixtureError(Place(self._name), reason, hint)
        self._file.seek(self._size)
        self._size += self._file.write(data)
        self._is_complete = not data


_File = IO[bytes] | _Spool


def _encoded(text: str, name: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise FixtureError(Place(name, line), "a lone surrogate is not text.") from error


@contextmanager
def allow_programs(
    paths: Iterable[str], report: Callable[[str], object] | None = None
) -> Iterator[None]:
    """Allow the files at ``paths`` to run inside the block; ``report`` gets a line for each."""
    allowed_token = _allowed.set(_allowed.get() | {os.path.realpath(path) for path in paths})
    report_token = _report.set(report or _report.get())
    try:
        yield
    finally:
        _report.reset(report_token)
        _allowed.reset(allowed_token)


def announce(name: str) -> None:
    """Report that a file is run."""
    _report.get()(f"Running {name}")


def is_stray_program(path: str) -> bool:
    """Whether a path is a program outside of the fixtures directories."""
    real = os.path.realpath(path)
    if not real.endswith(".py") or not os.path.isfile(real):
        return False
    if os.path.dirname(real) in _fixture_directories(real):
        return False
    return is_program_file(real) is not False


def is_program_file(path: str | Path) -> bool | None:
    """Whether the first line of a file declares a program; None if the file is not a dump."""
    with open(path, "rb") as file:
        return is_program(file.readline(_FIRST_LINE_BYTES))


def require_first_line(path: str | Path) -> None:
    """Raise ``FixtureError`` for a dump without its first line, which must not run."""
    with open(path, "rb") as file:
        lines = iter(partial(file.readline, _PAGE_BYTES), b"")
        first = next(lines, b"")
        if is_program(first) is None and any(map(_MARK.match, chain([first], lines))):
            reason = f"it is a dump, but its first line is not {FIRST_LINE!r}."
            raise FixtureError(Place(str(path), 1), reason, "Write that line.")


def dump_directory(path: str | Path) -> Path | None:
    """Return the directory dump that a file belongs to, or None."""
    directory = Path(os.path.realpath(path) if os.path.islink(path) else path).parent
    if (directory / NAME).is_file() and (directory / RESTORE).is_file():
        return directory if is_program_file(path) is not None else None
    return None


def execution_hint(path: str | None) -> str | None:
    """Return None if a file may run, or else a hint how to allow it."""
    if not configuration().execute:
        return "DUMPY['EXECUTE'] is False, so no program may run."
    if path is None:
        return "Only files are run: save it in a fixtures directory and load it from there."
    real = os.path.realpath(path)
    if real in _allowed.get() or os.path.dirname(real) in _fixture_directories(real):
        return None
    return (
        "Programs run only from the fixtures directory of an app, from FIXTURE_DIRS, or if they "
        f"are named with their extension: loaddata {os.path.relpath(path)}"
    )


def _fixture_directories(path: str) -> Iterator[str]:
    """Yield the directory of ``path`` for each fixtures directory that contains it."""
    roots = [os.path.join(config.path, "fixtures") for config in apps.get_app_configs()]
    for root in map(os.path.realpath, [*roots, *map(str, settings.FIXTURE_DIRS)]):
        if path.startswith(root + os.sep):
            yield os.path.dirname(path)
