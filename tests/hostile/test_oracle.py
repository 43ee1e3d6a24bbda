"""The oracle of these tests sees what it is there to see."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from oracle import is_refused, watching

from dumpy.errors import FixtureError, Place
from zoo.models import Species


def run_code() -> None:
    exec("1")


def import_a_module() -> None:
    sys.modules.pop("this_is_no_module", None)
    with pytest.raises(ImportError):
        __import__("this_is_no_module")


def open_a_file() -> None:
    Path(__file__).open().close()


def start_a_process() -> None:
    subprocess.run([sys.executable, "-c", ""], check=True)


def run_a_command() -> None:
    os.system("true")


def open_a_socket() -> None:
    socket.socket().close()


def remove_a_file() -> None:
    with pytest.raises(OSError):
        os.remove("/nowhere at all")


DEEDS = [
    run_code,
    import_a_module,
    open_a_file,
    start_a_process,
    run_a_command,
    open_a_socket,
    remove_a_file,
]


@pytest.mark.parametrize("do", DEEDS, ids=lambda do: do.__name__)
def test_a_deed_is_seen(do: Callable[[], None]) -> None:
    with watching() as watch:
        do()
    assert watch.events


def test_nothing_is_seen_where_nothing_is_done() -> None:
    with watching() as watch:
        compile("1 + 1", "", "eval")
    assert watch.events == []


@pytest.mark.parametrize("do", DEEDS, ids=lambda do: do.__name__)
def test_a_deed_is_no_refusal(do: Callable[[], None], target: None) -> None:
    def load() -> None:
        do()
        raise FixtureError(Place("a", 1), "No.")

    with pytest.raises(AssertionError):
        is_refused(load)


def test_a_write_is_no_refusal(target: None) -> None:
    def load() -> None:
        Species.objects.update(latin="changed")
        raise FixtureError(Place("a", 1), "No.")

    with pytest.raises(AssertionError):
        is_refused(load)


def test_another_error_is_no_refusal(target: None) -> None:
    with pytest.raises(ZeroDivisionError):
        is_refused(lambda: 1 / 0)
