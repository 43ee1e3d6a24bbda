"""Values of a table to row lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connections
from django.db.models import QuerySet
from django.utils.functional import Promise

from dumpy.errors import UnreadableValue, UnwritableField, sentence
from dumpy.schema.stored import decoded, encoded, is_stored_alike
from dumpy.schema.tables import (
    Column,
    Link,
    ModelType,
    Table,
    has_natural_key,
    is_content_type,
    text_of,
)
from dumpy.schema.tables import from_text as value_of_text
from dumpy.text.strings import escape_non_ascii
from dumpy.text.words import JSON_NULL, FieldText, Natural, Unwritable, source, writer_of

Values = list[Any]

# What fields and drivers raise for values that are none.
UNREADABLE = (ValueError, TypeError, ArithmeticError, ValidationError)

_BLOCK = 100  # rows whose text is in memory at a time


@dataclass(frozen=True)
class Shape:
    """Which columns and links of a table are written, and whether references are natural keys."""

    table: Table
    columns: tuple[Column, ...]
    links: tuple[Link, ...]
    natural: bool = False

    @property
    def names(self) -> list[str]:
        """The names of the fields, in the order of the values of a row."""
        return [column.name for column in self.columns] + [link.name for link in self.links]

    @cached_property
    def key(self) -> list[int] | None:
        """The positions of the primary key in a row, or None when it is not written."""
        names = [column.name for column in self.columns]
        try:
            return [names.index(name) for name in self.table.key]
        except ValueError:
            return None

    def is_natural(self, model: ModelType) -> bool:
        """Whether references to ``model`` are written as natural keys."""
        return is_content_type(model) or (self.natural and has_natural_key(model))


def shape_of(
    table: Table,
    fields: Iterable[str] | None = None,
    *,
    natural_foreign: bool = False,
    natural_primary: bool = False,
) -> Shape:
    """Return what Django's options leave of a table; ``fields`` holds names or attribute names."""
    wanted = None if fields is None else set(fields)
    key = set(table.key)
    without_key = natural_primary and table.is_found_by_natural_key
    return Shape(
        table,
        tuple(
            column
            for column in table.columns
            if (column.name in key and not without_key)
            or (column.name not in key and _is_wanted(column, wanted))
        ),
        tuple(link for link in table.links if wanted is None or link.name in wanted),
        natural_foreign,
    )


class RowWriter:
    """Writes the rows of one shape, a chunk at a time.

    ``using`` is the database in which references are looked up by primary key.
    """

    def __init__(self, shape: Shape, using: str, *, ascii_only: bool = False) -> None:
        self.shape = shape
        self.using = using
        self.ascii_only = ascii_only

    def arguments(self, rows: Sequence[Values]) -> Iterator[str]:
        """Yield the arguments of each row's call; raises ``UnwritableField``."""
        keys = [self._key(row) for row in rows]
        for position, column in enumerate(self.shape.columns):
            self._prepare(position, column, rows, keys)
        for position, link in enumerate(self.shape.links, len(self.shape.columns)):
            self._prepare_link(position, link, rows)
        for start in range(0, len(rows), _BLOCK):
            yield from self._lines(rows[start : start + _BLOCK], keys[start : start + _BLOCK])

    def _lines(self, rows: Sequence[Values], keys: Sequence[object]) -> Iterator[str]:
        try:
            lines = _joined_by_column(rows)
        except Unwritable:
            return map(self.line, rows, keys)
        return map(escape_non_ascii, lines) if self.ascii_only else lines

    def line(self, row: Values, key: object) -> str:
        """Return the arguments of the call of a row that is ready, or almost: words, or values."""
        try:
            line = _joined(row)
        except Unwritable:
            cells = [
                self._checked(column, value, key)
                for column, value in zip(self.shape.columns, row, strict=False)
            ]
            line = _joined(cells + row[len(cells) :])
        return escape_non_ascii(line) if self.ascii_only else line

    def _key(self, row: Values) -> object:
        if self.shape.key is None:
            return None
        values = [row[position] for position in self.shape.key]
        return values[0] if len(values) == 1 else tuple(values)

    def _prepare(
        self, position: int, column: Column, rows: Sequence[Values], keys: Sequence[object]
    ) -> None:
        if column.references is not None and self.shape.is_natural(column.references):
            found = self._natural_keys(column, {row[position] for row in rows} - {None})
            for row in rows:
                row[position] = found.get(row[position], row[position])
        elif column.is_json:
            for row, key in zip(rows, keys, strict=True):
                row[position] = self._json(column, row[position], key)
        elif column.is_encoded:
            for row, key in zip(rows, keys, strict=True):
                row[position] = self._encoded(column, row[position], key)
        elif column.types is not None:
            unusual = {type(row[position]) for row in rows} - column.types - {type(None), Natural}
            if unusual:
                for row, key in zip(rows, keys, strict=True):
                    row[position] = self._plain(column, row[position], key)

    def _plain(self, column: Column, value: Any, key: object) -> Any:
        try:
            return plain(column, value)
        except UNREADABLE as error:
            raise unreadable(self.shape.table.label, key, column, error) from error

    def _json(self, column: Column, text: str | None, key: object) -> object:
        if text is None:
            return None
        try:
            value = json.loads(text, parse_float=_exact_float)
        except ValueError as error:
            raise UnwritableField(
                self.shape.table.label, key, column.name, text, f"it is not exact ({error})."
            ) from error
        return JSON_NULL if value is None else value

    def _natural_keys(self, column: Column, values: set[object]) -> Mapping[object, Natural]:
        model = column.references
        assert model is not None
        name = column.parent_field.attname
        return natural_keys(model, name, values, self.using)

    def _prepare_link(self, position: int, link: Link, rows: Sequence[Values]) -> None:
        model = link.target.references
        assert model is not None
        if self.shape.is_natural(model):
            values = {value for row in rows for value in row[position]}
            found = self._natural_keys(link.target, values)
            for row in rows:
                named = [found.get(value, value) for value in row[position]]
                row[position] = sorted(named, key=source)
        else:
            for row in rows:
                row[position] = [plain(link.target, value) for value in sorted(row[position])]

    def _checked(self, column: Column, value: object, key: object) -> object:
        return value if _is_word(value) else self._text(column, value, key)

    def _text(self, column: Column, value: object, key: object) -> FieldText:
        reason = "its value_to_string() and to_python() do not give it back."
        try:
            text = plain_text(text_of(column, value))
            back = value_of_text(column, text) if isinstance(text, str) else None
            if is_stored_alike(column, back, value, connections[self.using]):
                return FieldText(str(text))
        except Exception as error:
            reason = f"its value_to_string() and to_python() fail with {error!r}."
        raise UnwritableField(self.shape.table.label, key, column.name, value, reason)

    def _encoded(self, column: Column, text: object, key: object) -> object:
        """The value of a stored text, as the words that lead to the same text again."""
        if not isinstance(text, str):
            return text
        connection = connections[self.using]
        value = decoded(column, text, connection)
        if _is_word(value) and encoded(column, value, connection) == text:
            return value
        serialized = value if _is_word(value) else self._text(column, value, key)
        with suppress(Exception):  # to_python() need not know what is stored
            if is_stored_alike(column, value_of_text(column, text), value, connection):
                return FieldText(text)
        return serialized


def unreadable(label: str, key: object, column: Column, error: Exception) -> UnreadableValue:
    """Return the error for a value that a field cannot read."""
    said = " ".join(error.messages) if isinstance(error, ValidationError) else sentence(error)
    return UnreadableValue(label, key, column.name, said)


def _is_word(value: object) -> bool:
    try:
        source(value)
    except Unwritable:
        return False
    return True


def _joined(values: Values) -> str:
    return ", ".join([writer_of(type(value))(value) for value in values])


def _joined_by_column(rows: Sequence[Values]) -> Iterator[str]:
    """The same for many rows, which is faster; raises ``Unwritable`` for the first that fails."""
    if not rows[0]:
        return map(_joined, rows)
    return map(", ".join, zip(*map(_texts, zip(*rows, strict=True)), strict=True))


def _texts(values: tuple[Any, ...]) -> list[str]:
    writers = {kind: writer_of(kind) for kind in set(map(type, values))}
    return [writers[type(value)](value) for value in values]


def natural_keys(
    model: ModelType, name: str, values: set[object], using: str
) -> dict[object, Natural]:
    """Return the natural keys of the rows of ``model`` whose field ``name`` is in ``values``."""
    found = QuerySet(model, using=using).filter(**{f"{name}__in": list(values)})
    label = model._meta.label
    return {
        getattr(instance, name): Natural(label, tuple(map(plain_text, _natural_key(instance))))
        for instance in found
    }


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


def plain_text(value: object) -> object:
    """Return a subclass of ``str`` (a safe string, a choice) or a lazy text as plain ``str``."""
    if isinstance(value, Promise):
        return str(value)
    return str.__str__(value) if isinstance(value, str) else value


_REBUILT: dict[type, Callable[[Any], Any]] = {
    int: int,
    float: float,
    bytes: bytes,
    Decimal: Decimal,
}


def _natural_key(instance: Any) -> tuple[object, ...]:
    if is_content_type(type(instance)):
        # A model of the past has no methods.
        return instance.app_label, instance.model
    return tuple(instance.natural_key())


def _is_wanted(column: Column, wanted: set[str] | None) -> bool:
    return wanted is None or column.name in wanted or column.field.name in wanted


def _exact_float(text: str) -> float:
    value = float(text)
    if Decimal(text) != Decimal(repr(value)):
        raise ValueError(f"the number {text} has more digits than a float holds")
    return value
