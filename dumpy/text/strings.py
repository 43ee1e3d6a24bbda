"""A str or bytes <-> its source: the same text on every version of Python."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping

# `repr` depends on the Unicode tables of the running Python; this set does not.
_HIDDEN = (
    r"\x00-\x1f\x7f-\xa0\xad\u0600-\u0605\u061c\u06dd\u070f\u1680\u180e\u2000-\u200f\u2028-\u202f"
    r"\u205f-\u206f\u3000\ud800-\uf8ff\ufdd0-\ufdef\ufeff\ufff9-\uffff\U000e0000-\U000e0fff"
    + "".join(rf"\U{plane:04x}fffe\U{plane:04x}ffff" for plane in range(1, 15))
    + r"\U000f0000-\U0010ffff"
)
_SPECIAL = {quote: re.compile(rf"[\\{quote}{_HIDDEN}]") for quote in "'\""}
_NON_ASCII = re.compile(r"[^\x00-\x7f]")
_TAGS = re.compile("[\U000e0000-\U000e0fff]")
_SHORT_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "'": "\\'", '"': '\\"'}

_COMMON_ESCAPED = "\\\n\r\t'"
_PRINTABLE = bytes(range(0x20, 0x7F))
LONG = 500
"""The length from which `quote` is faster than `repr`."""

# Canonical text only, as written by `quote` and by `repr` of bytes; Python parses other text.
_TEXT_ESCAPE = r"""\\(?:[\\'"nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U00(?:0[0-9a-f]|10)[0-9a-f]{4})"""
_BYTES_ESCAPE = r"""\\(?:[\\'"nrt]|x[0-9a-f]{2})"""


# The characters that are always escaped, and the pattern of the escapes.
_TEXT = (r"\x00-\x1f", _TEXT_ESCAPE)
_BYTES = (r"\x00-\x1f\x7f-\U0010ffff", _BYTES_ESCAPE)


def _body(quote: str, characters: str, escape: str, turns: str) -> str:
    plain = rf"[^{quote}\\{characters}]*"
    return rf"{plain}(?:{escape}{plain}){turns}"


PLAIN_PATTERN = r"'([^'\\\x00-\x1f]*)'"
TEXT_PATTERN = "({}|{})".format(*(q + _body(q, *_TEXT, "*") + q for q in "'\""))
BYTES_PATTERN = "(b(?:{}|{}))".format(*(q + _body(q, *_BYTES, "*") + q for q in "'\""))
# Bounded, because the engine of `re` needs memory for every turn of a repetition.
TEXT_BODIES = {q: re.compile(_body(q, *_TEXT, "{0,500}")) for q in "'\""}
BYTES_BODIES = {q: re.compile(_body(q, *_BYTES, "{0,500}")) for q in "'\""}


def quote(text: str) -> str:
    """Return the source of a str, on one line, quoted as `repr` quotes."""
    is_ascii = text.isascii()
    if is_ascii and len(text) < LONG:
        return repr(text)
    # Faster than `repr`, which looks at each character several times.
    mark = '"' if "'" in text and '"' not in text else "'"
    body = text
    for character in _COMMON_ESCAPED if mark == "'" else _COMMON_ESCAPED[:-1]:
        if character in body:
            body = body.replace(character, _SHORT_ESCAPES[character])
    if is_ascii:
        is_plain = not body.encode().translate(None, _PRINTABLE)
    else:
        is_plain = body.isprintable() and not _has_hidden(body)
    if is_plain:
        return mark + body + mark
    return repr(text) if is_ascii else mark + _SPECIAL[mark].sub(_escape, text) + mark


codecs.lookup("utf-16-le")  # Imported now: reading a row imports nothing.


def _has_hidden(text: str) -> bool:
    """Whether a text has a printable character that dumpy escapes."""
    if "\ufffc" in text or "\ufffd" in text:
        return True
    # Few texts have characters beyond the first plane, which take two units.
    has_pairs = len(text.encode("utf-16-le", "surrogatepass")) > 2 * len(text)
    return has_pairs and _TAGS.search(text) is not None


def escape_non_ascii(source: str) -> str:
    """Return the same source in ASCII; other characters may only be in its string literals."""
    return source if source.isascii() else _NON_ASCII.sub(_escape, source)


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    code = ord(character)
    if character in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[character]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def unquote(source: str) -> str:
    """Return the str of a canonical literal."""
    body = source[1:-1]
    return unescape(body) if "\\" in body else body


def unescape(body: str) -> str:
    """Return the str of the canonical text between two quotes."""
    return body.encode("ascii", "backslashreplace").decode("unicode_escape")


def unquote_bytes(source: str) -> bytes:
    """Return the bytes of a canonical literal, from its `b` on."""
    return unescape(source[2:-1]).encode("latin-1")


def literal_end(text: str, start: int, bodies: Mapping[str, re.Pattern[str]]) -> int:
    """Return the index after the literal with its quote at `start`, or 0 if there is none.

    Needs memory for the literal only, however long the text is.
    """
    mark, end = text[start : start + 1], start + 1
    if mark not in bodies:
        return 0
    while (match := bodies[mark].match(text, end)) is not None and match.end() > end:
        end = match.end()
    return end + 1 if text.startswith(mark, end) else 0
