"""Deterministic rows for the tables of ``benchmarks.shop``, and ways into and out of a table."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice
from typing import Any

from django.db import connections, transaction
from django.db.models import Field, Model

from benchmarks.shop.models import Category, Chain, Item, Place, PlainItem, Shop, Supermarket, Tag

Values = tuple[Any, ...]

TAGS = 50
_CHUNK = 5000
_DAY = datetime.date(2001, 1, 1)
# Whole milliseconds: json keeps no more, and both sides shall load the same content.
_INSTANT = datetime.datetime(2001, 1, 1, 12, 30, 15, 123000, datetime.timezone.utc)

ItemTag = Item.tags.through
MODELS: tuple[type[Model], ...] = (
    Category,
    Tag,
    Item,
    ItemTag,
    PlainItem,
    Place,
    Shop,
    Supermarket,
    Chain,
)


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
        insert(ItemTag, ((n, *link) for n, link in enumerate(links(items), 1)), using)
    insert(Place, ((i, f"Place {i}", f"{i % 97} Rue de l'Église") for i in places), using)
    insert(Shop, ((i, _day(i), i % 50 / 10) for i in places), using)
    insert(Supermarket, ((i, i % 30, Decimal(i) / 100) for i in places), using)


def fill_chain(rows: int, step: int, using: str) -> None:
    """Fill a table whose rows each need the one before (``step`` -1) or behind (1) them."""
    with connections[using].constraint_checks_disabled():
        insert(Chain, chain(rows, step), using)


def chain(rows: int, step: int) -> Iterator[Values]:
    """Yield the rows of a chain."""
    for i in range(1, rows + 1):
        yield i, f"row {i}", i + step if 1 <= i + step <= rows else None


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
        _day(i) if i % 10 else None,
        _INSTANT + datetime.timedelta(seconds=i * 61, milliseconds=i % 1000),
        i % 10_000 / 7,
        i % categories + 1,
        i // 2 if i % 3 == 0 else None,
    )


def links(items: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the pairs of item and tag: none, one or two per item."""
    return ((i, (i + n * 7) % TAGS + 1) for i in items for n in range(i % 3))


def _day(i: int) -> datetime.date:
    return _DAY + datetime.timedelta(days=i % 9000)


def insert(model: type[Model], rows: Iterable[Values], using: str) -> None:
    """Insert rows of a table, given in the order of its columns."""
    iterator = iter(rows)
    with transaction.atomic(using=using):
        while chunk := list(islice(iterator, _CHUNK)):
            executemany(model, ready(model, chunk, using), using)


def ready(model: type[Model], rows: Iterable[Values], using: str) -> list[Values]:
    """Return rows as the driver takes them."""
    connection = connections[using]
    prepare = [field.get_db_prep_save for field in fields(model)]
    return [
        tuple([to(value, connection) for to, value in zip(prepare, row, strict=True)])
        for row in rows
    ]


def executemany(model: type[Model], rows: list[Values], using: str) -> None:
    """Insert rows that are ready with one statement."""
    marks = ", ".join(["%s"] * len(fields(model)))
    with connections[using].cursor() as cursor:
        cursor.executemany(f"INSERT INTO {_into(model, using)} VALUES ({marks})", rows)


def copy(model: type[Model], rows: list[Values], using: str) -> None:
    """Insert rows that are ready with PostgreSQL's COPY."""
    with (
        connections[using].cursor() as cursor,
        cursor.copy(f"COPY {_into(model, using)} FROM STDIN") as target,
    ):
        for row in rows:
            target.write_row(row)


def fields(model: type[Model]) -> list[Field[Any, Any]]:
    """Return the columns of a table."""
    return list(model._meta.local_concrete_fields)


def stored(model: type[Model], using: str) -> Iterator[Values]:
    """Yield the rows of a table by primary key."""
    names = [field.attname for field in fields(model)]
    return listed(model, names, "pk", using=using)


def listed(model: type[Model], names: list[str], *order: str, using: str) -> Iterator[Values]:
    """Yield these columns of the rows of a table."""
    rows = model._base_manager.using(using).order_by(*order).values_list(*names)
    yield from rows.iterator(chunk_size=1000)


def _into(model: type[Model], using: str) -> str:
    quote = connections[using].ops.quote_name
    columns = ", ".join(quote(field.column or "") for field in fields(model))
    return f"{quote(model._meta.db_table)} ({columns})"
