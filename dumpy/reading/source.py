"""The files and streams that dumps are read from, and which of them may be run as programs."""

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

_MEMORY = 8 * 2**20
_PAGE = 2**18
_FREE = 64 * 2**20  # So much is unpacked whatever the ratio.
_ROWS = tuple(f"{style.start}create_".encode() for style in (YIELDED, SAVED))
_UNREADABLE = (OSError, EOFError, ValueError, BadZipFile, zlib.error, lzma.LZMAError)
_OPENERS: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".lzma": lzma.open,
    ".zip": ZipFile,
}
_LONGEST = 200
_MARK = re.compile(rb"^# dumpy: (format|program|end)\b")
_named: ContextVar[frozenset[str]] = ContextVar("dumpy_named", default=frozenset())
_say: ContextVar[Callable[[str], object]] = ContextVar("dumpy_say", default=lambda sentence: None)
WAY_OUT = f"To run the file as a program, write {PROGRAM_LINE!r} as its first line."
"""What to do with a dump in which there is code."""


class Source:
    """A file of a dump.

    It is read a first time from its beginning to its end; what is read again must be the same.

    Attributes:
        name: what messages call the file.
        path: where it is, None for what is no file.
        sha256: the digest of all that was read the first time.
        size: how many bytes that were.
    """

    def __init__(
        self,
        opened: Callable[[], AbstractContextManager[_File]],
        name: str,
        path: str | None,
        close: Callable[[], object] = lambda: None,
    ) -> None:
        self.name = name
        self.path = path
        self.sha256 = hashlib.sha256()
        self.size = 0
        self.close = close
        self._opened = opened
        self._seals: list[bytes] = []

    def first_line(self) -> bytes:
        """Return the first line, or the first page of it."""
        page = next(self._pages(), b"")
        return page[: page.find(b"\n") + 1] or page

    def lines(self) -> Iterator[bytes]:
        """Yield the lines; raises ``FixtureError`` for one that is too long."""
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
                size > limits.max_skeleton_bytes and not pieces[0].startswith(_ROWS)
            ):
                raise self._too_long(number, is_row=pieces[0].startswith(_ROWS))
        if size:
            yield b"".join(pieces)

    def whole_lines(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the lines between two bytes, many at once, without the last line end."""
        position, pieces = start - start % _PAGE, list[bytes]()
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
        """Return all of a file that has no more bytes than the limit, else more than that."""
        pages, size = list[bytes](), 0
        for page in self._pages():
            pages.append(page)
            size += len(page)
            if size > limit:
                break
        return b"".join(pages)

    def read_all(self) -> None:
        """Read what was not read yet, for size and digest."""
        for _page in self._pages(len(self._seals) * _PAGE):
            pass

    def place(self, line: int | None = None) -> Place:
        """Return a line of the file as a place for messages."""
        return Place(self.name, line)

    def _pages(self, start: int = 0) -> Iterator[bytes]:
        """Yield the pages of the file from that with a byte; raises ``FixtureError``."""
        number = start // _PAGE
        with self._opened() as file:
            while True:
                # Others may read the file in between.
                file.seek(number * _PAGE)
                page = file.read(_PAGE)
                self._seal(number, page)
                if not page:
                    return
                yield page
                number += 1

    def _seal(self, number: int, page: bytes) -> None:
        seal = hashlib.blake2b(page, digest_size=16).digest()
        if number < len(self._seals):
            if self._seals[number] != seal:
                raise self._changed()
            return
        self._seals.append(seal)
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


def open_source(given: object) -> Source:
    """Return a source for text, bytes, a stream of either, or the path of a file.

    What can be read only once is spooled to a temporary file as it is read: a bomb is not unpacked
    further than it is believed. When it has been read to its end, the stream may be closed.
    """
    if isinstance(given, str):
        return _kept(io.BytesIO(_encoded(given, "<string>")), "<string>", None)
    if isinstance(given, bytes | bytearray | memoryview):
        return _kept(io.BytesIO(bytes(given)), "<bytes>", None)
    if isinstance(given, Path):
        check_file(str(given))
        stream = _OPENERS.get(given.suffix, partial(Path.open, mode="rb"))(given)
        return _of_stream(stream, stream.close)
    return _of_stream(given)


def file_source(path: Path) -> Source:
    """Return a regular file of a directory, opened only while it is read.

    There may be more files than a process may have open. Raises ``FixtureError``.
    """
    return Source(partial(open_plain, path), str(path), str(path))


def open_plain(path: Path) -> IO[bytes]:
    """Open a regular file, neither through a link nor a device; raises ``FixtureError``."""
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
    """Raise ``FixtureError`` for what is no regular file, or a zip file of several files."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise FixtureError(Place(path), "it is not a regular file.")
        if path.endswith(".zip"):
            with ZipFile(path) as archive:
                archive.open(_only_member(archive)).close()
    except (OSError, BadZipFile, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FixtureError(Place(path), f"it cannot be read: {reason}.") from error


def _kept(
    file: _File, name: str, path: str | None, close: Callable[[], object] = lambda: None
) -> Source:
    """A source that is open until it is closed."""

    def close_both() -> None:
        file.close()
        close()

    return Source(lambda: nullcontext(file), name, path, close_both)


def _of_stream(stream: Any, close: Callable[[], object] = lambda: None) -> Source:
    name = _name(stream)
    path = os.path.realpath(name) if name and _is_open_on(stream, name) else None
    shown = os.path.relpath(path) if path and _is_below_here(path) else path or name or "<stream>"
    own: _File | None = _own_file(stream)
    if own is None:
        packed = os.path.getsize(path) if path and not isinstance(stream, io.FileIO) else None
        own = _Spool(_binary(stream), shown, packed)
    return _kept(own, shown, path, close)


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


class _Spool:
    """A stream that is read when it is needed, and kept in a temporary file to be read again.

    ``packed`` is the size of the compressed file that it comes from.
    """

    def __init__(self, stream: Any, name: str, packed: int | None) -> None:
        self._stream = stream
        self._name = name
        self._kept = tempfile.SpooledTemporaryFile(max_size=_MEMORY)  # noqa: SIM115
        self._size = self._position = 0
        self._is_whole = False
        limits = configuration()
        self._limit = limits.max_unpacked_bytes
        self._key = "MAX_UNPACKED_BYTES"
        ratio = limits.max_unpacked_ratio * (packed or 0)
        if packed is not None and max(ratio, _FREE) < self._limit:
            self._limit, self._key = max(ratio, _FREE), "MAX_UNPACKED_RATIO"

    def seek(self, offset: int) -> None:
        """Go to a place."""
        self._position = offset

    def read(self, size: int) -> bytes:
        """Return what is kept, which is read first as far as it goes; raises ``FixtureError``."""
        while self._size < self._position + size and not self._is_whole:
            self._read_on()
        self._kept.seek(self._position)
        return self._kept.read(size)

    def close(self) -> None:
        """Throw away what is kept."""
        self._kept.close()

    def _read_on(self) -> None:
        try:
            block = self._stream.read(_PAGE)
        except _UNREADABLE as error:
            raise FixtureError(Place(self._name), f"it cannot be read: {error}") from error
        data = _encoded(block, self._name) if isinstance(block, str) else block
        if self._size + len(data) > self._limit:
            reason = f"unpacked, it has more than {self._limit} bytes."
            hint = f"If this is intended, raise DUMPY[{self._key!r}]."
            raise FixtureError(Place(self._name), reason, hint)
        self._kept.seek(self._size)
        self._size += self._kept.write(data)
        self._is_whole = not data


_File = IO[bytes] | _Spool


def _encoded(text: str, name: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise FixtureError(Place(name, line), "a lone surrogate is not text.") from error


@contextmanager
def named(paths: Iterable[str], say: Callable[[str], object] | None = None) -> Iterator[None]:
    """Let files run that a person has named with their ``.py``, for the time of the block.

    ``say`` is told what is run.
    """
    names = _named.set(_named.get() | {os.path.realpath(path) for path in paths})
    told = _say.set(say or _say.get())
    try:
        yield
    finally:
        _say.reset(told)
        _named.reset(names)


def announce(name: str) -> None:
    """Say that a file is run."""
    _say.get()(f"Running {name}")


def is_stray_program(path: str) -> bool:
    """Whether a file is a Python program, not a dump, outside of the fixtures directories."""
    real = os.path.realpath(path)
    if not real.endswith(".py") or not os.path.isfile(real):
        return False
    return os.path.dirname(real) not in _fixture_directories(real) and program_at(real) is not False


def program_at(path: str | Path) -> bool | None:
    """Whether the first line of a file makes it a program; None if it is not a dump."""
    with open(path, "rb") as file:
        return is_program(file.readline(_LONGEST))


def require_first_line(path: str | Path) -> None:
    """Raise ``FixtureError`` for a dump without its first line: such a file is never run."""
    with open(path, "rb") as file:
        # By line, so that no mark is cut in two.
        lines = iter(partial(file.readline, _PAGE), b"")
        first = next(lines, b"")
        if is_program(first) is None and any(map(_MARK.match, chain([first], lines))):
            reason = f"it is a dump, but its first line is not {FIRST_LINE!r}."
            raise FixtureError(Place(str(path), 1), reason, "Write that line.")


def dump_of(path: str | Path) -> Path | None:
    """Return the directory of the dump that a file belongs to, None for what stands alone."""
    directory = Path(os.path.realpath(path) if os.path.islink(path) else path).parent
    if (directory / NAME).is_file() and (directory / RESTORE).is_file():
        return directory if program_at(path) is not None else None
    return None


def why_not(path: str | None) -> str | None:
    """Return None if the file may be run, else what to do so that it may."""
    if not configuration().execute:
        return "DUMPY['EXECUTE'] is False, so no program may run."
    if path is None:
        return "Only files are run: save it in a fixtures directory and load it from there."
    real = os.path.realpath(path)
    if real in _named.get() or os.path.dirname(real) in _fixture_directories(real):
        return None
    return (
        "Programs run only from the fixtures directory of an app, from FIXTURE_DIRS, or if they "
        f"are named with their extension: loaddata {os.path.relpath(path)}"
    )


def _fixture_directories(path: str) -> Iterator[str]:
    """The directories of fixtures, and those below them that hold ``path``."""
    roots = [os.path.join(config.path, "fixtures") for config in apps.get_app_configs()]
    for root in map(os.path.realpath, [*roots, *map(str, settings.FIXTURE_DIRS)]):
        if path.startswith(root + os.sep):
            yield os.path.dirname(path)
