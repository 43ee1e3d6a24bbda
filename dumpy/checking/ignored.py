"""Columns that may differ."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist

from dumpy.errors import DumpyError
from dumpy.schema.tables import ModelType, table_of


class NoSuchField(DumpyError):
    """A label that is not ``app.Model.field``."""


class Ignored:
    """Fields, as ``app.Model.field``, whose values are not compared; raises ``NoSuchField``."""

    def __init__(self, labels: Iterable[str]) -> None:
        self._names: dict[str, set[str]] = {}
        self._tables: set[str] = set()
        for label in labels:
            self._add(label)

    def names(self, label: str) -> set[str]:
        """Return the names of fields and columns to ignore in the rows of a model."""
        return self._names.get(label, set())

    def is_ignored(self, db_table: str) -> bool:
        """Whether a table holds the links of a field that is ignored."""
        return db_table in self._tables

    def _add(self, label: str) -> None:
        model, field = _resolved(label)
        names = {field.name, getattr(field, "attname", None), getattr(field, "column", None)}
        self._names.setdefault(model._meta.label, set()).update(names - {None})
        links = table_of(model).links
        self._tables |= {link.through._meta.db_table for link in links if link.name in names}


def _resolved(label: str) -> tuple[ModelType, Any]:
    model, _, name = label.rpartition(".")
    try:
        found: ModelType = apps.get_model(model)
        return found, found._meta.get_field(name)
    except (LookupError, ValueError, FieldDoesNotExist) as error:
        raise NoSuchField(f"--ignore {label}: there is no such field; name app.Model.field.") from (
            error
        )
