"""A directory that appears under its name only when it is complete."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import Any

from dumpy.errors import DumpFailed
from dumpy.text.manifest import NAME, RESTORE, FileEntry, digest, from_text
from dumpy.text.outline import is_program
from dumpy.writing.output import locked, locked_directory, named, stale, sync_directory

_ASIDE, _OLD = ".tmp", ".old"
_EXCHANGE = 2
_HERE = -100
_LONGEST = 100
_SHOWN = 10
# Some libraries have no function for the system call; these are its numbers on Linux.
_RENAMEAT2 = {"aarch64": 276, "ppc64le": 357, "riscv64": 276, "s390x": 347, "x86_64": 316}


@contextmanager
def published(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary directory, which replaces ``path`` when the block succeeds.

    If the block fails or the process is killed, the old content is kept. Raises ``DumpFailed`` if
    ``path`` may not be overwritten. Only the owner can read the directory.
    """
    target = Path(os.path.realpath(path))
    _remove_leftovers(target)
    _refuse_others(target, overwrite)
    prefix = f".{target.name}.dumpy-"
    with named(target), locked_directory(prefix, _ASIDE, target.parent) as aside:
        yield aside
        sync_directory(aside)
        # Another process may have been faster.
        _refuse_others(target, overwrite)
        try:
            _put_in_place(aside, target)
        except OSError:
            _refuse_others(target, overwrite)
            raise
    sync_directory(target.parent)


def holds_dump(path: Path) -> bool:
    """Whether a directory contains a dump; other programs write manifests, too."""
    try:
        with (path / RESTORE).open("rb") as file:
            return (path / NAME).is_file() and is_program(file.readline(_LONGEST)) is not None
    except OSError:
        return False


def _foreign(path: Path) -> list[str]:
    """Return the names of files in a dump that ``dump2py`` did not write in this form."""
    try:
        manifest = from_text((path / NAME).read_text(encoding="utf-8"))
    except ValueError:
        return sorted(found.name for found in path.iterdir())
    files = [manifest.restore, *(file for table in manifest.tables for file in table.files)]
    own = {NAME, "__pycache__", *(file.name for file in files if _is_unchanged(path, file))}
    return sorted(found.name for found in path.iterdir() if found.name not in own)


def _is_unchanged(path: Path, entry: FileEntry) -> bool:
    found = digest()
    try:
        with (path / entry.name).open("rb") as file:
            while data := file.read(2**20):
                found.update(data)
    except OSError:
        return False
    return bool(found.hexdigest() == entry.sha256)


def _refuse_others(target: Path, overwrite: bool) -> None:
    if not target.parent.is_dir():
        raise DumpFailed(f"{target.parent} is not a directory. Create it first.")
    if _is_free(target):
        return
    if not holds_dump(target):
        raise DumpFailed(f"{target} exists and is not a dump. Choose another name, or remove it.")
    if not overwrite:
        raise DumpFailed(
            f"{target} already contains a dump. Use --overwrite (in code: overwrite=True) to "
            "replace it."
        )
    if foreign := _foreign(target):
        more = f" and {len(foreign) - _SHOWN} more" if len(foreign) > _SHOWN else ""
        raise DumpFailed(
            f"{target} contains files that dump2py did not write in this form: "
            f"{', '.join(foreign[:_SHOWN])}{more}. Nothing was replaced: move them out of it, or "
            "choose another name."
        )


def _is_free(target: Path) -> bool:
    return not target.exists() or (target.is_dir() and not any(target.iterdir()))


def _put_in_place(aside: Path, target: Path) -> None:
    """Rename in one step; the old content is in ``aside`` afterwards."""
    if _is_free(target):
        os.replace(aside, target)
    elif not _exchange(aside, target):
        _take_turns(aside, target)


def _take_turns(aside: Path, target: Path) -> None:
    """Rename in two steps; if the process is killed between them, the next one restores the dump.

    The next process finds the old dump by its name, and its lock shows whether it is in use.
    """
    old = aside.with_suffix(_OLD)
    try:
        with locked(target):
            os.replace(target, old)
            try:
                os.replace(aside, target)
            finally:
                _settle(old, target)
    except BlockingIOError:
        raise DumpFailed(f"{target} is being replaced by another process.") from None


def _settle(old: Path, target: Path) -> None:
    """Restore an old dump, or mark it for removal if there is a new one."""
    if _is_free(target):
        os.replace(old, target)
    elif holds_dump(target):
        os.replace(old, old.with_suffix(_ASIDE))


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step, if the system can."""
    names = os.fsencode(one), os.fsencode(other)
    try:
        return _exchanged(ctypes.CDLL(None, use_errno=True), *names) == 0
    except (OSError, AttributeError, TypeError, KeyError):
        return False


def _exchanged(library: Any, one: bytes, other: bytes) -> int:
    if sys.platform == "darwin":
        return int(library.renamex_np(one, other, _EXCHANGE))
    here, flag = ctypes.c_long(_HERE), ctypes.c_long(_EXCHANGE)
    if hasattr(library, "renameat2"):
        return int(library.renameat2(_HERE, one, _HERE, other, _EXCHANGE))
    number = ctypes.c_long(_RENAMEAT2[os.uname().machine])
    return int(library.syscall(number, here, one, here, other, flag))


def _remove_leftovers(target: Path) -> None:
    """Remove the leftovers of killed processes, except the only complete dump."""
    _remove_aside(target)
    for old in stale(target.parent.glob(_pattern(target, _OLD))):
        _settle(old, target)
    _remove_aside(target)


def _remove_aside(target: Path) -> None:
    for leftover in stale(target.parent.glob(_pattern(target, _ASIDE))):
        shutil.rmtree(leftover, ignore_errors=True)


def _pattern(target: Path, suffix: str) -> str:
    return f".{escape(target.name)}.dumpy-*{suffix}"
