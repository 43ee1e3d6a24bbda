"""Three versions of a dump, put together row by row: what git asks of a merge driver.

The idea to merge by key and field is that of dolt.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, cmp_to_key
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dumpy import reading
from dumpy.checking.diff import open_data
from dumpy.errors import DumpyError, FixtureError
from dumpy.loading.registry import TODAY
from dumpy.reading import Dump, DumpedTable
from dumpy.restoring.compare import Key, has_key, in_order, key_of
from dumpy.schema.tables import ModelType, table_of
from dumpy.text.words import source

_ROWS = "    # mergedump puts the rows of {} here\n"
_IS_ROWS = re.compile(r"    # mergedump puts the rows of (create_\w+) here\n")
_OURS, _SPLIT, _THEIRS = "<<<<<<< ours\n", "=======\n", ">>>>>>> theirs\n"
# As git has it where merge.conflictStyle is diff3.
_BASE = "||||||| base\n"
Texts = tuple[str, ...]
"""A row: the source of each of its values. True is not 1 so."""


@dataclass(frozen=True)
class Merged:
    """The text of a merged dump, with a conflict marker around what both sides have changed.

    ``dangling`` are the references to rows that a side has removed, each with its line.
    """

    text: str
    conflicts: int
    dangling: tuple[tuple[int, str], ...] = ()


def merge(base: Path, ours: Path, theirs: Path) -> Merged:
    """Merge two versions of a file that come from a common one.

    Rows are merged by key and field: there is a conflict where both sides have changed the same
    field of a row, or one has changed a row that the other has removed. Everything else of the
    file, and a file that is not a dump, is merged by lines. Raises ``DumpyError``.
    """
    try:
        with open_data(base) as one, open_data(ours) as two, open_data(theirs) as three:
            return _merged_dumps(_Side(one, base), _Side(two, ours), _Side(three, theirs))
    except FixtureError:
        return _merged_lines(*(_text(path) for path in (base, ours, theirs)))


@dataclass(frozen=True)
class _Block:
    """The lines of the rows of a create function, and the rows by primary key."""

    lines: range
    rows: Mapping[Key, Texts]


class _Side:
    """One version: its tables by create function, and its text."""

    def __init__(self, dump: Dump, path: Path) -> None:
        self.text = _text(path)
        self._texts = re.findall(r"[^\n]*\n|[^\n]+", self.text)
        self.tables: dict[str, list[DumpedTable]] = {}
        for table in dump.tables:
            self.tables.setdefault(table.function.name, []).append(table)

    @cached_property
    def blocks(self) -> dict[str, _Block]:
        """The rows of each create function that can be merged by rows."""
        found = {name: self._block(name, tables) for name, tables in self.tables.items()}
        return {name: block for name, block in found.items() if block is not None}

    def _block(self, name: str, tables: Sequence[DumpedTable]) -> _Block | None:
        """Return rows that are one block as dumpy writes it, None for others.

        They have their keys, none of them twice, and no comments among them.
        """
        (table, *others), rows = tables, list(tables[0].rows())
        if others or not rows or not has_key(table.label, table.fields):
            return None
        key = (table.fields[name] for name in key_of(table.label, list(table.fields)))
        where = [position for position in key if isinstance(position, int)]
        by_key = {tuple(row.values[i] for i in where): _texts(row.values) for row in rows}
        lines = range(rows[0].line, rows[0].line + len(rows))
        written = self._texts[lines.start - 1 : lines.stop - 1]
        is_plain = written == [_line(name, _texts(row.values)) for row in rows]
        return _Block(lines, by_key) if where and is_plain and len(by_key) == len(rows) else None

    def shape(self, name: str) -> object:
        """Return what must be the same in all versions whose rows are merged."""
        table = self.tables[name][0]
        return table.label, table.parameters, dict(table.fields)

    def rows(self, name: str) -> Mapping[Key, Texts]:
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


def _merged_dumps(base: _Side, ours: _Side, theirs: _Side) -> Merged:
    sides = base, ours, theirs
    names = {name for side in sides for name in side.tables if _is_mergeable(name, sides)}
    skeleton = _merged_lines(*(side.without_rows(names) for side in sides))
    rows = {name: _merged_rows(name, *(side.rows(name) for side in sides)) for name in names}
    placed = set(_IS_ROWS.findall(skeleton.text))
    if any(rows[name].text for name in names - placed):
        # A side has removed the table, the other one has changed its rows.
        return _merged_lines(*(side.text for side in sides))

    def text_of(found: re.Match[str]) -> str:
        """Return merged rows, or a line that a person has written as it is."""
        return (rows[found[1]].text or "    return\n") if found[1] in rows else found[0]

    text = _IS_ROWS.sub(text_of, skeleton.text)
    conflicts = skeleton.conflicts + sum(one.conflicts for one in rows.values())
    removed = _removed(names, sides)
    if not conflicts:  # What cannot be read again is merged by lines.
        return Merged(text, 0, tuple(_dangling(text, removed)))
    found: set[tuple[int, str]] = set()
    for kept in (_OURS, _SPLIT):
        with suppress(FixtureError):  # A side need not be what the rest of the file was before.
            found |= set(_dangling(_resolved(text, kept), removed))
    return Merged(text, conflicts, tuple(sorted(found)))


def _removed(names: set[str], sides: tuple[_Side, _Side, _Side]) -> dict[str, set[str]]:
    """Return the primary keys of rows that a side has removed, as source, by model."""
    base, ours, theirs = sides
    found: dict[str, set[str]] = {}
    for name in names & base.blocks.keys():
        kept = ours.rows(name).keys() & theirs.rows(name).keys()
        keys = [source(key[0]) for key in base.rows(name) if key not in kept and len(key) == 1]
        found.setdefault(base.tables[name][0].label, set()).update(keys)
    return found


def _resolved(text: str, kept: str) -> str:
    """Return a text as one side of its conflicts has it, what follows the mark ``kept``.

    The lines of the other side become comments, so that the lines keep their numbers.
    """
    lines, side = [], ""
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        is_mark = line == _OURS or (side and line in (_BASE, _SPLIT, _THEIRS))
        if is_mark:
            side = "" if line == _THEIRS else line
        lines.append("#\n" if is_mark or side not in ("", kept) else line)
    return "".join(lines)


def _dangling(text: str, removed: Mapping[str, set[str]]) -> Iterator[tuple[int, str]]:
    """Yield the references to removed rows, as far as the models of the project show them."""
    with reading.open(text) as dump:
        for table in dump.tables:
            model = TODAY.find(table.label)
            for name, label in _references(model) if model is not None else ():
                at = table.fields.get(name)
                if not removed.get(label) or not isinstance(at, int):
                    continue
                said = (
                    f"{table.label}: {name} refers to {label}(pk={{}}), which one side has removed."
                )
                for row in table.rows():
                    value = row.values[at]
                    keys = map(source, value if isinstance(value, list) else [value])
                    yield from (
                        (row.line, said.format(key)) for key in keys if key in removed[label]
                    )


def _references(model: ModelType) -> Iterator[tuple[str, str]]:
    """Yield the names of the fields that hold primary keys of a model, and its label."""
    for name, column in table_of(model).references.items():
        field: Any = column.field
        target = column.references
        if target is not None and field.target_field.primary_key:
            yield name, target._meta.label


def _is_mergeable(name: str, sides: Sequence[_Side]) -> bool:
    having = [side for side in sides if name in side.tables]
    is_same = all(side.shape(name) == having[0].shape(name) for side in having)
    return is_same and all(name in side.blocks for side in having)


def _merged_rows(
    name: str,
    base: Mapping[Key, Texts],
    ours: Mapping[Key, Texts],
    theirs: Mapping[Key, Texts],
) -> Merged:
    """Merge the rows of a create function."""
    lines: list[str] = []
    conflicts = 0
    for key in sorted({*ours, *theirs}, key=cmp_to_key(in_order)):
        one, other = _merged_row(base.get(key), ours.get(key), theirs.get(key))
        if one == other:
            lines.append(_line(name, one))
        else:
            conflicts += 1
            lines += [_OURS, _line(name, one), _SPLIT, _line(name, other), _THEIRS]
    return Merged("".join(lines), conflicts)


def _merged_row(
    base: Texts | None, ours: Texts | None, theirs: Texts | None
) -> tuple[Texts | None, Texts | None]:
    """Return a row as both sides would have it: alike, unless both have changed a field."""
    if ours == base:
        return theirs, theirs
    if theirs == base:
        return ours, ours
    if base is None or ours is None or theirs is None:
        return ours, theirs
    values = list(zip(base, ours, theirs, strict=True))
    return (
        tuple(other if one == was else one for was, one, other in values),
        tuple(one if other == was else other for was, one, other in values),
    )


def _texts(values: Iterable[object]) -> Texts:
    return tuple(map(source, values))


def _line(name: str, row: Texts | None) -> str:
    return "" if row is None else f"    yield {name}({', '.join(row)})\n"


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise DumpyError(f"{path}: it cannot be read: {error.strerror}.") from error


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
