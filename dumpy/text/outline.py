"""Cut a dump file into its skeleton and the extents of its row blocks, in one pass."""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from unicodedata import normalize

from . import parsing
from .parsing import FormatError

FIRST_LINE = "# dumpy: format 1"
PROGRAM_LINE = "# dumpy: program 1"
LAST_LINE = "# dumpy: end"
PLACEHOLDER = "__dumpy_rows__"
MAX_SKELETON = 4 * 2**20
_MAX_LINES = 200_000

_FIRST_LINES = {FIRST_LINE.encode(): False, PROGRAM_LINE.encode(): True}
_OTHER_FORMAT = re.compile(rb"# dumpy: (format|program) (\S+)")
_CONFLICT = re.compile(r"(<<<<<<<|>>>>>>>|\|\|\|\|\|\|\|)( |$)|=======$")
_COOKIE = re.compile(rb"[ \t]*#.*?coding[:=][ \t]*([-\w.]+)")
_PRINTED = (
    "the dump begins here, but there is text before it. Something was printed into the file: "
    "make the dump again with dumpdata -o FILE."
)
_NO_BLOCK = b"\n\n"  # No line starts with it.


class RowCall(NamedTuple):
    """The call of a create function in a row."""

    function: str
    args: list[ast.expr]
    keywords: list[ast.keyword]


class RowStyle(NamedTuple):
    """The form of rows in a file.

    Attributes:
        start: the text before the name of the create function.
        suffix: the end of a row.
        placeholder: the line that replaces a block of rows, by its number.
    """

    start: str
    suffix: str
    placeholder: str

    def prefix(self, function: str) -> str:
        """Return the beginning of a row of a create function."""
        return f"{self.start}{function}("

    @property
    def indent(self) -> str:
        """Return the blanks before a row."""
        return self.start[: -len(self.start.lstrip())]

    def call_in(self, statement: ast.stmt) -> RowCall | None:
        """Return the call in the statement of a row, or None if it is not one."""
        match statement:
            case ast.Expr(value=ast.Yield(value=call)) if self is YIELDED:
                pass
            case ast.Expr(
                value=ast.Call(
                    func=ast.Attribute(value=ast.Name(id="loader"), attr="save"),
                    args=[call],
                    keywords=[],
                )
            ) if self is SAVED:
                pass
            case _:
                return None
        match call:
            case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords):
                return RowCall(name, args, keywords)
        return None

    @property
    def begins(self) -> re.Pattern[bytes]:
        """Return the pattern of the beginning of a row; its group is the create function."""
        return re.compile(re.escape(self.start.encode()) + rb"(create_[A-Za-z0-9_]*)\(")

    @property
    def ends(self) -> tuple[bytes, ...]:
        """Return the possible ends of the line of a row."""
        return (f"{self.suffix}\n".encode(), f"{self.suffix}\r\n".encode())


YIELDED = RowStyle("    yield ", ")", f"    yield from {PLACEHOLDER}({{}})\n")
"""The rows of a module."""
SAVED = RowStyle("loader.save(", "))", f"{PLACEHOLDER}({{}})\n")
"""The rows of a table file of a directory."""


@dataclass(frozen=True, slots=True)
class Extent:
    """`rows` consecutive rows of a create function: bytes [start, end) from line `first_line`."""

    number: int
    start: int
    end: int
    first_line: int
    function: str
    rows: int


@dataclass(frozen=True, slots=True)
class Outline:
    """A dump without its rows.

    Attributes:
        text: Python source. Block N is the line `    yield from __dumpy_rows__(N)` (in a table
            file `__dumpy_rows__(N)`), so a caller that defines `__dumpy_rows__` can run it.
        blocks: the extents of the blocks of rows.
        shifts: pairs (line of `text`, line of the file) where their difference changes.
        size: the size of the file in bytes.
        is_program: whether the first line declares the dump a program.
    """

    text: str
    blocks: tuple[Extent, ...]
    shifts: tuple[tuple[int, int], ...]
    size: int
    is_program: bool = False

    def true_line(self, line: int) -> int:
        """Return the line of the file for a line of `text`."""
        text_line, file_line = self.shifts[bisect_right(self.shifts, (line, 2**62)) - 1]
        return file_line + line - text_line


def split(
    lines: Iterable[bytes], style: RowStyle = YIELDED, *, limit: int = MAX_SKELETON
) -> Outline:
    """Cut a dump, given as an iterable of byte lines; raises FormatError if it is not complete.

    `limit` is the maximum number of characters outside of rows.
    """
    iterator = iter(lines)
    line = next(iterator, b"")
    is_program = _check_first_line(line, iterator)
    splitter = _Splitter(line, style, limit)
    ends = style.ends
    number, offset, end, prefix = 1, len(line), 0, _NO_BLOCK
    for number, line in enumerate(iterator, 2):
        if line.startswith(prefix) and line.endswith(ends):
            end = offset = offset + len(line)
            continue
        before, prefix = prefix, splitter.take(line, number, offset, end)
        offset += len(line)
        if prefix != before:
            end = offset
    splitter.finish(line, number, end)
    shifts = tuple(splitter.shifts)
    return Outline("".join(splitter.text), tuple(splitter.blocks), shifts, offset, is_program)


class _Splitter:
    """Collects the skeleton and the blocks from the lines that do not continue a block."""

    def __init__(self, first_line: bytes, style: RowStyle, limit: int) -> None:
        self._begins, self._ends, self._placeholder = style.begins, style.ends, style.placeholder
        self._limit = limit
        self.text: list[str] = []
        self.blocks: list[Extent] = []
        self.shifts: list[tuple[int, int]] = []
        self._open: Extent | None = None
        self._prefix = _NO_BLOCK
        self._size = self._comments = 0
        self._trailer: int | None = None
        self._append(_decoded(first_line, 1, limit), 1)

    def take(self, line: bytes, number: int, offset: int, end: int) -> bytes:
        """Take a line, and return the beginning of the lines that would continue its block."""
        row = self._begins.match(line) if line.endswith(self._ends) else None
        if row is not None:
            self._close(number, end)
            self._begin(row, number, offset)
            return self._prefix
        text = _decoded(line, number, self._limit)
        if self._trailer is None and text.rstrip("\n") == LAST_LINE:
            self._trailer = number
        # Comments between the rows of a block are not kept: there may be many.
        if self._open is None or not _is_comment(text):
            self._close(number, end)
            self._append(text, number)
        else:
            self._comments += 1
        return self._prefix

    def finish(self, line: bytes, number: int, end: int) -> None:
        self._close(number + 1, end)
        if self._trailer is None:
            reason = f"the file is truncated: its last line is not {LAST_LINE!r}."
            raise FormatError(reason, number)
        if self._trailer != number:
            raise FormatError(f"there is text after the line {LAST_LINE!r}.", self._trailer + 1)
        if not line.endswith(b"\n"):
            raise FormatError("the file is truncated: its last line has no line end.", number)

    def _begin(self, row: re.Match[bytes], number: int, offset: int) -> None:
        if self.text[-1].endswith("\\\n"):
            raise FormatError("a row cannot continue the line before it.", number)
        block = Extent(len(self.blocks), offset, offset, number, row[1].decode(), 0)
        self._append(self._placeholder.format(block.number), number)
        self._open, self._prefix, self._comments = block, row[0], 0

    def _close(self, line: int, end: int) -> None:
        """Close the open block before a line."""
        if self._open is not None:
            rows = line - self._open.first_line - self._comments
            self.blocks.append(replace(self._open, end=end, rows=rows))
        self._open, self._prefix = None, _NO_BLOCK

    def _append(self, text: str, number: int) -> None:
        self._size += len(text)
        if self._size > self._limit or len(self.text) >= _MAX_LINES:
            raise FormatError(f"the file has more than {_too_much(self._limit)}", number)
        text_line = len(self.text) + 1
        if not self.shifts or number - text_line != self.shifts[-1][1] - self.shifts[-1][0]:
            self.shifts.append((text_line, number))
        self.text.append(text)


def _too_much(limit: int) -> str:
    return f"{limit} characters or {_MAX_LINES} lines that are not rows."


def _is_comment(text: str) -> bool:
    stripped = text.lstrip(" \t")
    return stripped.startswith("#") or not stripped.rstrip("\n")


def _decoded(line: bytes, number: int, limit: int) -> str:
    """Return a line of the skeleton with `\n` as its end."""
    if len(line) > limit:
        raise FormatError(f"the line has {len(line)} bytes, which is too long.", number)
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise FormatError("the line is not utf-8.", number) from None
    if text.endswith("\r\n"):
        text = text[:-2] + "\n"
    if "\0" in text or "\r" in text or "\f" in text:
        raise FormatError("the line contains a NUL, a form feed or a carriage return.", number)
    if PLACEHOLDER in (text if text.isascii() else normalize("NFKC", text)):
        raise FormatError(f"the name {PLACEHOLDER} is reserved for dumpy.", number)
    if _CONFLICT.match(text):
        raise FormatError("found a conflict marker: resolve the merge in git first.", number)
    cookie = _COOKIE.match(line) if number == 2 else None
    if cookie is not None and cookie[1].lower().replace(b"_", b"-") not in (b"utf-8", b"utf8"):
        raise FormatError("the line declares an encoding other than utf-8.", number)
    return text


def is_program(first_line: bytes) -> bool | None:
    """Whether a dump with this first line is a program; None if the file is not a dump."""
    return _FIRST_LINES.get(first_line.rstrip(b"\r\n")) if len(first_line) < 200 else None


def _check_first_line(line: bytes, lines: Iterator[bytes]) -> bool:
    is_known = is_program(line)
    if is_known is not None:
        return is_known
    start = line[:200].rstrip(b"\r\n")
    if line.startswith(b"\xef\xbb\xbf"):
        raise FormatError("the file begins with a byte order mark; save it as utf-8 without one.")
    other_format = _OTHER_FORMAT.fullmatch(start)
    if other_format is not None:
        name = other_format[2].decode(errors="replace")
        raise FormatError(f"the format is {name}; to read it, a newer dumpy is needed.")
    _look_for_first_line(lines)
    raise FormatError(f"the first line is neither {FIRST_LINE!r} nor {PROGRAM_LINE!r}.")


def _look_for_first_line(lines: Iterator[bytes]) -> None:
    """Raise FormatError if the first line of a dump comes after other text."""
    size = 0
    for number, line in enumerate(lines, 2):
        if is_program(line) is not None:
            raise FormatError(_PRINTED, number)
        size += len(line)
        if size > MAX_SKELETON:
            return


def parse(outline: Outline) -> ast.Module:
    """Return the syntax tree of the skeleton, to be run, with the line numbers of the file.

    Raises FormatError if it is not Python, or if a row is not a statement of its own.
    """
    return ast.Module([*statements(outline, is_whole=True)], [])


def statements(outline: Outline, *, is_whole: bool = False) -> Iterator[ast.stmt]:
    """Yield the statements of the skeleton with the line numbers of the file, one by one.

    Raises FormatError if a statement is not Python or, unless `is_whole`, too large; after the
    last statement, if a row is not a statement of its own.
    """
    placeholder_lines: dict[int | None, int] = {}
    texts = [(1, outline.text)] if is_whole else parsing.statements(outline.text)
    try:
        for line, text in texts:
            tree = parsing.parse(text, line)
            for node in ast.walk(tree):
                _number_lines(node, outline, line)
                if isinstance(node, ast.stmt):
                    placeholder_lines[placeholder_number(node)] = node.lineno
            yield from tree.body
    except FormatError as error:
        raise FormatError(error.reason, outline.true_line(error.line)) from None
    for block in outline.blocks:
        if placeholder_lines.get(block.number) != block.first_line:
            raise FormatError("expected a row; this line only looks like one.", block.first_line)


def check_skeleton(text: str) -> None:
    """Raise FormatError for a skeleton that is too large to be read again."""
    lines = text.count("\n")
    if len(text) > MAX_SKELETON or lines > _MAX_LINES:
        raise FormatError(f"it has more than {_too_much(MAX_SKELETON)}", lines)
    for _statement in parsing.statements(text):
        pass


def _number_lines(node: Any, outline: Outline, first: int) -> None:
    if "lineno" in node._attributes:
        last = node.end_lineno or node.lineno
        node.lineno = outline.true_line(first + node.lineno - 1)
        node.end_lineno = outline.true_line(first + last - 1)


def placeholder_number(statement: ast.stmt) -> int | None:
    """Return the number of the block if a statement is a placeholder, otherwise None."""
    value = statement.value if isinstance(statement, ast.Expr) else None
    match value.value if isinstance(value, ast.YieldFrom) else value:
        case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=int(number))]):
            return number if name == PLACEHOLDER else None
    return None
