"""The rows of a table file, called in a namespace of somebody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
            _call_rows(source, block, namespace)
    if blocks:
        namespace["loader"].flush_deferred_objects()
    return bool(blocks)


def _blocks(source: Source, namespace: dict[str, Any]) -> list[Block]:
    """The rows of a file that holds nothing but rows, else none."""
    try:
        outline = split(source.file, SAVED)
        parts = interpret_table(parse(outline), outline, namespace)
    except FormatError as error:
        raise FixtureError(source.place(error.line), error.reason) from error
    except NotData:
        return []
    blocks = [part for part in parts if isinstance(part, Block)]
    return blocks if len(blocks) == len(parts) else []


def _call_rows(source: Source, block: Block, namespace: dict[str, Any]) -> None:
    scanner = RowScanner(saved_row_prefix(block.function), SAVED_ROW_SUFFIX)
    create, save = namespace[block.function], namespace["loader"].save
    for line, text in lines_of_block(source, block):
        try:
            values = scanner.scan(text)
        except RowIsCode:
            exec(compile(f"{chr(10) * (line - 1)}{text}", source.name, "exec"), namespace)
            continue
        except RowError as error:
            raise FixtureError(source.place(line), error.reason) from error
        save(create(*values))
