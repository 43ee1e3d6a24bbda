"""Functions can be read alone: at most 40 lines, decorators and docstring included.

``ruff`` asks for a complexity of at most 12.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 40


def functions(directory: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield each function below a directory with its place."""
    for path in sorted((ROOT / directory).rglob("*.py")):
        if {"fixtures", "golden", "migrations"} & set(path.parts):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node


@pytest.mark.parametrize("directory", ["dumpy", "testproject", "tests", "benchmarks"])
def test_no_function_has_more_than_40_lines(directory: str) -> None:
    long = [
        place
        for place, node in functions(directory)
        if (node.end_lineno or 0) - node.lineno + 1 > LIMIT
    ]
    assert long == []
