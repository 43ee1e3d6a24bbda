"""A reader of canonical rows of any size and shape, in time and memory linear in their length.

A reader takes the text, the index where a value starts, and the number of open brackets there. It
returns the value and the index after it, or raises NotCanonical.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isinf

from . import words
from .strings import BYTES_LITERALS, PLAIN_PATTERN, TEXT_LITERALS, unquote, unquote_bytes

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,4299})(?![0-9.eE_xXoObBjJ])")
_FLOAT = re.compile(
    r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,20})?(?:e[+-][0-9]{2,3})?(?![0-9.eE_jJ])"
)
_PLAIN = re.compile(PLAIN_PATTERN)
_WORD = re.compile(r"[A-Za-z_][A-Za-z_0-9]{0,99}")
_KEYWORD = re.compile(r"([a-z]{1,99})=(?!=)")
_LITERAL_WORDS: dict[str, object] = {"None": None, "True": True, "False": False}


class NotCanonical(ValueError):
    """Text that dumpy does not write; Python may still be able to read it."""


def read_row(line: str, prefix: str, suffix: str) -> tuple[object, ...] | None:
    """Return the values of the row `prefix + values + suffix`, or None if it is not canonical."""
    if not line.startswith(prefix):
        return None
    try:
        values, end = _read_items(line, len(prefix), suffix[0], 0)
    except (NotCanonical, words.NotAWord, RecursionError):
        return None
    return tuple(values) if end + len(suffix) - 1 == len(line) and line.endswith(suffix) else None


def read_value(text: str) -> object:
    """Return the value of a whole canonical text; raises NotCanonical or words.NotAWord."""
    value, end = _read(text, 0, 0)
    if end != len(text):
        raise NotCanonical
    return value


def _read(text: str, start: int, depth: int) -> tuple[object, int]:
    reader = _READERS.get(text[start : start + 1], _read_word)
    return reader(text, start, depth)


def _read_items(text: str, start: int, closing: str, depth: int) -> tuple[list[object], int]:
    """Return the values up to a closing bracket, and the index after it."""
    values: list[object] = []
    if text.startswith(closing, start):
        return values, start + 1
    while True:
        value, end = _read(text, start, depth)
        values.append(value)
        if text.startswith(closing, end):
            return values, end + 1
        start = _after(", ", text, end)


def _after(mark: str, text: str, start: int) -> int:
    if not text.startswith(mark, start):
        raise NotCanonical
    return start + len(mark)


def _deeper(depth: int) -> int:
    if depth >= words.MAX_DEPTH:
        raise NotCanonical
    return depth + 1


def _read_text(text: str, start: int, depth: int) -> tuple[object, int]:
    plain = _PLAIN.match(text, start)
    if plain is not None:
        return plain[1], plain.end()
    end = TEXT_LITERALS[text[start]].body_end(text, start + 1) + 1
    if end == 0:
        raise NotCanonical
    return unquote(text[start:end]), end


def _read_bytes(text: str, start: int, depth: int) -> tuple[object, int]:
    literal = BYTES_LITERALS.get(text[start + 1 : start + 2])
    end = literal.body_end(text, start + 2) + 1 if literal is not None else 0
    if end == 0:
        raise NotCanonical
    return unquote_bytes(text[start:end]), end


def _read_number(text: str, start: int, depth: int) -> tuple[object, int]:
    integer = _INTEGER.match(text, start)
    if integer is not None:
        return _checked_int(integer[0]), integer.end()
    number = _FLOAT.match(text, start)
    if number is None:
        return _read_minus_inf(text, start)
    value = float(number[0])
    if isinf(value):
        raise NotCanonical
    return value, number.end()


def _checked_int(text: str) -> int:
    try:
        return int(text)
    except ValueError:  # The process may have a lower limit of digits.
        raise NotCanonical from None


def _read_minus_inf(text: str, start: int) -> tuple[object, int]:
    end = _after("-", text, start)
    word = _WORD.match(text, end)
    if word is None or word[0] != "inf":
        raise NotCanonical
    return -words.inf, word.end()


def _read_list(text: str, start: int, depth: int) -> tuple[object, int]:
    return _read_items(text, start + 1, "]", _deeper(depth))


def _read_dict(text: str, start: int, depth: int) -> tuple[object, int]:
    keys: list[object] = []
    values: list[object] = []
    end = start + 1
    inside = _deeper(depth)
    while not text.startswith("}", end):
        key, end = _read(text, _after(", ", text, end) if keys else end, inside)
        value, end = _read(text, _after(": ", text, end), inside)
        keys.append(key)
        values.append(value)
    return words.make_dict(keys, values), end + 1


def _read_word(text: str, start: int, depth: int) -> tuple[object, int]:
    word = _WORD.match(text, start)
    if word is None:
        raise NotCanonical
    name, end = word[0], word.end()
    if text.startswith("(", end):
        return _read_call(name, text, end + 1, _deeper(depth))
    if name in _LITERAL_WORDS:
        return _LITERAL_WORDS[name], end
    return words.constant(name), end


def _read_call(name: str, text: str, start: int, depth: int) -> tuple[object, int]:
    args: list[object] = []
    keywords: dict[str, object] = {}
    end = start
    while not text.startswith(")", end):
        start = _after(", ", text, end) if args or keywords else end
        keyword = _KEYWORD.match(text, start)
        value, end = _read(text, keyword.end() if keyword else start, depth)
        if keyword[1] in keywords if keyword else keywords:
            raise NotCanonical
        if keyword is None:
            args.append(value)
        else:
            keywords[keyword[1]] = value
    return words.call(name, args, keywords), end + 1


def _read_b(text: str, start: int, depth: int) -> tuple[object, int]:
    is_bytes = text[start + 1 : start + 2] in BYTES_LITERALS
    return (_read_bytes if is_bytes else _read_word)(text, start, depth)


_Reader = Callable[[str, int, int], tuple[object, int]]
_READERS: dict[str, _Reader] = {
    "'": _read_text,
    '"': _read_text,
    "[": _read_list,
    "{": _read_dict,
    "b": _read_b,
    **dict.fromkeys("-0123456789", _read_number),
}
