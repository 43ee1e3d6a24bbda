"""Migrated dumps, and the objects that code makes of their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count, repeat
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.models import AutoField, Max, Model, QuerySet

from dumpy.engines import engine_of
from dumpy.errors import DumpyError, FixtureError, Place, code_hint, counted, sentence
from dumpy.migrating.install import migration_of, migration_of_dump
from dumpy.migrating.migration import Migration
from dumpy.reading import Dump, DumpedTable, Program
from dumpy.reading.dump import Row, left_out
from dumpy.reading.program import Placed
from dumpy.schema.instances import dumped_row
from dumpy.schema.tables import ModelType

if TYPE_CHECKING:
    from dumpy.loading.loader import Loader


def migrated_table(table: DumpedTable, migration: Migration | None) -> DumpedTable:
    """Return a table with the changes of a migration."""
    if migration is None:
        return table
    original, migrate = table.update_reference, migration.natural
    if not migration.has_renames:
        update = original
    else:
        update = migrate if original is None else lambda natural: migrate(original(natural))
    name = table.function.name
    if not migration.is_changed(name):
        return replace(table, update_reference=update)
    function = migration.functions[name]
    if function is None:
        return replace(table, create=migration.namespace[name], is_migrated=True)
    return replace(table, function=function, is_migrated=True, update_reference=update)


@dataclass
class MigratedDump:
    """A dump with the changes of migrators: every load, restore and repair reads it.

    Attributes:
        dump: the original dump.
        migration: the migration, or None without migrators.
    """

    dump: Dump
    migration: Migration | None = None

    @property
    def makes_objects(self) -> bool:
        """Whether the dump is a single file that is a program: it has objects and no tables."""
        return self.dump.is_program and self.dump.path is None

    @property
    def has_arrived(self) -> bool:
        """Whether migrators have brought the dump to the version of the project."""
        return self.migration is not None and self.migration.has_arrived

    @cached_property
    def tables(self) -> Sequence[DumpedTable]:
        """The tables in the order of loading."""
        return [migrated_table(table, self.migration) for table in self.dumped_tables()]

    @property
    def data(self) -> Sequence[DumpedTable]:
        """The tables without code."""
        return [table for table in self.tables if table.create is None]

    def migrate(self) -> None:
        """Migrate the dump; a program is run for it."""
        self.migration = self.find_migration()
        vars(self).pop("tables", None)  # Cached without the changes.

    def find_migration(self) -> Migration | None:
        """Return the migration of the dump, or None; raises ``MigrationError``."""
        if self.dump.is_program:
            return migration_of(self._program.run())
        return migration_of_dump(self.dump)

    def dumped_tables(self) -> Sequence[DumpedTable]:
        """Return the original tables."""
        return self.dump.tables

    def left_out(self) -> Iterator[str]:
        """Yield a sentence for each table or field that the dump or a migrator leaves out."""
        yield from self.dump.left_out()
        counts = self.dump.row_counts() if self.migration is not None else {}
        for removal in self.migration.removals if self.migration is not None else ():
            if count := counts[removal.function]:
                yield left_out(f"{removal.step}: {removal.label}", count, removal.fields)

    def objects(
        self, report_dropped: Callable[[str], object] = lambda sentence: None
    ) -> Iterator[Placed]:
        """Yield the objects of a single file that is a program.

        ``report_dropped`` gets a message about dropped rows.
        """
        if self.makes_objects:
            yield from self._program.objects(report_dropped)

    @cached_property
    def _program(self) -> Program:
        return Program(self.dump)


@dataclass
class CodeObjects:
    """Saves the objects that code makes of a dump.

    After a migration, objects without a key are saved last, so that they do not take the key of a
    dumped row.

    Attributes:
        keyless: the objects without a key, with their places.
        tables: the tables that these objects come from, by model and create function.
        keyed: the create functions that have also returned objects with a key.
    """

    loader: Loader
    is_migrated: bool
    keyless: list[tuple[Model, Place]] = field(default_factory=list)
    tables: dict[ModelType, dict[str, DumpedTable]] = field(default_factory=dict)
    keyed: set[str] = field(default_factory=set)

    def save(self, instance: Model, place: Place, table: DumpedTable | None = None) -> bool:
        """Save an object, which may come from a row of a table; return whether it is saved."""
        name = table.function.name if table is not None else ""
        if not (self.is_migrated and instance.pk is None and dumped_row(instance)):
            self.keyed.add(name)
            is_changed = table is not None and table.is_migrated
            return self.loader.save(instance, place, is_changed=is_changed)
        self.keyless.append((instance, place))
        if table is not None:
            self.tables.setdefault(type(instance), {})[name] = table
        return False

    def save_keyless(self, loader: Loader) -> None:
        """Save the objects without a key, under keys above those of the dump.

        References to the old key of a row must not lead to another row.
        """
        engine = engine_of(connections[loader.using])
        engine.reset_sequences({type(instance) for instance, _place in self.keyless})
        keys = {model: self._free_keys(model, loader.using) for model in self.tables}
        for instance, place in self.keyless:
            instance.pk = next(keys.get(type(instance), repeat(None)))
            loader.save(instance, place, is_changed=True)

    def _free_keys(self, model: ModelType, using: str) -> Iterator[int | None]:
        """Return keys above the dropped keys of rows, or None for any key."""
        dropped = [table for name, table in self.tables[model].items() if name not in self.keyed]
        highest = max((_highest_key(table, model) for table in dropped), default=0)
        if not highest:
            return repeat(None)
        stored: Any = QuerySet(model, using=using).aggregate(highest=Max("pk"))["highest"]
        return count(1 + max(highest, stored or 0))


def _highest_key(table: DumpedTable, model: ModelType) -> int:
    """Return the highest key of the rows of a table, or 0 if keys are not numbers."""
    key = model._meta.pk
    if not isinstance(key, AutoField) or key.attname not in table.parameters:
        return 0
    position = table.parameters.index(key.attname)
    keys = (row.values[position] for row in table.rows())
    return max((key for key in keys if type(key) is int), default=0)


def prepare_load(loader: Loader, migration: Migration | None) -> CodeObjects:
    """Register the handlers of a migration with a loader, and call those of ``before_load``.

    Return an object that saves the objects of code. Raises ``MigrationError``.
    """
    objects = CodeObjects(loader, is_migrated=migration is not None)
    loader.final_steps.append(objects.save_keyless)
    if migration is not None:
        if migration.after_load:
            loader.after_load += [_reset_sequences, *migration.after_load]
        for handler in migration.before_load:
            handler(loader)
    return objects


def _reset_sequences(loader: Loader) -> None:
    """Advance sequences, so that handlers can save new objects."""
    models = {loader.registry.get(label) for label in loader.report.tables}
    engine_of(connections[loader.using]).reset_sequences(models)


def created_objects(
    table: DumpedTable, report_dropped: Callable[[str], object] = lambda sentence: None
) -> Iterator[tuple[Any, Place]]:
    """Yield the objects that the create function of a table returns, with their places.

    ``report_dropped`` gets a message about dropped rows. Raises ``FixtureError`` with the line.
    """
    dropped = 0
    for row in table.rows():
        place = table.place(row.line)
        instances = _call_create(table, row, place)
        dropped += not instances
        yield from ((instance, place) for instance in instances)
    if dropped:
        report_dropped(f"{table.label}: dropped {counted(dropped, 'row')}.")


def _call_create(table: DumpedTable, row: Row, place: Place) -> list[Model]:
    assert table.create is not None
    try:
        result = table.create(*row.values)
        is_several = isinstance(result, Iterable) and not isinstance(result, str | bytes | dict)
        objects = list(result) if is_several else [result]
    except DumpyError as error:
        raise FixtureError(place, str(error)) from error
    except Exception as error:
        name = f"{table.function.name}: " if table.takes_any else ""
        hint = code_hint(error, table.create)
        raise FixtureError(place, f"{name}{sentence(error)}", hint) from error
    for item in objects:
        if not isinstance(item, Model | None):
            reason = f"{table.function.name} gives {item!r:.100}, which is not an object."
            raise FixtureError(place, reason)
    return [item for item in objects if item is not None]
