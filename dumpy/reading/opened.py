"""A dump that a program reads row by row, without Django's settings and models."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dumpy.errors import FixtureError
from dumpy.reading import dump as dumps
from dumpy.reading.dump import Dump, DumpedTable


@dataclass(frozen=True)
class Table:
    """The rows of one model in a dump, of all files of a directory that have some.

    Attributes:
        label: the model, as ``app_label.ModelName``.
        fields: the names of the fields that each row has.
    """

    label: str
    fields: tuple[str, ...]
    _parts: tuple[DumpedTable, ...] = field(repr=False)

    def __len__(self) -> int:
        """Return the number of rows."""
        return sum(part.row_count for part in self._parts)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield each row: its values, by the name of the field, in the order of the file.

        A reference by natural key is a ``dumpy.dump.natural``, a many-to-many field is a list of
        keys. Raises ``FixtureError`` for a row that cannot be read.
        """
        for part in self._parts:
            for row in part.rows():
                yield {
                    name: row.values[at] if isinstance(at, int) else at.value
                    for name, at in part.fields.items()
                }


class OpenDump:
    """A dump that is open for reading; a context manager, which closes it.

    Attributes:
        version: the version of the project that was dumped, or None.
        migrations: the newest migration of each app at that time, by the label of the app.
        tables: the tables that have rows, in the order of loading; one for each model, but for a
            dump that was edited so that rows of a model have other fields than others.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._dump = dumps.open(Path(path))
        if self._dump.is_program:
            self._dump.close()
            place = self._dump.source.place(1)
            raise FixtureError(place, "it is a program: only data can be read without running it.")
        self.version: str | None = self._dump.version
        self.migrations: Mapping[str, str] = self._dump.migrations
        self.tables: tuple[Table, ...] = _tables(self._dump)

    def __enter__(self) -> OpenDump:
        """Return the dump."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the files."""
        self.close()

    def close(self) -> None:
        """Close the files."""
        self._dump.close()

    def verify(self) -> list[str]:
        """Return what is wrong with the files of a directory: nothing, if they are as written."""
        return [str(problem) for problem in self._dump.verify()]


def _tables(dump: Dump) -> tuple[Table, ...]:
    parts: dict[tuple[str, tuple[str, ...]], list[DumpedTable]] = {}
    for one in dump.tables:
        if not one.drops:
            parts.setdefault((one.label, tuple(one.fields)), []).append(one)
    return tuple(Table(label, fields, tuple(found)) for (label, fields), found in parts.items())


def open(path: str | os.PathLike[str]) -> OpenDump:
    """Return the dump at a path, a file or a directory, to be read row by row.

    Neither settings nor models are needed, and nothing of the dump is run. Raises ``FixtureError``
    for what is no dump, or a program.
    """
    return OpenDump(path)
