"""Rows that a person has edited: Python's own parser, then the closed vocabulary."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from . import words
from .parsing import MAX_LOGICAL_LINE as MAX_LENGTH
from .parsing import Unparsable, folded_names, parse_expression

_START = re.compile(r" *(?:yield\b)?")


class RowError(ValueError):
    """A line that is no row; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RowIsCode(RowError):
    """A line that is complete, valid Python on its own, but not data."""


def read_row(
    line: str, prefix: str, suffix: str, missing: Callable[[str], object] | None = None
) -> tuple[object, ...]:
    """The values of the row `prefix + values + suffix` as Python reads it.

    `missing` finds the names of the vocabulary that mean nothing here. Raises RowError, and
    RowIsCode for Python that is more than a row.
    """
    start = _START.match(prefix)
    beginning = start[0] if start else ""
    template = (prefix + suffix).removeprefix(beginning).strip()
    arguments, keywords = _take_arguments(_parse(_expression(line, beginning)), template)
    if keywords:
        raise RowIsCode("the call has keyword arguments; the values of a row go by position.")
    for name in filter(missing, _names(arguments)) if missing else ():
        raise RowIsCode(f"the import line does not have the name {name}.")
    try:
        return tuple([words.evaluate(argument) for argument in arguments])
    except words.BadValue as error:
        raise RowError(error.reason) from None
    except words.NotAWord as error:
        raise RowIsCode(error.reason) from None


def _names(arguments: list[ast.expr]) -> Iterator[str]:
    for node in (node for argument in arguments for node in ast.walk(argument)):
        if isinstance(node, ast.Name):
            yield node.id


def _expression(line: str, beginning: str) -> str:
    """The line without the blanks and the `yield` that stand before its call."""
    if len(line) > MAX_LENGTH:
        raise RowError(
            f"it is not as dumpy writes it, and its {len(line)} characters are too many for a row"
            f" that was edited (at most {MAX_LENGTH})."
        )
    if any(character in line for character in "\r\n\f\0"):
        raise RowError("it has a line end, a form feed or a NUL in it; write them as escapes.")
    text = line.removeprefix(beginning)
    is_apart = text[:1] in " \t(" if beginning.endswith("yield") else not text[:1].isspace()
    if not line.startswith(beginning) or not is_apart:
        raise RowError(f"it does not begin with {beginning!r} like the rows that dumpy writes.")
    return text.lstrip(" \t")


def _parse(text: str) -> ast.expr:
    try:
        node = parse_expression(text)
    except Unparsable as error:
        raise RowError(error.reason) from None
    if not text.isascii() and any(folded_names(node, {1: text})):
        raise RowIsCode("a name in it has letters that Python reads as other letters.")
    return node


def _take_arguments(node: ast.expr, template: str) -> tuple[list[ast.expr], list[ast.keyword]]:
    """The arguments of the innermost call of a row, which otherwise must be the template."""
    wanted = ast.parse(template, mode="eval").body
    call = _call_at(node, template.count("("))
    if call is not None:
        arguments, keywords = call.args, call.keywords
        call.args, call.keywords = [], []
        if ast.dump(node) == ast.dump(wanted):
            return arguments, keywords
    raise RowIsCode(f"it is more than a single {template}.")


def _call_at(node: ast.expr, depth: int) -> ast.Call | None:
    """The call `depth` calls deep, each the only argument of the one around it."""
    for _ in range(depth - 1):
        if not isinstance(node, ast.Call) or not node.args:
            return None
        node = node.args[0]
    return node if isinstance(node, ast.Call) else None
