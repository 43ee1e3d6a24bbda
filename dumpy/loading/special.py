"""Content types, permissions and sites: rows that Django makes by itself in a fresh database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.models import F, Max, QuerySet

from dumpy.loading.batches import Columns, ConvertedRow, Layout, TableLoader
from dumpy.loading.references import referenced_keys, referring_fields
from dumpy.loading.report import Counts
from dumpy.reading.dump import Block, Row
from dumpy.schema.tables import NATURAL_KEYS, ModelType

if TYPE_CHECKING:
    from dumpy.loading.pending import Pending

_DEFAULT_SITE = "example.com"


def renumber_content_types(model: ModelType, keys: Mapping[str, int], using: str) -> None:
    """Give the content types that are there the primary keys of the source, by label.

    What refers to them follows. Others, whose key is wanted, get one that is free.
    """
    rows: Any = QuerySet(model, using=using).values_list("app_label", "model", "pk")
    here = {f"{app_label}.{name}": key for app_label, name, key in rows}
    free = max([*here.values(), *keys.values()], default=0)
    taken = set(keys.values())
    new: dict[int, int] = {}
    for label, key in sorted(here.items()):
        new[key] = keys.get(label, key)
        if label not in keys and key in taken:
            free += 1
            new[key] = free
    changed = {key: wanted for key, wanted in new.items() if wanted != key}
    if changed:
        with connections[using].constraint_checks_disabled():
            for owner, name in [(model, "id"), *referring_fields(model, using)]:
                # In two steps: keys that change their places meet on the way otherwise.
                column = QuerySet(owner, using=using).filter(**{f"{name}__in": changed})
                column.update(**{name: -F(name)})
                for key, wanted in changed.items():
                    QuerySet(owner, using=using).filter(**{name: -key}).update(**{name: wanted})


class SpecialLoader(TableLoader):
    """Loads a special model: the dump's row replaces an existing row that no other row refers to.

    An existing row in use is kept, and references in the dump are redirected to it. The whole table
    is held in memory.
    """

    def __init__(self, layout: Layout, pending: Pending, counts: Counts) -> None:
        super().__init__(layout, pending, counts)
        self._natural_key = NATURAL_KEYS[self.model._meta.label_lower]
        names = [column.name for column in layout.columns]
        self._positions = [names.index(name) for name in self._natural_key]

    def add(self, row: Row) -> None:
        """Take a row."""
        self._pending.unwritten[self] = None
        self._rows.append(row)

    def add_block(self, block: Block) -> None:
        """Take a block of rows."""
        for row in block.rows():
            self.add(row)

    def _insert_all(self, columns: Columns) -> bool:
        """Rows may have to go elsewhere."""
        return False

    def _rows_to_write(self, rows: list[ConvertedRow]) -> list[ConvertedRow]:
        """Make room for the rows, and return those that are to be written."""
        there = QuerySet(self.model, using=self.using).order_by("pk")
        pairs = there.values_list("pk", *self._natural_key)
        stored = {tuple(natural): key for key, *natural in pairs}
        if self.model._meta.label_lower == "contenttypes.contenttype":
            kept = set(stored.values())
        else:
            kept = referenced_keys(self.model, stored.values(), self.using)
        redirects = self._references.redirects.setdefault(self.model, {})
        first: dict[tuple[object, ...], ConvertedRow] = {}
        for row in rows:
            first.setdefault(self._natural(row), row)
        coming = {natural: row.key for natural, row in first.items()}
        self._give_way(coming, stored, kept)
        taken = set(coming.values())
        written = []
        for row in rows:
            natural, key = self._natural(row), row.key
            here = stored.get(natural)
            if row is not first[natural]:
                # It means the same as an earlier one, as permissions of models that became one.
                redirects[key] = redirects.get(coming[natural], coming[natural])
                self.counts.unchanged += 1
            elif here is not None and here != key and here in kept:
                redirects[key] = here
                self.counts.unchanged += 1
            elif key in kept and key != here:
                redirects[key] = self._free_key(taken)
                taken.add(redirects[key])
                written.append(self._with_key(row, redirects[key]))
            else:
                written.append(row)
        return written

    def _natural(self, row: ConvertedRow) -> tuple[object, ...]:
        return tuple(row.python[i] for i in self._positions)

    def _give_way(
        self,
        coming: Mapping[tuple[object, ...], object],
        stored: dict[tuple[object, ...], object],
        kept: set[object],
    ) -> None:
        """Remove unused rows that come again under another key; give a new key to the others."""
        taken = set(coming.values())
        for natural, here in list(stored.items()):
            if here in kept or coming.get(natural) == here:
                continue
            if natural in coming or natural == (_DEFAULT_SITE,):
                self._query(here)._raw_delete(self.using)
                del stored[natural]
            elif here in taken:
                free = self._free_key(taken)
                self._query(here).update(**{self.table.key[0]: free})
                stored[natural] = free

    def _with_key(self, row: ConvertedRow, key: object) -> ConvertedRow:
        """A row whose key is in use by another one here, under a key of its own."""
        position = self.layout.key[0]
        python, prepared = list(row.python), list(row.prepared)
        python[position] = prepared[position] = key
        return replace(row, key=key, python=tuple(python), prepared=tuple(prepared))

    def _free_key(self, taken: set[object]) -> int:
        rows: QuerySet[Any] = QuerySet(self.model, using=self.using)
        stored = rows.aggregate(highest=Max("pk"))["highest"]
        return max((key for key in {stored, *taken} if isinstance(key, int)), default=0) + 1

    def _query(self, key: object) -> Any:
        return QuerySet(self.model, using=self.using).filter(pk=key)
