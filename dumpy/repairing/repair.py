"""The steps of a repair."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.management.color import no_style
from django.db import connections, transaction
from django.db.models import QuerySet

from dumpy.dump import FieldText, Natural, new
from dumpy.errors import LoadError, Place, Problem
from dumpy.loading.loader import Loader
from dumpy.loading.sequences import with_positive_keys
from dumpy.loading.special import is_special
from dumpy.reading.directory import Directory
from dumpy.reading.fixture import Row, TableRows
from dumpy.repairing.choice import Choice
from dumpy.schema.order import load_order
from dumpy.schema.tables import Column, Link, ModelType, Table, from_text, table_of


@dataclass(frozen=True)
class Target:
    """A row that is referred to: by the value of one of its fields."""

    model: ModelType
    name: str
    value: object


@dataclass(frozen=True)
class Picked:
    """A row of the dump that is to be restored: its values by name, and its place."""

    table: Table
    values: Mapping[str, Any]
    place: Place

    @property
    def key(self) -> tuple[object, ...]:
        """The values of the primary key."""
        return tuple(self.values[name] for name in self.table.key)

    def targets(self) -> Iterator[tuple[Column, Target]]:
        """Yield the rows that this row needs, but for those named by natural key."""
        for column in self.table.columns:
            value = self.values.get(column.name)
            if column.references is not None and value is not None and type(value) is not Natural:
                yield column, Target(column.references, column.parent_field.attname, value)

    def problem(self, reason: str) -> Problem:
        """Return what keeps the row out."""
        pk = self.key[0] if len(self.key) == 1 else self.key
        return Problem(self.table.label, pk, self.place, reason)


@dataclass
class Outcome:
    """Rows by model label: ``restored``, ``ignored`` since they exist, and the ``problems``.

    ``notes`` are sentences about links that were left out.
    """

    restored: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Repair:
    """Restores rows of a verified directory into the database ``using``, with what they need.

    Rows that exist are not changed.
    """

    def __init__(self, directory: Directory, using: str) -> None:
        self._tables = directory.tables()
        self._using = using
        self._loader = Loader(using)
        self._outcome = Outcome()
        self._picked: dict[tuple[str, tuple[object, ...]], Picked] = {}
        self._known: dict[Target, bool] = {}

    def run(self, choice: Choice, *, really: bool) -> Outcome:
        """Restore in one transaction, which is rolled back after problems, and unless ``really``.

        Raises ``FixtureError`` for a dump that does not fit the models.
        """
        connection = connections[self._using]
        with transaction.atomic(using=self._using), connection.constraint_checks_disabled():
            self._follow(self._choose(choice))
            self._load()
            if self._outcome.problems or not really:
                transaction.set_rollback(True, using=self._using)
            else:
                self._reset_sequences()
        return self._outcome

    def _choose(self, choice: Choice) -> list[Picked]:
        found = list(self._pick(choice.table, lambda values: values in choice))
        if not choice.values:
            self._require(choice, {row.key[0] for row in found})
        chosen = [row for row in found if not self._exists(row)]
        self._outcome.ignored[choice.table.label] += len(found) - len(chosen)
        return self._take(chosen)

    def _require(self, choice: Choice, found: set[object]) -> None:
        for key in sorted(choice.keys - found, key=str):
            problem = Problem(choice.table.label, key, None, "the dump has no such row.")
            self._outcome.problems.append(problem)

    def _follow(self, rows: list[Picked]) -> None:
        """Pick what rows need, and what that needs, until nothing is missing."""
        while rows:
            needed: defaultdict[tuple[ModelType, str], set[object]] = defaultdict(set)
            for target in {target for row in rows for _column, target in row.targets()}:
                if target not in self._known and not self._is_there(target):
                    needed[target.model, target.name].add(target.value)
            rows = [
                row
                for (model, name), some in needed.items()
                for row in self._need(model, name, some)
            ]

    def _need(self, model: ModelType, name: str, wanted: set[object]) -> list[Picked]:
        if is_special(model):
            return []
        found = list(self._pick(table_of(model), lambda values: values.get(name) in wanted))
        self._known.update({Target(model, name, row.values[name]): True for row in found})
        return self._take(found)

    def _take(self, rows: list[Picked]) -> list[Picked]:
        new_rows = {(row.table.label, row.key): row for row in rows}
        new_rows = {key: row for key, row in new_rows.items() if key not in self._picked}
        self._picked.update(new_rows)
        for row in new_rows.values():
            if len(row.key) == 1:
                self._known[Target(row.table.model, row.table.key[0], row.key[0])] = True
        return list(new_rows.values())

    def _pick(
        self, table: Table, is_wanted: Callable[[Mapping[str, Any]], bool]
    ) -> Iterator[Picked]:
        """Yield the rows of the dump that are wanted; nothing else of it stays in memory."""
        dumped = [one for one in self._tables if one.label == table.label and not one.drops]
        self._loader.check(dumped)
        for one in dumped:
            for row in one.rows():
                values = _values(table, one, row)
                if is_wanted(values):
                    yield Picked(table, values, one.place(row.line))

    def _exists(self, row: Picked) -> bool:
        query: QuerySet[Any] = QuerySet(row.table.model, using=self._using)
        key = dict(zip(row.table.key, row.key, strict=True))
        return bool(query.filter(**key).exists())

    def _is_there(self, target: Target) -> bool:
        """Whether a row is in the database, or will be."""
        if target not in self._known:
            query: QuerySet[Any] = QuerySet(target.model, using=self._using)
            self._known[target] = query.filter(**{target.name: target.value}).exists()
        return self._known[target]

    def _load(self) -> None:
        tables = load_order({row.table.model for row in self._picked.values()})
        for table in tables:
            for row in self._picked.values():
                if row.table is table and not self._misses(row):
                    self._save(row)
        try:
            self._loader.finish()
        except LoadError as error:
            self._outcome.problems += error.problems
        for label, counts in self._loader.report.tables.items():
            self._outcome.restored[label] += counts.inserted

    def _misses(self, row: Picked) -> bool:
        """Note what a row needs that is nowhere; return whether there is anything."""
        missing = [
            f"{column.name}={target.value!r} refers to a row of {target.model._meta.label} that is "
            "neither here nor in the dump."
            for column, target in row.targets()
            if getattr(column.field, "db_constraint", True) and not self._is_there(target)
        ]
        self._outcome.problems += map(row.problem, missing)
        return bool(missing)

    def _save(self, row: Picked) -> None:
        links = {
            link.name: self._linked(row, link)
            for link in row.table.links
            if link.name in row.values
        }
        self._loader.save(new(row.table.model, **{**row.values, **links}), row.place)

    def _linked(self, row: Picked, link: Link) -> list[object]:
        values = row.values[link.name]
        there = [value for value in values if self._is_linkable(link.target, value)]
        if len(there) < len(values):
            lost = len(values) - len(there)
            self._outcome.notes.append(
                f"{row.table.label}(pk={row.key[0]!r}): {lost} of {len(values)} links of "
                f"{link.name} are left out, since the rows that they lead to do not exist."
            )
        return there

    def _is_linkable(self, column: Column, value: Any) -> bool:
        if type(value) is Natural:
            return self._loader.references.is_there(value)
        assert column.references is not None
        python = column.target.to_python(value)
        return self._is_there(Target(column.references, column.parent_field.attname, python))

    def _reset_sequences(self) -> None:
        connection = connections[self._using]
        models = with_positive_keys({row.table.model for row in self._picked.values()}, self._using)
        with connection.cursor() as cursor:
            for statement in connection.ops.sequence_reset_sql(no_style(), list(models)):
                cursor.execute(statement)


def _values(table: Table, dumped: TableRows, row: Row) -> dict[str, Any]:
    """The values of a row by the names of columns and links, keys as Python's."""
    links = {link.name for link in table.links}
    found: dict[str, Any] = {}
    for name, where in dumped.fields.items():
        value = row.values[where] if isinstance(where, int) else where.value
        if name in links:
            found[name] = value
        else:
            column = table.column(name)
            found[column.name] = _value(column, value)
    return found


def _value(column: Column, value: Any) -> Any:
    if isinstance(value, FieldText):
        return from_text(column, value.text)
    is_key = column.references is not None or column.field.primary_key
    if is_key and value is not None and type(value) is not Natural:
        return column.target.to_python(value)
    return value
