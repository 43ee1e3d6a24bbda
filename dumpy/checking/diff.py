"""Two dumps, row by row: what only one of them has, and which values differ."""

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
    key_of,
    keyed,
    model_differences,
    names_of,
    write_dump,
)
from dumpy.text.words import Unwritable, source
from dumpy.writing.database import DatabaseDump, Options, select

DATABASE = "database:"
_NONE = "(no such column)"
_WRAPPED = re.compile(r"(?:Decimal|UUID)\('([^']*)'\)")
_WIDTH = 160
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
        said = "{} {} → {}".format(self.name, *self.shown)
        return f"{said} (another order of keys)" if self.is_order else said

    @property
    def is_order(self) -> bool:
        """Whether both values are JSON that differs in nothing but the order of keys."""
        if self.before[:1] not in ("{", "[") or sorted(self.before) != sorted(self.after):
            return False
        try:
            one, other = (json.dumps(literal_eval(text), sort_keys=True) for text in self[1:])
        except (ValueError, TypeError, SyntaxError, RecursionError):  # words of a dump, such as nan
            return False
        return one == other

    @property
    def shown(self) -> tuple[str, str]:
        """Both values as text: long ones from where they differ, numbers without words."""
        plain = [_WRAPPED.sub(r"\1", text) for text in self[1:]]
        return _shortened(*(plain if plain[0] != plain[1] else self[1:]))


@dataclass(frozen=True)
class RowDiff:
    """A row that only one dump has, or that differs; ``str()`` gives one line.

    Attributes:
        label: the model, as ``app_label.ModelName``.
        row: all values of both sides, as text.
        key: the primary key, as text.
        kind: ``"removed"``, ``"added"``, or ``"changed"`` from the first dump to the second.
        changes: a ``Change`` for each field that differs.
    """

    label: str
    row: Difference

    @property
    def key(self) -> str:
        """The primary key, as text."""
        return _shown(self.row.key)

    @property
    def kind(self) -> str:
        """What became of the row from the first dump to the second."""
        if self.row.gone is None:
            return "added"
        return "removed" if self.row.come is None else "changed"

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """The fields that differ, of a row that was changed."""
        gone, come = self.row.gone, self.row.come
        if gone is None or come is None:
            return ()
        names = dict.fromkeys([*gone, *come])
        all_of_them = (Change(one, gone.get(one, _NONE), come.get(one, _NONE)) for one in names)
        return tuple(one for one in all_of_them if one.before != one.after)

    def __str__(self) -> str:
        said = ", ".join(map(str, self.changes)) or self.kind
        return f"{self.label}(pk={self.key}): {said}"


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
        said = [f"{number} {what}" for what, number in counts.items() if number]
        only = [f"fields of one dump only: {', '.join(self.fields)}"] if self.fields else []
        return ", ".join([*said, *only])

    def __bool__(self) -> bool:
        return bool(self.fields or self.removed or self.added or self.changed)


@dataclass
class Diff:
    """Two dumps that are compared; ``models`` is complete after ``rows()``.

    Attributes:
        ignored: the names of fields that may differ, by the label of the model.
        not_compared: the numbers of rows of models that only a compared database has, in apps of
            which the other dump has models.
    """

    first: Dump
    second: Dump
    ignored: Mapping[str, Collection[str]] = field(default_factory=dict)
    models: dict[str, ModelDiff] = field(default_factory=dict)
    not_compared: dict[str, int] = field(default_factory=dict)

    def rows(self) -> Iterator[RowDiff]:
        """Yield the rows that differ, by model and key; raises ``FixtureError``.

        Rows are read as they are needed, but for a model whose rows are not in the order of their
        keys: they are held in memory. Fields that only one of the dumps has are not compared, and
        tables of which two directories have the same digest are not read.
        """
        first, second = by_model(self.first.tables), by_model(self.second.tables)
        digests, others = _digests(self.first), _digests(self.second)
        for label in dict.fromkeys([*first, *second]):
            if label in digests and digests[label] == others.get(label):
                continue
            tables, ignored = (first.get(label, ()), second.get(label, ())), self.ignored
            found = self.models[label] = ModelDiff()
            found.fields, rows = model_differences(label, *tables, ignored.get(label, ()))
            for row in (RowDiff(label, row) for row in rows):
                setattr(found, row.kind, getattr(found, row.kind) + 1)
                found.reordered += bool(row.changes) and all(one.is_order for one in row.changes)
                yield row
        self.models = {label: found for label, found in self.models.items() if found}


def _digests(dump: Dump) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return the digest and the fields of each table, unless an edit has changed what they mean."""
    if dump.is_edited:
        return {}
    return {entry.model: (entry.digest, entry.fields) for entry in dump.entries}


def totals(models: Mapping[str, ModelDiff], not_compared: Mapping[str, int]) -> list[str]:
    """Return a line for each model that differs, and one for the models that only one side has."""
    lines = [f"{label:<40} {model}" for label, model in models.items()]
    if not_compared:
        counts = (f"{label} ({counted(rows, 'row')})" for label, rows in not_compared.items())
        lines.append(f"Not compared, as only the database has rows: {', '.join(counts)}.")
    return lines


@contextmanager
def comparing(first: str, second: str) -> Iterator[Diff]:
    """Open two dumps to compare them: files, directories, or databases as ``database:ALIAS``.

    Of a database, the models of the other dump are compared; other models of the same apps are
    named if they have rows. Raises ``DumpyError``.
    """
    with TemporaryDirectory(prefix="dumpy-diff-") as directory:
        dumps = {given: _named(given) for given in (first, second) if not _is_alias(given)}
        labels = [label for dump in dumps.values() for label in by_model(dump.tables)]
        others: dict[str, int] = {}
        for given in filter(_is_alias, (first, second)):
            path, alias = Path(directory) / f"{len(dumps)}.py", given.removeprefix(DATABASE)
            try:
                others |= _dump(alias, labels, path)
            except DatabaseError as error:
                raise DumpyError(f"The database {alias!r} cannot be read: {error}") from error
            dumps[given] = opened(path)
        with dumps[first], dumps[second]:
            yield Diff(dumps[first], dumps[second], not_compared=others)


def opened(path: Path) -> Dump:
    """Return the dump at a path; raises ``FixtureError`` if it is a program."""
    dump = reading.open(path)
    if dump.is_program:
        raise FixtureError(dump.source.place(1), "it is a program: only data can be compared.")
    return dump


def _named(given: str) -> Dump:
    if given in connections and not Path(given).exists():
        raise DumpyError(f"{given}: there is no such file. For the database: {DATABASE}{given}")
    return opened(Path(given))


def values(dump: Dump) -> Iterator[str]:
    """Yield a line for each value of a dump, in the order of the file: for tools that need text."""
    for label, tables in by_model(dump.tables).items():
        names = names_of(tables)
        for row in keyed(tables, key_of(label, names), names):
            name = f"{label}(pk={_shown(row.key)})"
            yield from (f"{name} {field} {text}" for field, text in row.cells.items())


def _is_alias(given: str) -> bool:
    return given.startswith(DATABASE)


def _dump(alias: str, labels: Sequence[str], path: Path) -> dict[str, int]:
    """Dump the models with these labels, or all models if there are no labels, to a file.

    Returns the numbers of rows of the other models in the apps of these models.
    """
    if alias not in connections:
        aliases = ", ".join(connections)
        raise DumpyError(f"There is no database {alias!r} in DATABASES. Name one of: {aliases}.")
    every, options = select([], [], alias), Options(using=alias, all_rows=True)
    write_dump(DatabaseDump(TODAY.found(labels) if labels else every, options), path)
    app_labels = {label.partition(".")[0] for label in labels}
    others = DatabaseDump(
        [
            one
            for one in every
            if one._meta.app_label in app_labels and one._meta.label not in labels
        ],
        options,
    )
    counts = {table.label: others.count_of(table) for table in others.tables}
    return {label: count for label, count in counts.items() if count}


def _shown(key: tuple[object, ...]) -> str:
    try:
        return _WRAPPED.sub(r"\1", ", ".join(map(source, key)))
    except Unwritable:  # what a database gives need not be a value of a dump
        return ", ".join(map(repr, key))


def _shortened(one: str, other: str) -> tuple[str, str]:
    """Return two texts from where their difference is seen."""
    pairs = enumerate(zip(one, other, strict=False))
    same = next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
    start = same - _CONTEXT if same > _WIDTH - _CONTEXT else 0
    mark = "…" if start else ""
    return mark + cut(one[start:]), mark + cut(other[start:])


def cut(text: str) -> str:
    """Return a text of at most 160 characters, and an ellipsis if there were more."""
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…"
