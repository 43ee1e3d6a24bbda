"""Compare two dumps row by row."""

from __future__ import annotations

import json
import re
from ast import literal_eval
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from django.db import connections
from django.db.utils import Error as DatabaseError

from dumpy import reading
from dumpy.errors import DumpyError, FixtureError, counted
from dumpy.loading.registry import TODAY
from dumpy.reading import Dump
from dumpy.restoring.compare import (
    Difference,
    by_model,
    field_names,
    key_of,
    keyed,
    model_differences,
)
from dumpy.text.words import Unwritable, source
from dumpy.writing.database import DatabaseDump, Options, select

DATABASE = "database:"
_MISSING = "(no such column)"
_WRAPPER = re.compile(r"(?:Decimal|UUID)\('([^']*)'\)")
_WIDTH = 160
# The number of characters before the difference of two long texts.
_CONTEXT = 30


class Change(NamedTuple):
    """A field of a row that differs.

    Attributes:
        name: the name of the field.
        before: the source of its value in the first dump.
        after: the source of its value in the second dump.
    """

    name: str
    before: str
    after: str

    def __str__(self) -> str:
        before, after = self.shown
        note = " (another order of keys)" if self.is_reordered else ""
        return f"{self.name} {before} → {after}{note}"

    @property
    def is_reordered(self) -> bool:
        """Whether both values are JSON that differs only in the order of keys."""
        if self.before[:1] not in ("{", "[") or sorted(self.before) != sorted(self.after):
            return False
        try:
            before, after = (json.dumps(literal_eval(text), sort_keys=True) for text in self[1:])
        except (ValueError, TypeError, SyntaxError, RecursionError):  # words of a dump, such as nan
            return False
        return before == after

    @property
    def shown(self) -> tuple[str, str]:
        """Both values as short text, without ``Decimal`` and ``UUID`` unless the types differ."""
        before, after = (_WRAPPER.sub(r"\1", text) for text in self[1:])
        return _shortened(*((before, after) if before != after else self[1:]))


@dataclass(frozen=True)
class RowDiff:
    """A row that only one dump has, or that differs; ``str()`` gives one line.

    Attributes:
        label: the model, as ``app_label.ModelName``.
        row: the values of both sides, as text.
        key: the primary key, as text.
        kind: ``"removed"``, ``"added"``, or ``"changed"`` from the first dump to the second.
        changes: a ``Change`` for each field that differs.
    """

    label: str
    row: Difference

    @property
    def key(self) -> str:
        """The primary key, as text."""
        return key_text(self.row.key)

    @property
    def kind(self) -> str:
        """The kind of the difference: ``"removed"``, ``"added"``, or ``"changed"``."""
        if self.row.before is None:
            return "added"
        return "removed" if self.row.after is None else "changed"

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """The fields that differ, if both dumps have the row."""
        before, after = self.row.before, self.row.after
        if before is None or after is None:
            return ()
        names = dict.fromkeys([*before, *after])
        pairs = ((name, before.get(name, _MISSING), after.get(name, _MISSING)) for name in names)
        return tuple(Change(name, old, new) for name, old, new in pairs if old != new)

    @property
    def is_reordered(self) -> bool:
        """Whether the row differs only in the order of JSON keys."""
        return bool(self.changes) and all(change.is_reordered for change in self.changes)

    def __str__(self) -> str:
        changes = ", ".join(map(str, self.changes)) or self.kind
        return f"{self.label}(pk={self.key}): {changes}"


@dataclass
class ModelDiff:
    """The differences of one model.

    Attributes:
        removed: the number of rows that only the first dump has.
        added: the number of rows that only the second dump has.
        changed: the number of rows that differ.
        reordered: the number of changed rows that differ only in the order of JSON keys.
        fields: the names of fields that only one dump has.
    """

    removed: int = 0
    added: int = 0
    changed: int = 0
    reordered: int = 0
    fields: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = {
            "removed": self.removed,
            "added": self.added,
            "changed": self.changed,
            "of them in the order of JSON keys only, as jsonb keeps none": self.reordered,
        }
        parts = [f"{number} {text}" for text, number in counts.items() if number]
        if self.fields:
            parts.append(f"fields of one dump only: {', '.join(self.fields)}")
        return ", ".join(parts)

    def __bool__(self) -> bool:
        return bool(self.fields or self.removed or self.added or self.changed)

    @property
    def has_same_data(self) -> bool:
        """Whether nothing differs but the order of JSON keys, which has no meaning in JSON."""
        return not (self.fields or self.removed or self.added) and self.changed == self.reordered


@dataclass
class Diff:
    """Compares two dumps; ``models`` is complete after ``rows()``.

    Attributes:
        ignored: the names of fields that may differ, by the label of the model.
        models: a ``ModelDiff`` for each model that differs, by label.
        not_compared: the numbers of rows of models that only a compared database has, by label.
            They are in the same apps as models of the other dump.
    """

    first: Dump
    second: Dump
    ignored: Mapping[str, Collection[str]] = field(default_factory=dict)
    models: dict[str, ModelDiff] = field(default_factory=dict)
    not_compared: dict[str, int] = field(default_factory=dict)

    def rows(self) -> Iterator[RowDiff]:
        """Yield the rows that differ, by model and key; raises ``FixtureError``.

        Rows are held in memory only if they are not in the order of their keys. Fields that only
        one dump has are not compared. A table with the same digest in both dumps is not read.
        """
        first, second = by_model(self.first.tables), by_model(self.second.tables)
        first_digests, second_digests = _digests(self.first), _digests(self.second)
        for label in dict.fromkeys([*first, *second]):
            if label in first_digests and first_digests[label] == second_digests.get(label):
                continue
            model = self.models[label] = ModelDiff()
            model.fields, differences = model_differences(
                label, first.get(label, ()), second.get(label, ()), self.ignored.get(label, ())
            )
            for row in (RowDiff(label, difference) for difference in differences):
                setattr(model, row.kind, getattr(model, row.kind) + 1)
                model.reordered += row.is_reordered
                yield row
        self.models = {label: model for label, model in self.models.items() if model}


def _digests(dump: Dump) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return the digest and the fields of each table, none if ``restore.py`` was edited."""
    if dump.is_edited:
        return {}
    return {entry.model: (entry.digest, entry.fields) for entry in dump.entries}


def totals(models: Mapping[str, ModelDiff], not_compared: Mapping[str, int]) -> list[str]:
    """Return a line for each model that differs, and one for the models that are not compared."""
    lines = [f"{label:<40} {model}" for label, model in models.items()]
    if not_compared:
        counts = (f"{label} ({counted(rows, 'row')})" for label, rows in not_compared.items())
        lines.append(f"Not compared, as only the database has rows: {', '.join(counts)}.")
    return lines


@contextmanager
def comparing(first: str, second: str) -> Iterator[Diff]:
    """Open two dumps to compare them: files, directories, or databases as ``database:ALIAS``.

    If a database is compared with a dump, only the models of the dump are compared; other models of
    the same apps are named if they have rows. Raises ``DumpyError``.
    """
    with TemporaryDirectory(prefix="dumpy-diff-") as directory:
        dumps = {name: _open_path(name) for name in (first, second) if not _is_database(name)}
        labels = [label for dump in dumps.values() for label in _labels_in(dump)]
        not_compared: dict[str, int] = {}
        for name in filter(_is_database, (first, second)):
            path, alias = Path(directory) / f"{len(dumps)}.py", name.removeprefix(DATABASE)
            try:
                not_compared |= _dump_database(alias, labels, path)
            except DatabaseError as error:
                raise DumpyError(f"The database {alias!r} cannot be read: {error}") from error
            dumps[name] = open_data(path)
        with dumps[first], dumps[second]:
            yield Diff(dumps[first], dumps[second], not_compared=not_compared)


def open_data(path: Path) -> Dump:
    """Open the dump at a path; raises ``FixtureError`` if it is a program."""
    dump = reading.open(path)
    if dump.is_program:
        raise FixtureError(dump.source.place(1), "it is a program: only data can be compared.")
    return dump


def _open_path(name: str) -> Dump:
    if name in connections and not Path(name).exists():
        raise DumpyError(f"{name}: there is no such file. For the database: {DATABASE}{name}")
    return open_data(Path(name))


def values(dump: Dump) -> Iterator[str]:
    """Yield a line for each value of a dump, in the order of the file, for ``git diff``."""
    for label, tables in by_model(dump.tables).items():
        names = field_names(tables)
        for row in keyed(tables, key_of(label, names), names):
            ref = f"{label}(pk={key_text(row.key)})"
            yield from (f"{ref} {name} {text}" for name, text in row.cells.items())


def _labels_in(dump: Dump) -> Iterator[str]:
    """Yield the models that a dump has rows of, and those whose tables it says are empty."""
    yield from by_model(dump.tables)
    yield from (entry.model for entry in dump.entries if not entry.rows)


def _is_database(name: str) -> bool:
    return name.startswith(DATABASE)


def _dump_database(alias: str, labels: Sequence[str], path: Path) -> dict[str, int]:
    """Dump the models with these labels, or all models if there are no labels, to a file.

    Return the numbers of rows of the other models in the apps of these models.
    """
    if alias not in connections:
        aliases = ", ".join(connections)
        raise DumpyError(f"There is no database {alias!r} in DATABASES. Name one of: {aliases}.")
    models, options = select([], [], alias), Options(using=alias, all_rows=True)
    DatabaseDump(TODAY.find_all(labels) if labels else models, options).save(path)
    app_labels = {label.partition(".")[0] for label in labels}
    others = [
        model
        for model in models
        if model._meta.app_label in app_labels and model._meta.label not in labels
    ]
    rest = DatabaseDump(others, options)
    counts = {table.label: rest.count_of(table) for table in rest.tables}
    return {label: count for label, count in counts.items() if count}


def key_text(key: tuple[object, ...]) -> str:
    """Return a primary key as messages show it."""
    try:
        return _WRAPPER.sub(r"\1", ", ".join(map(source, key)))
    except Unwritable:  # a value of a database that dumps do not have
        return ", ".join(map(repr, key))


def _shortened(before: str, after: str) -> tuple[str, str]:
    """Return two texts cut around their first difference."""
    pairs = enumerate(zip(before, after, strict=False))
    first = next((i for i, (a, b) in pairs if a != b), min(len(before), len(after)))
    start = first - _CONTEXT if first > _WIDTH - _CONTEXT else 0
    mark = "…" if start else ""
    return mark + cut(before[start:]), mark + cut(after[start:])


def cut(text: str) -> str:
    """Return at most 160 characters of a text, with an ellipsis if there are more."""
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…"
