"""Fills the tables of ``benchmarks.plain``."""

from __future__ import annotations

from benchmarks.access import insert
from benchmarks.plain.models import Category, Item
from benchmarks.rows import category, plain_item


def fill(rows: int, using: str) -> None:
    """Fill the tables with ``rows`` rows, one in a hundred of them a category."""
    categories = max(1, rows // 100)
    items = range(1, rows - categories + 1)
    insert(Category, (category(i) for i in range(1, categories + 1)), using)
    insert(Item, (plain_item(i, categories) for i in items), using)
