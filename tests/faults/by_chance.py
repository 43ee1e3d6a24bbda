"""Faults by chance and in large numbers: `make faults`, no part of the tests of every day.

The kills are spread over the time that a command takes, or over all of its events; dumps are made
beside a writer that never stops. DUMPY_FAULT_RUNS is the number of runs of each.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import probe
import pytest
from bank import ACCOUNTS, TABLES_ONLY, TOTAL, Bank, Ended, end_of, without_next_keys
from django.conf import settings
from dumps import files
from points import Point

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("journal")]

RUNS = int(os.environ.get("DUMPY_FAULT_RUNS", "100"))
# By how much later than expected a command may end.
MORE = 1.05
# Transfers in a second: more leave no time for the dumps on a small machine.
PACE = 600


def kills(bank: Bank, *args: object, seed: int) -> Iterator[Ended]:
    """Kill a command at random times, every other one counted from its first word.

    How long it takes is measured again and again: the machine may have other things to do. Whoever
    iterates puts the bank back.
    """
    silent = heard = 0.0
    for number, part in enumerate(spread(seed)):
        if number % 10 == 0:
            silent, heard = seconds_of(bank, *args)
            yield Ended(0, "measured")
        seconds = heard if number % 2 else silent + heard
        yield killed_after(bank, MORE * part * seconds, *args, heard=bool(number % 2))


def spread(seed: int) -> list[float]:
    """Return numbers below 1 at random, one in each of equal parts, mixed."""
    chance = random.Random(seed)
    return chance.sample([(part + chance.random()) / RUNS for part in range(RUNS)], RUNS)


def seconds_of(bank: Bank, *args: object) -> tuple[float, float]:
    """Return how long a command takes, until it says something and from then on."""
    started = time.monotonic()
    child = bank.start_with(*args, PYTHONUNBUFFERED="1")
    heard = first_word(child)
    spoken = time.monotonic()
    ended = end_of(child)
    assert ended.status == 0, heard + ended.said
    return spoken - started, time.monotonic() - spoken


def killed_after(bank: Bank, seconds: float, *args: object, heard: bool) -> Ended:
    """Kill a command from outside, so long after its start, or after its first word."""
    child = bank.start_with(*args, PYTHONUNBUFFERED="1")
    said = first_word(child) if heard else ""
    try:
        child.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.kill()
    ended = end_of(child)
    return Ended(ended.status, said + ended.said)


def first_word(child: subprocess.Popen[str]) -> str:
    """Wait until a process says something; return the line."""
    assert child.stdout is not None
    return child.stdout.readline()


def at_events(bank: Bank, log: Path, *args: object) -> Iterator[Ended]:
    """Kill a command at events all over it."""
    ended = end_of(bank.start_with(*args, **{probe.LOG: str(log)}))
    assert ended.status == 0, ended.said
    yield ended
    events = len(log.read_text().splitlines())
    for number in sorted({1 + int(part * events) for part in spread(4)}):
        point = Point("any", "", "", number=number)
        yield bank.hit("SIGKILL", point, *args)


def report(what: str, verdicts: Counter[str]) -> None:
    """Print what became of the killed."""
    print(f"\n{settings.ENGINE}: {what}: {dict(sorted(verdicts.items()))}")


def assert_dumps_are_whole(bank: Bank, path: Path, what: str, ended: Iterator[Ended]) -> None:
    """Require that killed dumps leave nothing, the old one, or the new one."""
    old, new = files(bank.directory / "dumped"), files(bank.directory / "changed")
    verdicts = Counter[str]()
    for before in cycle([{}, old]):
        shutil.rmtree(path, ignore_errors=True)
        if before:
            shutil.copytree(bank.directory / "dumped", path)
        one = next(ended, None)
        if one is None:
            break
        there = files(path)
        assert there in (before, new), one.said
        killed = "killed" if one.was_killed else "not killed"
        verdicts[f"{killed}, {'new' if there == new else 'old' if there else 'absent'}"] += 1
    report(what, verdicts)


def assert_databases_are_whole(bank: Bank, what: str, ended: Iterator[Ended], new: str) -> None:
    """Require that killed commands leave the database as it was, or as it should become."""
    verdicts = Counter[str]()
    compared = without_next_keys if new == "loaded" else dict
    before, after = compared(bank.states["changed"]), compared(bank.states[new])
    for one in ended:
        there = compared(bank.state())
        assert there in (before, after), one.said
        killed = "killed" if one.was_killed else "not killed"
        verdicts[f"{killed}, {'new' if there == after else 'old'}"] += 1
        bank.put("changed")
    report(what, verdicts)


def test_dumps_that_are_killed_at_random(changed: Bank, tmp_path: Path) -> None:
    """F1, D5"""
    path = tmp_path / "killed"
    command = ("dump2py", path, *TABLES_ONLY, "--overwrite")
    assert_dumps_are_whole(changed, path, "killed dumps", kills(changed, *command, seed=1))
    changed.succeed(*command)
    assert list(tmp_path.iterdir()) == [path]


def test_dumps_that_are_killed_at_any_event(changed: Bank, tmp_path: Path) -> None:
    """F2, D5"""
    path = tmp_path / "here" / "killed"
    path.parent.mkdir()
    command = ("dump2py", path, *TABLES_ONLY, "--overwrite")
    ended = at_events(changed, tmp_path / "log", *command)
    assert_dumps_are_whole(changed, path, "dumps killed at events", ended)
    changed.succeed(*command)
    assert list(path.parent.iterdir()) == [path]


def test_restores_that_are_killed_at_random(changed: Bank, dump: Path) -> None:
    """F4"""
    ended = kills(changed, "run", dump / "restore.py", "-b", seed=2)
    assert_databases_are_whole(changed, "killed restores", ended, "dumped")


def test_restores_that_are_killed_at_any_event(changed: Bank, dump: Path, tmp_path: Path) -> None:
    """F4"""
    ended = at_events(changed, tmp_path / "log", "run", dump / "restore.py", "-b")
    assert_databases_are_whole(changed, "restores killed at events", ended, "dumped")


def test_loads_that_are_killed_at_random(changed: Bank) -> None:
    """F4"""
    ended = kills(changed, "loaddata", changed.directory / "dumped.py", seed=3)
    assert_databases_are_whole(changed, "killed loads", ended, "loaded")


def test_dumps_beside_a_writer(bank: Bank, tmp_path: Path) -> None:
    """D4, L6, F10: the sum, and the number of accounts, are those of every instant."""
    path, seen, torn = tmp_path / "torn", set[int](), 0
    with transfers(bank) as rate:
        for _number in range(2 * RUNS):
            bank.succeed("dump2py", path, *TABLES_ONLY, "-o", "--max-row-count", ACCOUNTS // 3)
            found = amounts(path)
            assert len(found) == 2 * ACCOUNTS
            torn += sum(found) != TOTAL
            seen.add(hash(tuple(found)))
    print(
        f"\n{settings.ENGINE}: {torn} of {2 * RUNS} dumps torn, {len(seen)} different ones, "
        f"beside {rate.transfers_in_a_second:.0f} transfers a second"
    )
    assert torn == 0


def amounts(path: Path) -> list[int]:
    """Return the amounts of all accounts in a dump, in any order."""
    text = "".join(file.read_text() for file in path.glob("shop_*.py"))
    return sorted(map(int, re.findall(r"\(create_shop_\w+\(\d+, (-?\d+)[,)]", text)))


@dataclass
class Rate:
    """How many transfers there were in a second."""

    transfers_in_a_second: float = 0


@contextmanager
def transfers(bank: Bank) -> Iterator[Rate]:
    """Let another process move money all the time; gives how fast it was, in the end."""
    (bank.directory / "writer.py").write_text(WRITER)
    child, rate = bank.start_with("run", "writer.py"), Rate()
    assert first_word(child) == "ready\n"
    try:
        yield rate
    finally:
        child.terminate()
        ended = end_of(child)
    rate.transfers_in_a_second = float(ended.said.removeprefix("rate: "))


WRITER = f"""
import random
import signal
import threading
import time

from django.db import connection

ended = []
signal.signal(signal.SIGTERM, lambda *args: ended.append(True))


def transfer(cursor):
    one, other = (random.randrange(1, {ACCOUNTS} + 1) for _side in range(2))
    step = random.randrange(1, 1000)
    cursor.execute("BEGIN")
    cursor.execute(f"UPDATE shop_till SET amount = amount - {{step}} WHERE id = {{one}}")
    cursor.execute(f"UPDATE shop_vault SET amount = amount + {{step}} WHERE id = {{other}}")
    cursor.execute("COMMIT")


def move_money():
    connection.ensure_connection()
    cursor = connection.connection.cursor()
    cursor.execute(haste)
    transfers, started = 0, time.monotonic()
    while not ended:
        time.sleep(max(0, transfers / ({PACE} / writers) - (time.monotonic() - started)))
        try:
            transfer(cursor)
            transfers += 1
        except connection.Database.OperationalError:  # SQLite has one writer or several readers
            cursor.execute("ROLLBACK")
    rates.append(transfers / (time.monotonic() - started))


# The disk would be the limit: nobody asks here what survives a power cut.
haste, writers = {{
    "sqlite": ("PRAGMA synchronous = OFF", 1),
    "postgresql": ("SET synchronous_commit = off", 4),
    "mysql": ("SET autocommit = 1", 12),
}}[connection.vendor]
threads, rates = [threading.Thread(target=move_money) for _one in range(writers)], []
for thread in threads:
    thread.start()
print("ready", flush=True)
for thread in threads:
    thread.join()
print("rate:", sum(rates))
"""
