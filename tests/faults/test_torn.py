"""A dump is of one instant, whatever others write meanwhile."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bank import ACCOUNTS, RUNS, TABLES_ONLY, TOTAL, Bank
from django.conf import settings

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

DUMPS = 2 * RUNS


def amounts(path: Path) -> list[int]:
    """Return the amounts of all accounts in a dump, in any order."""
    text = "".join(file.read_text() for file in path.glob("shop_*.py"))
    return sorted(map(int, re.findall(r"\(create_shop_\w+\(\d+, (-?\d+)[,)]", text)))


@pytest.mark.slow
def test_no_dump_is_torn_by_transfers_between_tables(bank: Bank, tmp_path: Path) -> None:
    """D4, L6, F10: the sum, and the number of accounts, are those of every instant."""
    path, seen, torn = tmp_path / "torn", set[int](), 0
    with bank.transfers() as rate:
        for _number in range(DUMPS):
            bank.succeed("dump2py", path, *TABLES_ONLY, "-o", "--max-row-count", ACCOUNTS // 3)
            found = amounts(path)
            assert len(found) == 2 * ACCOUNTS
            torn += sum(found) != TOTAL
            seen.add(hash(tuple(found)))
    print(
        f"\n{settings.ENGINE}: {torn} of {DUMPS} dumps torn, {len(seen)} different ones, "
        f"beside {rate.transfers_in_a_second:.0f} transfers a second"
    )
    assert torn == 0
    assert len(seen) > DUMPS // 2
