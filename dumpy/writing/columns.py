"""The values of one column as source: each kind of column has its writer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, datetime, timezone
from decimal import Decimal
from functools import cached_property
from json import JSONDecoder
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connections
from django.db.models import DecimalField
from django.utils.functional import Promise

from dumpy.errors import UnreadableValue, UnwritableField, sentence
from dumpy.schema.stored import decoder, encoded, is_same_stored, is_stored_alike
from dumpy.schema.tables import Column, Link, from_text, text_of
from dumpy.text.strings import LONG, quote
from dumpy.text.words import JSON_NULL, FieldText, Stored, Unwritable, source, writer_of
from dumpy.writing.natural import NaturalKeys, plain_text

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

Keys = Sequence[object]
Note = Callable[[str], object]
Shortcut = Callable[[Any], str]

_NONE = type(None)
_INSTANTS = frozenset({datetime})
_INTEGERS = frozenset({int, _NONE})
_LARGE = 2**64
_HEXADECIMAL = re.compile("[0-9a-f]{32}").fullmatch
_BOOLEANS = {None: "None", False: "False", True: "True"}
_DIGITS = 15  # A float of SQLite has so many for certain.
_SHORT = range(_DIGITS + 1)


class ColumnWriter:
    """Writes the values of a column as they are; the base of the other writers.

    ``is_stored`` says that the values are what the driver gives, and not what Django makes of them.
    """

    def __init__(
        self,
        label: str,
        column: Column,
        using: str,
        note: Note = lambda _sentence: None,
        *,
        is_stored: bool = False,
    ) -> None:
        self.label = label
        self.column = column
        self.using = using
        self.note = note
        self._is_stored = is_stored
        self._shortcut = _shortcut(column, connections[using]) if is_stored else None
        self._has_said = False

    @cached_property
    def _decode(self) -> Callable[[Any], Any] | None:
        return decoder(self.column, connections[self.using]) if self._is_stored else None

    def texts(self, values: Sequence[Any], keys: Keys) -> list[str]:
        """Return the source of each value; ``keys`` are the primary keys of the rows."""
        if self._shortcut is not None:
            with suppress(ValueError, TypeError, KeyError):  # of a value that needs a closer look
                return list(map(self._shortcut, values))
        values = self.python(values, keys)
        kinds = set(map(type, values))
        try:
            if kinds == {str}:
                return [
                    repr(text) if len(text) < LONG and text.isascii() else quote(text)
                    for text in values
                ]
            if kinds <= _INTEGERS and _are_small(values):
                return list(map(repr, values))
            if len(kinds) == 1:
                return list(map(writer_of(kinds.pop()), values))
            writers = {kind: writer_of(kind) for kind in kinds}
            return [writers[type(value)](value) for value in values]
        except Unwritable:
            return list(map(self.text, values, keys))

    def python(self, values: Sequence[Any], keys: Keys) -> Sequence[Any]:
        """Return the values as their field has them; raises ``UnreadableValue``."""
        if self._decode is not None:
            values = list(map(self._decoded, values, keys))
        kinds = set(map(type, values))
        if self.column.types is not None and not kinds <= self.column.types | {_NONE}:
            values = list(map(self._plain, values, keys))
        return values

    def _decoded(self, value: Any, key: object) -> Any:
        assert self._decode is not None
        try:
            if type(value) is str and self.column.types == _INSTANTS:
                value = _read_datetime(value)
            made = self._decode(value)
        except Exception as error:
            raise self._unreadable(key, error) from error
        if made is None and value is not None and self.column.types is not None:
            reason = _not_valid(self.column, value)
            raise UnreadableValue(self.label, key, self.column.name, reason)
        if type(made) is not Decimal:
            return made
        if type(value) is float and value != float(made):
            # SQLite computes with floats, and its columns take any.
            self._say(
                f"{self.label}(pk={key!r}): {self.column.name!r} is {value!r} in the database. "
                f"The field reads it as {made}, which is the value in the dump."
            )
        # No database keeps the sign of a decimal zero.
        return made or abs(made)

    def _say(self, sentence: str) -> None:
        """Note something that many values of the column may have in common, once."""
        if not self._has_said:
            self._has_said = True
            self.note(sentence)

    def text(self, value: Any, key: object) -> str:
        """Return the source of one value of a field; raises ``UnwritableField``."""
        try:
            return source(value)
        except Unwritable as error:
            raise self.refusal(value, key, sentence(error)) from error

    def _plain(self, value: Any, key: object) -> Any:
        try:
            return _plain(self.column, value)
        except Exception as error:
            raise self._unreadable(key, error) from error

    def _unreadable(self, key: object, error: Exception) -> UnreadableValue:
        said = " ".join(error.messages) if isinstance(error, ValidationError) else sentence(error)
        return UnreadableValue(self.label, key, self.column.name, said)

    def refusal(self, value: object, key: object, reason: str) -> UnwritableField:
        """Return the error for a value that would not come back."""
        field = type(self.column.field)
        name = f"{field.__module__}.{field.__qualname__}"
        return UnwritableField(self.label, key, self.column.name, value, f"{name}: {reason}")


def _are_small(values: Sequence[int | None]) -> bool:
    """Whether Python prints all of these numbers, whatever its limit of digits is."""
    return min(filter(None, values), default=0) > -_LARGE and (
        max(filter(None, values), default=0) < _LARGE
    )


class JsonWriter(ColumnWriter):
    """Writes JSON texts."""

    def python(self, values: Sequence[Any], keys: Keys) -> Sequence[Any]:
        """Return what JSON texts say."""
        return list(map(self._value, values, keys))

    def _value(self, text: str | None, key: object) -> object:
        if text is None:
            return None
        try:
            value = _JSON.decode(text)
        except ValueError as error:
            raise self.refusal(text, key, f"it is not exact ({error}).") from error
        return JSON_NULL if value is None else value


class ValueWriter(ColumnWriter):
    """Writes values of any type, by the words for them or as the text of the field."""

    def text(self, value: Any, key: object) -> str:
        """Return the source of one value of a field; raises ``UnwritableField``."""
        try:
            return source(value)
        except Unwritable:
            text, fault = _field_text(self.column, value, self.using)
        if text is None:
            raise self.refusal(value, key, fault)
        return source(text)


class StoredWriter(ColumnWriter):
    """Writes stored values of a custom field as what the field makes of them, if that says all.

    Otherwise as they are stored.
    """

    def texts(self, values: Sequence[Any], keys: Keys) -> list[str]:
        """Return the source of each value; ``keys`` are the primary keys of the rows."""
        return [
            "None" if value is None else self._stored(value, key)
            for value, key in zip(values, keys, strict=True)
        ]

    def _stored(self, value: Any, key: object) -> str:
        stored = bytes(value) if isinstance(value, memoryview | bytearray) else value
        try:
            text, fault = self._word(stored)
        except Unwritable as error:
            raise self.refusal(value, key, sentence(error)) from error
        if fault:
            self._say(
                f"{self.label}(pk={key!r}): from_db_value() of {self.column.name!r} fails: "
                f"{fault} The dump contains such values as they are stored."
            )
        return text

    def _word(self, stored: Any) -> tuple[str, str]:
        try:
            value = stored if self._decode is None else self._decode(stored)
        except Exception as error:
            return source(Stored(stored)), sentence(error)
        with suppress(Exception):  # fields and values of others may raise anything
            if value is not None and is_same_stored(self._encoded(value), stored):
                return source(value), ""
        text, _ = _field_text(self.column, value, self.using)
        with suppress(Exception):
            back = from_text(self.column, text.text) if text else None
            if back is not None and is_same_stored(self._encoded(back), stored):
                return source(text), ""
        return source(Stored(stored)), ""

    def _encoded(self, value: object) -> Any:
        return encoded(self.column, value, connections[self.using])


class ReferenceWriter:
    """Writes foreign keys as natural keys, where these are found."""

    def __init__(self, natural_keys: NaturalKeys, keys: ColumnWriter) -> None:
        self._natural_keys = natural_keys
        self._keys = keys

    def texts(self, values: Sequence[Any], keys: Keys) -> list[str]:
        """Return the source of each value; ``keys`` are the primary keys of the rows."""
        values = self._keys.python(values, keys)
        distinct = set(values)
        named = _named_by(self._keys.column, self._natural_keys, distinct - {None})
        # A key that leads nowhere stays what it is.
        named.update((value, source(value)) for value in distinct if value not in named)
        return [named[value] for value in values]


class LinkWriter:
    """Writes lists of primary keys or natural keys."""

    def __init__(self, link: Link, natural_keys: NaturalKeys | None) -> None:
        self._link = link
        self._natural_keys = natural_keys

    def texts(self, values: Sequence[list[Any]], _keys: Keys) -> list[str]:
        """Return the source of each list."""
        target = self._link.target
        named: dict[object, str] = {}
        if self._natural_keys is not None:
            linked = {value for row in values for value in row}
            named = _named_by(target, self._natural_keys, linked)
        if not named and {type(value) for row in values for value in row} <= _INTEGERS:
            return [repr(sorted(row)) for row in values]
        texts = []
        for row in values:
            if named:
                keys = sorted(named.get(value) or source(_plain(target, value)) for value in row)
            else:
                keys = [source(_plain(target, value)) for value in sorted(row)]
            texts.append(f"[{', '.join(keys)}]")
        return texts


def _named_by(column: Column, natural_keys: NaturalKeys, values: set[Any]) -> dict[object, str]:
    """Return the source of natural keys by the values of a foreign key."""
    model = column.references
    assert model is not None
    found = natural_keys.find(model, column.parent_field.attname, values)
    return {value: source(found[value]) for value in values if value in found}


def _field_text(column: Column, value: object, using: str) -> tuple[FieldText | None, str]:
    """Return the text of a value that gives it back, or None and the reason."""
    try:
        text = plain_text(text_of(column, value))
        back = from_text(column, text) if isinstance(text, str) else None
        if isinstance(text, str) and is_stored_alike(column, back, value, connections[using]):
            return FieldText(text), ""
    except Exception as error:
        return None, f"its value_to_string() and to_python() fail: {sentence(error)}"
    return None, "its value_to_string() and to_python() do not give the value back."


def _plain(column: Column, value: Any) -> Any:
    """Return a value as an instance of exactly the type that a field of Django holds."""
    if value is None or column.types is None or type(value) in column.types:
        return value
    given = bytes(value) if isinstance(value, memoryview | bytearray) else value
    wanted = next(iter(column.types))
    if wanted is str and type(given) is not bytes:
        return plain_text(given) if isinstance(given, str | Promise) else str(given)
    if wanted in _REBUILT and isinstance(given, wanted):
        return _REBUILT[wanted](given)
    made = column.target.to_python(given)
    # SQLite stores values of any type in any column.
    is_cut = wanted is int and isinstance(given, float | Decimal) and made != given
    is_binary = type(given) is bytes and wanted is not bytes
    if type(made) not in column.types or is_cut or is_binary:
        raise ValidationError(_not_valid(column, given))
    return made


def _not_valid(column: Column, value: object) -> str:
    return f"{value!r} is not a valid value of a {type(column.target).__name__}."


_REBUILT: dict[type, Callable[[Any], Any]] = {
    int: int,
    float: float,
    bytes: bytes,
    Decimal: Decimal,
}


def _exact_float(text: str) -> float:
    value = float(text)
    if repr(value) != text and Decimal(text) != Decimal(repr(value)):
        raise ValueError(f"the number {text} has more digits than a float holds")
    return value


_JSON = JSONDecoder(parse_float=_exact_float)


def _shortcut(column: Column, connection: BaseDatabaseWrapper) -> Shortcut | None:
    """Return what writes a value as the driver gives it; None where there is no such way.

    It raises ``ValueError``, ``TypeError`` or ``KeyError`` for a value that it does not know.
    """
    kind = next(iter(column.types or ()), None)
    if kind is datetime and connection.timezone in (None, timezone.utc):
        return _datetime("utc" if settings.USE_TZ else "datetime")
    if isinstance(column.target, DecimalField) and kind and column.target.max_digits in _SHORT:
        return _decimal(column.target.decimal_places)
    return _SHORTCUTS.get(kind)


def _read_datetime(text: str) -> datetime:
    """Return the datetime of a text in the form in which databases store it."""
    value = datetime.fromisoformat(text)
    if len(text) not in (19, 23, 26) or value.tzinfo is not None:
        raise ValueError(f"{text!r} is not a date and time")
    return value


def _date(value: Any) -> str:
    if type(value) is str:
        # Of the forms that Python reads, databases store one.
        if value[4:5] != "-" or value[7:8] != "-":
            raise ValueError(value)
        value = date.fromisoformat(value)
    elif value is None:
        return "None"
    elif type(value) is not date:
        raise ValueError(value)
    return f"date({value.year}, {value.month}, {value.day})"


def _datetime(word: str) -> Shortcut:
    def write(value: Any) -> str:
        if type(value) is str:
            value = _read_datetime(value)
        elif value is None:
            return "None"
        else:
            return source(_exactly(datetime, value))
        minute = f"{word}({value.year}, {value.month}, {value.day}, {value.hour}, {value.minute}"
        if value.microsecond:
            return f"{minute}, {value.second}, {value.microsecond})"
        return f"{minute}, {value.second})" if value.second else f"{minute})"

    return write


def _exactly(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise ValueError(value)
    return value


def _uuid(value: Any) -> str:
    if type(value) is str and _HEXADECIMAL(value):
        return f"UUID('{value[:8]}-{value[8:12]}-{value[12:16]}-{value[16:20]}-{value[20:]}')"
    if value is None or type(value) is UUID:
        return source(value)
    raise ValueError(value)


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
