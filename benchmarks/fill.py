"""Fills the tables of ``benchmarks.shop``."""

from __future__ import annotations

from decimal import Decimal

from django.db import connections

from benchmarks.access import insert
from benchmarks.rows import TAGS, category, chain, day, item, links
from benchmarks.shop.models import Category, Chain, Item, Place, PlainItem, Shop, Supermarket, Tag


def sizes(rows: int) -> dict[str, int]:
    """Return how many rows each table gets, so that they are ``rows`` without the links."""
    found = {"categories": max(1, rows // 100), "tags": TAGS, "places": rows // 10}
    return {**found, "items": rows - sum(found.values()) - 2 * found["places"]}


def fill(rows: int, using: str, *, linked: bool = True) -> None:
    """Fill the tables of a database with ``rows`` rows, and a link per item if ``linked``."""
    counts = sizes(rows)
    items, places = range(1, counts["items"] + 1), range(1, counts["places"] + 1)
    insert(Category, (category(i) for i in range(1, counts["categories"] + 1)), using)
    insert(Tag, ((i, f"tag {i}") for i in range(1, TAGS + 1)), using)
    model = Item if linked else PlainItem
    insert(model, (item(i, counts["categories"]) for i in items), using)
    if linked:
        insert(Item.tags.through, ((n, *link) for n, link in enumerate(links(items), 1)), using)
    insert(Place, ((i, f"Place {i}", f"{i % 97} Rue de l'Église") for i in places), using)
    insert(Shop, ((i, day(i), i % 50 / 10) for i in places), using)
    insert(Supermarket, ((i, i % 30, Decimal(i) / 100) for i in places), using)


def fill_chain(rows: int, step: int, using: str) -> None:
    """Fill a table whose rows each need the one before (``step`` -1) or behind (1) them."""
    with connections[using].constraint_checks_disabled():
        insert(Chain, chain(rows, step), using)
