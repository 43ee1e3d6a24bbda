"""Values of rows, column by column: from the dump to Python, from Python to the database."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from dumpy.conf import require_trusted
from dumpy.engines import engine_of
from dumpy.loading.references import References
from dumpy.schema.stored import encoded, is_same_stored
from dumpy.schema.tables import Column, from_text
from dumpy.text.words import JSON_NULL, FieldText, Natural, Stored

NONE = type(None)
_WRAPPED = {FieldText, Stored}
Failures = dict[int, Exception]

_INSTANTS = frozenset({datetime.datetime})
# None: a field may take an empty text for it.
_ALSO = (NONE, bytearray, memoryview)
_NUMBERS = (int, float, Decimal)
_MAX_EXPONENT = 400


def to_python(
    column: Column, values: Sequence[Any], references: References, failures: Failures
) -> Sequence[Any]:
    """Return the values of one column of a batch as values of its field.

    The position of a value that cannot be converted goes into ``failures`` with the exception, a
    ``Missing`` for a reference to a row that is not there yet.
    """
    kinds = set(map(type, values))
    if column.references is not None and (
        Natural in kinds or column.references in references.moved
    ):
        values = _each(values, failures, _follower(column, references))
        kinds = set(map(type, values))
    if column.is_json:
        return values
    if column.is_encoded:
        return _each(values, failures, _encoder(column, connections[references.using]))
    is_unusual = column.types is not None and not kinds <= column.types | {NONE}
    if is_unusual or not kinds.isdisjoint(_WRAPPED):
        values = _each(values, failures, _converter(column))
    if column.types == _INSTANTS and not _are_in_zone(values):
        return _each(values, failures, _in_zone)
    return values


def to_database(
    column: Column, values: Sequence[Any], connection: BaseDatabaseWrapper, failures: Failures
) -> Sequence[Any]:
    """Return values of the field of a column as the driver takes them."""
    return prepared(values, preparation(column, connection), failures)


def prepared(
    values: Sequence[Any], prepare: Callable[[Any], Any] | None, failures: Failures
) -> Sequence[Any]:
    """Return values as ``prepare`` makes them, None for one that takes them as they are."""
    return values if prepare is None else _each(values, failures, prepare)


def is_same(column: Column, one: object, other: object) -> bool:
    """Whether a row would store the value that is stored; JSON is compared as JSON.

    ``other`` is as ``dumpy.schema.stored.as_stored`` reads it: a text for JSON.
    """
    if column.is_json and isinstance(other, str) and one is not None:
        written = _json_writer(column)
        return json.dumps(json.loads(other), sort_keys=True) == written(one, sort_keys=True)
    if column.is_encoded:
        return is_same_stored(one, other)
    if type(one) is not type(other):
        return False
    # A nan does not equal itself, and 0.0 equals -0.0.
    return repr(one) == repr(other) if type(one) is float else one == other


def is_kept(value: object, made: object) -> bool:
    """Whether what a field has made of a dumped value says all that it said, in another type."""
    if made == value or type(made) is type(value) or type(value) in {Natural, *_WRAPPED}:
        return True
    if isinstance(value, _NUMBERS) and isinstance(made, _NUMBERS):
        return Decimal(str(made)) == Decimal(str(value))
    if isinstance(made, datetime.datetime) and type(value) is datetime.date:
        local = timezone.localtime(made) if timezone.is_aware(made) else made
        return (local.date(), local.time()) == (value, datetime.time())
    # What Python writes for a dict is no value that anybody reads again.
    return str(made) == str(value) and not isinstance(value, dict | list)


def _each(values: Sequence[Any], failures: Failures, convert: Callable[[Any], Any]) -> list[Any]:
    try:
        return [value if value is None else convert(value) for value in values]
    except Exception:  # one of them; find out which
        return [_one(i, value, failures, convert) for i, value in enumerate(values)]


def _one(position: int, value: Any, failures: Failures, convert: Callable[[Any], Any]) -> Any:
    if value is None:
        return None
    try:
        return convert(value)
    except Exception as error:
        failures.setdefault(position, error)
        return None


def _follower(column: Column, references: References) -> Callable[[Any], Any]:
    name = column.parent_field.attname

    def follow(value: Any) -> Any:
        if type(value) is Natural:
            return references.resolve(value, name)
        return references.moved_value(column, value)

    return follow


def _encoder(column: Column, connection: BaseDatabaseWrapper) -> Callable[[Any], Any]:
    """Values of an encoded column are handled as they are stored."""

    def encode(value: Any) -> Any:
        if type(value) is Stored:
            return value.value
        require_trusted(column.target, getattr(value, "text", value))
        python = from_text(column, value.text) if type(value) is FieldText else value
        return encoded(column, python, connection)

    return encode


def _converter(column: Column) -> Callable[[Any], Any]:
    types = column.types or frozenset()

    def convert(value: Any) -> Any:
        if type(value) is FieldText:
            require_trusted(column.target, value.text)
            return from_text(column, value.text)
        if type(value) is Stored:
            value = value.value
        if type(value) in types:
            return value
        if str in types:
            return str(value)
        return _converted(column, value)

    return convert


def _converted(column: Column, value: Any) -> Any:
    require_trusted(column.target, value)
    if type(value) is Decimal and value.adjusted() > _MAX_EXPONENT:
        # As an integer, a number with an exponent of 131,072 takes most of a second.
        raise ValidationError(f"the number is too large for {column.name!r}.")
    try:
        made = column.target.to_python(value)
    except (TypeError, AttributeError) as error:
        raise ValidationError(f"{value!r} is not a valid value for {column.name!r}.") from error
    if column.types is not None and not isinstance(made, (*column.types, *_ALSO)):
        # A field may give back what it is given, as Django's for bytes does; SQLite stores it.
        raise ValidationError(f"{value!r} is not a valid value for {column.name!r}.")
    return made


def _are_in_zone(values: Sequence[Any]) -> bool:
    """Whether all instants are as ``USE_TZ`` wants them."""
    naive = {value.tzinfo is None for value in values if value is not None}
    return naive <= {not settings.USE_TZ}


def _in_zone(value: datetime.datetime) -> datetime.datetime:
    """An instant as ``USE_TZ`` wants it: the zone of naive times is the default one."""
    if settings.USE_TZ:
        return timezone.make_aware(value) if value.tzinfo is None else value
    return value if value.tzinfo is None else timezone.make_naive(value)


def preparation(column: Column, connection: BaseDatabaseWrapper) -> Callable[[Any], Any] | None:
    """Return what makes values of a column such as the driver takes, None if they are."""
    if column.is_json:
        return _json_writer(column)
    if column.is_encoded:
        return None
    return engine_of(connection).preparation(column)


def _json_writer(column: Column) -> Callable[..., str]:
    encoder = getattr(column.target, "encoder", None)

    def write(value: Any, **options: Any) -> str:
        return json.dumps(None if value is JSON_NULL else value, cls=encoder, **options)

    return write
