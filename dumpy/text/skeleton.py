"""The skeleton of a dump held against the shapes that dumpy writes: what its rows mean.

Nothing is run. What has another shape is code, for which NotData is raised.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn

from . import words
from .emit import IMPORTED, INSTALL
from .outline import (
    FIRST_LINE,
    LAST_LINE,
    PLACEHOLDER,
    Extent,
    FormatError,
    Outline,
    TextError,
    parse,
    placeholder_number,
    placeholders,
    split,
)
from .parsing import folded_names, shown

__all__ = [
    "FIRST_LINE",
    "LAST_LINE",
    "PLACEHOLDER",
    "Code",
    "Constant",
    "CreateFunction",
    "Extent",
    "FormatError",
    "InlineRow",
    "NotData",
    "Outline",
    "Section",
    "Skeleton",
    "interpret",
    "parse",
    "placeholders",
    "separate",
    "split",
]


class NotData(TextError):
    """A skeleton that is code."""


class Code(NamedTuple):
    """A statement that is code, and why."""

    statement: ast.stmt
    error: NotData


@dataclass(frozen=True, slots=True)
class Constant:
    """The value that a create function gives to a field of every row."""

    value: object


@dataclass(frozen=True, slots=True)
class CreateFunction:
    """What becomes of a row: each field gets the value at a position of the row, or a constant.

    `model` is the label, '' when the function drops its rows; `field_lines` is for messages.
    """

    name: str
    model: str
    parameters: tuple[str, ...]
    fields: Mapping[str, int | Constant]
    field_lines: Mapping[str, int]
    line: int
    drops: bool


@dataclass(frozen=True, slots=True)
class InlineRow:
    """A row that somebody has spread over several lines, or commented."""

    line: int
    function: str
    values: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """The rows of one function, in order."""

    name: str
    line: int
    parts: tuple[Extent | InlineRow, ...]


@dataclass(frozen=True, slots=True)
class Skeleton:
    """What a dump says without its rows; `sections` in the order in which objects() yields them.

    `models` maps variables to labels; `installs` says that migrators may change the functions.
    """

    version: str | None
    migrations: Mapping[str, str]
    functions: Mapping[str, CreateFunction]
    sections: tuple[Section, ...]
    models: Mapping[str, str]
    installs: bool


@dataclass
class _Module:
    """What has been bound at module level so far."""

    blocks: Sequence[Extent]
    bound: set[str] = field(default_factory=set)
    version: str | None = None
    migrations: dict[str, str] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    creates: dict[str, ast.FunctionDef] = field(default_factory=dict)
    sections: dict[str, ast.FunctionDef] = field(default_factory=dict)
    objects: ast.FunctionDef | None = None
    installs: bool = False


def interpret(tree: ast.Module, outline: Outline) -> Skeleton:
    """What the tree that `parse` has made of an outline means; raises NotData when it is code."""
    module = _read(tree, outline)
    functions = _creates(module)
    sections = {name: _section(module, node) for name, node in module.sections.items()}
    _check_blocks(sections, outline.blocks)
    order = tuple(sections[name] for name in _yielded(module))
    return _skeleton(module, functions, order)


def separate(tree: ast.Module, outline: Outline) -> tuple[Skeleton, list[Code]]:
    """What a tree without sections means, as that of `restore.py`, but for statements of code."""
    module, found = _Module(outline.blocks), list[Code]()
    functions: dict[str, CreateFunction] = {}
    misspelt = set(_misspelt(tree, outline))
    for statement in _without_docstring(tree.body):
        with _noted(found, statement):
            _check_lines(statement, misspelt)
            _module_statement(module, statement)
    for name, node in module.sections.items():
        found.append(Code(node, NotData(node.lineno, f"dumpy writes no function {name} here.")))
    for name, node in module.creates.items():
        with _noted(found, node):
            functions[name] = _create(module, node)
    return _skeleton(module, functions, ()), found


@contextmanager
def _noted(found: list[Code], statement: ast.stmt) -> Iterator[None]:
    try:
        yield
    except NotData as error:
        found.append(Code(statement, error))


def _skeleton(
    module: _Module, functions: Mapping[str, CreateFunction], order: tuple[Section, ...]
) -> Skeleton:
    return Skeleton(
        module.version, module.migrations, functions, order, module.models, module.installs
    )


def _read(tree: ast.Module, outline: Outline) -> _Module:
    for line in _misspelt(tree, outline):
        raise NotData(line, _MISSPELT)
    module = _Module(outline.blocks)
    for statement in _without_docstring(tree.body):
        _module_statement(module, statement)
    return module


def _creates(module: _Module) -> dict[str, CreateFunction]:
    return {name: _create(module, node) for name, node in module.creates.items()}


def _refuse(node: ast.stmt | ast.expr | ast.keyword, reason: str) -> NoReturn:
    raise NotData(node.lineno, reason)


def _without_docstring(body: Sequence[ast.stmt]) -> Sequence[ast.stmt]:
    match body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            return rest
    return body


_MISSPELT = "the name has letters that Python reads as other letters."


def _misspelt(tree: ast.Module, outline: Outline) -> Iterator[int]:
    if outline.text.isascii():
        return
    # The spelling is in the text of the outline, so that its line numbers are needed here.
    lines = outline.text.split("\n")
    at = {outline.true_line(number): text for number, text in enumerate(lines, 1)}
    yield from folded_names(tree, at)


def _check_lines(statement: ast.stmt, misspelt: Set[int]) -> None:
    for line in range(statement.lineno, (statement.end_lineno or 0) + 1) if misspelt else ():
        if line in misspelt:
            raise NotData(line, _MISSPELT)


def _check_blocks(sections: Mapping[str, Section], blocks: Sequence[Extent]) -> None:
    found = {id(part) for section in sections.values() for part in section.parts}
    for block in blocks:
        if id(block) not in found:
            raise NotData(block.first_line, "the rows are not where dumpy writes rows.")


# Statements of the module


def _module_statement(module: _Module, statement: ast.stmt) -> None:
    reader = _STATEMENTS.get(type(statement))
    if reader is None:
        _refuse(statement, f"dumpy writes no statement like this ({type(statement).__name__}).")
    reader(module, statement)


def _bind(module: _Module, name: str, node: ast.stmt) -> None:
    if name in module.bound:
        _refuse(node, f"the name {name} is bound twice.")
    if name in IMPORTED and not isinstance(node, ast.ImportFrom):
        _refuse(node, f"the name {name} belongs to dumpy.")
    if name.startswith("__") and name.endswith("__"):
        _refuse(node, f"the name {name} belongs to Python.")
    module.bound.add(name)


def _import(module: _Module, node: ast.ImportFrom) -> None:
    if node.module != "dumpy.dump" or node.level:
        _refuse(node, "dumpy imports from dumpy.dump only.")
    for alias in node.names:
        if alias.name not in IMPORTED or alias.asname is not None:
            _refuse(node, f"dumpy does not import {alias.name} in this way.")
        _bind(module, alias.name, node)


def _assign(module: _Module, node: ast.Assign) -> None:
    match node.targets:
        case [ast.Name(id=name)]:
            _bind(module, name, node)
            _ASSIGNED.get(name, _assign_model)(module, name, node.value)
        case _:
            _refuse(node, "dumpy assigns to one name at a time.")


def _assign_version(module: _Module, name: str, value: ast.expr) -> None:
    match value:
        case ast.Constant(value=str() | None as version):
            module.version = version
        case _:
            _refuse(value, "SOURCE_VERSION must be a text or None.")


def _assign_migrations(module: _Module, name: str, value: ast.expr) -> None:
    migrations = _evaluate(module, value, frozenset())
    if type(migrations) is not dict or not all(
        type(text) is str for text in (*migrations, *migrations.values())
    ):
        _refuse(value, "SOURCE_MIGRATIONS must be a dict of texts.")
    module.migrations = migrations


def _assign_model(module: _Module, name: str, value: ast.expr) -> None:
    match value:
        case ast.Call(
            func=ast.Name(id="resolve_model"), args=[ast.Constant(value=str(label))], keywords=[]
        ) if "resolve_model" in module.bound:
            module.models[name] = label
        case _:
            _refuse(value, f"{name} is not assigned as dumpy does it.")


def _function(module: _Module, node: ast.FunctionDef) -> None:
    _bind(module, node.name, node)
    if node.decorator_list or node.returns or getattr(node, "type_params", None):
        _refuse(node, f"the function {node.name} has a decorator or an annotation.")
    if node.name == "objects":
        module.objects = node
    elif node.name.startswith("create_"):
        if module.installs:
            _refuse(node, f"{node.name} comes after install_migrations(), which must know it.")
        module.creates[node.name] = node
    else:
        module.sections[node.name] = node
    if not node.name.startswith("create_") and _parameters(node):
        _refuse(node, f"the function {node.name} has parameters.")


_INSTALL = ast.dump(ast.parse(INSTALL).body[0])


def _expression(module: _Module, node: ast.Expr) -> None:
    is_known = "install_migrations" in module.bound and "globals" not in module.bound
    if ast.dump(node) != _INSTALL or not is_known or module.installs:
        _refuse(node, f"dumpy writes no statement like this ({shown(node.value)}).")
    module.installs = True


def _parameters(node: ast.FunctionDef) -> tuple[str, ...]:
    arguments = node.args
    special = (arguments.vararg, arguments.kwarg, *arguments.kwonlyargs, *arguments.posonlyargs)
    if any(special) or arguments.defaults or any(arg.annotation for arg in arguments.args):
        _refuse(node, f"the parameters of {node.name} are not plain names.")
    names = tuple(arg.arg for arg in arguments.args)
    if len(set(names)) < len(names) or "__debug__" in names:
        _refuse(node, f"{node.name} has the same parameter twice.")
    return names


_STATEMENTS: dict[type, Callable[..., None]] = {
    ast.ImportFrom: _import,
    ast.Assign: _assign,
    ast.FunctionDef: _function,
    ast.Expr: _expression,
}
_ASSIGNED: dict[str, Callable[[_Module, str, ast.expr], None]] = {
    "SOURCE_VERSION": _assign_version,
    "SOURCE_MIGRATIONS": _assign_migrations,
}


# Create functions


def _create(module: _Module, node: ast.FunctionDef) -> CreateFunction:
    parameters = _parameters(node)
    match _without_docstring(node.body):
        case [ast.Return(value=None | ast.Constant(value=None))]:
            return CreateFunction(node.name, "", parameters, {}, {}, node.lineno, True)
        case [ast.Return(value=ast.Call(func=ast.Name(id="new")) as call)]:
            model = _model(module, call, parameters)
            fields, lines = _fields(module, parameters, call.keywords)
            return CreateFunction(node.name, model, parameters, fields, lines, node.lineno, False)
    _refuse(node, f"{node.name} does more than to return new(…) of its parameters.")


def _model(module: _Module, call: ast.Call, parameters: Sequence[str]) -> str:
    """The label of the model of `new(variable, …)`."""
    match call.args:
        case [ast.Name(id=variable)] if variable in module.models:
            if "new" in module.bound and {"new", variable}.isdisjoint(parameters):
                return module.models[variable]
    _refuse(call, "new(…) must have one model of this module, and fields.")


def _fields(
    module: _Module, parameters: Sequence[str], keywords: Sequence[ast.keyword]
) -> tuple[dict[str, int | Constant], dict[str, int]]:
    positions = {name: index for index, name in enumerate(parameters)}
    fields: dict[str, int | Constant] = {}
    lines: dict[str, int] = {}
    for name, value in _assignments(keywords):
        if name in fields:
            _refuse(value, f"the field {name} is given twice.")
        fields[name] = _field_value(module, positions, value)
        lines[name] = value.lineno
    return fields, lines


def _assignments(keywords: Sequence[ast.keyword]) -> Iterator[tuple[str, ast.expr]]:
    for keyword in keywords:
        if keyword.arg is not None:
            yield keyword.arg, keyword.value
        elif isinstance(keyword.value, ast.Dict):
            yield from _items(keyword.value)
        else:
            _refuse(keyword, "after ** dumpy writes a dict only.")


def _items(node: ast.Dict) -> Iterator[tuple[str, ast.expr]]:
    for key, value in zip(node.keys, node.values, strict=True):
        match key:
            case ast.Constant(value=str(name)):
                yield name, value
            case _:
                _refuse(value, "after ** the names must be texts.")


def _field_value(module: _Module, positions: Mapping[str, int], value: ast.expr) -> int | Constant:
    if isinstance(value, ast.Name) and value.id in positions:
        return positions[value.id]
    return Constant(_evaluate(module, value, positions.keys()))


_VALUES = (ast.Constant, ast.Name, ast.List, ast.Dict, ast.UnaryOp)


def _is_value(node: ast.expr) -> bool:
    """Whether an expression has the shape of a value, whatever its names mean."""
    is_word = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    return is_word or isinstance(node, _VALUES)


def _evaluate(module: _Module, node: ast.expr, hidden: Iterable[str]) -> object:
    """The value of a literal in which no word means something else here."""
    if not _is_value(node):
        _refuse(node, f"{shown(node)} is more than a parameter or a value.")
    used = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
    for name in sorted(used.intersection(hidden) | (used - module.bound)):
        _refuse(node, f"the name {name} is not the word of that name here.")
    try:
        return words.evaluate(node)
    except words.NotAWord as error:
        raise NotData(max(error.line, node.lineno), error.reason) from None


# Sections


def _section(module: _Module, node: ast.FunctionDef) -> Section:
    statements = list(_without_docstring(node.body))
    if _is_bare_return(statements[-1:]):
        statements.pop()
    parts = tuple(_part(module, statement) for statement in statements)
    return Section(node.name, node.lineno, parts)


def _is_bare_return(statements: Sequence[ast.stmt]) -> bool:
    match statements:
        case [ast.Return(value=None)]:
            return True
    return False


def _part(module: _Module, statement: ast.stmt) -> Extent | InlineRow:
    number = placeholder_number(statement)
    if number is not None and number < len(module.blocks):
        part: Extent | InlineRow = module.blocks[number]
    else:
        part = _inline_row(module, statement)
    if part.function not in module.creates:
        raise NotData(statement.lineno, f"there is no function {part.function}.")
    return part


def _inline_row(module: _Module, statement: ast.stmt) -> InlineRow:
    match statement:
        case ast.Expr(
            value=ast.Yield(value=ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]))
        ):
            values = tuple([_evaluate(module, argument, ()) for argument in arguments])
            return InlineRow(statement.lineno, name, values)
    _refuse(statement, "this is not a row.")


def _yielded(module: _Module) -> list[str]:
    """The names of the sections in the order in which objects() yields them."""
    if module.objects is None:
        raise NotData(1, "there is no function objects().")
    statements = _without_docstring(module.objects.body)
    match statements:
        case [ast.Return(value=ast.List(elts=[]))]:
            return []
    names = [_yielded_name(module, statement) for statement in statements]
    if len(set(names)) < len(names) or not names:
        _refuse(module.objects, "objects() yields the same section twice, or none.")
    return names


def _yielded_name(module: _Module, statement: ast.stmt) -> str:
    match statement:
        case ast.Expr(value=ast.Yield(value=call) | ast.YieldFrom(value=call) as value):
            name = _called(call)
            section = module.sections.get(name)
            # Without a yield it is no generator, which `yield from` cannot do with.
            if section and (isinstance(value, ast.Yield) or _is_generator(section)):
                return name
    _refuse(statement, "in objects() dumpy yields sections only.")


def _called(node: ast.expr | None) -> str:
    """The name of a call without arguments, '' for all else."""
    match node:
        case ast.Call(func=ast.Name(id=name), args=[], keywords=[]):
            return name
    return ""


def _is_generator(function: ast.FunctionDef) -> bool:
    return any(isinstance(node, ast.Yield | ast.YieldFrom) for node in ast.walk(function))
