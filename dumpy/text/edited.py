"""Rows that a person has edited: Python's own parser, then the closed vocabulary."""

from __future__ import annotations

import ast

from . import words
from .parsing import MAX_LOGICAL_LINE as MAX_LENGTH
from .parsing import Unparsable, folded_names, parse


class RowError(ValueError):
    """A line that is no row; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RowIsCode(RowError):
    """A line that is complete, valid Python on its own, but not data."""


def read_row(line: str, prefix: str, suffix: str) -> tuple[object, ...]:
    """The values of the row `prefix + values + suffix` as Python reads it.

    Raises RowError, and RowIsCode for Python that is more than a row.
    """
    arguments, keywords = _take_arguments(_parse(line, prefix), (prefix + suffix).strip())
    if keywords:
        raise RowIsCode("the call has keyword arguments; the values of a row go by position.")
    try:
        return tuple([words.evaluate(argument) for argument in arguments])
    except words.BadValue as error:
        raise RowError(error.reason) from None
    except words.NotAWord as error:
        raise RowIsCode(error.reason) from None


def _parse(line: str, prefix: str) -> ast.Module:
    text = _unindented(line, prefix[: -len(prefix.lstrip())])
    try:
        tree = parse(text)
    except Unparsable as error:
        raise RowError(error.reason) from None
    if not text.isascii() and any(folded_names(tree, {1: text})):
        raise RowIsCode("a name in it has letters that Python reads as other letters.")
    return tree


def _unindented(line: str, margin: str) -> str:
    if len(line) > MAX_LENGTH:
        raise RowError(
            f"it is not as dumpy writes it, and its {len(line)} characters are too many for a row"
            f" that was edited (at most {MAX_LENGTH})."
        )
    if any(character in line for character in "\r\n\f\0"):
        raise RowError("it has a line end, a form feed or a NUL in it; write them as escapes.")
    text = line.removeprefix(margin)
    if not line.startswith(margin) or text[:1].isspace():
        raise RowError(f"it is not indented by {len(margin)} blanks.")
    return text


def _take_arguments(tree: ast.Module, template: str) -> tuple[list[ast.expr], list[ast.keyword]]:
    """The arguments of the innermost call of a row, which otherwise must be the template."""
    wanted = ast.parse(template)
    call = _call_at(tree, template.count("("))
    if call is not None:
        arguments, keywords = call.args, call.keywords
        call.args, call.keywords = [], []
        if ast.dump(tree) == ast.dump(wanted):
            return arguments, keywords
    raise RowIsCode(f"it is more than a single {template}.")


def _call_at(tree: ast.Module, depth: int) -> ast.Call | None:
    """The call `depth` calls deep, each the only argument of the one around it."""
    node: ast.AST | None = tree.body[0] if tree.body else None
    if isinstance(node, ast.Expr):
        node = node.value
    if isinstance(node, ast.Yield):
        node = node.value
    for _ in range(depth - 1):
        node = node.args[0] if isinstance(node, ast.Call) and node.args else None
    return node if isinstance(node, ast.Call) else None
