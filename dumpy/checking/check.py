"""Whether a directory is whole, and fits today's models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dumpy.errors import FixtureError, FixtureErrors
from dumpy.loading.loader import Loader
from dumpy.reading.directory import Directory, damages, read_manifest, understood
from dumpy.reading.fixture import TableRows
from dumpy.text.manifest import Manifest


@dataclass(frozen=True)
class Findings:
    """What a directory holds, whether ``restore.py`` was edited, and a sentence per problem."""

    manifest: Manifest
    is_edited: bool
    problems: tuple[str, ...]

    @property
    def rows(self) -> int:
        """How many rows all tables have."""
        return sum(table.rows for table in self.manifest.tables)


def check(path: Path, using: str) -> Findings:
    """Return what is wrong with a directory; raises ``FixtureError`` if it has no manifest."""
    manifest = read_manifest(path)
    damaged = list(damages(path, manifest))
    try:
        directory = understood(path, manifest)
    except FixtureError as error:
        return Findings(manifest, True, _sentences([*damaged, error]))
    misfits = _misfits(directory, {Path(error.place.file).name for error in damaged}, using)
    return Findings(manifest, directory.is_edited, _sentences([*damaged, *misfits]))


def _sentences(errors: list[FixtureError]) -> tuple[str, ...]:
    # The files of one table have the same create function, and the same trouble with it.
    return tuple(dict.fromkeys(map(str, errors)))


def _misfits(directory: Directory, damaged: set[str], using: str) -> Iterator[FixtureError]:
    """What ``restore.py`` says of the files that are whole."""
    known = {file.name for table in directory.manifest.tables for file in table.files}
    if set(directory.restore.files) <= known:
        tables = list[TableRows]()
        for name in directory.restore.files:
            try:
                tables += [] if name in damaged else directory.tables_of(name)
            except FixtureError as error:
                yield error
        yield from _unfit(tables, using)
    else:
        yield from _strangers(directory)


def _strangers(directory: Directory) -> Iterator[FixtureError]:
    try:
        directory.tables()
    except FixtureError as error:
        yield error


def _unfit(tables: list[TableRows], using: str) -> Iterator[FixtureError]:
    try:
        Loader(using).check(tables, is_built=False)
    except FixtureErrors as error:
        yield from error.errors
    except FixtureError as error:
        yield error
