"""Names of fixtures in the source of test cases."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path


def rewritten(text: str, names: Mapping[Path, str]) -> str:
    """Return a module whose ``fixtures = […]`` name other files; nothing else of it changes.

    ``names`` are the new names of files by their old paths. A name without an ending stays. So does
    a module that Python cannot read.
    """
    lines = text.split("\n")
    try:
        found = list(_names(ast.parse(text)))
    except (SyntaxError, ValueError):
        return text
    for constant in sorted(found, key=lambda one: (one.lineno, one.col_offset), reverse=True):
        old = str(constant.value)
        new = next((new for path, new in names.items() if _is_at(path, old)), None)
        if new is None or constant.end_lineno != constant.lineno:
            continue
        line = lines[constant.lineno - 1].encode()
        begin, end = constant.col_offset, constant.end_col_offset
        kept = old[: -len(_base(old))]
        written = line[begin:end].replace(old.encode(), f"{kept}{new}".encode())
        lines[constant.lineno - 1] = (line[:begin] + written + line[end:]).decode()
    return "\n".join(lines)


def _names(tree: ast.Module) -> Iterator[ast.Constant]:
    """Yield the texts in what is assigned to ``fixtures``."""
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(one, ast.Name) and one.id == "fixtures" for one in targets):
            value = getattr(node, "value", None)
            for one in ast.walk(value) if isinstance(value, ast.AST) else ():
                if isinstance(one, ast.Constant) and isinstance(one.value, str):
                    yield one


def _is_at(path: Path, name: str) -> bool:
    return bool(name) and f"/{path.as_posix()}".endswith(f"/{name}")


def _base(name: str) -> str:
    return name.rpartition("/")[2]
