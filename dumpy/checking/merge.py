"""Three versions of a dump, put together row by row: what git asks of a merge driver.

The idea to merge by key and field is that of dolt.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, cmp_to_key
from pathlib import Path
from tempfile import TemporaryDirectory

from dumpy import reading
from dumpy.checking.diff import opened
from dumpy.errors import DumpyError, FixtureError
from dumpy.reading import Dump, DumpedTable
from dumpy.restoring.compare import Key, has_key, in_order, key_of
from dumpy.text.words import source

_ROWS = "    # mergedump puts the rows of {} here\n"
_IS_ROWS = re.compile(r"    # mergedump puts the rows of (create_\w+) here\n")
_OURS, _SPLIT, _THEIRS = "<<<<<<< ours\n", "=======\n", ">>>>>>> theirs\n"
Values = tuple[object, ...]


@dataclass(frozen=True)
class Merged:
    """The text of a merged dump, with a conflict marker around what both sides have changed."""

    text: str
    conflicts: int


def merge(base: Path, ours: Path, theirs: Path) -> Merged:
    """Merge two versions of a file that come from a common one.

    Rows are merged by key and field: there is a conflict where both sides have changed the same
    field of a row, or one has changed a row that the other has removed. Everything else of the
    file, and what is no dump, is merged by lines. Raises ``DumpyError``.
    """
    try:
        with opened(base) as one, opened(ours) as two, opened(theirs) as three:
            return _merged_dumps(_Side(one, base), _Side(two, ours), _Side(three, theirs))
    except FixtureError:
        return _merged_lines(*(_text(path) for path in (base, ours, theirs)))


@dataclass(frozen=True)
class _Block:
    """The lines of the rows of a create function, and their values by primary key."""

    lines: range
    rows: Mapping[Key, Values]


class _Side:
    """One version: its rows by create function, and its text."""

    def __init__(self, dump: Dump, path: Path) -> None:
        self.text = _text(path)
        self.tables: dict[str, DumpedTable] = {}
        self._repeated: set[str] = set()
        for table in dump.tables:
            name = table.function.name
            if name in self.tables:
                self._repeated.add(name)
            self.tables[name] = table

    @cached_property
    def blocks(self) -> dict[str, _Block]:
        """The rows of each create function that can be merged by rows."""
        names = self.tables.keys() - self._repeated
        found = {name: _block_of(self.tables[name], self._texts) for name in names}
        return {name: block for name, block in found.items() if block is not None}

    @cached_property
    def _texts(self) -> list[str]:
        return re.findall(r"[^\n]*\n|[^\n]+", self.text)

    def shape(self, name: str) -> object:
        """Return what must be the same in all versions whose rows are merged."""
        table = self.tables[name]
        return table.label, table.parameters, dict(table.fields)

    def rows(self, name: str) -> Mapping[Key, Values]:
        """Return the rows of a create function by their keys; none if there is no such function."""
        return self.blocks[name].rows if name in self.blocks else {}

    def without_rows(self, names: set[str]) -> str:
        """Return the text with one line for the rows of each of these create functions."""
        lines = list(self._texts)
        for name in names & self.blocks.keys():
            first, *others = self.blocks[name].lines
            lines[first - 1] = _ROWS.format(name)
            for number in others:
                lines[number - 1] = ""
        return "".join(lines)


def _block_of(table: DumpedTable, texts: Sequence[str]) -> _Block | None:
    """Return rows that are one block as dumpy writes it, None for others.

    They have their keys, none of them twice, and no comments among them.
    """
    rows = list(table.rows())
    if not rows or not has_key(table.label, table.fields):
        return None
    key = (table.fields[name] for name in key_of(table.label, list(table.fields)))
    where = [position for position in key if isinstance(position, int)]
    by_key = {tuple(row.values[i] for i in where): row.values for row in rows}
    lines = range(rows[0].line, rows[0].line + len(rows))
    is_block = [row.line for row in rows] == list(lines)
    name = table.function.name
    is_plain = all(texts[row.line - 1] == _line(name, row.values) for row in rows)
    is_whole = bool(where) and len(by_key) == len(rows)
    return _Block(lines, by_key) if is_block and is_plain and is_whole else None


def _merged_dumps(base: _Side, ours: _Side, theirs: _Side) -> Merged:
    sides = base, ours, theirs
    names = {name for side in sides for name in side.tables if _is_mergeable(name, sides)}
    skeleton = _merged_lines(*(side.without_rows(names) for side in sides))
    rows = {name: _Rows(name, *(side.rows(name) for side in sides)) for name in sorted(names)}
    placed = set(_IS_ROWS.findall(skeleton.text))
    if any(rows[name].lines for name in names - placed):
        # A side has removed the table, the other one has changed its rows.
        return _merged_lines(*(side.text for side in sides))
    text = _IS_ROWS.sub(lambda found: _text_of(rows.get(found[1]), found[0]), skeleton.text)
    conflicts = skeleton.conflicts + sum(one.conflicts for one in rows.values())
    if not conflicts:
        reading.open(text).close()  # What cannot be read again is merged by lines.
    return Merged(text, conflicts)


def _text_of(rows: _Rows | None, line: str) -> str:
    """Return merged rows, or a line that a person has written as it is."""
    return line if rows is None else "".join(rows.lines) or "    return\n"


def _is_mergeable(name: str, sides: Sequence[_Side]) -> bool:
    having = [side for side in sides if name in side.tables]
    is_same = all(side.shape(name) == having[0].shape(name) for side in having)
    return is_same and all(name in side.blocks for side in having)


class _Rows:
    """The merged rows of a create function, as ``lines``, and the number of ``conflicts``."""

    def __init__(
        self,
        name: str,
        base: Mapping[Key, Values],
        ours: Mapping[Key, Values],
        theirs: Mapping[Key, Values],
    ) -> None:
        self._name = name
        self.conflicts = 0
        self.lines: list[str] = []
        for key in sorted({*ours, *theirs}, key=cmp_to_key(in_order)):
            self.lines += self._merged(base.get(key), ours.get(key), theirs.get(key))

    def _merged(
        self, base: Values | None, ours: Values | None, theirs: Values | None
    ) -> Iterator[str]:
        if _is_same(ours, theirs) or _is_same(theirs, base):
            yield from self._line(ours)
        elif _is_same(ours, base):
            yield from self._line(theirs)
        elif base is None or ours is None or theirs is None:
            yield from self._conflict(ours, theirs)
        else:
            one, other = _merged_values(base, ours, theirs)
            yield from self._line(one) if _is_same(one, other) else self._conflict(one, other)

    def _line(self, values: Values | None) -> Iterator[str]:
        if values is not None:
            yield _line(self._name, values)

    def _conflict(self, ours: Values | None, theirs: Values | None) -> Iterator[str]:
        self.conflicts += 1
        yield _OURS
        yield from self._line(ours)
        yield _SPLIT
        yield from self._line(theirs)
        yield _THEIRS


def _line(name: str, values: Values) -> str:
    return f"    yield {name}({', '.join(map(source, values))})\n"


def _merged_values(base: Values, ours: Values, theirs: Values) -> tuple[Values, Values]:
    """Return a row as both sides would have it: equal unless both have changed a field."""
    one, other = list(ours), list(theirs)
    for i, value in enumerate(base):
        if _is_same((ours[i],), (value,)):
            one[i] = theirs[i]
        elif _is_same((theirs[i],), (value,)):
            other[i] = ours[i]
    return tuple(one), tuple(other)


def _is_same(one: Values | None, other: Values | None) -> bool:
    """Whether two rows are written alike: True is not 1, and a row is not its absence."""
    if one is None or other is None:
        return one is other
    return list(map(source, one)) == list(map(source, other))


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "surrogateescape")


def _merged_lines(base: str, ours: str, theirs: str) -> Merged:
    """Merge by lines, as git does it."""
    with TemporaryDirectory(prefix="dumpy-merge-") as directory:
        names = "ours", "base", "theirs"
        for name, text in zip(names, (ours, base, theirs), strict=True):
            (Path(directory) / name).write_bytes(text.encode("utf-8", "surrogateescape"))
        labels = [word for name in names for word in ("-L", name)]
        try:
            done = subprocess.run(
                ["git", "merge-file", "-p", *labels, *names],
                cwd=directory,
                capture_output=True,
                check=False,
            )
        except OSError as error:
            raise DumpyError(f"git cannot be run to merge the lines: {error}") from error
        if done.returncode > 127:
            raise DumpyError(f"git merge-file has failed: {done.stderr.decode().strip()}")
        return Merged(done.stdout.decode("utf-8", "surrogateescape"), done.returncode)
