"""The door for ``SERIALIZATION_MODULES``: what Django's serialization framework asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from io import StringIO
from typing import Any

from django.core.serializers import base
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model, QuerySet

from dumpy import reading
from dumpy.conf import project_version
from dumpy.dump import dumped_row, new
from dumpy.errors import SHOWN, FixtureError, Place
from dumpy.loading.batches import named_values
from dumpy.loading.drift import KnownTable
from dumpy.loading.lanes import Destination
from dumpy.loading.loader import Loader, shared_loader
from dumpy.loading.references import stored_key
from dumpy.migrating.install import migration_of, migration_of_dump
from dumpy.migrating.migration import Migration
from dumpy.migrating.tables import Late, created, migrated, start
from dumpy.reading import Dump, DumpedTable, Program
from dumpy.reading.block import Row
from dumpy.reading.program import Placed
from dumpy.schema.tables import ModelType, table_of
from dumpy.writing.encoding import needs_ascii
from dumpy.writing.module import ModuleWriter
from dumpy.writing.natural import NaturalKeys
from dumpy.writing.rows import RowWriter, shape_of
from dumpy.writing.sources import CHUNK, page_of_instances, runs

_DESCRIPTION = "Objects, written by dumpy."


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
        """Write objects to ``stream`` (text; one of its own if None) and return its value.

        ``queryset`` is any iterable of instances, of several models in any order; the other
        arguments mean what they mean in Django. Raises ``UnwritableField``.
        """
        self.options = options
        self.stream = StringIO() if stream is None else stream
        progress = self.progress_class(progress_output, object_count)
        ascii_only = needs_ascii(self.stream)
        module = ModuleWriter(self.stream.write)
        natural_keys = cache(NaturalKeys)
        module.begin(_DESCRIPTION, project_version())
        count = 0
        for model, instances in runs(_iterated(queryset)):
            shape = shape_of(
                table_of(model),
                fields,
                natural_foreign=use_natural_foreign_keys,
                natural_primary=use_natural_primary_keys,
            )
            using = instances[0]._state.db or DEFAULT_DB_ALIAS
            rows = RowWriter(shape, natural_keys(using), ascii_only=ascii_only)
            count += module.section(rows, [page_of_instances(shape, instances)])
            progress.update(count)
        module.end()
        return self.getvalue()


class DumpedObject(base.DeserializedObject):
    """A row of a dump, or an object of a fixture, that is not saved yet.

    ``object`` is the instance; ``m2m_data`` its many-to-many values as in the dump. A ``loader``
    comes with what saves an object in it.
    """

    def __init__(
        self,
        instance: Model,
        place: Place,
        using: str,
        loader: Loader | None = None,
        save: Callable[[Model, Place], object] | None = None,
    ) -> None:
        row = dumped_row(instance)
        super().__init__(instance, m2m_data=dict(row.links) if row else {})
        self.model = type(instance)
        self._place = place
        self._using = using
        self._loader = loader
        self._save = save

    def save(self, save_m2m: bool = True, using: str | None = None, **kwargs: Any) -> None:
        """Save the object; raises ``LoadError`` if it cannot be saved now.

        In a load with forward references it is deferred instead, see ``save_deferred_fields``.
        """
        row = dumped_row(self.object)
        if row is not None:
            row.links = _listed(self.m2m_data or {}) if save_m2m else {}
        if self._loader is not None and self._save is not None:
            self._save(self.object, self._place)
            self.deferred_fields = claim(self._loader)
        else:
            loader = Loader(using or self._using)
            loader.save(self.object, self._place)
            loader.finish()
        self.m2m_data = None

    def save_deferred_fields(self, using: str | None = None) -> None:
        """Finish the load that the object belongs to; raises ``LoadError``."""
        finish(self._loader)


class RowObject(base.DeserializedObject):
    """A row on its way to the database; an instance is made of it only when somebody asks."""

    def __init__(
        self,
        model: ModelType,
        table: DumpedTable,
        row: Row,
        destination: Destination,
        loader: Loader,
    ) -> None:
        self.model = model
        self.m2m_data: Any = None
        self.deferred_fields: Any = None
        self._table = table
        self._row = row
        self._destination = destination
        self._loader = loader
        self._instance: Model | None = None

    @property
    def object(self) -> Model:  # type: ignore[override]
        """The row as an unsaved instance."""
        if self._instance is None:
            self._instance = instance_of(self.model, self._table, self._row)
        return self._instance

    def save(self, save_m2m: bool = True, using: str | None = None, **kwargs: Any) -> None:
        """Hand the row to its lane; if somebody has taken the instance, what it is now."""
        if self._instance is None or self._is_untouched(self._instance):
            self._destination.add(self._row)
        else:
            self._loader.save(self._instance, self._table.place(self._row.line))
        self.deferred_fields = claim(self._loader)

    def _is_untouched(self, instance: Model) -> bool:
        fresh = instance_of(self.model, self._table, self._row)
        return _content(fresh) == _content(instance)

    def save_deferred_fields(self, using: str | None = None) -> None:
        """Finish the load that the row belongs to; raises ``LoadError``."""
        finish(self._loader)


def Deserializer(
    stream_or_string: Any,
    *,
    using: str = DEFAULT_DB_ALIAS,
    ignorenonexistent: bool = False,
    handle_forward_references: bool = False,
    **options: Any,
) -> Iterator[base.DeserializedObject]:
    """Yield the objects of a fixture; raises ``FixtureError`` and ``LoadError``.

    With ``handle_forward_references`` (``loaddata``) the caller promises to call
    ``save_deferred_fields`` of the objects that have ``deferred_fields``: rows are then saved in
    batches. Otherwise ``save()`` saves at once.
    """
    dump = reading.open(stream_or_string)
    if not handle_forward_references:
        with dump:
            yield from _at_once(dump, using, ignorenonexistent)
        return
    loader = shared_loader(using) or Loader(using, ignore_nonexistent=ignorenonexistent)
    loader.keep(dump)
    try:
        yield from _in_batches(dump, loader)
        loader.flush()
    except BaseException:
        loader.close()
        raise


def _at_once(dump: Dump, using: str, ignore: bool) -> Iterator[base.DeserializedObject]:
    if dump.is_program:
        yield from _unsaved(Program(dump).objects(), using)
        return
    loader = Loader(using, ignore_nonexistent=ignore)
    for table in _today(dump, migration_of_dump(dump), loader):
        if table.create is not None:
            yield from _unsaved(created(table), using)
            continue
        known = None if table.drops else loader.known(table)
        for row in table.rows() if known is not None else ():
            assert known is not None
            yield _unsaved_row(known, table, row, using)


def _unsaved(given: Iterable[Placed], using: str) -> Iterator[DumpedObject]:
    for one, place in given:
        if isinstance(one, Model):
            yield DumpedObject(one, place, using)


def _unsaved_row(known: KnownTable, table: DumpedTable, row: Row, using: str) -> DumpedObject:
    instance = instance_of(known.model, table, row, known.fields)
    if not set(table_of(known.model).key) <= known.fields.keys():
        instance.pk = stored_key(instance, using) or instance.pk
    return DumpedObject(instance, table.place(row.line), using)


def _in_batches(dump: Dump, loader: Loader) -> Iterator[base.DeserializedObject]:
    if dump.is_program:
        program = Program(dump)
        late = start(loader, migration_of(program.run()))
        yield from _objects(program.objects(), loader, _saver(loader, late))
        return
    migration = migration_of_dump(dump)
    tables = _today(dump, migration, loader)
    late = start(loader, migration)
    for sentence in dump.left_out():
        loader.report.ignore(sentence)
    for table in tables:
        if table.create is not None:
            given = created(table, loader.report.ignore)
            yield from _objects(given, loader, _saver(loader, late, table))
        else:
            yield from _rows(table, loader)


def _today(dump: Dump, migration: Migration | None, loader: Loader) -> list[DumpedTable]:
    """The tables of a dump after a migration; raises ``FixtureError`` if they do not fit."""
    tables = [migrated(table, migration) for table in dump.tables]
    loader.check([table for table in tables if table.create is None])
    return tables


def _saver(
    loader: Loader, late: Late, table: DumpedTable | None = None
) -> Callable[[Model, Place], object]:
    """Return what saves an object, made of a row of a migrated ``table``, now or at last."""

    def save(instance: Model, place: Place) -> None:
        if not late.keep(instance, place, table):
            loader.save(instance, place, is_changed=table is not None)

    return save


def _objects(
    given: Iterable[Placed], loader: Loader, save: Callable[[Model, Place], object]
) -> Iterator[DumpedObject]:
    try:
        for one, place in given:
            if isinstance(one, Model):
                yield DumpedObject(one, place, loader.using, loader, save)
            else:
                loader.flush_deferred_objects()
    except FixtureError as error:
        raise _with_deferred(error, loader) from error


def _with_deferred(error: FixtureError, loader: Loader) -> FixtureError:
    """Name the objects that a failing program may have expected to be saved."""
    deferred = [str(problem) for problem in loader.objects.problems()][:SHOWN]
    if not deferred:
        return error
    said = "\n  ".join(["Objects that were not saved by then:", *deferred])
    return FixtureError(error.place, error.reason, f"{error.hint}\n{said}")


def _rows(table: DumpedTable, loader: Loader) -> Iterator[RowObject]:
    destination = None if table.drops else loader.destination(table)
    if destination is None:
        return
    for row in table.rows():
        yield RowObject(destination.model, table, row, destination, loader)


def instance_of(model: ModelType, table: DumpedTable, row: Row, fields: Any = None) -> Model:
    """Return a row as an unsaved instance; raises ``FixtureError`` if its values do not fit."""
    try:
        return new(model, **named_values(table.fields if fields is None else fields, row.values))
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise FixtureError(table.place(row.line), reason) from error


def _content(instance: Model) -> dict[str, Any]:
    return {name: value for name, value in vars(instance).items() if name != "_state"}


def _listed(links: dict[str, Any]) -> dict[str, Any]:
    """Links as lists; what is none at all is left to the loader, which refuses it."""
    return {k: list(v) if isinstance(v, Iterable) else v for k, v in links.items()}


def claim(loader: Loader) -> Any:
    """Return something true for the first object of a load, whose caller will finish it."""
    return {"dumpy": None} if loader.claim() else None


def finish(loader: Loader | None) -> None:
    """Finish a load, if there is one."""
    if loader is not None:
        loader.finish()


def _iterated(queryset: Iterable[Model]) -> Iterable[Model]:
    if isinstance(queryset, QuerySet) and queryset._result_cache is None:
        return queryset.iterator(chunk_size=CHUNK)
    return queryset
