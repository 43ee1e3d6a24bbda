"""References by natural key, resolved against the database as the load leaves it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.db import transaction

from dumpy.errors import Problem
from dumpy.loading.batches import REFUSALS, Converted, Layout, RowLike, TableLoader
from dumpy.loading.origins import Origins
from dumpy.loading.references import Missing, References
from dumpy.loading.report import Counts
from dumpy.schema.tables import ModelType, Table

_MOVED = (
    "its primary key is a reference by natural key, and a later fixture has given that key to "
    "another row. Name the fixture of this row last."
)


class ReferenceLoader(TableLoader):
    """Puts references right in rows that are in their table already: it inserts none."""

    def _placed(self, rows: list[Converted]) -> list[Converted]:
        stored = self._stored(rows)
        for row in rows if self.natural & set(self.table.key) else ():
            if self.layout.key_of(row.python) not in stored:
                # Where a later fixture has changed what a primary key leads to.
                self._desk.reject(self, row.row, ValueError(_MOVED))
        return [row for row in self._latest(rows) if self.layout.key_of(row.python) in stored]


class Settling:
    """One pass over references by natural key; ``left`` are the rows with those that fail."""

    origins: Origins | None = None

    def __init__(self, references: References) -> None:
        self.using = references.using
        self.references = references
        self.left: list[tuple[TableLoader, RowLike, Exception]] = []

    def wait(self, loader: TableLoader, row: RowLike, missing: Missing) -> None:
        """Note a row with a key that no row has."""
        self.left.append((loader, row, missing))

    def reject(self, loader: TableLoader, row: RowLike, error: Exception) -> None:
        """Note a row that the database has refused."""
        self.left.append((loader, row, error))

    def load(
        self, table: Table, fields: Mapping[str, Any], rows: Iterable[RowLike], place: Any
    ) -> None:
        """Write the ``fields`` of rows that are in the table."""
        loader = ReferenceLoader(Layout(table, fields), self, Counts(), place)
        loader.look_again()
        for row in rows:
            loader.add(row)
        loader.flush()

    def exchange(self) -> None:
        """Try rows again that the database has refused, those of a table at once."""
        refused: defaultdict[TableLoader, list[RowLike]] = defaultdict(list)
        for loader, row, error in self.left:
            if isinstance(error, REFUSALS) and not isinstance(error, ValueError):
                refused[loader].append(row)
        for loader, rows in refused.items():
            try:
                with transaction.atomic(using=self.using):
                    loader.replace(rows)
            except REFUSALS:
                continue
            self.left = [one for one in self.left if one[0] is not loader]

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong with the rows that are left."""
        return (loader.problem(row, error) for loader, row, error in self.left)


def at_risk(table: Table, names: Iterable[str], stale: set[ModelType]) -> set[str]:
    """Return those of the foreign keys and links of a table that may lead to stale models."""
    wanted = set(names)
    columns = [(one.name, one.references) for one in table.columns]
    columns += [(link.name, link.target.references) for link in table.links]
    return {
        name
        for name, model in columns
        if name in wanted and model is not None and any(issubclass(one, model) for one in stale)
    }
