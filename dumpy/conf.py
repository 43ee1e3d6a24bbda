"""Read the setting ``DUMPY``."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import ENVIRONMENT_VARIABLE, settings
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from dumpy.errors import ConfigurationError, UntrustedField, sentence

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


@dataclass(frozen=True)
class Configuration:
    """The values of ``settings.DUMPY``, one attribute per key in lower case.

    Attributes:
        execute: whether fixtures that are programs may run.
        signals: ``"raw"`` if dumped rows send ``pre_save`` and ``post_save`` with ``raw=True``.
        version: the version of the project, or its dotted path, see ``project_version``.
        migration_class: the dotted path of the project's ``dumpy.Migrator``.
        field_text: the dotted paths of custom field classes that may read texts if programs may
            not run.
        mask_key: the key of the pseudonyms in masked dumps; by default from ``SECRET_KEY``.
        max_row_bytes: the limit of a row.
        max_skeleton_bytes: the limit of everything except rows.
        max_unpacked_bytes: the limit of a decompressed file.
        max_unpacked_ratio: the limit of its size, divided by the compressed size.
    """

    execute: bool = True
    signals: str | None = None
    version: str | None = None
    migration_class: str | None = None
    field_text: tuple[str, ...] = ()
    mask_key: str | None = None
    max_row_bytes: int = 128 * 2**20
    max_skeleton_bytes: int = 4 * 2**20
    max_unpacked_bytes: int = 64 * 2**30
    max_unpacked_ratio: int = 300


_Test = Callable[[object], bool]
_MIN_BYTES = 2**18


def _is_version(text: object) -> bool:
    # Imported here, because it is slow and most commands do not need it.
    from packaging.version import InvalidVersion, Version

    try:
        Version(str(text))
    except InvalidVersion:
        return False
    return isinstance(text, str)


def _is_dotted(text: object) -> bool:
    return isinstance(text, str) and _DOTTED.fullmatch(text) is not None


def _is_limit(minimum: int) -> _Test:
    return lambda value: type(value) is int and value >= minimum


ALLOWED: dict[str, tuple[str, _Test]] = {
    "EXECUTE": ("True or False", lambda value: isinstance(value, bool)),
    "SIGNALS": ("None or 'raw'", lambda value: value is None or value == "raw"),
    "VERSION": (
        "a version such as '1.2', or the dotted path of one",
        lambda value: _is_version(value) or _is_dotted(value),
    ),
    "MIGRATION_CLASS": ("the dotted path of a class", _is_dotted),
    "FIELD_TEXT": (
        "a list of the dotted paths of field classes",
        lambda value: isinstance(value, list | tuple) and all(map(_is_dotted, value)),
    ),
    "MASK_KEY": (
        "a text of at least 16 characters",
        lambda value: isinstance(value, str) and len(value) >= 16,
    ),
    "MAX_ROW_BYTES": (f"a number from {_MIN_BYTES}", _is_limit(_MIN_BYTES)),
    "MAX_SKELETON_BYTES": (f"a number from {_MIN_BYTES}", _is_limit(_MIN_BYTES)),
    "MAX_UNPACKED_BYTES": (f"a number from {_MIN_BYTES}", _is_limit(_MIN_BYTES)),
    "MAX_UNPACKED_RATIO": ("a number from 1", _is_limit(1)),
}
"""The keys, each with a description and a test of its allowed values."""


def problems(value: object) -> list[tuple[str, str]]:
    """Return the errors in a value of the setting, as pairs of the place and a sentence."""
    if not isinstance(value, dict):
        return [("DUMPY", f"The setting DUMPY must be a dict, not {type(value).__name__}.")]
    keys = ", ".join(map(repr, sorted(ALLOWED)))
    unknown_keys = [
        (f"DUMPY[{key!r}]", f"DUMPY has no key {key!r}. The keys are {keys}.")
        for key in value
        if key not in ALLOWED
    ]
    return unknown_keys + [
        (f"DUMPY[{key!r}]", f"DUMPY[{key!r}] must be {expected}, not {value[key]!r}.")
        for key, (expected, is_allowed) in ALLOWED.items()
        if key in value and not is_allowed(value[key])
    ]


def configuration() -> Configuration:
    """Return the current configuration; raises ``ConfigurationError`` if it is invalid.

    Without settings, return the default: a dump can be read without a project.
    """
    # The default is not cached: settings may be configured later. Like Django, this ignores an
    # empty name of a settings module.
    if not (settings.configured or os.environ.get(ENVIRONMENT_VARIABLE)):
        return Configuration()
    return _configuration_of_settings()


@cache
def _configuration_of_settings() -> Configuration:
    value: Any = getattr(settings, "DUMPY", {})
    for _key, problem in problems(value):
        raise ConfigurationError(problem)
    return Configuration(**{key.lower(): item for key, item in value.items()})


def require_trusted(field: object, value: object) -> None:
    """Raise ``UntrustedField`` if a field may not read a value of a dump.

    If programs may not run, only Django's own fields and the fields named in the setting may read
    texts and bytes: the ``to_python`` of other fields may do anything, such as unpickling.
    """
    if configuration().execute or not isinstance(value, str | bytes):
        return
    owner = next(base for base in type(field).__mro__ if "to_python" in vars(base))
    name = f"{owner.__module__}.{owner.__qualname__}"
    if not name.startswith("django.") and name not in configuration().field_text:
        raise UntrustedField(name)


def project_version() -> str | None:
    """Return the version of the project, or None if it has none.

    Raises ``ConfigurationError`` if the dotted path is not the path of a version.
    """
    value = configuration().version
    if value is None or _is_version(value):
        return value
    version = imported("VERSION", value)
    if callable(version):
        try:
            version = version()
        except (Exception, SystemExit) as error:
            raise ConfigurationError(
                f"DUMPY['VERSION'] leads to {value!r}, which fails: {sentence(error)}"
            ) from error
    if not _is_version(version):
        raise ConfigurationError(
            f"DUMPY['VERSION'] is {value!r}, which is {version!r}, not a version such as '1.2'."
        )
    return str(version)


def imported(key: str, path: str) -> Any:
    """Return the object at the dotted path of a key; raises ``ConfigurationError``."""
    try:
        return import_string(path)
    except (Exception, SystemExit) as error:
        raise ConfigurationError(
            f"DUMPY[{key!r}] is {path!r}, which cannot be imported: {sentence(error)}"
        ) from error


def _clear_cache(*, setting: str, **_kwargs: object) -> None:
    if setting == "DUMPY":
        _configuration_of_settings.cache_clear()


setting_changed.connect(_clear_cache, dispatch_uid="dumpy.conf")
