"""A directory that appears under its name when it is complete."""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from dumpy.errors import DumpFailed
from dumpy.text.manifest import NAME
from dumpy.writing.output import lock, sync_directory

_EXCHANGE = 2
_HERE = -100


@contextmanager
def published(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a directory aside, which takes the place of ``path`` when the block succeeds.

    If the block fails, or the process dies, what was there before is still there. Raises
    ``DumpFailed`` if there is something that may not be overwritten. Only the owner may read it.
    """
    target = Path(os.path.realpath(path))
    _refuse_others(target, overwrite)
    _remove_leftovers(target)
    aside = _new_directory(target)
    try:
        with _locked(aside):
            yield aside
            sync_directory(aside)
            # Somebody else may have been faster.
            _refuse_others(target, overwrite)
            _put_in_place(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    sync_directory(target.parent)


def holds_dump(path: Path) -> bool:
    """Whether a directory holds a dump."""
    return (path / NAME).is_file()


def _new_directory(target: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=f".{target.name}.dumpy-", suffix=".tmp", dir=target.parent))


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold a lock that goes with the directory, whatever it is called; raises ``OSError``."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _refuse_others(target: Path, overwrite: bool) -> None:
    if not target.parent.is_dir():
        raise DumpFailed(f"{target.parent} is no directory. Make it first.")
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not holds_dump(target):
        raise DumpFailed(f"{target} is there and is no dump. Choose another name, or remove it.")
    if not overwrite:
        raise DumpFailed(f"{target} holds a dump already. Use --overwrite to replace it.")


def _put_in_place(aside: Path, target: Path) -> None:
    """Rename in one step; what was there before is in ``aside`` afterwards."""
    if not target.exists() or not any(target.iterdir()):
        os.replace(aside, target)
    elif not _exchange(aside, target):
        # Without an exchange there is a moment without a dump, but never half of one.
        old = _new_directory(target)
        os.replace(target, old)
        os.replace(aside, target)
        shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Let two names change their places, where the system can do so in one step."""
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    return bool(call(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0)


def _remove_leftovers(target: Path) -> None:
    """Remove what a killed process has left: a directory whose lock nobody holds."""
    for leftover in target.parent.glob(f".{escape(target.name)}.dumpy-*.tmp"):
        if leftover.is_dir():
            with suppress(OSError), _locked(leftover):
                shutil.rmtree(leftover, ignore_errors=True)
