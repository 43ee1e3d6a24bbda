"""References to other rows: by natural key while loading, by foreign key when all is in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import (
    Callable,
    Collection,
    Container,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from operator import lt
from typing import Any, NamedTuple

from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist
from django.db import connections, router
from django.db.models import Exists, Model, OuterRef, QuerySet

from dumpy.engines import engine_of
from dumpy.errors import Place, Problem, RowRef
from dumpy.loading.registry import TODAY, Registry
from dumpy.loading.report import Refused
from dumpy.reading import DumpedTable
from dumpy.schema.references import Reference, references_of
from dumpy.schema.tables import (
    Column,
    ModelType,
    Table,
    chunks,
    concrete,
    is_content_type,
    single,
    table_of,
)
from dumpy.text.skeleton import by_field
from dumpy.text.words import Natural

# Beyond this they are looked up again, to keep memory flat.
_REMEMBERED = 100_000
Moved = dict[ModelType, dict[object, object]]
_REPEATED = (
    "has a row with the same key, and one of the two would be lost. Give one of them another key."
)
RowName = tuple[str, str]
"""The ``name`` of a ``RowRef``."""


class RowKey(NamedTuple):
    """A row named by the value of one of its fields."""

    model: ModelType
    name: str
    value: object


class Missing(Refused):
    """A row that is not there yet: ``key`` names it."""

    kind = "reference"

    def __init__(self, key: Natural | RowKey, name: str = "") -> None:
        super().__init__(name=name)
        self.key = key

    def __str__(self) -> str:
        if isinstance(self.key, RowKey):
            label = self.key.model._meta.label
            return f"{self.name}={self.key.value!r} refers to a row of {label} that does not exist."
        return f"it refers to {self.key.model} {self.key.key!r}, which does not exist."


class Ambiguous(Missing):
    """A natural key that several rows have."""

    kind = "refused"

    def __str__(self) -> str:
        assert isinstance(self.key, Natural)
        natural = f"{self.key.model} {self.key.key!r}"
        return f"it refers to {natural}, which is the natural key of several rows."


@cache
def _own_keys(model: ModelType) -> tuple[tuple[ModelType, str], ...]:
    models = [model, *model._meta.get_parent_list()]
    return tuple(
        (concrete(one), field.attname)
        for one in models
        for field in one._meta.local_concrete_fields
        if field.unique
    )


def keys_of(instance: Model) -> list[RowKey]:
    """Return the names under which others may wait for an object, also as a row of its parents."""
    values = [
        (model, name, getattr(instance, name, None)) for model, name in _own_keys(type(instance))
    ]
    # A row that was refused may hold anything.
    return [RowKey(*one) for one in values if one[2] is not None and isinstance(one[2], Hashable)]


class References:
    """Finds rows by natural key, and the rows that have taken the place of others.

    ``moved`` maps, per model, primary keys of the dump to those of the same rows here; ``made`` are
    the content types that were made for models that do not exist; ``stale`` the models of which
    rows were found by natural keys that may lead to other rows by now; ``others`` those of which
    fixtures in other formats bring rows.
    """

    def __init__(self, using: str, registry: Registry = TODAY) -> None:
        self.using = using
        self.registry = registry
        self.made: list[str] = []
        # The keys that content types have in the source, for those that are made: by label.
        self.content_types: Mapping[str, int] = {}
        self.moved: Moved = {}
        self.stale: set[ModelType] = set()
        self.others: set[ModelType] = set()
        self._found: dict[tuple[Natural, str], Any] = {}
        self._resolved: set[ModelType] = set()
        self._provisional: dict[Natural, Model] = {}
        self._used: set[Natural] = set()
        self._known: defaultdict[tuple[ModelType, str], set[object]] = defaultdict(set)
        self._is_complete: dict[ModelType, bool] = {}
        self._had_rows: dict[ModelType, bool] = {}
        self._coming: set[ModelType] = set()

    def resolve(self, natural: Natural, name: str) -> Any:
        """Return the value of the field ``name`` of the row; raises ``Missing``."""
        if natural in self._provisional:
            self._used.add(natural)
            return getattr(self._provisional[natural], name)
        identity = (natural, name)
        if len(self._found) >= _REMEMBERED:
            self._found.clear()
        if identity not in self._found:
            self._found[identity] = getattr(self._instance(natural), name)
        return self._found[identity]

    def exists(self, key: RowKey) -> bool:
        """Whether a row is there; of those that are, the keys are kept."""
        known = self._known[key.model, key.name]
        if key.value in known:
            return True
        rows: QuerySet[Model] = QuerySet(key.model, using=self.using)
        is_there: bool = rows.filter(**{key.name: key.value}).exists()
        if is_there:
            self._know(key)
        return is_there

    def is_new(self, key: RowKey) -> bool:
        """Whether a row is not there, as far as the load knows without asking the database.

        It does so while all rows of a table are objects that it has saved.
        """
        if key.model not in self._is_complete:
            self._is_complete[key.model] = not self.had_rows(key.model)
        return self._is_complete[key.model] and key.value not in self._known[key.model, key.name]

    def doubt(self, model: ModelType) -> bool:
        """Look rows of a model up from now on; return whether that is new."""
        was_complete = self._is_complete.get(model, False)
        self._is_complete[model] = False
        return was_complete

    def saved(self, instance: Model, *, is_new: bool) -> None:
        """Note that an object, and its rows of parents, are in the database."""
        for key in keys_of(instance):
            self._know(key)
        for model in (type(instance), *instance._meta.get_parent_list()):
            if not is_new or self._had_rows.get(concrete(model), True):
                self.changed(concrete(model))

    def _know(self, key: RowKey) -> None:
        known = self._known[key.model, key.name]
        if len(known) >= _REMEMBERED:
            known.clear()
            self.doubt(key.model)
        known.add(key.value)

    def provide(self, natural: Natural, instance: Model) -> None:
        """Let a row be referred to that will be loaded, with the values of an instance of it."""
        self._provisional[natural] = instance

    def settle(self) -> set[ModelType]:
        """Return, and forget, the stale models; from now on all rows are found in the database."""
        for natural in self._used:
            try:
                is_kept = self._instance(natural).pk == self._provisional[natural].pk
            except Missing:
                is_kept = False
            if not is_kept:
                self.stale.add(concrete(self.registry.get(natural.model)))
        self._provisional.clear()
        self._used.clear()
        stale, self.stale = self.stale, set()
        return stale

    def expect(self, model: ModelType) -> None:
        """Note that rows of a model will be loaded."""
        self._coming.add(concrete(model))

    def may_change(self, model: ModelType) -> bool:
        """Whether the load may change rows by which natural keys of a model lead to a row now."""
        return any(self.had_rows(one) for one in self._coming & read_by_natural_key(model))

    def had_rows(self, model: ModelType) -> bool:
        """Whether there were rows of a model before the load."""
        if model not in self._had_rows:
            self._had_rows[model] = QuerySet(model, using=self.using).exists()
        return self._had_rows[model]

    def begin(self, model: ModelType, *, has_rows: bool) -> None:
        """Note whether there are rows of a model before the first one of the load is written."""
        self._had_rows.setdefault(model, has_rows)

    def inserted(self, model: ModelType) -> None:
        """Note that rows were inserted: beside others they may make a natural key ambiguous."""
        self._is_complete[model] = False
        if self._had_rows.get(model, True):
            self.changed(model)

    def changed(self, model: ModelType) -> None:
        """Note that rows were changed: natural keys may lead to others than they did."""
        stale = {one for one in self._resolved if model in read_by_natural_key(one)}
        if stale:
            self.stale |= stale
            self._resolved -= stale
            self._found.clear()

    def is_there(self, key: Natural | RowKey) -> bool:
        """Whether the row exists by now, or is known to come."""
        if isinstance(key, RowKey):
            return self.exists(key)
        if key in self._provisional:
            return True
        try:
            self._instance(key)
        except Missing:
            return False
        return True

    def _instance(self, natural: Natural) -> Model:
        model = self.registry.get(natural.model)
        if is_content_type(model):
            return self._content_type(model, natural)
        self._resolved.add(concrete(model))
        try:
            return self.registry.by_natural_key(model, natural.key, self.using)
        except ObjectDoesNotExist as error:
            raise Missing(natural) from error
        except MultipleObjectsReturned as error:
            raise Ambiguous(natural) from error

    def _content_type(self, model: ModelType, natural: Natural) -> Model:
        """A content type can always be made, also for a model that was removed."""
        app_label, name = natural.key
        rows: QuerySet[Model] = QuerySet(model, using=self.using)
        if model._meta.parents:
            # The rows of a child of ContentType are in the dump, and are loaded like others.
            try:
                return rows.get(app_label=app_label, model=name)
            except ObjectDoesNotExist as error:
                raise Missing(natural) from error
        label = f"{app_label}.{name}"
        key = {"pk": self.content_types[label]} if label in self.content_types else {}
        found, is_new = rows.get_or_create(app_label=app_label, model=name, defaults=key)
        if is_new and not self.registry.has(label):
            self.made.append(label)
        return found


@cache
def read_by_natural_key(model: ModelType) -> frozenset[ModelType]:
    """The models whose rows the natural key of a row may be made of: its own, and its parents."""
    found: set[ModelType] = set()
    queue = [concrete(model)]
    while queue:
        one = queue.pop()
        if one not in found:
            found.add(one)
            related = [field.remote_field for field in one._meta.concrete_fields]
            queue += [concrete(relation.model) for relation in related if relation is not None]
    return frozenset(found)


def stored_key(instance: Any, using: str) -> Any:
    """Return the primary key of the row that has an object's natural key, or None."""
    manager: Any = type(instance)._default_manager.db_manager(using)
    if not hasattr(manager, "get_by_natural_key") or not hasattr(instance, "natural_key"):
        return None
    instance._state.db = using
    try:
        return manager.get_by_natural_key(*instance.natural_key()).pk
    except ObjectDoesNotExist:
        return None


@dataclass(frozen=True)
class Dangling:
    """A reference that leads nowhere: of the row with a key, by the value of a field."""

    model: ModelType
    name: str
    pk: object
    value: object

    def __str__(self) -> str:
        label = self.model._meta.label
        return f"{self.name}={self.value!r} refers to a row of {label} that does not exist."


def dangling(table: Table, using: str, *, composite: bool = False) -> Iterator[Dangling]:
    """Yield the foreign keys of a table that lead nowhere.

    These are the keys that the database checks, or the ``composite`` ones, which none refuses.
    """
    for reference in references_of(table):
        model, name = reference.target.model, reference.name
        if composite:
            is_wanted = len(reference.own) > 1 and _has_table(model, using)
        else:
            is_wanted = len(reference.own) == 1 and is_constrained(table.column(name), using)
        if is_wanted and _may_dangle(table, reference, using):
            rows: QuerySet[Any] = QuerySet(table.model, using=using).order_by()
            rows = rows.filter(**{f"{own}__isnull": False for own in reference.own})
            pairs = zip(reference.to, map(OuterRef, reference.own), strict=True)
            found = QuerySet(model, using=using).filter(**dict(pairs))
            for row in rows.filter(~Exists(found)).values(*table.key, *reference.own):
                key, value = (single([row[n] for n in s]) for s in (table.key, reference.own))
                yield Dangling(model, name if composite else reference.own[0], key, value)


def _may_dangle(table: Table, reference: Reference, using: str) -> bool:
    """Whether a foreign key of a table may be dangling, by a statement that is cheap to build."""
    target, connection = reference.target.model, connections[using]
    to: list[Any] = [target._meta.get_field(name) for name in reference.to]
    if any(field.model is not target for field in to):
        return True  # The column is in the table of a parent.
    own: list[Any] = [table.model._meta.get_field(name) for name in reference.own]
    quote: Callable[[Any], str] = connection.ops.quote_name
    columns = [f"a.{quote(field.column)}" for field in own]
    pairs = (f"b.{quote(field.column)} = {name}" for name, field in zip(columns, to, strict=True))
    given = " AND ".join(f"{name} IS NOT NULL" for name in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT 1 FROM {quote(table.model._meta.db_table)} a WHERE {given} AND NOT EXISTS "
            f"(SELECT 1 FROM {quote(target._meta.db_table)} b WHERE {' AND '.join(pairs)}) LIMIT 1"
        )
        return cursor.fetchone() is not None


def is_constrained(column: Column, using: str) -> bool:
    """Whether the database itself makes sure that a column leads somewhere."""
    if column.references is None or not getattr(column.field, "db_constraint", False):
        return False
    is_managed = column.references._meta.managed
    return is_managed or engine_of(connections[using]).checks_unmanaged_keys


def is_used(model: ModelType, keys: Collection[object], using: str) -> set[object]:
    """Return those of the primary keys of ``model`` that rows of any table refer to."""
    used: set[object] = set()
    for owner, name in holders(model, using):
        for some in chunks(keys):
            rows = QuerySet(owner, using=using).filter(**{f"{name}__in": some})
            used |= set(rows.order_by().values_list(name, flat=True).distinct())
    return used


def holders(model: ModelType, using: str) -> Iterator[tuple[ModelType, str]]:
    """Yield the models and fields of all foreign keys to a model whose tables are there."""
    for relation in model._meta.get_fields(include_hidden=True):
        if not (relation.auto_created and not relation.concrete and relation.is_relation):
            continue
        field: Any = getattr(relation, "field", None)
        if field is not None and not field.many_to_many and _has_table(field.model, using):
            yield field.model, field.attname


def _has_table(model: ModelType, using: str) -> bool:
    if model._meta.managed and router.allow_migrate_model(using, model):
        return True
    return bool(engine_of(connections[using]).tables([model._meta.db_table]))


class Arrivals:
    """The keys of the loaded rows, to find duplicates: one of two rows would be lost.

    Keys of objects are kept. Rows of a dump are read again, unless their keys ascend.
    """

    def __init__(self) -> None:
        self._objects: defaultdict[Table, list[tuple[object, Place]]] = defaultdict(list)
        self._last: dict[Table, Any] = {}
        self._unordered: set[Table] = set()

    def add_object(self, table: Table, key: object, place: Place) -> None:
        """Take the key of an object that is saved."""
        self._objects[table].append((key, place))

    def add_rows(self, table: Table, keys: Sequence[Any]) -> None:
        """Take the keys of rows of a dump."""
        series = [self._last[table], *keys] if table in self._last else keys
        self._last[table] = keys[-1]
        with suppress(TypeError):
            if all(map(lt, series, series[1:])):
                return
        self._unordered.add(table)

    def repeated(
        self, dumped: Mapping[Table, list[DumpedTable]], *, by_file: bool
    ) -> Iterator[Problem]:
        """Yield a problem for each row with the key of another one, ``by_file`` or in the load."""
        for table in {**self._objects, **dict.fromkeys(self._unordered)}:
            first: dict[object, Place] = {}
            for is_object, (key, place) in self._places(table, dumped.get(table, ())):
                identity = str(key), by_file and place.file
                other = first.get(identity)
                first.setdefault(identity, place)
                # A row that is not valid is saved as an object, and then read again.
                if other is not None and (is_object or other != place):
                    ref = RowRef(table.label, key, place)
                    yield Problem(ref, f"{other} {_REPEATED}", "not-unique")

    def _places(
        self, table: Table, dumped: Iterable[DumpedTable]
    ) -> Iterator[tuple[bool, tuple[object, Place]]]:
        objects = self._objects.get(table, [])
        yield from ((True, one) for one in objects)
        if table in self._unordered or (objects and table in self._last):
            yield from ((False, one) for one in occurrences(table, dumped))


def dangling_problems(
    table: Table, dumped: Iterable[DumpedTable], using: str, kept_out: Container[RowName]
) -> Iterator[Problem]:
    """Yield a problem for each reference of a loaded table that leads nowhere, with its line.

    ``kept_out`` are the rows that were not saved: references to them are consequences.
    """
    found = [(one.pk, table.column(one.name).field.name, "", one) for one in dangling(table, using)]
    for link in table.links:
        for one in dangling(table_of(link.through), using):
            rows = QuerySet(link.through, using=using).filter(pk=one.pk)
            owner = rows.values_list(link.source.name, flat=True).get()
            found.append((owner, link.name, f"{link.name}: ", one))
    lines = lines_of(table, dumped, {str(pk) for pk, *_said in found})
    for pk, name, prefix, one in found:
        is_consequence = (one.model._meta.label, str(one.value)) in kept_out
        kind = "waits" if is_consequence else "reference"
        yield Problem(RowRef(table.label, pk, lines.get(str(pk))), f"{prefix}{one}", kind, name)


def unconstrained(tables: Iterable[Table], using: str) -> Iterator[str]:
    """Yield a sentence for each table with foreign keys of several columns that lead nowhere.

    No database has a constraint for them. One that has such rows must come back from its own dump.
    """
    for table in tables:
        if found := list(dangling(table, using, composite=True)):
            others = len(found) - 1
            more = f" ({others:,} more row{'s'[: others > 1]} of {table.label})" if others else ""
            yield f"{table.label}(pk={found[0].pk!r}): {found[0]}{more}"


def consequences(
    tables: Sequence[Table], problems: Sequence[Problem], using: str
) -> Iterator[Problem]:
    """Yield a problem for each row of ``tables`` that leads to a row of a problem, however far."""
    seen = {problem.ref.name for problem in problems}
    last = problems
    while last:
        found: list[Problem] = []
        for parent in tables:
            keys = [problem.ref.key for problem in last if problem.ref.label == parent.label]
            for some in chunks(keys):
                found += (
                    one for table in tables for one in _leading_to(table, parent, some, using)
                )
        last = [problem for problem in found if problem.ref.name not in seen]
        seen |= {problem.ref.name for problem in last}
        yield from last


def _leading_to(table: Table, parent: Table, keys: list[object], using: str) -> Iterator[Problem]:
    """Yield a problem for each row of a table that leads to one of the rows with these keys."""
    ways = [
        (table, table.key, column, column.field.name, "")
        for column in table.columns
        if is_constrained(column, using)
    ]
    for link in table.links:
        through = table_of(link.through)
        ways.append((through, (link.source.name,), link.target, link.name, f"{link.name}: "))
    for holder, own, column, field, prefix in ways:
        if column.references is parent.model:
            there = QuerySet(parent.model, using=using).filter(pk__in=keys)
            wanted = {f"{column.name}__in": there.values(column.parent_field.attname)}
            rows = QuerySet(holder.model, using=using).filter(**wanted)
            for row in rows.values(*own, column.name):
                pk, value = single([row[name] for name in own]), row[column.name]
                reason = f"{prefix}{Dangling(parent.model, column.name, pk, value)}"
                yield Problem(RowRef(table.label, pk), reason, "waits", field)


def lines_of(table: Table, dumped: Iterable[DumpedTable], wanted: set[str]) -> dict[str, Place]:
    """Find rows in a dump by primary key, as text; reads it again, for which only errors pay."""
    found = occurrences(table, dumped, wanted) if wanted else ()
    return {str(key): place for key, place in found}


def occurrences(
    table: Table, dumped: Iterable[DumpedTable], wanted: Container[str] | None = None
) -> Iterator[tuple[object, Place]]:
    """Yield the primary key and the place of each row of a dump, or of those ``wanted``."""
    for one in dumped:
        if not set(table.key) <= one.fields.keys():
            continue
        fields = {name: one.fields[name] for name in table.key}
        for row in one.rows():
            key = single(list(by_field(fields, row.values).values()))
            if wanted is None or str(key) in wanted:
                yield key, one.place(row.line)
