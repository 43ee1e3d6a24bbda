"""Python's own parser, for text that may be hostile."""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import TypeVar

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
_LONGEST = 60
# Python looks for a file of that name to quote from, and must find none: a device has no entries.
_NO_FILE = f"{os.devnull}/<dumpy>"
_BEGINNING = re.compile(r"(?!else\b|elif\b|except\b|finally\b)[^ \t\n#)\]}]")
_Tree = TypeVar("_Tree")
_Named = ast.Name | ast.keyword | ast.arg | ast.alias | ast.Attribute | ast.FunctionDef
_NAMED = (ast.Name, ast.keyword, ast.arg, ast.alias, ast.Attribute, ast.FunctionDef)


class Unparsable(ValueError):
    """Text that is not Python; `reason` says why, `line` where."""

    def __init__(self, reason: str, line: int = 1) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


def parse(text: str) -> ast.Module:
    """The syntax tree of a module; raises Unparsable whatever Python's parser raises."""
    return _calmly(lambda: ast.parse(text, _NO_FILE))


def parse_expression(text: str) -> ast.expr:
    """The syntax tree of an expression; raises Unparsable whatever Python's parser raises."""
    return _calmly(lambda: ast.parse(text, _NO_FILE, "eval").body)


def _calmly(parser: Callable[[], _Tree]) -> _Tree:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return parser()
    except (RecursionError, MemoryError):
        raise Unparsable("it is too deeply nested or too long for Python.") from None
    except SyntaxError as error:
        raise Unparsable(f"it is not valid Python: {_said(error)}", error.lineno or 1) from None
    except ValueError as error:
        raise Unparsable(f"it is not valid Python: {error}.") from None


def shown(node: ast.expr) -> str:
    """The source of an expression for a message, cut short."""
    try:
        text = ast.unparse(node)
    except RecursionError:
        return type(node).__name__
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _said(error: SyntaxError) -> str:
    """What Python says, without the line, which may be counted from elsewhere."""
    text = _DETECTED.sub("", error.msg)
    return text if text.endswith(("?", ".")) else f"{text}."


def folded_names(tree: ast.AST, lines: Mapping[int, str]) -> Iterator[int]:
    """The lines of names that the text spells otherwise than Python: full-width letters and such.

    `lines` is the text of the tree by line number.
    """
    for node in ast.walk(tree):
        if isinstance(node, _NAMED):
            name, line = _name_of(node), lines.get(node.lineno, "").encode()
            if name and not line.startswith(name.encode(), _column(node, line)):
                yield node.lineno


def _name_of(node: _Named) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.keyword | ast.arg):
        return node.arg or ""
    return node.attr if isinstance(node, ast.Attribute) else node.name


def _column(node: _Named, line: bytes) -> int:
    """Where a name must stand: after `def`, at the end of an attribute, else where the node is."""
    if isinstance(node, ast.FunctionDef):
        start = node.col_offset + len("def")
        return start + len(line[start:]) - len(line[start:].lstrip(b" \t"))
    if isinstance(node, ast.Attribute):
        return (node.end_col_offset or 0) - len(node.attr.encode())
    return node.col_offset


def check_size(text: str) -> None:
    """Raise Unparsable for text that is too much for Python's parser."""
    for _statement in statements(text):
        pass


def statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield the statements of a module, each with its line; raises Unparsable if one is too much.

    They mean together what they mean one by one, if each of them is Python on its own.
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
            f"there are more than {most} words and signs that are not rows. If a formatter has "
            "broken the rows over several lines, take the dump as it was written, or make it again."
        )
        raise Unparsable(reason, line)
    return count


def _boundaries(text: str) -> Iterator[int]:
    """Yield where statements begin after the first, if all strings end where they seem to."""
    depth = position = begun = 0
    while (mark := _MARK.search(text, position)) is not None:
        token, position = mark[0], mark.end()
        if token == "#":
            position = _line_end(text, position)
        elif token in _STRING_END:
            position = _string_end(text, position, token)
        elif token in "([{":
            depth += 1
        elif token in ")]}":
            depth = max(0, depth - 1)
        elif token == "\n" and depth == 0 and _BEGINNING.match(text, position):
            is_decorated = text[begun] == "@"
            begun = position
            if not is_decorated:
                yield position


def _string_end(text: str, start: int, mark: str) -> int:
    for found in _STRING_END[mark].finditer(text, start):
        if not found[0].startswith("\\"):
            return found.end() if found[0] == mark else found.start()
    return len(text)


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return end if end >= 0 else len(text)
