"""The double dump test: a dump, restored and dumped again, loses nothing."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import connections, router
from django.db.models import CharField, TextField

from dumpy import reading
from dumpy.checking.diff import opened, row_diff
from dumpy.checking.report import SHOWN
from dumpy.conf import project_version
from dumpy.engines import engine_of
from dumpy.errors import DumpyError
from dumpy.loading.registry import TODAY
from dumpy.reading import Dump
from dumpy.restoring import schema
from dumpy.restoring.compare import Difference, Keyed, by_model, differences, model_differences
from dumpy.restoring.content import Content
from dumpy.restoring.plans import Today
from dumpy.restoring.restorer import Restorer
from dumpy.restoring.scratch import scratch, scratch_directory
from dumpy.schema.tables import (
    Column,
    ModelType,
    is_content_type,
    primary_key_fields,
    table_of,
)
from dumpy.writing.database import LEFT_OUT, DatabaseDump, Options, select
from dumpy.writing.directory import DirectoryDump

_CHUNK = 1000


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
        ignored: the names of fields and columns that may differ, by model.
        say: is told each step in a sentence.
    """

    using: str
    ignored: Mapping[ModelType, set[str]]
    say: Callable[[str], object]

    def run(self, given: Path | None) -> Verdict:
        """Return the verdict; raises ``DumpyError`` if the dump cannot be made or restored."""
        with scratch_directory("ddt") as aside:
            first = opened(given) if given else None
            models = _models_of(first) if first else select([], [], self.using)
            dump = DatabaseDump(models, Options(self.using, all_rows=True))
            # The source is dumped, and read as it is, in one snapshot.
            with dump.snapshot():
                if first is None:
                    self.say("dumping the database")
                    _write(dump, aside / "first")
                tables = raw_tables(self.using, self.ignored)
                if first is not None and first.version == project_version():
                    tables = _tables_of(models, tables)
                for table in tables:
                    _keep(table.rows(), aside / table.model._meta.label_lower)
            return self._compared(first or reading.open(aside / "first"), dump, tables, aside)

    def _compared(
        self, first: Dump, dump: DatabaseDump, tables: Sequence[RawTable], aside: Path
    ) -> Verdict:
        rows = {entry.model: entry.rows for entry in first.entries}
        for label, parts in by_model(first.tables).items():
            rows.setdefault(label, sum(part.row_count for part in parts))
        with scratch(self.using):
            self.say("restoring in a scratch database")
            content = Content(first)
            plan = Today(content, self.using)
            schema.build_scratch(self.using, content.labels)
            report = Restorer(content, plan, compares=False).run()
            if content.migration is not None:
                models = [TODAY.get(label) for label in report.tables]
                different = dict(self._different_content(_tables_of(models, tables), aside))
                return Verdict(rows, different, (_migrated(first),), is_migrated=True)
            self.say("dumping the scratch database")
            with dump.snapshot():
                _write(dump, aside / "second")
            if first.path != aside / "first":
                tables = _tables_of(_models_of(first), tables)
            different = dict(self._different_content(tables, aside))
        with reading.open(aside / "second") as second:
            different = {**dict(self._different_rows(first, second)), **different}
        gone = [label for label in rows if TODAY.find(label) is None]
        notes = [f"{one} is not compared: the project has no such model." for one in gone]
        return Verdict(rows, different, tuple(notes))

    def _different_content(
        self, tables: Iterable[RawTable], aside: Path
    ) -> Iterator[tuple[str, tuple[str, ...]]]:
        there = {table.db_table for table in raw_tables(self.using, {})}
        for table in tables:
            name = table.db_table
            if name not in there:
                yield f"the table {name}", (f"There is no table {name} after the restore.",)
                continue
            found = differences(_kept(aside / table.model._meta.label_lower), table.rows())
            yield from _shown(f"{name} in the database", "after the restore", name, found)

    def _different_rows(self, first: Dump, second: Dump) -> Iterator[tuple[str, tuple[str, ...]]]:
        digests = [
            {entry.model: (entry.digest, entry.fields) for entry in dump.entries}
            for dump in (first, second)
        ]
        one, other = by_model(first.tables), by_model(second.tables)
        for label in dict.fromkeys([*one, *other]):
            model, digest = TODAY.find(label), digests[0].get(label)
            if model is None or (digest is not None and digest == digests[1].get(label)):
                continue
            tables = one.get(label, ()), other.get(label, ())
            only, rows = model_differences(label, *tables, self.ignored.get(model, ()))
            if only:
                yield label, (f"Fields of one dump only: {', '.join(only)}.",)
            yield from _shown(f"{label} in the first dump", "in the second", label, rows)


def ignored_fields(labels: Iterable[str]) -> dict[ModelType, set[str]]:
    """Return the names of fields given as ``app.Model.field``, by model.

    All rows of a model of links are ignored with the field. Raises ``DumpyError`` for a field that
    does not exist.
    """
    found: dict[ModelType, set[str]] = {}
    for label in labels:
        name, _, field_name = label.rpartition(".")
        try:
            model: ModelType = apps.get_model(name)
            field: Any = model._meta.get_field(field_name)
        except (LookupError, ValueError, FieldDoesNotExist) as error:
            reason = "there is no such field; name app.Model.field."
            raise DumpyError(f"--ignore {label}: {reason}") from error
        names = {field.name, getattr(field, "attname", None), getattr(field, "column", None)}
        found.setdefault(model, set()).update(names - {None})
        for link in table_of(model).links:
            if link.name == field.name:
                found[link.through] = set()
    return found


@dataclass(frozen=True)
class RawTable:
    """A table of the project, read in the order of its key, as SQL gives its rows.

    Rows of a many-to-many field have no key of their own: what they link is their key. Content
    types are what they name. Columns that are ``ignored`` are left out.
    """

    model: ModelType
    using: str
    ignored: Collection[str]

    @property
    def db_table(self) -> str:
        """The name in the database."""
        return self.model._meta.db_table

    def rows(self) -> Iterator[Keyed]:
        """Yield the rows."""
        skipped = {*self.ignored}
        if self.model._meta.auto_created:  # the database gives these keys
            skipped |= {str(field.column) for field in primary_key_fields(self.model)}
        with closing(engine_of(connections[self.using]).streaming_cursor()) as cursor:
            cursor.execute(self._query)
            names = [column[0] for column in cursor.description]
            own = names[: len(names) - 2 * len(self._content_types) - len(self._doubtful)]
            while chunk := cursor.fetchmany(_CHUNK):
                for row in chunk:
                    values = self._named(own, row)
                    key = tuple(values[column.db_name] for column in self._key)
                    cells = {k: repr(value) for k, value in values.items() if k not in skipped}
                    yield Keyed(key, cells)

    def _named(self, names: list[str], values: tuple[Any, ...]) -> dict[str, Any]:
        found = {
            name: bytes(value) if isinstance(value, memoryview) else value
            for name, value in zip(names, values, strict=False)
        }
        natural, stored = values[len(names) :], values[len(values) - len(self._doubtful) :]
        for column, value in zip(self._doubtful, stored, strict=True):
            if found[column.db_name] is None or isinstance(found[column.db_name], bool):
                found[column.db_name] = value
        for number, column in enumerate(self._content_types):
            label = natural[2 * number : 2 * number + 2]
            if label[0] is not None:
                found[column.db_name] = tuple(label)
        return found

    @cached_property
    def _content_types(self) -> list[Column]:
        return [
            column
            for column in table_of(self.model).columns
            if column.references is not None and is_content_type(column.references)
        ]

    @cached_property
    def _doubtful(self) -> list[Column]:
        """The columns of which drivers make False or None where something else is stored."""
        kinds = engine_of(connections[self.using]).lossy
        return [one for one in table_of(self.model).columns if isinstance(one.target, kinds)]

    @cached_property
    def _key(self) -> list[Column]:
        if self.model._meta.auto_created:
            return [column for column in table_of(self.model).columns if column.references]
        return [Column(field) for field in primary_key_fields(self.model)]

    @cached_property
    def _query(self) -> str:
        connection = connections[self.using]
        quote, engine = connection.ops.quote_name, engine_of(connection)
        # What stands for all columns on SQLite is all but the rowid, which a key may be.
        selected = [*(f"t.{quote(one.db_name)}" for one in self._key), "t.*"]
        joined = [f"FROM {quote(self.db_table)} t"]
        for number, column in enumerate(self._content_types):
            selected += [f"c{number}.app_label", f"c{number}.model"]
            joined.append(
                f"LEFT JOIN {quote('django_content_type')} c{number} "
                f"ON c{number}.id = t.{quote(column.db_name)}"
            )
        selected += [engine.as_stored(f"t.{quote(one.db_name)}") for one in self._doubtful]
        order = ", ".join(term for column in self._key for term in self._order(column))
        return f"SELECT {', '.join(selected)} {' '.join(joined)} ORDER BY {order}"

    def _order(self, column: Column) -> Iterator[str]:
        """An order in which Python agrees with the database."""
        connection = connections[self.using]
        if column in self._content_types:
            number = self._content_types.index(column)
            yield from (f"c{number}.app_label", f"c{number}.model")
            return
        name = f"t.{connection.ops.quote_name(column.db_name)}"
        is_text = isinstance(column.target, CharField | TextField)
        yield engine_of(connection).by_code_points(name) if is_text else name


def raw_tables(using: str, ignored: Mapping[ModelType, set[str]]) -> list[RawTable]:
    """Return the tables of the project that are in a database and that dumps are made of."""
    models = {
        model._meta.db_table: model
        for model in apps.get_models(include_auto_created=True)
        if not model._meta.proxy
        and model._meta.label_lower not in LEFT_OUT
        and not (model._meta.auto_created and model in ignored)
        and router.allow_migrate_model(using, model)
    }
    there = engine_of(connections[using]).there(models)
    return [RawTable(models[name], using, ignored.get(models[name], ())) for name in there]


def _models_of(dump: Dump) -> list[ModelType]:
    labels = dict.fromkeys([*(entry.model for entry in dump.entries), *by_model(dump.tables)])
    return [model for model in map(TODAY.find, labels) if model is not None]


def _tables_of(models: Iterable[ModelType], tables: Iterable[RawTable]) -> list[RawTable]:
    names = {name for model in models for name in table_of(model).db_tables}
    return [table for table in tables if table.db_table in names]


def _write(dump: DatabaseDump, path: Path) -> None:
    path.mkdir()
    DirectoryDump(dump, sys.maxsize).write(path)


def _keep(rows: Iterator[Keyed], path: Path) -> None:
    """Write rows to a file, to be read with ``_kept`` when the table is out of reach."""
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


def _migrated(first: Dump) -> str:
    return (
        f"The dump is of version {first.version}, migrators bring it to "
        f"{project_version()}: its rows cannot come back as they were, and are not compared."
    )


def _shown(
    before: str, after: str, label: str, rows: Iterator[Difference]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    lines = [f"  {row_diff(label, row)}" for row in islice(rows, SHOWN)]
    if lines:
        more = sum(1 for _ in rows)
        rest = [f"  … and {more:,} more rows that differ."] if more else []
        yield before, (f"{before} → {after}:", *lines, *rest)
