"""What a dump names, read from its skeleton even where that is a program."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import suppress

Lines = tuple[int, int]


def models_in(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield each label in a call of resolve_model(), with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="resolve_model"), args=[ast.Constant(value=str(label))]):
                yield label, node.lineno


def migrations_in(tree: ast.Module) -> dict[str, str]:
    """Return what SOURCE_MIGRATIONS is; nothing if that is code as well."""
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="SOURCE_MIGRATIONS")], value=value):
                with suppress(ValueError, TypeError):
                    found = dict(ast.literal_eval(value)).items()
                    return {k: v for k, v in found if isinstance(k, str) and isinstance(v, str)}
    return {}


def sections_in(tree: ast.Module) -> Iterator[tuple[Lines, int]]:
    """Yield the lines from and to of each section, with its line in objects()."""
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(functions.get("objects", ast.Module([], []))):
        match node:
            case ast.Yield(value=ast.Call(func=ast.Name(id=name))) if name in functions:
                section = functions[name]
                yield (section.lineno, section.end_lineno or 0), node.lineno
