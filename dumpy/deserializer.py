"""Yield the objects of a dump or a program to Django's ``loaddata``, or to ``deserialize()``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from typing import Any

from django.core.serializers import base
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Model, QuerySet

from dumpy import reading
from dumpy.errors import SHOWN, FixtureError, LoadError, Place, Problem, RestoreFailed
from dumpy.loading.loader import Destination, Loader, shared_loader
from dumpy.loading.references import MissingRow, References, stored_key
from dumpy.loading.registry import each_routed_to, routed_to
from dumpy.loading.report import problem_of
from dumpy.migrating.install import adding_version_hint, current_policy
from dumpy.migrating.tables import MigratedDump, created_objects, prepare_load
from dumpy.reading import Dump, DumpedTable
from dumpy.reading.dump import IS_MASKED, Block, Row
from dumpy.reading.program import Placed
from dumpy.schema.instances import dumped_row, row_ref
from dumpy.schema.tables import table_of
from dumpy.text.words import Natural

Save = Callable[[Model, Place], bool]
"""Saves an object in a load, or defers it; returns whether it was saved."""


class DumpedObject(base.DeserializedObject):
    """A row of a dump, or an object of a fixture, that is not saved yet.

    ``object`` is the instance, ``m2m_data`` its many-to-many values. With a ``loader``, it is saved
    by the function ``save``.
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
        links = _link_keys(self.m2m_data or {}) if save_m2m else {}
        if row is not None:
            row.links = links
        is_deferrable = using == self._using and not force_insert and (row is not None or not links)
        if is_deferrable and self._loader is not None and self._save is not None:
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
    loader = shared_loader(using)
    if loader is None:
        loader = Loader(using, ignore_nonexistent=ignorenonexistent, asks_router=True)
        loader.offers_options = True  # Django's own loaddata has them.
    loader.keep_open(dump)
    try:
        yield from _in_batches(dump, loader)
        loader.flush()
    except BaseException:
        loader.close()
        raise


def _at_once(dump: Dump, using: str, ignore: bool) -> Iterator[base.DeserializedObject]:
    """Yield objects that are saved one by one; ``ignore`` is ``ignorenonexistent``."""
    loader = Loader(using, ignore_nonexistent=ignore)
    content = _migrate(dump, loader, has_all_fields=False)
    for table in content.tables:
        if table.create is not None:
            yield from _unsaved(created_objects(table), using)
        elif (layout := loader.layout(table)) is not None:
            for row in table.rows():
                instance, place = layout.instance(row), layout.place_of(row.line)
                _resolve_natural_keys(instance, place, using)
                if not layout.has_key:
                    instance.pk = stored_key(instance, using) or instance.pk
                yield DumpedObject(instance, place, using)
    yield from _unsaved(content.objects(), using)


def _unsaved(objects: Iterable[Placed], using: str) -> Iterator[DumpedObject]:
    for instance, place in each_routed_to(using, objects):
        if isinstance(instance, Model):
            yield DumpedObject(instance, place, using)


def _resolve_natural_keys(instance: Model, place: Place, using: str) -> None:
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
                    references.resolve(key, name) if isinstance(key, Natural) else key
                    for key in values
                ]
    except MissingRow as error:
        ref = row_ref(instance, place)
        raise LoadError([problem_of(ref, table, error, using)]) from error


def _in_batches(dump: Dump, loader: Loader) -> Iterator[base.DeserializedObject]:
    """Yield the objects of a load, which saves rows in batches."""
    content = _migrate(dump, loader)
    with routed_to(loader.using):
        code = prepare_load(loader, content.migration)
    if dump.migrations and not content.has_arrived:
        # After the load: if rows do not fit the models, the note would not help.
        rows = tuple((table.label, tuple(table.fields)) for table in content.tables)
        loader.after_load.append(partial(_note_skipped, dump, rows))
    loader.offers_restore = not dump.is_subset
    if dump.is_masked:
        current_policy().say(IS_MASKED)
    for sentence in content.left_out():
        loader.report.ignore(sentence)
    for table in content.tables:
        if table.create is not None:
            save = partial(code.save, table=table)
            yield from _objects(created_objects(table, loader.report.ignore), loader, save)
        else:
            yield from _rows(table, loader)
    yield from _objects(content.objects(loader.report.ignore), loader, code.save)


def _migrate(dump: Dump, loader: Loader, *, has_all_fields: bool = True) -> MigratedDump:
    """Migrate a dump; raises ``FixtureError`` if its rows do not fit the models."""
    content = MigratedDump(dump)
    with routed_to(loader.using):
        content.migrate()
        with adding_version_hint(dump):
            loader.check(content.data, has_all_fields=has_all_fields)
    return content


Rows = tuple[tuple[str, tuple[str, ...]], ...]
"""The labels of models, with the fields of their rows."""


def _note_skipped(dump: Dump, rows: Rows, loader: Loader) -> None:
    """Note the migrations that would have changed ``rows`` since the dump was made."""
    if _is_at(dump.migrations, loader.using):
        return
    if skipped := _skipped(tuple(dump.migrations.items()), rows):
        loader.report.ignore(
            f"Since {dump.source.name} was made, migrations have changed rows, which a load does "
            f"not do: {skipped}."
        )


def _is_at(migrations: Mapping[str, str], using: str) -> bool:
    """Whether a database is at the migrations of a dump, so that no migration need be imported.

    To import the migrations of a project takes longer than to load a small dump.
    """
    # Django imports this module for dumps and loads in all formats.
    from django.db.migrations.recorder import MigrationRecorder

    recorder = MigrationRecorder(connections[using])
    if not recorder.has_table():
        return False
    applied = recorder.migration_qs.filter(app__in=migrations).order_by("pk")
    return dict(applied.values_list("app", "name")) == dict(migrations)


@cache
def _skipped(migrations: tuple[tuple[str, str], ...], rows: Rows) -> str:
    """Return what the project's migrations since ``migrations`` would change in ``rows``, as text.

    It is cached because tests load the same fixtures often.
    """
    from dumpy.restoring.changes import Changes
    from dumpy.restoring.history import Past

    try:
        past = Past(dict(migrations))
    except RestoreFailed:  # the migrations cannot be read
        return ""
    skipped = Changes(past).skipped(dict(rows))
    return "; ".join(f"{'.'.join(key)}: {operation}" for key, operation in skipped)


def _objects(objects: Iterable[Placed], loader: Loader, save: Save) -> Iterator[DumpedObject]:
    """Yield objects that code of the dump creates."""
    try:
        for instance, place in each_routed_to(loader.using, objects):
            if isinstance(instance, Model):
                yield DumpedObject(instance, place, loader.using, loader, save)
            else:
                loader.flush_deferred_objects()
    except FixtureError as error:
        # The program may have expected them to be saved.
        rows = loader.pending.rejected_rows()
        deferred = list(dict.fromkeys(str(row.problem) for row in rows))[:SHOWN]
        if not deferred:
            raise
        hint = "\n  ".join(["Objects that were not saved before the error:", *deferred])
        raise FixtureError(error.place, error.reason, f"{error.hint}\n{hint}") from error


def _rows(table: DumpedTable, loader: Loader) -> Iterator[DumpedObject | RowsObject]:
    """Yield the rows of a table, in blocks if the command takes them."""
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
        if _attributes(layout.instance(row)) != _attributes(instance):
            return loader.save(instance, place)  # it was changed
        destination.add(row)
        return True

    place = layout.place_of(row.line)
    return DumpedObject(layout.instance(row), place, loader.using, loader, save)


def _attributes(instance: Model) -> dict[str, Any]:
    return {name: value for name, value in vars(instance).items() if name != "_state"}


def _link_keys(links: dict[str, Any]) -> dict[str, Any]:
    """Return links as lists of keys; the loader refuses values that are not iterable."""
    return {
        name: [value.pk if isinstance(value, Model) else value for value in values]
        if isinstance(values, Iterable) and not isinstance(values, str | bytes | dict)
        else values
        for name, values in links.items()
    }
