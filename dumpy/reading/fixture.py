"""A fixture: tables of rows when it is data, a program when it is not."""

from __future__ import annotations

import ast
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import IO, Any, NamedTuple

from dumpy.errors import FixtureError, Place
from dumpy.reading.block import Block, Row
from dumpy.reading.execution import why_not
from dumpy.reading.relabelled import relabelled
from dumpy.reading.source import Source
from dumpy.text.emit import ROW_SUFFIX, row_prefix
from dumpy.text.outline import MAX_SKELETON
from dumpy.text.scanner import RowError, RowIsCode, RowScanner
from dumpy.text.skeleton import (
    FIRST_LINE,
    Constant,
    CreateFunction,
    Extent,
    FormatError,
    InlineRow,
    NotData,
    Section,
    Skeleton,
    interpret,
    parse,
    split,
)
from dumpy.text.words import Natural

_BLOCK = 2**18
_BEGINNING = re.compile(rb"^%s\r?$" % FIRST_LINE.encode(), re.MULTILINE)
_FIRST_WORDS = FIRST_LINE.rsplit(" ", 1)[0].encode()


class CodeRow(NamedTuple):
    """A row that is code: its line in the file and its text."""

    line: int
    text: str


@dataclass(frozen=True)
class TableRows:
    """Rows of one create function: data that can be read as often as needed.

    They are the ``parts`` of ``source``. The ``function`` is in ``skeleton``; a migrator may have
    changed it (``is_migrated``), and put real code into its place (``create``). ``renamed`` tells
    how a reference by natural key reads today. The other fields say how rows are written, those of
    a module by default.
    """

    function: CreateFunction
    source: Source
    parts: tuple[Extent | InlineRow, ...]
    skeleton: Source
    is_migrated: bool = False
    create: Callable[..., Any] | None = None
    renamed: Callable[[Natural], Natural] | None = None
    listed_in: str = "objects()"
    prefix: Callable[[str], str] = row_prefix
    suffix: str = ROW_SUFFIX

    @property
    def label(self) -> str:
        """The label of the model, ``""`` where rows are dropped."""
        return self.function.model

    @property
    def fields(self) -> Mapping[str, int | Constant]:
        """The position of the value of each field in a row, or a constant."""
        return self.function.fields

    @property
    def field_lines(self) -> Mapping[str, int]:
        """The line of each field in the create function."""
        return self.function.field_lines

    @property
    def line(self) -> int:
        """The line of the create function."""
        return self.function.line

    @property
    def parameters(self) -> tuple[str, ...]:
        """What the create function calls the values of a row."""
        return self.function.parameters

    @property
    def drops(self) -> bool:
        """Whether the create function returns nothing."""
        return self.function.drops

    @property
    def width(self) -> int:
        """How many values a row has."""
        return len(self.parameters)

    def place(self, line: int) -> Place:
        """Return the line of a row as a place for messages."""
        return self.source.place(line)

    def skeleton_place(self, line: int) -> Place:
        """Return a line of the create function as a place for messages."""
        return self.skeleton.place(line)

    def rows(self) -> Iterator[Row]:
        """Yield the rows that are data, in the order of the file; raises ``FixtureError``."""
        return (row for row in self.entries() if isinstance(row, Row))

    def entries(self) -> Iterator[Row | CodeRow]:
        """Yield all rows in the order of the file; raises ``FixtureError``.

        A row that is code is an error where code may not run.
        """
        if self.renamed is None:
            return self._entries()
        return (_renamed(entry, self.renamed) for entry in self._entries())

    def blocks(self) -> Iterator[Block]:
        """Yield the rows in the order of the file, many at once; raises ``FixtureError``."""
        for part in self.parts:
            if isinstance(part, InlineRow):
                row = self._sized(part.line, part.values, 0)
                yield self._block([(value,) for value in row.values], [row.line], 0)
            else:
                yield from self._blocks_of(part)

    def _blocks_of(self, extent: Extent) -> Iterator[Block]:
        scanner = RowScanner(self.prefix(extent.function), self.suffix)
        for lines, texts in _row_lines(self.source, extent):
            columns = scanner.scan_lines(texts)
            if columns is None or len(columns) != self.width:
                rows = [self._scanned(scanner, *one) for one in zip(lines, texts, strict=True)]
                columns = list(zip(*rows, strict=True))
            yield self._block(columns, lines, sum(map(len, texts)))

    def _block(self, columns: Sequence[Sequence[object]], lines: Sequence[int], size: int) -> Block:
        rename = self.renamed
        if rename is not None:
            columns = [[map_references(value, rename) for value in column] for column in columns]
        return Block(tuple(columns), lines, size, self.source.place)

    def _scanned(self, scanner: RowScanner, line: int, text: str) -> tuple[object, ...]:
        try:
            return self._sized(line, scanner.scan(text), len(text)).values
        except RowIsCode as error:
            raise refused(self.source, line, error.reason) from error
        except RowError as error:
            raise FixtureError(self.place(line), error.reason) from error

    def _entries(self) -> Iterator[Row | CodeRow]:
        for part in self.parts:
            if isinstance(part, InlineRow):
                yield self._sized(part.line, part.values, 0)
            else:
                yield from self._rows_of_block(part)

    def _rows_of_block(self, block: Extent) -> Iterator[Row | CodeRow]:
        width = self.width
        scanner = RowScanner(self.prefix(block.function), self.suffix)
        for line, text in lines_of_block(self.source, block):
            try:
                values = scanner.scan(text)
            except RowIsCode as error:
                if why_not(self.source.path) is not None:
                    raise refused(self.source, line, error.reason) from error
                yield CodeRow(line, text)
                continue
            except RowError as error:
                raise FixtureError(self.place(line), error.reason) from error
            if len(values) != width:
                self._sized(line, values, 0)
            yield Row(line, values, len(text))

    def _sized(self, line: int, values: tuple[object, ...], size: int) -> Row:
        if len(values) != self.width:
            raise FixtureError(
                self.place(line),
                f"the row has {len(values)} values, its create function takes {self.width}.",
                f"See the function at {self.skeleton_place(self.line)}.",
            )
        return Row(line, values, size)


def _renamed(entry: Row | CodeRow, rename: Callable[[Natural], Natural]) -> Row | CodeRow:
    if isinstance(entry, CodeRow):
        return entry
    return entry._replace(values=tuple(map_references(value, rename) for value in entry.values))


def map_references(value: Any, change: Callable[[Natural], Natural]) -> Any:
    """Return a value with its references by natural key changed, be it one, or a list of them."""
    if isinstance(value, list):
        return [change(one) if isinstance(one, Natural) else one for one in value]
    return change(value) if isinstance(value, Natural) else value


@dataclass(frozen=True)
class EditedDump:
    """A dump that somebody has put code into; ``reason`` says what the code is, and where."""

    source: Source
    tree: ast.Module
    blocks: tuple[Extent, ...]
    reason: str = ""


@dataclass(frozen=True)
class Dump:
    """A dump that is data: its skeleton, and its tables in order.

    ``program`` is the same as a program, for single rows that are code.
    """

    skeleton: Skeleton
    tables: tuple[TableRows, ...]
    program: EditedDump

    @property
    def version(self) -> str | None:
        """The version of the project that it was made of."""
        return self.skeleton.version

    @property
    def migrations(self) -> Mapping[str, str]:
        """The last migration of each app at that time."""
        return self.skeleton.migrations


@dataclass(frozen=True)
class HandWritten:
    """A fixture that is a program by nature."""

    source: Source


def read_fixture(source: Source) -> Dump | EditedDump | HandWritten:
    """Return what a fixture is, having run nothing of it.

    Raises ``FixtureError`` if it is damaged, or if it is a program and may not be run.
    """
    source.file.seek(0)
    first = source.file.readline(_BLOCK)
    if first.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise FixtureError(source.place(1), "it is UTF-16.", "Save it as UTF-8.")
    if _FIRST_WORDS not in first:
        return _hand_written(source)
    source.file.seek(0)
    try:
        outline = split(source.lines())
        tree = parse(outline)
    except FormatError as error:
        raise FixtureError(source.place(error.line), error.reason) from error
    program = EditedDump(source, tree, outline.blocks)
    try:
        skeleton = interpret(tree, outline)
    except NotData as error:
        if why_not(source.path) is not None:
            raise refused(source, error.line, error.reason) from error
        place = source.place(error.line)
        return EditedDump(source, tree, outline.blocks, f"{place}: {error.reason}")
    tables = [
        table for section in skeleton.sections for table in _tables(source, section, skeleton)
    ]
    return Dump(skeleton, tuple(tables), program)


def refused(source: Source, line: int | None, reason: str) -> FixtureError:
    """Return the error of a fixture that is a program and may not be run."""
    hint = why_not(source.path) or ""
    return FixtureError(source.place(line), f"{reason} That is code, which is not run here.", hint)


def lines_of_block(source: Source, block: Extent) -> Iterator[tuple[int, str]]:
    """Yield the number and the text of each row line; others may read the file in between."""
    for lines, texts in _row_lines(source, block):
        yield from zip(lines, texts, strict=True)


def _row_lines(source: Source, extent: Extent) -> Iterator[tuple[Sequence[int], list[str]]]:
    """Yield the numbers and the texts of row lines, some 256 KB at once."""
    first = extent.first_line
    for data in _whole_lines(source.file, extent):
        text = _decoded(source, first, data)
        texts = (text.replace("\r\n", "\n").removesuffix("\r") if "\r" in text else text).split(
            "\n"
        )
        lines: Sequence[int] = range(first, first + len(texts))
        first += len(texts)
        if not all(map(_is_row, texts)):
            rows = [(line, one) for line, one in zip(lines, texts, strict=True) if _is_row(one)]
            lines, texts = [line for line, _one in rows], [one for _line, one in rows]
        if texts:
            yield lines, texts


def _is_row(text: str) -> bool:
    """Whether a line between rows is not a comment."""
    stripped = text.lstrip()
    return bool(stripped) and not stripped.startswith("#")


def _whole_lines(file: IO[bytes], block: Extent) -> Iterator[bytes]:
    position, size, rest = block.start, _BLOCK, b""
    while position < block.end:
        file.seek(position)
        data = file.read(min(size, block.end - position))
        if not data:
            raise OSError("the file became shorter while it was read")
        position += len(data)
        head, newline, tail = data.rpartition(b"\n")
        if newline:
            yield rest + head
            rest, size = tail, _BLOCK
        else:
            rest, size = rest + tail, size * 2
    if rest:
        yield rest


def _decoded(source: Source, line: int, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        bad = line + data.count(b"\n", 0, error.start)
        raise FixtureError(source.place(bad), "it is not utf-8.") from error


def _tables(source: Source, section: Section, skeleton: Skeleton) -> Iterator[TableRows]:
    """The rows of a section, a table for each run of the same create function."""
    renamed = relabelled(skeleton.models)
    for name, parts in groupby(section.parts, key=lambda part: part.function):
        function = skeleton.functions[name]
        yield TableRows(function, source, tuple(parts), source, renamed=renamed)


def _refuse_other_formats(source: Source) -> None:
    source.file.seek(0)
    start = source.file.read(_BLOCK).lstrip()
    if not start:
        raise FixtureError(source.place(1), "it is empty.")
    if b"\0" in start:
        raise FixtureError(source.place(1), "it holds NUL bytes, so that it is no text.")
    if start[:1] in (b"[", b"{", b"<"):
        hint = "Make a dump of this format with dumpdata --format=py."
        raise FixtureError(source.place(1), "it is JSON or XML, not Python.", hint)


def _hand_written(source: Source) -> HandWritten:
    source.file.seek(0)
    start = source.file.read(MAX_SKELETON)
    beginning = _BEGINNING.search(start)
    if beginning is not None:
        raise FixtureError(
            source.place(start.count(b"\n", 0, beginning.start()) + 1),
            "here begins a dump, but something stands before it.",
            "Something was printed into the file: make the dump again with dumpdata -o FILE.",
        )
    _refuse_other_formats(source)
    hint = why_not(source.path)
    if hint is not None:
        reason = f"the first line is not {FIRST_LINE!r}, so that it is a program, not a dump."
        raise FixtureError(source.place(1), reason, hint)
    return HandWritten(source)
