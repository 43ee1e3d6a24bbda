"""Rows in the order of their keys, compared while they stream by."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dumpy.checking.diff import RowDiff
from dumpy.restoring.compare import Difference, Keyed, differences

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
        ({1: {"a": "x", "b": "z"}}, {1: {"a": "y", "b": "z"}}, "t(pk=1): a x → y"),
        ({1: {"a": "x", "b": "z"}}, {}, "t(pk=1): removed"),
        ({}, {1: {"a": "x"}}, "t(pk=1): added"),
        ({1: {"a": "x", "b": "z"}}, {1: {"a": "x"}}, "t(pk=1): b z → (no such column)"),
        (
            {1: {"a": "x" * 1000 + "1"}},
            {1: {"a": "x" * 1000 + "2"}},
            f"t(pk=1): a …{'x' * 30}1 → …{'x' * 30}2",
        ),
    ],
)
def test_a_difference_is_shown_in_a_line(one: Rows, other: Rows, expected: str) -> None:
    (found,) = differences(iter(keyed(one)), iter(keyed(other)))
    assert str(RowDiff("t", found)) == expected


def test_keys_of_several_types_are_compared() -> None:
    one, other = [Keyed((1,), {}), Keyed(("a",), {})], [Keyed((1,), {}), Keyed((None,), {})]
    assert len(list(differences(iter(one), iter(other)))) == 2
