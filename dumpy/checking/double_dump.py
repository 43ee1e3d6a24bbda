"""The double dump test: a dump, restored and dumped again, loses nothing."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist

from dumpy import reading
from dumpy.checking.comparison import (
    Difference,
    RawTable,
    differences,
    keep,
    kept,
    raw_tables,
)
from dumpy.checking.diff import by_model, model_differences, row_diff
from dumpy.checking.findings import SHOWN
from dumpy.checking.rehearsal import InScratch
from dumpy.conf import project_version
from dumpy.errors import DumpyError, FixtureError
from dumpy.loading.registry import TODAY
from dumpy.loading.report import Report
from dumpy.reading import Dump
from dumpy.restoring.content import Content
from dumpy.restoring.restorer import Restorer
from dumpy.restoring.scratch import scratch, scratch_directory
from dumpy.schema.tables import ModelType, Table, table_of
from dumpy.text.manifest import RESTORE, TableEntry
from dumpy.writing.database import DatabaseDump, Options, select
from dumpy.writing.directory import DirectoryDump

_LINES = 12


@dataclass(frozen=True)
class Verdict:
    """What was compared, and the lines that say what differs, for each table that does.

    ``notes`` are sentences about what cannot be compared; a dump that ``is_migrated`` was compared
    with the database alone.
    """

    tables: Sequence[TableEntry]
    different: dict[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()
    is_migrated: bool = False

    @property
    def rows(self) -> int:
        """How many rows the dump has."""
        return sum(table.rows for table in self.tables)


class DoubleDump:
    """Dumps a database, or takes a dump, restores it in a scratch database, and dumps that.

    Fields that are ``ignored``, as ``app.Model.field``, may differ. ``say`` is told each step in a
    sentence. Raises ``DumpyError`` for a field that does not exist.
    """

    def __init__(self, using: str, ignored: Iterable[str], say: Callable[[str], object]) -> None:
        self._using = using
        self._say = say
        self._ignored: dict[str, set[str]] = {}
        self._ignored_links: set[str] = set()
        for label in ignored:
            self._ignore(label)

    def _ignore(self, label: str) -> None:
        name, _, field_name = label.rpartition(".")
        try:
            model: ModelType = apps.get_model(name)
            field: Any = model._meta.get_field(field_name)
        except (LookupError, ValueError, FieldDoesNotExist) as error:
            reason = "there is no such field; name app.Model.field."
            raise DumpyError(f"--ignore {label}: {reason}") from error
        names = {field.name, getattr(field, "attname", None), getattr(field, "column", None)}
        self._ignored.setdefault(model._meta.label, set()).update(names - {None})
        links = [link for link in table_of(model).links if link.name == field.name]
        self._ignored_links |= {link.through._meta.db_table for link in links}

    def run(self, given: Path | None) -> Verdict:
        """Return the verdict; raises ``DumpyError`` if the dump cannot be made or restored."""
        with scratch_directory("ddt") as aside:
            return self._run(given, aside)

    def _run(self, given: Path | None, aside: Path) -> Verdict:
        first = reading.open(given) if given else None
        if first is not None and first.is_program:
            reason = "it is a program; only a dump that is data can come back as it was."
            raise FixtureError(first.source.place(1), reason)
        models = _models(first) if first else select([], [], self._using)
        kept_tables = self._keep_source(first, models, aside)
        first = first or reading.open(aside / "first")
        with scratch(self._using):
            self._say("restoring in a scratch database")
            plan = InScratch(content := Content(first), self._using)
            report = Restorer(content, plan, lambda step: None, compares=False).run()
            tables = _wanted(kept_tables, first if given else None, content, report)
            if content.migration is not None:
                different = dict(self._different_content(tables, aside))
                return Verdict(first.entries, different, (_migrated(first),), is_migrated=True)
            self._say("dumping the scratch database")
            dump = _dump_of(models, self._using)
            with dump.snapshot():
                _write(dump, aside / "second", _rows_per_file(first))
                different = dict(self._different_content(tables, aside))
        second = reading.open(aside / "second")
        different = {**dict(self._different_files(first, second)), **different}
        return Verdict(first.entries, different, tuple(_not_compared(first)))

    def _keep_source(
        self, first: Dump | None, models: list[ModelType], aside: Path
    ) -> list[RawTable]:
        """Dump the source unless there is a dump, and keep its rows, all in one snapshot."""
        dump = _dump_of(models, self._using)
        with dump.snapshot():
            if first is None:
                self._say("dumping the database")
                _write(dump, aside / "first", sys.maxsize)
            tables = self._candidates(first)
            for table in tables:
                keep(table.rows(self._names(table)), aside / table.model._meta.label_lower)
        return tables

    def _candidates(self, first: Dump | None) -> list[RawTable]:
        """Return the tables that may have to be compared: migrators may make any of a dump."""
        tables = [
            table for table in raw_tables(self._using) if table.db_table not in self._ignored_links
        ]
        if first is None or not _is_of_today(first):
            return tables
        return [table for table in tables if table.db_table in _dumped(first)]

    def _different_content(
        self, tables: list[RawTable], aside: Path
    ) -> Iterator[tuple[str, tuple[str, ...]]]:
        there = {table.db_table for table in raw_tables(self._using)}
        for table in tables:
            name = table.db_table
            if name not in there:
                yield f"the table {name}", (f"There is no table {name} after the restore.",)
                continue
            before = kept(aside / table.model._meta.label_lower)
            found = differences(before, table.rows(self._names(table)))
            yield from _shown(f"{name} in the database", "after the restore", name, found)

    def _names(self, table: RawTable) -> set[str]:
        return self._ignored.get(table.model._meta.label, set())

    def _different_files(self, first: Dump, second: Dump) -> Iterator[tuple[str, tuple[str, ...]]]:
        again = {entry.model: entry for entry in second.entries}
        one, other = by_model(first), by_model(second)
        for entry in first.entries:
            label = entry.model
            if again.get(label) != entry and TODAY.find(label) is not None:
                ignored = self._ignored.get(label, set())
                tables = one.get(label, []), other.get(label, [])
                only, rows = model_differences(label, *tables, ignored)
                if only:
                    yield label, (f"Fields of one dump only: {', '.join(only)}.",)
                yield from _shown(f"{label} in the first dump", "in the second", label, rows)
        is_comparable = _is_of_today(first) and not first.is_edited
        if is_comparable and (lines := _different_text(first, second)):
            yield RESTORE, lines


def _wanted(
    tables: list[RawTable], given: Dump | None, content: Content, report: Report
) -> list[RawTable]:
    """Return the tables to compare: a given dump may lack some, and migrators make others."""
    if given is None:
        return tables
    if content.migration is None:
        names = _dumped(given)
    else:
        names = {name for label in report.tables for name in _table(label).db_tables}
    return [table for table in tables if table.db_table in names]


def _dumped(directory: Dump) -> set[str]:
    return {name for table in directory.entries for name in table.db_tables}


def _is_of_today(first: Dump) -> bool:
    return first.version == project_version()


def _migrated(first: Dump) -> str:
    return (
        f"The dump is of version {first.version}, migrators bring it to "
        f"{project_version()}: its files cannot come back as they were, and are not compared."
    )


def _not_compared(first: Dump) -> Iterator[str]:
    for table in first.entries:
        if TODAY.find(table.model) is None:
            yield f"{table.model} is not compared: the project has no such model."
    if not _is_of_today(first):
        ours, theirs = (one or "none" for one in (project_version(), first.version))
        yield f"{RESTORE} is not compared: it is of version {theirs}, the project of {ours}."


def _table(label: str) -> Table:
    return table_of(TODAY.get(label))


def _dump_of(models: list[ModelType], using: str) -> DatabaseDump:
    return DatabaseDump(models, Options(using, all_rows=True))


def _models(first: Dump) -> list[ModelType]:
    known: dict[str, ModelType] = {model._meta.label: model for model in apps.get_models()}
    return [known[table.model] for table in first.entries if table.model in known]


def _write(dump: DatabaseDump, path: Path, rows_per_file: int) -> None:
    path.mkdir()
    DirectoryDump(dump, rows_per_file).write(path)


def _rows_per_file(directory: Dump) -> int:
    """Return how many rows a file of a dump has, so that another dump can be cut alike."""
    for table in directory.entries:
        if len(table.files) > 1:
            first = directory.tables_of(table.files[0].name)
            return sum(1 for rows in first for _row in rows.rows())
    return sys.maxsize


def _shown(
    before: str, after: str, label: str, rows: Iterator[Difference]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    lines = [f"  {row_diff(label, row)}" for row in islice(rows, SHOWN)]
    if lines:
        more = sum(1 for _ in rows)
        rest = [f"  … and {more:,} more rows that differ."] if more else []
        yield before, (f"{before} → {after}:", *lines, *rest)


def _different_text(first: Dump, second: Dump) -> tuple[str, ...]:
    # The order of the tables depends on the models that a dump was asked for.
    one, other = (
        sorted(Path(directory.source.name).read_text(encoding="utf-8").splitlines())
        for directory in (first, second)
    )
    names = "restore.py of the first dump", "restore.py of the second dump"
    return tuple(islice(difflib.unified_diff(one, other, *names, lineterm="", n=0), _LINES))
