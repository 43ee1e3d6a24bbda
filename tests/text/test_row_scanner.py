from __future__ import annotations

import sys
import tracemalloc
import warnings
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_strategies import scalars, texts, values

from dumpy.text import scanner
from dumpy.text.outline import SAVED, YIELDED
from dumpy.text.scanner import RowError, RowIsCode, RowScanner
from dumpy.text.words import JSON_NULL, MAX_DEPTH, NAMES, Natural, source

PREFIX = "    yield create_x("


@pytest.fixture(scope="module", autouse=True)
def patterns() -> Iterator[None]:
    """Let the first row of a table teach a pattern."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanner, "_MIN_ROWS", 1)
        yield


def row(*values: object) -> str:
    return f"{PREFIX}{', '.join(map(source, values))})"


def scan(line: str, before: Iterable[str] = ()) -> tuple[object, ...]:
    scanner = RowScanner(YIELDED, "create_x")
    for other in before:
        scanner.scan(other)
    return scanner.scan(line)


def python_reads(line: str) -> tuple[object, ...]:
    namespace = {**NAMES, "create_x": lambda *values: values}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(f"def rows():\n{line}\n", "<row>", "exec"), namespace)
    (result,) = namespace["rows"]()  # type: ignore[operator]
    return tuple(result)


TYPICAL = [
    (
        index,
        "For Those About To Rock",
        ["it's", "é\n", 'a"b', "plain"][index % 4],
        None if index % 5 == 0 else index,
        Decimal(index) / 100,
        index % 2 == 0,
        date(2024, 1, 1) + timedelta(index),
        datetime(2024, 1, 31, 9, 30, tzinfo=timezone.utc) + timedelta(microseconds=index),
        index / 7,
        [1, 8, 17][: index % 4],
        ["a tag", f"tag {index}"],
        UUID(int=index),
        b"\x00'" * index,
        timedelta(index),
    )
    for index in range(40)
]


def test_rows_of_a_table_are_read_exactly() -> None:
    scanner = RowScanner(YIELDED, "create_x")
    for items in TYPICAL:
        assert repr(scanner.scan(row(*items))) == repr(items)


@given(st.lists(st.lists(scalars(), min_size=2, max_size=2), min_size=1, max_size=12))
@settings(max_examples=200, deadline=None)
def test_whatever_was_learned_a_row_means_what_python_makes_of_it(rows: list[list[object]]) -> None:
    scanner = RowScanner(YIELDED, "create_x")
    for items in rows * 2:
        line = row(*items)
        assert repr(scanner.scan(line)) == repr(python_reads(line))


@given(st.lists(values(), max_size=4))
@settings(max_examples=200, deadline=None)
def test_all_three_ways_agree_with_python(items: list[object]) -> None:
    line = row(*items)
    expected = repr(python_reads(line))
    assert repr(scanner.read_canonical(line, YIELDED, "create_x")) == expected
    assert repr(scanner.read_edited(line, YIELDED, "create_x")) == expected
    assert repr(scan(line, [line])) == expected


_EDITS = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.integers(0, 3),
        st.text(st.sampled_from("'\"\\,()[]{}: #-+.0e1_xbnrut=\t\n\r\x0c\0*\uff41"), max_size=3),
    ),
    min_size=1,
    max_size=4,
)


def perturbed(line: str, edits: list[tuple[float, int, str]]) -> str:
    for place, removed, inserted in edits:
        at = int(place * len(line))
        line = line[:at] + inserted + line[at + removed :]
    return line


@given(st.lists(scalars(), min_size=1, max_size=4), _EDITS)
@settings(max_examples=1500, deadline=None)
def test_a_damaged_row_is_refused_or_means_what_python_makes_of_it(
    items: list[object], edits: list[tuple[float, int, str]]
) -> None:
    line = row(*items)
    damaged = perturbed(line, edits)
    try:
        result = scan(damaged, [line])
    except RowError:
        return
    assert repr(result) == repr(python_reads(damaged))


@given(texts(), st.sampled_from(["''", "'a'", '"\'"', "'\\n'", "1", "None"]))
@settings(deadline=None)
def test_raw_characters_in_a_string_mean_what_they_mean_to_python(text: str, first: str) -> None:
    line = f"{PREFIX}'{text}')"
    try:
        line.encode()
        result = scan(line, [f"{PREFIX}{first})"])
    except (RowError, UnicodeEncodeError):
        return
    assert repr(result) == repr(python_reads(line))


EDITED = [
    "1,2",
    "1, 2,",
    " 1 , 2 ",
    '"a", 2',
    "'a' 'b'",
    "0x10, 1_0, 0b1, 0o7",
    "007.5, 1e5, 1E5, .5, 5.",
    "00, -0, +1, - 1",
    "r'\\d', u'x', b'a' b'b', R'a', B'a', rb'\\d'",
    "'\\x41\\N{BULLET}\\101\\a'",
    "'''a'''",
    '"""a"b"""',
    "'\\q'",
    "'tab\there'",
    "'bidi \u202e here'",
    "'\u2028\x85\x1c'",
    "'\uff03 \uff41'",
    "Decimal('1_000')",
    "Decimal(value='1')",
    "date(year=2024, month=1, day=31)",
    "[1,2 , 3,]",
    "{'a':1}",
    "{'a': 1, 'a': 2}",
    "{1: 'a', True: 'b'}",
    "(1)",
    "((('a')))",
    "-inf, inf, nan, -nan",
    "utc(2024, 1, 31)",
    "datetime(2024, 1, 31)",
    "time()",
    "timedelta(hours=1)",
    "natural('a.B')",
    "json_null, [json_null]",
    "field_text('x')",
    "1\t,\t2",
    "",
    " ",
    "-5, --5",
    "9999999999999999999999999",
    "1.5e-7, 1.7976931348623157e+308, 5e-324",
    "'a'" * 300,
]


@pytest.mark.parametrize("before", [[], [row(1, 2)], [row("a")], [row(0.5, date(2024, 1, 1))]])
def test_an_edited_row_means_what_python_makes_of_it(before: list[str]) -> None:
    for arguments in EDITED:
        line = f"{PREFIX}{arguments})"
        assert repr(scan(line, before)) == repr(python_reads(line)), arguments


@pytest.mark.parametrize("ending", ["  # a comment", "  # with (parentheses)", " ", "\t"])
def test_what_python_ignores_after_a_row_is_ignored(ending: str) -> None:
    assert scan(row(1, "a") + ending, [row(1, "a")]) == (1, "a")


def test_the_other_shape_of_row_is_read_as_well() -> None:
    scanner = RowScanner(SAVED, "create_x")
    assert scanner.scan("loader.save(create_x(1, 'a'))") == (1, "a")
    assert scanner.scan("loader.save(create_x(2, 'b'))") == (2, "b")
    assert scanner.scan('loader.save( create_x(3, "c") )  # edited') == (3, "c")


@pytest.mark.parametrize(
    "line",
    [
        "loader.save(create_x(1), 2)",
        "loader.save(create_y(1))",
        "loader.remove(create_x(1))",
        "loader.save(create_x(1)).x",
        "loader.save(x=create_x(1))",
        "save(create_x(1))",
    ],
)
def test_another_call_is_code(line: str) -> None:
    with pytest.raises(RowIsCode):
        RowScanner(SAVED, "create_x").scan(line)


def test_a_column_that_changes_its_kind_is_read_exactly() -> None:
    column = [1, "a", None, 2.5, "it's", Decimal("1"), [1], ["a"], [], {"a": 1}, b"x", True]
    column += [date(2024, 1, 1), JSON_NULL, Natural("a.B", (1,)), 10**30, float("inf"), -0.0]
    scanner = RowScanner(YIELDED, "create_x")
    for value in column * 3:
        assert repr(scanner.scan(row(1, value))) == repr((1, value))


def test_a_row_with_another_number_of_values_is_read() -> None:
    assert scan(row(1, 2, 3), [row(1, 2)]) == (1, 2, 3)


def test_deep_and_large_json_is_read() -> None:
    deep: list[object] = []
    for _ in range(MAX_DEPTH - 1):
        deep = [deep]
    large = {f"key {index}": [index, {"it's": None}] for index in range(30000)}
    assert scan(row(deep, large)) == (deep, large)


@pytest.mark.parametrize("unit", ["a", "é", "漢", "'", "a\n", "\\", "\x00"])
def test_a_large_text_takes_memory_of_a_few_times_the_row(unit: str) -> None:
    text = unit * (64 * 2**20 // len(source(unit)) // (1 if unit == "a" else 8))
    line = row(1, text)
    size = len(line) * (1 if line.isascii() else 2)
    tracemalloc.start()
    try:
        assert scan(line)[1] == text
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 * size + 2**20


def test_the_error_of_code_says_that_it_is_code() -> None:
    with pytest.raises(RowIsCode, match="code"):
        scan(f"{PREFIX}1 + 1)")


def test_keyword_arguments_of_the_row_are_code() -> None:
    with pytest.raises(RowIsCode, match="keyword"):
        scan(f"{PREFIX}1, name='a')")


def test_an_impossible_value_is_an_error_and_not_code() -> None:
    with pytest.raises(RowError) as caught:
        scan(f"{PREFIX}date(2024, 2, 30))", [row(date(2024, 2, 3))])
    assert not isinstance(caught.value, RowIsCode)
    assert "date()" in caught.value.reason


@given(st.lists(st.lists(scalars(), min_size=2, max_size=2), min_size=1, max_size=12))
@settings(max_examples=200, deadline=None)
def test_rows_scanned_together_mean_what_python_makes_of_each(rows: list[list[object]]) -> None:
    scanner = RowScanner(YIELDED, "create_x")
    lines = [row(*items) for items in rows]
    for line in lines:
        scanner.scan(line)
    columns = scanner.scan_lines(lines)
    expected = list(map(python_reads, lines))
    assert columns is None or repr(list(zip(*columns, strict=True))) == repr(expected)


def test_rows_that_look_alike_are_scanned_together() -> None:
    scanner = RowScanner(YIELDED, "create_x")
    lines = [row(*items) for items in TYPICAL]
    for line in lines:
        scanner.scan(line)
    columns = scanner.scan_lines(lines)
    assert columns is not None
    assert repr(list(zip(*columns, strict=True))) == repr(TYPICAL)


def test_none_and_an_empty_text_stay_apart() -> None:
    scanner = RowScanner(YIELDED, "create_x")
    rows: list[tuple[object, ...]] = [(None, []), ("", None), ("a", [1]), ("", []), (None, None)]
    for items in rows:
        scanner.scan(row(*items))
    columns = scanner.scan_lines([row(*items) for items in rows])
    assert columns is not None
    assert list(zip(*columns, strict=True)) == rows


@pytest.mark.parametrize("odd", ["    yield create_x(1)", "    yield create_x(1, 2 + 3)", "", "#"])
def test_rows_with_an_odd_one_among_them_are_not_scanned_together(odd: str) -> None:
    scanner = RowScanner(YIELDED, "create_x")
    lines = [row(1, "a"), row(2, "b")]
    for line in lines:
        scanner.scan(line)
    assert scanner.scan_lines(lines) == [[1, 2], ("a", "b")]
    assert scanner.scan_lines([*lines, odd]) is None


JSON = [
    {"a": [1, -2, 0.5, None, True, False], "b": {}, "c": []},
    {"a": "None, True], 'x'}"},
    {"it's": 'a "quote"'},
    {"é\n": "\\"},
    {1: "a key that JSON does not have"},
    {"a": 1e300, "b": float("inf"), "c": -0.0},
    [{"a": 1}, "], [", 10**30],
    [1, 2],
    ["a"],
    None,
]


@pytest.mark.parametrize("after", [("text, }",), ([1, 2],), (None, {"not": "alone"})], ids=repr)
def test_json_means_what_python_makes_of_it_whatever_follows(after: tuple[object, ...]) -> None:
    lines = [row(number, value, *after) for number, value in enumerate(JSON)]
    expected = [repr(python_reads(line)) for line in lines]
    scanner = RowScanner(YIELDED, "create_x")
    columns = scanner.scan_lines(lines)
    together = list(zip(*columns, strict=True)) if columns else list(map(scanner.scan, lines))
    assert list(map(repr, together)) == expected
    assert [repr(scanner.scan(line)) for line in lines] == expected


@pytest.mark.parametrize("value", ["{'a': 1}}", "[1]]", "{'a': [}", "'\ud800' "])
def test_what_a_pattern_matches_and_python_does_not_read_is_refused(value: str) -> None:
    with pytest.raises(RowError):
        scan(f"{PREFIX}{value}, 'x')", [row({"a": 1}, "x"), row("a", "x")])


def test_a_number_of_more_digits_than_the_process_reads_is_refused() -> None:
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        with pytest.raises(RowError):
            scan(f"{PREFIX}{'1' * 700})")
    finally:
        sys.set_int_max_str_digits(limit)


def test_brackets_and_quotes_without_end_take_no_long_time_to_be_refused() -> None:
    scanner = RowScanner(YIELDED, "create_x")
    scanner.scan(row({"a": 1}, "x", [1]))
    for piece in ("}, '", "}, 'x', [1, ", "}, [1, 1"):
        with pytest.raises(RowError):
            scanner.scan(f"{PREFIX}{{'a': {piece * (60_000 // len(piece))})")
