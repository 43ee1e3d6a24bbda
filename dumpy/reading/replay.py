"""The rows of a table file, called in a namespace of somebody else."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from django.db.models import Model

from dumpy.errors import DumpyError, FixtureError
from dumpy.reading.execution import begins_as_dump
from dumpy.reading.fixture import lines_of_block
from dumpy.reading.program import means_words
from dumpy.reading.source import Source
from dumpy.text.directory import interpret_table
from dumpy.text.emit import SAVED_ROW_SUFFIX, saved_row_prefix
from dumpy.text.outline import SAVED, FormatError, parse, split
from dumpy.text.scanner import RowError, RowIsCode, RowScanner
from dumpy.text.skeleton import Extent, NotData


def replay(path: Path, namespace: dict[str, Any]) -> bool:
    """Call what a table file of a dump calls, row by row; return False for any other file.

    Each row is ``loader.save(create_…(…))`` with the names of ``namespace``. Raises
    ``FixtureError`` for a damaged file.
    """
    if not begins_as_dump(path):
        return False
    with path.open("rb") as file:
        source = Source(file, str(path), str(path))
        blocks = _blocks(source, namespace)
        if not blocks:
            return False
        loader = _loader(source, namespace)
        for block in blocks:
            for _line, call in _calls(source, block, namespace):
                given = call()
                # A migrator may have split the row, or dropped it.
                for instance in given if isinstance(given, list) else [given]:
                    if instance is not None:
                        loader.save(instance)
    loader.flush_deferred_objects()
    return True


def _loader(source: Source, namespace: Mapping[str, Any]) -> Any:
    """The object that a script has put there for the rows."""
    try:
        return namespace["loader"]
    except KeyError:
        reason = "its rows are for a loader, but there is no such name."
        hint = "Set loader to an object with save(obj) and flush_deferred_objects() first."
        raise FixtureError(source.place(), reason, hint) from None


def _blocks(source: Source, namespace: dict[str, Any]) -> list[Extent]:
    """The rows of a file that holds nothing but rows, else none."""
    try:
        outline = split(source.lines(), SAVED)
        parts = interpret_table(parse(outline), outline, namespace)
    except FormatError as error:
        raise FixtureError(source.place(error.line), error.reason) from error
    except NotData:
        return []
    blocks = [part for part in parts if isinstance(part, Extent)]
    return blocks if len(blocks) == len(parts) else []


def _calls(
    source: Source, block: Extent, namespace: Mapping[str, Any]
) -> Iterator[tuple[int, Callable[[], Any]]]:
    """Yield the line of each row, and the call of its create function."""
    scanner = RowScanner(saved_row_prefix(block.function), SAVED_ROW_SUFFIX)
    is_plain = means_words(namespace)
    for line, text in lines_of_block(source, block):
        create = _function(source, block, namespace)
        try:
            values = scanner.scan(text)
        except RowIsCode:
            values = None
        except RowError as error:
            raise FixtureError(source.place(line), error.reason) from error
        if values is None or not is_plain:
            yield line, partial(_evaluated, text, line, source, namespace)
        else:
            yield line, partial(create, *values)


def _function(source: Source, block: Extent, namespace: Mapping[str, Any]) -> Any:
    if block.function not in namespace:
        reason = f"restore.py has no function {block.function}."
        raise FixtureError(source.place(block.first_line), reason)
    return namespace[block.function]


def placed_calls(
    source: Source, block: Extent, namespace: Mapping[str, Any]
) -> Iterator[tuple[int, Model | None]]:
    """Yield the line of each row, and each object that its create function makes of it.

    Raises ``FixtureError`` with the line if that fails, or is no object.
    """
    for line, call in _calls(source, block, namespace):
        try:
            given = call()
            made = list(given) if _is_several(given) else [given]
        except DumpyError as error:
            raise FixtureError(source.place(line), str(error)) from error
        except Exception as error:
            reason = f"{block.function}: {type(error).__name__}: {error}"
            raise FixtureError(source.place(line), reason) from error
        for instance in made:
            if not isinstance(instance, Model | None):
                reason = f"{block.function} gives {instance!r}, which is no object."
                raise FixtureError(source.place(line), reason)
            yield line, instance


def _is_several(given: object) -> bool:
    return isinstance(given, Iterable) and not isinstance(given, str | bytes | dict)


def _evaluated(text: str, line: int, source: Source, namespace: Mapping[str, Any]) -> Any:
    """What a row that is code gives to ``loader.save()``."""
    match ast.parse(text, source.name).body:
        case [ast.Expr(value=ast.Call(func=function, args=[given], keywords=[]))] if (
            ast.unparse(function) == "loader.save"
        ):
            expression = ast.Expression(given)
        case _:
            raise FixtureError(source.place(line), "a row must be one loader.save(…).")
    ast.increment_lineno(expression, line - 1)
    return eval(compile(expression, source.name, "eval"), dict(namespace))
