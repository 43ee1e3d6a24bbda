"""Write the values of a column as source, with a writer for each kind of column."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import cached_property, partial
from json import JSONDecoder
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connections
from django.utils.functional import Promise

from dumpy.errors import RowRef, UnreadableValue, UnwritableField, sentence
from dumpy.schema.stored import decoder, encoded, is_same_stored, is_stored_alike
from dumpy.schema.tables import FLOAT_DIGITS, INSTANTS, Column, from_text, text_of
from dumpy.text.strings import LONG, quote
from dumpy.text.words import JSON_NULL, FieldText, Stored, Unwritable, source, writer_of
from dumpy.writing.natural import NaturalKeys, plain_text

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

Keys = Sequence[object]
Note = Callable[[str], object]
Shortcut = Callable[[list[Any]], list[str]]

_NONE = type(None)
_INTEGERS = frozenset({int, _NONE})
# Larger integers are floats in SQLite, which refuses them as integers.
_INTEGER_BITS = 63
_CORRECT = "Correct it in the database, or leave the model out with --exclude."
_GIVE_TEXT = (
    "Give the field a value_to_string() and a to_python() that reads it back, or exclude the model."
)


class ColumnWriter:
    """Writes the values of a column.

    ``is_stored`` says that the driver returned the values, before Django's converters; values of
    JSON columns are texts in both cases. ``note`` receives sentences for the user.
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
        self._has_noted = False

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
            with suppress(ValueError, TypeError, KeyError):  # the shortcut refuses a value
                texts = self._shortcut(present)
                if len(texts) == len(values):
                    return texts
                remaining = iter(texts)
                return ["None" if value is None else next(remaining) for value in values]
        return self.written(self.python(values, keys), keys)

    def written(self, values: Sequence[Any], keys: Keys) -> list[str]:
        """Return the source of values of the field; raises ``UnwritableField``."""
        types = set(map(type, values))
        try:
            if types == {str}:
                return [
                    repr(text) if len(text) < LONG and text.isascii() else quote(text)
                    for text in values
                ]
            if types <= _INTEGERS and self._is_stored:
                return list(map(repr, values))
            writers = {kind: writer_of(kind) for kind in types}
            return [writers[type(value)](value) for value in values]
        except Unwritable:
            return list(map(self._checked_source, values, keys))

    def python(self, values: Sequence[Any], keys: Keys) -> Sequence[Any]:
        """Convert values to values of the field; raises ``UnreadableValue``."""
        if self._decode is not None:
            values = list(map(self._decoded, values, keys))
        types = self.column.types
        if types is not None and not set(map(type, values)) <= types | {_NONE}:
            values = list(map(self._converted, values, keys))
        return values

    def _decoded(self, value: Any, key: object) -> Any:
        if value is None or self._decode is None:
            return value
        try:
            if type(value) is str and self.column.types == INSTANTS:
                (value,) = _datetimes([value])
            decoded = self._decode(value)
            if decoded is None and not self.column.is_encoded:
                raise ValidationError(_not_valid(self.column, value))
            # SQLite stores any number in a column of microseconds.
            if type(value) is float and type(decoded) is timedelta and value % 1:
                raise ValidationError(_not_valid(self.column, value))
        except Exception as error:
            raise self.unreadable(key, error) from error
        if type(decoded) is not Decimal:
            return decoded
        if type(value) in (int, float) and value != type(value)(decoded):
            # SQLite computes with floats, and stores any number in a decimal column.
            self._note_once(
                f"{self.label}(pk={key!r}): {self.column.name!r} is {value!r} in the database. "
                f"The field reads it as {decoded}, which is the value in the dump."
            )
        # No database keeps the sign of a decimal zero.
        return decoded or abs(decoded)

    def _note_once(self, sentence: str) -> None:
        """Note a sentence, unless the column had one: it may hold for many values."""
        if not self._has_noted:
            self._has_noted = True
            self.note(sentence)

    def _checked_source(self, value: Any, key: object) -> str:
        try:
            return source(value)
        except Unwritable as error:
            fault = sentence(error)
        if self.column.types is None and not self.column.is_json:
            text, fault = _field_text(self.column, value, self.using)
            if text is not None:
                return source(text)
        raise self._refusal(value, key, fault)

    def _converted(self, value: Any, key: object) -> Any:
        try:
            return _convert(self.column, value)
        except Exception as error:
            raise self.unreadable(key, error) from error

    def unreadable(self, key: object, error: Exception) -> UnreadableValue:
        """Return the error for a value that cannot be read, in the row with a primary key."""
        name = self.column.name
        reason = f"the value of {name!r} cannot be read: {sentence(error)}"
        return UnreadableValue(RowRef(self.label, key), reason, _CORRECT, name)

    def _refusal(self, value: object, key: object, reason: str) -> UnwritableField:
        name, field = self.column.name, type(self.column.field)
        message = (
            f"the value of {name!r}, of type {type(value).__name__}, cannot be written: "
            f"{field.__module__}.{field.__qualname__}: {reason}"
        )
        return UnwritableField(RowRef(self.label, key), message, _GIVE_TEXT, name)


class StoredWriter(ColumnWriter):
    """Writes the values of a custom field, or the stored values if the field loses something."""

    def texts(self, values: Sequence[Any], keys: Keys) -> list[str]:
        """Return the source of each value; raises ``UnwritableField``."""
        return [
            "None" if value is None else self._stored_source(value, key)
            for value, key in zip(values, keys, strict=True)
        ]

    def _stored_source(self, value: Any, key: object) -> str:
        stored = bytes(value) if isinstance(value, memoryview | bytearray) else value
        try:
            text, fault = self._source_and_fault(stored)
        except Unwritable as error:
            raise self._refusal(value, key, sentence(error)) from error
        if fault:
            self._note_once(
                f"{self.label}(pk={key!r}): from_db_value() of {self.column.name!r} fails: "
                f"{fault} The dump contains such values as they are stored."
            )
        return text

    def _source_and_fault(self, stored: Any) -> tuple[str, str]:
        try:
            value = stored if self._decode is None else self._decode(stored)
        except Exception as error:
            return source(Stored(stored)), sentence(error)
        with suppress(Exception):  # custom fields and their values may raise anything
            if value is not None and is_same_stored(self._encoded(value), stored):
                return source(value), ""
        text, _ = _field_text(self.column, value, self.using)
        with suppress(Exception):
            result = from_text(self.column, text.text) if text else None
            if result is not None and is_same_stored(self._encoded(result), stored):
                return source(text), ""
        return source(Stored(stored)), ""

    def _encoded(self, value: object) -> Any:
        return encoded(self.column, value, connections[self.using])


class ReferenceWriter:
    """Writes foreign keys as natural keys; keys that lead nowhere stay as they are."""

    def __init__(self, natural_keys: NaturalKeys, keys: ColumnWriter) -> None:
        self._natural_keys = natural_keys
        self._keys = keys

    def texts(self, values: Sequence[Any], keys: Keys) -> list[str]:
        """Return the source of each value; ``keys`` are the primary keys of the rows."""
        values = self._keys.python(values, keys)
        distinct = set(values)
        texts = _natural_sources(self._keys.column, self._natural_keys, distinct - {None})
        texts.update((value, source(value)) for value in distinct if value not in texts)
        return [texts[value] for value in values]


class LinkWriter:
    """Writes lists of primary keys or natural keys; keys that lead nowhere stay as they are."""

    def __init__(self, keys: ColumnWriter, natural_keys: NaturalKeys | None) -> None:
        self._keys = keys
        self._natural_keys = natural_keys

    def texts(self, values: Sequence[list[Any]], _keys: Keys) -> list[str]:
        """Return the source of each list; raises ``UnwritableField``."""
        distinct = list({value for row in values for value in row})
        if self._natural_keys is None and _INTEGERS.issuperset(map(type, distinct)):
            return [repr(sorted(row)) for row in values]
        written = self._keys.written(self._keys.python(distinct, distinct), distinct)
        texts = dict(zip(distinct, written, strict=True))
        if self._natural_keys is None:
            rows = [[texts[value] for value in _in_order(row, texts)] for row in values]
        else:
            texts |= _natural_sources(self._keys.column, self._natural_keys, set(distinct))
            rows = [sorted(texts[value] for value in row) for row in values]
        return [f"[{', '.join(row)}]" for row in rows]


def _in_order(values: list[Any], texts: Mapping[Any, str]) -> list[Any]:
    try:
        return sorted(values)
    except TypeError:  # values of a custom field may have no order
        return sorted(values, key=texts.__getitem__)


def _natural_sources(
    column: Column, natural_keys: NaturalKeys, values: set[Any]
) -> dict[object, str]:
    """Map the values of a foreign key to the source of their natural keys."""
    model = column.references
    assert model is not None
    natural = natural_keys.find(model, column.parent_field.attname, values)
    return {value: source(natural[value]) for value in values if value in natural}


def _field_text(column: Column, value: object, using: str) -> tuple[FieldText | None, str]:
    """Return the text of a value if ``to_python()`` restores it, otherwise None and the reason."""
    try:
        text = plain_text(text_of(column, value))
        result = from_text(column, text) if isinstance(text, str) else None
        if isinstance(text, str) and is_stored_alike(column, result, value, connections[using]):
            return FieldText(text), ""
    except Exception as error:
        return None, f"its value_to_string() and to_python() fail: {sentence(error)}"
    return None, "its value_to_string() and to_python() do not restore the value."


def _convert(column: Column, value: Any) -> Any:
    """Convert a value to the exact type of its field; raises ``ValidationError``."""
    if value is None or column.types is None or type(value) in column.types:
        return value
    plain = bytes(value) if isinstance(value, memoryview | bytearray) else value
    kind: Any = next(iter(column.types))
    if kind is str and type(plain) is not bytes:
        return plain_text(plain) if isinstance(plain, str | Promise) else str(plain)
    if kind in (int, float, bytes, Decimal) and isinstance(plain, kind):
        return kind(plain)
    result = column.target.to_python(plain)
    # SQLite stores values of any type in any column.
    is_number = kind is int and isinstance(plain, float | Decimal)
    is_cut = is_number and (result != plain or result.bit_length() > _INTEGER_BITS)
    is_binary = type(plain) is bytes and kind is not bytes
    if type(result) not in column.types or is_cut or is_binary:
        raise ValidationError(_not_valid(column, plain))
    return result


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


# Shortcuts for values of a column as SQLite stores them, without NULL; other engines return some of
# them as text, too. They raise ValueError, TypeError or KeyError for other values.

_BOOLEANS = {False: "False", True: "True"}
_HEXADECIMAL = re.compile("[0-9a-f]{32}").fullmatch
_DATETIME = len("datetime.datetime")
_SECOND = len("2024-02-29 12:30:00")
_LENGTHS = {_SECOND, *range(_SECOND + len(".1"), _SECOND + len(".123456") + 1)}


def _shortcut(column: Column, connection: BaseDatabaseWrapper) -> Shortcut | None:
    """Return a function that writes the values of a driver, or None if the column has none."""
    kind, digits = next(iter(column.types or ()), None), getattr(column.target, "max_digits", None)
    if kind is datetime and connection.timezone in (None, timezone.utc):
        word, zone = ("utc", "+00") if settings.USE_TZ else ("datetime", "")
        return partial(_instants, word, zone)
    if kind is Decimal and digits is not None and digits <= FLOAT_DIGITS:
        return partial(_decimals, column.target.decimal_places)
    return _SHORTCUTS.get(kind)


def _booleans(values: list[Any]) -> list[str]:
    return [_BOOLEANS[value] for value in values]


def _dates(values: list[Any]) -> list[str]:
    dates = list(map(date.fromisoformat, values))
    # Python reads other forms, too.
    if list(map(str, dates)) != values:
        raise ValueError("a date in another form")
    return [f"date({d.year}, {d.month}, {d.day})" for d in dates]


def _instants(word: str, zone: str, values: list[Any]) -> list[str]:
    # PostgreSQL ends the text of an instant with its time zone.
    clocks = _datetimes([str.removesuffix(value, zone) for value in values])
    return [f"{word}{repr(clock)[_DATETIME:]}" for clock in clocks]


def _datetimes(values: list[Any]) -> list[datetime]:
    instants = list(map(datetime.fromisoformat, values))
    if not (
        _LENGTHS.issuperset(map(len, values)) and {instant.tzinfo for instant in instants} <= {None}
    ):
        raise ValueError(f"{values[0]!r} is not a date and time")
    return instants


def _decimals(places: int, values: list[Any]) -> list[str]:
    # The text of a float has all its digits.
    is_exact = {*map(type, values)} <= {int, float} and [round(v, places) for v in values] == values
    if not is_exact or max(map(abs, values), default=0) >= 10**FLOAT_DIGITS:
        raise ValueError("a number of more digits")
    form = f"Decimal('%.{places}f')"
    # A zero has no sign in a database.
    return [form % (value or 0) for value in values]


def _uuids(values: list[Any]) -> list[str]:
    if not all(map(_HEXADECIMAL, values)):
        raise ValueError("a UUID in another form")
    return [f"UUID('{v[:8]}-{v[8:12]}-{v[12:16]}-{v[16:20]}-{v[20:]}')" for v in values]


_SHORTCUTS: dict[type | None, Shortcut] = {bool: _booleans, date: _dates, UUID: _uuids}
