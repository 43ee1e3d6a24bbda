"""The text of a directory: `restore.py`, which says what rows mean, and files of rows.

Nothing is run. What has another shape than dumpy writes is code, for which NotData is raised, but
for functions of a `restore.py` that somebody runs anyway.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace

from . import words
from .emit import FLUSH, IMPORTED, MAIN
from .outline import Extent, Outline, placeholder_number
from .skeleton import Code, CreateFunction, InlineRow, NotData, Skeleton, separate

_TABLES = "TABLES"
_CREATE = "create_"
# What data functions and `main()` use, or a reader of versions; `*` may be any of them.
_RESERVED = frozenset(
    {*IMPORTED, _TABLES, "SOURCE_VERSION", "SOURCE_MIGRATIONS", "globals", "main", "*"}
)
# By these, a function can bind what it does not name.
_REFLECTION = frozenset({"delattr", "eval", "exec", "f_globals", "globals", "setattr", "vars"})


@dataclass(frozen=True, slots=True)
class Restore:
    """What `restore.py` says: versions, create functions, and the table files with their lines.

    `models` maps variables to labels; `installs` says that migrators may change the functions;
    `is_program` says that functions which are not among these are what Python makes of them.
    """

    version: str | None
    migrations: Mapping[str, str]
    functions: Mapping[str, CreateFunction]
    files: Mapping[str, int]
    models: Mapping[str, str]
    installs: bool
    is_program: bool = False


def interpret_restore(tree: ast.Module, outline: Outline) -> Restore:
    """Return what a `restore.py` means; raises NotData when it is code."""
    restore, found = _separated(tree, outline)
    for code in found:
        raise code.error
    return restore


def interpret_program(tree: ast.Module, outline: Outline) -> Restore:
    """Return what a `restore.py` means that may be code; raises NotData if its TABLES are."""
    restore, found = _separated(tree, outline)
    return _with_code(restore, tree, [code.statement for code in found])


def _separated(tree: ast.Module, outline: Outline) -> tuple[Restore, list[Code]]:
    rest, late, tables, is_over = list[ast.stmt](), list[Code](), None, False
    for statement in tree.body:
        if is_over:
            error = NotData(statement.lineno, "it comes after the call of main().")
            late.append(Code(statement, error))
        elif _is_main(statement):
            is_over = isinstance(statement, ast.If)
        elif _is_tables(statement):
            tables = statement
        else:
            rest.append(statement)
    if tables is None:
        raise NotData(1, f"there is no list {_TABLES}.")
    skeleton, found = separate(ast.Module(rest, []), outline)
    return _restore(skeleton, _files(tables)), late + found


def _restore(skeleton: Skeleton, files: Mapping[str, int]) -> Restore:
    return Restore(
        skeleton.version,
        skeleton.migrations,
        skeleton.functions,
        files,
        skeleton.models,
        skeleton.installs,
    )


def _with_code(restore: Restore, tree: ast.Module, code: Sequence[ast.stmt]) -> Restore:
    """Trust the functions that are data only where no other statement can change them."""
    bound = Counter(name for statement in tree.body for name in _bound(statement))
    names = {name for statement in code for name in _bound(statement)}
    if not all(map(_only_binds, code)) or any(bound[n] > 1 or _is_reserved(n) for n in names):
        return replace(restore, functions={}, is_program=True)
    return replace(restore, is_program=any(name.startswith(_CREATE) for name in names))


def _bound(statement: ast.stmt) -> list[str]:
    """The names that a function, an import, or a plain assignment binds."""
    match statement:
        case ast.FunctionDef(name=name) | ast.Assign(targets=[ast.Name(id=name)]):
            return [name]
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return [alias.asname or alias.name.partition(".")[0] for alias in names]
    return []


def _is_reserved(name: str) -> bool:
    return name in _RESERVED or name.startswith("__")


def _only_binds(statement: ast.stmt) -> bool:
    """Whether a statement, now or when it is called, binds no names but its own."""
    if isinstance(statement, ast.FunctionDef):
        return _is_plain(statement) and not any(map(_may_bind, ast.walk(statement)))
    return isinstance(statement, ast.Import | ast.ImportFrom)


def _is_plain(function: ast.FunctionDef) -> bool:
    """Whether nothing is called where a function is defined."""
    given = function.args
    annotated = [*given.args, *given.posonlyargs, *given.kwonlyargs, given.vararg, given.kwarg]
    annotations = [argument.annotation for argument in annotated if argument]
    evaluated = [*given.defaults, *given.kw_defaults, *annotations, function.returns]
    is_bare = not function.decorator_list and not getattr(function, "type_params", None)
    return is_bare and all(isinstance(e, ast.Constant | ast.Name | None) for e in evaluated)


def _may_bind(node: ast.AST) -> bool:
    match node:
        case ast.Global():
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in _REFLECTION or name.startswith("__")
    return False


def interpret_table(
    tree: ast.Module, outline: Outline, functions: Container[str] | None
) -> tuple[Extent | InlineRow, ...]:
    """Return the rows of a table file; raises NotData when it is code.

    `functions` are those that its rows may call; without them, which there are is known later.
    """
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


def _part(
    statement: ast.stmt, outline: Outline, functions: Container[str] | None
) -> Extent | InlineRow:
    number = placeholder_number(statement)
    part = _inline_row(statement) if number is None else outline.blocks[number]
    if functions is not None and part.function not in functions:
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
