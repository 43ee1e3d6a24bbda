"""Values that are hard to keep: for each field of a checkup, what to put into it."""

from __future__ import annotations

import sys
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import JSONField, Value

JSON_NULL = Value(None, JSONField())
EVERY_BYTE = bytes(range(256))

TEXTS = [
    "",
    " blanks at both ends  ",
    "   ",
    "\ttabs\tand\x0bvertical\x0cfeeds",
    "'single' \"double\" '''triple''' \"\"\"triple\"\"\" `back`",
    "back\\slash \\n \\u0041 \\N{DIGIT ONE} \\",
    "lines\r\nof\nevery\rkind",
    "unicode\u2028lines\u2029and\x85next\x1cfile\x1dgroup\x1erecord",
    "emoji 🦩🐘 👩‍🚀 and e\u0301 beside é",
    "bidi \u202etfel ot thgir\u202c and \u2066isolated\u2069",
    "\ufeffbyte order mark and \ufffe and \uffff and \U0010ffff",
    "Õhtusöök, Αθήνα, Москва, 動物園, حديقة",
    'print("PWNED", 1)',
    "__import__('os').system('true')",
    "# dumpy: end",
    "def objects(): pass",
    "{'a': 1}",
    "%s %(name)s {0} {name} $1 ${name}",
    "None",
    "'); DROP TABLE zoo_void; --",
    "x" * 200,
]
FLOATS = [
    0.0,
    -0.0,
    0.1,
    1 / 3,
    -2.5,
    1e16,
    1e22,
    123456789.123456789,
    sys.float_info.max,
    -sys.float_info.max,
    sys.float_info.min,
    sys.float_info.epsilon,
]
JSONS: list[Any] = [
    {},
    [],
    JSON_NULL,
    True,
    False,
    0,
    0.0,
    1,
    1.0,
    1.5,
    "",
    "null",
    2**53 + 1,
    -(2**63),
    10**40,
    "🦩 \u2028 ' \" \\ \r\n",
    [None, [], {}, [[]], {"": None}],
    {"b": 1, "a": 1.0, "z": {"deep": [1, 2.5, "3", None, True]}, "ä": "Decimal('1')"},
]

COLUMNS: dict[str, list[Any]] = {
    "integer": [0, 1, -1, 2**31 - 1, -(2**31)],
    "small_integer": [0, 2**15 - 1, -(2**15)],
    "big_integer": [0, 2**63 - 1, -(2**63), 2**53 + 1],
    "positive_integer": [0, 2**31 - 1],
    "positive_small_integer": [0, 2**15 - 1],
    "positive_big_integer": [0, 2**63 - 1],
    "boolean": [True, False],
    "floating": FLOATS,
    "price": [Decimal("0.00"), Decimal("9999999999.99"), Decimal("-0.01"), Decimal("1E+3")],
    "fine_decimal": [
        Decimal("0"),
        Decimal("1E-14"),
        Decimal("-12345.6789012345"),
        Decimal("1.10"),
    ],
    "char": TEXTS,
    "text": [*TEXTS, "long " * 20_000],
    "slug": ["", "a-slug_1", "-"],
    "email": ["", "keeper@zoo.example", "o'hara+tag@zoo.example"],
    "url": ["", "https://zoo.example/?a=1&b='2'#c", "http://[2001:db8::1]/"],
    "uuid": [UUID(int=0), UUID(int=2**128 - 1), UUID("a3c54e0b-8f0e-4c1c-9f63-2f1d6b1c0a4e")],
    "day": [date.min, date.max, date(1900, 2, 28), date(2024, 2, 29)],
    "moment": [
        datetime.min.replace(tzinfo=timezone.utc),
        datetime.max.replace(tzinfo=timezone.utc),
        datetime(2024, 10, 27, 0, 30, tzinfo=timezone.utc),
        datetime(2024, 10, 27, 1, 30, tzinfo=timezone.utc),
        datetime(2024, 3, 31, 1, 0, 0, 1, tzinfo=timezone.utc),
        datetime(1970, 1, 1, 5, 45, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    ],
    "hour": [time.min, time.max, time(12), time(0, 0, 0, 1), time(9, 30, 15, 120_000)],
    "duration": [
        timedelta(),
        timedelta(microseconds=1),
        timedelta(microseconds=-1),
        timedelta(days=-3, hours=5),
        timedelta(days=106_751_990, seconds=1, microseconds=999_999),
        timedelta(days=-106_751_990),
    ],
    "ip": ["127.0.0.1", "::1", "2001:db8::ff00:42:8329", "::ffff:10.0.0.1", "255.255.255.255"],
    "ipv4": ["0.0.0.0", "10.20.30.40"],
    "xray": ["", "xrays/a name with blanks.png", "xrays/ünïcode 🦩.png"],
    "photo": ["", "photos/otter.jpg"],
    "binary": [b"", EVERY_BYTE, b"\x00", b"'\\\n\"", EVERY_BYTE * 100],
    "json": JSONS,
}

NUL_TEXTS = ["a NUL \x00 inside", "\x00"]
LIMIT_DECIMALS = [Decimal("9" * 20 + "." + "9" * 20), Decimal("-0." + "0" * 19 + "1")]
ENGINE_COLUMNS: dict[str, dict[str, list[Any]]] = {
    "sqlite": {
        "char": NUL_TEXTS,
        "text": NUL_TEXTS,
        "floating": [5e-324, float("inf"), float("-inf")],
        "json": [{"nul": "\x00", "half": "\ud83e"}, -0.0, 1e22, 1e-300],
    },
    "mysql": {"char": NUL_TEXTS, "text": NUL_TEXTS, "fine_decimal": LIMIT_DECIMALS},
    "postgresql": {
        "floating": [5e-324, float("inf"), float("-inf"), float("nan")],
        "fine_decimal": LIMIT_DECIMALS,
    },
}


def by_engine(engine: str) -> dict[str, list[Any]]:
    """Return the values of each field of a checkup that an engine can hold."""
    more = ENGINE_COLUMNS[engine]
    return {name: values + more.get(name, []) for name, values in COLUMNS.items()}
