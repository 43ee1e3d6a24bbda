"""Both sides of a restore: the rows here, and the rows in the dump."""

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
from django.utils.timesince import timesince
from django.utils.translation import override

from dumpy.engines import engine_of
from dumpy.errors import counted
from dumpy.restoring.content import Content
from dumpy.schema.tables import ModelType
from dumpy.text.manifest import NAME
from dumpy.writing.database import LEFT_OUT

_SESSION = "sessions.Session"


@dataclass(frozen=True)
class Summary:
    """Says what a restore replaces, and what goes, so that a person can say no.

    Attributes:
        going: the tables whose rows come back neither with the dump nor with migrations.
        makes_rows: whether code makes rows, which cannot be counted.
    """

    using: str
    content: Content
    going: Collection[str]
    makes_rows: bool

    def warnings(self) -> Iterator[str]:
        """Yield a sentence for each kind of rows that go, and have none in the dump."""
        dump = self.content.dump
        if dump.is_subset:
            way = (
                "write it with dumpdata --format=py, and load it with loaddata"
                if dump.path
                else f"manage.py loaddata {dump.source.path}"
            )
            yield (
                "The dump is a subset of a database: a restore deletes all other rows of this "
                f"one. To keep them: {way}."
            )
        if dump.is_masked:
            yield "The dump is masked: values of some fields are not those of its source."
        code = " (except for rows that code makes)" if self.makes_rows else ""
        unlisted = set(self.content.unlisted)
        sessions = {name for name, one in self._models.items() if one._meta.label == _SESSION}
        known = {name for entry in dump.entries for name in entry.db_tables} | sessions
        if rows := by_label(self._going(self._models.keys() - known)):
            yield f"Not in the dump, emptied by the restore{code}: {rows}."
        if rows := by_label(self._going(unlisted)):
            yield f"Not listed in restore.py, emptied by the restore{code}: {rows}."
        if count := sum(self._counts(sessions).values()):
            yield f"{counted(count, 'session')} will be deleted: all users have to log in again."

    def lines(self) -> Iterator[str]:
        """Yield a table of the models whose rows differ in number, and the totals."""
        dumped = self.content.row_counts
        sides = {
            label: (self.row_counts.get(label, 0), dumped.get(label, 0))
            for label in sorted({*self.row_counts, *dumped})
        }
        alike = {label: rows for label, rows in sides.items() if len({*rows}) == 1}
        yield f"{'':<40} {'rows here':>13} {'in the dump':>13}"
        for label, (here, there) in sides.items():
            if label not in alike:
                yield f"{label:<40} {here:>13,} {there:>13,}"
        if count := sum(here > 0 for here, _there in alike.values()):
            same = sum(here for here, _there in alike.values())
            models = f"{counted(count, 'model')} with the same number of rows"
            yield f"{models:<40} {same:>13,} {same:>13,}"
        yield f"{'total':<40} {sum(self.row_counts.values()):>13,} {sum(dumped.values()):>13,}"
        yield _age(self.content)

    @cached_property
    def row_counts(self) -> Mapping[str, int]:
        """The rows of the models in the tables that are replaced, by label."""
        return self._counts(self._models)

    @cached_property
    def _models(self) -> Mapping[str, ModelType]:
        """The models by the tables that are emptied or rebuilt."""
        labels = {*self.content.labels}
        found = {
            one._meta.db_table: one
            for one in apps.get_models()
            if (one._meta.managed or one._meta.label in labels)
            and not one._meta.proxy
            and (one._meta.label_lower not in LEFT_OUT or one._meta.label == _SESSION)
        }
        return {
            name: found[name] for name in engine_of(connections[self.using]).existing_tables(found)
        }

    def _going(self, tables: Collection[str]) -> Mapping[str, int]:
        return self._counts({*tables}.intersection(self.going))

    def _counts(self, tables: Collection[str]) -> Mapping[str, int]:
        return {
            model._meta.label: QuerySet(model, using=self.using).count()
            for name, model in self._models.items()
            if name in tables
        }


def by_label(rows: Mapping[str, int]) -> str:
    """Return labels with their numbers of rows, if there are any."""
    return ", ".join(
        f"{label} ({counted(count, 'row')})" for label, count in rows.items() if count > 0
    )


def _age(content: Content) -> str:
    path = Path(content.dump.source.path or "")
    path = path if content.dump.path is None else content.dump.path / NAME
    made = datetime.fromtimestamp(os.path.getmtime(path))
    with override("en"):
        age = timesince(made, depth=1).replace("\xa0", " ")
    version = content.dump.version
    source = f"version {version}" if version else "a project without a version"
    return f"The dump is of {source}, written {age} ago ({made:%Y-%m-%d %H:%M})."
