"""The steps of a repair."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice, repeat
from typing import Any

from django.apps import apps
from django.db import connections, transaction
from django.db.models import Model, QuerySet

from dumpy.engines import engine_of
from dumpy.errors import LoadError, Place, Problem, counted
from dumpy.loading.loader import Loader
from dumpy.loading.references import Missing, References
from dumpy.loading.special import is_special
from dumpy.migrating.install import migration_of_dump
from dumpy.migrating.tables import created, migrated
from dumpy.reading import Dump, DumpedTable
from dumpy.reading.block import Row
from dumpy.repairing.choice import Choice, NoChoice
from dumpy.repairing.special import NotHere, SpecialKeys
from dumpy.schema.instances import dumped_row, new
from dumpy.schema.order import load_order
from dumpy.schema.tables import Column, Link, ModelType, Table, attribute, from_text, table_of
from dumpy.text.skeleton import Constant
from dumpy.text.words import FieldText, Natural, Unwritable, source

_PAIRS = 500
_FEW = 20

Values = Mapping[str, Any]
RowsOf = Callable[[Table, str, Callable[[Values], bool]], Iterator[Values]]


@dataclass(frozen=True)
class Target:
    """A row that is referred to: by the value of a field, or without a name by natural key."""

    model: ModelType
    name: str
    value: object


@dataclass(frozen=True)
class Picked:
    """A row of the dump that is to be restored: its values by name, its place, and why."""

    table: Table
    values: Values
    place: Place
    why: str = ""

    @property
    def key(self) -> tuple[object, ...]:
        """The values of the primary key."""
        return tuple(self.values[name] for name in self.table.key)

    def __str__(self) -> str:
        return f"{self.table.label}(pk={self.key[0] if len(self.key) == 1 else self.key!r})"

    def targets(self) -> Iterator[tuple[Column, Target]]:
        """Yield the rows that this row needs, but for those named by natural key."""
        for column in self.table.columns:
            value = self.values.get(column.name)
            is_key = value is not None and not isinstance(value, Natural | NotHere)
            if column.references is not None and is_key:
                yield column, Target(column.references, column.parent_field.attname, value)

    def lost(self) -> Iterator[tuple[str, NotHere]]:
        """Yield what leads to a special row that is not here, with its name."""
        for name, value in self.values.items():
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, NotHere):
                    yield name, one

    def problem(self, reason: str) -> Problem:
        """Return what keeps the row out."""
        pk = self.key[0] if len(self.key) == 1 else self.key
        return Problem(self.table.label, pk, self.place, reason)


@dataclass
class Outcome:
    """Rows by model label: ``restored``, ``ignored`` since they exist, and the ``problems``.

    ``notes`` are sentences about links that were left out, ``reasons`` say why rows are restored.
    """

    restored: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


class Repair:
    """Restores rows of a verified directory into the database ``using``, with what they need.

    Rows that exist are not changed.
    """

    def __init__(self, dump: Dump, using: str) -> None:
        migration = migration_of_dump(dump)
        tables = [migrated(table, migration) for table in dump.tables]
        self._data = [table for table in tables if table.create is None]
        self._code = [table for table in tables if table.create is not None]
        self._using = using
        self._loader = Loader(using)
        self._outcome = Outcome()
        self._picked: dict[tuple[str, tuple[object, ...]], Picked] = {}
        self._known: dict[Target, bool] = {}
        self._special = SpecialKeys(self._all_rows_of, using)
        self._made: set[str] = set()
        self._handlers = migration.after_load if migration is not None else []

    def run(self, choice: Choice, *, really: bool, with_children: bool = False) -> Outcome:
        """Restore in one transaction, which is rolled back after problems, and unless ``really``.

        Rows that refer to those of the choice come ``with_children``.

        Raises ``FixtureError`` for a dump that does not fit the models, also after migrators.
        """
        connection = connections[self._using]
        with transaction.atomic(using=self._using), connection.constraint_checks_disabled():
            found = self._choose(choice)
            if with_children:
                self._follow_children(found)
            self._follow(list(self._picked.values()))
            self._load()
            self._outcome.reasons += [f"{one}: {one.why}" for one in self._picked.values()]
            self._outcome.notes += self._unmade()
            if self._outcome.problems or not really:
                transaction.set_rollback(True, using=self._using)
            else:
                models = {row.table.model for row in self._picked.values()}
                engine_of(connections[self._using]).reset_sequences(models)
        return self._outcome

    def _choose(self, choice: Choice) -> list[Picked]:
        found = self._chosen(choice)
        if choice.conditions and not found:
            raise NoChoice(f"{choice.table.label}: the dump has no row with {choice}.")
        if not choice.conditions:
            self._require(choice, {row.key[0] for row in found})
        self._take_missing(found, "it was chosen.")
        return found

    def _chosen(self, choice: Choice) -> list[Picked]:
        names = {choice.table.key[0], *(one.name for one in choice.conditions)}
        if choice.keys and not choice.conditions:
            return self._pick_by(choice.table, choice.table.key[0], choice.keys)
        return list(self._pick(choice.table, names, lambda values: values in choice))

    def _take_missing(self, found: list[Picked], why: str) -> list[Picked]:
        """Take those of some rows that do not exist."""
        missing = [replace(row, why=why) for row in found if not self._exists(row)]
        for row in found[:1]:
            self._outcome.ignored[row.table.label] += len(found) - len(missing)
        return self._take(missing)

    def _follow_children(self, rows: list[Picked]) -> None:
        """Pick what refers to rows, and what refers to that, until nothing is missing."""
        tables = [table_of(model) for model in apps.get_models() if not model._meta.proxy]
        seen = {(row.table.label, row.key) for row in rows}
        while rows:
            keys: defaultdict[Target, str] = defaultdict(str)
            for row in rows:
                for target in self._names_of(row):
                    keys[target] = str(row)
            rows = []
            for table in tables:
                for column in () if is_special(table.model) else table.columns:
                    rows += self._children(table, column, keys, seen)

    def _children(
        self, table: Table, column: Column, keys: Mapping[Target, str], seen: set[Any]
    ) -> Iterator[Picked]:
        model = column.references
        if model is None or not any(target.model is model for target in keys):
            return
        to, name = column.parent_field.attname, column.name

        def parent(values: Values) -> str | None:
            value = values.get(name)
            if isinstance(value, Natural):
                _require_natural(table, model, keys)
                return keys.get(Target(model, "", value.key))
            is_key = value is not None and not isinstance(value, list | dict | NotHere)
            return keys.get(Target(model, to, value)) if is_key else None

        for row in list(self._pick(table, {name}, lambda values: parent(values) is not None)):
            if (table.label, row.key) not in seen:
                seen.add((table.label, row.key))
                self._take_missing([row], f"it refers to {parent(row.values)}.")
                yield row

    def _names_of(self, row: Picked) -> Iterator[Target]:
        """Yield all by which other rows may refer to a row."""
        for name, value in row.values.items():
            if not isinstance(value, list | dict | NotHere):
                yield Target(row.table.model, name, value)
        if hasattr(row.table.model, "natural_key"):
            yield Target(row.table.model, "", self._natural_key(row))

    def _natural_key(self, row: Picked) -> object:
        """Compute the natural key of a row; None if it cannot be, for a row that is not here."""
        own = {
            one.name: row.values[one.name] for one in row.table.columns if one.name in row.values
        }
        try:
            with transaction.atomic(using=self._using):
                instance: Any = row.table.model(**own)
                instance._state.db = self._using
                key = tuple(instance.natural_key())
                hash(key)
        except Exception:  # it is code of the project
            return None
        return key

    def _require(self, choice: Choice, found: set[object]) -> None:
        for key in sorted(choice.keys - found, key=str):
            problem = Problem(choice.table.label, key, None, "the dump has no such row.")
            self._outcome.problems.append(problem)

    def _follow(self, rows: list[Picked]) -> None:
        """Pick what rows need, and what that needs, until nothing is missing."""
        while rows:
            needed: defaultdict[tuple[ModelType, str], dict[object, str]] = defaultdict(dict)
            for row in rows:
                for _column, target in row.targets():
                    if not self._is_there(target):
                        needed[target.model, target.name].setdefault(target.value, str(row))
            rows = [
                row
                for (model, name), some in needed.items()
                for row in self._need(model, name, some)
            ]

    def _need(self, model: ModelType, name: str, wanted: Mapping[object, str]) -> list[Picked]:
        if is_special(model):
            return []
        found = [
            replace(row, why=f"{wanted[row.values[name]]} refers to it.")
            for row in self._pick_by(table_of(model), name, wanted)
        ]
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

    def _pick_by(self, table: Table, name: str, wanted: Collection[object]) -> list[Picked]:
        """Return the rows of which a field has one of some values, none of them twice.

        Few values are looked for as texts first: a person may have written them in another way.
        """

        def is_wanted(values: Values) -> bool:
            return values.get(name) in wanted

        if len(wanted) <= _FEW:
            found = list(self._pick(table, {name}, is_wanted, wanted))
            if {row.values[name] for row in found}.issuperset(wanted):
                return found
        return list(self._pick(table, {name}, is_wanted))

    def _pick(
        self,
        table: Table,
        names: Collection[str],
        is_wanted: Callable[[Values], bool],
        texts_of: Collection[object] = (),
    ) -> Iterator[Picked]:
        """Yield the rows of the dump that are wanted; nothing else of it stays in memory.

        Rows of the dump are judged by the values of the fields with these ``names``. Blocks in
        which none of the values ``texts_of`` is written are left out.
        """
        dumped = [one for one in self._data if one.label == table.label and not one.drops]
        self._loader.check(dumped)
        for one in dumped:
            some, whole = _Reader(table, one, names), _Reader(table, one)
            for row in some.rows(texts_of):
                if is_wanted(self._special.here(table, some.values(row))):
                    values = self._special.here(table, whole.values(row))
                    yield _picked(table, values, one.place(row.line))
        for instance, place in self._objects():
            if table_of(type(instance)) is table:
                values = self._special.here(table, _values_of(table, instance))
                if is_wanted(values):
                    self._made.add(table.label)
                    yield _picked(table, values, place)

    def _all_rows_of(self, model: ModelType) -> Iterator[Values]:
        table = table_of(model)
        return (row.values for row in self._pick(table, (), lambda values: True))

    def _objects(self) -> Iterator[tuple[Model, Place]]:
        """Yield what migrators make by code of rows of any model."""
        for one in self._code:
            yield from created(one)

    def _exists(self, row: Picked) -> bool:
        if any(isinstance(value, NotHere) for value in row.key):
            return False
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
        else:
            self._link_back()
        for label, counts in self._loader.report.tables.items():
            self._outcome.restored[label] += counts.inserted

    def _unmade(self) -> Iterator[str]:
        """Yield what migrators would do in a restore, and nobody does in a repair."""
        for label in sorted(self._made):
            yield (
                f"{label}: a migrator makes its rows. What it makes of the same rows for other "
                "models is not restored: name these in another call."
            )
        if self._handlers:
            yield "The after_load handlers of migrators are not run."

    def _link_back(self) -> None:
        restored: defaultdict[ModelType, set[object]] = defaultdict(set)
        for row in self._picked.values():
            if len(row.key) == 1:
                restored[row.table.model].add(row.key[0])
        links = BackLinks(self._rows_of, self._using)
        for model, keys in restored.items():
            self._outcome.notes += links.restore(model, keys)

    def _rows_of(
        self, table: Table, name: str, is_wanted: Callable[[Values], bool]
    ) -> Iterator[Values]:
        return (row.values for row in self._pick(table, {name}, is_wanted))

    def _misses(self, row: Picked) -> bool:
        """Note what a row needs that is nowhere; return whether there is anything."""
        missing = [
            f"{column.name}={target.value!r} refers to a row of {target.model._meta.label} that "
            "is neither in the database nor in the dump."
            for column, target in row.targets()
            if getattr(column.field, "db_constraint", True) and not self._is_there(target)
        ]
        missing += [
            f"{name}={lost.value!r} {lost.reason}"
            for name, lost in row.lost()
            if not (lost.is_named and isinstance(row.values[name], list))
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
            named = "; ".join(one.row for name, one in row.lost() if name == link.name)
            self._outcome.notes.append(
                f"{row.table.label}(pk={row.key[0]!r}): {lost} of {len(values)} links of "
                f"{link.name} are left out, since the rows that they lead to do not exist"
                f"{': ' if named else ''}{named}."
            )
        return there

    def _is_linkable(self, column: Column, value: Any) -> bool:
        if isinstance(value, NotHere):
            return False
        if type(value) is Natural:
            return self._loader.references.is_there(value)
        assert column.references is not None
        python = column.target.to_python(value)
        return self._is_there(Target(column.references, column.parent_field.attname, python))


def _require_natural(table: Table, model: ModelType, keys: Mapping[Target, str]) -> None:
    """Raise ``NoChoice`` if the natural key of a row is not known, which others may refer to."""
    if row := keys.get(Target(model, "", None)):
        raise NoChoice(
            f"--with-children: rows of {table.label} refer to {model._meta.label} by natural key, "
            f"and that of {row} cannot be computed while rows are missing. Restore {row} first, "
            "without --with-children."
        )


def _picked(table: Table, values: Mapping[str, Any], place: Place) -> Picked:
    if not set(table.key) <= values.keys():
        raise NoChoice(
            f"{place}: the row of {table.label} has no primary key, so repair cannot tell whether "
            "it exists. Restore the whole dump."
        )
    return Picked(table, values, place)


class _Reader:
    """Reads rows by the names of columns and links, keys as Python's; of some ``names`` only."""

    def __init__(
        self, table: Table, dumped: DumpedTable, names: Collection[str] | None = None
    ) -> None:
        self._dumped = dumped
        links = {link.name for link in table.links}
        self._fields: list[tuple[str, Column | None, int | Constant]] = []
        for name, where in dumped.fields.items():
            column = None if name in links else table.column(name)
            own = name if column is None else column.name
            if names is None or own in names:
                self._fields.append((own, column, where))

    def values(self, row: Row) -> dict[str, Any]:
        """Return the values of a row."""
        found: dict[str, Any] = {}
        for name, column, where in self._fields:
            value = row.values[where] if isinstance(where, int) else where.value
            found[name] = value if column is None else _value(column, value)
        return found

    def rows(self, values: Collection[object] = ()) -> Iterator[Row]:
        """Yield the rows, at least those in which the first of the fields has one of some values.

        Blocks in which none of these is written as dumpy does it are left out.
        """
        for block in self._dumped.blocks(self._words(values)):
            yield from block.rows()

    def _words(self, values: Collection[object]) -> list[str]:
        where = self._fields[0][2] if self._fields else None
        if not isinstance(where, int):
            return []
        before = " " if where else "("
        try:
            texts = [f"{before}{source(value)}" for value in values]
        except Unwritable:
            return []
        return [f"{text}{after}" for text in texts for after in ",)"]


def _values_of(table: Table, instance: Model) -> dict[str, Any]:
    """The values that an object was given, by the names of columns and links."""
    row = dumped_row(instance)
    named: dict[str, Any] = {**row.references, **row.links} if row else {}
    own = {column.name: attribute(column, instance) for column in table.columns}
    if instance.pk is None:
        own = {name: value for name, value in own.items() if name not in table.key}
    return {**own, **named}


def _value(column: Column, value: Any) -> Any:
    if isinstance(value, FieldText):
        return from_text(column, value.text)
    is_key = column.references is not None or column.field.primary_key
    if is_key and value is not None and type(value) is not Natural:
        return column.target.to_python(value)
    return value


class BackLinks:
    """Links rows that are there with restored ones, as they were linked in the dump.

    ``rows_of`` gives the rows of a table in the dump that are wanted.
    """

    def __init__(self, rows_of: RowsOf, using: str) -> None:
        self._rows_of = rows_of
        self._using = using
        self._references = References(using)

    def restore(self, model: ModelType, restored: Collection[object]) -> Iterator[str]:
        """Link what led to the restored rows of a model; yield sentences that say how much."""
        for table, link in _links_to(model):
            wanted, made = Counter[object](), Counter[object]()
            for pairs in self._pairs(table, link, restored):
                wanted.update(target for _source, target in pairs)
                made.update(self._made(link, pairs))
            for target, count in wanted.items():
                row = f"{model._meta.label}(pk={target!r})"
                yield f"{row}: {_said(made[target], count, f'{table.label}.{link.name}')}"

    def _pairs(
        self, table: Table, link: Link, restored: Collection[object]
    ) -> Iterator[list[tuple[object, object]]]:
        """The links of the dump that lead to restored rows, from others, some at a time."""

        def targets(values: Values) -> Iterable[object]:
            keys = map(self._key_of, repeat(link), values.get(link.name, ()))
            return (key for key in keys if key in restored)

        is_own = table.model is link.target.references
        found = (
            (values[table.key[0]], target)
            for values in self._rows_of(table, link.name, lambda values: any(targets(values)))
            if not (is_own and values[table.key[0]] in restored)
            for target in targets(values)
        )
        while pairs := list(islice(found, _PAIRS)):
            yield pairs

    def _key_of(self, link: Link, value: Any) -> object:
        """Return the key of a row that is linked, None for a natural key that leads nowhere."""
        if not isinstance(value, Natural):
            return link.target.target.to_python(value)
        try:
            return self._references.resolve(value, link.target.parent_field.attname)
        except Missing:
            return None

    def _made(self, link: Link, pairs: list[tuple[object, object]]) -> Iterator[object]:
        """Make the links of rows that are there; yield the restored row of each."""
        source, target = link.source, link.target
        keys = {key for key, _target in pairs}
        rows: QuerySet[Any] = QuerySet(source.references, using=self._using)
        there = set(rows.filter(pk__in=keys).values_list("pk", flat=True))
        through: QuerySet[Any] = QuerySet(link.through, using=self._using)
        old = through.filter(**{f"{source.name}__in": keys}).values_list(source.name, target.name)
        linked = set(old)
        pairs = [pair for pair in pairs if pair[0] in there]
        through.bulk_create(
            link.through(**{source.name: pair[0], target.name: pair[1]})
            for pair in dict.fromkeys(pairs)
            if pair not in linked
        )
        return (target for _source, target in pairs)


def _links_to(model: ModelType) -> Iterator[tuple[Table, Link]]:
    for one in apps.get_models():
        for link in () if one._meta.proxy else table_of(one).links:
            if link.target.references is model:
                yield table_of(one), link


def _said(made: int, count: int, name: str) -> str:
    verb = "is" if made == 1 else "are"
    if made == count:
        return f"{counted(count, 'link')} of {name} {verb} restored."
    return (
        f"{made} of {counted(count, 'link')} of {name} {verb} restored; the rows with the others "
        "do not exist."
    )
