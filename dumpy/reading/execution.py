"""Which fixtures may be run as programs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from django.apps import apps
from django.conf import settings

from dumpy.conf import configuration
from dumpy.text.manifest import NAME, RESTORE
from dumpy.text.outline import is_first_line

_LONGEST = 100
_named: ContextVar[frozenset[str]] = ContextVar("dumpy_named", default=frozenset())


@contextmanager
def named(paths: Iterable[str]) -> Iterator[None]:
    """Let files run that a person has named with their ``.py``, for the time of the block."""
    token = _named.set(frozenset(os.path.realpath(path) for path in paths))
    try:
        yield
    finally:
        _named.reset(token)


def is_stray_program(path: str) -> bool:
    """Whether a file is a Python program, not a dump, outside of the fixtures directories."""
    real = os.path.realpath(path)
    if not real.endswith(".py") or not os.path.isfile(real):
        return False
    if os.path.dirname(real) in _fixture_directories(real):
        return False
    return not begins_as_dump(real)


def begins_as_dump(path: str | Path) -> bool:
    """Whether the first line of a file is that of a dump."""
    with open(path, "rb") as file:
        return is_first_line(file.readline(_LONGEST))


def dump_of(path: str | Path) -> Path | None:
    """Return the directory of the dump that a file belongs to, None for what stands alone."""
    directory = Path(os.path.realpath(path) if os.path.islink(path) else path).parent
    if (directory / NAME).is_file() and (directory / RESTORE).is_file() and begins_as_dump(path):
        return directory
    return None


def why_not(path: str | None) -> str | None:
    """Return None if the file may be run, else what to do so that it may."""
    if not configuration().execute:
        return "DUMPY['EXECUTE'] is False, so that no fixture is run."
    if path is None:
        return "Only files are run: save it in a fixtures directory and load it from there."
    real = os.path.realpath(path)
    if real in _named.get() or os.path.dirname(real) in _fixture_directories(real):
        return None
    return (
        "Only fixtures in the fixtures directory of an app or in FIXTURE_DIRS are run, and files "
        f"that are named with their ending: loaddata {os.path.relpath(path)}"
    )


def _fixture_directories(path: str) -> Iterator[str]:
    """The directories of fixtures, and those below them that hold ``path``."""
    roots = [os.path.join(config.path, "fixtures") for config in apps.get_app_configs()]
    for root in map(os.path.realpath, [*roots, *map(str, settings.FIXTURE_DIRS)]):
        if path.startswith(root + os.sep):
            yield os.path.dirname(path)
