"""The setting ``DUMPY``, in one place."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed


@dataclass(frozen=True)
class Configuration:
    """The values of ``settings.DUMPY``, one attribute per key in lower case.

    ``execute``: whether fixtures that are programs may be run at all (default ``True``; where they
    may come from is not a matter of settings). ``signals``: ``None`` (default; dumped rows send no
    signals) or ``"raw"`` (``pre_save`` and ``post_save`` are sent with ``raw=True``). ``version``:
    the version of the project, a string, written into dumps as ``SOURCE_VERSION``.
    """

    execute: bool = True
    signals: str | None = None
    version: str | None = None


ALLOWED: dict[str, tuple[object, ...] | type] = {
    "EXECUTE": (True, False),
    "SIGNALS": (None, "raw"),
    "VERSION": str,
}


def problems(value: object) -> list[tuple[str, str]]:
    """Return what is wrong with a value of the setting, as pairs of key and sentence."""
    if not isinstance(value, dict):
        return [("DUMPY", f"The setting DUMPY must be a dict, not {type(value).__name__}.")]
    found = [(str(key), _unknown(key)) for key in value if key not in ALLOWED]
    return found + [
        (key, f"DUMPY[{key!r}] must be {_expected(key)}, not {value[key]!r}.")
        for key in ALLOWED
        if key in value and not _is_allowed(key, value[key])
    ]


@cache
def configuration() -> Configuration:
    """Return the current configuration; raises ``ImproperlyConfigured`` for a wrong one."""
    value: Any = getattr(settings, "DUMPY", {})
    for _key, sentence in problems(value):
        raise ImproperlyConfigured(sentence)
    known = {field.name for field in fields(Configuration)}
    return Configuration(**{k.lower(): v for k, v in value.items() if k.lower() in known})


def _unknown(key: object) -> str:
    return f"DUMPY has no key {key!r}. The keys are {', '.join(map(repr, sorted(ALLOWED)))}."


def _expected(key: str) -> str:
    allowed = ALLOWED[key]
    return "a string" if isinstance(allowed, type) else " or ".join(map(repr, allowed))


def _is_allowed(key: str, value: object) -> bool:
    allowed = ALLOWED[key]
    if isinstance(allowed, type):
        return isinstance(value, allowed)
    return any(value is option or value == option != 1 for option in allowed)


def _forget(*, setting: str, **_kwargs: object) -> None:
    if setting == "DUMPY":
        configuration.cache_clear()


setting_changed.connect(_forget, dispatch_uid="dumpy.conf")
