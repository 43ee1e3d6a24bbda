"""Resolve references by natural key during a load, and find dangling references after it."""

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

from dumpy.conf import require_trusted
from dumpy.engines import engine_of
from dumpy.errors import Place, Problem, RowRef
from dumpy.loading.registry import TODAY, Registry
from dumpy.loading.report import RefusedRow
from dumpy.reading import DumpedTable
from dumpy.schema.references import Reference, references_of
from dumpy.schema.tables import (
    Column,
    ModelType,
    Table,
    chunks,
    concrete,
    from_text,
    is_content_type,
    single,
    table_of,
)
from dumpy.text.skeleton import by_field
from dumpy.text.words import FieldText, Natural

# Larger caches are cleared, so that memory stays flat.
_CACHE_SIZE = 100_000
_DUPLICATE = (
    "has a row with the same key, and one of the two would be lost. Give one of them another key."
)
Redirects = dict[ModelType, dict[object, object]]
"""The keys of existing rows by the primary keys of the dump that they replace, for each model."""


class RowKey(NamedTuple):
    """The value of a unique field, which identifies a row."""

    model: ModelType
    name: str
    value: object


Key = Natural | RowKey
"""The key under which a row or an object waits for another row."""


class MissingRow(RefusedRow):
    """A reference to a row that does not exist yet.

    Attributes:
        key: the key of the row.
    """

    kind = "reference"

    def __init__(self, key: Key, name: str = "") -> None:
        super().__init__(name=name)
        self.key = key

    def __str__(self) -> str:
        if isinstance(self.key, RowKey):
            label = self.key.model._meta.label
            return f"{self.name}={self.key.value!r} refers to a row of {label} that does not exist."
        return f"it refers to {self.key.model} {self.key.key!r}, which does not exist."


class AmbiguousKey(MissingRow):
    """A reference by a natural key that several rows have."""

    kind = "refused"

    def __str__(self) -> str:
        assert isinstance(self.key, Natural)
        natural = f"{self.key.model} {self.key.key!r}"
        return f"it refers to {natural}, which is the natural key of several rows."


@cache
def _unique_fields(model: ModelType) -> tuple[tuple[ModelType, str], ...]:
    models = [model, *model._meta.get_parent_list()]
    return tuple(
        (concrete(owner), field.attname)
        for owner in models
        for field in owner._meta.local_concrete_fields
        if field.unique
    )


def row_keys(instance: Model) -> list[RowKey]:
    """Return the keys of an instance that other rows may refer to, with those of its parents."""
    keys = [
        RowKey(model, name, getattr(instance, name, None))
        for model, name in _unique_fields(type(instance))
    ]
    # The fields of an instance that was refused may hold values of any type.
    return [key for key in keys if key.value is not None and isinstance(key.value, Hashable)]


class References:
    """Finds rows by natural key, and knows which rows exist.

    Attributes:
        added_content_types: the labels of missing models for which content types were created.
        content_types: the primary keys of the content types of the source, by label.
        redirects: the primary keys of the dump that were replaced by existing ones.
        stale: the models whose natural keys may lead to other rows than when they were resolved.
        other_models: the models of objects from fixtures in other formats.
    """

    def __init__(self, using: str, registry: Registry = TODAY) -> None:
        self.using = using
        self.registry = registry
        self.added_content_types: list[str] = []
        self.content_types: Mapping[str, int] = {}
        self.redirects: Redirects = {}
        self.stale: set[ModelType] = set()
        self.other_models: set[ModelType] = set()
        self._resolved_values: dict[tuple[Natural, str], Any] = {}
        self._resolved_models: set[ModelType] = set()
        self._provisional: dict[Natural, Model] = {}
        self._used_provisional: set[Natural] = set()
        self._known_values: defaultdict[tuple[ModelType, str], set[object]] = defaultdict(set)
        # Whether all rows of a model are in _known_values.
        self._is_known: dict[ModelType, bool] = {}
        self._had_rows: dict[ModelType, bool] = {}
        self._expected: set[ModelType] = set()

    def resolve(self, natural: Natural, name: str) -> Any:
        """Return the value of the field ``name`` of a row; raises ``MissingRow``."""
        if natural in self._provisional:
            self._used_provisional.add(natural)
            return getattr(self._provisional[natural], name)
        cache_key = (natural, name)
        if len(self._resolved_values) >= _CACHE_SIZE:
            self._resolved_values.clear()
        if cache_key not in self._resolved_values:
            self._resolved_values[cache_key] = getattr(self._row(natural), name)
        return self._resolved_values[cache_key]

    def exists(self, key: RowKey) -> bool:
        """Whether a row exists; the keys of existing rows are cached."""
        if key.value in self._known_values[key.model, key.name]:
            return True
        rows: QuerySet[Model] = QuerySet(key.model, using=self.using)
        exists: bool = rows.filter(**{key.name: key.value}).exists()
        if exists:
            self._add_known(key)
        return exists

    def is_new(self, key: RowKey) -> bool:
        """Whether it is known without a query that a row does not exist.

        It is while all rows of the table are objects that this load has saved.
        """
        if key.model not in self._is_known:
            self._is_known[key.model] = not self.had_rows(key.model)
        is_known = self._is_known[key.model]
        return is_known and key.value not in self._known_values[key.model, key.name]

    def require_queries(self, model: ModelType) -> bool:
        """Let ``is_new`` assume nothing of a model any more; return whether it did."""
        was_known = self._is_known.get(model, False)
        self._is_known[model] = False
        return was_known

    def note_saved(self, instance: Model, *, is_new: bool) -> None:
        """Note that an object was saved, with its rows of parent models."""
        for key in row_keys(instance):
            self._add_known(key)
        for model in (type(instance), *instance._meta.get_parent_list()):
            if not is_new or self._had_rows.get(concrete(model), True):
                self.note_changed(concrete(model))

    def _add_known(self, key: RowKey) -> None:
        values = self._known_values[key.model, key.name]
        if len(values) >= _CACHE_SIZE:
            values.clear()
            self.require_queries(key.model)
        values.add(key.value)

    def add_provisional(self, natural: Natural, instance: Model) -> None:
        """Resolve a natural key to an instance, whose row will be loaded."""
        self._provisional[natural] = instance

    def pop_stale(self) -> set[ModelType]:
        """Return the stale models and clear them, and the provisional keys."""
        for natural in self._used_provisional:
            try:
                is_same = self._row(natural).pk == self._provisional[natural].pk
            except MissingRow:
                is_same = False
            if not is_same:
                self.stale.add(concrete(self.registry.get(natural.model)))
        self._provisional.clear()
        self._used_provisional.clear()
        stale, self.stale = self.stale, set()
        return stale

    def expect(self, model: ModelType) -> None:
        """Note that rows of a model will be loaded."""
        self._expected.add(concrete(model))

    def may_change(self, model: ModelType) -> bool:
        """Whether the load may change existing rows that natural keys of a model depend on."""
        return any(map(self.had_rows, self._expected & natural_key_models(model)))

    def had_rows(self, model: ModelType) -> bool:
        """Whether a model had rows before the load."""
        if model not in self._had_rows:
            self._had_rows[model] = QuerySet(model, using=self.using).exists()
        return self._had_rows[model]

    def note_had_rows(self, model: ModelType, had_rows: bool) -> None:
        """Note whether a model had rows before the load; the first note counts."""
        self._had_rows.setdefault(model, had_rows)

    def note_inserted(self, model: ModelType) -> None:
        """Note that rows were inserted: a natural key may belong to an existing row, too."""
        self._is_known[model] = False
        if self._had_rows.get(model, True):
            self.note_changed(model)

    def note_changed(self, model: ModelType) -> None:
        """Note that rows were changed: natural keys may lead to other rows now."""
        stale = {other for other in self._resolved_models if model in natural_key_models(other)}
        if stale:
            self.stale |= stale
            self._resolved_models -= stale
            self._resolved_values.clear()

    def is_available(self, key: Key) -> bool:
        """Whether a row exists, or will be loaded."""
        if isinstance(key, RowKey):
            return self.exists(key)
        if key in self._provisional:
            return True
        try:
            self._row(key)
        except MissingRow:
            return False
        return True

    def _row(self, natural: Natural) -> Model:
        model = self.registry.get(natural.model)
        try:
            if is_content_type(model):
                return self._content_type(model, natural)
            self._resolved_models.add(concrete(model))
            return self.registry.by_natural_key(model, natural.key, self.using)
        except ObjectDoesNotExist as error:
            raise MissingRow(natural) from error
        except MultipleObjectsReturned as error:
            raise AmbiguousKey(natural) from error

    def _content_type(self, model: ModelType, natural: Natural) -> Model:
        """Return a content type, which is created if it does not exist."""
        app_label, name = natural.key
        rows: QuerySet[Model] = QuerySet(model, using=self.using)
        if model._meta.parents:
            # The rows of a model that inherits from ContentType are in the dump.
            return rows.get(app_label=app_label, model=name)
        label = f"{app_label}.{name}"
        defaults = {"pk": self.content_types[label]} if label in self.content_types else {}
        row, is_new = rows.get_or_create(app_label=app_label, model=name, defaults=defaults)
        if is_new and not self.registry.has(label):
            self.added_content_types.append(label)
        return row


@cache
def natural_key_models(model: ModelType) -> frozenset[ModelType]:
    """Return the models whose rows a natural key may depend on, by way of foreign keys."""
    models: set[ModelType] = set()
    queue = [concrete(model)]
    while queue:
        current = queue.pop()
        if current not in models:
            models.add(current)
            relations = [field.remote_field for field in current._meta.concrete_fields]
            queue += [concrete(relation.model) for relation in relations if relation is not None]
    return frozenset(models)


def stored_key(instance: Any, using: str) -> Any:
    """Return the primary key of the row with the natural key of an instance, or None."""
    manager: Any = type(instance)._default_manager.db_manager(using)
    if not hasattr(manager, "get_by_natural_key") or not hasattr(instance, "natural_key"):
        return None
    instance._state.db = using
    try:
        return manager.get_by_natural_key(*instance.natural_key()).pk
    except ObjectDoesNotExist:
        return None


@dataclass(frozen=True)
class DanglingReference:
    """A reference to a row that does not exist.

    Attributes:
        model: the model that it refers to.
        name: the name of the foreign key.
        pk: the primary key of the row that refers.
        value: the value of the foreign key.
    """

    model: ModelType
    name: str
    pk: object
    value: object

    def __str__(self) -> str:
        label = self.model._meta.label
        return f"{self.name}={self.value!r} refers to a row of {label} that does not exist."


def dangling_references(
    table: Table, using: str, *, composite: bool = False
) -> Iterator[DanglingReference]:
    """Yield the dangling references of the constrained foreign keys of a table.

    With ``composite``, those of its composite foreign keys, for which no database has constraints.
    """
    for reference in references_of(table):
        model, name = reference.target.model, reference.name
        if composite:
            is_checked = len(reference.own) > 1 and _has_table(model, using)
        else:
            is_checked = len(reference.own) == 1 and is_constrained(table.column(name), using)
        if is_checked and _may_dangle(table, reference, using):
            rows: QuerySet[Any] = QuerySet(table.model, using=using).order_by()
            rows = rows.filter(**{f"{own}__isnull": False for own in reference.own})
            pairs = zip(reference.to, map(OuterRef, reference.own), strict=True)
            targets = QuerySet(model, using=using).filter(**dict(pairs))
            for row in rows.filter(~Exists(targets)).values(*table.key, *reference.own):
                key, value = (single([row[n] for n in s]) for s in (table.key, reference.own))
                column = name if composite else reference.own[0]
                yield DanglingReference(model, column, key, value)


def _may_dangle(table: Table, reference: Reference, using: str) -> bool:
    """Whether a foreign key may have dangling references, by a query that Django need not build."""
    target, connection = reference.target.model, connections[using]
    to: list[Any] = [target._meta.get_field(name) for name in reference.to]
    if any(field.model is not target for field in to):
        return True  # The column is in the table of a parent.
    own: list[Any] = [table.model._meta.get_field(name) for name in reference.own]
    quote: Callable[[Any], str] = connection.ops.quote_name
    columns = [f"a.{quote(field.column)}" for field in own]
    pairs = (f"b.{quote(field.column)} = {name}" for name, field in zip(columns, to, strict=True))
    is_set = " AND ".join(f"{name} IS NOT NULL" for name in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT 1 FROM {quote(table.model._meta.db_table)} a WHERE {is_set} AND NOT EXISTS "
            f"(SELECT 1 FROM {quote(target._meta.db_table)} b WHERE {' AND '.join(pairs)}) LIMIT 1"
        )
        return cursor.fetchone() is not None


def is_constrained(column: Column, using: str) -> bool:
    """Whether the database has a foreign key constraint for a column."""
    if column.references is None or not getattr(column.field, "db_constraint", False):
        return False
    is_managed = column.references._meta.managed
    return is_managed or engine_of(connections[using]).checks_unmanaged_keys


def referenced_keys(model: ModelType, keys: Collection[object], using: str) -> set[object]:
    """Return the primary keys among ``keys`` that rows of any table refer to."""
    referenced: set[object] = set()
    for owner, name in referring_fields(model, using):
        for chunk in chunks(keys):
            rows = QuerySet(owner, using=using).filter(**{f"{name}__in": chunk})
            referenced |= set(rows.order_by().values_list(name, flat=True).distinct())
    return referenced


def referring_fields(model: ModelType, using: str) -> Iterator[tuple[ModelType, str]]:
    """Yield the models and attribute names of the foreign keys that refer to a model."""
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


class LoadedKeys:
    """The primary keys of loaded rows, for finding duplicates.

    The keys of objects are kept. The rows of a dump are read again, unless their keys ascend.
    """

    def __init__(self) -> None:
        self._objects: defaultdict[Table, list[tuple[object, Place]]] = defaultdict(list)
        self._last_key: dict[Table, Any] = {}
        self._unordered: set[Table] = set()

    def add_object(self, table: Table, key: object, place: Place) -> None:
        """Add the key of a saved object."""
        self._objects[table].append((key, place))

    def add_rows(self, table: Table, keys: Sequence[Any]) -> None:
        """Add the keys of rows of a dump."""
        series = [self._last_key[table], *keys] if table in self._last_key else keys
        self._last_key[table] = keys[-1]
        with suppress(TypeError):
            if all(map(lt, series, series[1:])):
                return
        self._unordered.add(table)

    def duplicates(
        self,
        dumped: Mapping[Table, Collection[DumpedTable]],
        left_out: Container[Place | None],
        *,
        by_file: bool,
    ) -> Iterator[Problem]:
        """Yield a problem for each row with the key of an earlier row of the load.

        ``left_out`` are the places of rows that are not loaded. With ``by_file``, rows of different
        files may have the same key.
        """
        for table in {**self._objects, **dict.fromkeys(self._unordered)}:
            first: dict[object, Place] = {}
            for is_object, (key, place) in self._places(table, dumped.get(table, ())):
                if place in left_out:
                    continue
                identity = str(key), by_file and place.file
                other = first.get(identity)
                first.setdefault(identity, place)
                # An invalid row of a dump is saved as an object, and then read again.
                if other is not None and (is_object or other != place):
                    ref = RowRef(table.label, key, place)
                    yield Problem(ref, f"{other} {_DUPLICATE}", "not-unique")

    def _places(
        self, table: Table, dumped: Iterable[DumpedTable]
    ) -> Iterator[tuple[bool, tuple[object, Place]]]:
        objects = self._objects.get(table, [])
        yield from ((True, key_and_place) for key_and_place in objects)
        if table in self._unordered or (objects and table in self._last_key):
            yield from ((False, key_and_place) for key_and_place in row_places(table, dumped))


def dangling_problems(
    table: Table,
    dumped: Iterable[DumpedTable],
    using: str,
    rejected: Container[tuple[str, str]],
) -> Iterator[Problem]:
    """Yield a problem with its line for each dangling reference of a loaded table.

    ``rejected`` are the names of rows that were not saved: references to them wait for them.
    """
    found = [
        (dangling.pk, table.column(dangling.name).field.name, "", dangling)
        for dangling in dangling_references(table, using)
    ]
    for link in table.links:
        for dangling in dangling_references(table_of(link.through), using):
            rows = QuerySet(link.through, using=using).filter(pk=dangling.pk)
            source = rows.values_list(link.source.name, flat=True).get()
            found.append((source, link.name, f"{link.name}: ", dangling))
    places = places_by_key(table, dumped, {str(pk) for pk, *_rest in found})
    for pk, name, prefix, dangling in found:
        is_rejected = (dangling.model._meta.label, str(dangling.value)) in rejected
        kind = "waits" if is_rejected else "reference"
        ref = RowRef(table.label, pk, places.get(str(pk)))
        yield Problem(ref, f"{prefix}{dangling}", kind, name)


def dangling_composite_keys(tables: Iterable[Table], using: str) -> Iterator[str]:
    """Yield a sentence for each table with dangling references by composite foreign keys.

    They are no problems: the database that was dumped may have had them, without a constraint.
    """
    for table in tables:
        if found := list(dangling_references(table, using, composite=True)):
            others = len(found) - 1
            more = f" ({others:,} more row{'s'[: others > 1]} of {table.label})" if others else ""
            yield f"{table.label}(pk={found[0].pk!r}): {found[0]}{more}"


def dependent_problems(
    tables: Sequence[Table], problems: Sequence[Problem], using: str
) -> Iterator[Problem]:
    """Yield a problem for each row that refers to a row of ``problems``, also by way of others."""
    seen = {problem.ref.name for problem in problems}
    last = problems
    while last:
        found: list[Problem] = []
        for parent in tables:
            keys = [problem.ref.key for problem in last if problem.ref.label == parent.label]
            for chunk in chunks(keys):
                for table in tables:
                    found += _referring_problems(table, parent, chunk, using)
        last = [problem for problem in found if problem.ref.name not in seen]
        seen |= {problem.ref.name for problem in last}
        yield from last


def _referring_problems(
    table: Table, parent: Table, keys: list[object], using: str
) -> Iterator[Problem]:
    """Yield a problem for each row of ``table`` that refers to a row of ``parent`` in ``keys``."""
    columns = [
        (table, table.key, column, column.field.name, "")
        for column in table.columns
        if is_constrained(column, using)
    ]
    for link in table.links:
        through = table_of(link.through)
        columns.append((through, (link.source.name,), link.target, link.name, f"{link.name}: "))
    for owner, own_key, column, field, prefix in columns:
        if column.references is parent.model:
            targets = QuerySet(parent.model, using=using).filter(pk__in=keys)
            condition = {f"{column.name}__in": targets.values(column.parent_field.attname)}
            rows = QuerySet(owner.model, using=using).filter(**condition)
            for row in rows.values(*own_key, column.name):
                pk, value = single([row[name] for name in own_key]), row[column.name]
                reason = f"{prefix}{DanglingReference(parent.model, column.name, pk, value)}"
                yield Problem(RowRef(table.label, pk), reason, "waits", field)


def places_by_key(table: Table, dumped: Iterable[DumpedTable], keys: set[str]) -> dict[str, Place]:
    """Return the places of rows by primary key as text; reads the dump again if there are any."""
    return {str(key): place for key, place in (row_places(table, dumped, keys) if keys else ())}


def row_places(
    table: Table, dumped: Iterable[DumpedTable], keys: Container[str] | None = None
) -> Iterator[tuple[object, Place]]:
    """Yield the primary key and place of each row of a dump; ``keys``, as text, select rows."""
    for dumped_table in dumped:
        if not set(table.key) <= dumped_table.fields.keys():
            continue
        fields = {name: dumped_table.fields[name] for name in table.key}
        for row in dumped_table.rows():
            key = dumped_key(table, by_field(fields, row.values))
            if keys is None or str(key) in keys:
                yield key, dumped_table.place(row.line)


def dumped_key(table: Table, values: Mapping[str, Any]) -> object:
    """Return the primary key of a row of a dump, like that of its instance if that is known."""

    def read(name: str) -> Any:
        value = values.get(name)
        if type(value) is FieldText:
            column = table.column(name)
            with suppress(Exception):  # a custom field may raise anything
                require_trusted(column.target, value.text)
                return from_text(column, value.text)
        return value

    return single([read(name) for name in table.key])
