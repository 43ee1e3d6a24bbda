"""Load the rows that Django creates in a new database: content types, permissions and sites."""

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
    """Set the primary keys of existing content types, and references to them.

    ``keys`` are the primary keys by label. A content type without a label there gets a new key if
    its key is needed.
    """
    rows: Any = QuerySet(model, using=using).values_list("app_label", "model", "pk")
    existing = {f"{app_label}.{name}": key for app_label, name, key in rows}
    highest = max([*existing.values(), *keys.values()], default=0)
    used = set(keys.values())
    new_keys: dict[int, int] = {}
    for label, key in sorted(existing.items()):
        new_keys[key] = keys.get(label, key)
        if label not in keys and key in used:
            highest += 1
            new_keys[key] = highest
    changed = {key: new_key for key, new_key in new_keys.items() if new_key != key}
    if changed:
        with connections[using].constraint_checks_disabled():
            for owner, name in [(model, "id"), *referring_fields(model, using)]:
                # Two steps: rows that exchange their keys would conflict.
                referring = QuerySet(owner, using=using).filter(**{f"{name}__in": changed})
                referring.update(**{name: -F(name)})
                for key, new_key in changed.items():
                    QuerySet(owner, using=using).filter(**{name: -key}).update(**{name: new_key})


class SpecialLoader(TableLoader):
    """Loads a special model: a row of the dump replaces an existing row that is not referred to.

    An existing row that another row refers to is kept, and references in the dump are redirected to
    it. All rows of the table are held in memory.
    """

    def __init__(self, layout: Layout, pending: Pending, counts: Counts) -> None:
        super().__init__(layout, pending, counts)
        self._natural_key = NATURAL_KEYS[self.model._meta.label_lower]
        names = [column.name for column in layout.columns]
        self._positions = [names.index(name) for name in self._natural_key]

    def add(self, row: Row) -> None:
        """Add a row."""
        self._pending.unwritten[self] = None
        self._rows.append(row)

    def add_block(self, block: Block) -> None:
        """Add the rows of a block."""
        for row in block.rows():
            self.add(row)

    def _insert_all(self, columns: Columns) -> bool:
        """Return False: a row may need another key."""
        return False

    def _rows_to_write(self, rows: list[ConvertedRow]) -> list[ConvertedRow]:
        """Replace or redirect rows; return the rows to write."""
        existing = QuerySet(self.model, using=self.using).order_by("pk")
        pairs = existing.values_list("pk", *self._natural_key)
        stored = {tuple(natural): key for key, *natural in pairs}
        if self.model._meta.label_lower == "contenttypes.contenttype":
            kept = set(stored.values())
        else:
            kept = referenced_keys(self.model, stored.values(), self.using)
        redirects = self._references.redirects.setdefault(self.model, {})
        first: dict[tuple[object, ...], ConvertedRow] = {}
        for row in rows:
            first.setdefault(self._natural(row), row)
        dumped = {natural: row.key for natural, row in first.items()}
        self._replace_stored(dumped, stored, kept)
        used = set(dumped.values())
        written = []
        for row in rows:
            natural, key = self._natural(row), row.key
            stored_key = stored.get(natural)
            if row is not first[natural]:
                # A duplicate, such as a permission of two models that were merged.
                redirects[key] = redirects.get(dumped[natural], dumped[natural])
                self.counts.unchanged += 1
            elif stored_key is not None and stored_key != key and stored_key in kept:
                redirects[key] = stored_key
                self.counts.unchanged += 1
            elif key in kept and key != stored_key:
                redirects[key] = self._free_key(used)
                used.add(redirects[key])
                written.append(self._with_key(row, redirects[key]))
            else:
                written.append(row)
        return written

    def _natural(self, row: ConvertedRow) -> tuple[object, ...]:
        return tuple(row.python[i] for i in self._positions)

    def _replace_stored(
        self,
        dumped: Mapping[tuple[object, ...], object],
        stored: dict[tuple[object, ...], object],
        kept: set[object],
    ) -> None:
        """Delete stored rows that the dump has under another key; free the keys of the dump."""
        used = set(dumped.values())
        for natural, key in list(stored.items()):
            if key in kept or dumped.get(natural) == key:
                continue
            if natural in dumped or natural == (_DEFAULT_SITE,):
                self._query(key)._raw_delete(self.using)
                del stored[natural]
            elif key in used:
                stored[natural] = self._free_key(used)
                self._query(key).update(**{self.table.key[0]: stored[natural]})

    def _with_key(self, row: ConvertedRow, key: object) -> ConvertedRow:
        position = self.layout.key[0]
        python, prepared = list(row.python), list(row.prepared)
        python[position] = prepared[position] = key
        return replace(row, key=key, python=tuple(python), prepared=tuple(prepared))

    def _free_key(self, used: set[object]) -> int:
        rows: QuerySet[Any] = QuerySet(self.model, using=self.using)
        highest = rows.aggregate(highest=Max("pk"))["highest"]
        return max((key for key in {highest, *used} if isinstance(key, int)), default=0) + 1

    def _query(self, key: object) -> Any:
        return QuerySet(self.model, using=self.using).filter(pk=key)
