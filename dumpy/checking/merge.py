"""Merge two versions of a dump by primary key and field, as a merge driver for git.

Dolt, a database with versions, merges tables in the same way.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import cached_property, cmp_to_key
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from dumpy import reading
from dumpy.checking.diff import key_text, open_data
from dumpy.errors import DumpyError, FixtureError
from dumpy.loading.registry import TODAY
from dumpy.reading import Dump, DumpedTable
from dumpy.restoring.compare import Key, compare_keys, has_key, key_of
from dumpy.schema.tables import ModelType, table_of
from dumpy.text.words import source

_PLACEHOLDER = "    # mergedump puts the rows of {} here\n"
_IS_PLACEHOLDER = re.compile(r"    # mergedump puts the rows of (create_\w+) here\n")
_PARAMETERS = "  # mergedump: {}\n"
_IS_PARAMETERS = re.compile(r"  # mergedump: \w+(, \w+)*(?=\n)")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_OURS, _SPLIT, _THEIRS = "<<<<<<< ours\n", "=======\n", ">>>>>>> theirs\n"
# git writes this marker if merge.conflictStyle is diff3.
_BASE = "||||||| base\n"
Texts = tuple[str, ...]
"""The source of each value of a row; unlike the values, 1 and True are different."""


@dataclass(frozen=True)
class MergeResult:
    """A merged dump.

    Attributes:
        text: the dump, with markers around each conflict.
        conflicts: the number of conflicts.
        conflicting: the rows with conflicts, as ``app_label.ModelName(pk=…)``; rows that are merged
            by lines are not named.
        dangling: the references to rows that one version has removed, each with its line.
    """

    text: str
    conflicts: int
    conflicting: tuple[str, ...] = ()
    dangling: tuple[tuple[int, str], ...] = ()


def merge(base: Path, ours: Path, theirs: Path) -> MergeResult:
    """Merge two versions of the file ``base``.

    Rows are merged by key and field. It is a conflict if both versions change the same field of a
    row, or if one changes a row that the other removes. The rest of the file, and a file that is
    not a dump, is merged by lines. The result has the line ends of ``ours``. Raises ``DumpyError``.
    """
    paths = base, ours, theirs
    try:
        with ExitStack() as stack:
            dumps = [stack.enter_context(open_data(path)) for path in paths]
            result = _merge_dumps(*map(_Version, dumps, paths))
    except FixtureError:
        result = _merge_lines(*map(_text, paths))
    if _raw_text(ours).partition("\n")[0].endswith("\r"):
        return replace(result, text=result.text.replace("\n", "\r\n"))
    return result


@dataclass(frozen=True)
class _Block:
    """The rows of a create function: the numbers of their lines, and their values by key."""

    lines: range
    rows: Mapping[Key, Texts]


class _Version:
    """One version of a dump: its text, and its tables by create function."""

    def __init__(self, dump: Dump, path: Path) -> None:
        self.text = _text(path)
        self._lines = _LINE.findall(self.text)
        self.tables: dict[str, list[DumpedTable]] = {}
        for table in dump.tables:
            self.tables.setdefault(table.function.name, []).append(table)

    @cached_property
    def blocks(self) -> dict[str, _Block]:
        """The rows of each create function that can be merged by rows."""
        blocks = {name: self._block(name, tables) for name, tables in self.tables.items()}
        return {name: block for name, block in blocks.items() if block is not None}

    def _block(self, name: str, tables: Sequence[DumpedTable]) -> _Block | None:
        """Return the rows of a create function, None if they must be merged by lines.

        To be merged by rows, they are one block as dumpy writes it: with unique primary keys, and
        without comments.
        """
        (table, *others), rows = tables, list(tables[0].rows())
        positions = _key_positions(table)
        if others or not rows or not positions:
            return None
        by_key = {tuple(row.values[i] for i in positions): _texts(row.values) for row in rows}
        lines = range(rows[0].line, rows[0].line + len(rows))
        is_plain = self._lines[lines.start - 1 : lines.stop - 1] == [
            _line(name, _texts(row.values)) for row in rows
        ]
        return _Block(lines, by_key) if is_plain and len(by_key) == len(rows) else None

    def shape(self, name: str) -> object:
        """Return what must be equal in all versions to merge the rows of a create function."""
        table = self.tables[name][0]
        return table.label, table.parameters, dict(table.fields)

    def rows(self, name: str) -> Mapping[Key, Texts]:
        """Return the rows of a create function by key, none if there is no such function."""
        return self.blocks[name].rows if name in self.blocks else {}

    def without_rows(self, names: set[str], reordered: set[str]) -> str:
        """Return the text with a placeholder for the rows of each of these create functions.

        The rows of ``reordered`` functions end with a comment that names the parameters, so that
        the rows of two versions are never the same line.
        """
        lines = list(self._lines)
        for table in chain.from_iterable(self.tables.get(name, ()) for name in reordered):
            comment = _PARAMETERS.format(", ".join(table.parameters))
            for row in table.rows():
                lines[row.line - 1] = lines[row.line - 1].rstrip("\n") + comment
        for name in names & self.blocks.keys():
            first, *others = self.blocks[name].lines
            lines[first - 1] = _PLACEHOLDER.format(name)
            for number in others:
                lines[number - 1] = ""
        return "".join(lines)


def _merge_dumps(base: _Version, ours: _Version, theirs: _Version) -> MergeResult:
    versions = base, ours, theirs
    names = {name for v in versions for name in v.tables if _is_mergeable(name, versions)}
    reordered = {name for v in versions for name in v.tables if _is_reordered(name, versions)}
    skeleton = _merge_skeletons(versions, names, reordered)
    rows = {name: _merge_rows(name, versions) for name in sorted(names)}
    placed = set(_IS_PLACEHOLDER.findall(skeleton.text))
    if any(rows[name].text for name in names - placed):
        # One version has removed the table, and the other has changed its rows.
        return _merge_skeletons(versions, set(), reordered)

    def rows_for(match: re.Match[str]) -> str:
        """Return the merged rows for a placeholder; a line written by hand is kept."""
        return (rows[match[1]].text or "    return\n") if match[1] in rows else match[0]

    text = _IS_PLACEHOLDER.sub(rows_for, skeleton.text)
    conflicts = skeleton.conflicts + sum(result.conflicts for result in rows.values())
    removed = _removed_keys(names, base, ours, theirs)
    if not conflicts:  # a result that cannot be read raises FixtureError, and is merged by lines
        return MergeResult(text, 0, dangling=tuple(_dangling(text, removed)))
    dangling: set[tuple[int, str]] = set()
    for marker in (_OURS, _SPLIT):
        with suppress(FixtureError):  # with one side of each conflict, the dump may be invalid
            dangling |= set(_dangling(_resolve(text, marker), removed))
    conflicting = tuple(chain.from_iterable(result.conflicting for result in rows.values()))
    return MergeResult(text, conflicts, conflicting, tuple(sorted(dangling)))


def _merge_skeletons(
    versions: Sequence[_Version], names: set[str], reordered: set[str]
) -> MergeResult:
    """Merge versions by lines, without the rows of the create functions ``names``."""
    result = _merge_lines(*(version.without_rows(names, reordered) for version in versions))
    return replace(result, text=_IS_PARAMETERS.sub("", result.text)) if reordered else result


def _removed_keys(
    names: set[str], base: _Version, ours: _Version, theirs: _Version
) -> dict[str, set[str]]:
    """Return the source of the primary keys of rows that one version has removed, by model."""
    removed: dict[str, set[str]] = {}
    for name in names & base.blocks.keys():
        kept = ours.rows(name).keys() & theirs.rows(name).keys()
        keys = [source(key[0]) for key in base.rows(name) if key not in kept and len(key) == 1]
        removed.setdefault(base.tables[name][0].label, set()).update(keys)
    return removed


def _resolve(text: str, marker: str) -> str:
    """Return a text with one side of each conflict: the lines after ``marker``.

    The other lines are replaced with comments, so that line numbers stay the same.
    """
    lines, side = [], ""
    for line in _LINE.findall(text):
        is_marker = line == _OURS or (side and line in (_BASE, _SPLIT, _THEIRS))
        if is_marker:
            side = "" if line == _THEIRS else line
        lines.append("#\n" if is_marker or side not in ("", marker) else line)
    return "".join(lines)


def _dangling(text: str, removed: Mapping[str, set[str]]) -> Iterator[tuple[int, str]]:
    """Yield the references to removed rows, as far as the project has the models."""
    with reading.open(text) as dump:
        for table in dump.tables:
            model = TODAY.find(table.label)
            for name, label in _references(model) if model is not None else ():
                position = table.fields.get(name)
                if not removed.get(label) or not isinstance(position, int):
                    continue
                positions = _key_positions(table)
                for row in table.rows():
                    value = row.values[position]
                    for key in map(source, value if isinstance(value, list) else [value]):
                        if key in removed[label]:
                            pk = ", ".join(_texts(row.values[i] for i in positions))
                            yield (
                                row.line,
                                f"{table.label}{pk and f'(pk={pk})'}: {name} refers to "
                                f"{label}(pk={key}), which one side has removed.",
                            )


def _key_positions(table: DumpedTable) -> list[int]:
    """Return the positions of the primary key in a row, none for rows without a key."""
    names = list(table.fields)
    key = key_of(table.label, names) if has_key(table.label, names) else ()
    positions = (table.fields[name] for name in key)
    return [position for position in positions if isinstance(position, int)]


def _references(model: ModelType) -> Iterator[tuple[str, str]]:
    """Yield the fields whose values are primary keys of another model, and its label."""
    for name, column in table_of(model).references.items():
        if column.references is not None and column.parent_field.primary_key:
            yield name, column.references._meta.label


def _is_mergeable(name: str, versions: Sequence[_Version]) -> bool:
    """Whether the rows of a create function can be merged by rows in all versions that have it."""
    having = [version for version in versions if name in version.tables]
    is_same = all(version.shape(name) == having[0].shape(name) for version in having)
    return is_same and all(name in version.blocks for version in having)


def _is_reordered(name: str, versions: Sequence[_Version]) -> bool:
    """Whether a parameter of a create function has another position in one of the versions."""
    tables = [table for version in versions for table in version.tables.get(name, ())]
    places = {place for table in tables for place in enumerate(table.parameters)}
    return len({parameter for _position, parameter in places}) < len(places)


def _merge_rows(name: str, versions: Sequence[_Version]) -> MergeResult:
    """Merge the rows of a create function."""
    base, ours, theirs = (version.rows(name) for version in versions)
    (label, *_) = (version.tables[name][0].label for version in versions if name in version.tables)
    lines: list[str] = []
    conflicting: list[str] = []
    for key in sorted({*ours, *theirs}, key=cmp_to_key(compare_keys)):
        our, their = _merge_row(base.get(key), ours.get(key), theirs.get(key))
        if our == their:
            lines.append(_line(name, our))
        else:
            conflicting.append(f"{label}(pk={key_text(key)})")
            lines += [_OURS, _line(name, our), _SPLIT, _line(name, their), _THEIRS]
    return MergeResult("".join(lines), len(conflicting), tuple(conflicting))


def _merge_row(
    base: Texts | None, ours: Texts | None, theirs: Texts | None
) -> tuple[Texts | None, Texts | None]:
    """Merge the fields of a row; the two sides differ where both versions changed a field."""
    if ours == base:
        return theirs, theirs
    if theirs == base:
        return ours, ours
    if base is None or ours is None or theirs is None:
        return ours, theirs
    values = list(zip(base, ours, theirs, strict=True))
    return (
        tuple(their if our == old else our for old, our, their in values),
        tuple(our if their == old else their for old, our, their in values),
    )


def _texts(values: Iterable[object]) -> Texts:
    return tuple(map(source, values))


def _line(name: str, row: Texts | None) -> str:
    return "" if row is None else f"    yield {name}({', '.join(row)})\n"


def _text(path: Path) -> str:
    """Return the text of a file with the line ends of dumpy."""
    return _raw_text(path).replace("\r\n", "\n")


def _raw_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise DumpyError(f"{path}: it cannot be read: {error.strerror}.") from error


def _merge_lines(base: str, ours: str, theirs: str) -> MergeResult:
    """Merge texts by lines with ``git merge-file``."""
    with TemporaryDirectory(prefix="dumpy-merge-") as directory:
        names = "ours", "base", "theirs"
        for name, text in zip(names, (ours, base, theirs), strict=True):
            (Path(directory) / name).write_bytes(text.encode("utf-8", "surrogateescape"))
        options = [word for name in names for word in ("-L", name)]
        try:
            process = subprocess.run(
                ["git", "merge-file", "-p", *options, *names],
                cwd=directory,
                capture_output=True,
                check=False,
            )
        except OSError as error:
            raise DumpyError(f"git cannot be run to merge the lines: {error}") from error
        if process.returncode > 127:
            raise DumpyError(f"git merge-file has failed: {process.stderr.decode().strip()}")
        return MergeResult(process.stdout.decode("utf-8", "surrogateescape"), process.returncode)
