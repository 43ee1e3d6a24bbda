"""Put the rows of a table, or instances, into pages, and write them as lines of source."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import IntegerField, Model, QuerySet

from dumpy.engines import engine_of
from dumpy.errors import DumpFailed, RowRef
from dumpy.schema.references import generic_keys_of
from dumpy.schema.stored import as_returned, encoded
from dumpy.schema.tables import (
    Column,
    Link,
    ModelType,
    Table,
    attribute,
    has_natural_key,
    is_content_type,
    key_owner,
    table_of,
)
from dumpy.writing.columns import ColumnWriter, LinkWriter, Note, ReferenceWriter, StoredWriter
from dumpy.writing.masking import MaskedWriter, Masking
from dumpy.writing.natural import NaturalKeys

CHUNK = 1000
_WIDE_CHUNK = 20
_PAGE_BYTES = 2**20
_WIDE_LENGTH = 1000
_SIZED = frozenset({str, bytes, memoryview})


@dataclass(frozen=True)
class Shape:
    """The columns and links of a table to write.

    Attributes:
        natural: whether foreign keys to models with natural keys are written as natural keys.
        without_keys: whether primary keys are left out if the model has natural keys.
    """

    table: Table
    columns: tuple[Column, ...]
    links: tuple[Link, ...]
    natural: bool = False
    without_keys: bool = False

    @property
    def names(self) -> list[str]:
        """The names of the fields, in the order of the values of a row."""
        return [column.name for column in self.columns] + [link.name for link in self.links]

    def is_natural(self, model: ModelType) -> bool:
        """Whether references to ``model`` are written as natural keys."""
        return is_content_type(model) or (self.natural and has_natural_key(model))


@dataclass
class Page:
    """Rows of a shape, as columns.

    Attributes:
        keys: the primary keys of the rows.
        columns: the values of each column, then of each link. JSON columns hold texts, custom
            fields stored values, and other columns values of the driver or of instances.
    """

    keys: Sequence[object]
    columns: list[Sequence[Any]]


def shape_of(
    table: Table,
    fields: Iterable[str] | None = None,
    *,
    natural_foreign: bool = False,
    natural_primary: bool = False,
) -> Shape:
    """Return the shape of a table; ``fields`` are names or attribute names, None for all."""
    names = table.names.keys() if fields is None else set(fields)
    has_key = not (natural_primary and table.is_found_by_natural_key)
    columns = (
        column
        for column in table.columns
        if (
            has_key
            if column.name in table.key
            else not names.isdisjoint((column.name, column.field.name))
        )
    )
    links = (link for link in table.links if link.name in names)
    return Shape(table, tuple(columns), tuple(links), natural_foreign, natural_primary)


def pages_of_query(
    shape: Shape, queryset: QuerySet[Any], using: str
) -> Generator[Page, None, None]:
    """Yield the rows of a queryset in pages, ordered by primary key."""
    engine = engine_of(connections[using])
    keys = [shape.table.column(name) for name in shape.table.key]
    columns = [*shape.columns, *(key for key in keys if key not in shape.columns)]
    key_positions = list(map(columns.index, keys))
    # A custom queryset class may override order_by() and values_list(), so only its query is used.
    rows_query: QuerySet[Any] = QuerySet(queryset.model, query=queryset.query.chain(), using=using)
    rows_query.query.select_related = False
    ordered = rows_query.order_by(*map(engine.exact_order, keys))
    selected = ordered.values_list(*map(engine.as_driven, columns))
    writers = [ColumnWriter(shape.table.label, key, using, is_stored=True) for key in keys]
    if misread := next(iter(engine.misread(rows_query, columns)), None):
        column, row_key, reason = misread
        raise ColumnWriter(shape.table.label, column, using).unreadable(row_key, DumpFailed(reason))
    wide_columns = {number: column for number, column in enumerate(columns) if _is_wide(column)}

    def rows_at_once() -> int:
        """Return the number of rows to fetch at once, by the size of the longest row."""
        longest = engine.longest(rows_query, wide_columns.values())
        return max(_WIDE_CHUNK, min(CHUNK, _PAGE_BYTES // max(1, longest)))

    for rows in _blocks(selected, keys, key_positions, [*wide_columns], rows_at_once):
        values_by_column = list(zip(*rows, strict=True))
        key_values = [values_by_column[position] for position in key_positions]
        key_parts = [
            writer.python(values, values)
            for writer, values in zip(writers, key_values, strict=True)
        ]
        page = Page(key_parts[0] if len(keys) == 1 else list(zip(*key_parts, strict=True)), [])
        # A query with DISTINCT also selects the columns that it is ordered by.
        page.columns = [*values_by_column[: len(shape.columns)]]
        for link in shape.links:
            linked_to = linked(link, page.keys, using)
            page.columns.append([linked_to.get(key, []) for key in page.keys])
        yield page


def _blocks(
    selected: QuerySet[Any],
    keys: Sequence[Column],
    key_positions: Sequence[int],
    wide_columns: Sequence[int],
    rows_at_once: Callable[[], int],
) -> Iterator[list[tuple[Any, ...]]]:
    is_counted = len(keys) == 1 and isinstance(keys[0].target, IntegerField)
    if engine_of(connections[selected.db]).streams or not is_counted:
        yield from _streamed(selected, wide_columns, rows_at_once)
        return
    # Without a streaming cursor, the client would hold the whole result in memory.
    page_size, remaining = _WIDE_CHUNK if wide_columns else CHUNK, selected
    while block := list(chain.from_iterable(_streamed(remaining[:page_size]))):
        yield block
        if remaining is selected and wide_columns and len(block) == page_size:
            page_size = rows_at_once()
        remaining = selected.filter(**{f"{keys[0].name}__gt": block[-1][key_positions[0]]})


def _streamed(
    selected: QuerySet[Any],
    wide_columns: Sequence[int] = (),
    rows_at_once: Callable[[], int] = lambda: CHUNK,
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of the driver in lists of the size of a page."""
    connection = connections[selected.db]
    try:
        sql, params = selected.query.get_compiler(selected.db).as_sql()
    except EmptyResultSet:
        return
    streams = not connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS")
    with closing(connection.chunked_cursor() if streams else connection.cursor()) as cursor:
        cursor.execute(sql, params)
        block: list[tuple[Any, ...]] = []
        size, count = 0, _WIDE_CHUNK if wide_columns else CHUNK
        rows = cursor.fetchmany(count)
        if wide_columns and len(rows) == count:
            count = rows_at_once()
        while rows:
            block += rows
            for position in wide_columns:
                size += sum([len(row[position]) for row in rows if type(row[position]) in _SIZED])
            if len(block) >= CHUNK or size >= _PAGE_BYTES:
                yield block
                block, size = [], 0
            rows = cursor.fetchmany(count)
        if block:
            yield block


def _is_wide(column: Column) -> bool:
    """Whether values may be so long that a page must have few."""
    if column.types is None:
        return True
    return bool(column.types & _SIZED) and (column.target.max_length or _PAGE_BYTES) > _WIDE_LENGTH


def linked(link: Link, keys: Sequence[Any], using: str) -> dict[object, list[Any]]:
    """Return the primary keys of the targets of a link, by the primary key of its source."""
    keys_by_source: dict[object, list[Any]] = {}
    source, target = link.source.name, link.target.name
    condition: dict[str, Any] = {f"{source}__in": list(keys)}
    if {*map(type, keys)} == {int} and max(keys) - min(keys) < len(keys):
        # Most keys are consecutive; Django prepares two bounds faster than a list.
        condition = {f"{source}__gte": min(keys), f"{source}__lte": max(keys)}
    rows = QuerySet(link.through, using=using).filter(**condition)
    for key, value in rows.order_by().values_list(source, target):
        keys_by_source.setdefault(key, []).append(value)
    # A text in the through table may differ from the key that it equals in the database.
    for key in keys_by_source.keys() - keys:
        own_key = QuerySet(link.field.model, using=using).values_list("pk", flat=True).get(pk=key)
        keys_by_source.setdefault(own_key, []).extend(keys_by_source.pop(key))
    return keys_by_source


def page_of(shape: Shape, instances: Sequence[Model]) -> Page:
    """Return the rows of unsaved or saved instances of one model."""
    columns = [_attributes(column, instances) for column in shape.columns]
    links = [_links(link, instances) for link in shape.links]
    return Page([instance.pk for instance in instances], [*columns, *links])


def _attributes(column: Column, instances: Sequence[Model]) -> Sequence[Any]:
    values = [attribute(column, instance) for instance in instances]
    if column.is_json:
        return _json_texts(column, instances, values)
    if column.is_encoded:
        return list(map(partial(_as_stored, column), instances, values))
    return values


def _as_stored(column: Column, instance: Model, value: Any) -> Any:
    """Return a value as the database would give it, if that can be known."""
    with suppress(Exception):  # a value that the field refuses is refused when it is written
        connection = connections[instance._state.db or DEFAULT_DB_ALIAS]
        return as_returned(encoded(column, value, connection), value)
    return value


def _json_texts(column: Column, instances: Sequence[Model], values: list[Any]) -> Sequence[Any]:
    """Return JSON values as texts, JSON null apart from SQL NULL, which look alike."""
    encoder = column.target.encoder
    pairs = list(zip(instances, values, strict=True))
    with_json_null: set[object] = set()
    # In a new object, None is NULL.
    doubtful = [instance for instance, value in pairs if value is None and instance._state.db]
    if doubtful and column.field.null:
        rows: QuerySet[Any] = QuerySet(type(doubtful[0]), using=doubtful[0]._state.db)
        keys = [instance.pk for instance in doubtful]
        not_null = rows.filter(pk__in=keys, **{f"{column.name}__isnull": False})
        with_json_null.update(not_null.values_list("pk", flat=True))

    def text(instance: Model, value: Any) -> str | None:
        is_stored = bool(instance._state.db) and instance.pk in with_json_null
        if value is None and column.field.null and not is_stored:
            return None
        return json.dumps(None if hasattr(value, "as_sql") else value, cls=encoder)

    return list(map(text, instances, values))


def _links(link: Link, instances: Sequence[Model]) -> list[list[Any]]:
    caches = (getattr(instance, "_prefetched_objects_cache", {}) for instance in instances)
    prefetched = [cache.get(link.name) for cache in caches]
    unread = [
        instance.pk
        for instance, targets in zip(instances, prefetched, strict=True)
        if targets is None and instance.pk is not None
    ]
    keys_by_source: dict[object, list[Any]] = {}
    if unread:
        keys_by_source = linked(link, unread, instances[0]._state.db or DEFAULT_DB_ALIAS)
    return [
        keys_by_source.get(instance.pk, [])
        if targets is None
        else [target.pk for target in targets]
        for instance, targets in zip(instances, prefetched, strict=True)
    ]


class RowWriter:
    """Writes the rows of one shape in pages.

    ``natural_keys`` is shared by all tables of the dump. ``is_stored`` says that pages come from
    the database, and not from instances. ``note`` receives sentences for the user.
    """

    def __init__(
        self,
        shape: Shape,
        natural_keys: NaturalKeys,
        *,
        is_stored: bool = True,
        masking: Masking | None = None,
        note: Note = lambda _sentence: None,
    ) -> None:
        self.shape = shape
        self._natural_keys = natural_keys
        self._is_stored = is_stored
        self._masking = masking
        self._note = note
        self._writers = [
            *map(self._column_writer, shape.columns),
            *map(self._link_writer, shape.links),
        ]

    def arguments(self, page: Page) -> Iterator[str]:
        """Yield the arguments of the call of each row.

        Raises ``UnwritableField``, ``UnreadableValue`` and ``UnwritableRow``.
        """
        if self.shape.without_keys:
            self._verify_keys(page)
        if not page.columns:
            return iter([""] * len(page.keys))
        texts = [
            writer.texts(values, page.keys)
            for writer, values in zip(self._writers, page.columns, strict=True)
        ]
        return map(", ".join, zip(*texts, strict=True))

    def _column_writer(self, column: Column) -> ColumnWriter | ReferenceWriter | MaskedWriter:
        writer = (StoredWriter if column.is_encoded else ColumnWriter)(
            self.shape.table.label,
            column,
            self._natural_keys.using,
            self._note,
            is_stored=self._is_stored or column.is_encoded,
        )
        if column.references is not None and self.shape.is_natural(column.references):
            return ReferenceWriter(self._natural_keys, writer)
        if self._masking is not None:
            return self._masking.writer(writer) or writer
        return writer

    def _link_writer(self, link: Link) -> LinkWriter:
        model = link.target.references
        assert model is not None
        keys = ColumnWriter(table_of(model).label, link.target, self._natural_keys.using)
        return LinkWriter(keys, self._natural_keys if self.shape.is_natural(model) else None)

    def _verify_keys(self, page: Page) -> None:
        """Verify that no row needs primary keys that are left out; raises ``UnwritableRow``."""
        table, natural_keys = self.shape.table, self._natural_keys
        if table.is_found_by_natural_key:
            natural_keys.leave_out(table.model, [key for key in page.keys if key is not None])
        columns = [*self.shape.columns, *(link.target for link in self.shape.links)]
        for column, name, values in zip(columns, self.shape.names, page.columns, strict=True):
            model, owner = column.references, column.key_owner
            if model is None or owner is None or self.shape.is_natural(model):
                continue
            for key, value in zip(page.keys, values, strict=True):
                if value is not None and value != []:
                    ref = RowRef(table.label, key)
                    natural_keys.hold(owner, ref, name, value, foreign=not self.shape.natural)
                    break
        for generic in generic_keys_of(table):
            types = self._values(page, generic.content_type)
            values = self._values(page, generic.object_id)
            for key, content_type, value in zip(page.keys, types, values, strict=True):
                target = None if value is None else natural_keys.model_of(content_type)
                owner = key_owner(target) if target is not None else None
                if owner is not None:
                    ref = RowRef(table.label, key)
                    natural_keys.hold(owner, ref, generic.object_id.name, value)

    def _values(self, page: Page, column: Column) -> Sequence[Any]:
        if column in self.shape.columns:
            return page.columns[self.shape.columns.index(column)]
        rows: QuerySet[Any] = QuerySet(self.shape.table.model, using=self._natural_keys.using)
        values_by_key = dict(rows.filter(pk__in=page.keys).values_list("pk", column.name))
        return [values_by_key.get(key) for key in page.keys]
