"""Read the rows of a dump in a script, without Django's settings and models."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dumpy.errors import FixtureError
from dumpy.reading import dump as dumps
from dumpy.reading.dump import Dump, DumpedTable
from dumpy.text.skeleton import by_field


@dataclass(frozen=True)
class Table:
    """The rows of one model in a dump; ``len()`` gives their number.

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
        """Yield a dictionary for each row, its values by field name, in the order of the file.

        A reference by natural key is a ``dumpy.dump.Natural``, a many-to-many field a list of keys.
        Raises ``FixtureError`` for a row that cannot be read.
        """
        for part in self._parts:
            for row in part.rows():
                yield by_field(part.fields, row.values)


class OpenDump:
    """A dump that is open for reading, and a context manager that closes it.

    Attributes:
        version: the version of the project when the dump was made, or None.
        migrations: the newest migration of each app at that time, by app label.
        tables: a ``Table`` for each model that has rows, in the order of loading. After an edit,
            rows of one model with other fields than its other rows are a table of their own.
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
        """Return a sentence for each file of a directory that is missing, damaged, or edited."""
        return [str(problem) for problem in self._dump.verify()]


def _tables(dump: Dump) -> tuple[Table, ...]:
    parts: dict[tuple[str, tuple[str, ...]], list[DumpedTable]] = {}
    for table in dump.tables:
        if not table.drops:
            parts.setdefault((table.label, tuple(table.fields)), []).append(table)
    return tuple(Table(*key, tuple(tables)) for key, tables in parts.items())


def open(path: str | os.PathLike[str]) -> OpenDump:
    """Open a dump, a file or a directory, to read its rows.

    Needs neither settings nor models, and runs nothing of the dump. Raises ``FixtureError`` if the
    path is not a dump, or is a program.
    """
    return OpenDump(path)
