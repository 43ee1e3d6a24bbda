"""A row line <-> its values: the canonical row fast, the edited row as Python reads it.

There are three readers: a regular expression learned from earlier rows, a reader of canonical rows
of any size and shape, and Python's own parser. Each returns the values that eval would return in
the namespace `words.NAMES`, or refuses the row.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, partial
from typing import Any, NamedTuple

from . import strings, words
from .outline import RowStyle
from .parsing import FormatError, TextError, folded_line, parse

_MAX_MATCHED = 65536  # The engine of `re` needs memory for every turn of a repetition.
_MAX_EDITED = 65536
_MIN_ROWS = 50  # Compiling a pattern takes as long as reading this number of rows one by one.
_MAX_PATTERNS = 40

Values = tuple[object, ...]
_ATOM = re.compile(r"[-+.A-Za-z0-9_]{1,4301}")
_NUMBERS: tuple[tuple[re.Pattern[str], type[int] | type[float]], ...] = (
    (re.compile(r"-?(?:0|[1-9][0-9]{0,4299})"), int),
    (re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,20})?(?:e[+-][0-9]{2,3})?"), float),
)
_PLAIN = re.compile(strings.PLAIN_PATTERN)
_KEYWORD = re.compile(r"([a-z]{1,99})=(?!=)")
_NAMES = {"None": None, "True": True, "False": False, "-inf": -words.inf, **words.CONSTANTS}


class RowError(TextError):
    """A line that is not a row."""


class RowIsCode(RowError):
    """A line that is complete, valid Python on its own, but not data."""


class Column(NamedTuple):
    """The values of a column in rows.

    Attributes:
        pattern: the pattern of a value, with one group.
        read: reads the texts of the group; None if these texts are the values.
        is_nullable: whether an empty group is None.
    """

    pattern: str
    read: words.Read | None
    is_nullable: bool = False

    def values(self, groups: Sequence[str]) -> Sequence[object]:
        """Return the values of the texts of the group; raises the exceptions of `read`."""
        if not self.is_nullable:
            return list(self.read(groups)) if self.read else groups
        texts = list(filter(None, groups))
        values = iter(self.read(texts) if self.read and texts else texts)
        return [next(values) if group else None for group in groups]


class RowScanner:
    """Scans the rows of one create function, and learns their patterns.

    Attributes:
        patterns: How many patterns it has learned so far.
    """

    def __init__(self, style: RowStyle, function: str, missing: Collection[str] = ()) -> None:
        """Scan rows in which the `missing` names of the vocabulary are undefined."""
        self._style = style
        self._function = function
        self._missing = missing
        self._kinds: list[set[str | None]] = []
        self._row: re.Pattern[str] | None = None
        self._columns: tuple[Column, ...] = ()
        self.patterns = 0
        self._rows_read = 0
        self._is_learned = False

    def scan_lines(self, lines: Sequence[str]) -> list[Sequence[object]] | None:
        """Return the values of rows as columns, or None if a row does not match the pattern.

        The caller must then scan the rows one by one: some may still be data.
        """
        if self._row is None or len(max(lines, key=len, default="")) > _MAX_MATCHED:
            return None
        text = "\n".join(lines)
        matches = self._row.findall(text)
        if len(matches) != len(lines) or any(name in text for name in self._missing):
            return None
        groups = list(zip(*matches, strict=True)) if len(self._columns) > 1 else [matches]
        try:
            return [
                column.values(texts) for column, texts in zip(self._columns, groups, strict=True)
            ]
        except (ValueError, ArithmeticError):
            return None

    def scan(self, line: str) -> Values:
        """Return the values of one row, given decoded and without its line end.

        Raises RowError, and RowIsCode if the line is Python but not data.
        """
        columns = None if "\n" in line else self.scan_lines([line])
        if columns is not None:
            return tuple([column[0] for column in columns])
        values = read_canonical(line, self._style, self._function, self._missing)
        if values is None:
            return read_edited(line, self._style, self._function, self._missing)
        self._learn(values)
        return values

    def _learn(self, values: Values) -> None:
        """Learn the kinds of the values of a row that no pattern matches."""
        self._kinds = self._kinds or [set() for _ in values]
        self._rows_read += 1
        if len(values) == len(self._kinds):
            for kinds, value in zip(self._kinds, values, strict=True):
                kind = _kind_of(value)
                self._is_learned = self._is_learned and kind in kinds
                kinds.add(kind)
        if self._rows_read >= _MIN_ROWS and not self._is_learned and self.patterns < _MAX_PATTERNS:
            self.patterns += 1
            self._is_learned = True
            self._build()

    def _build(self) -> None:
        self._row = None
        kinds_by_column = [{kind for kind in kinds if kind is not None} for kinds in self._kinds]
        # Two columns of any text would be quadratic: `re` would try each pair of their ends.
        if kinds_by_column != self._kinds or sum("json" in kinds for kinds in kinds_by_column) > 1:
            return
        self._columns = tuple(map(_column, kinds_by_column))
        body = ", ".join(column.pattern for column in self._columns)
        prefix, suffix = map(re.escape, (self._style.prefix(self._function), self._style.suffix))
        self._row = re.compile(f"^{prefix}{body}{suffix}$", re.MULTILINE)


# Canonical rows of any size and shape, in time and memory linear in their length


class NotCanonical(ValueError):
    """Text that dumpy does not write; Python may still be able to read it."""


def read_canonical(
    line: str, style: RowStyle, function: str, missing: Collection[str] = ()
) -> Values | None:
    """Return the values of a row, or None if it is not canonical, or uses a `missing` name."""
    prefix, suffix = style.prefix(function), style.suffix
    if not line.startswith(prefix):
        return None
    reader = _Canonical(line, len(prefix), missing)
    try:
        values = reader.items(suffix[0], 0)
    except (NotCanonical, words.NotAWord, RecursionError):
        return None
    return tuple(values) if line[reader.at - 1 :] == suffix else None


def read_value(text: str) -> object:
    """Return the value of a whole canonical text; raises NotCanonical or words.NotAWord."""
    reader = _Canonical(text)
    value = reader.value(0)
    if reader.at != len(text):
        raise NotCanonical
    return value


class _Canonical:
    """Reads the values of a text, starting at the index `at`, inside `depth` brackets."""

    def __init__(self, text: str, at: int = 0, missing: Collection[str] = ()) -> None:
        self.at = at
        self._text = text
        self._missing = missing

    def value(self, depth: int) -> object:
        """Return the value at `at`, and move `at` to its end; raises NotCanonical."""
        read = _READERS.get(self._text[self.at : self.at + 1], _Canonical._atom)
        return read(self, depth)

    def items(
        self, closing: str, depth: int, read: Callable[[int], Any] | None = None
    ) -> list[Any]:
        """Return the items before a closing bracket, and move `at` after it.

        Raises NotCanonical.
        """
        if depth > words.MAX_DEPTH:
            raise NotCanonical
        read = read or self.value
        items: list[Any] = []
        while not self._text.startswith(closing, self.at):
            if items:
                self._expect(", ")
            items.append(read(depth))
        self.at += len(closing)
        return items

    def _expect(self, mark: str) -> None:
        if not self._text.startswith(mark, self.at):
            raise NotCanonical
        self.at += len(mark)

    def _str(self, depth: int) -> str:
        plain = _PLAIN.match(self._text, self.at)
        if plain is None:
            return strings.unquote(self._literal(strings.TEXT_BODIES, self.at))
        self.at = plain.end()
        return plain[1]

    def _bytes(self, depth: int) -> bytes:
        return strings.unquote_bytes(self._literal(strings.BYTES_BODIES, self.at + 1))

    def _literal(self, bodies: Mapping[str, re.Pattern[str]], mark: int) -> str:
        start, self.at = self.at, strings.literal_end(self._text, mark, bodies)
        if self.at == 0:
            raise NotCanonical
        return self._text[start : self.at]

    def _list(self, depth: int) -> list[object]:
        self.at += 1
        return self.items("]", depth + 1)

    def _dict(self, depth: int) -> dict[object, object]:
        self.at += 1
        pairs = self.items("}", depth + 1, self._pair)
        return words.make_dict([key for key, _value in pairs], [value for _key, value in pairs])

    def _pair(self, depth: int) -> tuple[object, object]:
        key = self.value(depth)
        self._expect(": ")
        return key, self.value(depth)

    def _atom(self, depth: int) -> object:
        """Return a number, a name or a call."""
        atom = _ATOM.match(self._text, self.at)
        if atom is None or atom[0] in self._missing:
            raise NotCanonical
        self.at = atom.end()
        if self._text.startswith("(", self.at):
            self.at += 1
            return self._call(atom[0], depth + 1)
        return _NAMES[atom[0]] if atom[0] in _NAMES else _number(atom[0])

    def _call(self, name: str, depth: int) -> object:
        arguments = self.items(")", depth, self._argument)
        args = [value for keyword, value in arguments if not keyword]
        keywords = {keyword: value for keyword, value in arguments if keyword}
        if [keyword for keyword, _value in arguments] != [*[""] * len(args), *keywords]:
            raise NotCanonical
        return words.call(name, args, keywords)

    def _argument(self, depth: int) -> tuple[str, object]:
        keyword = _KEYWORD.match(self._text, self.at)
        if keyword is None:
            return "", self.value(depth)
        self.at = keyword.end()
        return keyword[1], self.value(depth)


def _number(text: str) -> int | float:
    for pattern, read in _NUMBERS:
        if pattern.fullmatch(text):
            try:
                value = read(text)
            except ValueError:  # The process may have a lower limit of digits.
                raise NotCanonical from None
            if abs(value) != words.inf:
                return value
    raise NotCanonical


_READERS: dict[str, Callable[[_Canonical, int], object]] = {
    "'": _Canonical._str,
    '"': _Canonical._str,
    "b": _Canonical._bytes,
    "[": _Canonical._list,
    "{": _Canonical._dict,
}


# The kinds of values that a pattern matches


def _kind_of(value: Any) -> str | None:
    """Return the kind of a value, or None if no pattern matches it."""
    kind = type(value)
    if kind is str:
        return "plain" if strings.quote(value) == f"'{value}'" else "str"
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
    """Return the column that matches the values of the given kinds, and no other text."""
    names = sorted(kinds - {"None"} - set().union(*(_INCLUDED_IN.get(kind, ()) for kind in kinds)))
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
    return Column(f"({'|'.join(patterns)})", partial(map, read))


def _read_plain_or_none(text: str) -> str | None:
    return None if text == "None" else text[1:-1]


def _read_strs(text: str) -> list[str]:
    return text[1:-1].split("', '")


def _read_json(text: str) -> object:
    """Return a list or dict, as JSON with other quotes and words if possible."""
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
    "plain": Column(strings.PLAIN_PATTERN, None),
    "ints": Column(rf"\[((?:{_repeated(words.INT)})?)\]", words.read_numbers),
    # A value that begins with a bracket has one end: where more was matched, it cannot be read.
    "json": Column(r"([\[{][^\n]*?[\]}])", partial(map, _read_json)),
    "strs": Column(
        rf"\[({_repeated(_OWN_GROUP.sub('(?:', strings.PLAIN_PATTERN))})\]",
        partial(map, _read_strs),
    ),
    "json_null": Column("(json_null)", partial(map, words.CONSTANTS.__getitem__)),
    # Where another bracket in the call ends the match early, the row is read without a pattern.
    "natural": Column(r"(natural\([^\n()]*\))", partial(map, lru_cache(256)(read_value))),
    "call": Column(r"((?:field_text|stored)\([^\n()]*\))", partial(map, read_value)),
}
# For each kind, the kinds whose values its pattern matches as well.
_INCLUDED_IN = {"str": {"plain"}, "json": {"ints", "strs"}}
# A group that does not match looks like a group that matches an empty text.
_MAY_BE_EMPTY = frozenset({"plain", "ints"})
_KIND_NAMES = {
    **{kind.type: name for name, kind in words.FLAT.items() if kind.type is not datetime},
    words.Natural: "natural",
    words.FieldText: "call",
    words.Stored: "call",
    words.JsonNull: "json_null",
}


# Rows that a person has edited: Python's own parser, then the closed vocabulary


def read_edited(line: str, style: RowStyle, function: str, missing: Collection[str] = ()) -> Values:
    """Return the values of a row as Python reads it.

    Raises RowError, and RowIsCode for Python that is more than a row, or names what is `missing`.
    """
    body = _parsed(line, style)
    call = style.call_in(body[0]) if len(body) == 1 else None
    if call is None or call.function != function:
        raise RowIsCode(f"it is more than a single {style.prefix(function).strip()}{style.suffix}.")
    if call.keywords:
        raise RowIsCode("the call has keyword arguments; the values of a row go by position.")
    nodes = [node for argument in call.args for node in ast.walk(argument)]
    for name in sorted({node.id for node in nodes if isinstance(node, ast.Name)} & {*missing}):
        raise RowIsCode(f"the import line does not have the name {name}.")
    try:
        return tuple([words.evaluate(argument) for argument in call.args])
    except words.BadValue as error:
        raise RowError(error.reason) from None
    except words.NotAWord as error:
        raise RowIsCode(error.reason, hint=error.hint) from None


def _parsed(line: str, style: RowStyle) -> Sequence[ast.stmt]:
    """Return the statements of a line that is indented like a row; raises RowError."""
    if len(line) > _MAX_EDITED:
        raise RowError(
            f"it is not as dumpy writes it, and its {len(line)} characters are too many for a row"
            f" that was edited (at most {_MAX_EDITED})."
        )
    if any(character in line for character in "\r\n\f\0"):
        raise RowError("it has a line end, a form feed or a NUL in it; write them as escapes.")
    text = line.removeprefix(style.indent)
    if not line.startswith(style.indent) or text[:1].isspace():
        raise RowError(f"it does not begin with {style.start!r} like the rows that dumpy writes.")
    try:
        body = parse(text).body
    except FormatError as error:
        raise RowError(error.reason) from None
    if not text.isascii() and folded_line(text):
        raise RowIsCode("a name in it has letters that Python reads as other letters.")
    return body
