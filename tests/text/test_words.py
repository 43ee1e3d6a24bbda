from __future__ import annotations

import ast
import copy
import pickle
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_strategies import scalars, values

from dumpy.text.strings import escape_non_ascii
from dumpy.text.words import (
    JSON_NULL,
    MAX_DEPTH,
    NAMES,
    BadValue,
    FieldText,
    Natural,
    NotAWord,
    Unwritable,
    call,
    evaluate,
    source,
)

HALF_PAST = timezone(timedelta(hours=5, minutes=30))


def read(text: str) -> object:
    return evaluate(ast.parse(text, mode="eval").body)


WORDS: list[tuple[object, str]] = [
    (None, "None"),
    (True, "True"),
    (False, "False"),
    (0, "0"),
    (-7, "-7"),
    (2**64, "18446744073709551616"),
    (10**4299, "1" + "0" * 4299),
    (0.0, "0.0"),
    (-0.0, "-0.0"),
    (0.1, "0.1"),
    (1e300, "1e+300"),
    (5e-324, "5e-324"),
    (float("inf"), "inf"),
    (float("-inf"), "-inf"),
    (float("nan"), "nan"),
    ("", "''"),
    ("it's", '"it\'s"'),
    ('it\'s "it"', "'it\\'s \"it\"'"),
    (" blank ", "' blank '"),
    ("{x} %s", "'{x} %s'"),
    (b"", "b''"),
    (b"\x00'\xff\n", 'b"\\x00\'\\xff\\n"'),
    (Decimal("0.99"), "Decimal('0.99')"),
    (Decimal("-0"), "Decimal('-0')"),
    (Decimal("1.10"), "Decimal('1.10')"),
    (Decimal("1E+30"), "Decimal('1E+30')"),
    (Decimal("NaN"), "Decimal('NaN')"),
    (Decimal("-Infinity"), "Decimal('-Infinity')"),
    (Decimal("9" * 131072), f"Decimal('{'9' * 131072}')"),
    (UUID(int=1), "UUID('00000000-0000-0000-0000-000000000001')"),
    (date(1, 1, 1), "date(1, 1, 1)"),
    (datetime(2024, 1, 31, 9, 30), "datetime(2024, 1, 31, 9, 30)"),
    (datetime(2024, 1, 31, 9, 30, 0, 5), "datetime(2024, 1, 31, 9, 30, 0, 5)"),
    (datetime(2024, 1, 31, 9, 30, fold=1), "datetime(2024, 1, 31, 9, 30, fold=1)"),
    (datetime(2024, 1, 31, 9, 30, tzinfo=timezone.utc), "utc(2024, 1, 31, 9, 30)"),
    (datetime(2024, 1, 31, 15, 0, tzinfo=HALF_PAST), "utc(2024, 1, 31, 9, 30)"),
    (time(9, 30), "time(9, 30)"),
    (time(9, 30, fold=1), "time(9, 30, fold=1)"),
    (timedelta(0), "timedelta(0)"),
    (timedelta(days=-1, seconds=3), "timedelta(days=-1, seconds=3)"),
    (timedelta(microseconds=7), "timedelta(microseconds=7)"),
    ([], "[]"),
    ([1, "a", None, [True]], "[1, 'a', None, [True]]"),
    ({}, "{}"),
    (
        {"a": 1, "b": [1.0], 1: None, None: 2, 2.5: 3},
        "{'a': 1, 'b': [1.0], 1: None, None: 2, 2.5: 3}",
    ),
    (JSON_NULL, "json_null"),
    ([JSON_NULL], "[json_null]"),
    (FieldText("a'b"), 'field_text("a\'b")'),
    (
        Natural("auth.Permission", ("add_user", "auth", "user")),
        "natural('auth.Permission', 'add_user', 'auth', 'user')",
    ),
    (Natural("a.B", (Natural("c.D", (1,)),)), "natural('a.B', natural('c.D', 1))"),
]


def test_a_value_has_one_source() -> None:
    for value, text in WORDS:
        assert source(value) == text


def test_a_source_gives_its_value_back_with_its_type() -> None:
    for value, text in WORDS:
        result = read(text)
        assert type(result) is type(value), text
        assert source(result) == text


def test_a_source_means_the_same_to_python() -> None:
    for _, text in WORDS:
        assert repr(eval(text, dict(NAMES))) == repr(read(text)), text


@given(values())
@settings(deadline=None)
def test_every_value_survives_the_round_trip(value: object) -> None:
    text = source(value)
    assert "\n" not in text
    assert repr(read(text)) == repr(eval(text, dict(NAMES))) == repr(in_utc(value))
    assert repr(read(escape_non_ascii(source(value)))) == repr(read(text))


def in_utc(value: Any) -> Any:
    if isinstance(value, list):
        return [in_utc(item) for item in value]
    if isinstance(value, dict):
        return {key: in_utc(item) for key, item in value.items()}
    if isinstance(value, Natural):
        return Natural(value.model, tuple(in_utc(item) for item in value.key))
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(timezone.utc).replace(fold=0)
    return value


class Text(str):
    pass


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


KEYWORDS = ["year", "fold", "tzinfo", "days", "hex", "int", "bytes", "is_safe", "value", "model"]
UNWRITABLE = [
    10**4300,
    -(10**4300),
    Decimal("sNaN"),
    Decimal("NaN7"),
    Decimal("1E+131073"),
    Decimal("1E-999999"),
    Text("a"),
    (1, 2),
    {1, 2},
    1j,
    ...,
    object(),
    len,
    time(9, 30, tzinfo=timezone.utc),
    datetime.min.replace(tzinfo=HALF_PAST),
    [1, (2,)],
    {"a": {2}},
    {(1,): 2},
    {b"a": 2},
    dict.fromkeys(range(1001)),
    nested(MAX_DEPTH + 1),
    Natural("a.B", ((1,),)),
]


@pytest.mark.parametrize("value", UNWRITABLE, ids=lambda value: type(value).__name__)
def test_a_value_outside_of_the_vocabulary_is_unwritable(value: object) -> None:
    with pytest.raises(Unwritable, match="cannot be written"):
        source(value)


def test_the_error_holds_the_innermost_value_that_is_unwritable() -> None:
    with pytest.raises(Unwritable) as caught:
        source({"a": [1, (2,)]})
    assert caught.value.value == (2,)


def test_the_deepest_writable_value_can_be_read() -> None:
    assert read(source(nested(MAX_DEPTH))) == nested(MAX_DEPTH)


EDITED = [
    "0x10",
    "1_000",
    "--5",
    "+5",
    "+ 5",
    "'a' 'b'",
    '"a"',
    "'''a'''",
    "r'\\d'",
    "u'a'",
    "'\\N{BULLET}'",
    "'\\101'",
    "[1, 2,]",
    "{'a': 1, 'a': 2}",
    "{1: 'a', True: 'b', 1.0: 'c'}",
    "( 1 )",
    "-inf",
    "-nan",
    "1.",
    "01.5",
    "Decimal(1)",
    "Decimal(' 1 ')",
    "Decimal(value='2')",
    "Decimal()",
    "UUID('00000000000000000000000000000001')",
    "UUID(int=5)",
    "UUID(hex='{00000000-0000-0000-0000-000000000001}')",
    "date(day=1, month=2, year=3)",
    "utc(2024, 1, day=31)",
    "datetime(2024, 1, 31, fold=1)",
    "time()",
    "time(minute=5)",
    "timedelta(1.5)",
    "timedelta(weeks=1, hours=2)",
    "natural('a.B')",
]


def test_edited_source_means_what_python_makes_of_it() -> None:
    for text in EDITED:
        assert repr(read(text)) == repr(eval(text, dict(NAMES))), text


CODE = [
    "()",
    "(1, 2)",
    "{1}",
    "...",
    "1j",
    "f'a'",
    "f'{1}'",
    "date",
    "print",
    "__import__",
    "__import__('os')",
    "Decimal.from_float(1.0)",
    "date.today()",
    "''.join([])",
    "'a' % 1",
    "1 + 1",
    "9**9**9",
    "not 1",
    "~1",
    "-True",
    "-'a'",
    "-Decimal('1')",
    "-date(1, 1, 1)",
    "[*[1]]",
    "{**{}}",
    "date(*[1, 1, 1])",
    "date(**{'year': 1})",
    "date(year=1, year=1, month=1, day=1)",
    "(lambda: 1)()",
    "[x for x in []]",
    "1 if 1 else 2",
    "1 < 2",
    "1 and 2",
    "(x := 1)",
    "[1][0]",
    "(yield)",
    "exec('1')",
    "new(1)",
    "True()",
]
BAD = [
    "1e999",
    "-1e999",
    "0x" + "f" * 20000,
    "date(0, 1, 1)",
    "date(2024, 2, 30)",
    "date(2024, 1)",
    "date('2024')",
    "date(True, 1, 1)",
    "date(2024, 1, 1, 1)",
    "datetime(2024, 1, 1, 24)",
    "datetime(2024, 1, 1, tzinfo=None)",
    "datetime(b'\\x07\\xe8\\x01\\x1f\\t\\x1e\\x00\\x00\\x00\\x00')",
    "utc(2024, 13, 1)",
    "utc(10000, 1, 1)",
    "time(25)",
    "time(b'\\x01\\x01\\x01\\x01\\x01\\x01')",
    "timedelta(10**9)".replace("10**9", "1000000000"),
    "timedelta('1')",
    "timedelta(nan)",
    "timedelta(inf)",
    "UUID('x')",
    "UUID('\u0661" + "0" * 31 + "')",
    "UUID('0_" + "0" * 30 + "')",
    "UUID()",
    "UUID(int=-1)",
    "UUID(int=1, is_safe=2)",
    "UUID(bytes=b'1')",
    "UUID(bytes='1234567890123456')",
    "UUID(5)",
    "UUID(int='5')",
    "UUID(int=1, bytes=b'1234567890123456')",
    "UUID('00000000000000000000000000000001', int=1)",
    "Decimal('x')",
    "Decimal('')",
    "Decimal('\u0661')",
    "Decimal('sNaN')",
    "Decimal('NaN123')",
    "Decimal('1e3000000')",
    "Decimal('1e-3000000')",
    "Decimal('1e99999999999999999999')",
    "Decimal('" + "1" * 200000 + "')",
    "Decimal([1])",
    "Decimal('1', None)",
    "natural()",
    "natural(1)",
    "natural(model='a.B')",
    "field_text(1)",
    "field_text()",
    "{[]: 1}",
    "{{}: 1}",
    "{b'a': 1}",
    "{date(1, 1, 1): 1}",
    "{" + ", ".join(f"{index * (2**61 - 1)}: 0" for index in range(1500)) + "}",
    "[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2),
]


def refusal(text: str) -> NotAWord:
    """Return the error that is raised for a text."""
    try:
        read(text)
    except NotAWord as error:
        return error
    raise AssertionError(f"it was read: {text[:60]}")


def test_code_is_not_a_word() -> None:
    for text in CODE:
        error = refusal(text)
        assert not isinstance(error, BadValue), text
        assert error.reason, text


def test_a_word_refuses_a_value_that_it_cannot_have() -> None:
    for text in BAD:
        error = refusal(text)
        assert isinstance(error, BadValue), text[:60]
        assert len(error.reason) < 300


def test_a_refusal_names_the_line() -> None:
    assert refusal("[\n1,\nprint]").line == 3


def test_json_null_stays_the_only_one() -> None:
    assert copy.deepcopy(JSON_NULL) is JSON_NULL
    assert pickle.loads(pickle.dumps(JSON_NULL)) is JSON_NULL


@given(st.text())
@settings(deadline=None)
def test_a_text_with_any_content_is_read_back_and_never_code(text: str) -> None:
    assert read(source(FieldText(text))) == FieldText(text)


@given(
    st.sampled_from(sorted(NAMES)),
    st.lists(scalars(), max_size=4),
    st.dictionaries(st.sampled_from(KEYWORDS), scalars(), max_size=2),
)
@settings(max_examples=1000, deadline=None)
def test_a_word_called_with_anything_gives_its_value_or_refuses(
    name: str, args: list[object], keywords: dict[str, object]
) -> None:
    try:
        value = call(name, args, keywords)
    except NotAWord:
        return
    assert repr(value) == repr(NAMES[name](*args, **keywords))  # type: ignore[operator]
