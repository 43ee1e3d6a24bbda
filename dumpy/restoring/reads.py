"""Databases that can only be read for a while."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import connections

from dumpy.errors import RestoreFailed

_SHOWN = 80

# What is quoted says nothing of what a statement does. Comments of MySQL with a ! are code.
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"[^"]*"|`[^`]*`|--[^\n]*|/\*(?!!).*?\*/""", re.DOTALL)
_READS = re.compile(
    r"[\s(]*(SELECT|WITH|VALUES|SHOW|EXPLAIN|DESC|DESCRIBE|PRAGMA|DECLARE|FETCH|CLOSE|SET"
    r"|BEGIN|START|SAVEPOINT|RELEASE|ROLLBACK|COMMIT)\b",
    re.IGNORECASE,
)
_WRITES = re.compile(
    r"\bINTO\b|\bDELETE\s+FROM\b|\bUPDATE\b.*\bSET\b|\b(setval|nextval)\s*\("
    r"|\bPRAGMA\b(?!\s+foreign_keys\b).*=",
    re.IGNORECASE | re.DOTALL,
)


@contextmanager
def reading_only(aliases: Iterable[str], reason: str) -> Iterator[None]:
    """Let statements that do more than read raise ``RestoreFailed`` until the block ends."""
    with ExitStack() as stack:
        for alias in aliases:
            stack.enter_context(connections[alias].execute_wrapper(_guard(alias, reason)))
        yield


def _guard(alias: str, reason: str) -> Callable[..., Any]:
    def execute(run: Callable[..., Any], sql: Any, *args: Any) -> Any:
        if not reads_only(str(sql)):
            raise RestoreFailed(
                f"{alias!r} must stay as it is: {reason} Refused: {sql!s:.{_SHOWN}}"
            )
        return run(sql, *args)

    return execute


def reads_only(sql: str) -> bool:
    """Whether all statements of a text read, or are about the connection."""
    statements = [one for one in _QUOTED.sub(_blank, sql).split(";") if one.strip()]
    return bool(statements) and all(
        _READS.match(one) and not _WRITES.search(one) for one in statements
    )


def _blank(quoted: re.Match[str]) -> str:
    return " " if quoted[0].startswith(("--", "/*")) else "x"
