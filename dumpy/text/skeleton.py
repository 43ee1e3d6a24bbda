"""Interpret the skeleton of a dump: compare it with the shapes that dumpy writes.

Nothing is run. A skeleton of another shape is code: NotData is raised.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NoReturn, TypeGuard

from dumpy.errors import suggestion

from . import words
from .emit import FLUSH, IMPORTED, INSTALL, MAIN, MASKED, SUBSET, UNMASKED
from .outline import (
    SAVED,
    YIELDED,
    Extent,
    Outline,
    RowStyle,
    placeholder_number,
    statements,
)
from .parsing import TextError, folded_line, short_source


class NotData(TextError):
    """A skeleton that is code."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that a create function gives to a field of every row."""

    value: object


Fields = Mapping[str, int | Constant]
"""Where rows have the values of fields: a position, or a constant of the create function."""


def by_field(fields: Fields, values: Sequence[Any]) -> dict[str, Any]:
    """Return the values of a row by the names of its fields."""
    return {name: values[at] if isinstance(at, int) else at.value for name, at in fields.items()}


@dataclass(frozen=True, slots=True)
class CreateFunction:
    """A create function.

    Attributes:
        model: the label of the model, '' if the function drops its rows.
        fields: the position of the value of each field in the row, or a constant.
        field_lines: the line of each field, for messages.
        model_line: the line of the label, or 0.
    """

    name: str
    model: str
    parameters: tuple[str, ...]
    fields: Fields
    field_lines: Mapping[str, int]
    line: int
    model_line: int = 0

    @property
    def drops(self) -> bool:
        """Whether the function drops its rows."""
        return not self.model

    @property
    def unused(self) -> list[str]:
        """Return the parameters that no field uses."""
        used = {position for position in self.fields.values() if isinstance(position, int)}
        return [name for index, name in enumerate(self.parameters) if index not in used]


@dataclass(frozen=True, slots=True)
class InlineRow:
    """A row on several lines or with a comment, edited by hand."""

    first_line: int
    function: str
    values: tuple[object, ...]
    rows = 1


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
        installs: whether migrators may change the create functions.
        bound: the names that the module binds.
        is_subset: whether its docstring says that it holds a part of a database.
        is_masked: whether its docstring says that values are masked.
        unmasked: the fields with personal names that its docstring lists as not masked.
    """

    version: str | None = None
    migrations: Mapping[str, str] = field(default_factory=dict)
    functions: dict[str, CreateFunction] = field(default_factory=dict)
    sections: tuple[Section, ...] = ()
    unlisted: tuple[Section, ...] = ()
    files: Mapping[str, int] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    installs: bool = False
    bound: set[str] = field(default_factory=set)
    is_subset: bool = False
    is_masked: bool = False
    unmasked: tuple[str, ...] = ()


@dataclass
class _Module(Skeleton):
    """The content of a dump up to the current statement.

    Attributes:
        defined: the sections by the name of their function.
        model_lines: the line of each variable in `models`.
        listed: the lines of the sections in objects(), or of the files in TABLES.
        is_ended: whether main() was called.
    """

    outline: Outline = field(kw_only=True)
    style: RowStyle = field(kw_only=True)
    defined: dict[str, Section] = field(default_factory=dict)
    model_lines: dict[str, int] = field(default_factory=dict)
    listed: dict[str, int] | None = None
    is_ended: bool = False


def interpret(outline: Outline, style: RowStyle) -> Skeleton:
    """Interpret a skeleton; raises NotData if it is code, FormatError if it is not Python."""
    module = _Module(outline=outline, style=style)
    folded = None if outline.text.isascii() else folded_line(outline.text)
    if folded is not None:
        reason = "the name has letters that Python reads as other letters."
        raise NotData(reason, outline.true_line(folded))
    for number, statement in enumerate(statements(outline)):
        if number == 0 and _is_docstring(statement):
            docstring = ast.literal_eval(statement.value)
            module.is_subset = docstring.startswith(SUBSET)
            module.is_masked = MASKED in docstring
            names = docstring.partition(UNMASKED)[2].partition("\n")[0]
            module.unmasked = tuple(names.rstrip(".").split(", ")) if names else ()
        else:
            _module_statement(module, statement)
    sections, listed = module.defined, module.listed
    if listed is None:
        missing = "list TABLES" if style is SAVED else "function objects()"
        raise NotData(f"there is no {missing}.")
    if style is SAVED:
        module.files = listed
    module.sections = tuple(
        replace(sections[name], listed_at=at) for name, at in listed.items() if name in sections
    )
    module.unlisted = tuple(section for name, section in sections.items() if name not in listed)
    return module


def sketch(outline: Outline) -> Skeleton:
    """Return what the statements of a program say that have the shape of data.

    A create function that is code has a field for each parameter that the code uses. Raises
    FormatError if the program is not Python.
    """
    module = _Module(outline=outline, style=YIELDED, bound={"new", "resolve_model"})
    for statement in statements(outline, is_whole=True):
        match statement:
            case ast.Assign():
                with suppress(NotData):
                    _module_statement(module, statement)
            case ast.FunctionDef(name=name) if name.startswith("create_"):
                try:
                    _module_statement(module, statement)
                except NotData:
                    module.functions[name] = _used_parameters(module, statement)
    return module


def _used_parameters(module: _Module, node: ast.FunctionDef) -> CreateFunction:
    """Return a create function that is code, with the parameters that the code uses as fields."""
    parameters = tuple(argument.arg for argument in node.args.args)
    used = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
    fields = {name: position for position, name in enumerate(parameters) if name in used}
    variables = {f"create_{variable.lower()}": variable for variable in module.models}
    label = module.models.get(variables.get(node.name, ""), node.name)
    return CreateFunction(node.name, label, parameters, fields, {}, node.lineno)


def interpret_table(outline: Outline, functions: Container[str] | None) -> tuple[Part, ...]:
    """Return the rows of a table file; raises NotData if it is code.

    `functions` are the functions that its rows may call; None allows all.
    """
    parts = []
    for number, statement in enumerate(statements(outline)):
        if (number > 0 or not _is_docstring(statement)) and ast.unparse(statement) != FLUSH:
            part = _part(outline, SAVED, statement, _value)
            if functions is not None and part.function not in functions:
                raise NotData(f"restore.py has no function {part.function}.", statement.lineno)
            parts.append(part)
    return tuple(parts)


def models_in(tree: ast.Module) -> Iterator[str]:
    """Yield the labels in the calls of resolve_model() in a program."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="resolve_model"), args=[ast.Constant(value=str(label))]):
                yield label


def _refuse(node: ast.stmt | ast.expr | ast.keyword, reason: str) -> NoReturn:
    raise NotData(reason, node.lineno)


def _is_docstring(statement: ast.stmt) -> TypeGuard[ast.Expr]:
    match statement:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
    return False


# Statements of the module


def _module_statement(module: _Module, statement: ast.stmt) -> None:
    if module.is_ended:
        _refuse(statement, "it comes after the call of main().")
    if module.style is SAVED and ast.dump(statement) in _MAIN:
        module.is_ended = isinstance(statement, ast.If)
        return
    match statement:
        case ast.ImportFrom():
            _import(module, statement)
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            _bind(module, name, statement)
            _assign(module, name, value)
        case ast.FunctionDef():
            _function(module, statement)
        case ast.Expr() if ast.dump(statement) == _INSTALL and _may_install(module):
            module.installs = True
        case ast.Expr(value=value):
            _refuse(statement, f"dumpy writes no statement like this ({short_source(value)}).")
        case _:
            kind = type(statement).__name__
            _refuse(statement, f"dumpy writes no statement like this ({kind}).")


def _may_install(module: _Module) -> bool:
    is_known = "install_migrations" in module.bound and "globals" not in module.bound
    return is_known and not module.installs


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


def _assign(module: _Module, name: str, value: ast.expr) -> None:
    match name, value:
        case "SOURCE_VERSION", ast.Constant(value=str() | None as version):
            module.version = version
        case "SOURCE_MIGRATIONS", ast.Dict(keys=keys, values=values) if _are_texts(
            [*keys, *values]
        ):
            module.migrations = ast.literal_eval(value)
        case "TABLES", ast.List(elts=names) if _are_texts(names) and module.style is SAVED:
            module.listed = {ast.literal_eval(node): node.lineno for node in names}
        case _, ast.Call(
            func=ast.Name(id="resolve_model"), args=[ast.Constant(value=str(label))], keywords=[]
        ) if name not in _ASSIGNED and "resolve_model" in module.bound:
            module.models[name] = label
            module.model_lines[name] = value.lineno
        case _:
            _refuse(value, f"{name} must be {_ASSIGNED.get(name, 'resolve_model(…) of a text')}.")


def _are_texts(nodes: Sequence[ast.expr | None]) -> bool:
    return all(isinstance(node, ast.Constant) and isinstance(node.value, str) for node in nodes)


def _function(module: _Module, node: ast.FunctionDef) -> None:
    _bind(module, node.name, node)
    parameters = _parameters(node)
    body = node.body[1:] if _is_docstring(node.body[0]) else node.body
    if node.name.startswith("create_"):
        if module.installs:
            _refuse(node, f"{node.name} comes after install_migrations(), which must know it.")
        module.functions[node.name] = _create(module, node, parameters, body)
    elif module.style is SAVED:
        _refuse(node, f"dumpy writes no function {node.name} here.")
    elif parameters:
        _refuse(node, f"the function {node.name} has parameters.")
    elif node.name == "objects":
        module.listed = _listed(module, node, body)
    else:
        module.defined[node.name] = Section(node.name, node.lineno, _rows(module, body))


def _parameters(node: ast.FunctionDef) -> tuple[str, ...]:
    arguments = node.args
    parts = [*ast.iter_fields(node), *ast.iter_fields(arguments)]
    if any(value for name, value in parts if name not in ("name", "args", "body")) or any(
        argument.annotation for argument in arguments.args
    ):
        _refuse(node, f"the function {node.name} has more than plain parameters.")
    names = tuple(argument.arg for argument in arguments.args)
    if len(set(names)) < len(names) or "__debug__" in names:
        _refuse(node, f"{node.name} has the same parameter twice.")
    return names


_INSTALL = ast.dump(ast.parse(INSTALL).body[0])
_MAIN = {ast.dump(statement) for statement in ast.parse(MAIN).body}
_ASSIGNED = {
    "SOURCE_VERSION": "a text or None",
    "SOURCE_MIGRATIONS": "a dict of texts",
    "TABLES": "a list of texts in restore.py",
}


# Create functions


def _create(
    module: _Module, node: ast.FunctionDef, parameters: tuple[str, ...], body: Sequence[ast.stmt]
) -> CreateFunction:
    match body:
        case [ast.Return(value=None | ast.Constant(value=None))]:
            return CreateFunction(node.name, "", parameters, {}, {}, node.lineno)
        case [ast.Return(value=ast.Call(func=ast.Name(id="new"), args=args, keywords=keywords))]:
            match args:
                case [ast.Name(id=variable)] if variable in module.models:
                    if "new" in module.bound and {"new", variable}.isdisjoint(parameters):
                        return CreateFunction(
                            node.name,
                            module.models[variable],
                            parameters,
                            *_fields(module, parameters, keywords),
                            node.lineno,
                            module.model_lines[variable],
                        )
            _refuse(body[0], "new(…) must have one model of this module, and fields.")
    _refuse(node, f"{node.name} does more than return new(…) with its parameters.")


def _fields(
    module: _Module, parameters: Sequence[str], keywords: Sequence[ast.keyword]
) -> tuple[dict[str, int | Constant], dict[str, int]]:
    positions = {name: index for index, name in enumerate(parameters)}
    fields: dict[str, int | Constant] = {}
    lines: dict[str, int] = {}
    for name, value in _assignments(keywords):
        if name in fields:
            _refuse(value, f"the field {name} is given twice.")
        if isinstance(value, ast.Name) and value.id in positions:
            fields[name] = positions[value.id]
        else:
            fields[name] = Constant(_evaluate(module, positions, value))
        lines[name] = value.lineno
    return fields, lines


def _assignments(keywords: Sequence[ast.keyword]) -> Iterator[tuple[str, ast.expr]]:
    for keyword in keywords:
        match keyword:
            case ast.keyword(arg=str(name), value=value):
                yield name, value
            case ast.keyword(value=ast.Dict(keys=names, values=values)) if _are_texts(names):
                yield from zip(
                    [ast.literal_eval(name) for name in names if name], values, strict=True
                )
            case _:
                _refuse(keyword, "after ** dumpy writes a dict with texts as names only.")


_VALUES = (ast.Constant, ast.Name, ast.List, ast.Dict, ast.UnaryOp)


def _evaluate(module: _Module, hidden: Container[str], node: ast.expr) -> object:
    """Return the value of a literal; raises NotData if a name in it is not a word of dumpy."""
    is_word = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    if not (is_word or isinstance(node, _VALUES)):
        _refuse(node, f"{short_source(node)} is more than a parameter or a value.")
    names = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
    for name in sorted(names):
        if name in hidden:
            _refuse(node, f"{short_source(node)} is computed from the parameter {name}.")
        if name not in module.bound:
            _refuse(node, f"the name {name} has another meaning here.")
    return _value(node)


def _value(node: ast.expr) -> object:
    try:
        return words.evaluate(node)
    except words.NotAWord as error:
        raise NotData(error.reason, max(error.line, node.lineno)) from None


# Rows


def _part(
    outline: Outline,
    style: RowStyle,
    statement: ast.stmt,
    evaluate: Callable[[ast.expr], object],
) -> Part:
    number = placeholder_number(statement)
    if number is not None:
        return outline.blocks[number]
    call = style.call_in(statement)
    if call is not None and not call.keywords:
        return InlineRow(statement.lineno, call.function, tuple(map(evaluate, call.args)))
    is_call = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
    _refuse(statement, "the row has no yield." if is_call else "this is not a row.")


def _rows(module: _Module, body: Sequence[ast.stmt]) -> tuple[Part, ...]:
    match body:
        case [*rows, ast.Return(value=None)]:
            body = rows
    evaluate = partial(_evaluate, module, ())
    parts = tuple(_part(module.outline, module.style, statement, evaluate) for statement in body)
    for part, statement in zip(parts, body, strict=True):
        if part.function not in module.functions:
            reason = f"there is no function {part.function}."
            hint = suggestion(part.function, module.functions)
            raise NotData(f"{reason} {hint}".rstrip(), statement.lineno)
    return parts


def _listed(module: _Module, node: ast.stmt, body: Sequence[ast.stmt]) -> dict[str, int]:
    """Return the names of the sections in the order of objects(), with their lines."""
    match body:
        case [ast.Return(value=ast.List(elts=[]))]:
            return {}
    names: dict[str, int] = {}
    for statement in body:
        match = _LISTED.fullmatch(ast.unparse(statement))
        if match is None or match[2] not in module.defined:
            _refuse(statement, "in objects() dumpy yields sections only.")
        if match[1] and not module.defined[match[2]].parts:
            _refuse(statement, f"{match[2]}() yields nothing, so it cannot be yielded from.")
        names[match[2]] = statement.lineno
    if len(names) < len(body) or not names:
        _refuse(node, "objects() yields the same section twice, or none.")
    return names


_LISTED = re.compile(r"yield (from )?(\w+)\(\)")
