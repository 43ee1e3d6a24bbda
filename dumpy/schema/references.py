"""The references of tables, and the order of tables: parents first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db.models import ForeignObject

from dumpy.schema.tables import Column, ModelType, Table, concrete, table_of


@dataclass(frozen=True)
class Reference:
    """A foreign key.

    Attributes:
        target: the table that it refers to.
        own: the names of its columns.
        to: the names of the columns of the target.
        is_parent: whether it links a row to the row of a parent model.
    """

    name: str
    target: Table
    own: tuple[str, ...]
    to: tuple[str, ...]
    is_parent: bool


@dataclass(frozen=True)
class GenericKey:
    """A generic foreign key.

    Attributes:
        content_type: the column of the content type.
        object_id: the column of the primary key.
    """

    name: str
    content_type: Column
    object_id: Column


def references_of(table: Table) -> Iterator[Reference]:
    """Yield the foreign keys of a table."""
    for field in concrete(table.model)._meta.local_fields:
        if isinstance(field, ForeignObject):
            own = tuple(source.attname for source, _target in field.related_fields)
            to = tuple(target.attname for _source, target in field.related_fields)
            table = table_of(field.remote_field.model)
            yield Reference(field.name, table, own, to, bool(field.remote_field.parent_link))


def generic_keys_of(table: Table) -> Iterator[GenericKey]:
    """Yield the generic foreign keys of a table; their columns may be in the table of a parent."""
    columns = {column.field.name: column for column in table.columns}
    fields = {field.name: field for field in table.model._meta.concrete_fields}
    for key in table.model._meta.private_fields:
        ct_field, fk_field = (getattr(key, name, "") for name in ("ct_field", "fk_field"))
        # Django copies the generic keys of a parent; the table of the parent has them already.
        if ct_field in fields and fk_field in fields and not getattr(key, "mti_inherited", False):
            key_columns = (
                columns.get(name) or Column(fields[name]) for name in (ct_field, fk_field)
            )
            yield GenericKey(key.name, *key_columns)


def load_order(models: Iterable[ModelType]) -> list[Table]:
    """Return the tables of ``models``, each after the tables that its rows refer to.

    In a cycle, nullable keys and links are ignored first. Tables without an order among them are
    sorted by label, so that the order depends only on the models.
    """
    remaining = {table.label: table for table in {table_of(model) for model in models}}
    required = {
        label: _referred_labels(table, nullable=False) & set(remaining)
        for label, table in remaining.items()
    }
    optional = {
        label: _referred_labels(table, nullable=True) & set(remaining)
        for label, table in remaining.items()
    }
    ordered: list[Table] = []
    ordered_labels: set[str] = set()
    while remaining:
        label = _next_label(sorted(remaining), required, optional, ordered_labels)
        ordered_labels.add(label)
        ordered.append(remaining.pop(label))
    return ordered


def _next_label(
    labels: list[str],
    required: dict[str, set[str]],
    optional: dict[str, set[str]],
    ordered_labels: set[str],
) -> str:
    for label in labels:
        if required[label] | optional[label] <= ordered_labels:
            return label
    needs = {label: (required[label] | optional[label]) - ordered_labels for label in labels}
    cycle = _cycle(labels[0], needs)
    return min(cycle, key=lambda label: (not required[label] <= ordered_labels, label))


def _cycle(label: str, needs: dict[str, set[str]]) -> list[str]:
    path: list[str] = []
    while label not in path:
        path.append(label)
        label = min(needs[label])
    return path[path.index(label) :]


def _referred_labels(table: Table, *, nullable: bool) -> set[str]:
    links = {link.name for link in table.links}
    keys = {
        referred_label(column)
        for name, column in table.references.items()
        if (name in links or column.field.null) == nullable
    }
    return keys - {table.label}


def referred_label(column: Column) -> str:
    """Return the label of the model that a foreign key refers to."""
    assert column.references is not None
    return column.references._meta.label
