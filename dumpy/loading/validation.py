"""Whether a dumped row is still valid for a model that has moved on."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from enum import Enum
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import transaction
from django.db.models import ForeignKey, Model

from dumpy.errors import sentence
from dumpy.loading.special import is_special
from dumpy.reading import DumpedTable
from dumpy.schema.tables import Column, Table, attribute, table_of


class Invalid(ValidationError):
    """What ``full_clean()`` says against a dumped row."""


class Validation(Enum):
    """Which dumped rows are validated: none, those of models that have changed, or all."""

    NEVER = "never"
    CHANGED = "changed"
    ALWAYS = "always"


def is_changed(table: Table, fields: Mapping[str, Any], dumped: DumpedTable) -> bool:
    """Whether a model has other fields than a dump had, or a migrator has touched its rows.

    ``fields`` are those that the rows have today.
    """
    if is_special(table.model):
        return False
    today = {column.name for column in table.columns} | {link.name for link in table.links}
    used = {where for where in fields.values() if isinstance(where, int)}
    return (
        dumped.is_migrated
        or bool(today - fields.keys() - set(table.key))
        or len(used) != len(fields)
        or len(used) < dumped.width
    )


def validate(instance: Model, names: Collection[str], *, is_strict: bool, using: str) -> None:
    """Raise ``Invalid`` for a dumped object that is not valid; it is not changed.

    References and unique values are left to the database. Unless ``is_strict``, so are fields that
    the row does not have (``names`` are those it has), and empty values.
    """
    exempt = {
        column.field.name
        for column in table_of(type(instance)).columns
        if _is_left_to_the_database(column, instance)
        or not (is_strict or _is_told(column, instance, names))
    }
    # A query of somebody's own ``clean()`` that fails must not end the load.
    is_own = type(instance).clean is not Model.clean
    with _untouched(instance):
        try:
            with transaction.atomic(using=using) if is_own else nullcontext():
                _clean(instance, exempt)
        except ValidationError as error:
            raise Invalid(error.update_error_dict({})) from error
        except (Exception, SystemExit) as error:  # clean() may do anything
            raise Invalid({NON_FIELD_ERRORS: sentence(error)}) from error


def _clean(instance: Model, exempt: set[str]) -> None:
    # What an instance inherits is a row of another table, which it does not know yet.
    inherited = {field.name for field in instance._meta.concrete_fields}
    inherited -= {field.name for field in instance._meta.local_concrete_fields}
    if inherited:
        instance.clean_fields(exclude=exempt | inherited)
    else:
        instance.full_clean(exclude=exempt, validate_unique=False, validate_constraints=False)


def _is_left_to_the_database(column: Column, instance: Model) -> bool:
    value = getattr(instance, column.name)
    return isinstance(column.field, ForeignKey) or hasattr(value, "resolve_expression")


def _is_told(column: Column, instance: Model, names: Collection[str]) -> bool:
    """Whether the row has a value for a column."""
    is_named = column.name in names or column.field.name in names
    return is_named and attribute(column, instance) not in column.field.empty_values


@contextmanager
def _untouched(instance: Model) -> Iterator[None]:
    saved = dict(instance.__dict__)
    # A list or a dict may be changed in its place.
    instance.__dict__.update(
        {name: deepcopy(value) for name, value in saved.items() if isinstance(value, list | dict)}
    )
    try:
        yield
    finally:
        instance.__dict__.clear()
        instance.__dict__.update(saved)
