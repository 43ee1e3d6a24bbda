"""Which files may be run as programs, and who is told that they are."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from django.apps import apps
from django.conf import settings

from dumpy.conf import configuration
from dumpy.text.manifest import NAME, RESTORE
from dumpy.text.outline import PROGRAM_LINE, is_program

_LONGEST = 200
_PAGE = 2**20
_MARK = re.compile(rb"^# dumpy: (format|program|end)\b", re.MULTILINE)
_named: ContextVar[frozenset[str]] = ContextVar("dumpy_named", default=frozenset())
_say: ContextVar[Callable[[str], object]] = ContextVar("dumpy_say", default=lambda sentence: None)

WAY_OUT = f"To run the file as a program, write {PROGRAM_LINE!r} as its first line."
"""What to do with a dump in which there is code."""


@contextmanager
def named(paths: Iterable[str], say: Callable[[str], object] | None = None) -> Iterator[None]:
    """Let files run that a person has named with their ``.py``, for the time of the block.

    ``say`` is told what is run.
    """
    names = _named.set(_named.get() | {os.path.realpath(path) for path in paths})
    told = _say.set(say or _say.get())
    try:
        yield
    finally:
        _say.reset(told)
        _named.reset(names)


def announce(name: str) -> None:
    """Say that a file is run."""
    _say.get()(f"Running {name}")


def is_stray_program(path: str) -> bool:
    """Whether a file is a Python program, not a dump, outside of the fixtures directories."""
    real = os.path.realpath(path)
    if not real.endswith(".py") or not os.path.isfile(real):
        return False
    return os.path.dirname(real) not in _fixture_directories(real) and program_at(real) is not False


def program_at(path: str | Path) -> bool | None:
    """Whether the first line of a file makes it a program; None for what is no dump."""
    with open(path, "rb") as file:
        return is_program(file.readline(_LONGEST))


def is_beheaded(path: str | Path) -> bool:
    """Whether a file is a dump but for its first line: such a file is never run."""
    with open(path, "rb") as file:
        if is_program(file.readline(_LONGEST)) is not None:
            return False
        file.seek(0)
        return any(_MARK.search(page) for page in iter(lambda: file.read(_PAGE), b""))


def dump_of(path: str | Path) -> Path | None:
    """Return the directory of the dump that a file belongs to, None for what stands alone."""
    directory = Path(os.path.realpath(path) if os.path.islink(path) else path).parent
    if (directory / NAME).is_file() and (directory / RESTORE).is_file():
        return directory if program_at(path) is not None else None
    return None


def why_not(path: str | None) -> str | None:
    """Return None if the file may be run, else what to do so that it may."""
    if not configuration().execute:
        return "DUMPY['EXECUTE'] is False, so no program may run."
    if path is None:
        return "Only files are run: save it in a fixtures directory and load it from there."
    real = os.path.realpath(path)
    if real in _named.get() or os.path.dirname(real) in _fixture_directories(real):
        return None
    return (
        "Programs run only from the fixtures directory of an app, from FIXTURE_DIRS, or if they "
        f"are named with their extension: loaddata {os.path.relpath(path)}"
    )


def _fixture_directories(path: str) -> Iterator[str]:
    """The directories of fixtures, and those below them that hold ``path``."""
    roots = [os.path.join(config.path, "fixtures") for config in apps.get_app_configs()]
    for root in map(os.path.realpath, [*roots, *map(str, settings.FIXTURE_DIRS)]):
        if path.startswith(root + os.sep):
            yield os.path.dirname(path)
