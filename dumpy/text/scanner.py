"""A row line <-> its values: the canonical row fast, the edited row as Python reads it.

There are three ways: a regular expression learned from earlier rows, a reader of canonical rows of
any size and shape, and Python's own parser. Each gives the values that eval gives in the namespace
`words.NAMES`, or refuses.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from math import isinf
from typing import Any, NamedTuple

from . import words
from .parsing import Unparsable, folded_line, parse_expression
from .strings import BYTES_LITERALS, PLAIN_PATTERN, TEXT_LITERALS, unquote, unquote_bytes

_MAX_MATCHED = 65536  # The engine remembers every turn of a repetition: bounded by the line.
_MAX_EDITED = 65536
_MAX_REBUILDS = 40
_MAX_MISSES = 1000
_START = re.compile(r" *(?:yield\b)?")

Values = tuple[object, ...]
_Convert = Callable[[str], object]
_ATOM = re.compile(r"[-+.A-Za-z0-9_]{1,4301}")
_NUMBERS: tuple[tuple[re.Pattern[str], type[int] | type[float]], ...] = (
    (re.compile(r"-?(?:0|[1-9][0-9]{0,4299})"), int),
    (re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,20})?(?:e[+-][0-9]{2,3})?"), float),
)
_PLAIN = re.compile(PLAIN_PATTERN)
_KEYWORD = re.compile(r"([a-z]{1,99})=(?!=)")
_NAMES = {"None": None, "True": True, "False": False, "-inf": -words.inf, **words.CONSTANTS}


class RowError(ValueError):
    """A line that is not a row; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RowIsCode(RowError):
    """A line that is complete, valid Python on its own, but not data."""


class Column(NamedTuple):
    """The pattern of a value, and the reader of its one group; None: the group is the value.

    If `is_nullable`, an empty group is None.
    """

    pattern: str
    read: _Convert | None
    is_nullable: bool = False

    def values(self, groups: Sequence[str]) -> Sequence[object]:
        """Return the values of many groups; raises the exceptions of the reader."""
        read = self.read
        if self.is_nullable:
            return [(read(group) if read else group) if group else None for group in groups]
        return groups if read is None else list(map(read, groups))


class RowScanner:
    """Scans the rows `prefix + values + suffix` of one table, and learns their patterns."""

    __slots__ = (
        "_columns", "_kinds", "_misses", "_missing", "_prefix", "_rebuilds", "_row", "_suffix",
    )  # fmt: skip

    def __init__(self, prefix: str, suffix: str, missing: Collection[str] = ()) -> None:
        """Scan rows in which the `missing` names of the vocabulary are undefined."""
        self._prefix = prefix
        self._suffix = suffix
        names = rf"\b({'|'.join(sorted(missing))})\b"
        self._missing = re.compile(names).search if missing else None
        self._kinds: list[set[str]] = []
        self._row: re.Pattern[str] | None = None
        self._columns: tuple[Column, ...] = ()
        self._rebuilds = 0
        self._misses = 0

    def scan_lines(self, lines: Sequence[str]) -> list[Sequence[object]] | None:
        """Return the values of rows as columns, or None if a row does not match the pattern.

        The caller must then scan the rows one by one: some may still be data.
        """
        columns = self._matched(lines)
        return self._matched(lines) if columns is None and self._learn_from(lines) else columns

    def scan(self, line: str) -> Values:
        """Return the values of one row, given decoded and without its line end.

        Raises RowError, and RowIsCode if the line is Python but not data.
        """
        columns = None if "\n" in line else self._matched([line])
        if columns is None:
            return self._scan_slowly(line)
        return tuple([column[0] for column in columns])

    def _matched(self, lines: Sequence[str]) -> list[Sequence[object]] | None:
        """Return the values of rows that match the learned pattern, or None if a row does not."""
        if self._row is None or len(max(lines, key=len, default="")) > _MAX_MATCHED:
            return None
        text = "\n".join(lines)
        found = self._row.findall(text)
        if len(found) != len(lines) or (self._missing and self._missing(text)):
            return None
        groups = list(zip(*found, strict=True)) if len(self._columns) > 1 else [found]
        try:
            return [
                column.values(texts) for column, texts in zip(self._columns, groups, strict=True)
            ]
        except (ValueError, ArithmeticError):
            return None

    def _learn_from(self, lines: Sequence[str]) -> bool:
        """Learn the patterns of rows that do not match; return whether all match now."""
        for line in lines:
            if self._row is not None and self._row.match(line):
                continue
            values = read_canonical(line, self._prefix, self._suffix)
            if values is None or not self._learn(values):
                return False
        return True

    def _scan_slowly(self, line: str) -> Values:
        missing = self._missing(line) if self._missing else None
        values = None if missing else read_canonical(line, self._prefix, self._suffix)
        if values is None:
            return read_edited(line, self._prefix, self._suffix, self._missing)
        self._learn(values)
        return values

    def _learn(self, values: Values) -> bool:
        """Learn a new pattern that fits the row; return whether there is one."""
        self._kinds = self._kinds or [set() for _ in values]
        is_over = self._rebuilds >= _MAX_REBUILDS or self._misses >= _MAX_MISSES
        if is_over or len(values) != len(self._kinds):
            return False
        pairs = zip(map(_kind_of, values), self._kinds, strict=True)
        news = [(kind, known) for kind, known in pairs if kind is not None and kind not in known]
        for kind, known in news:
            known.add(kind)
        if news:
            return self._rebuild()
        self._misses += 1
        return False

    def _rebuild(self) -> bool:
        self._rebuilds += 1
        # With two columns of any text, the engine would try each end of the one with the other's.
        if not all(self._kinds) or sum("json" in kinds for kinds in self._kinds) > 1:
            self._row = None
            return False
        self._columns = tuple(map(_column, self._kinds))
        body = ", ".join(column.pattern for column in self._columns)
        row = f"^{re.escape(self._prefix)}{body}{re.escape(self._suffix)}$"
        self._row = re.compile(row, re.MULTILINE)
        return True


def _kind_of(value: Any) -> str | None:
    """Return the kind of a value, or None if no pattern knows it."""
    kind = type(value)
    if kind is str:
        return "plain" if words.source(value) == f"'{value}'" else "str"
    if kind is dict:
        return "json"
    if kind is list:
        return _kind_of_list(value)
    if kind is datetime:
        return "datetime" if value.tzinfo is None else "utc"
    return _KIND_NAMES.get(kind)


def _kind_of_list(value: list[object]) -> str:
    if all(type(item) is int for item in value):
        return "ints"
    return "strs" if all(_kind_of(item) == "plain" for item in value) else "json"


def _column(kinds: set[str]) -> Column:
    """Return the column that matches the values of all of these kinds, and no other text."""
    names = sorted(kinds - {"None"} - set().union(*(_HELD_BY.get(kind, ()) for kind in kinds)))
    if not names:
        return Column("(?:None|((?!)))", None, True)
    if "None" in kinds and names[0] in _MAY_BE_EMPTY:
        names.append("None")
    column = _COLUMNS[names[0]] if len(names) == 1 else _mixed(names)
    if "None" not in kinds or "None" in names:
        return column
    return Column(f"(?:None|{column.pattern})", column.read, True)


def _mixed(names: Sequence[str]) -> Column:
    patterns = (_OWN_GROUP.sub("(?:", _COLUMNS[name].pattern) for name in names)
    read = _read_plain_or_none if sorted(names) == ["None", "plain"] else read_value
    return Column(f"({'|'.join(patterns)})", read)


def _read_plain_or_none(text: str) -> str | None:
    return None if text == "None" else text[1:-1]


def _read_ints(text: str) -> list[int]:
    return list(map(int, text.split(", "))) if text else []


def _read_strs(text: str) -> list[str]:
    return text[1:-1].split("', '")


def _read_json(text: str) -> object:
    """Return a list or dict; most become JSON when their quotes and words are replaced."""
    if '"' in text or "\\" in text or text.count("[") + text.count("{") > words.MAX_DEPTH:
        return read_value(text)
    parts = text.split("'")
    outside = "\n".join(parts[::2])
    if not _JSON_WORDS.keys() >= set(_LETTERS.findall(outside)):
        return read_value(text)
    for word, name in _JSON_WORDS.items():
        outside = outside.replace(word, name)
    parts[::2] = outside.split("\n")
    try:
        return json.loads('"'.join(parts))
    except ValueError:
        return read_value(text)


def _repeated(item: str) -> str:
    return rf"{item}(?:, {item})*"


# Between the texts of a value that JSON reads as Python does, there are no letters but these words.
_JSON_WORDS = {"None": "null", "True": "true", "False": "false"}
_LETTERS = re.compile(r"[^\[\]{}:, \n0-9.-]+")
_OWN_GROUP = re.compile(r"(?<!\\)\((?!\?)")
_COLUMNS = {
    **{name: Column(kind.pattern, kind.read) for name, kind in words.FLAT.items()},
    "plain": Column(PLAIN_PATTERN, None),
    "ints": Column(rf"\[((?:{_repeated(words.INT)})?)\]", _read_ints),
    # A value that begins with a bracket has one end: where more was matched, it cannot be read.
    "json": Column(r"([\[{][^\n]*?[\]}])", _read_json),
    "strs": Column(rf"\[({_repeated(_OWN_GROUP.sub('(?:', PLAIN_PATTERN))})\]", _read_strs),
}
# The kinds whose values the pattern of another one matches as well.
_HELD_BY = {"str": {"plain"}, "json": {"ints", "strs"}}
# A group that matches nothing and one of an empty text look alike.
_MAY_BE_EMPTY = frozenset({"plain", "ints"})
_KIND_NAMES = {kind.type: name for name, kind in words.FLAT.items() if kind.type is not datetime}


# Canonical rows of any size and shape, in time and memory linear in their length. A reader takes
# the text, the index where a value starts, and the number of open brackets there. It returns the
# value and the index after it, or raises NotCanonical.


class NotCanonical(ValueError):
    """Text that dumpy does not write; Python may still be able to read it."""


def read_canonical(line: str, prefix: str, suffix: str) -> tuple[object, ...] | None:
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
    reader = _READERS.get(text[start : start + 1], _read_atom)
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


def _read_atom(text: str, start: int, depth: int) -> tuple[object, int]:
    """Return a number, a name or a call."""
    atom = _ATOM.match(text, start)
    if atom is None:
        raise NotCanonical
    written, end = atom[0], atom.end()
    if text.startswith("(", end):
        return _read_call(written, text, end + 1, _deeper(depth))
    if written in _NAMES:
        return _NAMES[written], end
    for pattern, read in _NUMBERS:
        if pattern.fullmatch(written):
            return _checked_number(read, written), end
    raise NotCanonical


def _checked_number(read: type[int] | type[float], text: str) -> int | float:
    try:
        value = read(text)
    except ValueError:  # The process may have a lower limit of digits.
        raise NotCanonical from None
    if type(value) is float and isinf(value):
        raise NotCanonical
    return value


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
    return (_read_bytes if is_bytes else _read_atom)(text, start, depth)


_Reader = Callable[[str, int, int], tuple[object, int]]
_READERS: dict[str, _Reader] = {
    "'": _read_text,
    '"': _read_text,
    "[": _read_list,
    "{": _read_dict,
    "b": _read_b,
}


# Rows that a person has edited: Python's own parser, then the closed vocabulary


def read_edited(
    line: str, prefix: str, suffix: str, missing: Callable[[str], object] | None = None
) -> tuple[object, ...]:
    """Return the values of the row `prefix + values + suffix` as Python reads it.

    `missing` returns the undefined names of the vocabulary. Raises RowError, and RowIsCode for
    Python that is more than a row.
    """
    start = _START.match(prefix)
    beginning = start[0] if start else ""
    template = (prefix + suffix).removeprefix(beginning).strip()
    arguments, keywords = _take_arguments(_parse(_expression(line, beginning)), template)
    if keywords:
        raise RowIsCode("the call has keyword arguments; the values of a row go by position.")
    for name in filter(missing, _names(arguments)) if missing else ():
        raise RowIsCode(f"the import line does not have the name {name}.")
    try:
        return tuple([words.evaluate(argument) for argument in arguments])
    except words.BadValue as error:
        raise RowError(error.reason) from None
    except words.NotAWord as error:
        raise RowIsCode(error.reason) from None


def _names(arguments: list[ast.expr]) -> Iterator[str]:
    for node in (node for argument in arguments for node in ast.walk(argument)):
        if isinstance(node, ast.Name):
            yield node.id


def _expression(line: str, beginning: str) -> str:
    """Return the line without the blanks and the `yield` before its call."""
    if len(line) > _MAX_EDITED:
        raise RowError(
            f"it is not as dumpy writes it, and its {len(line)} characters are too many for a row"
            f" that was edited (at most {_MAX_EDITED})."
        )
    if any(character in line for character in "\r\n\f\0"):
        raise RowError("it has a line end, a form feed or a NUL in it; write them as escapes.")
    text = line.removeprefix(beginning)
    is_apart = text[:1] in " \t(" if beginning.endswith("yield") else not text[:1].isspace()
    if not line.startswith(beginning) or not is_apart:
        raise RowError(f"it does not begin with {beginning!r} like the rows that dumpy writes.")
    return text.lstrip(" \t")


def _parse(text: str) -> ast.expr:
    try:
        node = parse_expression(text)
    except Unparsable as error:
        raise RowError(error.reason) from None
    if not text.isascii() and folded_line(text):
        raise RowIsCode("a name in it has letters that Python reads as other letters.")
    return node


def _take_arguments(node: ast.expr, template: str) -> tuple[list[ast.expr], list[ast.keyword]]:
    """Return the arguments of the innermost call of a row; the rest must equal the template."""
    wanted = ast.parse(template, mode="eval").body
    call = _call_at(node, template.count("("))
    if call is not None:
        arguments, keywords = call.args, call.keywords
        call.args, call.keywords = [], []
        if ast.dump(node) == ast.dump(wanted):
            return arguments, keywords
    raise RowIsCode(f"it is more than a single {template}.")


def _call_at(node: ast.expr, depth: int) -> ast.Call | None:
    """Return the call `depth` calls deep, each the only argument of the one around it."""
    for _ in range(depth - 1):
        if not isinstance(node, ast.Call) or not node.args:
            return None
        node = node.args[0]
    return node if isinstance(node, ast.Call) else None
