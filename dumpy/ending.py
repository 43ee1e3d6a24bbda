"""Signals that end a process after it has cleaned up, as after Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

# Windows has no SIGHUP.
_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class _Ended(BaseException):
    """A signal, as an exception that ``except Exception`` does not catch."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def cleaning_up() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the block before they end the process, as Ctrl-C does.

    A signal that is ignored (as by ``nohup``) or has a handler is not changed.
    """
    taken = [number for number in _SIGNALS if _is_free(number)]
    try:
        for number in taken:
            signal.signal(number, _unwind)
        yield
    except KeyboardInterrupt:
        sys.excepthook = _say_interrupted
        raise
    except _Ended as ended:
        _set(taken, signal.SIG_DFL)
        os.kill(os.getpid(), ended.number)
        # Where the signal is blocked, the process must not go on as if all were well.
        sys.exit(128 + ended.number)
    finally:
        _set(taken, signal.SIG_DFL)


class InterruptedAfter(KeyboardInterrupt):
    """Ctrl-C that was delayed until an uninterruptible block was done."""


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay Ctrl-C until the end of the block, then raise ``InterruptedAfter``."""
    usual = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(usual):
        yield
        return
    noted: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: noted.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
    if noted:
        raise InterruptedAfter


def _say_interrupted(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Print a sentence instead of Python's traceback."""
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("Interrupted: incomplete changes were undone.\n")
    else:
        sys.__excepthook__(kind, error, traceback)


def _is_free(number: int) -> bool:
    in_main = threading.current_thread() is threading.main_thread()
    return in_main and signal.getsignal(number) is signal.SIG_DFL


def _unwind(number: int, frame: FrameType | None) -> None:
    # A second one must not interrupt what the first one has begun.
    _set([n for n in _SIGNALS if signal.getsignal(n) is _unwind], signal.SIG_IGN)
    raise _Ended(number)


def _set(numbers: list[int], handler: signal.Handlers) -> None:
    for number in numbers:
        signal.signal(number, handler)
