"""Values in a database that their fields cannot read, found by the key of their row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from django.db import Error as DatabaseError
from django.db import connections
from django.db.models import F, QuerySet, TextField
from django.db.models.functions import Cast

from dumpy.engines import engine_of
from dumpy.errors import DumpFailed, UnreadableValue, sentence
from dumpy.schema.stored import as_stored
from dumpy.schema.tables import Column
from dumpy.writing.columns import unreadable
from dumpy.writing.rows import Page, Shape

Rows = list[tuple[Any, ...]]

_TEXT = "dumpy_text"


def readable(pages: Iterator[Rows], shape: Shape, rows: QuerySet[Any]) -> Iterator[Rows]:
    """Yield pages of rows that begin with their keys; raises ``UnreadableValue``."""
    page: Rows = []
    while True:
        last = page[-1][: len(shape.table.key)] if page else None
        try:
            page = next(pages)
        except StopIteration:
            return
        except (DatabaseError, OSError):
            raise
        except Exception as error:  # of a driver, or of a field that is not Django's
            _find(shape, rows, last)
            raise DumpFailed(
                f"A value of {shape.table.label} cannot be read: {sentence(error)}"
            ) from error
        yield page


def _find(shape: Shape, rows: QuerySet[Any], last: tuple[Any, ...] | None) -> None:
    """Raise ``UnreadableValue`` for the first row behind one with a certain key."""
    names = shape.table.key
    try:
        keys = rows.values_list(*names).iterator()
        if last is not None:
            keys = islice(keys, list(rows.values_list(*names)).index(last) + 1, None)
        for key in keys:
            row = rows.filter(**dict(zip(names, key, strict=True)))
            if _trouble(row, shape.columns):
                _fail(shape, row, key)
    except UnreadableValue:
        raise
    except Exception:
        return  # The key itself cannot be read.


def _fail(shape: Shape, row: QuerySet[Any], key: tuple[Any, ...]) -> None:
    for column in shape.columns:
        if (error := _trouble(row, [column])) is not None:
            raise unreadable(shape.table.label, _shown(key), column, error) from error


def _trouble(row: QuerySet[Any], columns: Sequence[Column]) -> Exception | None:
    try:
        list(row.values_list(*map(as_stored, columns)))
    except Exception as error:
        return error
    return None


def _shown(key: Sequence[Any]) -> object:
    return key[0] if len(key) == 1 else tuple(key)


class Nulls:
    """Counts the dates and times that are None, for a driver gives None for what is none."""

    def __init__(self, shape: Shape, rows: QuerySet[Any], using: str) -> None:
        lossy = engine_of(connections[using]).lossy
        self._shape = shape
        self._rows = rows
        self._columns = {
            position: column
            for position, column in enumerate(shape.columns)
            if isinstance(column.target, lossy)
        }
        self._found: Counter[int] = Counter()

    def count(self, page: Page) -> None:
        """Take the rows of a page."""
        for position in self._columns:
            self._found[position] += page.columns[position].count(None)

    def check(self) -> None:
        """Raise ``UnreadableValue`` if a value is None that the database does not say is NULL."""
        for position, column in self._columns.items():
            if not self._found[position]:
                continue
            rows = self._rows.annotate(**{_TEXT: Cast(F(column.name), TextField())})
            if self._found[position] > rows.filter(**{f"{_TEXT}__isnull": True}).count():
                self._fail(rows, column)

    def _fail(self, rows: QuerySet[Any], column: Column) -> None:
        names = self._shape.table.key
        there = rows.filter(**{f"{_TEXT}__isnull": False})
        for *key, value, text in there.values_list(*names, column.name, _TEXT).iterator():
            if value is None:
                reason = f"{text!r} is none of a {type(column.target).__name__}."
                label = self._shape.table.label
                raise UnreadableValue(label, _shown(key), column.name, reason)
