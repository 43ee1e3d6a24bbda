"""A directory that ``dump2py`` has written: verified first, then tables of rows."""

from __future__ import annotations

import ast
import os
import stat
from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, cast

from dumpy.errors import FixtureError, Place
from dumpy.reading.fixture import TableRows
from dumpy.reading.relabelled import relabelled
from dumpy.reading.source import Source
from dumpy.text import manifest as manifests
from dumpy.text.directory import (
    Restore,
    interpret_program,
    interpret_restore,
    interpret_table,
)
from dumpy.text.emit import SAVED_ROW_SUFFIX, saved_row_prefix
from dumpy.text.manifest import RESTORE, FileEntry, Manifest, ManifestError, TableEntry
from dumpy.text.outline import SAVED, FormatError, Outline, parse, split
from dumpy.text.skeleton import CreateFunction, Extent, InlineRow, NotData

_BLOCK = 2**20
_LARGEST_MANIFEST = 64 * 2**20
_RESEAL = "If the change is meant, accept it: manage.py checkdump {} --reseal"


@dataclass(frozen=True)
class Directory:
    """A verified directory: its manifest, what ``restore.py`` says, and whether it was edited.

    The rows of create functions that are not in ``restore.functions`` are not in ``tables()``:
    they are what the functions of a program make of the ``blocks_of()`` their files.
    """

    path: Path
    manifest: Manifest
    source: Source
    restore: Restore
    is_edited: bool

    def tables(self) -> list[TableRows]:
        """Return the tables that ``restore.py`` lists, in its order; raises ``FixtureError``."""
        return [table for name in self.listed() for table in self.tables_of(name)]

    def listed(self) -> list[str]:
        """Return the files that ``restore.py`` lists; raises ``FixtureError`` for a strange one."""
        known = {entry.name for table in self.manifest.tables for entry in table.files}
        for name, line in self.restore.files.items():
            if name not in known:
                raise FixtureError(
                    self.source.place(line),
                    f"the file {name!r} is not in the manifest.",
                    "Name a file that dump2py has written.",
                )
        return list(self.restore.files)

    @property
    def unlisted(self) -> list[TableEntry]:
        """The tables with rows that ``restore.py`` does not list, or not all of them."""
        listed = set(self.restore.files)
        return [
            entry
            for entry in self.manifest.tables
            if entry.rows and not listed.issuperset(file.name for file in entry.files)
        ]

    def listing(self, names: object) -> Directory:
        """Return the directory with the files that a program lists; raises ``FixtureError``."""
        lines = self.restore.files
        line = next(iter(lines.values()), None)
        if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):
            hint = "List the names of files that dump2py has written."
            reason = f"TABLES is of type {type(names).__name__}, which is no list of texts."
            raise FixtureError(self.source.place(line), reason, hint)
        files = {name: lines.get(name, line or 1) for name in names}
        return replace(self, restore=replace(self.restore, files=files))

    def tables_of(self, name: str) -> list[TableRows]:
        """Return what the file of a name holds; raises ``FixtureError``."""
        source, parts = self._parts_of(name)
        names = dict.fromkeys(part.function for part in parts if not self._is_code(part))
        return [self._table(source, self.restore.functions[one], parts) for one in names]

    def blocks_of(self, name: str) -> Iterator[tuple[Source, Extent]]:
        """Yield the rows of a file whose create functions are code; raises ``FixtureError``."""
        source, parts = self._parts_of(name)
        for part in filter(self._is_code, parts):
            if isinstance(part, InlineRow):
                raise FixtureError(source.place(part.line), "a row must be on one line here.")
            yield source, part

    def _is_code(self, part: Extent | InlineRow) -> bool:
        return part.function not in self.restore.functions

    def _parts_of(self, name: str) -> tuple[Source, tuple[Extent | InlineRow, ...]]:
        source = open_plain(self.path / name)
        with source.file as file:
            stamp = _stamp(file.fileno())
            parts = _parts(source, None if self.restore.is_program else self.restore.functions)
        # There may be more files than a process may have open.
        late = cast(IO[bytes], _LateFile(self.path / name, stamp))
        return Source(late, source.name, source.path), parts

    def _table(
        self, source: Source, function: CreateFunction, parts: tuple[Extent | InlineRow, ...]
    ) -> TableRows:
        return TableRows(
            function,
            source,
            tuple(part for part in parts if part.function == function.name),
            self.source,
            listed_in="TABLES",
            prefix=saved_row_prefix,
            suffix=SAVED_ROW_SUFFIX,
            renamed=relabelled(self.restore.models),
        )


class _LateFile:
    """A file that is open only while it is read; raises ``FixtureError`` if it is another one."""

    def __init__(self, path: Path, stamp: tuple[int, ...]) -> None:
        self._path = path
        self._stamp = stamp
        self._position = 0

    def seek(self, position: int) -> int:
        self._position = position
        return position

    def read(self, size: int = -1) -> bytes:
        with open_plain(self._path).file as file:
            if _stamp(file.fileno()) != self._stamp:
                raise FixtureError(Place(str(self._path)), "it was changed while it was read.")
            file.seek(self._position)
            data = file.read(size)
        self._position += len(data)
        return data

    def close(self) -> None:
        """Do nothing: it is closed."""


def _stamp(descriptor: int) -> tuple[int, ...]:
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def read_directory(path: Path, *, is_run: bool = False) -> Directory:
    """Verify a directory against its manifest and return it; nothing of it is run.

    Raises ``FixtureError`` for a file that is missing, damaged or edited (but for ``restore.py``,
    which is there to be edited), for one that dump2py has not written, and for a ``restore.py``
    that is code, unless that ``is_run``.
    """
    manifest = read_manifest(path)
    for problem in damages(path, manifest):
        raise problem
    return understood(path, manifest, is_run=is_run)


def damages(path: Path, manifest: Manifest) -> Iterator[FixtureError]:
    """Yield an error for each file that is not what the manifest says."""
    yield from _strangers(path, manifest)
    for entry in (file for table in manifest.tables for file in table.files):
        place = Place(str(path / entry.name))
        try:
            problem = _difference(path, entry)
        except FixtureError as error:
            yield error
        else:
            if problem:
                yield FixtureError(place, problem, _RESEAL.format(path))


def _strangers(path: Path, manifest: Manifest) -> Iterator[FixtureError]:
    known = {file.name for table in manifest.tables for file in table.files} | {RESTORE}
    for found in sorted(path.glob("*.py")):
        if found.name not in known:
            hint = "Move it out of the directory."
            yield FixtureError(Place(str(found)), "it is not in the manifest.", hint)


def understood(path: Path, manifest: Manifest, *, is_run: bool = False) -> Directory:
    """Return a directory whose table files may be damaged; raises ``FixtureError``."""
    source = open_plain(path / RESTORE)
    is_edited = _difference(path, manifest.restore) is not None
    return Directory(path, manifest, source, _restore(source, is_run), is_edited)


def read_manifest(path: Path) -> Manifest:
    """Return the manifest of a directory; raises ``FixtureError``."""
    place = Place(str(path / manifests.NAME))
    text = _text_of_manifest(path / manifests.NAME)
    try:
        return manifests.from_text(text)
    except (ManifestError, TypeError, KeyError) as error:
        hint = "Take it from a copy of the dump, or make the dump again."
        raise FixtureError(place, str(error), hint) from error


def _text_of_manifest(path: Path) -> str:
    hint = "A dump that dump2py has finished has one."
    if path.parent.is_file():
        reason = "it is a file, not a directory that dump2py has written."
        raise FixtureError(Place(str(path.parent)), reason)
    try:
        with open_plain(path).file as file:
            data = file.read(_LARGEST_MANIFEST + 1)
        if len(data) > _LARGEST_MANIFEST:
            raise FixtureError(Place(str(path)), f"it has more than {_LARGEST_MANIFEST} bytes.")
        return data.decode()
    except FixtureError as error:
        reason = f"the manifest cannot be read: {error.reason}"
        raise FixtureError(error.place, reason, hint) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = f"the manifest cannot be read: {error}."
        raise FixtureError(Place(str(path)), reason, hint) from error


def open_plain(path: Path) -> Source:
    """Open a regular file, neither through a link nor a device; raises ``FixtureError``."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        reason = f"it cannot be opened: {error.strerror}."
        raise FixtureError(Place(str(path)), reason) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FixtureError(Place(str(path)), "it is no regular file.")
    return Source(os.fdopen(descriptor, "rb"), str(path), str(path))


def entry_of(path: Path) -> FileEntry:
    """Return size and digest of a file as they are now; raises ``FixtureError``."""
    digest, size = manifests.digest(), 0
    source = open_plain(path)
    with source.file as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return FileEntry(path.name, size, digest.hexdigest())


def _difference(path: Path, entry: FileEntry) -> str | None:
    """What is wrong with a file, or None."""
    if Path(entry.name).name != entry.name:
        return "its name is not that of a file in the directory."
    found = entry_of(path / entry.name)
    if found.size != entry.size:
        return f"it has {found.size} bytes, the manifest says {entry.size}: damaged or edited."
    if found.sha256 != entry.sha256:
        return "its content is not what the manifest says: damaged or edited."
    return None


def _restore(source: Source, is_run: bool) -> Restore:
    tree, outline = _tree(source)
    interpret = interpret_program if is_run else interpret_restore
    try:
        return interpret(tree, outline)
    except NotData as error:
        raise FixtureError(source.place(error.line), f"{error.reason} That is code.") from error


def _parts(source: Source, functions: Container[str] | None) -> tuple[Extent | InlineRow, ...]:
    tree, outline = _tree(source)
    try:
        return interpret_table(tree, outline, functions)
    except NotData as error:
        raise FixtureError(source.place(error.line), f"{error.reason} That is code.") from error


def _tree(source: Source) -> tuple[ast.Module, Outline]:
    source.file.seek(0)
    try:
        outline = split(source.lines(), SAVED)
        return parse(outline), outline
    except FormatError as error:
        raise FixtureError(source.place(error.line), error.reason) from error
