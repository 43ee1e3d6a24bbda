"""The steps of a repair: which rows of a dump are missing, and their way through the loader."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from django.apps import apps
from django.db import connections, transaction
from django.db.models import Model, QuerySet

from dumpy.engines import engine_of
from dumpy.errors import LoadError, Place, Problem, RowRef, counted
from dumpy.loading.loader import Loader
from dumpy.loading.references import Missing, RowKey
from dumpy.migrating.install import migration_of_dump
from dumpy.migrating.tables import created, migrated
from dumpy.reading import Dump, DumpedTable
from dumpy.reading.dump import Row
from dumpy.repairing.choice import Choice, NoChoice
from dumpy.repairing.special import NotHere, SpecialKeys
from dumpy.schema.instances import dumped_row, new
from dumpy.schema.references import load_order
from dumpy.schema.tables import (
    Column,
    Link,
    ModelType,
    Table,
    attribute,
    from_text,
    is_special,
    table_of,
)
from dumpy.text.skeleton import Constant
from dumpy.text.words import FieldText, Natural, Unwritable, source

_PAIRS = 500
_FEW = 20

Values = Mapping[str, Any]
Wanted = Callable[[Values], bool]
_Field = tuple[str, Column | None, int | Constant]


@dataclass(frozen=True)
class Picked:
    """A row of the dump that may be restored: its values by name, its place, and why."""

    table: Table
    values: Values
    place: Place
    why: str = ""

    @property
    def key(self) -> tuple[object, ...]:
        """The values of the primary key."""
        return tuple(self.values[name] for name in self.table.key)

    @property
    def pk(self) -> object:
        """The primary key."""
        return self.key[0] if len(self.key) == 1 else self.key

    def __str__(self) -> str:
        return f"{self.table.label}(pk={self.pk!r})"

    def targets(self) -> Iterator[tuple[Column, RowKey]]:
        """Yield the rows that this row needs, but for those named by natural key."""
        for column in self.table.columns:
            value = self.values.get(column.name)
            is_key = value is not None and not isinstance(value, Natural | NotHere)
            if column.references is not None and is_key:
                yield column, RowKey(column.references, column.parent_field.attname, value)

    @property
    def ref(self) -> RowRef:
        """What names the row."""
        return RowRef(self.table.label, self.pk, self.place)


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
    """Restores rows of a verified dump into the database ``using``, with what they need.

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
        self._coming: set[RowKey] = set()
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
        table, key = choice.table, choice.table.key[0]
        if choice.conditions:
            names = {key, *(one.name for one in choice.conditions)}
            found = list(self._pick(table, names, lambda values: values in choice))
            if not found:
                raise NoChoice(f"{table.label}: the dump has no row with {choice}.")
        else:
            found = self._pick_by(table, key, choice.keys)
            for lost in sorted(choice.keys - {row.key[0] for row in found}, key=str):
                ref = RowRef(table.label, lost)
                self._outcome.problems.append(Problem(ref, "the dump has no such row."))
        self._take_missing(found, "it was chosen.")
        return found

    def _take_missing(self, found: list[Picked], why: str) -> None:
        """Take those of some rows that do not exist."""
        for row in found:
            if self._exists(row):
                self._outcome.ignored[row.table.label] += 1
            else:
                self._take(replace(row, why=why))

    def _take(self, row: Picked) -> bool:
        """Take a row to be restored; return whether that is new."""
        is_new = (row.table.label, row.key) not in self._picked
        if is_new:
            self._picked[row.table.label, row.key] = row
            if len(row.key) == 1:
                self._coming.add(RowKey(row.table.model, row.table.key[0], row.key[0]))
        return is_new

    def _follow_children(self, rows: list[Picked]) -> None:
        """Pick what refers to rows, and what refers to that, until nothing is missing."""
        tables = [table_of(one) for one in apps.get_models() if not one._meta.proxy]
        seen = {(row.table.label, row.key) for row in rows}
        while rows:
            keys = {
                RowKey(row.table.model, name, value): str(row)
                for row in rows
                for name, value in row.values.items()
                if not isinstance(value, list | dict | NotHere)
            }
            rows = [
                child
                for table in tables
                if not is_special(table.model)
                for column in table.columns
                for child in self._children(table, column, keys, seen)
            ]

    def _children(
        self, table: Table, column: Column, keys: Mapping[RowKey, str], seen: set[Any]
    ) -> Iterator[Picked]:
        model = column.references
        if model is None or not any(key.model is model for key in keys):
            return
        to, name = column.parent_field.attname, column.name

        def parent(values: Values) -> str | None:
            value = values.get(name)
            if isinstance(value, Natural):
                raise NoChoice(
                    f"--with-children: rows of {table.label} refer to {model._meta.label} by "
                    f"natural key. Choose them: manage.py repair PATH {table.label} "
                    f"--where {column.field.name}=KEY, the parts of the natural key with dots."
                )
            is_key = value is not None and not isinstance(value, list | dict | NotHere)
            return keys.get(RowKey(model, to, value)) if is_key else None

        for row in list(self._pick(table, {name}, lambda values: parent(values) is not None)):
            if (table.label, row.key) not in seen:
                seen.add((table.label, row.key))
                self._take_missing([row], f"it refers to {parent(row.values)}.")
                yield row

    def _follow(self, rows: list[Picked]) -> None:
        """Pick what rows need, and what that needs, until nothing is missing."""
        while rows:
            needed: defaultdict[tuple[ModelType, str], dict[object, str]] = defaultdict(dict)
            for row in rows:
                for _column, key in row.targets():
                    if not (self._is_there(key) or is_special(key.model)):
                        needed[key.model, key.name].setdefault(key.value, str(row))
            rows = []
            for (model, name), wanted in needed.items():
                for row in self._pick_by(table_of(model), name, wanted):
                    value = row.values[name]
                    self._coming.add(RowKey(model, name, value))
                    taken = replace(row, why=f"{wanted[value]} refers to it.")
                    rows += [taken] if self._take(taken) else []

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
        is_wanted: Wanted,
        texts_of: Collection[object] = (),
    ) -> Iterator[Picked]:
        """Yield the rows of the dump that are wanted; nothing else of it stays in memory.

        Rows of the dump are judged by the values of the fields with these ``names``. Blocks in
        which none of the values ``texts_of`` is written are left out.
        """
        dumped = [one for one in self._data if one.label == table.label and not one.drops]
        self._loader.check(dumped)
        for one in dumped:
            whole = _fields_of(table, one)
            some = [known for known in whole if known[0] in names]
            for block in one.blocks(_words(some, texts_of)):
                for row in block.rows():
                    if is_wanted(self._special.here(table, _values(some, row))):
                        values = self._special.here(table, _values(whole, row))
                        yield _picked(table, values, one.place(row.line))
        for made in self._code:
            for instance, place in created(made):
                model: ModelType = type(instance)
                if table_of(model) is table:
                    values = self._special.here(table, _values_of(table, instance))
                    if is_wanted(values):
                        self._made.add(table.label)
                        yield _picked(table, values, place)

    def _all_rows_of(self, model: ModelType) -> Iterator[Values]:
        table = table_of(model)
        return (row.values for row in self._pick(table, (), lambda values: True))

    def _exists(self, row: Picked) -> bool:
        if any(isinstance(value, NotHere) for value in row.key):
            return False
        query: QuerySet[Any] = QuerySet(row.table.model, using=self._using)
        return bool(query.filter(**dict(zip(row.table.key, row.key, strict=True))).exists())

    def _is_there(self, key: RowKey) -> bool:
        """Whether a row is in the database, or will be."""
        return key in self._coming or self._loader.references.exists(key)

    def _load(self) -> None:
        for table in load_order({row.table.model for row in self._picked.values()}):
            for row in self._picked.values():
                if row.table is not table:
                    continue
                if missing := list(self._missing(row)):
                    self._outcome.problems += missing
                else:
                    links = {one.name: self._linked(row, one) for one in table.links}
                    links = {name: links[name] for name in links.keys() & row.values.keys()}
                    self._loader.save(new(table.model, **{**row.values, **links}), row.place)
        try:
            self._loader.finish()
        except LoadError as error:
            self._outcome.problems += error.problems
        else:
            self._link_back()
        for label, counts in self._loader.report.tables.items():
            self._outcome.restored[label] += counts.inserted

    def _missing(self, row: Picked) -> Iterator[Problem]:
        """Yield a problem for each row that a row needs, and that is nowhere.

        A loader of objects leaves that to the database, which has to be asked about few rows here.
        """
        for column, key in row.targets():
            if getattr(column.field, "db_constraint", True) and not self._is_there(key):
                yield Problem(
                    row.ref,
                    f"{column.name}={key.value!r} refers to a row of {key.model._meta.label} that "
                    "is neither in the database nor in the dump.",
                    "reference",
                    column.field.name,
                )
        for name, value in row.values.items():
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, NotHere) and not (one.is_named and isinstance(value, list)):
                    reason = f"{name}={one.value!r} {one.reason}"
                    yield Problem(row.ref, reason, "reference", name)

    def _linked(self, row: Picked, link: Link) -> list[object]:
        values = row.values.get(link.name, [])
        there = [value for value in values if self._is_linkable(link.target, value)]
        if len(there) < len(values):
            lost = len(values) - len(there)
            named = "; ".join(value.row for value in values if isinstance(value, NotHere))
            self._outcome.notes.append(
                f"{row}: {lost} of {len(values)} links of {link.name} are left out, since the rows "
                f"that they lead to do not exist{': ' if named else ''}{named}."
            )
        return there

    def _is_linkable(self, column: Column, value: Any) -> bool:
        if isinstance(value, NotHere):
            return False
        if isinstance(value, Natural):
            return self._loader.references.is_there(value)
        assert column.references is not None
        python = column.target.to_python(value)
        return self._is_there(RowKey(column.references, column.parent_field.attname, python))

    def _link_back(self) -> None:
        """Link rows that are there with restored ones, as they were linked in the dump."""
        for model in apps.get_models():
            for link in () if model._meta.proxy else table_of(model).links:
                restored = {
                    row.key[0]
                    for row in self._picked.values()
                    if row.table.model is link.target.references
                }
                pairs = self._pairs(table_of(model), link, restored)
                made = count = 0
                while some := list(islice(pairs, _PAIRS)):
                    count += len(some)
                    made += _made(link, some, self._using)
                if count:
                    links = f"{counted(count, 'link')} of {model._meta.label}.{link.name}"
                    rest = "" if made == count else "; the rows with the others do not exist"
                    self._outcome.notes.append(
                        f"{made} of {links} to restored rows {'is' if made == 1 else 'are'} "
                        f"restored{rest}."
                    )

    def _pairs(
        self, table: Table, link: Link, restored: Collection[object]
    ) -> Iterator[tuple[object, object]]:
        """Yield the links of the dump that lead to restored rows, from others."""

        def targets(values: Values) -> list[object]:
            keys = (self._key_of(link, value) for value in values.get(link.name, ()))
            return [key for key in keys if key in restored]

        is_own = table.model is link.target.references
        for row in self._pick(table, {link.name}, lambda v: bool(targets(v))) if restored else ():
            if not (is_own and row.key[0] in restored):
                yield from ((row.key[0], target) for target in targets(row.values))

    def _key_of(self, link: Link, value: Any) -> object:
        """Return the key of a row that is linked, None for a natural key that leads nowhere."""
        if not isinstance(value, Natural):
            return link.target.target.to_python(value)
        try:
            return self._loader.references.resolve(value, link.target.parent_field.attname)
        except Missing:
            return None

    def _unmade(self) -> Iterator[str]:
        """Yield what migrators would do in a restore, and nobody does in a repair."""
        for label in sorted(self._made):
            yield (
                f"{label}: a migrator makes its rows. What it makes of the same rows for other "
                "models is not restored: name these in another call."
            )
        if self._handlers:
            yield "The after_load handlers of migrators are not run."


def _picked(table: Table, values: Values, place: Place) -> Picked:
    if not set(table.key) <= values.keys():
        raise NoChoice(
            f"{place}: the row of {table.label} has no primary key, so repair cannot tell whether "
            "it exists. Restore the whole dump."
        )
    return Picked(table, values, place)


def _fields_of(table: Table, dumped: DumpedTable) -> list[_Field]:
    """Return the names of columns and links, and where their values are, the first one first."""
    links = {link.name for link in table.links}
    found: list[_Field] = []
    for name, where in dumped.fields.items():
        column = None if name in links else table.column(name)
        found.append((name if column is None else column.name, column, where))
    return found


def _values(known: Iterable[_Field], row: Row) -> dict[str, Any]:
    """Return values of a row, keys as Python's."""
    return {
        name: _value(column, row.values[where] if isinstance(where, int) else where.value)
        for name, column, where in known
    }


def _value(column: Column | None, value: Any) -> Any:
    if column is None:
        return value
    if isinstance(value, FieldText):
        return from_text(column, value.text)
    is_key = column.references is not None or column.field.primary_key
    if is_key and value is not None and type(value) is not Natural:
        return column.target.to_python(value)
    return value


def _values_of(table: Table, instance: Model) -> dict[str, Any]:
    """The values that an object was given, by the names of columns and links."""
    row = dumped_row(instance)
    named: dict[str, Any] = {**row.references, **row.links} if row else {}
    own = {column.name: attribute(column, instance) for column in table.columns}
    if instance.pk is None:
        own = {name: value for name, value in own.items() if name not in table.key}
    return {**own, **named}


def _words(known: Iterable[_Field], values: Collection[object]) -> list[str]:
    """Return how dumpy writes values of the first of some fields, with what is around them."""
    where = next((where for _name, _column, where in known), None)
    if not isinstance(where, int):
        return []
    try:
        texts = [f"{' ' if where else '('}{source(value)}" for value in values]
    except Unwritable:
        return []
    return [f"{text}{after}" for text in texts for after in ",)"]


def _made(link: Link, pairs: list[tuple[object, object]], using: str) -> int:
    """Make the links of rows that are there, and return how many there are now."""
    start, target = link.source, link.target
    keys = {key for key, _target in pairs}
    rows: QuerySet[Any] = QuerySet(start.references, using=using)
    there = set(rows.filter(pk__in=keys).values_list("pk", flat=True))
    through: QuerySet[Any] = QuerySet(link.through, using=using)
    old = through.filter(**{f"{start.name}__in": keys}).values_list(start.name, target.name)
    linked = set(old)
    pairs = [pair for pair in pairs if pair[0] in there]
    through.bulk_create(
        link.through(**{start.name: pair[0], target.name: pair[1]})
        for pair in dict.fromkeys(pairs)
        if pair not in linked
    )
    return len(pairs)
