"""What the rows of a table refer to, and the order of tables: parents first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db.models import ForeignObject

from dumpy.schema.tables import Column, ModelType, Table, concrete, table_of


@dataclass(frozen=True)
class Reference:
    """A foreign key: its columns ``own``, and the columns ``to`` of the table ``target``.

    Attributes:
        is_parent: whether it links a row to that of a parent model.
    """

    name: str
    target: Table
    own: tuple[str, ...]
    to: tuple[str, ...]
    is_parent: bool


@dataclass(frozen=True)
class GenericKey:
    """A generic foreign key: the column of the content type, and that of the primary key."""

    name: str
    kind: Column
    number: Column


def references_of(table: Table) -> Iterator[Reference]:
    """Yield the foreign keys of a table."""
    for field in concrete(table.model)._meta.local_fields:
        if isinstance(field, ForeignObject):
            own = tuple(one.attname for one, _other in field.related_fields)
            to = tuple(other.attname for _one, other in field.related_fields)
            target = table_of(field.remote_field.model)
            yield Reference(field.name, target, own, to, bool(field.remote_field.parent_link))


def generic_keys_of(table: Table) -> Iterator[GenericKey]:
    """Yield the generic foreign keys of a table, whose columns may be those of a parent."""
    columns = {column.field.name: column for column in table.columns}
    fields = {field.name: field for field in table.model._meta.concrete_fields}
    for key in table.model._meta.private_fields:
        kind, number = (getattr(key, name, "") for name in ("ct_field", "fk_field"))
        # Django copies the keys of a parent, which are those of its table.
        if kind in fields and number in fields and not getattr(key, "mti_inherited", False):
            found = (columns.get(name) or Column(fields[name]) for name in (kind, number))
            yield GenericKey(key.name, *found)


def load_order(models: Iterable[ModelType]) -> list[Table]:
    """Return the tables of ``models``, each after the tables that its rows need.

    In a cycle, a table is freed from its nullable keys and its links first. Ties are broken by
    label, so that the order depends only on the models.
    """
    waiting = {table.label: table for table in {table_of(model) for model in models}}
    must = {
        label: _needed(table, nullable=False) & set(waiting) for label, table in waiting.items()
    }
    may = {label: _needed(table, nullable=True) & set(waiting) for label, table in waiting.items()}
    ordered: list[Table] = []
    done: set[str] = set()
    while waiting:
        label = _next(sorted(waiting), must, may, done)
        done.add(label)
        ordered.append(waiting.pop(label))
    return ordered


def _next(
    labels: list[str], must: dict[str, set[str]], may: dict[str, set[str]], done: set[str]
) -> str:
    for label in labels:
        if must[label] | may[label] <= done:
            return label
    circle = _circle(labels[0], {label: (must[label] | may[label]) - done for label in labels})
    return min(circle, key=lambda label: (not must[label] <= done, label))


def _circle(label: str, needs: dict[str, set[str]]) -> list[str]:
    path: list[str] = []
    while label not in path:
        path.append(label)
        label = min(needs[label])
    return path[path.index(label) :]


def _needed(table: Table, *, nullable: bool) -> set[str]:
    keys = {
        referred_label(column)
        for column in table.columns
        if column.references is not None and column.field.null == nullable
    }
    if nullable:
        keys |= {referred_label(link.target) for link in table.links}
    return keys - {table.label}


def referred_label(column: Column) -> str:
    """Return the label of the model that a foreign key refers to."""
    assert column.references is not None
    return column.references._meta.label
