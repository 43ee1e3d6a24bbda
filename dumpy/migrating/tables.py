"""A dump as migrators have changed it, and the way of its objects into a load."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count, repeat
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.models import AutoField, Max, Model, QuerySet

from dumpy.engines import engine_of
from dumpy.errors import DumpyError, FixtureError, Place, counted, sentence
from dumpy.migrating.install import migration_of, migration_of_dump
from dumpy.migrating.migration import Migration
from dumpy.reading import Dump, DumpedTable, Program
from dumpy.reading.dump import Row
from dumpy.reading.program import Placed
from dumpy.schema.instances import dumped_row
from dumpy.schema.tables import ModelType

if TYPE_CHECKING:
    from dumpy.loading.loader import Loader


def migrated(table: DumpedTable, migration: Migration | None) -> DumpedTable:
    """Return a table that is data, as changed by a migration."""
    if migration is None:
        return table
    first, then = table.update_reference, migration.natural
    if not migration.has_renames:
        renamed = first
    else:
        renamed = then if first is None else lambda natural: then(first(natural))
    name = table.function.name
    if not migration.is_changed(name):
        return replace(table, update_reference=renamed)
    function = migration.functions[name]
    if function is None:
        return replace(table, create=migration.namespace[name], is_migrated=True)
    return replace(table, function=function, is_migrated=True, update_reference=renamed)


@dataclass
class MigratedDump:
    """A dump with the rows of today: everything that loads a dump takes them from here.

    Attributes:
        dump: the dump as it was written.
        migration: what migrators have made of it.
    """

    dump: Dump
    migration: Migration | None = None

    @property
    def makes_objects(self) -> bool:
        """Whether it is a single file that is a program, so that it has objects and no tables."""
        return self.dump.is_program and self.dump.path is None

    @property
    def has_arrived(self) -> bool:
        """Whether migrators have made its rows those of the project's version."""
        return self.migration is not None and self.migration.has_arrived

    @cached_property
    def tables(self) -> Sequence[DumpedTable]:
        """The tables in the order of loading."""
        return [migrated(table, self.migration) for table in self.dumped_tables()]

    @property
    def data(self) -> Sequence[DumpedTable]:
        """The tables whose rows are not made by code."""
        return [table for table in self.tables if table.create is None]

    def migrate(self) -> None:
        """Let migrators change what rows mean; a program is run for it."""
        self.migration = self.find_migration()
        vars(self).pop("tables", None)  # They were those of before.

    def find_migration(self) -> Migration | None:
        """Return what migrators make of the dump; raises ``MigrationError``."""
        if self.dump.is_program:
            return migration_of(self._program.run())
        return migration_of_dump(self.dump)

    def dumped_tables(self) -> Sequence[DumpedTable]:
        """Return the tables as they were written."""
        return self.dump.tables

    def objects(self, note: Callable[[str], object] = lambda sentence: None) -> Iterator[Placed]:
        """Yield the objects that a single file makes which is a program.

        ``note`` gets a message about dropped rows.
        """
        if self.makes_objects:
            yield from self._program.objects(note)

    @cached_property
    def _program(self) -> Program:
        return Program(self.dump)


@dataclass
class CodeObjects:
    """The objects that code makes of a dump, on their way into a load.

    After a migration, those without a key are saved last, so that they do not take a key of a
    dumped row. ``tables`` are the source tables of such objects, by model; rows of the tables in
    ``keyed`` also became objects with a key.
    """

    loader: Loader
    is_migrated: bool
    keyless: list[tuple[Model, Place]] = field(default_factory=list)
    tables: dict[ModelType, dict[str, DumpedTable]] = field(default_factory=dict)
    keyed: set[str] = field(default_factory=set)

    def save(self, one: Model, place: Place, table: DumpedTable | None = None) -> bool:
        """Save an object, made of a row of a ``table`` or by itself; return whether it is saved."""
        name = table.function.name if table is not None else ""
        if not (self.is_migrated and one.pk is None and dumped_row(one)):
            self.keyed.add(name)
            is_changed = table is not None and table.is_migrated
            return self.loader.save(one, place, is_changed=is_changed)
        self.keyless.append((one, place))
        if table is not None:
            self.tables.setdefault(type(one), {})[name] = table
        return False

    def save_keyless(self, loader: Loader) -> None:
        """Save the objects without a key, with keys after the dumped keys.

        A reference by the key that a row had in the dump must not lead to another row.
        """
        engine = engine_of(connections[loader.using])
        engine.reset_sequences({type(instance) for instance, _place in self.keyless})
        keys = {model: self._free_keys(model, loader.using) for model in self.tables}
        for instance, place in self.keyless:
            instance.pk = next(keys.get(type(instance), repeat(None)))
            loader.save(instance, place, is_changed=True)

    def _free_keys(self, model: ModelType, using: str) -> Iterator[int | None]:
        """Return keys above the lost keys of dumped rows, or None if any key will do."""
        lost = [table for name, table in self.tables[model].items() if name not in self.keyed]
        highest = max((_highest_dumped(table, model) for table in lost), default=0)
        if not highest:
            return repeat(None)
        stored: Any = QuerySet(model, using=using).aggregate(highest=Max("pk"))["highest"]
        return count(1 + max(highest, stored or 0))


def _highest_dumped(table: DumpedTable, model: ModelType) -> int:
    """Return the highest lost key of the dumped rows, 0 if keys are not numbers."""
    key = model._meta.pk
    if not isinstance(key, AutoField) or key.attname not in table.parameters:
        return 0
    position = table.parameters.index(key.attname)
    keys = (row.values[position] for row in table.rows())
    return max((key for key in keys if type(key) is int), default=0)


def start(loader: Loader, migration: Migration | None) -> CodeObjects:
    """Give a loader the changes, and call the ``before_load`` handlers.

    Returns what saves the objects that code makes. Raises ``MigrationError`` if a handler fails.
    """
    objects = CodeObjects(loader, is_migrated=migration is not None)
    loader.final_steps.append(objects.save_keyless)
    if migration is not None:
        if migration.after_load:
            loader.after_load += [_free_keys, *migration.after_load]
        for handler in migration.before_load:
            handler(loader)
    return objects


def _free_keys(loader: Loader) -> None:
    """Let objects that handlers make get free keys."""
    loaded = {loader.registry.get(label) for label in loader.report.tables}
    engine_of(connections[loader.using]).reset_sequences(loaded)


def created(
    table: DumpedTable, note: Callable[[str], object] = lambda sentence: None
) -> Iterator[tuple[Any, Place]]:
    """Yield the objects that the function of a table makes of its rows, with places.

    ``note`` gets a message about dropped rows. Raises ``FixtureError`` with the line.
    """
    dropped = 0
    for row in table.rows():
        place = table.place(row.line)
        made = _made(table, row, place)
        dropped += not made
        yield from ((one, place) for one in made)
    if dropped:
        note(f"{table.label}: dropped {counted(dropped, 'row')}.")


def _made(table: DumpedTable, row: Row, place: Place) -> list[Model]:
    assert table.create is not None
    try:
        given = table.create(*row.values)
        is_several = isinstance(given, Iterable) and not isinstance(given, str | bytes | dict)
        made = list(given) if is_several else [given]
    except DumpyError as error:
        raise FixtureError(place, str(error)) from error
    except Exception as error:
        name = f"{table.function.name}: " if table.takes_any else ""
        raise FixtureError(place, f"{name}{sentence(error)}") from error
    for one in made:
        if not isinstance(one, Model | None):
            reason = f"{table.function.name} gives {one!r:.100}, which is not an object."
            raise FixtureError(place, reason)
    return [one for one in made if one is not None]
