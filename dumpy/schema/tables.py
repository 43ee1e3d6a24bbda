"""A model as a table: its columns, its links, and the types of their values."""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import islice
from sys import float_info
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import models
from django.db.models.fields.files import FieldFile

if TYPE_CHECKING:
    Field = models.Field[Any, Any]
else:
    Field = models.Field

ModelType = type[models.Model]
T = TypeVar("T")

# The exact types of the values of Django's fields, which need no conversion.
DATES: frozenset[type] = frozenset({datetime.date})
DECIMALS: frozenset[type] = frozenset({decimal.Decimal})
INSTANTS: frozenset[type] = frozenset({datetime.datetime})
TEXTS: frozenset[type] = frozenset({str})

# A float, as SQLite stores decimals, is exact in so many digits.
FLOAT_DIGITS = float_info.dig
_TYPES: tuple[tuple[type[Any], frozenset[type]], ...] = (
    (models.BooleanField, frozenset({bool})),
    (models.IntegerField, frozenset({int})),
    (models.FloatField, frozenset({float})),
    (models.DecimalField, DECIMALS),
    (models.DateTimeField, INSTANTS),
    (models.DateField, DATES),
    (models.TimeField, frozenset({datetime.time})),
    (models.DurationField, frozenset({datetime.timedelta})),
    (models.UUIDField, frozenset({uuid.UUID})),
    (models.BinaryField, frozenset({bytes})),
    (models.FileField, TEXTS),
    (models.FilePathField, TEXTS),
    (models.GenericIPAddressField, TEXTS),
    (models.CharField, TEXTS),
    (models.TextField, TEXTS),
)

# A field that overrides one of these methods may have values of other types.
_CONVERSIONS = (
    "from_db_value",
    "to_python",
    "get_prep_value",
    "get_db_prep_value",
    "get_db_prep_save",
)

# A field that defines one of these methods wraps its values in SQL. Arrays only cast them.
PLACEHOLDERS = ("get_placeholder", "get_placeholder_sql")
_WRAPPERS = (*PLACEHOLDERS, "select_format")
_DJANGO = "django.db.models."
_CASTS = "django.contrib.postgres."


# The models whose rows Django creates in a new database, with the columns of their natural keys.
NATURAL_KEYS: dict[str, tuple[str, ...]] = {
    "contenttypes.contenttype": ("app_label", "model"),
    "auth.permission": ("content_type_id", "codename"),
    "sites.site": ("domain",),
}


@dataclass(frozen=True, eq=False)
class Column:
    """A concrete field of a model: a parameter of its create function, a column of its table.

    Attributes:
        name: the attribute name, such as ``album_id``.
        target: the field that defines the values; for a foreign key, the field at the end of the
            chain of references.
    """

    field: Field

    @cached_property
    def name(self) -> str:
        return self.field.attname

    @cached_property
    def db_name(self) -> str:
        """Return the name of the column in the database."""
        assert self.field.column is not None
        return self.field.column

    @cached_property
    def parent_field(self) -> Field:
        """The field that a foreign key refers to."""
        assert isinstance(self.field, models.ForeignKey)
        parent: Field = self.field.target_field
        return parent

    @cached_property
    def target(self) -> Field:
        field = self.field
        while field.remote_field is not None and isinstance(field, models.ForeignKey):
            field = field.target_field
        return field

    @cached_property
    def references(self) -> ModelType | None:
        """Return the model that a foreign key refers to."""
        if isinstance(self.field, models.ForeignKey):
            return concrete(self.field.remote_field.model)
        return None

    @cached_property
    def is_json(self) -> bool:
        """Whether the column holds JSON that Django's own methods read and write."""
        field_class = type(self.target)
        return issubclass(field_class, models.JSONField) and (
            field_class.from_db_value is models.JSONField.from_db_value
        )

    @cached_property
    def is_encoded(self) -> bool:
        """Whether a custom field defines how its values are stored, for example as a pickle."""
        return (
            self.types is None
            and not self.is_json
            and not self.wraps_sql
            and self.field.remote_field is None
            and self.field not in self.field.model._meta.pk_fields
        )

    @cached_property
    def wraps_sql(self) -> bool:
        """Whether a custom field wraps its values in SQL, as geometries do."""
        return overrides(type(self.target), _WRAPPERS, _DJANGO, _CASTS)

    @cached_property
    def key_owner(self) -> ModelType | None:
        """Return the model whose primary keys are the values of a foreign key."""
        return concrete(self.target.model) if self.target.primary_key else None

    @cached_property
    def types(self) -> frozenset[type] | None:
        """Return the exact types of values that need no conversion; None if unknown."""
        if self.is_json:
            return None
        for base, types in _TYPES:
            if isinstance(self.target, base) and not overrides(
                type(self.target), _CONVERSIONS, _DJANGO
            ):
                return types
        return None


@dataclass(frozen=True, eq=False)
class Link:
    """A many-to-many field with an automatic through table: a list in the rows of its model."""

    field: models.ManyToManyField[Any, Any]

    @cached_property
    def name(self) -> str:
        return self.field.name

    @cached_property
    def through(self) -> ModelType:
        through = self.field.remote_field.through
        assert through is not None
        return through

    @cached_property
    def source(self) -> Column:
        """Return the column of the through table that refers to the model of the field."""
        return _column_of(self.through, self.field.m2m_field_name())

    @cached_property
    def target(self) -> Column:
        """Return the column of the through table that refers to the other model."""
        return _column_of(self.through, self.field.m2m_reverse_field_name())


@dataclass(frozen=True, eq=False)
class Table:
    """A model with its local columns in ``_meta`` order, and its links."""

    model: ModelType

    @cached_property
    def label(self) -> str:
        return self.model._meta.label

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        return tuple(
            Column(field)
            for field in concrete(self.model)._meta.local_concrete_fields
            if not getattr(field, "generated", False)
        )

    def column(self, name: str) -> Column:
        """Return the column with a name or field name; raises ``LookupError``."""
        for column in self.columns:
            if name in (column.name, column.field.name):
                return column
        raise LookupError(f"{self.label} has no column {name!r}")

    @cached_property
    def links(self) -> tuple[Link, ...]:
        return tuple(
            Link(field)
            for field in concrete(self.model)._meta.local_many_to_many
            if Link(field).through._meta.auto_created
        )

    @cached_property
    def references(self) -> Mapping[str, Column]:
        """Return the columns that refer to other rows, those of links too, by name in rows."""
        columns = {column.name: column for column in self.columns if column.references is not None}
        return columns | {link.name: link.target for link in self.links}

    @cached_property
    def db_tables(self) -> tuple[str, ...]:
        """The names of its table in the database and of the through tables of its links."""
        return self.model._meta.db_table, *(link.through._meta.db_table for link in self.links)

    @cached_property
    def names(self) -> Mapping[str, str]:
        """The names of columns and links by the names in rows: attribute names or field names."""
        names = {column.name: column.name for column in self.columns}
        names |= {column.field.name: column.name for column in self.columns}
        return names | {link.name: link.name for link in self.links}

    @cached_property
    def key(self) -> tuple[str, ...]:
        """The names of the columns of the primary key, several for a composite key."""
        return tuple(field.attname for field in self.model._meta.pk_fields)

    @cached_property
    def is_found_by_natural_key(self) -> bool:
        """Whether a row can be written without its primary key and found again."""
        key = [column for column in self.columns if column.name in self.key]
        return has_natural_key(self.model) and [c.references for c in key] == [None]


def has_natural_key(model: ModelType) -> bool:
    """Whether rows of a model have a natural key and can be found by it."""
    finds = hasattr(model._default_manager, "get_by_natural_key")
    return finds and callable(getattr(model, "natural_key", None))


@cache
def table_of(model: ModelType) -> Table:
    """Return the table of a model; for a proxy, the table of its concrete model."""
    return Table(concrete(model))


def concrete(model: ModelType) -> ModelType:
    """Return the model itself, or the concrete model of a proxy."""
    return model._meta.concrete_model or model


def key_owner(model: ModelType) -> ModelType | None:
    """Return the model whose primary keys ``model`` uses: a parent, or the model itself."""
    key = model._meta.pk_fields
    return Column(key[0]).key_owner if len(key) == 1 else None


def unique_sets(model: ModelType) -> list[list[str]]:
    """Return the names of the fields in each unique constraint, except for the primary key.

    The constraints may have conditions and expressions.
    """
    meta = model._meta
    fields = meta.local_concrete_fields
    sets = [[field.name] for field in fields if field.unique and not field.primary_key]
    sets += map(list, meta.unique_together)
    for constraint in meta.constraints:
        if isinstance(constraint, models.UniqueConstraint):
            # An F has no flatten() of its own.
            nodes: Iterable[Any] = models.Func(*constraint.expressions).flatten()
            names = [node.name for node in nodes if hasattr(node, "name")]
            sets.append([*constraint.fields, *names])
    return sets


def single(values: Sequence[Any]) -> Any:
    """Return the value of a key with one column, or the values of a composite key."""
    return values[0] if len(values) == 1 else tuple(values)


def chunks(values: Iterable[T], size: int = 500) -> Iterator[list[T]]:
    """Yield values in lists that are small enough for a query."""
    iterator = iter(values)
    while chunk := list(islice(iterator, size)):
        yield chunk


def is_content_type(model: ModelType) -> bool:
    """Whether a model is Django's ContentType, which may not be installed, or inherits from it."""
    return any(
        ancestor._meta.label_lower == "contenttypes.contenttype"
        for ancestor in (model, *model._meta.get_parent_list())
    )


def is_special(model: ModelType) -> bool:
    """Whether rows of a model are matched with existing rows by natural key."""
    return model._meta.label_lower in NATURAL_KEYS


def attribute(column: Column, instance: models.Model) -> Any:
    """Return the value of a column from an instance; for a file its name, which may be None."""
    value = instance.__dict__.get(column.name, instance)
    # A descriptor may return another value, for example a translation.
    if column.types is not None and (value is None or type(value) in column.types):
        return value
    value = getattr(instance, column.name)
    return value.name if isinstance(value, FieldFile) else value


def from_text(column: Column, text: str) -> Any:
    """Return the value of a custom field for the text of its ``value_to_string``."""
    return column.target.to_python(text)


def text_of(column: Column, value: object) -> str:
    """Return the text that ``value_to_string`` of a field returns for a value."""
    holder: Any = SimpleNamespace(**{column.target.attname: value, column.target.name: value})
    text: str = column.target.value_to_string(holder)
    return text


def _column_of(model: ModelType, name: str) -> Column:
    field: Any = model._meta.get_field(name)
    return Column(field)


def overrides(field_class: type[Any], names: tuple[str, ...], *plain: str) -> bool:
    """Whether a field has one of the methods from a module without these prefixes."""
    methods = [getattr(field_class, name, None) for name in names]
    modules = [getattr(method, "__module__", None) or "" for method in methods if method]
    return not all(module.startswith(plain) for module in modules)
