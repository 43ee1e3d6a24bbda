"""Dumping a few objects, and reading what the database holds without Django's fields."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.serializers import deserialize, serialize
from django.db import connection
from django.db.models import Model


def stored(model: type[Model], field: str) -> list[str]:
    """Return the values of a column by primary key as the driver gives them, exactly."""
    quote = connection.ops.quote_name
    column = quote(model._meta.get_field(field).column)
    key, table = quote(model._meta.pk.column), quote(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table} ORDER BY {key}")
        return [exact(value) for (value,) in cursor.fetchall()]


def exact(value: Any) -> str:
    """Return a text that differs for any two values that differ."""
    return repr(bytes(value) if isinstance(value, memoryview) else value)


def put(*instances: Model) -> None:
    """Insert rows as they are."""
    for instance in instances:
        instance.save_base(raw=True, force_insert=True)


def row(line: str) -> str:
    """Return the arguments of the one row of a dump."""
    (found,) = rows_in(line)
    return found


def rows_in(text: str) -> list[str]:
    """Return the arguments of each row of a dump."""
    lines = [line for line in text.splitlines() if line.startswith("    yield create_")]
    return [line.partition("(")[2].removesuffix(")") for line in lines]


def dumped(objects: Iterable[Model], format: str = "py", **options: Any) -> str:
    """Return objects as text."""
    text: str = serialize(format, objects, **options)
    return text


def reload(model: type[Model], format: str) -> None:
    """Dump a table, empty it, and load the dump."""
    text = dumped(model._default_manager.order_by("pk"), format)
    model._default_manager.all().delete()
    for each in deserialize(format, text):
        each.save()
