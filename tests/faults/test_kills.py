"""kill -9: what is left is what was there before, or what should come after."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

import pytest
from bank import RUNS, TABLES_ONLY, Bank, Ended
from django.conf import settings

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

# The instants around the end of a restore, where all is decided: each of them is tried.
LAST = 10


def files(path: Path) -> dict[str, bytes] | None:
    """Return the content of a directory, or ``None`` if there is none."""
    return {file.name: file.read_bytes() for file in path.iterdir()} if path.exists() else None


def leftovers(path: Path) -> list[str]:
    """Return the names of what lies aside."""
    return [other.name for other in path.parent.iterdir() if ".dumpy-" in other.name]


def report(what: str, verdicts: Counter[str]) -> None:
    """Print what became of the killed; `make faults` shows it."""
    print(f"\n{settings.ENGINE}: {what}: {dict(sorted(verdicts.items()))}")


def whole(bank: Bank, path: Path) -> dict[str, bytes] | None:
    """Return the content of a dump that `checkdump` finds whole."""
    bank.succeed("checkdump", path)
    return files(path)


@pytest.mark.slow
def test_a_dump_that_is_killed_leaves_nothing_the_old_or_the_new(
    bank: Bank, dump: Path, tmp_path: Path
) -> None:
    """F1, D5: at random instants of the whole command."""
    path, verdicts = tmp_path / "killed", Counter[str]()
    command = ("dump2py", path, *TABLES_ONLY, "--overwrite")
    whole(bank, dump)
    bank.execute("UPDATE shop_till SET amount = amount + 1")
    bank.succeed(*command)
    new = whole(bank, path)
    for before, ended in zip(put_in_turn(dump, path), bank.kills(*command, seed=1), strict=False):
        there = files(path)
        assert there in (before, new), ended.said
        verdicts[verdict(ended, "new" if there == new else "old" if there else "absent")] += 1
    report("killed dumps", verdicts)
    assert verdicts["killed, old"] + verdicts["killed, absent"] >= RUNS // 6
    bank.succeed(*command)
    assert files(path) == new
    assert leftovers(path) == []


@pytest.mark.slow
def test_a_dump_that_is_killed_at_any_statement_leaves_the_old_one(
    bank: Bank, dump: Path, tmp_path: Path
) -> None:
    """F1, D5: the new one lies aside, and the next dump removes it."""
    path = shutil.copytree(dump, tmp_path / "killed")
    old = files(path)
    bank.execute("UPDATE shop_till SET amount = amount + 1")
    instants = bank.instants_of("dump2py", tmp_path / "measured", *TABLES_ONLY)
    for at in chosen(instants):
        assert bank.hit("SIGKILL", at, "dump2py", path, *TABLES_ONLY, "--overwrite").was_killed
        assert files(path) == old
        assert len(leftovers(path)) == 1
    bank.succeed("dump2py", path, *TABLES_ONLY, "--overwrite")
    assert files(path) != old
    assert leftovers(path) == []


def put_in_turn(dump: Path, path: Path) -> Iterator[dict[str, bytes] | None]:
    """Put nothing, then the old dump, and so on; return what is there."""
    for number in count():
        shutil.rmtree(path, ignore_errors=True)
        if number % 2:
            shutil.copytree(dump, path)
        yield files(path)


def verdict(ended: Ended, there: str) -> str:
    """Return what has become of a process, and what it has left."""
    return f"{'killed' if ended.was_killed else 'not killed'}, {there}"


def watch_restores(bank: Bank, dump: Path, what: str, kills: Iterable[Ended]) -> Counter[str]:
    """Count what killed restores have made of a database that is not as the dump."""
    new = bank.state()
    bank.change()
    old, verdicts = bank.state(), Counter[str]()
    assert new != old
    for ended in kills:
        there = bank.state()
        assert there in (old, new), f"neither the old state nor the new one: {ended.said}"
        verdicts[verdict(ended, "new" if there == new else "old")] += 1
        verdicts[f"after {step_of(ended.said)!r}"] += 1
        if there == new:
            bank.change()
            assert bank.state() == old
    report(what, verdicts)
    bank.restore(dump)
    assert bank.state() == new
    return verdicts


def step_of(said: str) -> str:
    """Return the last step that a restore said it was in."""
    steps = re.findall(r"^(?:building|loading|checking|Restored).*", said, re.MULTILINE)
    return steps[-1] if steps else "nothing said"


@pytest.mark.slow
def test_a_restore_that_is_killed_leaves_the_old_database_or_the_new_one(
    bank: Bank, dump: Path
) -> None:
    """F4: at random instants of the whole command."""
    kills = bank.kills("run", dump / "restore.py", "-b", seed=2)
    verdicts = watch_restores(bank, dump, "killed restores", kills)
    assert verdicts["killed, old"] >= RUNS // 6


@pytest.mark.slow
def test_a_restore_that_is_killed_at_any_statement_leaves_the_old_database_or_the_new_one(
    bank: Bank, dump: Path
) -> None:
    """F4: before each of the last statements, and at some of those before; around each commit."""
    kills = kills_at_statements(bank, "run", dump / "restore.py", "-b")
    verdicts = watch_restores(bank, dump, "killed at statements", kills)
    assert verdicts["not killed, new"] == 1


def kills_at_statements(bank: Bank, *args: object) -> Iterator[Ended]:
    """Count the statements of a command, and kill it at some of them."""
    instants = bank.instants_of(*args)
    yield Ended(0, "measured")
    for at in chosen(instants):
        yield bank.hit("SIGKILL", at, *args)


def chosen(instants: int) -> list[int]:
    """Return the last instants, and some of those before."""
    step = max(1, instants // RUNS)
    return sorted({*range(1, instants, step), *range(max(1, instants - LAST), instants)})
