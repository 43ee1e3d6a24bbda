"""Run Python's own parser on text that may be hostile."""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Iterator
from itertools import islice
from unicodedata import is_normalized

_MAX_TOKENS = 300_000
# A token takes some 900 bytes in a tree, and Python 3.10 crashes on an expression of a million.
_MAX_STATEMENT = 65_000
_TOKEN = re.compile(r"\w+|[^\w\s]")
_MARK = re.compile(r"""'''|\"""|['"#()\[\]{}]|\\?\n""")
_STRING_END = {
    **{mark: re.compile(rf"(?s:\\.)|{mark}") for mark in ("'''", '"""')},
    **{mark: re.compile(rf"(?s:\\.)|{mark}|\n") for mark in "'\""},
}
_DETECTED = re.compile(r" \(detected at line \d+\)| on line \d+")
_MAX_SOURCE = 60
# Python quotes lines from a file of this name: it cannot exist, as a device has no entries.
_NO_FILE = f"{os.devnull}/<dumpy>"
_BEGINNING = re.compile(r"(?!else\b|elif\b|except\b|finally\b)[^ \t\n#)\]}]")


class TextError(ValueError):
    """Text that is refused, at `line` of it, because of `reason`.

    The `hint` says what to write instead, if that is known.
    """

    def __init__(self, reason: str, line: int = 1, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
        self.hint = hint


class FormatError(TextError):
    """A file that is not a complete dump of a known format, or not Python."""


def parse(text: str, line: int = 1) -> ast.Module:
    """Return the syntax tree of a text that begins at `line`.

    Raises FormatError for every exception of Python's parser.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text, _NO_FILE)
    except (RecursionError, MemoryError):
        raise FormatError("it is too deeply nested or too long for Python.", line) from None
    except SyntaxError as error:
        # Without the line number, which may be relative to another text.
        message = _DETECTED.sub("", error.msg)
        message += "" if message.endswith(("?", ".")) else "."
        error_line = line + (error.lineno or 1) - 1
        raise FormatError(f"it is not valid Python: {message}", error_line) from None
    except ValueError as error:
        raise FormatError(f"it is not valid Python: {error}.", line) from None


def short_source(node: ast.expr) -> str:
    """Return the source of an expression for a message, cut short."""
    try:
        text = ast.unparse(node)
    except RecursionError:
        return type(node).__name__
    return text if len(text) <= _MAX_SOURCE else f"{text[:_MAX_SOURCE]}…"


def folded_line(text: str) -> int | None:
    """Return the line of a name with letters that Python normalizes, such as full-width ones."""
    begin = 0
    for _mark, start, end in (*_marks(text), ("", len(text), len(text))):
        if not is_normalized("NFKC", text[begin:start]):
            return text.count("\n", 0, start) + 1
        begin = end
    return None


def statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield the statements of a module, each with its line; raises FormatError if one is too large.

    If each statement is valid Python, the module means the same as its statements.
    """
    line, start, tokens = 1, 0, 0
    for end in (*_boundaries(text), len(text)):
        statement = text[start:end]
        tokens += _checked_tokens(statement, line, tokens)
        yield line, statement
        line += statement.count("\n")
        start = end


def _checked_tokens(statement: str, line: int, before: int) -> int:
    limit = min(_MAX_STATEMENT, _MAX_TOKENS - before)
    count = sum(1 for _token in islice(_TOKEN.finditer(statement), limit + 1))
    if count > limit:
        most = _MAX_STATEMENT if limit == _MAX_STATEMENT else _MAX_TOKENS
        reason = (
            f"there are more than {most} tokens outside of rows. If a formatter has broken the "
            "rows over several lines, use the original dump, or make it again."
        )
        raise FormatError(reason, line)
    return count


def _boundaries(text: str) -> Iterator[int]:
    """Yield the index of each statement after the first, if the text is valid Python."""
    depth = start = 0
    for mark, _start, end in _marks(text):
        if mark in "([{":
            depth += 1
        elif mark in ")]}":
            depth = max(0, depth - 1)
        elif mark == "\n" and depth == 0 and _BEGINNING.match(text, end):
            is_decorated = text[start] == "@"
            start = end
            if not is_decorated:
                yield end


def _marks(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield brackets, line ends, strings and comments, with their start and end."""
    position = 0
    while (match := _MARK.search(text, position)) is not None:
        mark, position = match[0], match.end()
        if mark == "#":
            end = text.find("\n", position)
            position = len(text) if end < 0 else end
        elif mark in _STRING_END:
            position = _string_end(text, position, mark)
        yield mark, match.start(), position


def _string_end(text: str, start: int, mark: str) -> int:
    for match in _STRING_END[mark].finditer(text, start):
        if not match[0].startswith("\\"):
            return match.end() if match[0] == mark else match.start()
    return len(text)
