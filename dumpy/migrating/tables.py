"""The tables of a dump after a migration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count, repeat
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.models import AutoField, Max, Model, QuerySet

from dumpy.engines import engine_of
from dumpy.errors import DumpyError, FixtureError, Place, counted, sentence
from dumpy.migrating.migration import Migration
from dumpy.reading import DumpedTable
from dumpy.reading.dump import Row
from dumpy.schema.instances import dumped_row
from dumpy.schema.tables import ModelType

if TYPE_CHECKING:
    from dumpy.loading.loader import Loader


def migrated(table: DumpedTable, migration: Migration | None) -> DumpedTable:
    """Return a table that is data, as changed by a migration."""
    if migration is None:
        return table
    first, then = table.renamed, migration.natural
    if not migration.has_renames:
        renamed = first
    else:
        renamed = then if first is None else lambda natural: then(first(natural))
    name = table.function.name
    if not migration.is_changed(name):
        return replace(table, renamed=renamed)
    function = migration.functions[name]
    if function is None:
        return replace(table, create=migration.namespace[name], is_migrated=True)
    return replace(table, function=function, is_migrated=True, renamed=renamed)


@dataclass
class KeylessRows:
    """Objects without a key: they are saved last, so that they do not take a key of a dumped row.

    Objects are kept only if ``is_kept``: if there is a migration. ``tables`` are the source tables
    of the objects, by model; rows of the tables in ``keyed`` also became objects with a key.
    """

    is_kept: bool
    objects: list[tuple[Model, Place]] = field(default_factory=list)
    tables: dict[ModelType, dict[str, DumpedTable]] = field(default_factory=dict)
    keyed: set[str] = field(default_factory=set)

    def rest_of(
        self, given: Iterable[tuple[Any, Place]], table: DumpedTable | None = None
    ) -> Iterator[tuple[Any, Place]]:
        """Keep the rows without a key, and yield the other objects."""
        for one, place in given:
            if not self.keep(one, place, table):
                yield one, place

    def keep(self, one: Any, place: Place, table: DumpedTable | None = None) -> bool:
        """Keep a row without a key, made of a row of ``table``; return whether it has none."""
        name = table.function.name if table is not None else ""
        if not (self.is_kept and isinstance(one, Model) and one.pk is None and dumped_row(one)):
            self.keyed |= {name} if isinstance(one, Model) else set()
            return False
        self.objects.append((one, place))
        if table is not None:
            self.tables.setdefault(type(one), {})[name] = table
        return True

    def save(self, loader: Loader) -> None:
        """Save the objects, with keys after the dumped keys.

        A reference by the key that a row had in the dump must not lead to another row.
        """
        engine = engine_of(connections[loader.using])
        engine.reset_sequences({type(instance) for instance, _place in self.objects})
        keys = {model: self._free_keys(model, loader.using) for model in self.tables}
        for instance, place in self.objects:
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


def start(loader: Loader, migration: Migration | None) -> KeylessRows:
    """Give a loader the changes, and call the ``before_load`` handlers.

    Returns the rows to save last. Raises ``MigrationError`` if a handler fails.
    """
    keyless = KeylessRows(is_kept=migration is not None)
    loader.at_last.append(keyless.save)
    if migration is not None:
        if migration.after_load:
            loader.after_load += [_free_keys, *migration.after_load]
        for handler in migration.before_load:
            handler(loader)
    return keyless


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
