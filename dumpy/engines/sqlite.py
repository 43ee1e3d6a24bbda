"""SQLite."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import BooleanField, DateField, DecimalField, TimeField
from django.db.utils import Error

from dumpy.engines.base import Engine, View
from dumpy.schema.tables import Column

_INSTANTS = frozenset({datetime.datetime})
_VIEWS = "SELECT name, sql FROM sqlite_master WHERE type = 'view'"
_TRIGGERS = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s"


class SQLite(Engine):
    """A database in a file, or in memory."""

    lossy = (BooleanField, DateField, TimeField)
    checks_lengths = False
    checks_unmanaged_keys = False
    keeps_referenced = False
    knows_sources = False

    def _isolation_level(self) -> str:
        return "serializable"

    def as_stored(self, name: str) -> str:
        """Return an expression, of which the driver does not know the type of the column."""
        return f"+{name}"

    def preparation(self, column: Column) -> Callable[[Any], Any] | None:
        """Return what prepares a column's values; instants are as Django stores them, faster."""
        if column.types == _INSTANTS:
            return self._instant()
        prepare = super().preparation(column)
        if prepare is None or not isinstance(column.target, DecimalField):
            return prepare
        return _limited(column.target, prepare)

    def _instant(self) -> Callable[[datetime.datetime], Any]:
        utc = datetime.timezone.utc
        if settings.USE_TZ and self.connection.timezone == utc:
            # What adapt_datetimefield_value gives for an instant in UTC, in a tenth of the time.
            return lambda value: str(
                value.replace(tzinfo=None)
                if value.tzinfo is utc
                else value.astimezone(utc).replace(tzinfo=None)
            )
        adapt: Callable[[Any], Any] = self.connection.ops.adapt_datetimefield_value
        return adapt

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Begin as a transaction that writes: one that has read cannot wait for others."""
        mode, self.connection.transaction_mode = self.connection.transaction_mode, "IMMEDIATE"
        try:
            with super().transaction():
                yield
        finally:
            self.connection.transaction_mode = mode

    def is_locked_out(self, error: Error) -> bool:
        """Return whether another connection holds the database."""
        return "database is locked" in str(error)

    def views(self) -> list[View]:
        """Return the views; they may be made before what they read."""
        return [
            View(name, "VIEW", sql, (sql, *self.column(_TRIGGERS, [name])))
            for name, sql in self.rows(_VIEWS)
        ]

    def name(self) -> str:
        """Return the path of the file."""
        return str(self.column("SELECT file FROM pragma_database_list WHERE name = 'main'")[0])


def _limited(field: DecimalField[Any, Any], prepare: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Refuse a number with too many digits, which SQLite stores and cannot read again."""
    # Since Django 6.1, a field need not say how many digits its numbers have.
    if field.max_digits is None:
        return prepare
    whole = field.max_digits - field.decimal_places

    def convert(value: Any) -> Any:
        if isinstance(value, Decimal) and value.is_finite() and value and value.adjusted() >= whole:
            raise ValidationError(
                f"{field.name}: {value} has more than {whole} digits before the point."
            )
        return prepare(value)

    return convert
