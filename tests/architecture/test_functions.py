"""Functions are small: half of them at most 7 lines, nine in ten at most 20, none over 40."""

from __future__ import annotations

import ast
from pathlib import Path
from statistics import median, quantiles

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 40


def lengths(directory: str) -> dict[str, int]:
    """Return the lines of each function below a directory, decorators and docstring included."""
    return {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}": (node.end_lineno or 0)
        - node.lineno
        + 1
        for path in sorted((ROOT / directory).rglob("*.py"))
        if not {"fixtures", "golden", "migrations"} & set(path.parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("directory", ["dumpy", "testproject", "tests", "benchmarks"])
def test_no_function_has_more_than_40_lines(directory: str) -> None:
    assert {name: lines for name, lines in lengths(directory).items() if lines > LIMIT} == {}


def test_half_of_the_functions_have_at_most_7_lines() -> None:
    assert median(lengths("dumpy").values()) <= 7


def test_nine_in_ten_functions_have_at_most_20_lines() -> None:
    assert quantiles(lengths("dumpy").values(), n=10)[-1] <= 20
