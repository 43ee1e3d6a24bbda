"""The double dump test: restore a dump, dump again, and compare."""

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
from dumpy.restoring.plans import Plan
from dumpy.restoring.restorer import Restorer
from dumpy.restoring.scratch import build_scratch, kept_name, scratch, scratch_directory
from dumpy.schema.tables import ModelType, Table, is_content_type
from dumpy.writing.database import DatabaseDump, Options, select
from dumpy.writing.directory import DirectoryDump
from dumpy.writing.rows import pages_of_query, shape_of

Differences = Iterator[tuple[str, tuple[str, ...]]]
"""The tables that differ, each with lines for the report."""


@dataclass(frozen=True)
class DoubleDumpResult:
    """The result of a double dump test.

    Attributes:
        rows: the number of rows in the dump, by model.
        differences: the lines of the report, by table that differs.
        notes: sentences about models that are not compared.
        is_migrated: whether the restored rows were compared with the database only.
    """

    rows: Mapping[str, int]
    differences: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()
    is_migrated: bool = False


@dataclass(frozen=True)
class DoubleDumpTest:
    """Restores a dump of a database in a scratch database, dumps again, and compares.

    Attributes:
        using: the alias of the database.
        ignored: the names of fields that may differ, by the label of the model.
        say: receives a sentence about each step.
        keeps_scratch: whether the tables of the scratch database are kept for the next test.
    """

    using: str
    ignored: Mapping[str, set[str]]
    say: Callable[[str], object]
    keeps_scratch: bool = False

    def run(self, path: Path | None) -> DoubleDumpResult:
        """Test the dump at ``path``, or a new dump.

        Raises ``DumpyError`` if the dump cannot be made or restored.
        """
        with scratch_directory("ddt") as directory:
            first = open_data(path) if path else None
            # If the dump is older, migrators may create rows of any model.
            is_current = first is not None and first.version == project_version()
            models = _models_of(first) if first and is_current else select([], [], self.using)
            source = self._dump(models)
            # The dump and the comparison read the same snapshot.
            with source.snapshot():
                source.require_tables()
                if first is None:
                    self.say("dumping the database")
                    _write(source, directory / "first")
                for table in source.tables:
                    _save(self._stored_rows(table), directory / table.label)
                unknown = {table: source.unknown_columns(table) for table in source.tables}
            return self._compare(first or reading.open(directory / "first"), unknown, directory)

    def _dump(self, models: list[ModelType]) -> DatabaseDump:
        return DatabaseDump(models, Options(self.using, all_rows=True))

    def _stored_rows(self, table: Table) -> Iterator[Keyed]:
        return stored_rows(table, self.using, self.ignored.get(table.label, ()))

    def _compare(
        self, first: Dump, tables: Mapping[Table, list[str]], directory: Path
    ) -> DoubleDumpResult:
        """Restore a dump, and compare; ``tables`` have the names of columns without a field."""
        rows = {entry.model: entry.rows for entry in first.entries}
        for label, parts in by_model(first.tables).items():
            rows.setdefault(label, sum(part.row_count for part in parts))
        kept = kept_name(self.using) if self.keeps_scratch else ""
        with scratch(self.using, kept):
            self.say("restoring in a scratch database")
            content = Content(first)
            build_scratch(self.using, content.labels, kept)
            report = Restorer(content, Plan(content, self.using), compares=False).run()
            is_migrated = content.migration is not None
            labels = report.tables if is_migrated else rows
            differences: dict[str, tuple[str, ...]] = {}
            for table, unknown in tables.items():
                if table.label in labels:
                    differences |= self._stored_differences(table, unknown, directory)
            if is_migrated:
                note = (
                    f"The dump is of version {first.version}, migrators bring it to "
                    f"{project_version()}: its rows cannot come back as they were, and are not "
                    "compared."
                )
                return DoubleDumpResult(rows, differences, (note,), is_migrated=True)
            self.say("dumping the scratch database")
            with (dump := self._dump(_models_of(first))).snapshot():
                _write(dump, directory / "second")
        with reading.open(directory / "second") as second:
            differences = {**dict(self._dump_differences(first, second)), **differences}
        removed = [label for label in rows if TODAY.find(label) is None]
        notes = [f"{label} is not compared: the project has no such model." for label in removed]
        return DoubleDumpResult(rows, differences, tuple(notes))

    def _stored_differences(self, table: Table, unknown: list[str], directory: Path) -> Differences:
        """Yield the differences of a table between the database and the scratch database."""
        label = table.label
        rows = differences(_saved(directory / label), self._stored_rows(table))
        diffs = (RowDiff(label, row) for row in rows)
        yield from _report(label, "in the database", "after the restore", diffs)
        if unknown:
            line = f"{label}: columns without a field are not in the dump: {', '.join(unknown)}."
            yield f"a column of {label}", (line,)

    def _dump_differences(self, first: Dump, second: Dump) -> Differences:
        diff = Diff(first, second, self.ignored)
        for label, rows in groupby(diff.rows(), lambda row: row.label):
            yield from _report(label, "in the first dump", "in the second", rows)
        for label, model in diff.models.items():
            if model.fields:
                yield label, (f"Fields of one dump only: {', '.join(model.fields)}.",)


def stored_rows(table: Table, using: str, ignored: Collection[str] = ()) -> Iterator[Keyed]:
    """Yield the rows of a table with the values of the database driver.

    References to content types are left out, as these may have other keys; the dumps have their
    natural keys.
    """
    shape, links = shape_of(table), {link.name for link in table.links}
    left_out = {*ignored} | {
        column.name
        for column in table.columns
        if column.references is not None and is_content_type(column.references)
    }
    for page in pages_of_query(shape, QuerySet(table.model, using=using), using):
        for row in zip(*page.columns, strict=True):
            values = {
                name: bytes(value) if isinstance(value, memoryview) else value
                for name, value in zip(shape.names, row, strict=True)
            }
            cells = {
                name: repr(sorted(value, key=repr) if name in links else value)
                for name, value in values.items()
                if name not in left_out
            }
            yield Keyed(tuple(values[name] for name in table.key), cells)


def ignored_fields(labels: Iterable[str]) -> dict[str, set[str]]:
    """Return the names of the fields ``app_label.ModelName.field``, by the label of the model.

    Raises ``DumpyError`` for a field that does not exist.
    """
    ignored: dict[str, set[str]] = {}
    for label in labels:
        name, _, field_name = label.rpartition(".")
        try:
            model: ModelType = apps.get_model(name)
            field: Any = model._meta.get_field(field_name)
        except (LookupError, ValueError, FieldDoesNotExist) as error:
            reason = "there is no such field. Name it as app_label.ModelName.field."
            raise DumpyError(f"--ignore {label}: {reason}") from error
        names = {field.name, getattr(field, "attname", field.name)}
        ignored.setdefault(model._meta.label, set()).update(names)
    return ignored


def _models_of(dump: Dump) -> list[ModelType]:
    labels = dict.fromkeys([*(entry.model for entry in dump.entries), *by_model(dump.tables)])
    return TODAY.find_all(labels)


def _write(dump: DatabaseDump, path: Path) -> None:
    path.mkdir()
    DirectoryDump(dump, sys.maxsize).write(path)


def _save(rows: Iterator[Keyed], path: Path) -> None:
    """Write rows to a file, because the connection leads to the scratch database later."""
    with path.open("wb") as file:
        for row in rows:
            pickle.dump(tuple(row), file)


def _saved(path: Path) -> Iterator[Keyed]:
    with path.open("rb") as file:
        while True:
            try:
                yield Keyed(*pickle.load(file))
            except EOFError:
                return


def _report(label: str, before: str, after: str, rows: Iterator[RowDiff]) -> Differences:
    """Yield the lines about the first rows that differ, and the number of the others."""
    lines = [f"  {row}" for row in islice(rows, SHOWN)]
    if lines:
        more = sum(1 for _ in rows)
        rest = [f"  … and {more:,} more rows that differ."] if more else []
        yield f"{label} {before}", (f"{label} {before} → {after}:", *lines, *rest)
