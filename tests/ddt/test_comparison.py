"""Rows in the order of their keys, compared while they stream by."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dumpy.checking.comparison import Difference, Keyed, compare, differences

Rows = dict[int, Mapping[str, str]]
ROWS = st.dictionaries(st.integers(0, 9), st.fixed_dictionaries({"a": st.sampled_from("xy")}))


def keyed(rows: Rows) -> list[Keyed]:
    """Return rows in the order of their keys."""
    return [Keyed((key,), rows[key]) for key in sorted(rows)]


@given(ROWS, ROWS)
def test_the_differences_of_two_streams_are_those_of_two_mappings(one: Rows, other: Rows) -> None:
    expected = [
        Difference((key,), one.get(key), other.get(key))
        for key in sorted({*one, *other})
        if one.get(key) != other.get(key)
    ]
    assert list(differences(iter(keyed(one)), iter(keyed(other)))) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({1: {"a": "x", "b": "z"}}, {1: {"a": "y", "b": "z"}}, ["@@ 1 @@", "-a=x", "+a=y"]),
        ({1: {"a": "x", "b": "z"}}, {}, ["@@ 1 @@", "-a=x, b=z"]),
        ({}, {1: {"a": "x"}}, ["@@ 1 @@", "+a=x"]),
        ({1: {"a": "x", "b": "z"}}, {1: {"a": "x"}}, ["@@ 1 @@", "-b=z"]),
    ],
)
def test_a_difference_is_shown_as_a_diff(one: Rows, other: Rows, expected: list[str]) -> None:
    found = compare(("one", "other"), keyed(one), keyed(other))
    assert found is not None
    assert list(found.lines()) == ["--- one", "+++ other", *expected]


def test_the_difference_within_long_values_is_shown() -> None:
    one, other = {1: {"a": "x" * 1000 + "1"}}, {1: {"a": "x" * 1000 + "2"}}
    found = compare(("one", "other"), keyed(one), keyed(other))
    assert found is not None
    assert list(found.lines())[3:] == [f"-a=…{'x' * 30}1", f"+a=…{'x' * 30}2"]


def test_the_first_differences_are_shown_and_the_others_counted() -> None:
    found = compare(("one", "other"), keyed({n: {"a": "x"} for n in range(9)}), [])
    assert found is not None
    assert list(found.lines())[-1] == "… and 6 more rows that differ."


def test_equal_tables_have_no_difference() -> None:
    assert compare(("one", "other"), keyed({1: {"a": "x"}}), keyed({1: {"a": "x"}})) is None


def test_keys_of_several_types_are_compared() -> None:
    one, other = [Keyed((1,), {}), Keyed(("a",), {})], [Keyed((1,), {}), Keyed((None,), {})]
    assert len(list(differences(iter(one), iter(other)))) == 2
