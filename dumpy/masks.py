"""Masks, which replace the values of fields in a dump, for ``--mask``.

The functions return the same pseudonym for the same value, in every table and every dump with the
same key: ``DUMPY["MASK_KEY"]``, or a key derived from ``SECRET_KEY``. They return ``None`` and
empty values unchanged.
"""

from __future__ import annotations

import hashlib
import re
from datetime import date as _date
from datetime import datetime, timedelta
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Any, ClassVar, TypeVar

from django.utils.crypto import salted_hmac

from dumpy.conf import configuration

_Day = TypeVar("_Day", bound=_date)
_Number = TypeVar("_Number", int, float, Decimal)

_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_SYLLABLE = ("bdfgklmnprstvz", "aeiou")
_WORD = 6
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}\Z")

# The default context rounds to 28 digits, so longer numbers could become equal.
_EXACT = Context(prec=MAX_PREC, Emin=MIN_EMIN, Emax=MAX_EMAX)


class Mask:
    """The base class of the masks of one model, which is named in the class ``Meta``.

    A method with the name of a field takes a value and returns the value to write. A field that is
    set to ``None`` is written unchanged, and is not reported as personal.
    """

    class Meta:
        """``model`` is a class, or ``app_label.ModelName``."""

        model: ClassVar[Any] = None


def token(value: Any, length: int = 16) -> Any:
    """Return lower-case letters and digits, for unique texts such as user names and slugs."""
    if value in (None, ""):
        return value
    return "".join(_LETTERS[byte % 32] for byte in _pseudorandom_bytes("token", value, length))


def name(value: str) -> str:
    """Return a name: one capitalized word for one word, two for more."""
    words = len(value.split()) if value else 0
    letters = _pseudorandom_letters("name", value, 2 * _WORD)
    return " ".join((letters[:_WORD].title(), letters[_WORD:].title())[:words]) if words else value


def email(value: str, domain: str = "example.com") -> str:
    """Return an address that receives no mail."""
    return f"{token(value)}@{domain}" if value else value


def text(value: Any) -> Any:
    """Return meaningless words of the same length as the text.

    In the lists and dictionaries of JSON, replace each text; keep keys, numbers and booleans.
    """
    if isinstance(value, dict):
        return {key: text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [text(item) for item in value]
    if not isinstance(value, str) or not value:
        return value
    letters = list(_pseudorandom_letters("text", value, len(value)))
    letters[_WORD :: _WORD + 1] = " " * len(letters[_WORD :: _WORD + 1])
    return "".join(letters).rstrip().capitalize()


def number(value: _Number, minimum: int, maximum: int) -> _Number:
    """Return a number of the same type from ``minimum`` to ``maximum``."""
    if value is None:
        return value
    bits = int.from_bytes(_pseudorandom_bytes("number", value, 16), "big")
    if isinstance(value, int):
        return minimum + bits % (maximum - minimum + 1)
    if isinstance(value, float):
        return minimum + (maximum - minimum) * (bits >> 75) / 2.0**53
    # Equal decimals have equal bits; only the precision depends on the digits in the value.
    unit = Decimal(1).scaleb(min(0, int(value.as_tuple().exponent)))
    return (minimum + (maximum - minimum) * Decimal(bits) / 2**128).quantize(unit)


def date(value: _Day, days: int = 365) -> _Day:
    """Return a date, or a date and time, up to ``days`` days earlier or later."""
    if value is None:
        return value
    bits = int.from_bytes(_pseudorandom_bytes("date", value, 16), "big")
    shift = timedelta(1 + (bits >> 64) % days)
    if isinstance(value, datetime):
        shift -= timedelta(seconds=(bits >> 1) % 86400)
    return value + shift if bits % 2 else value - shift


def file(value: str, directory: str = "masked") -> str:
    """Return a path that leads nowhere, with the extension of the original."""
    if not value:
        return value
    suffix = _SUFFIX.search(value)
    return f"{directory}/{token(value)}{suffix[0] if suffix else ''}"


def password(value: str) -> str:
    """Return an unusable password, like ``set_unusable_password()``."""
    # Django's function returns a different password each time, so dumps would differ.
    return f"!{token(value, 40)}" if value else value


def _pseudorandom_bytes(kind: str, value: object, size: int) -> bytes:
    """Return bytes that depend on the key, the same for equal values."""
    canonical = str(value.normalize(_EXACT) if isinstance(value, Decimal) else value)
    data = canonical.encode("utf-8", "surrogatepass")
    secret = configuration().mask_key  # None: SECRET_KEY
    digest = salted_hmac(f"dumpy.masks.{kind}", data, secret, algorithm="sha256").digest()
    return hashlib.shake_256(digest).digest(size)


def _pseudorandom_letters(kind: str, value: object, length: int) -> str:
    parts = enumerate(_pseudorandom_bytes(kind, value, length))
    letters = ((_SYLLABLE[i % (_WORD + 1) % 2], byte) for i, byte in parts)
    return "".join(choices[byte % len(choices)] for choices, byte in letters)
