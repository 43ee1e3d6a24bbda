"""Interpret the skeleton of a dump: compare it with the shapes that dumpy writes.

Nothing is run. Any other shape is code, for which NotData is raised.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import NoReturn, TypeGuard

from . import words
from .emit import FLUSH, IMPORTED, INSTALL, MAIN, MASKED, SUBSET
from .outline import (
    SAVED,
    Extent,
    Outline,
    RowStyle,
    TextError,
    placeholder_number,
    statements,
)
from .parsing import folded_line, shown

_TABLES = "TABLES"


class NotData(TextError):
    """A skeleton that is code."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that a create function gives to a field of every row."""

    value: object


@dataclass(frozen=True, slots=True)
class CreateFunction:
    """A create function: each field gets the value at a position of the row, or a constant.

    Attributes:
        model: the label, '' if the function drops its rows.
        field_lines: the line of each field, for messages.
    """

    name: str
    model: str
    parameters: tuple[str, ...]
    fields: Mapping[str, int | Constant]
    field_lines: Mapping[str, int]
    line: int
    drops: bool

    @property
    def unused(self) -> list[str]:
        """Return the parameters whose values no field gets."""
        used = {where for where in self.fields.values() if isinstance(where, int)}
        return [name for number, name in enumerate(self.parameters) if number not in used]


@dataclass(frozen=True, slots=True)
class InlineRow:
    """A row that was spread over several lines, or commented, by hand."""

    line: int
    function: str
    values: tuple[object, ...]


Part = Extent | InlineRow


@dataclass(frozen=True, slots=True)
class Section:
    """The rows of one function, in order; `listed_at` is its line in objects(), or 0."""

    name: str
    line: int
    parts: tuple[Part, ...]
    listed_at: int = 0


@dataclass
class Skeleton:
    """The content of a dump without its rows.

    Attributes:
        functions: the create functions by name.
        sections: the sections of a module, in the order in which objects() yields them.
        unlisted: the sections that objects() does not yield.
        files: the table files of a directory, in the order of TABLES, each with its line there.
        models: the label of each variable.
        model_lines: the line that names each label.
        installs: whether migrators may change the create functions.
        bound: the names that the module binds.
        is_subset: whether its docstring says that it holds a part of a database.
        is_masked: whether its docstring says that values are masked.
    """

    version: str | None = None
    migrations: Mapping[str, str] = field(default_factory=dict)
    functions: dict[str, CreateFunction] = field(default_factory=dict)
    sections: tuple[Section, ...] = ()
    unlisted: tuple[Section, ...] = ()
    files: Mapping[str, int] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    model_lines: dict[str, int] = field(default_factory=dict)
    installs: bool = False
    bound: set[str] = field(default_factory=set)
    is_subset: bool = False
    is_masked: bool = False


@dataclass
class _Module(Skeleton):
    """The names that are bound at module level so far."""

    blocks: Sequence[Extent] = ()
    is_directory: bool = False
    found: dict[str, Section] = field(default_factory=dict)
    generators: set[str] = field(default_factory=set)
    listed: dict[str, int] | None = None
    is_over: bool = False


def interpret(outline: Outline, style: RowStyle) -> Skeleton:
    """Return the meaning of a skeleton; raises NotData if it is code, FormatError if not Python."""
    module = _Module(blocks=outline.blocks, is_directory=style is SAVED)
    folded = None if outline.text.isascii() else folded_line(outline.text)
    if folded is not None:
        reason = "the name has letters that Python reads as other letters."
        raise NotData(outline.true_line(folded), reason)
    for number, statement in enumerate(statements(outline)):
        if number == 0 and _is_docstring(statement):
            said = ast.literal_eval(statement.value)
            module.is_subset = said.startswith(SUBSET)
            module.is_masked = MASKED in said
        else:
            _module_statement(module, statement)
    if module.listed is None:
        what = f"list {_TABLES}" if module.is_directory else "function objects()"
        raise NotData(1, f"there is no {what}.")
    _check_blocks(module)
    if module.is_directory:
        module.files = module.listed
    found, listed = module.found, module.listed
    module.sections = tuple(
        replace(found[name], listed_at=at) for name, at in listed.items() if name in found
    )
    module.unlisted = tuple(section for name, section in found.items() if name not in listed)
    return module


def interpret_table(outline: Outline, functions: Container[str] | None) -> tuple[Part, ...]:
    """Return the rows of a table file; raises NotData if it is code.

    `functions` are the functions that its rows may call; None for any.
    """
    parts = []
    for number, statement in enumerate(statements(outline)):
        if (number > 0 or not _is_docstring(statement)) and ast.unparse(statement) != FLUSH:
            part = _saved(statement, outline)
            if functions is not None and part.function not in functions:
                raise NotData(statement.lineno, f"restore.py has no function {part.function}.")
            parts.append(part)
    return tuple(parts)


def _saved(statement: ast.stmt, outline: Outline) -> Part:
    number = placeholder_number(statement)
    if number is not None:
        return outline.blocks[number]
    match statement:
        case ast.Expr(
            value=ast.Call(
                func=ast.Attribute(value=ast.Name(id="loader"), attr="save"),
                args=[ast.Call(func=ast.Name(id=name), args=arguments, keywords=[])],
                keywords=[],
            )
        ):
            values = tuple([_value(argument) for argument in arguments])
            return InlineRow(statement.lineno, name, values)
    _refuse(statement, "this is not a row.")


def models_in(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield each label in a call of resolve_model() of a program, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="resolve_model"), args=[ast.Constant(value=str(label))]):
                yield label, node.lineno


def migrations_in(tree: ast.Module) -> dict[str, str]:
    """Return SOURCE_MIGRATIONS of a program, or an empty dict if it is code."""
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="SOURCE_MIGRATIONS")], value=value):
                with suppress(ValueError, TypeError):
                    found = dict(ast.literal_eval(value)).items()
                    return {k: v for k, v in found if isinstance(k, str) and isinstance(v, str)}
    return {}


def _refuse(node: ast.stmt | ast.expr | ast.keyword, reason: str) -> NoReturn:
    raise NotData(node.lineno, reason)


def _is_docstring(statement: ast.stmt) -> TypeGuard[ast.Expr]:
    match statement:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
    return False


def _without_docstring(body: Sequence[ast.stmt]) -> Sequence[ast.stmt]:
    return body[1:] if body and _is_docstring(body[0]) else body


def _check_blocks(module: _Module) -> None:
    found = {id(part) for section in module.found.values() for part in section.parts}
    for block in module.blocks:
        if id(block) not in found:
            raise NotData(block.first_line, "the rows are not where dumpy writes rows.")


# Statements of the module


def _module_statement(module: _Module, statement: ast.stmt) -> None:
    if module.is_over:
        _refuse(statement, "it comes after the call of main().")
    if module.is_directory and ast.dump(statement) in _MAIN:
        module.is_over = isinstance(statement, ast.If)
        return
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
        case [ast.Name(id=name)] if name == _TABLES and module.is_directory:
            _bind(module, name, node)
            module.listed = _files(node)
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
            module.model_lines.setdefault(label, value.lineno)
        case _:
            _refuse(value, f"{name} is not assigned as dumpy does it.")


def _function(module: _Module, node: ast.FunctionDef) -> None:
    _bind(module, node.name, node)
    if node.decorator_list or node.returns or getattr(node, "type_params", None):
        _refuse(node, f"the function {node.name} has a decorator or an annotation.")
    if node.name.startswith("create_"):
        if module.installs:
            _refuse(node, f"{node.name} comes after install_migrations(), which must know it.")
        module.functions[node.name] = _create(module, node)
    elif module.is_directory:
        _refuse(node, f"dumpy writes no function {node.name} here.")
    elif _parameters(node):
        _refuse(node, f"the function {node.name} has parameters.")
    elif node.name == "objects":
        module.listed = _yielded(module, node)
    else:
        module.found[node.name] = _section(module, node)
        if any(isinstance(one, ast.Yield | ast.YieldFrom) for one in ast.walk(node)):
            module.generators.add(node.name)


def _files(statement: ast.Assign) -> dict[str, int]:
    if not isinstance(statement.value, ast.List):
        _refuse(statement, f"{_TABLES} must be a list of texts.")
    files: dict[str, int] = {}
    for node in statement.value.elts:
        match node:
            case ast.Constant(value=str(name)):
                files[name] = node.lineno
            case _:
                _refuse(node, f"{_TABLES} must be a list of texts.")
    return files


_INSTALL = ast.dump(ast.parse(INSTALL).body[0])
_MAIN = {ast.dump(statement) for statement in ast.parse(MAIN).body}


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
    _refuse(node, f"{node.name} does more than return new(…) with its parameters.")


def _model(module: _Module, call: ast.Call, parameters: Sequence[str]) -> str:
    """Return the label of the model of `new(variable, …)`."""
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
    return Constant(_evaluate(module, value, positions))


_VALUES = (ast.Constant, ast.Name, ast.List, ast.Dict, ast.UnaryOp)


def _evaluate(module: _Module, node: ast.expr, hidden: Container[str]) -> object:
    """Return the value of a literal in which no word has another meaning."""
    is_word = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    if not (is_word or isinstance(node, _VALUES)):
        _refuse(node, f"{shown(node)} is more than a parameter or a value.")
    used = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
    for name in sorted(used):
        if name in hidden:
            _refuse(node, f"{shown(node)} is computed from the parameter {name}.")
        if name not in module.bound:
            _refuse(node, f"the name {name} has another meaning here.")
    return _value(node)


def _value(node: ast.expr) -> object:
    try:
        return words.evaluate(node)
    except words.NotAWord as error:
        raise NotData(max(error.line, node.lineno), error.reason) from None


# Sections


def _section(module: _Module, node: ast.FunctionDef) -> Section:
    statements = list(_without_docstring(node.body))
    match statements[-1:]:
        case [ast.Return(value=None)]:
            statements.pop()
    parts = tuple(_part(module, statement) for statement in statements)
    return Section(node.name, node.lineno, parts)


def _part(module: _Module, statement: ast.stmt) -> Part:
    number = placeholder_number(statement)
    if number is not None and number < len(module.blocks):
        part: Part = module.blocks[number]
    else:
        part = _inline_row(module, statement)
    if part.function not in module.functions:
        raise NotData(statement.lineno, _no_function(part.function, module.functions))
    return part


def _no_function(name: str, known: Iterable[str]) -> str:
    similar = get_close_matches(name, known, 1)
    hint = f" Did you mean {similar[0]}?" if similar else ""
    return f"there is no function {name}.{hint}"


def _inline_row(module: _Module, statement: ast.stmt) -> InlineRow:
    match statement:
        case ast.Expr(
            value=ast.Yield(value=ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]))
        ):
            values = tuple([_evaluate(module, argument, ()) for argument in arguments])
            return InlineRow(statement.lineno, name, values)
        case ast.Expr(value=ast.Call(func=ast.Name(id=name))) if name in module.functions:
            _refuse(statement, "the row has no yield.")
    _refuse(statement, "this is not a row.")


def _yielded(module: _Module, node: ast.FunctionDef) -> dict[str, int]:
    """Return the names of the sections in the order of objects(), with their lines."""
    statements = _without_docstring(node.body)
    match statements:
        case [ast.Return(value=ast.List(elts=[]))]:
            return {}
    names = {_yielded_name(module, statement): statement.lineno for statement in statements}
    if len(names) < len(statements) or not names:
        _refuse(node, "objects() yields the same section twice, or none.")
    return names


def _yielded_name(module: _Module, statement: ast.stmt) -> str:
    match statement:
        case ast.Expr(value=ast.Yield(value=call) | ast.YieldFrom(value=call) as value):
            name = _called(call)
            # Without a yield it is no generator, which `yield from` cannot do with.
            if name in module.found and (isinstance(value, ast.Yield) or name in module.generators):
                return name
    _refuse(statement, "in objects() dumpy yields sections only.")


def _called(node: ast.expr | None) -> str:
    """Return the name of a call without arguments, '' for anything else."""
    match node:
        case ast.Call(func=ast.Name(id=name), args=[], keywords=[]):
            return name
    return ""
