from __future__ import annotations

import ast
import sys

import pytest
from hypothesis import given, settings
from text_strategies import texts

from dumpy.text.strings import LONG, escape_non_ascii, quote, unquote

FIXED = [
    ("é ß 漢 😀", "'é ß 漢 😀'"),
    ("é'", '"é\'"'),
    ("é'\"", "'é\\'\"'"),
    ("é\\", "'é\\\\'"),
    ("é\n\r\t\0", "'é\\n\\r\\t\\x00'"),
    ("é\x7f\x80\x85\xa0\xad", "'é\\x7f\\x80\\x85\\xa0\\xad'"),
    ("\u0600\u061c\u06dd\u070f\u180e", "'\\u0600\\u061c\\u06dd\\u070f\\u180e'"),
    ("\u1680\u2000\u200b\u200f\u2028\u2029", "'\\u1680\\u2000\\u200b\\u200f\\u2028\\u2029'"),
    ("\u202a\u202e\u202f\u205f\u2060\u206f", "'\\u202a\\u202e\\u202f\\u205f\\u2060\\u206f'"),
    ("\u3000\ufeff\ufff9\uffff\ufdd0", "'\\u3000\\ufeff\\ufff9\\uffff\\ufdd0'"),
    ("\ud800\udfff\ue000\uf8ff", "'\\ud800\\udfff\\ue000\\uf8ff'"),
    ("\U0001fffe\U000e0001\U000e0fff", "'\\U0001fffe\\U000e0001\\U000e0fff'"),
    ("\U000f0000\U0010ffff", "'\\U000f0000\\U0010ffff'"),
    # Added to Unicode, or made printable, between the Pythons that we support.
    ("\U0001fae8\U0001f6dc\U00031350", "'\U0001fae8\U0001f6dc\U00031350'"),
    ("\u0870\U0001e4d0\u0378", "'\u0870\U0001e4d0\u0378'"),
    ("\u2010\u2027\u2030\u205e", "'\u2010\u2027\u2030\u205e'"),
    ("\x1c\x1d\x1e\x0b\x0c", "'\\x1c\\x1d\\x1e\\x0b\\x0c'"),
]


@pytest.mark.parametrize(("text", "written"), FIXED)
def test_a_text_is_written_alike_on_every_python(text: str, written: str) -> None:
    assert quote(text) == written


def test_no_python_prints_what_is_hidden() -> None:
    for code in range(0x80, sys.maxunicode + 1):
        # Where a text is not written as `repr` does it, each hidden character is escaped.
        hidden = quote(f"{chr(code)}\ufffd") != f"'{chr(code)}\\ufffd'"
        assert (quote(chr(code)) != f"'{chr(code)}'") == hidden


def test_every_character_is_read_back_by_python_and_by_us() -> None:
    for code in range(sys.maxunicode + 1):
        written = quote(f"é{chr(code)}")
        assert unquote(written) == f"é{chr(code)}"
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    assert ast.literal_eval(quote(everything)) == everything


def test_a_long_ascii_text_is_written_as_python_writes_it() -> None:
    for code in range(0x80):
        for text in (chr(code), f"{chr(code)}'", f"{chr(code)}'\"", f'{chr(code)}"'):
            assert quote(text * LONG) == repr(text * LONG)


def test_a_written_text_has_no_line_break_of_any_kind() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    assert len(quote(everything).splitlines()) == 1
    quote(everything).encode()


@given(texts())
@settings(deadline=None)
def test_a_text_survives(text: str) -> None:
    assert ast.literal_eval(quote(text)) == unquote(quote(text)) == text


@given(texts())
@settings(deadline=None)
def test_escaped_text_is_what_python_calls_ascii(text: str) -> None:
    assert escape_non_ascii(quote(text)) == ascii(text)
