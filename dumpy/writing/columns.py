"""The values of one column as source: each kind of column has its writer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, datetime, timezone
from decimal import Decimal
from functools import cached_property, partial
from json import JSONDecoder
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connections
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
Shortcut = Callable[[list[Any]], list[str]]

_NONE = type(None)
_INSTANTS = frozenset({datetime})
_INTEGERS = frozenset({int, _NONE})


class ColumnWriter:
    """Writes the values of a column.

    ``is_stored`` says that the values are what the driver gives, and not what Django makes of them;
    those of JSON columns are texts in both cases. ``note`` takes sentences for the person who
    dumps.
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
        if self.column.is_json:
            return _json_value
        return decoder(self.column, connections[self.using]) if self._is_stored else None

    def texts(self, values: Sequence[Any], keys: Keys) -> list[str]:
        """Return the source of each value; ``keys`` are the primary keys of the rows.

        Raises ``UnreadableValue`` and ``UnwritableField``.
        """
        if self._shortcut is not None:
            present = [value for value in values if value is not None]
            with suppress(ValueError, TypeError, KeyError):  # of a value that needs a closer look
                texts = self._shortcut(present)
                if len(texts) == len(values):
                    return texts
                found = iter(texts)
                return ["None" if value is None else next(found) for value in values]
        return self.written(self.python(values, keys), keys)

    def written(self, values: Sequence[Any], keys: Keys) -> list[str]:
        """Return the source of values as their field has them; raises ``UnwritableField``."""
        kinds = set(map(type, values))
        try:
            if kinds == {str}:
                return [
                    repr(text) if len(text) < LONG and text.isascii() else quote(text)
                    for text in values
                ]
            if kinds <= _INTEGERS and self._is_stored:
                return list(map(repr, values))
            writers = {kind: writer_of(kind) for kind in kinds}
            return [writers[type(value)](value) for value in values]
        except Unwritable:
            return list(map(self._text, values, keys))

    def python(self, values: Sequence[Any], keys: Keys) -> Sequence[Any]:
        """Return the values as their field has them; raises ``UnreadableValue``."""
        if self._decode is not None:
            values = list(map(self._decoded, values, keys))
        types = self.column.types
        if types is not None and not set(map(type, values)) <= types | {_NONE}:
            values = list(map(self._plain, values, keys))
        return values

    def _decoded(self, value: Any, key: object) -> Any:
        if value is None or self._decode is None:
            return value
        try:
            if type(value) is str and self.column.types == _INSTANTS:
                (value,) = _datetimes([value])
            made = self._decode(value)
            if made is None and not self.column.is_encoded:
                raise ValidationError(_not_valid(self.column, value))
        except Exception as error:
            raise self._unreadable(key, error) from error
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

    def _text(self, value: Any, key: object) -> str:
        try:
            return source(value)
        except Unwritable as error:
            fault = sentence(error)
        if self.column.types is None and not self.column.is_json:
            text, fault = _field_text(self.column, value, self.using)
            if text is not None:
                return source(text)
        raise self._refusal(value, key, fault)

    def _plain(self, value: Any, key: object) -> Any:
        try:
            return _plain(self.column, value)
        except Exception as error:
            raise self._unreadable(key, error) from error

    def _unreadable(self, key: object, error: Exception) -> UnreadableValue:
        said = " ".join(error.messages) if isinstance(error, ValidationError) else sentence(error)
        return UnreadableValue(self.label, key, self.column.name, said)

    def _refusal(self, value: object, key: object, reason: str) -> UnwritableField:
        field = type(self.column.field)
        name = f"{field.__module__}.{field.__qualname__}"
        return UnwritableField(self.label, key, self.column.name, value, f"{name}: {reason}")


class StoredWriter(ColumnWriter):
    """Writes stored values of a custom field as what the field makes of them, if that says all.

    Otherwise as they are stored.
    """

    def texts(self, values: Sequence[Any], keys: Keys) -> list[str]:
        """Return the source of each value; raises ``UnwritableField``."""
        return [
            "None" if value is None else self._stored(value, key)
            for value, key in zip(values, keys, strict=True)
        ]

    def _stored(self, value: Any, key: object) -> str:
        stored = bytes(value) if isinstance(value, memoryview | bytearray) else value
        try:
            text, fault = self._word(stored)
        except Unwritable as error:
            raise self._refusal(value, key, sentence(error)) from error
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
        if self._natural_keys is None:
            if {type(value) for row in values for value in row} <= _INTEGERS:
                return [repr(sorted(row)) for row in values]
            return [
                f"[{', '.join(source(_plain(target, key)) for key in sorted(row))}]"
                for row in values
            ]
        linked = {value for row in values for value in row}
        named = _named_by(target, self._natural_keys, linked)
        # A key that leads nowhere stays what it is.
        texts = {value: named.get(value) or source(_plain(target, value)) for value in linked}
        return [f"[{', '.join(sorted(texts[value] for value in row))}]" for row in values]


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
    wanted: Any = next(iter(column.types))
    if wanted is str and type(given) is not bytes:
        return plain_text(given) if isinstance(given, str | Promise) else str(given)
    if wanted in (int, float, bytes, Decimal) and isinstance(given, wanted):
        return wanted(given)
    made = column.target.to_python(given)
    # SQLite stores values of any type in any column.
    is_cut = wanted is int and isinstance(given, float | Decimal) and made != given
    is_binary = type(given) is bytes and wanted is not bytes
    if type(made) not in column.types or is_cut or is_binary:
        raise ValidationError(_not_valid(column, given))
    return made


def _not_valid(column: Column, value: object) -> str:
    return f"{value!r} is not a valid value of a {type(column.target).__name__}."


def _exact_float(text: str) -> float:
    value = float(text)
    if repr(value) != text and Decimal(text) != Decimal(repr(value)):
        raise ValueError(f"the number {text} has more digits than a float holds")
    return value


_JSON = JSONDecoder(parse_float=_exact_float)


def _json_value(text: str) -> object:
    value = _JSON.decode(text)
    return JSON_NULL if value is None else value


# Values as SQLite stores them, all of a column, without NULL: these functions raise ValueError,
# TypeError or KeyError for any other value. The drivers of other databases return Python values.

_BOOLEANS = {False: "False", True: "True"}
_HEXADECIMAL = re.compile("[0-9a-f]{32}").fullmatch
_DATETIME = len("datetime.datetime")
_LENGTHS = {
    len("2024-02-29 12:30:00"),
    len("2024-02-29 12:30:00.123"),
    len("2024-02-29 12:30:00.123456"),
}
_DIGITS = 15  # A float has so many for certain.


def _shortcut(column: Column, connection: BaseDatabaseWrapper) -> Shortcut | None:
    """Return what writes values as the driver gives them; None where there is no such way."""
    kind, digits = next(iter(column.types or ()), None), getattr(column.target, "max_digits", None)
    if kind is datetime and connection.timezone in (None, timezone.utc):
        word = "utc" if settings.USE_TZ else "datetime"
        return lambda values: [f"{word}{repr(one)[_DATETIME:]}" for one in _datetimes(values)]
    if kind is Decimal and digits is not None and digits <= _DIGITS:
        return partial(_decimals, column.target.decimal_places)
    return _SHORTCUTS.get(kind)


def _booleans(values: list[Any]) -> list[str]:
    return [_BOOLEANS[value] for value in values]


def _dates(values: list[Any]) -> list[str]:
    made = list(map(date.fromisoformat, values))
    # Of the forms that Python reads, databases store one.
    if list(map(str, made)) != values:
        raise ValueError("a date in another form")
    return [f"date({one.year}, {one.month}, {one.day})" for one in made]


def _datetimes(values: list[Any]) -> list[datetime]:
    made = list(map(datetime.fromisoformat, values))
    if not (_LENGTHS.issuperset(map(len, values)) and {one.tzinfo for one in made} <= {None}):
        raise ValueError(f"{values[0]!r} is not a date and time")
    return made


def _decimals(places: int, values: list[Any]) -> list[str]:
    # A float says no more than its text.
    is_exact = {*map(type, values)} <= {int, float} and [round(v, places) for v in values] == values
    if not is_exact or max(map(abs, values), default=0) >= 10**_DIGITS:
        raise ValueError("a number of more digits")
    form = f"Decimal('%.{places}f')"
    # A zero has no sign in a database.
    return [form % (value or 0) for value in values]


def _uuids(values: list[Any]) -> list[str]:
    if not all(map(_HEXADECIMAL, values)):
        raise ValueError("a UUID in another form")
    return [f"UUID('{v[:8]}-{v[8:12]}-{v[12:16]}-{v[16:20]}-{v[20:]}')" for v in values]


_SHORTCUTS: dict[type | None, Shortcut] = {bool: _booleans, date: _dates, UUID: _uuids}
