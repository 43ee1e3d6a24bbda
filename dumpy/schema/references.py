"""What the rows of a table refer to: foreign keys of one or several columns, and generic ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import ForeignObject

from dumpy.schema.tables import Column, Table, concrete, table_of


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
    """Yield the generic foreign keys that have both columns in a table."""
    columns = {column.field.name: column for column in table.columns}
    for field in table.model._meta.private_fields:
        kind, number = (getattr(field, name, "") for name in ("ct_field", "fk_field"))
        if kind in columns and number in columns:
            yield GenericKey(field.name, columns[kind], columns[number])
