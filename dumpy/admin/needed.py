"""Chosen rows, with all rows that they refer to."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Sequence
from itertools import islice
from typing import Any

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet

from dumpy.schema.tables import ModelType, Table, concrete, table_of
from dumpy.writing.database import LEFT_OUT, DatabaseDump, Options, select
from dumpy.writing.rows import Page
from dumpy.writing.sources import linked, pages_of_query

_CHUNK = 500  # of keys in a query: SQLite takes 999 in all

Keys = dict[ModelType, set[Any]]


class DumpOfKeys(DatabaseDump):
    """A dump of the rows with some keys, and of the rows that they need.

    ``collect()`` and ``write()`` are called within ``snapshot()``.
    """

    def __init__(self, using: str) -> None:
        super().__init__(select([], [], using), Options(using, all_rows=True))
        self.keys: Keys = {}

    def collect(self, model: ModelType, keys: Collection[Any]) -> None:
        """Choose rows of a model, and all that they need."""
        found: list[tuple[ModelType, Collection[Any]]] = [(model, keys)]
        while found:
            model, keys = found.pop()
            known = self.keys.setdefault(concrete(model), set())
            new = set(keys) - known
            known |= new
            for some in _chunks(new):
                found += _needed(table_of(concrete(model)), some, self.using)
        self.tables = [table for table in self.tables if self.keys.get(table.model)]

    def pages(self, table: Table) -> Generator[Page, None, None]:
        """Yield the chosen rows of a table, in pages."""
        rows: QuerySet[Any] = QuerySet(table.model, using=self.using)
        for some in _chunks(sorted(self.keys[table.model])):
            yield from pages_of_query(self.shape(table), rows.filter(pk__in=some), self.using)


def _needed(
    table: Table, keys: Collection[Any], using: str
) -> Iterator[tuple[ModelType, Collection[Any]]]:
    """Yield the models, each with keys, of the rows that some rows refer to."""
    rows: QuerySet[Any] = QuerySet(table.model, using=using).filter(pk__in=keys)
    fields: Sequence[Any] = table.model._meta.local_concrete_fields
    for field in fields:
        target = field.related_model
        if target is not None and target._meta.label_lower not in LEFT_OUT:
            values = rows.exclude(**{f"{field.name}__isnull": True}).values(field.attname)
            name = field.target_field.name
            there = QuerySet(target, using=using).filter(**{f"{name}__in": values})
            yield target, [*there.values_list("pk", flat=True)]
    for link in table.links:
        found = linked(link, [*keys], using).values()
        yield link.field.related_model, {key for some in found for key in some}
    for private in table.model._meta.private_fields:
        if isinstance(private, GenericForeignKey):
            yield from _generic(private, rows, using)


def _generic(
    field: GenericForeignKey, rows: QuerySet[Any], using: str
) -> Iterator[tuple[ModelType, Collection[Any]]]:
    for kind, key in rows.values_list(field.ct_field, field.fk_field).distinct():
        target = kind and ContentType.objects.db_manager(using).get_for_id(kind).model_class()
        if target and key is not None:
            there = QuerySet(target, using=using).filter(pk=target._meta.pk.to_python(key))
            yield target, [*there.values_list("pk", flat=True)]


def _chunks(keys: Collection[Any]) -> Iterator[list[Any]]:
    left = iter(keys)
    while some := list(islice(left, _CHUNK)):
        yield some
