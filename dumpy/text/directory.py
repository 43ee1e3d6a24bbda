"""The text of a directory: `restore.py`, which says what rows mean, and files of rows.

Nothing is run. What has another shape than dumpy writes is code, for which NotData is raised, but
for functions of a `restore.py` that somebody runs anyway.
"""

from __future__ import annotations

import ast
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace

from . import words
from .emit import FLUSH, MAIN
from .outline import Block, Outline, placeholder_number
from .skeleton import CreateFunction, InlineRow, NotData, interpret_functions

_TABLES = "TABLES"
_CREATE = "create_"


@dataclass(frozen=True, slots=True)
class Restore:
    """What `restore.py` says: versions, create functions, and the table files with their lines.

    `code` holds the names of create functions that only Python understands.
    """

    version: str | None
    migrations: Mapping[str, str]
    functions: Mapping[str, CreateFunction]
    files: Mapping[str, int]
    code: frozenset[str] = frozenset()


def interpret_restore(tree: ast.Module, outline: Outline) -> Restore:
    """Return what a `restore.py` means; raises NotData when it is code."""
    rest, tables = [], None
    for statement in tree.body:
        if _is_main(statement):
            continue
        if _is_tables(statement):
            tables = statement
        else:
            rest.append(statement)
    if tables is None:
        raise NotData(1, f"there is no list {_TABLES}.")
    skeleton = interpret_functions(ast.Module(rest, []), outline)
    return Restore(skeleton.version, skeleton.migrations, skeleton.functions, _files(tables))


def interpret_program(tree: ast.Module, outline: Outline) -> Restore:
    """Return what a `restore.py` means that may be code; raises NotData if its TABLES are."""
    body, code = list(tree.body), list[ast.stmt]()
    while True:
        try:
            restore = interpret_restore(ast.Module(body, []), outline)
        except NotData as error:
            strange = _statement_at(body, error.line)
            if strange is None:
                raise
            body.remove(strange)
            code.append(strange)
        else:
            return _with_code(restore, tree, code)


def _statement_at(body: Iterable[ast.stmt], line: int) -> ast.stmt | None:
    for statement in body:
        if statement.lineno <= line <= (statement.end_lineno or 0) and not _is_tables(statement):
            return statement
    return None


def _with_code(restore: Restore, tree: ast.Module, code: Iterable[ast.stmt]) -> Restore:
    """Trust the functions that are data only where no other statement can change them."""
    names = [_bound(statement) for statement in tree.body]
    if all(name and names.count(name) == 1 for name in map(_bound, code)):
        strange = frozenset(map(_bound, code))
        return replace(restore, code=frozenset(n for n in strange if n.startswith(_CREATE)))
    every = frozenset(name for name in names if name.startswith(_CREATE))
    return replace(restore, functions={}, code=every)


def _bound(statement: ast.stmt) -> str:
    """The name of a plain function or of one import, '' for what may bind or do more."""
    match statement:
        case ast.FunctionDef(name=name, decorator_list=[]):
            return name
        case ast.Import(names=[alias]) | ast.ImportFrom(names=[alias]):
            return alias.asname or alias.name
    return ""


def interpret_table(
    tree: ast.Module, outline: Outline, functions: Container[str]
) -> tuple[Block | InlineRow, ...]:
    """Return the rows of a table file; raises NotData when it is code."""
    parts = []
    for number, statement in enumerate(tree.body):
        if _is_docstring(statement) and number == 0:
            continue
        if ast.unparse(statement) != FLUSH:
            parts.append(_part(statement, outline, functions))
    return tuple(parts)


_MAIN = {ast.dump(statement) for statement in ast.parse(MAIN).body}


def _is_main(statement: ast.stmt) -> bool:
    return ast.dump(statement) in _MAIN


def _is_tables(statement: ast.stmt) -> bool:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name == _TABLES
    return False


def _is_docstring(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
    return False


def _files(statement: ast.stmt) -> dict[str, int]:
    match statement:
        case ast.Assign(value=ast.List(elts=names)):
            return {_file(name): name.lineno for name in names}
    raise NotData(statement.lineno, f"{_TABLES} must be a list of texts.")


def _file(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(name)):
            return name
    raise NotData(node.lineno, f"{_TABLES} must be a list of texts.")


def _part(statement: ast.stmt, outline: Outline, functions: Container[str]) -> Block | InlineRow:
    number = placeholder_number(statement)
    part = _inline_row(statement) if number is None else outline.blocks[number]
    if part.function not in functions:
        raise NotData(statement.lineno, f"restore.py has no function {part.function}.")
    return part


def _inline_row(statement: ast.stmt) -> InlineRow:
    match statement:
        case ast.Expr(
            value=ast.Call(
                func=ast.Attribute(value=ast.Name(id="loader"), attr="save"),
                args=[ast.Call(func=ast.Name(id=name), args=arguments, keywords=[])],
                keywords=[],
            )
        ):
            return InlineRow(statement.lineno, name, tuple(map(_value, arguments)))
    raise NotData(statement.lineno, "this is not a row.")


def _value(node: ast.expr) -> object:
    try:
        return words.evaluate(node)
    except words.NotAWord as error:
        raise NotData(max(error.line, node.lineno), error.reason) from None
