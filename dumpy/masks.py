"""Masks, which replace the values of fields in a dump, for ``--mask``.

The functions return the same pseudonym for the same value, in every table and every dump, as long
as the key is the same: ``DUMPY["MASK_KEY"]``, or one that is derived from ``SECRET_KEY``. They
return ``None`` and empty values unchanged.
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

# The default context rounds to 28 digits: values that differ beyond them would become equal.
_EXACT = Context(prec=MAX_PREC, Emin=MIN_EMIN, Emax=MAX_EMAX)


class Mask:
    """The base class of the masks of one model, which the class ``Meta`` names.

    A method with the name of a field takes its value, and returns what is written instead. A field
    that is set to ``None`` is written unchanged, and is not reported as personal.
    """

    class Meta:
        """``model`` is a class, or ``app_label.ModelName``."""

        model: ClassVar[Any] = None


def token(value: Any, length: int = 16) -> Any:
    """Return lower-case letters and digits, for unique texts such as user names and slugs."""
    if value in (None, ""):
        return value
    return "".join(_LETTERS[byte % 32] for byte in _noise("token", value, length))


def name(value: str) -> str:
    """Return a name: one capitalized word for one word, two for more."""
    words = len(value.split()) if value else 0
    letters = _spelled("name", value, 2 * _WORD)
    return " ".join((letters[:_WORD].title(), letters[_WORD:].title())[:words]) if words else value


def email(value: str, domain: str = "example.com") -> str:
    """Return an address that receives no mail."""
    return f"{token(value)}@{domain}" if value else value


def text(value: Any) -> Any:
    """Return words without a meaning, as long as the text.

    In lists and dictionaries, as JSON has them, each text is replaced; keys, numbers and booleans
    are kept.
    """
    if isinstance(value, dict):
        return {key: text(one) for key, one in value.items()}
    if isinstance(value, list):
        return [text(one) for one in value]
    if not isinstance(value, str) or not value:
        return value
    letters = list(_spelled("text", value, len(value)))
    letters[_WORD :: _WORD + 1] = " " * len(letters[_WORD :: _WORD + 1])
    return "".join(letters).rstrip().capitalize()


def number(value: _Number, minimum: int, maximum: int) -> _Number:
    """Return a number of the same type from ``minimum`` to ``maximum``."""
    if value is None:
        return value
    drawn = int.from_bytes(_noise("number", value, 16), "big")
    if isinstance(value, int):
        return minimum + drawn % (maximum - minimum + 1)
    if isinstance(value, float):
        return minimum + (maximum - minimum) * (drawn >> 75) / 2.0**53
    # Equal values are drawn alike: only their precision depends on the digits that are written.
    unit = Decimal(1).scaleb(min(0, int(value.as_tuple().exponent)))
    return (minimum + (maximum - minimum) * Decimal(drawn) / 2**128).quantize(unit)


def date(value: _Day, days: int = 365) -> _Day:
    """Return a date, or a date and time, up to ``days`` days earlier or later."""
    if value is None:
        return value
    drawn = int.from_bytes(_noise("date", value, 16), "big")
    shift = timedelta(1 + (drawn >> 64) % days)
    if isinstance(value, datetime):
        shift -= timedelta(seconds=(drawn >> 1) % 86400)
    return value + shift if drawn % 2 else value - shift


def file(value: str, directory: str = "masked") -> str:
    """Return a path that leads nowhere, with the extension of the original."""
    if not value:
        return value
    suffix = _SUFFIX.search(value)
    return f"{directory}/{token(value)}{suffix[0] if suffix else ''}"


def password(value: str) -> str:
    """Return an unusable password, as ``set_unusable_password()`` sets it."""
    # Django's function makes another one each time, and dumps would differ.
    return f"!{token(value, 40)}" if value else value


def _noise(kind: str, value: object, size: int) -> bytes:
    """Return bytes that depend on the key, the same for equal values."""
    said = str(value.normalize(_EXACT) if isinstance(value, Decimal) else value)
    data = said.encode("utf-8", "surrogatepass")
    secret = configuration().mask_key  # None: SECRET_KEY
    digest = salted_hmac(f"dumpy.masks.{kind}", data, secret, algorithm="sha256").digest()
    return hashlib.shake_256(digest).digest(size)


def _spelled(kind: str, value: object, length: int) -> str:
    parts = enumerate(_noise(kind, value, length))
    letters = ((_SYLLABLE[i % (_WORD + 1) % 2], byte) for i, byte in parts)
    return "".join(some[byte % len(some)] for some, byte in letters)
