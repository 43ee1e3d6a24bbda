"""The interface to Django's serialization framework, for ``SERIALIZATION_MODULES``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import groupby
from typing import Any

from django.core.serializers import base
from django.db import DEFAULT_DB_ALIAS
from django.db.models import AutoField, Model, QuerySet

from dumpy.conf import project_version
from dumpy.deserializer import Deserializer as Deserializer
from dumpy.schema.tables import ModelType, Table, chunks, table_of
from dumpy.text.emit import ModuleWriter
from dumpy.writing.natural import NaturalKeys
from dumpy.writing.publishing import write_source
from dumpy.writing.rows import CHUNK, Page, RowWriter, Shape, page_of, shape_of

_DESCRIPTION = "Objects, written by dumpy."
_HOOKS = ("start_object", "handle_field", "handle_fk_field", "handle_m2m_field", "end_object")


class Serializer(base.Serializer):
    """Writes objects as one Python module, in the given order."""

    internal_use_only = False

    def serialize(
        self,
        queryset: Iterable[Model],
        *,
        stream: Any = None,
        fields: Iterable[str] | None = None,
        use_natural_foreign_keys: bool = False,
        use_natural_primary_keys: bool = False,
        progress_output: Any = None,
        object_count: int = 0,
        **options: Any,
    ) -> Any:
        """Write objects to ``stream``, or to a new text stream, and return its value.

        ``queryset`` is any iterable of instances, of several models in any order; the other
        arguments have the same meaning as in Django. Raises ``UnwritableField``.
        """
        self.options = options
        self.stream = self.stream_class() if stream is None else stream
        self.selected_fields = None if fields is None else list(fields)
        self.use_natural_foreign_keys = use_natural_foreign_keys
        self.use_natural_primary_keys = use_natural_primary_keys
        progress = self.progress_class(progress_output, object_count)
        module = ModuleWriter(write_source(self.stream))
        natural_keys = cache(NaturalKeys)
        module.begin(_DESCRIPTION, project_version())
        count = 0
        if isinstance(queryset, QuerySet) and queryset._result_cache is None:
            queryset = queryset.iterator(chunk_size=CHUNK)
        for model, instances in _chunks_by_model(queryset):
            using = instances[0]._state.db or DEFAULT_DB_ALIAS
            for shape, pages in self._pages(model, instances):
                rows = RowWriter(shape, natural_keys(using), is_stored=False)
                lines = map(rows.arguments, pages)
                count += module.section(shape.table.label, shape.names, lines)
            progress.update(count)
        module.end()
        return self.getvalue()

    def _pages(
        self, model: ModelType, instances: list[Model]
    ) -> Iterator[tuple[Shape, Iterable[Page]]]:
        """Yield instances of one model as pages, with the shape of their rows."""
        shape = shape_of(
            Table(model) if model._meta.proxy else table_of(model),
            self.selected_fields,
            natural_foreign=self.use_natural_foreign_keys,
            natural_primary=self.use_natural_primary_keys,
        )
        if instances[0].pk is None and isinstance(model._meta.pk, AutoField):
            # The database generates the key of a new object.
            columns = tuple(c for c in shape.columns if not c.field.primary_key)
            shape = replace(shape, columns=columns)
        if all(getattr(type(self), name) is getattr(Serializer, name) for name in _HOOKS):
            yield shape, [page_of(shape, instances)]
            return
        pairs = (self._call_hooks(shape, instance) for instance in instances)
        for _names, group in groupby(pairs, key=lambda pair: pair[0].names):
            shapes, pages = zip(*group, strict=True)
            yield shapes[0], pages

    def _call_hooks(self, shape: Shape, instance: Model) -> tuple[Shape, Page]:
        """Call the hooks of a subclass, and return the shape and the page of one row."""
        key = shape.table.key
        page = page_of(shape, [instance])
        fields: list[Any] = [column.field for column in shape.columns]
        fields += [link.field for link in shape.links]
        self._values = {f.name: values[0] for f, values in zip(fields, page.columns, strict=True)}
        self._current = {f.name: self._values[f.name] for f in fields if f.attname in key}
        self.start_object(instance)
        for column in shape.columns:
            if column.name not in key:
                handle = self.handle_fk_field if column.references else self.handle_field
                handle(instance, column.field)
        for link in shape.links:
            self.handle_m2m_field(instance, link.field)
        self.end_object(instance)
        columns = tuple(column for column in shape.columns if column.field.name in self._current)
        links = tuple(link for link in shape.links if link.field.name in self._current)
        values: list[Sequence[Any]] = [
            [self._current[field.name]] for field in fields if field.name in self._current
        ]
        return replace(shape, columns=columns, links=links), Page(page.keys, values)

    def start_object(self, obj: Any) -> None:
        """Hook for subclasses: called before an object is written."""

    def handle_field(self, obj: Any, field: Any) -> None:
        """Write a field; a subclass may change what is written in ``self._current``."""
        self._current[field.name] = self._values[field.name]

    handle_fk_field = handle_field
    handle_m2m_field = handle_field


def _chunks_by_model(instances: Iterable[Model]) -> Iterator[tuple[ModelType, list[Model]]]:
    """Yield consecutive instances of the same model, with or without a key, in lists."""
    for (model, _is_new), group in groupby(instances, key=lambda obj: (type(obj), obj.pk is None)):
        yield from ((model, chunk) for chunk in chunks(group, CHUNK))
