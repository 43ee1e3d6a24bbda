"""Databases compared in SQL, and text that takes one of the lanes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import connections
from django.db.models import Model
from django.db.models.signals import post_save
from django.test import override_settings
from running import loaded

from dumpy.text.outline import FIRST_LINE, PROGRAM_LINE

# What is not dumped, and what Django notes about its migrations.
LEFT_OUT = {"contenttypes.ContentType", "sessions.Session"}


def tables(using: str, *apps_wanted: str) -> dict[str, list[str]]:
    """Return the rows of each table as the driver gives them, without keys that nobody sees."""
    return {
        model._meta.label: rows(model, using)
        for model in apps.get_models(include_auto_created=True)
        if not apps_wanted or model._meta.app_label in apps_wanted
        if model._meta.managed and not model._meta.proxy and model._meta.label not in LEFT_OUT
    }


def rows(model: type[Model], using: str) -> list[str]:
    """Return the rows of a table, without the primary key of a link."""
    connection = connections[using]
    quote = connection.ops.quote_name
    fields = [
        field
        for field in model._meta.local_concrete_fields
        if not (model._meta.auto_created and field.primary_key)
    ]
    columns = ", ".join(quote(field.column) for field in fields)
    types = content_types(using)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM {quote(model._meta.db_table)}")
        return sorted(
            repr(
                [
                    types.get(value) if field.related_model is ContentType else plain(value)
                    for field, value in zip(fields, row, strict=True)
                ]
            )
            for row in cursor.fetchall()
        )


def content_types(using: str) -> dict[int, tuple[str, str]]:
    """Return the names of the content types, whose primary keys are each database's own."""
    found = ContentType.objects.using(using).values_list("pk", "app_label", "model")
    return {pk: (app_label, model) for pk, app_label, model in found}


def plain(value: Any) -> Any:
    """Return a value whose text shows what it is."""
    return bytes(value) if isinstance(value, memoryview) else value


def differences(one: dict[str, list[str]], other: dict[str, list[str]]) -> dict[str, Any]:
    """Return the rows that only one of two databases has, by table."""
    return {
        label: (set(one[label]) ^ set(other[label])) or (len(one[label]), len(other[label]))
        for label in one
        if one[label] != other[label]
    }


def load(text: str, directory: Path, using: str = "other") -> str:
    """Load a text as a fixture and return what is said."""
    path = directory / "snapshot.py"
    path.write_bytes(text.encode())
    return loaded(path, database=using, verbosity=2).out


def as_program(text: str) -> str:
    """Return a dump whose first line makes it a program: it means the same, but is run."""
    return text.replace(FIRST_LINE, PROGRAM_LINE, 1)


@contextmanager
def rows_lane() -> Iterator[Callable[[str], str]]:
    """Load rows as rows."""
    yield lambda text: text


@contextmanager
def objects_lane() -> Iterator[Callable[[str], str]]:
    """Load every row as an object of a program."""
    yield as_program


@contextmanager
def signals() -> Iterator[Callable[[str], str]]:
    """Load every row as an object whose receivers hear of it, and do nothing."""
    receivers, post_save.receivers = post_save.receivers, []
    post_save.sender_receivers_cache.clear()
    post_save.connect(ignore)
    try:
        with override_settings(DUMPY={"SIGNALS": "raw"}):
            yield lambda text: text
    finally:
        post_save.receivers = receivers
        post_save.sender_receivers_cache.clear()


def ignore(**arguments: Any) -> None:
    """Listen without doing anything."""


LANES = {"rows": rows_lane, "objects": objects_lane, "signals": signals}
