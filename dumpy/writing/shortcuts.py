"""From stored values straight to words, where Python's values need not be made on the way."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timezone
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.db.models import DecimalField

from dumpy.schema.tables import Column
from dumpy.text.words import source

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

Shortcut = Callable[[Any], str]

_HEXADECIMAL = re.compile("[0-9a-f]{32}").fullmatch
_BOOLEANS = {None: "None", False: "False", True: "True"}
_DIGITS = 15  # A float of SQLite has so many for certain.


def shortcut(column: Column, connection: BaseDatabaseWrapper) -> Shortcut | None:
    """Return what writes a value as the driver gives it; None where there is no such way.

    It raises ``ValueError``, ``TypeError`` or ``KeyError`` for a value that it does not know.
    """
    kind = next(iter(column.types or ()), None)
    if kind is datetime and connection.timezone in (None, timezone.utc):
        return _datetime("utc" if settings.USE_TZ else "datetime")
    if isinstance(column.target, DecimalField) and kind and _is_short(column.target):
        return _decimal(column.target.decimal_places)
    return _SHORTCUTS.get(kind)


def read_date(text: str) -> date:
    """Return the date of a text in the form in which databases store it."""
    value = date.fromisoformat(text)
    if str(value) != text:
        raise ValueError(f"{text!r} is no date")
    return value


def read_datetime(text: str) -> datetime:
    """Return the datetime of a text in the form in which databases store it."""
    value = datetime.fromisoformat(text)
    if len(text) not in (19, 23, 26) or value.tzinfo is not None:
        raise ValueError(f"{text!r} is no date and time")
    return value


def _date(value: Any) -> str:
    return "None" if value is None else _date_of(value)


@lru_cache(maxsize=4096)
def _date_of(value: Any) -> str:
    return source(read_date(value) if type(value) is str else value)


def _datetime(word: str) -> Shortcut:
    def write(value: Any) -> str:
        if value is None:
            return "None"
        if type(value) is not str:
            return source(value)
        return f"{word}{_clock(read_datetime(value))}"

    return write


def _clock(value: datetime) -> str:
    minute = f"({value.year}, {value.month}, {value.day}, {value.hour}, {value.minute}"
    if value.microsecond:
        return f"{minute}, {value.second}, {value.microsecond})"
    return f"{minute}, {value.second})" if value.second else f"{minute})"


def _uuid(value: Any) -> str:
    if type(value) is str and _HEXADECIMAL(value):
        return f"UUID('{value[:8]}-{value[8:12]}-{value[12:16]}-{value[16:20]}-{value[20:]}')"
    if value is None or type(value) is UUID:
        return source(value)
    raise ValueError(value)


def _is_short(field: DecimalField[Any, Any]) -> bool:
    return field.max_digits is not None and field.max_digits <= _DIGITS


def _decimal(places: int) -> Shortcut:
    form = f".{places}f"

    def write(value: Any) -> str:
        if type(value) is Decimal:
            return source(value)
        if value is None:
            return "None"
        # A float says no more than its text; a zero has no sign in a database.
        text = format(value or 0, form)
        if type(value) is str or float(text) != value or abs(value) >= 10**_DIGITS:
            raise ValueError(value)
        return f"Decimal('{text}')"

    return write


_SHORTCUTS: dict[type | None, Shortcut] = {bool: _BOOLEANS.__getitem__, date: _date, UUID: _uuid}
