"""SQLite."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import BooleanField, DateField, DecimalField, TimeField
from django.db.utils import Error

from dumpy.engines.base import Engine, Refusal, Trigger, reference_message
from dumpy.schema.tables import FLOAT_DIGITS, Column

_FLOATS = frozenset({float})
_FAILED = re.compile(r"([A-Z ]+) constraint failed(?:: (?:index ')?(.+?)'?)?$")
_WORD = re.compile(r"\w+")
_REFUSALS = {
    "UNIQUE": "not-unique",
    "NOT NULL": "null",
    "CHECK": "constraint",
    "FOREIGN KEY": "reference",
}
_VIEWS = "SELECT name FROM sqlite_master WHERE type = 'view' ORDER BY 1"
_TRIGGERS = "SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY 1, 2"
_SEQUENCE = "SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'"


class SQLite(Engine):
    """A database in a file, or in memory."""

    lossy = (BooleanField, DateField, TimeField)
    checks_unmanaged_keys = False

    def preparation(self, column: Column) -> Callable[[Any], Any] | None:
        if column.types == _FLOATS:
            return _number
        prepare = super().preparation(column)
        if prepare is None or not isinstance(column.target, DecimalField):
            return prepare
        return _check_digits(column.target, prepare)

    @contextmanager
    def transaction(self, *, is_dry: bool) -> Iterator[None]:
        """Begin with a write lock: a transaction that has read cannot wait for other sessions."""
        mode, self.connection.transaction_mode = self.connection.transaction_mode, "IMMEDIATE"
        try:
            with super().transaction(is_dry=is_dry):
                yield
        finally:
            self.connection.transaction_mode = mode

    def is_locked_out(self, error: Error) -> bool:
        return "database is locked" in str(error)

    def refusal(self, error: Error) -> Refusal:
        """Return the constraint that failed, from the message of the error."""
        reason = " ".join(str(error).split())
        match = _FAILED.search(reason)
        if match is None:
            return Refusal(reason)
        name_text = match[2] or ""
        # The message shows the expression of a column's check, which has no name.
        names = _WORD.findall(name_text)[:1] if match[1] == "CHECK" else name_text.split(", ")
        names = [name.rpartition(".")[2] for name in names]
        return Refusal(reason, _REFUSALS.get(match[1], "refused"), names)

    def dangling(self, tables: Collection[str]) -> Iterator[tuple[str, str]]:
        for table, _row, target, _key in self.rows("PRAGMA foreign_key_check"):
            if table not in tables:
                yield table, target

    def objects_lost_by_dropping(self, tables: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield all views, triggers of the tables, and keys of other tables that have rows."""
        # SQLite does not list the tables of a view, and migrations fail if one is missing.
        for name in self.column(_VIEWS):
            yield name, f"The view {name!r} may read tables of the project."
        for trigger in self.triggers(tables):
            yield trigger.table, f"The table {trigger.table!r} has the trigger {trigger.name}."
        with self.connection.cursor() as cursor:
            infos = self.connection.introspection.get_table_list(cursor)
            other_tables = sorted(
                {info.name for info in infos if info.type == "t"}.difference(tables)
            )
            for table in other_tables:
                relations = self.connection.introspection.get_relations(cursor, table).values()
                for target in sorted({relation[1] for relation in relations}.intersection(tables)):
                    if self.rows(f"SELECT 1 FROM {self.quote(table)} LIMIT 1"):
                        yield table, reference_message(table, target)

    def triggers(self, tables: Sequence[str]) -> list[Trigger]:
        """Return the triggers, which can be dropped and created again in a transaction."""
        return [
            Trigger(table, name, f"DROP TRIGGER {self.quote(name)}", sql)
            for table, name, sql in self.rows(_TRIGGERS)
            if table in tables
        ]

    def restart_sequences(self, tables: Sequence[str]) -> None:
        with self.connection.cursor() as cursor:
            for table in tables if self.rows(_SEQUENCE) else ():
                cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])

    def keep(self, name: str) -> None:
        """Keep a copy of the file."""
        source, path = self.name(), kept_file(name)
        self.connection.close()
        # Other users may not replace it.
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in path.parent.glob(f"{name.rpartition('_')[0]}_*"):
            old.unlink(missing_ok=True)
        incomplete = path.with_suffix(f".{os.getpid()}")
        shutil.copyfile(source, incomplete)
        incomplete.replace(path)

    def name(self) -> str:
        return str(self.column("SELECT file FROM pragma_database_list WHERE name = 'main'")[0])


def kept_file(name: str) -> Path:
    """Return the path of a kept scratch database."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "dumpy" / f"{name}.sqlite3"


def _number(value: float) -> float:
    if value != value:
        raise ValidationError("SQLite stores NULL for nan.")
    return value


def _check_digits(
    field: DecimalField[Any, Any], prepare: Callable[[Any], Any]
) -> Callable[[Any], Any]:
    """Refuse numbers with too many digits, which SQLite would store but could not read again."""
    # Since Django 6.1, max_digits is optional.
    if field.max_digits is None:
        return prepare
    whole_digits = field.max_digits - field.decimal_places
    exponent = Decimal(1).scaleb(-field.decimal_places)
    may_be_long = field.max_digits > FLOAT_DIGITS

    def convert(value: Any) -> Any:
        if type(value) is not Decimal or not value.is_finite():
            return prepare(value)
        if value and value.adjusted() >= whole_digits:
            raise ValidationError(
                f"{field.name}: {value} has more than {whole_digits} digits before the point."
            )
        text = f"{value:f}"
        if may_be_long and len(text.replace(".", "").strip("-0")) > FLOAT_DIGITS:
            raise ValidationError(
                f"{field.name}: SQLite stores {FLOAT_DIGITS} digits, and {value} has more."
            )
        # What Django makes of a number with as many places as the field, five times as fast.
        return text if value.same_quantum(exponent) else prepare(value)

    return convert
