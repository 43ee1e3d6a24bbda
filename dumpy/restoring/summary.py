"""The summary of a restore: the rows in the database and in the dump."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from django.apps import apps
from django.db import connections
from django.db.models import QuerySet

from dumpy.engines import engine_of
from dumpy.errors import counted
from dumpy.reading import Dump
from dumpy.reading.dump import IS_MASKED
from dumpy.restoring.content import Content
from dumpy.schema.tables import ModelType
from dumpy.text.manifest import NAME
from dumpy.writing.database import LEFT_OUT

_SESSION = "sessions.Session"


@dataclass(frozen=True)
class Summary:
    """Shows the rows that a restore replaces and removes, for the confirmation.

    Attributes:
        lost_tables: the tables whose rows neither the dump nor a migration restores.
        makes_rows: whether code makes rows, which are not counted.
    """

    using: str
    content: Content
    lost_tables: Collection[str]
    makes_rows: bool

    def warnings(self) -> Iterator[str]:
        """Yield a sentence for each kind of rows and values that the restore loses."""
        dump = self.content.dump
        if dump.is_subset:
            yield subset_warning(dump)
        if dump.is_masked:
            yield IS_MASKED
        code = " (except for rows that code makes)" if self.makes_rows else ""
        unlisted = set(self.content.unlisted)
        sessions = {name for name, model in self._models.items() if model._meta.label == _SESSION}
        known = {name for entry in dump.entries for name in entry.db_tables} | sessions
        if rows := by_label(self._count_lost(self._models.keys() - known)):
            yield f"Not in the dump, emptied by the restore{code}: {rows}."
        if rows := by_label(self._count_lost(unlisted)):
            yield f"Not listed in restore.py, emptied by the restore{code}: {rows}."
        if count := sum(self._count_rows(sessions).values()):
            yield f"{counted(count, 'session')} will be deleted: all users have to log in again."

    def lines(self) -> Iterator[str]:
        """Yield a table of the models whose rows differ in number, and the totals."""
        dumped = self.content.row_counts
        sides = {
            label: (self.row_counts.get(label, 0), dumped.get(label, 0))
            for label in sorted({*self.row_counts, *dumped})
        }
        same = {label: rows for label, rows in sides.items() if len({*rows}) == 1}
        yield f"{'':<40} {'rows here':>13} {'in the dump':>13}"
        for label, (here, dump) in sides.items():
            if label not in same:
                yield f"{label:<40} {here:>13,} {dump:>13,}"
        if count := sum(here > 0 for here, _dump in same.values()):
            rows = sum(here for here, _dump in same.values())
            models = f"{counted(count, 'model')} with the same number of rows"
            yield f"{models:<40} {rows:>13,} {rows:>13,}"
        yield f"{'total':<40} {sum(self.row_counts.values()):>13,} {sum(dumped.values()):>13,}"
        yield _age(self.content)

    @cached_property
    def row_counts(self) -> Mapping[str, int]:
        """The numbers of rows in the tables to replace, by label."""
        return self._count_rows(self._models)

    @cached_property
    def _models(self) -> Mapping[str, ModelType]:
        """The models of the tables to replace, by table."""
        labels = {*self.content.labels}
        models = {
            model._meta.db_table: model
            for model in apps.get_models()
            if (model._meta.managed or model._meta.label in labels)
            and not model._meta.proxy
            and (model._meta.label_lower not in LEFT_OUT or model._meta.label == _SESSION)
        }
        existing = engine_of(connections[self.using]).existing_tables(models)
        return {name: models[name] for name in existing}

    def _count_lost(self, tables: Collection[str]) -> Mapping[str, int]:
        return self._count_rows({*tables}.intersection(self.lost_tables))

    def _count_rows(self, tables: Collection[str]) -> Mapping[str, int]:
        return {
            model._meta.label: QuerySet(model, using=self.using).count()
            for name, model in self._models.items()
            if name in tables
        }


def subset_warning(dump: Dump) -> str:
    """Return what a restore of a subset deletes, and how to add its rows instead."""
    return (
        "The dump is a subset of a database: a restore deletes all other rows of this one. "
        f"To keep them: {loading_advice(dump)}."
    )


def loading_advice(dump: Dump) -> str:
    """Return how to add the rows of a dump to a database."""
    if dump.path:
        return "write it with dumpdata --format=py, and load it with loaddata"
    return f"manage.py loaddata {dump.source.path}"


def by_label(rows: Mapping[str, int]) -> str:
    """Return the labels that have rows, with the numbers of rows."""
    return ", ".join(
        f"{label} ({counted(count, 'row')})" for label, count in rows.items() if count > 0
    )


def _age(content: Content) -> str:
    path = Path(content.dump.source.path or "")
    path = path if content.dump.path is None else content.dump.path / NAME
    written = datetime.fromtimestamp(os.path.getmtime(path))
    version = content.dump.version
    source = f"version {version}" if version else "a project without a version"
    # A copy has other times than the dump.
    return f"The dump is of {source}; its files are from {written:%Y-%m-%d %H:%M}."
