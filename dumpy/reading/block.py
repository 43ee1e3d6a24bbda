"""The unit in which rows flow: many rows of one table at once, held as columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple

from dumpy.errors import Place


class Row(NamedTuple):
    """One row: its line in the file, its values by position, and the size of its text."""

    line: int
    values: tuple[object, ...]
    size: int


@dataclass(frozen=True)
class Block:
    """Rows of one create function, some 256 KB of them.

    Attributes:
        columns: for each position in a row, the values of all rows.
        lines: the line of each row in the file; a range unless there are comments in between.
        size: about how many bytes the text of the rows has.
        place_of: the place of a line.
    """

    columns: tuple[Sequence[object], ...]
    lines: Sequence[int]
    size: int
    place_of: Callable[[int], Place]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.lines)

    def place(self, index: int) -> Place:
        """Return the place of a row for messages."""
        return self.place_of(self.lines[index])

    def row(self, index: int) -> Row:
        """Return one row."""
        values = tuple([column[index] for column in self.columns])
        return Row(self.lines[index], values, self.size // len(self))

    def rows(self) -> Iterator[Row]:
        """Yield the rows in order."""
        values = zip(*self.columns, strict=True) if self.columns else repeat(())
        size = self.size // max(1, len(self))
        return (Row(line, one, size) for line, one in zip(self.lines, values))  # noqa: B905
