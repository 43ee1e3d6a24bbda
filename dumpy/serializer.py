"""The interface to Django's serialization framework, for ``SERIALIZATION_MODULES``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import groupby
from typing import Any

from django.core.serializers import base
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import AutoField, Model, QuerySet

from dumpy import reading
from dumpy.conf import project_version
from dumpy.errors import SHOWN, FixtureError, LoadError, Place, Problem, RestoreFailed
from dumpy.loading.loader import Destination, Loader, shared_loader
from dumpy.loading.references import MissingRow, References, stored_key
from dumpy.loading.registry import each_led_to, led_to
from dumpy.loading.report import problem_of
from dumpy.migrating.tables import MigratedDump, created, start
from dumpy.reading import Dump, DumpedTable
from dumpy.reading.dump import Block, Row
from dumpy.reading.program import Placed
from dumpy.schema.instances import dumped_row, row_ref
from dumpy.schema.tables import ModelType, Table, chunks, table_of
from dumpy.text.emit import ModuleWriter
from dumpy.text.words import Natural
from dumpy.writing.natural import NaturalKeys
from dumpy.writing.publishing import needs_ascii
from dumpy.writing.rows import CHUNK, Page, RowWriter, Shape, page_of, shape_of

_DESCRIPTION = "Objects, written by dumpy."
_HOOKS = ("start_object", "handle_field", "handle_fk_field", "handle_m2m_field", "end_object")
Save = Callable[[Model, Place], bool]
"""Saves an object in a load; returns whether it was saved, or deferred."""


class Serializer(base.Serializer):
    """Writes objects as one Python module, in the order in which they are given."""

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
        """Write objects to ``stream`` (a new text stream if None) and return its value.

        ``queryset`` is any iterable of instances, of several models in any order; the other
        arguments have the same meaning as in Django. Raises ``UnwritableField``.
        """
        self.options = options
        self.stream = self.stream_class() if stream is None else stream
        self.selected_fields = None if fields is None else list(fields)
        self.use_natural_foreign_keys = use_natural_foreign_keys
        self.use_natural_primary_keys = use_natural_primary_keys
        progress = self.progress_class(progress_output, object_count)
        ascii_only = needs_ascii(self.stream)
        module = ModuleWriter(self.stream.write)
        natural_keys = cache(NaturalKeys)
        module.begin(_DESCRIPTION, project_version())
        count = 0
        if isinstance(queryset, QuerySet) and queryset._result_cache is None:
            queryset = queryset.iterator(chunk_size=CHUNK)
        for model, instances in _runs(queryset):
            using = instances[0]._state.db or DEFAULT_DB_ALIAS
            for shape, pages in self._pages(model, instances):
                rows = RowWriter(shape, natural_keys(using), is_stored=False, ascii_only=ascii_only)
                lines = map(rows.arguments, pages)
                count += module.section(shape.table.label, shape.names, lines)
            progress.update(count)
        module.end()
        return self.getvalue()

    def _pages(
        self, model: ModelType, instances: list[Model]
    ) -> Iterator[tuple[Shape, Iterable[Page]]]:
        shape = shape_of(
            Table(model) if model._meta.proxy else table_of(model),
            self.selected_fields,
            natural_foreign=self.use_natural_foreign_keys,
            natural_primary=self.use_natural_primary_keys,
        )
        if instances[0].pk is None and isinstance(model._meta.pk, AutoField):
            # The database gives a new object its key.
            columns = tuple(one for one in shape.columns if not one.field.primary_key)
            shape = replace(shape, columns=columns)
        if all(getattr(type(self), name) is getattr(Serializer, name) for name in _HOOKS):
            yield shape, [page_of(shape, instances)]
            return
        handled = (self._handled(shape, instance) for instance in instances)
        for _names, group in groupby(handled, key=lambda pair: pair[0].names):
            pairs = list(group)
            yield pairs[0][0], [page for _shape, page in pairs]

    def _handled(self, shape: Shape, instance: Model) -> tuple[Shape, Page]:
        """Return an instance, as changed by the hooks of a subclass, as a page of one row."""
        key = shape.table.key
        page = page_of(shape, [instance])
        fields: list[Any] = [column.field for column in shape.columns]
        fields += [link.field for link in shape.links]
        self._values = {f.name: one[0] for f, one in zip(fields, page.columns, strict=True)}
        self._current = {f.name: self._values[f.name] for f in fields if f.attname in key}
        self.start_object(instance)
        for column in shape.columns:
            if column.name not in key:
                handle = self.handle_fk_field if column.references else self.handle_field
                handle(instance, column.field)
        for link in shape.links:
            self.handle_m2m_field(instance, link.field)
        self.end_object(instance)
        columns = tuple(one for one in shape.columns if one.field.name in self._current)
        links = tuple(one for one in shape.links if one.field.name in self._current)
        kept = [field.name for field in fields if field.name in self._current]
        values: list[Sequence[Any]] = [[self._current[name]] for name in kept]
        return replace(shape, columns=columns, links=links), Page(page.keys, values)

    def start_object(self, obj: Any) -> None:
        """Hook for subclasses: called before an object is written."""

    def handle_field(self, obj: Any, field: Any) -> None:
        """Write a field; a subclass may change what is written in ``self._current``."""
        self._current[field.name] = self._values[field.name]

    handle_fk_field = handle_field
    handle_m2m_field = handle_field


def _runs(instances: Iterable[Model]) -> Iterator[tuple[ModelType, list[Model]]]:
    """Yield neighbours of the same model together, at most ``CHUNK``, new ones apart."""
    for (model, _is_new), group in groupby(instances, key=lambda one: (type(one), one.pk is None)):
        yield from ((model, chunk) for chunk in chunks(group, CHUNK))


class DumpedObject(base.DeserializedObject):
    """A row of a dump, or an object of a fixture, that is not saved yet.

    ``object`` is the instance, ``m2m_data`` its many-to-many values. ``loader`` comes with a
    function that saves an object in the load, and returns whether it was saved or deferred.
    """

    def __init__(
        self,
        instance: Model,
        place: Place,
        using: str,
        loader: Loader | None = None,
        save: Save | None = None,
    ) -> None:
        row = dumped_row(instance)
        super().__init__(instance, m2m_data=dict(row.links) if row else {})
        self.model = type(instance)
        self._place = place
        self._using = using
        self._loader = loader
        self._save = save

    def save(  # type: ignore[override]
        self, save_m2m: bool = True, using: str | None = None, *, force_insert: bool = False
    ) -> None:
        """Save the object; raises ``LoadError`` if it cannot be saved now.

        In a load with forward references, it is deferred instead, see ``save_deferred_fields``.
        Saving to another database or with ``force_insert`` happens at once.
        """
        row = dumped_row(self.object)
        using = using or self._using
        links = _listed(self.m2m_data or {}) if save_m2m else {}
        if row is not None:
            row.links = links
        is_usual = using == self._using and not force_insert and (row is not None or not links)
        if is_usual and self._loader is not None and self._save is not None:
            is_saved = self._save(self.object, self._place)
            self.deferred_fields = self._loader.claim_finish()
        else:
            self._save_at_once(using, force_insert, links if row is None else {})
            is_saved = True
        if is_saved:
            self.object._state.adding, self.object._state.db = False, using
        self.m2m_data = None

    def _save_at_once(self, using: str, force_insert: bool, links: dict[str, Any]) -> None:
        if self._loader is not None:
            self._loader.flush()
        instance = self.object
        rows: QuerySet[Any] = QuerySet(type(instance), using=using)
        if force_insert and instance.pk is not None and rows.filter(pk=instance.pk).exists():
            reason = "a row with this primary key exists, and force_insert allows no update."
            raise LoadError([Problem(row_ref(instance, self._place), reason, "not-unique")])
        loader = Loader(using)
        loader.save(instance, self._place)
        loader.finish()
        for name, values in links.items():
            getattr(instance, name).set(values)

    def save_deferred_fields(self, using: str | None = None) -> None:
        """Finish the load that the object belongs to; raises ``LoadError``."""
        if self._loader is not None:
            self._loader.finish()


class RowsObject(base.DeserializedObject):
    """A block of rows, which dumpy's ``loaddata`` treats as one object."""

    def __init__(self, block: Block, destination: Destination, loader: Loader) -> None:
        self.model = destination.layout.model
        self.deferred_fields: Any = None
        self.count = len(block)
        self._block = block
        self._destination = destination
        self._loader = loader

    def save(self, save_m2m: bool = True, using: str | None = None, **kwargs: Any) -> None:
        """Pass the rows to the loader."""
        self._destination.add_block(self._block)
        self.deferred_fields = self._loader.claim_finish()

    def save_deferred_fields(self, using: str | None = None) -> None:
        """Finish the load that the rows belong to; raises ``LoadError``."""
        self._loader.finish()


def Deserializer(
    stream_or_string: Any,
    *,
    using: str = DEFAULT_DB_ALIAS,
    ignorenonexistent: bool = False,
    handle_forward_references: bool = False,
    **options: Any,
) -> Iterator[base.DeserializedObject]:
    """Yield the objects of a fixture; raises ``FixtureError`` and ``LoadError``.

    With ``handle_forward_references`` (``loaddata``), the caller must call ``save_deferred_fields``
    of the objects that have ``deferred_fields``, and rows are saved in batches. Otherwise
    ``save()`` saves at once.
    """
    dump = reading.open(stream_or_string)
    if not handle_forward_references:
        with dump:
            yield from _at_once(dump, using, ignorenonexistent)
        return
    loader = shared_loader(using) or Loader(
        using, ignore_nonexistent=ignorenonexistent, asks_router=True
    )
    loader.keep_open(dump)
    try:
        yield from _in_batches(dump, loader)
        loader.flush()
    except BaseException:
        loader.close()
        raise


def _at_once(dump: Dump, using: str, ignore: bool) -> Iterator[base.DeserializedObject]:
    loader = Loader(using, ignore_nonexistent=ignore)
    content = _today(dump, loader, has_all_fields=False)
    for table in content.tables:
        if table.create is not None:
            yield from _unsaved(created(table), using)
        elif (layout := loader.layout(table)) is not None:
            for row in table.rows():
                instance, place = layout.instance(row), layout.place_of(row.line)
                _resolve(instance, place, using)
                if not layout.has_key:
                    instance.pk = stored_key(instance, using) or instance.pk
                yield DumpedObject(instance, place, using)
    yield from _unsaved(content.objects(), using)


def _unsaved(given: Iterable[Placed], using: str) -> Iterator[DumpedObject]:
    for one, place in each_led_to(using, given):
        if isinstance(one, Model):
            yield DumpedObject(one, place, using)


def _resolve(instance: Model, place: Place, using: str) -> None:
    """Replace natural keys with primary keys; raises ``LoadError`` for a dangling reference."""
    row, table, references = dumped_row(instance), table_of(type(instance)), References(using)
    if row is None:
        return
    try:
        for name in [*row.references]:
            column = table.column(name)
            key = references.resolve(row.references[name], column.parent_field.attname)
            setattr(instance, column.name, key)
            del row.references[name]
        for link in table.links:
            if isinstance(values := row.links.get(link.name), list):
                name = link.target.parent_field.attname
                row.links[link.name] = [
                    references.resolve(one, name) if isinstance(one, Natural) else one
                    for one in values
                ]
    except MissingRow as error:
        ref = row_ref(instance, place)
        raise LoadError([problem_of(ref, table, error, using)]) from error


def _in_batches(dump: Dump, loader: Loader) -> Iterator[base.DeserializedObject]:
    content = _today(dump, loader)
    with led_to(loader.using):
        code = start(loader, content.migration)
    if dump.migrations and not content.has_arrived:
        # In the end, when it is known that the rows fit.
        rows = tuple((one.label, tuple(one.fields)) for one in content.tables)
        loader.after_load.append(partial(_note_skipped, dump, rows))
    for sentence in dump.left_out():
        loader.report.ignore(sentence)
    for table in content.tables:
        if table.create is not None:
            save = partial(code.save, table=table)
            yield from _objects(created(table, loader.report.ignore), loader, save)
        else:
            yield from _rows(table, loader)
    yield from _objects(content.objects(loader.report.ignore), loader, code.save)


def _today(dump: Dump, loader: Loader, *, has_all_fields: bool = True) -> MigratedDump:
    """Return a dump after migrations; raises ``FixtureError`` if its rows do not fit."""
    content = MigratedDump(dump)
    with led_to(loader.using):
        content.migrate()
    loader.check(content.data, has_all_fields=has_all_fields)
    return content


Rows = tuple[tuple[str, tuple[str, ...]], ...]
"""The labels of models, with the fields of their rows."""


def _note_skipped(dump: Dump, rows: Rows, loader: Loader) -> None:
    """Say which migrations have changed such rows since the dump was made."""
    if _is_at(dump.migrations, loader.using):
        return
    if skipped := _skipped(tuple(dump.migrations.items()), rows):
        said = "migrations have changed rows, which a load does not do"
        loader.report.ignore(f"Since {dump.source.name} was made, {said}: {skipped}.")


def _is_at(migrations: Mapping[str, str], using: str) -> bool:
    """Whether a database is at the migrations of a dump, without a look at what they do.

    To import all migrations of a project takes longer than to load a small dump.
    """
    # Django imports this module for each dump and load, in any format.
    from django.db.migrations.recorder import MigrationRecorder

    recorder = MigrationRecorder(connections[using])
    if not recorder.has_table():
        return False
    applied = recorder.migration_qs.filter(app__in=migrations).order_by("pk")
    return dict(applied.values_list("app", "name")) == dict(migrations)


@cache
def _skipped(migrations: tuple[tuple[str, str], ...], rows: Rows) -> str:
    """Return what migrations have changed in such rows since a dump was made, as a text.

    Tests load the same fixtures often, and the migrations of a process do not change.
    """
    from dumpy.restoring.changes import Changes
    from dumpy.restoring.history import Past

    try:
        past = Past(dict(migrations))
    except RestoreFailed:  # the migrations cannot be read, which says nothing of the rows
        return ""
    skipped = Changes(past).skipped(dict(rows))
    return "; ".join(f"{'.'.join(key)}: {said}" for key, said in skipped)


def _objects(given: Iterable[Placed], loader: Loader, save: Save) -> Iterator[DumpedObject]:
    """Yield the objects that code makes, of the rows of a table or by itself."""
    try:
        for one, place in each_led_to(loader.using, given):
            if isinstance(one, Model):
                yield DumpedObject(one, place, loader.using, loader, save)
            else:
                loader.flush_deferred_objects()
    except FixtureError as error:
        # The program may have expected them to be saved.
        rows = loader.pending.rejected_rows()
        deferred = list(dict.fromkeys(str(row.problem) for row in rows))[:SHOWN]
        if not deferred:
            raise
        said = "\n  ".join(["Objects that were not saved before the error:", *deferred])
        raise FixtureError(error.place, error.reason, f"{error.hint}\n{said}") from error


def _rows(table: DumpedTable, loader: Loader) -> Iterator[DumpedObject | RowsObject]:
    destination = loader.destination(table)
    if destination is None:
        return
    for block in table.blocks():
        if loader.takes_blocks:
            yield RowsObject(block, destination, loader)
        elif loader.includes(destination.layout.model):
            yield from (_row_object(row, destination, loader) for row in block.rows())


def _row_object(row: Row, destination: Destination, loader: Loader) -> DumpedObject:
    layout = destination.layout

    def save(instance: Model, place: Place) -> bool:
        if _content(layout.instance(row)) != _content(instance):
            return loader.save(instance, place)
        destination.add(row)
        return True

    place = layout.place_of(row.line)
    return DumpedObject(layout.instance(row), place, loader.using, loader, save)


def _content(instance: Model) -> dict[str, Any]:
    return {name: value for name, value in vars(instance).items() if name != "_state"}


def _listed(links: dict[str, Any]) -> dict[str, Any]:
    """Return links as lists of keys; anything else is left for the loader to refuse."""
    return {
        name: [one.pk if isinstance(one, Model) else one for one in values]
        if isinstance(values, Iterable) and not isinstance(values, str | bytes | dict)
        else values
        for name, values in links.items()
    }
