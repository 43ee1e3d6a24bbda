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
    """Make SIGTERM and SIGHUP unwind the block before they end the process, like Ctrl-C.

    Signals that are ignored (as by ``nohup``) or have a handler are not changed.
    """
    handled = [number for number in _SIGNALS if _is_free(number)]
    try:
        for number in handled:
            signal.signal(number, _unwind)
        yield
    except KeyboardInterrupt:
        sys.excepthook = _print_interrupted
        raise
    except _Ended as ended:
        _set(handled, signal.SIG_DFL)
        os.kill(os.getpid(), ended.number)
        # If the signal is blocked, the process must still exit with an error.
        sys.exit(128 + ended.number)
    finally:
        _set(handled, signal.SIG_DFL)


class InterruptedAfter(KeyboardInterrupt):
    """Ctrl-C that was delayed until the end of an uninterruptible block."""


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay Ctrl-C until the end of the block, then raise ``InterruptedAfter``."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    interrupts: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: interrupts.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if interrupts:
        raise InterruptedAfter


def _print_interrupted(
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
    # A second signal must not interrupt the cleanup.
    _set([n for n in _SIGNALS if signal.getsignal(n) is _unwind], signal.SIG_IGN)
    raise _Ended(number)


def _set(numbers: list[int], handler: signal.Handlers) -> None:
    for number in numbers:
        signal.signal(number, handler)
