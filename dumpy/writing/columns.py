"""The values of one column as source: each kind of column has its writer."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connections
from django.utils.functional import Promise

from dumpy.errors import UnreadableValue, UnwritableField, sentence
from dumpy.schema.stored import decoder, encoded, is_same_stored, is_stored_alike
from dumpy.schema.tables import Column, Link, from_text, text_of
from dumpy.text.strings import quote
from dumpy.text.words import JSON_NULL, FieldText, Stored, Unwritable, source, writer_of
from dumpy.writing.natural import NaturalKeys, plain_text
from dumpy.writing.shortcuts import read_datetime, shortcut

Keys = Sequence[object]
Note = Callable[[str], object]

_NONE = type(None)
_INSTANTS = frozenset({datetime})
_LARGE = 2**64


def _ignore(sentence: str) -> None:
    """Take a note that nobody reads."""


class ColumnWriter:
    """Writes the values of a column as they are; the base of the other writers.

    ``is_stored`` says that the values are what the driver gives, and not what Django makes of them.
    """

    def __init__(
        self,
        label: str,
        column: Column,
        using: str,
        note: Note = _ignore,
        *,
        is_stored: bool = False,
    ) -> None:
        self.label = label
        self.column = column
        self.using = using
        self.note = note
        self._decode = decoder(column, connections[using]) if is_stored else None
        self._shortcut = shortcut(column, connections[using]) if is_stored else None
        self._has_said = False

    def texts(self, values: Sequence[Any], keys: Keys) -> list[str]:
        """Return the source of each value; ``keys`` are the primary keys of the rows."""
        if self._shortcut is not None:
            with suppress(ValueError, TypeError, KeyError):  # of a value that needs a closer look
                return list(map(self._shortcut, values))
        values = self.python(values, keys)
        try:
            return texts_of(values, set(map(type, values)))
        except Unwritable:
            return list(map(self._text, values, keys))

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
                value = read_datetime(value)
            made = self._decode(value)
        except Exception as error:
            raise unreadable(self.label, key, self.column, error) from error
        if made is None and value is not None and self.column.types is not None:
            reason = f"{value!r} is none of a {type(self.column.target).__name__}."
            raise UnreadableValue(self.label, key, self.column.name, reason)
        if type(made) is not Decimal:
            return made
        if type(value) is float and value != float(made):
            # SQLite computes with floats, and its columns take any.
            self._say(
                f"{self.label}(pk={key!r}): {self.column.name!r} is {value!r} in the database. The "
                f"field reads {made}, and so are such values in the dump."
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
            raise self.refusal(value, key, f"{sentence(error)}") from error

    def _plain(self, value: Any, key: object) -> Any:
        try:
            return plain(self.column, value)
        except Exception as error:
            raise unreadable(self.label, key, self.column, error) from error

    def refusal(self, value: object, key: object, reason: str) -> UnwritableField:
        """Return the error for a value that would not come back."""
        field = type(self.column.field)
        name = f"{field.__module__}.{field.__qualname__}"
        return UnwritableField(self.label, key, self.column.name, value, f"{name}: {reason}")


class JsonWriter(ColumnWriter):
    """Writes JSON texts."""

    def texts(self, values: Sequence[Any], keys: Keys) -> list[str]:
        """Return the source of each value; ``keys`` are the primary keys of the rows."""
        made = list(map(self._value, values, keys))
        try:
            return texts_of(made, set(map(type, made)))
        except Unwritable:
            return list(map(self._text, made, keys))

    def _value(self, text: str | None, key: object) -> object:
        if text is None:
            return None
        try:
            value = json.loads(text, parse_float=_exact_float)
        except ValueError as error:
            raise self.refusal(text, key, f"it is not exact ({error}).") from error
        return JSON_NULL if value is None else value


class ValueWriter(ColumnWriter):
    """Writes values of any type, by the words for them or as the text of the field."""

    def texts(self, values: Sequence[Any], keys: Keys) -> list[str]:
        """Return the source of each value; ``keys`` are the primary keys of the rows."""
        return list(map(self._custom, self.python(values, keys), keys))

    def _custom(self, value: Any, key: object) -> str:
        try:
            return source(value)
        except Unwritable:
            text, fault = field_text(self.column, value, self.using)
        if text is None:
            raise self.refusal(value, key, fault)
        return source(text)


class StoredWriter(ColumnWriter):
    """Writes stored values of a custom field as what the field makes of them, if that says all.

    Otherwise as they are stored.
    """

    @cached_property
    def _repeated(self) -> Callable[[Any], tuple[str, str]]:
        return lru_cache(maxsize=1024)(self._word)

    def texts(self, values: Sequence[Any], keys: Keys) -> list[str]:
        """Return the source of each value; ``keys`` are the primary keys of the rows."""
        return [
            "None" if value is None else self._stored(value, key)
            for value, key in zip(values, keys, strict=True)
        ]

    def _stored(self, value: Any, key: object) -> str:
        stored = bytes(value) if isinstance(value, memoryview | bytearray) else value
        try:
            text, fault = (self._repeated if type(stored) is str else self._word)(stored)
        except Unwritable as error:
            raise self.refusal(value, key, sentence(error)) from error
        if fault:
            self._say(
                f"{self.label}(pk={key!r}): from_db_value() of {self.column.name!r} fails: {fault} "
                "Such values are in the dump as they are stored."
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
        text, _ = field_text(self.column, value, self.using)
        with suppress(Exception):
            back = from_text(self.column, text.text) if text else None
            if back is not None and is_same_stored(self._encoded(back), stored):
                return source(text), ""
        return source(Stored(stored)), ""

    def _encoded(self, value: object) -> Any:
        return encoded(self.column, value, connections[self.using])


class ReferenceWriter(ColumnWriter):
    """Writes foreign keys as natural keys."""

    def __init__(
        self, label: str, column: Column, natural_keys: NaturalKeys, fallback: ColumnWriter
    ) -> None:
        super().__init__(label, column, natural_keys.using, fallback.note)
        self._natural_keys = natural_keys
        self._fallback = fallback

    def texts(self, values: Sequence[Any], keys: Keys) -> list[str]:
        """Return the source of each value; ``keys`` are the primary keys of the rows."""
        values = self._fallback.python(values, keys)
        distinct = set(values)
        named = named_by(self.column, self._natural_keys, distinct - {None})
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
            named = named_by(target, self._natural_keys, linked)
        texts = []
        for row in values:
            if named:
                keys = sorted(named.get(value) or source(plain(target, value)) for value in row)
            else:
                keys = [source(plain(target, value)) for value in sorted(row)]
            texts.append(f"[{', '.join(keys)}]")
        return texts


def named_by(column: Column, natural_keys: NaturalKeys, values: set[Any]) -> dict[object, str]:
    """Return the source of natural keys by the values of a foreign key."""
    model = column.references
    assert model is not None
    found = natural_keys.find(model, column.parent_field.attname, values)
    return {value: source(found[value]) for value in values if value in found}


def texts_of(values: Sequence[Any], kinds: set[type]) -> list[str]:
    """Return the source of values of some types; raises ``Unwritable``."""
    if kinds == {str}:
        return [repr(value) if value.isascii() else quote(value) for value in values]
    if kinds == {int} and min(values) > -_LARGE and max(values) < _LARGE:
        return list(map(repr, values))
    if len(kinds) == 1:
        return list(map(writer_of(*kinds), values))
    writers = {kind: writer_of(kind) for kind in kinds}
    return [writers[type(value)](value) for value in values]


def field_text(column: Column, value: object, using: str) -> tuple[FieldText | None, str]:
    """Return the text of a value that gives it back, or None and the reason."""
    try:
        text = plain_text(text_of(column, value))
        back = from_text(column, text) if isinstance(text, str) else None
        if isinstance(text, str) and is_stored_alike(column, back, value, connections[using]):
            return FieldText(text), ""
    except Exception as error:
        return None, f"its value_to_string() and to_python() fail: {sentence(error)}"
    return None, "its value_to_string() and to_python() do not give the value back."


def unreadable(label: str, key: object, column: Column, error: Exception) -> UnreadableValue:
    """Return the error for a value that a field cannot read."""
    said = " ".join(error.messages) if isinstance(error, ValidationError) else sentence(error)
    return UnreadableValue(label, key, column.name, said)


def plain(column: Column, value: Any) -> Any:
    """Return a value as an instance of exactly the type that a field of Django holds."""
    if value is None or column.types is None or type(value) in column.types:
        return value
    if isinstance(value, memoryview | bytearray):
        return bytes(value)
    wanted = next(iter(column.types))
    if wanted is str:
        return plain_text(value) if isinstance(value, str | Promise) else str(value)
    if wanted in _REBUILT and isinstance(value, wanted):
        return _REBUILT[wanted](value)
    return column.target.to_python(value)


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
