"""The closed vocabulary of a row: a value <-> its Python source.

Each kind of value has its writer and its reader side by side; the tables are at the end.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal, InvalidOperation
from functools import partial
from itertools import starmap
from math import isinf
from typing import Any, NamedTuple
from uuid import UUID

from . import parsing, strings

MAX_DEPTH = 100  # Python's own parser gives up at 200 brackets; our readers recurse.
_MAX_INT = 10**4300  # The digits that Python prints and parses; also where the limit is lifted.
_MAX_EXPONENT = 131072  # PostgreSQL's numeric: digits before the point …
_MAX_DIGITS = _MAX_EXPONENT + 16383  # … and after it.
_MAX_ODD_KEYS = 1000  # The hash of a number can be chosen so that a dict becomes quadratic.


class Unwritable(ValueError):
    """`value` has no source in the vocabulary, because of `reason`."""

    is_sentence = True

    def __init__(self, value: object, reason: str = "") -> None:
        super().__init__(value, reason)
        self.value = value
        self.reason = reason

    def __str__(self) -> str:
        kind, reason = type(self.value).__qualname__, self.reason and f": {self.reason}"
        return f"a value of type {kind} cannot be written as a literal{reason}"


class NotAWord(parsing.TextError):
    """Source that is not in the vocabulary."""


class BadValue(NotAWord):
    """A word of the vocabulary with an invalid argument."""


Read = Callable[[Sequence[str]], Iterable[Any]]
"""A function that returns the values of canonical texts."""


class Kind(NamedTuple):
    """The writer and the reader of the values of a type.

    Attributes:
        write: returns the canonical text of a value.
        pattern: matches a canonical text; `read` takes the texts of its one group.
        read: returns the values of many texts.
    """

    type: type
    write: Callable[[Any], str]
    pattern: str
    read: Read


class Word(NamedTuple):
    """A callable of the vocabulary.

    Attributes:
        value: the object that the name refers to in a program.
        argument_types: the types that its arguments may have.
        make: the function that is called to read a row.
    """

    value: Callable[..., object]
    argument_types: frozenset[type]
    make: Callable[..., object]


# Our own values


@dataclass(frozen=True, slots=True)
class Natural:
    """A reference by natural key to an object of `model` ('app_label.ModelName')."""

    model: str
    key: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class FieldText:
    """The value of a custom field, from its `value_to_string`; its `to_python` reads it."""

    text: str


@dataclass(frozen=True, slots=True)
class Stored:
    """The stored value of a custom field; the code of the field is not called for it."""

    value: object


class JsonNull:
    """The null of a JSON field; None is the NULL of SQL."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "json_null"

    def __reduce__(self) -> str:
        return "JSON_NULL"


JSON_NULL = JsonNull()
json_null = JSON_NULL
inf = float("inf")
nan = float("nan")


def natural(model: str, /, *key: object) -> Natural:
    """Return a reference by natural key."""
    if type(model) is not str:
        raise TypeError("the first argument must be the label of a model")
    return Natural(model, key)


def field_text(text: str, /) -> FieldText:
    """Return the value of a custom field."""
    return FieldText(text)


def stored(value: object, /) -> Stored:
    """Return a stored value."""
    return Stored(value)


def utc(
    year: int,
    month: int,
    day: int,
    hour: int = 0,
    minute: int = 0,
    second: int = 0,
    microsecond: int = 0,
) -> datetime:
    """Return an aware datetime from its wall clock in UTC."""
    return datetime(year, month, day, hour, minute, second, microsecond, timezone.utc)


# None, bool, int, float

INT = r"-?(?:0|[1-9][0-9]{0,18})"
_FLOAT = (
    r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,20}(?:e-[0-9]{2,3}|e\+[0-9]{2})?|e-[0-9]{2,3}|e\+[0-9]{2})"
    r"|-?inf|nan"
)


def _write_int(value: int) -> str:
    if not -_MAX_INT < value < _MAX_INT:
        raise Unwritable(value, "Python does not read more than 4300 digits")
    return repr(value)


# Decimal and UUID

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_DECIMAL = r"-?[0-9]{1,400}(?:\.[0-9]{1,400})?(?:E[+-][0-9]{1,4})?"
_UUID_FORMS: dict[str, type] = {"int": int, "bytes": bytes}
_UUID_TEXT = re.compile(r"(?:urn:uuid:)?\{?[0-9A-Fa-f-]{32,64}\}?")


def _write_decimal(value: Decimal) -> str:
    text = str(value)
    if fault := _decimal_fault(value, text):
        raise Unwritable(value, fault)
    return f"Decimal('{text}')"


def _make_decimal(value: Any = "0") -> Decimal:
    text = value if type(value) is str else ""
    if len(text) > _MAX_DIGITS + 32 or not text.isascii():
        raise ValueError("the text is too long or has characters that are not ASCII")
    try:
        result = Decimal(value)
    except InvalidOperation:
        raise ValueError("the text is not a decimal number") from None
    fault = _decimal_fault(result, text)
    if fault:
        raise ValueError(fault)
    return result


def _decimal_fault(value: Decimal, text: str) -> str:
    if value.is_nan() and (value.is_snan() or text.strip("+- ").lower() not in ("nan", "")):
        return "a signaling NaN or a NaN with a payload cannot be stored in a database"
    if abs(value.adjusted()) > _MAX_EXPONENT or len(text) > _MAX_DIGITS + 32:
        return f"the number has an exponent beyond {_MAX_EXPONENT} or too many digits"
    return ""


def _write_uuid(value: UUID) -> str:
    return f"UUID('{value}')"


def _make_uuid(hex: Any = None, **forms: Any) -> UUID:
    # Python's UUID raises other exceptions for arguments of a wrong type.
    if forms:
        (name, value), *others = forms.items()
        if hex is not None or others or type(value) is not _UUID_FORMS.get(name):
            raise TypeError("it takes a text, int= or bytes=")
        return UUID(**forms)
    if type(hex) is not str or not _UUID_TEXT.fullmatch(hex):
        raise ValueError("badly formed hexadecimal UUID string")
    return UUID(hex)


# Dates and times: numbers between commas

_NUMBER = r"(?:0|[1-9][0-9]{0,5})"
_NUMBERS = rf"({_NUMBER}(?:, {_NUMBER}){{%s}})"
_CLOCK = _NUMBERS % "4,6"
_DAYS = r"days=-?[1-9][0-9]{0,8}"
_SECONDS = r"seconds=[1-9][0-9]{0,4}"
_MICROSECONDS = r"microseconds=[1-9][0-9]{0,5}"
_TIMEDELTA = (
    rf"(0|{_DAYS}(?:, {_SECONDS})?(?:, {_MICROSECONDS})?|{_SECONDS}(?:, {_MICROSECONDS})?"
    rf"|{_MICROSECONDS})"
)
_MODULE = len("datetime.")
_ZONE = len(", tzinfo=datetime.timezone.utc)")


def _write_repr(value: date | timedelta) -> str:
    return repr(value)[_MODULE:]


def read_numbers(texts: Sequence[str]) -> list[list[int]]:
    """Return the numbers between the commas of each text, read as JSON."""
    numbers: list[list[int]] = json.loads(f"[[{'],['.join(texts)}]]")
    return numbers


def _from_numbers(make: Callable[..., object]) -> Read:
    return lambda texts: starmap(make, read_numbers(texts))


def _write_datetime(value: datetime) -> str:
    if value.tzinfo is None:
        return repr(value)[_MODULE:]
    try:
        clock = value.astimezone(timezone.utc)
    except OverflowError:
        raise Unwritable(value, "in UTC it is not in the years 1 to 9999") from None
    if clock.fold:
        clock = clock.replace(fold=0)
    return f"utc{repr(clock)[_MODULE + len('datetime') : -_ZONE]})"


def _write_time(value: time) -> str:
    if value.tzinfo is not None:
        raise Unwritable(value, "it has a time zone")
    return repr(value)[_MODULE:]


def _read_timedelta(text: str) -> timedelta:
    if text == "0":
        return timedelta(0)
    parts = (part.split("=") for part in text.split(", "))
    return timedelta(**{name: int(number) for name, number in parts})


# Containers and our own values: their items are written with the depth

_Nested = Callable[..., str]  # (value, depth=1)


def _write_list(value: list[object], depth: int = 1) -> str:
    return f"[{_write_all(value, depth)}]"


def _write_dict(value: dict[object, object], depth: int = 1) -> str:
    if not are_keys(value):
        raise Unwritable(value)
    items = [f"{_write_inside(k, depth)}: {_write_inside(v, depth)}" for k, v in value.items()]
    return f"{{{', '.join(items)}}}"


def _write_natural(value: Natural, depth: int = 1) -> str:
    return f"natural({_write_all((value.model, *value.key), depth)})"


def _write_field_text(value: FieldText) -> str:
    return f"field_text({strings.quote(value.text)})"


def _write_stored(value: Stored, depth: int = 1) -> str:
    return f"stored({_write_inside(value.value, depth)})"


def _write_all(values: Iterable[object], depth: int) -> str:
    return ", ".join([_write_inside(value, depth) for value in values])


def _write_inside(value: object, depth: int) -> str:
    nested = _NESTED.get(type(value))
    if nested is None:
        return _WRITERS.get(type(value), _refuse)(value)
    if depth >= MAX_DEPTH:
        raise Unwritable(value, f"lists and dicts are nested more than {MAX_DEPTH} levels deep")
    return nested(value, depth + 1)


def are_keys(keys: Iterable[object]) -> bool:
    """Whether `keys` can be the keys of one dict in a row."""
    types = list(map(type, keys))
    other_count = len(types) - types.count(str)
    return other_count == 0 or (other_count <= _MAX_ODD_KEYS and _KEYS.issuperset(types))


def make_dict(keys: Sequence[object], values: Sequence[object]) -> dict[object, object]:
    """Return a dict of keys and values; raises BadValue if a key is not allowed."""
    if not are_keys(keys):
        raise BadValue("a key must be a str (or one of at most 1000 numbers, booleans, None).")
    return dict(zip(keys, values, strict=True))


_KEYS = frozenset({str, int, float, bool, type(None)})
_NESTED: dict[type, _Nested] = {list: _write_list, dict: _write_dict, Natural: _write_natural}


# The tables


def _one_by_one(read: Callable[[str], object]) -> Read:
    return partial(map, read)


FLAT: dict[str, Kind] = {
    "None": Kind(type(None), repr, "None", _one_by_one({"None": None}.__getitem__)),
    "bool": Kind(
        bool, repr, "(True|False)", _one_by_one({"True": True, "False": False}.__getitem__)
    ),
    "int": Kind(int, _write_int, f"({INT})", _one_by_one(int)),
    "float": Kind(float, repr, f"({_FLOAT})", _one_by_one(float)),
    "str": Kind(str, strings.quote, strings.TEXT_PATTERN, _one_by_one(strings.unquote)),
    "bytes": Kind(bytes, repr, strings.BYTES_PATTERN, _one_by_one(strings.unquote_bytes)),
    "Decimal": Kind(Decimal, _write_decimal, rf"Decimal\('({_DECIMAL})'\)", _one_by_one(Decimal)),
    "UUID": Kind(UUID, _write_uuid, rf"UUID\('({_UUID})'\)", _one_by_one(UUID)),
    "date": Kind(date, _write_repr, rf"date\({_NUMBERS % '2'}\)", _from_numbers(date)),
    "datetime": Kind(datetime, _write_datetime, rf"datetime\({_CLOCK}\)", _from_numbers(datetime)),
    "utc": Kind(datetime, _write_datetime, rf"utc\({_CLOCK}\)", _from_numbers(utc)),
    "time": Kind(time, _write_time, rf"time\({_NUMBERS % '1,3'}\)", _from_numbers(time)),
    "timedelta": Kind(
        timedelta, _write_repr, rf"timedelta\({_TIMEDELTA}\)", _one_by_one(_read_timedelta)
    ),
}
"""The kinds whose canonical text matches a regular expression with one group."""
SCALARS = frozenset(kind.type for kind in FLAT.values())

_WRITERS: dict[type, Callable[[Any], str]] = {
    **{kind.type: kind.write for kind in FLAT.values()},
    **_NESTED,
    FieldText: _write_field_text,
    Stored: _write_stored,
    JsonNull: repr,
}
_INTEGERS = frozenset({int})
_WORDS: dict[str, Word] = {
    "Decimal": Word(Decimal, frozenset({str, int}), _make_decimal),
    "UUID": Word(UUID, frozenset({str, int, bytes}), _make_uuid),
    "date": Word(date, _INTEGERS, date),
    "datetime": Word(datetime, _INTEGERS, datetime),
    "field_text": Word(field_text, frozenset({str}), field_text),
    "natural": Word(natural, frozenset(_WRITERS), natural),
    "stored": Word(stored, SCALARS | {list, dict}, stored),
    "time": Word(time, _INTEGERS, time),
    "timedelta": Word(timedelta, frozenset({int, float}), timedelta),
    "utc": Word(utc, _INTEGERS, utc),
}
_JSON_NAMES = {"false": "False", "null": "None", "true": "True"}
CONSTANTS: dict[str, object] = {"inf": inf, "json_null": json_null, "nan": nan}
"""The names in rows that are values."""
NAMES: dict[str, object] = dict(
    sorted({**{name: word.value for name, word in _WORDS.items()}, **CONSTANTS}.items())
)
"""The names that rows may use."""


# Writing


def source(value: object) -> str:
    """Return the source of a value, on one line; raises Unwritable if the vocabulary has none."""
    return writer_of(type(value))(value)


def writer_of(kind: type) -> Callable[[Any], str]:
    """Return the function that writes values of exactly this type; it may raise Unwritable."""
    return _WRITERS.get(kind, _refuse)


def _refuse(value: object) -> str:
    raise Unwritable(value)


# Reading


def call(name: str, args: Sequence[object], keywords: Mapping[str, object]) -> object:
    """Return the value of a call of a word; raises NotAWord, or BadValue if the word refuses."""
    word = _WORDS.get(name)
    if word is None:
        raise NotAWord(f"{_shortened(name)} is not a word that a row can call.")
    for value in (*args, *keywords.values()):
        if type(value) not in word.argument_types:
            raise BadValue(f"{name}() takes no argument of type {type(value).__name__}.")
    try:
        return word.make(*args, **keywords)
    except (ValueError, TypeError, ArithmeticError) as error:
        raise BadValue(f"{name}(): {_shortened(str(error))}.") from None


def evaluate(node: ast.expr) -> object:
    """Return the value that Python's eval would return for an expression with the names NAMES.

    Raises NotAWord for code outside of the vocabulary, BadValue for an invalid argument.
    """
    return _evaluate(node, 0)


def _evaluate(node: ast.expr, depth: int) -> object:
    if depth > MAX_DEPTH:
        raise BadValue(f"more than {MAX_DEPTH} levels in one value.", node.lineno)
    try:
        return _evaluated(node, depth + 1)
    except NotAWord as error:
        error.line = max(error.line, node.lineno)
        raise


def _evaluated(node: ast.expr, depth: int) -> object:
    match node:
        case ast.Constant(value=None | bool() | int() | float() | str() | bytes()):
            return _literal(node.value)
        case ast.Name(id=name):
            if name not in CONSTANTS:
                hint = f"Write {_JSON_NAMES[name]}." if name in _JSON_NAMES else ""
                reason = f"the name {_shortened(name)} is not a value of a row."
                raise NotAWord(reason, hint=hint)
            return CONSTANTS[name]
        case ast.UnaryOp(op=ast.UAdd() | ast.USub(), operand=operand):
            value = _evaluate(operand, depth)
            if type(value) is int or type(value) is float:
                return -value if isinstance(node.op, ast.USub) else value
        case ast.List(elts=items):
            return [_evaluate(item, depth) for item in items]
        case ast.Dict(keys=keys, values=values) if None not in keys:
            names = [_evaluate(key, depth) for key in keys if key is not None]
            return make_dict(names, [_evaluate(value, depth) for value in values])
        case ast.Call(func=ast.Name(id=name), args=args):
            keywords = {
                word.arg: _evaluate(word.value, depth) for word in node.keywords if word.arg
            }
            if len(keywords) == len(node.keywords):
                return call(name, [_evaluate(arg, depth) for arg in args], keywords)
    raise NotAWord(f"{parsing.short_source(node)} is code, not a value.")


def _literal(value: Any) -> object:
    if (type(value) is float and isinf(value)) or (
        type(value) is int and not -_MAX_INT < value < _MAX_INT
    ):
        raise BadValue("the number is too large.")
    return value


def _shortened(text: str) -> str:
    return text if len(text) <= 100 else text[:100] + "…"
