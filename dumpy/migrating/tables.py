"""The tables of a dump, as migrators have changed them."""

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
from dumpy.reading.block import Row
from dumpy.schema.instances import dumped_row
from dumpy.schema.tables import ModelType

if TYPE_CHECKING:
    from dumpy.loading.loader import Loader


def migrated(table: DumpedTable, migration: Migration | None) -> DumpedTable:
    """Return a table that is data as it is after a migration."""
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
    """Objects without a key: they are saved at last, lest they take the key of a dumped row.

    Only what migrators make ``is_kept`` so: it is there in addition to what the dump holds.
    ``tables`` are those that the objects were made of, by model; rows of those ``keyed`` have
    become objects with a key as well.
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
        """Keep a row without a key, made of a row of ``table``; return whether it is one."""
        name = table.function.name if table is not None else ""
        if not (self.is_kept and isinstance(one, Model) and one.pk is None and dumped_row(one)):
            self.keyed |= {name} if isinstance(one, Model) else set()
            return False
        self.objects.append((one, place))
        if table is not None:
            self.tables.setdefault(type(one), {})[name] = table
        return True

    def save(self, loader: Loader) -> None:
        """Save the objects, with keys after those that were dumped.

        A reference by the key that a row had in the dump must not lead to another row.
        """
        engine = engine_of(connections[loader.using])
        engine.reset_sequences({type(instance) for instance, _place in self.objects})
        keys = {model: self._free_keys(model, loader.using) for model in self.tables}
        for instance, place in self.objects:
            instance.pk = next(keys.get(type(instance), repeat(None)))
            loader.save(instance, place, is_changed=True)

    def _free_keys(self, model: ModelType, using: str) -> Iterator[int | None]:
        """Keys above those that rows had which have lost them, None where any will do."""
        lost = [table for name, table in self.tables[model].items() if name not in self.keyed]
        highest = max((_highest_dumped(table, model) for table in lost), default=0)
        if not highest:
            return repeat(None)
        stored: Any = QuerySet(model, using=using).aggregate(highest=Max("pk"))["highest"]
        return count(1 + max(highest, stored or 0))


def _highest_dumped(table: DumpedTable, model: ModelType) -> int:
    """The highest key that rows had which have lost it, 0 where keys are no numbers."""
    key = model._meta.pk
    if not isinstance(key, AutoField) or key.attname not in table.parameters:
        return 0
    position = table.parameters.index(key.attname)
    keys = (row.values[position] for row in table.rows())
    return max((key for key in keys if type(key) is int), default=0)


def start(loader: Loader, migration: Migration | None) -> KeylessRows:
    """Let a loader know what has changed, and call the handlers that migrators want called first.

    Returns what will be saved at last. Raises ``MigrationError`` if a handler fails.
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
    """Let objects that handlers make have keys that are free."""
    loaded = {loader.registry.get(label) for label in loader.report.tables}
    engine_of(connections[loader.using]).reset_sequences(loaded)


def created(
    table: DumpedTable, note: Callable[[str], object] = lambda sentence: None
) -> Iterator[tuple[Any, Place]]:
    """Yield what the function of a table makes of its rows, with places.

    ``note`` is told of rows that became nothing. Raises ``FixtureError`` with the line.
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
