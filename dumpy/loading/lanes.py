"""Where the rows of a table go: to the rows lane, or as instances to the objects lane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from django.db.models import Model

from dumpy.dump import new
from dumpy.errors import FixtureError, Place
from dumpy.loading.batches import BlockLike, ConstantLike, named_values
from dumpy.loading.dumped import DumpedTable
from dumpy.loading.objects import HOOK, is_signalled
from dumpy.schema.tables import ModelType, Table


class Destination(Protocol):
    """Takes the rows of one table, one by one or in blocks."""

    @property
    def model(self) -> ModelType: ...
    def add(self, row: Any) -> None: ...
    def add_block(self, block: BlockLike) -> None: ...
    def flush(self) -> None: ...


class RowByRow:
    """A lane that looks at each row."""

    def add(self, row: Any) -> None:
        """Take a row."""
        raise NotImplementedError

    def add_block(self, block: BlockLike) -> None:
        """Take a block of rows."""
        for row in block.rows():
            self.add(row)


class Saver(Protocol):
    """Takes instances."""

    def save(
        self, instance: Model, place: Place | None = None, *, is_changed: bool = False
    ) -> bool: ...
    def flush(self) -> None: ...


class ObjectLane(RowByRow):
    """Makes an instance of each row of a table, for models with hooks or receivers."""

    def __init__(
        self,
        saver: Saver,
        table: Table,
        fields: Mapping[str, int | ConstantLike],
        dumped: DumpedTable,
        *,
        is_changed: bool = False,
    ) -> None:
        self.model = table.model
        self._is_changed = is_changed
        self._saver = saver
        self._fields = fields
        self._dumped = dumped

    def add(self, row: Any) -> None:
        """Take a row."""
        place = self._dumped.place(row.line)
        try:
            instance = new(self.model, **named_values(self._fields, row.values))
        except Exception as error:
            raise FixtureError(place, f"{type(error).__name__}: {error}") from error
        self._saver.save(instance, place, is_changed=self._is_changed)

    def flush(self) -> None:
        """Write the rows taken so far."""
        self._saver.flush()


@dataclass(frozen=True)
class Skipped(RowByRow):
    """Takes no row: its model is left out, or its table is read again when all others are in."""

    model: ModelType

    def add(self, row: Any) -> None:
        """Leave a row out."""

    def flush(self) -> None:
        """Write nothing."""


def wants_instances(table: Table, fields: Mapping[str, object]) -> bool:
    """Whether rows of a table are saved as instances: for hooks, receivers, or want of a key."""
    has_key = set(table.key) <= set(fields)
    return hasattr(table.model, HOOK) or not has_key or is_signalled(table.model)
