"""References to other rows: by natural key while loading, by foreign key when all is in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import connections
from django.db.models import Model, QuerySet

from dumpy.dump import Natural
from dumpy.loading.registry import TODAY, Registry
from dumpy.schema.tables import Column, ModelType, Table, is_content_type, primary_key_fields

# Beyond this they are looked up again, to keep memory flat.
_REMEMBERED = 100_000
Moved = dict[ModelType, dict[object, object]]


class Missing(Exception):
    """A row that is not there yet: ``key`` names it."""

    def __init__(self, key: Natural) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"it refers to {self.key.model} {self.key.key!r}, which does not exist."


class References:
    """Finds rows by natural key, and the rows that have taken the place of others.

    ``moved`` maps, per model, primary keys of the dump to those of the same rows here; ``made`` are
    the content types that were made for models that do not exist.
    """

    def __init__(self, using: str, registry: Registry = TODAY) -> None:
        self.using = using
        self.registry = registry
        self.made: list[str] = []
        self.moved: Moved = {}
        self._found: dict[tuple[Natural, str], Any] = {}
        self._promised: dict[Natural, Model] = {}

    def resolve(self, natural: Natural, name: str) -> Any:
        """Return the value of the field ``name`` of the row; raises ``Missing``."""
        if natural in self._promised:
            return getattr(self._promised[natural], name)
        identity = (natural, name)
        if len(self._found) >= _REMEMBERED:
            self._found.clear()
        if identity not in self._found:
            self._found[identity] = getattr(self._instance(natural), name)
        return self._found[identity]

    def promise(self, natural: Natural, instance: Model) -> None:
        """Let a row be referred to that will be loaded, with the values of an instance of it."""
        self._promised[natural] = instance

    def is_there(self, natural: Natural) -> bool:
        """Whether the row exists by now."""
        try:
            self._instance(natural)
        except Missing:
            return False
        return True

    def moved_value(self, column: Column, value: object) -> object:
        """Return a foreign key as it is here."""
        moved = self.moved.get(column.references) if column.references else None
        return moved.get(value, value) if moved else value

    def _instance(self, natural: Natural) -> Model:
        model = self.registry.get(natural.model)
        if is_content_type(model):
            return self._content_type(model, natural)
        try:
            return self.registry.by_natural_key(model, natural.key, self.using)
        except ObjectDoesNotExist as error:
            raise Missing(natural) from error

    def _content_type(self, model: ModelType, natural: Natural) -> Model:
        """A content type can always be made, also that of a model which is gone."""
        app_label, name = natural.key
        rows: QuerySet[Model] = QuerySet(model, using=self.using)
        if model._meta.parents:
            # The rows of a child of ContentType are in the dump, and are loaded like others.
            try:
                return rows.get(app_label=app_label, model=name)
            except ObjectDoesNotExist as error:
                raise Missing(natural) from error
        found, is_new = rows.get_or_create(app_label=app_label, model=name)
        label = f"{app_label}.{name}"
        if is_new and not self.registry.has(label):
            self.made.append(label)
        return found


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
    """A foreign key that leads nowhere: the row's key, the column and its value."""

    table: Table
    column: Column
    pk: object
    value: object

    def __str__(self) -> str:
        model = self.column.references
        assert model is not None
        return (
            f"{self.column.name}={self.value!r} refers to a row of {model._meta.label} "
            "that does not exist."
        )


def dangling(table: Table, using: str) -> Iterator[Dangling]:
    """Yield the foreign keys of a table that lead nowhere."""
    for column in table.columns:
        if is_constrained(column, using):
            yield from _dangling_of_column(table, column, using)


def is_constrained(column: Column, using: str) -> bool:
    """Whether the database itself makes sure that a column leads somewhere."""
    if column.references is None or not getattr(column.field, "db_constraint", False):
        return False
    vendor = connections[using].vendor
    return column.references._meta.managed or vendor != "sqlite"


def _dangling_of_column(table: Table, column: Column, using: str) -> Iterator[Dangling]:
    connection = connections[using]
    quote = connection.ops.quote_name
    model = column.references
    assert model is not None
    keys = [f"c.{quote(Column(field).db_name)}" for field in primary_key_fields(table.model)]
    child, parent = quote(column.db_name), quote(Column(column.parent_field).db_name)
    sql = (
        f"SELECT {', '.join(keys)}, c.{child} FROM {quote(table.model._meta.db_table)} c "
        f"LEFT JOIN {quote(model._meta.db_table)} p ON c.{child} = p.{parent} "
        f"WHERE c.{child} IS NOT NULL AND p.{parent} IS NULL"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql)
        for *key, value in cursor.fetchall():
            yield Dangling(table, column, _key(table, key, using), _value(column, value, using))


def _key(table: Table, key: list[Any], using: str) -> object:
    fields = primary_key_fields(table.model)
    values = [_value(Column(f), value, using) for f, value in zip(fields, key, strict=True)]
    return values[0] if len(values) == 1 else tuple(values)


def _value(column: Column, value: Any, using: str) -> Any:
    """A value that plain SQL has given, as the field makes it."""
    connection, target = connections[using], column.target
    expression = target.get_col("c")
    for convert in (
        *connection.ops.get_db_converters(expression),
        *target.get_db_converters(connection),
    ):
        value = convert(value, expression, connection)
    return value


def is_used(model: ModelType, keys: Iterable[object], using: str) -> set[object]:
    """Return those of the primary keys of ``model`` that rows of any table refer to."""
    wanted = list(keys)
    used: set[object] = set()
    for relation in model._meta.get_fields(include_hidden=True):
        if not (relation.auto_created and not relation.concrete and relation.is_relation):
            continue
        field: Any = getattr(relation, "field", None)
        if field is None or field.many_to_many or not _has_table(field.model, using):
            continue
        rows = QuerySet(field.model, using=using).filter(**{f"{field.name}__in": wanted})
        used |= set(rows.order_by().values_list(field.attname, flat=True).distinct())
    return used


def _has_table(model: ModelType, using: str) -> bool:
    return (
        model._meta.managed
        or model._meta.db_table in connections[using].introspection.table_names()
    )
