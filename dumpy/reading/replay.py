"""The rows of a table file, called in a namespace of somebody else."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from django.db.models import Model

from dumpy.errors import FixtureError
from dumpy.reading.fixture import lines_of_block
from dumpy.reading.source import Source
from dumpy.text.directory import interpret_table
from dumpy.text.emit import SAVED_ROW_SUFFIX, saved_row_prefix
from dumpy.text.outline import FIRST_LINE, SAVED, FormatError, parse, split
from dumpy.text.scanner import RowError, RowIsCode, RowScanner
from dumpy.text.skeleton import Block, NotData


def replay(path: Path, namespace: dict[str, Any]) -> bool:
    """Call what a table file of a dump calls, row by row; return False for any other file.

    Each row is ``loader.save(create_…(…))`` with the names of ``namespace``. Raises
    ``FixtureError`` for a damaged file.
    """
    with path.open("rb") as file:
        if file.readline(len(FIRST_LINE) + 2).rstrip(b"\r\n") != FIRST_LINE.encode():
            return False
        file.seek(0)
        source = Source(file, str(path), str(path))
        blocks = _blocks(source, namespace)
        for block in blocks:
            for _line, call in _calls(source, block, namespace):
                namespace["loader"].save(call())
    if blocks:
        namespace["loader"].flush_deferred_objects()
    return bool(blocks)


def _blocks(source: Source, namespace: dict[str, Any]) -> list[Block]:
    """The rows of a file that holds nothing but rows, else none."""
    try:
        outline = split(source.lines(), SAVED)
        parts = interpret_table(parse(outline), outline, namespace)
    except FormatError as error:
        raise FixtureError(source.place(error.line), error.reason) from error
    except NotData:
        return []
    blocks = [part for part in parts if isinstance(part, Block)]
    return blocks if len(blocks) == len(parts) else []


def _calls(
    source: Source, block: Block, namespace: Mapping[str, Any]
) -> Iterator[tuple[int, Callable[[], Any]]]:
    """Yield the line of each row, and the call of its create function."""
    scanner = RowScanner(saved_row_prefix(block.function), SAVED_ROW_SUFFIX)
    for line, text in lines_of_block(source, block):
        create = namespace[block.function]
        try:
            values = scanner.scan(text)
        except RowIsCode:
            yield line, partial(_evaluated, text, line, source, namespace)
        except RowError as error:
            raise FixtureError(source.place(line), error.reason) from error
        else:
            yield line, partial(create, *values)


def placed_calls(
    source: Source, block: Block, namespace: Mapping[str, Any]
) -> Iterator[tuple[int, Model | None]]:
    """Yield the line of each row, and what its create function makes of it.

    Raises ``FixtureError`` with the line if that fails, or is no object.
    """
    for line, call in _calls(source, block, namespace):
        try:
            instance = call()
        except Exception as error:
            reason = f"{block.function}: {type(error).__name__}: {error}"
            raise FixtureError(source.place(line), reason) from error
        if not isinstance(instance, Model | None):
            reason = f"{block.function} gives {instance!r}, which is no object."
            raise FixtureError(source.place(line), reason)
        yield line, instance


def _evaluated(text: str, line: int, source: Source, namespace: Mapping[str, Any]) -> Any:
    """What a row that is code gives to ``loader.save()``."""
    (statement,) = ast.parse(text, source.name).body
    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value, ast.Call)
    expression = ast.Expression(statement.value.args[0])
    ast.increment_lineno(expression, line - 1)
    return eval(compile(expression, source.name, "eval"), dict(namespace))
