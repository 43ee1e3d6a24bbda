"""Hypothesis strategies for the values of rows."""

from __future__ import annotations

from datetime import timezone

from hypothesis import strategies as st

from dumpy.text.words import JSON_NULL, FieldText, Natural

_AWKWARD = st.text(st.sampled_from("'\"\\\n\r\t\0\x1c\x85\u2028\u200b\ufeff\ud800é😀 a,)(]["))


def texts() -> st.SearchStrategy[str]:
    return st.text() | _AWKWARD | st.characters().map(str)


def scalars() -> st.SearchStrategy[object]:
    return st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        texts(),
        st.binary(),
        st.decimals().filter(
            lambda value: not value.is_snan() and str(value).lower()[-3:] != "nan"
        ),
        st.decimals(allow_nan=False, places=2),
        st.uuids(),
        st.dates(),
        st.datetimes(),
        st.datetimes(timezones=st.just(timezone.utc)),
        st.times(),
        st.timedeltas(),
        st.just(JSON_NULL),
        texts().map(FieldText),
    )


def values() -> st.SearchStrategy[object]:
    keys = texts() | st.integers() | st.booleans() | st.none()
    return st.recursive(
        scalars(),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(keys, inner, max_size=4),
            st.builds(Natural, st.just("a.B"), st.lists(inner, max_size=3).map(tuple)),
        ),
        max_leaves=8,
    )
