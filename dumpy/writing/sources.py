"""Where rows come from: a queryset, or instances."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import groupby, islice
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import IntegerField, Model, QuerySet

from dumpy.engines import engine_of
from dumpy.schema.stored import as_stored, encoded
from dumpy.schema.tables import Column, Link, ModelType, attribute
from dumpy.text.words import SCALARS
from dumpy.writing.rows import Page, Shape
from dumpy.writing.unreadable import Nulls, readable

CHUNK = 1000


def pages_of_query(
    shape: Shape, queryset: QuerySet[Any], using: str
) -> Generator[Page, None, None]:
    """Yield the rows of a queryset by primary key, at most ``CHUNK`` at a time."""
    key = shape.table.key
    # The queryset of a manager may rewrite what it is asked for; which rows it means is its query.
    plain: QuerySet[Any] = QuerySet(queryset.model, query=queryset.query.chain(), using=using)
    selected = plain.select_related(None)
    engine = engine_of(connections[using])
    selected = selected.order_by(*(engine.exact_order(shape.table.column(name)) for name in key))
    expressions = [as_stored(column) for column in shape.columns]
    nulls = Nulls(shape, selected, using)
    for rows in readable(_pages(selected, shape, expressions, using), shape, selected):
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        keys = columns[0] if len(key) == 1 else list(zip(*columns[: len(key)], strict=True))
        page = Page(keys, columns[len(key) :])
        nulls.count(page)
        for link in shape.links:
            found = linked(link, keys, using)
            page.columns.append([found.get(one, []) for one in keys])
        yield page
    nulls.check()


def page_of_instances(shape: Shape, instances: Sequence[Model]) -> Page:
    """Return the rows of unsaved or saved instances of one model."""
    columns = [_attributes(column, instances) for column in shape.columns]
    links = [_links_of_instances(link, instances) for link in shape.links]
    return Page([instance.pk for instance in instances], [*columns, *links])


def runs(instances: Iterable[Model]) -> Iterator[tuple[ModelType, list[Model]]]:
    """Yield neighbours of the same model together, at most ``CHUNK`` at a time."""
    for model, group in groupby(instances, key=type):
        while chunk := list(islice(group, CHUNK)):
            yield model, chunk


def _pages(
    queryset: QuerySet[Any], shape: Shape, expressions: list[Any], using: str
) -> Iterator[list[tuple[Any, ...]]]:
    selected = queryset.values_list(*shape.table.key, *expressions)
    if not engine_of(connections[using]).streams and _is_counted(shape):
        yield from _pages_by_key(selected, shape.table.key[0])
        return
    rows = selected.iterator(chunk_size=CHUNK)
    while chunk := list(islice(rows, CHUNK)):
        yield chunk


def _pages_by_key(selected: QuerySet[Any], key: str) -> Iterator[list[tuple[Any, ...]]]:
    """Page by key: the client of MySQL would hold the whole result in memory otherwise."""
    page = list(selected[:CHUNK])
    while page:
        yield page
        page = list(selected.filter(**{f"{key}__gt": page[-1][0]})[:CHUNK])


def _is_counted(shape: Shape) -> bool:
    key = shape.table.key
    return len(key) == 1 and isinstance(shape.table.column(key[0]).target, IntegerField)


def linked(link: Link, keys: Sequence[object], using: str) -> dict[object, list[Any]]:
    """Return the primary keys that a link leads to, by the primary key that it starts from."""
    found: dict[object, list[Any]] = {}
    source, target = link.source.name, link.target.name
    rows = QuerySet(link.through, using=using).filter(**{f"{source}__in": list(keys)})
    for key, value in rows.order_by().values_list(source, target):
        found.setdefault(key, []).append(value)
    return found


def _attributes(column: Column, instances: Sequence[Model]) -> Sequence[Any]:
    values = [attribute(column, instance) for instance in instances]
    if column.is_json:
        return _json_texts(column, instances, values)
    if column.is_encoded:
        return list(map(partial(_as_stored, column), instances, values))
    return values


def _as_stored(column: Column, instance: Model, value: Any) -> Any:
    """Return a value as the database would give it, if that can be known."""
    stored = value
    with suppress(Exception):  # a value that the field refuses is refused when it is written
        stored = encoded(column, value, connections[instance._state.db or DEFAULT_DB_ALIAS])
    return stored if type(stored) in SCALARS else value


def _json_texts(column: Column, instances: Sequence[Model], values: list[Any]) -> Sequence[Any]:
    """Return JSON values as texts, JSON null apart from SQL NULL, which look alike."""
    encoder = column.target.encoder
    pairs = list(zip(instances, values, strict=True))
    doubtful = [instance for instance, value in pairs if value is None]
    nulls = _json_nulls(column, doubtful) if doubtful and column.field.null else None

    def text(instance: Model, value: Any) -> str | None:
        if value is None and nulls is not None and instance.pk not in nulls:
            return None
        return json.dumps(None if hasattr(value, "as_sql") else value, cls=encoder)

    return [text(*pair) for pair in pairs]


def _json_nulls(column: Column, instances: Sequence[Model]) -> set[object]:
    model, using = type(instances[0]), instances[0]._state.db
    if using is None:
        return set()
    stored = QuerySet(model, using=using).filter(pk__in=[instance.pk for instance in instances])
    return set(stored.filter(**{f"{column.name}__isnull": False}).values_list("pk", flat=True))


def _links_of_instances(link: Link, instances: Sequence[Model]) -> list[list[Any]]:
    unread = [i for i in instances if link.name not in _prefetched(i) and i.pk is not None]
    found: dict[object, list[Any]] = {}
    if unread:
        using = unread[0]._state.db or DEFAULT_DB_ALIAS
        found = linked(link, [instance.pk for instance in unread], using)
    return [
        [target.pk for target in _prefetched(instance)[link.name]]
        if link.name in _prefetched(instance)
        else found.get(instance.pk, [])
        for instance in instances
    ]


def _prefetched(instance: Model) -> dict[str, Any]:
    cache: dict[str, Any] = getattr(instance, "_prefetched_objects_cache", {})
    return cache
