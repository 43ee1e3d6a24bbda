"""The table of parts: who must never import whom, read from the imports themselves."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "dumpy"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
EDGES = (
    "dump",
    "__main__",
    "api",
    "apps",
    "checks",
    "deserializer",
    "serializer",
    "management.commands",
    "pytest_plugin",
    "admin",
)
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


def is_within(name: str, package: str) -> bool:
    """Whether a dotted name is a package or lies in it."""
    return name == package or name.startswith(f"{package}.")


BASICS = frozenset({"errors", "conf"})
BELOW_LOADING = BASICS | {"text", "schema", "engines"}
BELOW_RESTORING = BELOW_LOADING | {"reading", "loading", "migrating", "scripting"}
# Which other parts a part may import.
ALLOWED: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    "conf": frozenset({"errors"}),
    "ending": frozenset(),
    "masks": frozenset({"conf"}),
    "console": frozenset({"errors"}),
    "text": frozenset({"errors"}),
    "schema": BASICS | {"text"},
    "engines": frozenset({"errors", "ending", "schema"}),
    "dump": frozenset({"text", "schema", "migrating"}),
    "writing": BASICS | {"masks", "text", "schema", "engines"},
    "reading": BASICS | {"text", "schema", "engines"},
    "loading": BELOW_LOADING | {"reading"},
    "migrating": BELOW_LOADING | {"reading"},
    "scripting": frozenset({"errors", "text", "reading"}),
    "restoring": BELOW_RESTORING | {"writing", "ending", "console"},
    "repairing": BELOW_RESTORING,
    "checking": BELOW_RESTORING | {"writing", "restoring"},
    "testing": frozenset({"errors", "writing", "restoring", "checking"}),
    "apps": frozenset({"checks"}),
    "checks": BASICS | {"migrating"},
}
# What a part must not know of other packages.
FORBIDDEN = {
    "text": ("django",),
    "schema": (*DATABASE, *FILES),
    "reading": DATABASE,
    "loading": OUTPUT,
}
# The application registers the checks. Django finds the deserializer in the module of the
# serializer. The admin is a package.
WIRING = {
    ("dumpy.apps", "dumpy.checks"),
    ("dumpy.serializer", "dumpy.deserializer"),
    *((module, "dumpy.admin") for module in MODULES if is_within(module, "dumpy.admin")),
}


def part_of(module: str) -> str:
    """Return the part that a module of dumpy belongs to; ``""`` for the package itself."""
    return module.partition(".")[2].partition(".")[0]


def modules_imported(module: str) -> set[str]:
    """Return the other modules of dumpy that a module imports."""
    found = set()
    for name in imported(module):
        while name and name not in MODULES:
            name = name.rpartition(".")[0]
        found.add(name)
    return found - {"", module}


@cache
def imported(module: str) -> frozenset[str]:
    """Return what a module imports and which of open() and print() it calls, anywhere in it."""
    return frozenset(_imported(module))


def _imported(module: str) -> Iterator[str]:
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


def is_edge(name: str) -> bool:
    """Whether a dotted name lies in a module of the edge."""
    return any(is_within(name, f"dumpy.{edge}") for edge in EDGES)


@pytest.mark.parametrize("part", ALLOWED)
def test_a_part_imports_no_parts_but_those_of_its_row(part: str) -> None:
    wrong = {
        (module, other)
        for module in MODULES
        if part_of(module) == part
        for other in modules_imported(module)
        if part_of(other) not in ALLOWED[part] | {part, ""}
    }
    assert wrong == set()


def test_every_part_has_a_row_or_is_an_edge() -> None:
    assert {part_of(module) for module in MODULES} - {
        "",
        "management",
        *EDGES,
    } == ALLOWED.keys() - {*EDGES}


def test_no_module_imports_itself_by_way_of_others_even_lazily() -> None:
    graph = {module: modules_imported(module) for module in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


@pytest.mark.parametrize("part", FORBIDDEN)
def test_a_part_imports_nothing_that_it_must_not_know(part: str) -> None:
    wrong = {
        (module, name)
        for module in MODULES
        if part_of(module) == part
        for name in imported(module)
        if any(is_within(name, other) for other in FORBIDDEN[part])
    }
    assert wrong == set()


def test_only_the_engines_ask_which_database_it_is() -> None:
    asking = {
        module
        for module, path in MODULES.items()
        if "vendor" in path.read_text(encoding="utf-8") and part_of(module) != "engines"
    }
    assert asking == set()


def test_nobody_imports_an_edge() -> None:
    wrong = {
        (module, name)
        for module in MODULES
        for name in imported(module)
        if is_edge(name)
        and not any(module == one and is_within(name, other) for one, other in WIRING)
    }
    assert wrong == set()


def test_the_reader_of_imports_sees_relative_ones_and_those_within_functions() -> None:
    assert "dumpy.text.parsing" in imported("dumpy.text.outline")
    assert "dumpy.checks.check_format" in imported("dumpy.apps")


def test_the_modules_that_the_page_about_them_names_exist() -> None:
    page = (ROOT / "docs" / "contributing" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_/]+\.py)`", page))
    places = (PACKAGE, ROOT)
    assert [name for name in sorted(named) if not any((p / name).exists() for p in places)] == []
