"""Columns of values as the text that PostgreSQL's COPY reads."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

_NULL = "\\N"
_NONE = type(None)


def _escaped(text: str) -> str:
    text = text.replace("\\", "\\\\").replace("\t", "\\t")
    return text.replace("\n", "\\n").replace("\r", "\\r")


# The types whose text PostgreSQL reads as psycopg would send it.
_WRITERS: dict[type, Callable[[Any], str]] = {
    int: str,
    float: repr,
    Decimal: str,
    uuid.UUID: str,
    datetime.date: str,
    datetime.datetime: str,
    datetime.time: str,
    str: _escaped,
    bool: {True: "t", False: "f"}.__getitem__,
    bytes: lambda value: f"\\\\x{value.hex()}",
}


def copy_text(columns: Sequence[Sequence[Any]]) -> str | None:
    """Return rows, given as columns, as one text, or None if a value is of another type."""
    texts = [_column_text(values) for values in columns]
    known = [text for text in texts if text is not None]
    if len(known) < len(texts):
        return None
    return "\n".join(map("\t".join, zip(*known, strict=True))) + "\n"


def _column_text(values: Sequence[Any]) -> Sequence[str] | None:
    kinds = set(map(type, values))
    is_optional = _NONE in kinds
    kinds.discard(_NONE)
    if not kinds:
        return [_NULL] * len(values)
    if len(kinds) > 1 or not kinds <= _WRITERS.keys():
        return None
    write = _WRITERS[kinds.pop()]
    if is_optional:
        return [_NULL if value is None else write(value) for value in values]
    return list(map(write, values))
