"""Values that are none, or that their fields and the database do not take."""

from __future__ import annotations

import pytest
from hostile_dumps import EXPRESSIONS, dump_of, table
from oracle import Refuse, another, deserialized, first_line, is_refused, reasons

# The reader is the same for every engine; what their columns take is not.
pytestmark = pytest.mark.sqlite

DOORS = ["data only", another("file")]
POSITIONS = ("a row", "a JSON value", "a spread row", "a constant", "a word", "the version")
VALUES = [
    # numbers
    "1" * 5000,
    "-" + "1" * 5000,
    "0x" + "f" * 4000,
    "0b" + "1" * 20_000,
    "1e999",
    "-1e999",
    "9" * 400 + ".0",
    "1j",
    "007",
    "1__0",
    "1_",
    "0b2",
    "0xg",
    "\u0661",
    "1.2.3",
    "--'a'",
    # containers
    "{1, 2}",
    "(1, 2)",
    "()",
    "{[]: 1}",
    "{{}: 1}",
    "{b'a': 1}",
    "{date(2024, 1, 1): 1}",
    "{**{'a': 1}}",
    "{'a'}",
    "{'a': }",
    "[1",
    "...",
    # words
    "Decimal('1e3000000')",
    "Decimal('-1e-3000000')",
    "Decimal('1E+131073')",
    "Decimal('sNaN')",
    "Decimal('NaN123')",
    "Decimal('\u0661')",
    "Decimal('x')",
    "Decimal('')",
    "Decimal(None)",
    "Decimal((0, (1,), 2))",
    "Decimal(1, 2, 3)",
    "UUID('1')",
    "UUID('" + "\u0661" * 32 + "')",
    "UUID(int=-1)",
    "UUID(int=2**128)",
    "UUID(bytes=b'1')",
    "UUID(fields=(1, 2, 3, 4, 5, 6))",
    "date(0, 1, 1)",
    "date(10000, 1, 1)",
    "date(2023, 2, 29)",
    "date('2024-01-01')",
    "date(b'\\x07\\xe8\\x01\\x01')",
    "datetime(2024, 1, 1, 24)",
    "datetime(b'\\x07\\xe8\\x01\\x01\\0\\0\\0\\0\\0\\0')",
    "datetime(2024, 1, 1, tzinfo=None)",
    "utc(2024, 1, 31, 9, 61)",
    "utc(9" + "9" * 30 + ", 1, 1)",
    "time(24)",
    "time(1, 60)",
    "timedelta(10**10)",
    "timedelta(days=1000000000)",
    "timedelta(days=nan)",
    "timedelta(days=inf)",
    "timedelta(lightyears=1)",
    "natural()",
    "natural(1)",
    "natural('zoo.Nation', key='a')",
    "natural(model='zoo.Nation')",
    "field_text()",
    "field_text(1)",
    "field_text('a', 'b')",
    "json_null()",
]
# A column and what does not go into it.
COLUMNS: list[tuple[str, str, str]] = [
    ("zoo.Checkup", "binary", "5"),
    ("zoo.Checkup", "binary", "[1]"),
    ("zoo.Checkup", "integer", "'a'"),
    ("zoo.Checkup", "integer", "'1; DROP TABLE zoo_species'"),
    ("zoo.Checkup", "integer", "None"),
    ("zoo.Checkup", "integer", "[1]"),
    ("zoo.Checkup", "integer", "{'a': 1}"),
    ("zoo.Checkup", "integer", "nan"),
    ("zoo.Checkup", "integer", "inf"),
    ("zoo.Checkup", "integer", "date(2024, 1, 1)"),
    ("zoo.Checkup", "integer", "json_null"),
    ("zoo.Checkup", "integer", "field_text('a')"),
    ("zoo.Checkup", "integer", "natural('zoo.Nation', 'a')"),
    ("zoo.Checkup", "integer", str(2**63)),
    ("zoo.Checkup", "integer", "9" * 4000),
    ("zoo.Checkup", "integer", "0x" + "f" * 200),
    ("zoo.Checkup", "positive_integer", "-1"),
    ("zoo.Checkup", "positive_integer", "9" * 300),
    ("zoo.Checkup", "boolean", "2"),
    ("zoo.Checkup", "boolean", "'maybe'"),
    ("zoo.Checkup", "boolean", "[]"),
    ("zoo.Checkup", "floating", "'a'"),
    ("zoo.Checkup", "floating", "nan"),
    ("zoo.Checkup", "floating", "[1.5]"),
    ("zoo.Checkup", "floating", "9" * 400),
    ("zoo.Checkup", "price", "'a'"),
    ("zoo.Checkup", "price", "nan"),
    ("zoo.Checkup", "price", "inf"),
    ("zoo.Checkup", "price", "Decimal('NaN')"),
    ("zoo.Checkup", "price", "Decimal('Infinity')"),
    ("zoo.Checkup", "price", "{}"),
    ("zoo.Checkup", "day", "'2024-02-30'"),
    ("zoo.Checkup", "day", "'" + "9" * 1000 + "'"),
    ("zoo.Checkup", "day", "20240101"),
    ("zoo.Checkup", "day", "[2024, 1, 1]"),
    ("zoo.Checkup", "moment", "'2024-01-01T25:00'"),
    ("zoo.Checkup", "moment", "1.5"),
    ("zoo.Checkup", "moment", "time(1)"),
    ("zoo.Checkup", "hour", "'25:00'"),
    ("zoo.Checkup", "hour", "b''"),
    ("zoo.Checkup", "duration", "date(2024, 1, 1)"),
    ("zoo.Checkup", "duration", "timedelta(days=999999999)"),
    ("zoo.Checkup", "uuid", "'a'"),
    ("zoo.Checkup", "uuid", "-1"),
    ("zoo.Checkup", "uuid", "9" * 60),
    ("zoo.Checkup", "uuid", "[]"),
    ("zoo.Checkup", "char", "'\\ud800'"),
    ("zoo.Checkup", "char", "None"),
    ("zoo.Checkup", "text", "'a\\udfffb'"),
    ("zoo.Checkup", "binary", "[1]"),
    ("zoo.Checkup", "binary", "'not base 64!'"),
    ("zoo.Checkup", "json", "None"),
    ("zoo.Checkup", "json", "nan"),
    ("zoo.Checkup", "json", "[inf]"),
    ("zoo.Checkup", "json", "b'a'"),
    ("zoo.Checkup", "json", "date(2024, 1, 1)"),
    ("zoo.Checkup", "json", "natural('zoo.Nation', 'a')"),
    ("zoo.Checkup", "json", "{'a': field_text('b')}"),
    ("zoo.Checkup", "json", "[json_null]"),
    ("zoo.Waypoint", "point", "'a'"),
    ("zoo.Waypoint", "point", "field_text('a')"),
    ("zoo.Waypoint", "point", "field_text('1,2,3')"),
    ("zoo.Waypoint", "point", "5"),
    ("zoo.Collar", "size", "'SMALL'"),
    # references
    ("zoo.Passport", "species_id number", "77, 'a'"),
    ("zoo.Otter", "name pond_id", "'a', 77"),
    ("zoo.Otter", "name pond_id", "'a', None"),
    ("zoo.Otter", "name pond_id", "'a', 'b'"),
    ("zoo.Otter", "name pond_id", "'a', [1]"),
    ("zoo.Otter", "name pond_id", "'a', {'pk__in': [1]}"),
    ("zoo.Otter", "name pond_id", "'a', json_null"),
    ("zoo.Otter", "name pond_id", "'a', field_text('1')"),
    ("zoo.Otter", "name pond_id", "'a', " + "9" * 300),
    ("zoo.Mascot", "name nation_id", "'a', natural('zoo.Nation', 'nowhere')"),
    ("zoo.Mascot", "name nation_id", "'a', natural('zoo.Nation')"),
    ("zoo.Mascot", "name nation_id", "'a', natural('zoo.Nation', 1, 2, 3)"),
    ("zoo.Mascot", "name nation_id", "'a', natural('zoo.Nation', ['a'])"),
    ("zoo.Mascot", "name nation_id", "'a', natural('zoo.Nation', {'name__in': ['a']})"),
    ("zoo.Mascot", "name nation_id", "'a', natural('zoo.Nation', b'a')"),
    ("zoo.Mascot", "name nation_id", "'a', natural('zoo.Nation', '\\ud800')"),
    ("zoo.Mascot", "name nation_id", "'a', natural('zoo.Nation', json_null)"),
    ("zoo.Mascot", "name nation_id", "'a', natural('zoo.Nation', natural('zoo.Nation', 'a'))"),
    ("zoo.Mascot", "name nation_id", "'a', natural('zoo.Species', 'a')"),
    ("zoo.Mascot", "name nation_id", "'a', natural('zoo.Unicorn', 'a')"),
    ("zoo.Mascot", "name nation_id", "'a', natural('os.system', 'true')"),
    ("zoo.Mascot", "name nation_id", "'a', natural('', 'a')"),
    ("zoo.Mascot", "name nation_id", "'a', natural('zoo', 'a')"),
    ("zoo.Mascot", "name nation_id", "'a', natural('a.b.c', 'a')"),
    ("zoo.Mascot", "name nation_id", "'a', natural('../zoo.Nation', 'a')"),
    ("zoo.Mascot", "name nation_id", "'a', natural('contenttypes.ContentType', 'zoo', 'nation')"),
    ("zoo.Note", "content_type_id object_id", "77777, 1"),
    ("zoo.Animal", "name prey", "'a', None"),
    ("zoo.Animal", "name prey", "'a', 1"),
    ("zoo.Animal", "name prey", "'a', 'bc'"),
    ("zoo.Animal", "name prey", "'a', b'bc'"),
    ("zoo.Animal", "name prey", "'a', {1: 2}"),
    ("zoo.Animal", "name prey", "'a', [77]"),
    ("zoo.Animal", "name prey", "'a', [None]"),
    ("zoo.Animal", "name prey", "'a', [[1]]"),
    ("zoo.Animal", "name prey", "'a', [{}]"),
    ("zoo.Animal", "name prey", "'a', ['b']"),
    ("zoo.Animal", "name prey", "'a', [json_null]"),
    ("zoo.Animal", "name prey", "'a', [natural('zoo.Animal', 1)]"),
    ("zoo.Animal", "name prey", "'a', [" + "9" * 300 + "]"),
    ("zoo.Weighing", "kilos", "-1"),
]  # fmt: skip
KEYS: list[tuple[str, str]] = [
    ("zoo.Species", "None"),
    ("zoo.Species", "'a'"),
    ("zoo.Species", "[1]"),
    ("zoo.Species", "{}"),
    ("zoo.Species", "nan"),
    ("zoo.Species", "json_null"),
    ("zoo.Species", "field_text('a')"),
    ("zoo.Species", "natural('zoo.Species', 1)"),
    ("zoo.Species", str(2**64)),
    ("zoo.Species", "9" * 300),
    ("zoo.Chip", "'a'"),
    ("zoo.Chip", "{}"),
    ("zoo.Holiday", "'a'"),
    ("zoo.Country", "None"),
    ("zoo.Country", "'\\ud800'"),
]


@pytest.mark.parametrize("refuse", DOORS, indirect=True)
@pytest.mark.parametrize("value", VALUES, ids=lambda value: value[:40])
def test_what_is_no_value_is_refused(value: str, refuse: Refuse) -> None:
    for position in POSITIONS:
        assert first_line(refuse(EXPRESSIONS[position](value))) is not None, position


@pytest.mark.parametrize("refuse", DOORS, indirect=True)
@pytest.mark.parametrize(("label", "fields", "values"), COLUMNS, ids=lambda text: text[:50])
def test_a_value_that_its_column_does_not_take_is_refused_with_its_row(
    label: str, fields: str, values: str, refuse: Refuse
) -> None:
    names = fields if fields.startswith("species_id") else f"id {fields}"
    text = dump_of(table(label, names, values if names == fields else f"7, {values}"))
    error = refuse(text)
    ((place, _reason),) = reasons(error)  # type: ignore[arg-type]
    assert place is not None
    assert text.splitlines()[(place.line or 0) - 1].startswith("    yield create_zoo_")


@pytest.mark.parametrize("refuse", DOORS, indirect=True)
@pytest.mark.parametrize(("label", "key"), KEYS)
def test_a_primary_key_that_is_none_is_refused(label: str, key: str, refuse: Refuse) -> None:
    fields = {
        "zoo.Chip": "id label",
        "zoo.Country": "code neighbours",
        "zoo.Holiday": "day label",
    }.get(label, "id latin")
    rest = "[]" if label == "zoo.Country" else "'a'"
    assert first_line(refuse(dump_of(table(label, fields, f"{key}, {rest}")))) is not None


def test_a_dict_of_colliding_numbers_is_refused(target: None) -> None:
    items = ", ".join(f"{number * (2**61 - 1)}: 0" for number in range(50_000))
    text = EXPRESSIONS["a JSON value"](f"{{{items}}}")
    assert first_line(is_refused(lambda: deserialized(text))) is not None
