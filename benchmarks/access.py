"""Ways into and out of a table, besides those that are measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from django.apps import apps
from django.db import connections, transaction
from django.db.models import Field, Model

from benchmarks.rows import Values

_CHUNK = 5000


def tables() -> list[type[Model]]:
    """Return the models that are measured, parents first, and those of links last."""
    found = apps.get_models(include_auto_created=True)
    measured = (model for model in found if model.__module__.startswith(__package__))
    return sorted(measured, key=lambda model: bool(model._meta.auto_created))


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
