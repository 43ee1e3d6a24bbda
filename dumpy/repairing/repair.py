"""The steps of a repair: which rows of a dump are missing, and their way through the loader."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import connections, transaction
from django.db.models import Model, QuerySet

from dumpy.engines import engine_of
from dumpy.errors import DumpyError, LoadError, Place, Problem, RowRef, counted
from dumpy.loading.batches import Layout
from dumpy.loading.loader import Loader
from dumpy.loading.references import MissingRow, RowKey
from dumpy.loading.registry import TODAY
from dumpy.migrating.tables import MigratedDump, created
from dumpy.reading import Dump, DumpedTable
from dumpy.reading.dump import Row
from dumpy.repairing.choice import Choice, NoChoice
from dumpy.repairing.special import NotHere, SpecialKeys
from dumpy.schema.instances import dumped_row, new
from dumpy.schema.references import GenericKey, generic_keys_of, load_order
from dumpy.schema.tables import (
    Column,
    Link,
    ModelType,
    Table,
    attribute,
    chunks,
    from_text,
    is_special,
    single,
    table_of,
)
from dumpy.text.words import FieldText, Natural, Unwritable, source

_FEW = 20
_NO_KEYS = (Natural, NotHere, list, dict)

_CHOSEN = "it was chosen."

Values = Mapping[str, Any]
Wanted = Callable[[Values], str]
"""Why a row with some values is wanted, ``""`` if it is not."""


@dataclass(frozen=True)
class Picked:
    """A row of the dump that may be restored: its values by name, its place, and why.

    ``is_made`` says that code of migrators has made it.
    """

    table: Table
    values: Values
    place: Place
    why: str
    is_made: bool = False

    @property
    def key(self) -> tuple[object, ...]:
        """The values of the primary key."""
        return tuple(self.values[name] for name in self.table.key)

    @property
    def pk(self) -> object:
        """The primary key."""
        return single(self.key)

    def __str__(self) -> str:
        return f"{self.table.label}(pk={self.pk!r})"

    def targets(self) -> Iterator[tuple[Column, RowKey]]:
        """Yield the rows that this row needs, but for those named by natural key."""
        for column in self.table.columns:
            if (key := _target(column, self.values)) is not None:
                yield column, key

    def generic_targets(self) -> Iterator[RowKey]:
        """Yield the rows that generic foreign keys of this row lead to."""
        for generic in generic_keys_of(self.table):
            if (key := _generic_target(generic, self.values)) is not None:
                yield key

    @property
    def ref(self) -> RowRef:
        """What names the row."""
        return RowRef(self.table.label, self.pk, self.place)


@dataclass
class Outcome:
    """What was restored, or would be.

    Attributes:
        restored, ignored: how many rows of each model are restored, or exist.
        children: how many rows of each model refer to restored rows, where they were not asked for.
        notes: sentences about links that were left out; ``reasons``: why rows are restored.
    """

    restored: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    children: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


class Repair:
    """Restores rows of a verified dump into the database ``using``, with what they need.

    Rows that exist are not changed.
    """

    def __init__(self, dump: Dump, using: str) -> None:
        self._dump = MigratedDump(dump)
        self._dump.migrate()
        self._using = using
        self._loader = Loader(using)
        self._outcome = Outcome()
        self._picked: dict[tuple[str, tuple[object, ...]], Picked] = {}
        self._coming: set[RowKey] = set()
        self._special = SpecialKeys(self._all_rows_of, using)

    def run(self, choice: Choice, *, really: bool, with_children: bool = False) -> Outcome:
        """Restore in one transaction, which is rolled back after problems, and unless ``really``.

        Rows that refer to those of the choice come ``with_children``.

        Raises ``FixtureError`` for a dump that does not fit the models, also after migrators.
        """
        connection = connections[self._using]
        with transaction.atomic(using=self._using), connection.constraint_checks_disabled():
            found = self._choose(choice)
            missing = [row for row in found if self._take(row)]
            if with_children:
                seen = {(row.table.label, row.key) for row in found}
                while found:
                    found = list(self._children(found, seen))
                    for row in found:
                        self._take(row)
            elif not really:
                with suppress(DumpyError):  # Tables that are not restored need not fit.
                    children = self._children(missing, set(self._picked), is_strict=False)
                    self._outcome.children.update(row.table.label for row in children)
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
            found = list(self._pick(table, names, lambda row: _CHOSEN if row in choice else ""))
            if not found:
                raise NoChoice(f"{table.label}: the dump has no row with {choice}.")
            return found
        found = self._pick_by(table, key, dict.fromkeys(choice.keys, _CHOSEN))
        for lost in sorted(choice.keys - {row.key[0] for row in found}, key=str):
            ref = RowRef(table.label, lost)
            self._outcome.problems.append(Problem(ref, "the dump has no such row."))
        return found

    def _take(self, row: Picked) -> bool:
        """Take a row to be restored if it is missing; return whether that is new."""
        if (row.table.label, row.key) in self._picked:
            return False
        is_here = not any(isinstance(value, NotHere) for value in row.key)
        query: QuerySet[Any] = QuerySet(row.table.model, using=self._using)
        if is_here and query.filter(**dict(zip(row.table.key, row.key, strict=True))).exists():
            self._outcome.ignored[row.table.label] += 1
            return False
        self._picked[row.table.label, row.key] = row
        if len(row.key) == 1:
            self._coming.add(RowKey(row.table.model, row.table.key[0], row.key[0]))
        return True

    def _children(
        self, rows: list[Picked], seen: set[Any], *, is_strict: bool = True
    ) -> Iterator[Picked]:
        """Yield the rows of the dump that refer to some rows, but for those that were ``seen``.

        Raises ``NoChoice`` for rows that refer by natural key, if it ``is_strict``.
        """
        parents = {
            RowKey(row.table.model, name, value): f"it refers to {row}."
            for row in rows
            for name, value in row.values.items()
            if not isinstance(value, _NO_KEYS)
        }
        models = {row.table.model for row in rows}
        for table in {table_of(model): None for model in apps.get_models()}:
            columns = [one for one in table.columns if one.references in models]
            generic = list(generic_keys_of(table))
            if not (columns or generic) or is_special(table.model):
                continue
            why = partial(_why_child, table, columns, generic, parents, is_strict)
            names = {column.name for column in columns}
            names |= {
                column.name for one in generic for column in (one.content_type, one.object_id)
            }
            for row in self._pick(table, names, why):
                if (table.label, row.key) not in seen:
                    seen.add((table.label, row.key))
                    yield row

    def _follow(self, rows: list[Picked]) -> None:
        """Pick what rows need, and what that needs, until nothing is missing."""
        while rows:
            needed: defaultdict[tuple[ModelType, str], dict[object, str]] = defaultdict(dict)
            for row in rows:
                keys = [*(key for _column, key in row.targets()), *row.generic_targets()]
                for key in keys:
                    if not (self._is_there(key) or is_special(key.model)):
                        why = f"{row} refers to it."
                        needed[key.model, key.name].setdefault(key.value, why)
            rows = []
            for (model, name), wanted in needed.items():
                for row in self._pick_by(table_of(model), name, wanted):
                    if self._take(row):
                        self._coming.add(RowKey(model, name, row.values[name]))
                        rows.append(row)

    def _pick_by(self, table: Table, name: str, wanted: Mapping[object, str]) -> list[Picked]:
        """Return the rows of which a field has one of some values, none of them twice.

        Few values are looked for as texts first: a person may have written them in another way.
        """

        def why(values: Values) -> str:
            return wanted.get(values.get(name), "")

        if len(wanted) <= _FEW:
            found = list(self._pick(table, {name}, why, wanted))
            if {row.values[name] for row in found}.issuperset(wanted):
                return found
        return list(self._pick(table, {name}, why))

    def _pick(
        self, table: Table, names: Collection[str], why: Wanted, written: Collection[object] = ()
    ) -> Iterator[Picked]:
        """Yield the rows of the dump that are wanted; nothing else of it stays in memory.

        Rows of the dump are judged by the values of the fields with these ``names``. Blocks in
        which the one field has none of the values ``written`` are left out.
        """
        for dumped in self._dump.tables:
            if dumped.create is not None:
                yield from self._pick_made(dumped, table, why)
                continue
            if dumped.label != table.label or dumped.drops:
                continue
            self._loader.check([dumped])
            layout = self._loader.layout(dumped)
            assert layout is not None
            some = {name: where for name, where in layout.fields.items() if name in names}
            judged, whole = self._reader(Layout(table, some)), self._reader(layout)
            words = _words(next(iter(some.values()), None), written)
            for block in dumped.blocks(words):
                for row in block.rows():
                    if said := why(judged(row)):
                        place = dumped.place(row.line)
                        yield _picked(table, whole(row), place, said)

    def _pick_made(self, dumped: DumpedTable, table: Table, why: Wanted) -> Iterator[Picked]:
        """Yield the rows of a table that are wanted, as code of migrators makes them."""
        for instance, place in created(dumped):
            model: ModelType = type(instance)
            if table_of(model) is table:
                values = self._special.here(table, _values_of(table, instance))
                if said := why(values):
                    yield replace(_picked(table, values, place, said), is_made=True)

    def _reader(self, layout: Layout) -> Callable[[Row], dict[str, Any]]:
        """Return what gives the values of a row by name, keys as Python's, and as they are here."""
        columns = [
            (column, column.references is not None or column.field.primary_key)
            for column in layout.columns
            if column.name in layout.fields
        ]

        def read(row: Row) -> dict[str, Any]:
            values = layout.values_by_name(row)
            for column, is_key in columns:
                value = values[column.name]
                if isinstance(value, FieldText):
                    values[column.name] = from_text(column, value.text)
                elif is_key and value is not None and type(value) is not Natural:
                    values[column.name] = column.target.to_python(value)
            return self._special.here(layout.table, values)

        return read

    def _all_rows_of(self, model: ModelType) -> Iterator[Values]:
        return (row.values for row in self._pick(table_of(model), (), lambda values: _CHOSEN))

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
        reasons = [
            (
                str(column.field.name),
                f"{column.name}={key.value!r} refers to a row of {key.model._meta.label} that is "
                "neither in the database nor in the dump.",
            )
            for column, key in row.targets()
            if getattr(column.field, "db_constraint", True) and not self._is_there(key)
        ]
        for name, value in row.values.items():
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, NotHere) and not (one.is_named and isinstance(value, list)):
                    reasons.append((name, f"{name}={one.value!r} {one.reason}"))
        return (Problem(row.ref, reason, "reference", name) for name, reason in reasons)

    def _linked(self, row: Picked, link: Link) -> list[object]:
        """Return the links of a row to rows that are there; the others are noted."""
        values, model = row.values.get(link.name, []), link.target.references
        assert model is not None
        name = link.target.parent_field.attname
        keys = [(value, self._key_of(link, value)) for value in values]
        there = [
            value
            for value, key in keys
            if key is not None and self._is_there(RowKey(model, name, key))
        ]
        if len(there) < len(values):
            lost = len(values) - len(there)
            named = "; ".join(value.row for value in values if isinstance(value, NotHere))
            self._outcome.notes.append(
                f"{row}: {lost} of {len(values)} links of {link.name} are left out, since the rows "
                f"that they lead to do not exist{': ' if named else ''}{named}."
            )
        return there

    def _key_of(self, link: Link, value: Any) -> object:
        """Return the key of a row that is linked, None for one that is named and not here."""
        if isinstance(value, NotHere):
            return None
        if not isinstance(value, Natural):
            return link.target.target.to_python(value)
        try:
            return self._loader.references.resolve(value, link.target.parent_field.attname)
        except MissingRow:
            return None

    def _link_back(self) -> None:
        """Link rows that are there with restored ones, as they were linked in the dump."""
        restored: defaultdict[ModelType | None, set[object]] = defaultdict(set)
        for row in self._picked.values():
            restored[row.table.model].add(row.key[0])
        for table in {table_of(model): None for model in apps.get_models()}:
            for link in table.links:
                keys = restored.get(link.target.references, set())
                own = keys if table.model is link.target.references else set()
                pairs = self._pairs(table, link, keys, own)
                made = count = 0
                for some in chunks(pairs):
                    count += len(some)
                    made += _made(link, some, self._using)
                if count:
                    rest = "" if made == count else "; the rows with the others do not exist"
                    self._outcome.notes.append(
                        f"{made} of {counted(count, 'link')} of {table.label}.{link.name} to "
                        f"restored rows {'is' if made == 1 else 'are'} restored{rest}."
                    )

    def _pairs(
        self, table: Table, link: Link, restored: set[object], own: set[object]
    ) -> Iterator[tuple[object, object]]:
        """Yield the links of the dump that lead to restored rows, but for links of its ``own``."""

        def targets(values: Values) -> list[object]:
            keys = (self._key_of(link, value) for value in values.get(link.name, ()))
            return [key for key in keys if key in restored]

        def why(values: Values) -> str:
            return _CHOSEN if targets(values) else ""

        for row in self._pick(table, {link.name}, why) if restored else ():
            if row.key[0] not in own:
                yield from ((row.key[0], target) for target in targets(row.values))

    def _unmade(self) -> Iterator[str]:
        """Yield what migrators would do in a restore, and a repair does not."""
        for label in sorted({row.table.label for row in self._picked.values() if row.is_made}):
            yield (
                f"{label}: a migrator makes its rows. What it makes of the same rows for other "
                "models is not restored: name these in another call."
            )
        if self._dump.migration is not None and self._dump.migration.after_load:
            yield "The after_load handlers of migrators are not run."


def _target(column: Column, values: Values) -> RowKey | None:
    """Return the row that a row refers to, None for none, and for one named by natural key."""
    value = values.get(column.name)
    if column.references is None or value is None or isinstance(value, _NO_KEYS):
        return None
    return RowKey(column.references, column.parent_field.attname, value)


def _generic_target(generic: GenericKey, values: Values) -> RowKey | None:
    """Return the row that a generic foreign key of a row leads to, None for none."""
    kind, number = values.get(generic.content_type.name), values.get(generic.object_id.name)
    model = TODAY.find(".".join(map(str, kind.key))) if isinstance(kind, Natural) else None
    if model is None or number is None or len(table_of(model).key) > 1:
        return None
    name = table_of(model).key[0]
    with suppress(ValidationError, ValueError, TypeError):
        return RowKey(model, name, table_of(model).column(name).target.to_python(number))
    return None


def _why_child(
    table: Table,
    columns: Iterable[Column],
    generic: Iterable[GenericKey],
    parents: Mapping[RowKey, str],
    is_strict: bool,
    values: Values,
) -> str:
    """Return why a row with some values is a child of rows, ``""`` if it is none."""
    for column in columns:
        if is_strict and isinstance(values.get(column.name), Natural):
            assert column.references is not None
            raise NoChoice(
                f"--with-children: rows of {table.label} refer to {column.references._meta.label} "
                f"by natural key. Choose them: manage.py repair PATH {table.label} "
                f"--where {column.field.name}=KEY, the parts of the natural key with dots."
            )
        if (key := _target(column, values)) in parents and key is not None:
            return parents[key]
    keys = (_generic_target(one, values) for one in generic)
    return next((parents[key] for key in keys if key in parents and key is not None), "")


def _picked(table: Table, values: Values, place: Place, why: str) -> Picked:
    if not set(table.key) <= values.keys():
        raise NoChoice(
            f"{place}: the row of {table.label} has no primary key, so repair cannot tell whether "
            "it exists. Restore the whole dump."
        )
    return Picked(table, values, place, why)


def _values_of(table: Table, instance: Model) -> dict[str, Any]:
    """Return the values that an object was given, by the names of columns and links."""
    row = dumped_row(instance)
    named: dict[str, Any] = {**row.references, **row.links} if row else {}
    own = {column.name: attribute(column, instance) for column in table.columns}
    if instance.pk is None:
        own = {name: value for name, value in own.items() if name not in table.key}
    return {**own, **named}


def _words(where: object, values: Collection[object]) -> list[str]:
    """Return how dumpy writes values of the field at a position, with what is around them."""
    if not isinstance(where, int):
        return []
    try:
        texts = [f"{' ' if where else '('}{source(value)}" for value in values]
    except Unwritable:
        return []
    return [f"{text}{after}" for text in texts for after in ",)"]


def _made(link: Link, pairs: list[tuple[object, object]], using: str) -> int:
    """Make the links of rows that are there, and return how many there are now."""
    start, target = link.source.name, link.target.name
    rows: QuerySet[Any] = QuerySet(link.source.references, using=using)
    there = set(rows.filter(pk__in={key for key, _ in pairs}).values_list("pk", flat=True))
    pairs = [pair for pair in pairs if pair[0] in there]
    through: QuerySet[Any] = QuerySet(link.through, using=using)
    made = (link.through(**{start: pair[0], target: pair[1]}) for pair in dict.fromkeys(pairs))
    through.bulk_create(made, ignore_conflicts=True)
    return len(pairs)
