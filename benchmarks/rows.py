"""Deterministic rows, as tuples of values. Knows no tables."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

Values = tuple[Any, ...]

TAGS = 50
_DAY = datetime.date(2001, 1, 1)
# Whole milliseconds: json keeps no more, and both sides shall load the same content.
_INSTANT = datetime.datetime(2001, 1, 1, 12, 30, 15, 123000, datetime.timezone.utc)


def category(i: int) -> Values:
    """Return a row of the table of categories."""
    return i, f"Category {i}", i // 10 or None


def item(i: int, categories: int) -> Values:
    """Return a row of eleven columns."""
    text = f"The {i % 13}th of its kind, {'Lyon' if i % 5 else 'Tõrva'}. "
    return (
        i,
        f"Item {i}" if i % 7 else f"Item {i}, the customer's choice",
        text * (i % 3 + 1) + ("\nSecond line." if i % 11 == 0 else ""),
        Decimal(i * 37 % 1_000_000) / 100,
        i % 1000,
        i % 4 != 0,
        day(i) if i % 10 else None,
        _INSTANT + datetime.timedelta(seconds=i * 61, milliseconds=i % 1000),
        i % 10_000 / 7,
        i % categories + 1,
        i // 2 if i % 3 == 0 else None,
    )


def plain_item(i: int, categories: int) -> Values:
    """Return a row of eleven columns whose values Lino brings back whole.

    Instants are of whole seconds, and the weight is a decimal.
    """
    *head, created, weight, owner, parent = item(i, categories)
    exact = Decimal(round(weight * 1000)) / 1000
    return *head, created.replace(microsecond=0), exact, owner, parent


def links(items: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the pairs of item and tag: none, one or two per item."""
    return ((i, (i + n * 7) % TAGS + 1) for i in items for n in range(i % 3))


def chain(rows: int, step: int) -> Iterator[Values]:
    """Yield the rows of a chain."""
    for i in range(1, rows + 1):
        yield i, f"row {i}", i + step if 1 <= i + step <= rows else None


def day(i: int) -> datetime.date:
    """Return one of 9,000 days."""
    return _DAY + datetime.timedelta(days=i % 9000)
