"""The double dump test: a dump, restored and dumped again, loses nothing."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db.models import QuerySet

from dumpy import reading
from dumpy.checking.diff import Diff, RowDiff, open_data
from dumpy.checking.report import SHOWN
from dumpy.conf import project_version
from dumpy.errors import DumpyError
from dumpy.loading.registry import TODAY
from dumpy.reading import Dump
from dumpy.restoring.compare import Keyed, by_model, differences
from dumpy.restoring.content import Content
from dumpy.restoring.plans import Today
from dumpy.restoring.restorer import Restorer
from dumpy.restoring.scratch import build_scratch, name_to_keep, scratch, scratch_directory
from dumpy.schema.tables import ModelType, Table, is_content_type
from dumpy.writing.database import DatabaseDump, Options, select
from dumpy.writing.directory import DirectoryDump
from dumpy.writing.rows import pages_of_query, shape_of

Different = Iterator[tuple[str, tuple[str, ...]]]
"""What differs, and the lines that say how."""


@dataclass(frozen=True)
class Verdict:
    """What was compared, and the lines that say what differs, for each table that does.

    Attributes:
        rows: how many rows the dump has, by model.
        notes: sentences about what cannot be compared.
        is_migrated: whether the dump was compared with the database alone.
    """

    rows: Mapping[str, int]
    different: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()
    is_migrated: bool = False


@dataclass(frozen=True)
class DoubleDump:
    """Dumps a database, or takes a dump, restores it in a scratch database, and dumps that.

    Attributes:
        using: the alias of the database.
        ignored: the names of fields that may differ, by model.
        say: is told each step in a sentence.
        keeps_scratch: whether the tables of the scratch database are kept for the next test.
    """

    using: str
    ignored: Mapping[ModelType, set[str]]
    say: Callable[[str], object]
    keeps_scratch: bool = False

    def run(self, given: Path | None) -> Verdict:
        """Return the verdict; raises ``DumpyError`` if the dump cannot be made or restored."""
        with scratch_directory("ddt") as aside:
            first = open_data(given) if given else None
            # Migrators may make rows of any model.
            is_of_today = first is not None and first.version == project_version()
            every = select([], [], self.using)
            source = self._dump(_models_of(first) if first and is_of_today else every)
            # The source is dumped, and read as it is, in one snapshot.
            with source.snapshot():
                source.require_tables()
                if first is None:
                    self.say("dumping the database")
                    _write(source, aside / "first")
                for table in source.tables:
                    _keep(self._stored(table), aside / table.label)
                unknown = {table: source.unknown_columns(table) for table in source.tables}
            return self._compared(first or reading.open(aside / "first"), unknown, aside)

    def _dump(self, models: list[ModelType]) -> DatabaseDump:
        return DatabaseDump(models, Options(self.using, all_rows=True))

    def _stored(self, table: Table) -> Iterator[Keyed]:
        return stored_rows(table, self.using, self.ignored.get(table.model, ()))

    def _compared(self, first: Dump, tables: Mapping[Table, list[str]], aside: Path) -> Verdict:
        """Restore a dump, and compare; ``tables`` have the names of columns without a field."""
        rows = {entry.model: entry.rows for entry in first.entries}
        for label, parts in by_model(first.tables).items():
            rows.setdefault(label, sum(part.row_count for part in parts))
        kept = name_to_keep(self.using) if self.keeps_scratch else ""
        with scratch(self.using, kept):
            self.say("restoring in a scratch database")
            content = Content(first)
            build_scratch(self.using, content.labels, kept)
            report = Restorer(content, Today(content, self.using), compares=False).run()
            is_migrated = content.migration is not None
            labels = report.tables if is_migrated else rows
            stored: dict[str, tuple[str, ...]] = {}
            for table, unknown in tables.items():
                if table.label in labels:
                    stored |= self._different_content(table, unknown, aside)
            if is_migrated:
                note = (
                    f"The dump is of version {first.version}, migrators bring it to "
                    f"{project_version()}: its rows cannot come back as they were, and are not "
                    "compared."
                )
                return Verdict(rows, stored, (note,), is_migrated=True)
            self.say("dumping the scratch database")
            with (again := self._dump(_models_of(first))).snapshot():
                _write(again, aside / "second")
        with reading.open(aside / "second") as second:
            different = {**dict(self._different_rows(first, second)), **stored}
        gone = [label for label in rows if TODAY.find(label) is None]
        notes = [f"{one} is not compared: the project has no such model." for one in gone]
        return Verdict(rows, different, tuple(notes))

    def _different_content(self, table: Table, unknown: list[str], aside: Path) -> Different:
        label, found = table.label, differences(_kept(aside / table.label), self._stored(table))
        rows = (RowDiff(label, row) for row in found)
        yield from _shown(label, "in the database", "after the restore", rows)
        if unknown:
            said = f"{label}: columns without a field are not in the dump: {', '.join(unknown)}."
            yield f"a column of {label}", (said,)

    def _different_rows(self, first: Dump, second: Dump) -> Different:
        ignored = {model._meta.label: names for model, names in self.ignored.items()}
        diff = Diff(first, second, ignored)
        for label, rows in groupby(diff.rows(), lambda row: row.label):
            yield from _shown(label, "in the first dump", "in the second", rows)
        for label, found in diff.models.items():
            if found.fields:
                yield label, (f"Fields of one dump only: {', '.join(found.fields)}.",)


def stored_rows(table: Table, using: str, ignored: Collection[str] = ()) -> Iterator[Keyed]:
    """Yield the rows of a table with the values as the driver gives them, before any writer.

    Content types may have other keys: they are compared as what they name, in the dumps.
    """
    shape, links = shape_of(table), {link.name for link in table.links}
    left_out = {
        column.name
        for column in table.columns
        if column.references is not None and is_content_type(column.references)
    }
    for page in pages_of_query(shape, QuerySet(table.model, using=using), using):
        for row in zip(*page.columns, strict=True):
            values = dict(zip(shape.names, map(_plain, row), strict=True))
            cells = {
                name: repr(sorted(value, key=repr) if name in links else value)
                for name, value in values.items()
                if name not in left_out and name not in ignored
            }
            yield Keyed(tuple(values[name] for name in table.key), cells)


def ignored_fields(labels: Iterable[str]) -> dict[ModelType, set[str]]:
    """Return the names of fields given as ``app.Model.field``, by model.

    Raises ``DumpyError`` for a field that does not exist.
    """
    found: dict[ModelType, set[str]] = {}
    for label in labels:
        name, _, field_name = label.rpartition(".")
        try:
            model: ModelType = apps.get_model(name)
            field: Any = model._meta.get_field(field_name)
        except (LookupError, ValueError, FieldDoesNotExist) as error:
            reason = "there is no such field. Name it as app_label.ModelName.field."
            raise DumpyError(f"--ignore {label}: {reason}") from error
        names = found.setdefault(model, set())
        names |= {field.name, getattr(field, "attname", field.name)}
    return found


def _models_of(dump: Dump) -> list[ModelType]:
    labels = dict.fromkeys([*(entry.model for entry in dump.entries), *by_model(dump.tables)])
    return TODAY.found(labels)


def _write(dump: DatabaseDump, path: Path) -> None:
    path.mkdir()
    DirectoryDump(dump, sys.maxsize).write(path)


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def _keep(rows: Iterator[Keyed], path: Path) -> None:
    """Write rows to a file, to be read with ``_kept`` while the scratch database is used."""
    with path.open("wb") as file:
        for row in rows:
            pickle.dump(tuple(row), file)


def _kept(path: Path) -> Iterator[Keyed]:
    with path.open("rb") as file:
        while True:
            try:
                yield Keyed(*pickle.load(file))
            except EOFError:
                return


def _shown(label: str, before: str, after: str, rows: Iterator[RowDiff]) -> Different:
    lines = [f"  {row}" for row in islice(rows, SHOWN)]
    if lines:
        more = sum(1 for _ in rows)
        rest = [f"  … and {more:,} more rows that differ."] if more else []
        yield f"{label} {before}", (f"{label} {before} → {after}:", *lines, *rest)
