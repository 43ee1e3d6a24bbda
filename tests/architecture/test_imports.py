"""The table of parts: who must never import whom, read from the imports themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "dumpy"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
PARTS = ("text", "schema", "writing", "reading", "loading", "migrating", "restoring")
EDGES = ("apps", "checks", "serializer", "management.commands", "pytest_plugin")
DATABASE = (
    "django.db.connection",
    "django.db.connections",
    "django.db.transaction",
    "django.db.backends",
    "django.db.models.QuerySet",
    "django.db.models.Manager",
)
FILES = ("io", "os", "pathlib", "shutil", "tempfile", "builtins.open")
OUTPUT = ("argparse", "sys", "builtins.print", "django.core.management")

FORBIDDEN = {
    "text": ("django", *(f"dumpy.{part}" for part in PARTS if part != "text"), "dumpy.dump"),
    "schema": ("dumpy.text", "dumpy.dump", *DATABASE, *FILES),
    "writing": tuple(f"dumpy.{part}" for part in ("reading", "loading", "migrating", "restoring")),
    "reading": ("dumpy.writing", "dumpy.loading", *DATABASE),
    "loading": ("dumpy.text", *OUTPUT),
}
# The ready() of an application is one line; what it does stands in a module of its own.
WIRING = {("dumpy.apps", "dumpy.registration"), ("dumpy.registration", "dumpy.checks")}


def imported(module: str) -> Iterator[str]:
    """Yield what a module imports and which of open() and print() it calls, anywhere in it."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(_at_run_time(ast.parse(path.read_text(encoding="utf-8")))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            source = ".".join(filter(None, (base, node.module)))
            yield from (f"{source}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield f"builtins.{node.func.id}"


def _at_run_time(tree: ast.Module) -> ast.Module:
    """Leave out what only a type checker reads: the name of a type is no knowledge."""
    tree.body = [node for node in tree.body if not _is_for_type_checkers(node)]
    return tree


def _is_for_type_checkers(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def is_within(name: str, package: str) -> bool:
    """Whether a dotted name is a package or lies in it."""
    return name == package or name.startswith(f"{package}.")


def is_edge(name: str) -> bool:
    """Whether a dotted name lies in a module of the edge."""
    return any(is_within(name, f"dumpy.{edge}") for edge in EDGES)


@pytest.mark.parametrize(
    ("module", "part"),
    [
        (module, part)
        for part in FORBIDDEN
        for module in MODULES
        if is_within(module, f"dumpy.{part}")
    ],
)
def test_a_part_imports_nothing_that_it_must_not_know(module: str, part: str) -> None:
    wrong = {
        name for name in imported(module) for other in FORBIDDEN[part] if is_within(name, other)
    }
    assert wrong == set()


@pytest.mark.parametrize("module", MODULES)
def test_nobody_imports_an_edge(module: str) -> None:
    wrong = {
        name
        for name in imported(module)
        if is_edge(name)
        and not any(module == one and is_within(name, other) for one, other in WIRING)
    }
    assert wrong == set()


@pytest.mark.parametrize("part", FORBIDDEN)
def test_every_part_of_the_table_exists(part: str) -> None:
    assert any(
        is_within(module, f"dumpy.{part}.") or f"dumpy.{part}" == module for module in MODULES
    )


def test_the_reader_of_imports_sees_relative_ones_and_those_within_functions() -> None:
    assert "dumpy.text.parsing" in set(imported("dumpy.text.outline"))
    assert "dumpy.registration" in set(imported("dumpy.apps"))
