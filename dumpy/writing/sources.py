"""Where rows come from: a queryset, or instances."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from itertools import chain, groupby, islice
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import IntegerField, Model, QuerySet

from dumpy.engines import engine_of
from dumpy.schema.stored import encoded
from dumpy.schema.tables import Column, Link, ModelType, attribute
from dumpy.text.words import SCALARS
from dumpy.writing.columns import ColumnWriter
from dumpy.writing.rows import Page, Shape

CHUNK = 1000
_FEW = 20
_BYTES = 2**20
_LONG = 1000
_SIZED = frozenset({str, bytes, memoryview})


def pages_of_query(
    shape: Shape, queryset: QuerySet[Any], using: str
) -> Generator[Page, None, None]:
    """Yield the rows of a queryset by primary key; a page has so many rows, or bytes, at most."""
    engine = engine_of(connections[using])
    keys = [shape.table.column(name) for name in shape.table.key]
    columns = [*shape.columns, *(key for key in keys if key not in shape.columns)]
    places = list(map(columns.index, keys))
    # The queryset of a manager may rewrite what it is asked for; which rows it means is its query.
    plain: QuerySet[Any] = QuerySet(queryset.model, query=queryset.query.chain(), using=using)
    ordered = plain.select_related(None).order_by(*map(engine.exact_order, keys))
    selected = ordered.values_list(*map(engine.as_driven, columns))
    writers = [ColumnWriter(shape.table.label, key, using, is_stored=True) for key in keys]
    wide = [number for number, column in enumerate(columns) if _is_wide(column)]
    for rows in _blocks(selected, keys, places, wide):
        found = list(zip(*rows, strict=True))
        own = zip(writers, (found[place] for place in places), strict=True)
        parts = [writer.python(values, values) for writer, values in own]
        page = Page(parts[0] if len(keys) == 1 else list(zip(*parts, strict=True)), [])
        # A query without duplicates also selects what it is ordered by.
        page.columns = [*found[: len(shape.columns)]]
        for link in shape.links:
            linked_to = linked(link, page.keys, using)
            page.columns.append([linked_to.get(key, []) for key in page.keys])
        yield page


def page_of_instances(shape: Shape, instances: Sequence[Model]) -> Page:
    """Return the rows of unsaved or saved instances of one model."""
    columns = [_attributes(column, instances) for column in shape.columns]
    links = [_links_of_instances(link, instances) for link in shape.links]
    return Page([instance.pk for instance in instances], [*columns, *links])


def runs(instances: Iterable[Model]) -> Iterator[tuple[ModelType, list[Model]]]:
    """Yield neighbours of the same model together, at most ``CHUNK``, new ones apart."""
    for (model, _is_new), group in groupby(instances, key=lambda one: (type(one), one.pk is None)):
        while chunk := list(islice(group, CHUNK)):
            yield model, chunk


def _blocks(
    selected: QuerySet[Any], keys: Sequence[Column], places: Sequence[int], wide: Sequence[int]
) -> Iterator[list[tuple[Any, ...]]]:
    is_counted = len(keys) == 1 and isinstance(keys[0].target, IntegerField)
    if engine_of(connections[selected.db]).streams or not is_counted:
        yield from _streamed(selected, wide)
        return
    # The client of MySQL would hold the whole result in memory.
    size = _FEW if wide else CHUNK
    block = list(chain.from_iterable(_streamed(selected[:size], wide)))
    while block:
        yield block
        rest = selected.filter(**{f"{keys[0].name}__gt": block[-1][places[0]]})
        block = list(chain.from_iterable(_streamed(rest[:size], wide)))


def _streamed(selected: QuerySet[Any], wide: Sequence[int]) -> Iterator[list[tuple[Any, ...]]]:
    """Yield rows as the driver gives them, fetched some at a time, until a page is full."""
    connection = connections[selected.db]
    try:
        sql, params = selected.query.get_compiler(selected.db).as_sql()
    except EmptyResultSet:
        return
    streams = not connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS")
    with closing(connection.chunked_cursor() if streams else connection.cursor()) as cursor:
        cursor.execute(sql, params)
        block: list[tuple[Any, ...]] = []
        size = 0
        while rows := cursor.fetchmany(_FEW if wide else CHUNK):
            block += rows
            for number in wide:
                size += sum([len(row[number]) for row in rows if type(row[number]) in _SIZED])
            if len(block) >= CHUNK or size >= _BYTES:
                yield block
                block, size = [], 0
        if block:
            yield block


def _is_wide(column: Column) -> bool:
    """Whether values may be so long that a page must not have many."""
    if column.types is None:
        return True
    return bool(column.types & _SIZED) and (column.target.max_length or _BYTES) > _LONG


def linked(link: Link, keys: Sequence[Any], using: str) -> dict[object, list[Any]]:
    """Return the primary keys that a link leads to, by the primary key that it starts from."""
    found: dict[object, list[Any]] = {}
    source, target = link.source.name, link.target.name
    condition: dict[str, Any] = {f"{source}__in": list(keys)}
    if {*map(type, keys)} == {int} and max(keys) - min(keys) < len(keys):
        # Of neighbours, which most keys are, Django need not look at each.
        condition = {f"{source}__gte": min(keys), f"{source}__lte": max(keys)}
    rows = QuerySet(link.through, using=using).filter(**condition)
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
    """Return the primary keys of the saved instances in whose rows the column is no SQL NULL."""
    found: set[object] = set()
    for using in {instance._state.db for instance in instances} - {None}:
        keys = [instance.pk for instance in instances if instance._state.db == using]
        stored = QuerySet(type(instances[0]), using=using).filter(pk__in=keys)
        nulls = stored.filter(**{f"{column.name}__isnull": False})
        found.update(nulls.values_list("pk", flat=True))
    return found


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
