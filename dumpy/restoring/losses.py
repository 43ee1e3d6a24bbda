"""What is in a database before a restore, and will not be there afterwards."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from django.apps import apps
from django.db.backends.base.base import BaseDatabaseWrapper

from dumpy.restoring import schema
from dumpy.restoring.content import Content
from dumpy.writing.database import LEFT_OUT

_SESSION = "sessions.Session"


@dataclass(frozen=True)
class Losses:
    """Says what goes, so that somebody can say no.

    ``tables`` are those that are made first, ``filled`` those whose rows are made then, or come
    from the dump; ``makes_rows`` says that code makes others.
    """

    connection: BaseDatabaseWrapper
    content: Content
    known: Collection[str]
    tables: Collection[str]
    filled: Collection[str]
    makes_rows: bool

    def sentences(self) -> Iterator[str]:
        """Yield a sentence for each kind of what goes."""
        code = " (but for what code makes)" if self.makes_rows else ""
        if rows := counted(self._rows(self._strange)):
            yield f"Not in the dump, so without rows afterwards{code}: {rows}."
        if rows := counted(self._rows(set(self.content.unlisted))):
            yield f"Not listed in restore.py, so without rows afterwards{code}: {rows}."
        if sessions := self._counts.get(_SESSION):
            yield f"{sessions} sessions go: no dump has them, and everybody has to log in again."

    @cached_property
    def _counts(self) -> Mapping[str, int]:
        """The rows of the models in the tables that are made anew, by label."""
        there = schema.there(self.connection, self.known)
        return {
            label: schema.count(self.connection, [name])
            for name, label in self._labels.items()
            if name in there and name in self.tables and name not in self.filled
        }

    @cached_property
    def _labels(self) -> Mapping[str, str]:
        return {m._meta.db_table: m._meta.label for m in apps.get_models() if m._meta.managed}

    @cached_property
    def _strange(self) -> set[str]:
        """The tables of which the dump, being a part of a whole, knows nothing."""
        left_out = {name for name, label in self._labels.items() if label.lower() in LEFT_OUT}
        return set(self._labels) - set(self.content.db_tables) - left_out

    def _rows(self, tables: Collection[str]) -> dict[str, int]:
        labels = [label for name, label in self._labels.items() if name in tables]
        return {label: self._counts[label] for label in labels if label in self._counts}


def counted(rows: Mapping[str, int]) -> str:
    """Return labels with their numbers of rows, if there are any."""
    return ", ".join(f"{label} ({count} rows)" for label, count in rows.items() if count > 0)
