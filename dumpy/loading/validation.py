"""Whether the tables and the rows of a dump fit the models of today."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from enum import Enum

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import transaction
from django.db.models import ForeignKey, Model

from dumpy.errors import FixtureError, Place, sentence
from dumpy.loading.batches import Layout, default_of
from dumpy.loading.registry import Registry
from dumpy.loading.report import InvalidRow
from dumpy.reading import DumpedTable
from dumpy.schema.tables import (
    Column,
    ModelType,
    Table,
    attribute,
    is_special,
    table_of,
)
from dumpy.text.words import Natural

_IGNORED = ", or use --ignorenonexistent."


def layout_of(dumped: DumpedTable, registry: Registry) -> Layout | None:
    """Return what the rows of a table mean here, or None if there is no such model."""
    model = None if dumped.drops else registry.find(dumped.label)
    if model is None:
        return None
    table = table_of(model)
    names = table.names
    fields = {names[name]: where for name, where in dumped.fields.items() if name in names}
    return Layout(table, fields, dumped, model)


def mismatches(
    dumped: DumpedTable, layout: Layout | None, *, may_be_ignored: bool, has_all_fields: bool
) -> Iterator[FixtureError]:
    """Yield an error for all that does not fit; a field that was renamed is one error, not two.

    ``may_be_ignored`` says that the user can ask to leave out what does not exist,
    ``has_all_fields`` that rows must have a value for each field that needs one.
    """
    way_out = _IGNORED if may_be_ignored else "."
    if layout is None:
        yield from () if dumped.drops else (_no_model(dumped, way_out),)
        return
    unknown = sorted(dumped.fields.keys() - layout.table.names.keys())
    wanted = layout.columns if has_all_fields and layout.has_key else ()
    absent = [column for column in wanted if column.name not in layout.fields]
    missing = [one for one in absent if not one.field.null and default_of(one.field) is None]
    likely = missing.pop() if _is_rename(unknown, missing) else None
    for name in unknown:
        yield _no_field(layout.table, name, dumped, likely, way_out)
    for column in missing:
        yield _no_value(column, dumped, unknown)


def lost_keys(layouts: Sequence[Layout]) -> Iterator[FixtureError]:
    """Yield an error for each table that leaves out the key by which rows of others refer to it."""
    for layout in layouts:
        dumped = layout.dumped
        assert dumped is not None
        key = set(layout.table.key) - layout.fields.keys()
        if key & set(dumped.parameters):
            name = next(_who_refers(layout.model, layouts), None)
            if name is not None:
                yield _lost_key(dumped, min(key), name)


def _who_refers(model: ModelType, layouts: Sequence[Layout]) -> Iterator[str]:
    """Yield the fields in a dump whose values are keys of a model, not natural ones."""
    for layout in layouts:
        dumped = layout.dumped
        assert dumped is not None
        for name, column in layout.table.references.items():
            where = layout.fields.get(name) if column.references is model else None
            if isinstance(where, int) and any(_is_key(row.values[where]) for row in dumped.rows()):
                yield f"{dumped.label}.{name}"


def _is_key(value: object) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(one is not None and not isinstance(one, Natural) for one in values)


def _is_rename(unknown: list[str], missing: list[Column]) -> bool:
    """Whether the only field that is missing may be the only one that is unknown."""
    if len(unknown) != 1 or len(missing) != 1:
        return False
    return unknown[0].endswith("_id") == (missing[0].references is not None)


def no_table(model: ModelType, place: Place, using: str) -> FixtureError:
    """Return the error for a model whose table is not there."""
    return FixtureError(
        place,
        f"the table {model._meta.db_table!r} of {model._meta.label} does not exist in the database "
        f"{using!r}.",
        f"Create it first: manage.py migrate --database {using}"
        if model._meta.managed
        else "No migration creates it, because the model is unmanaged: create it first, or leave "
        f"the model out with --exclude {model._meta.label}",
    )


def _no_model(dumped: DumpedTable, way_out: str) -> FixtureError:
    return FixtureError(
        dumped.named_at,
        f"there is no model {dumped.label!r}.",
        _remedy(
            dumped,
            "Change its name in resolve_model() if it was renamed, comment its line out in "
            f"{dumped.listed_in} if it was removed{way_out}",
        ),
        "Its rows are left out.",
    )


def _no_field(
    table: Table, name: str, dumped: DumpedTable, likely: Column | None, way_out: str
) -> FixtureError:
    return FixtureError(
        dumped.declared_at(name),
        f"{table.label} has no field {name!r}.",
        _remedy(
            dumped,
            "Comment the line out if it was removed, change the name left of the '=' if it was "
            f"renamed{way_out}{_new_name(likely, dumped, name)}",
        ),
        # A field that may have been renamed must not be left out: its value is wanted.
        "" if likely else "It is left out.",
    )


def _new_name(likely: Column | None, dumped: DumpedTable, name: str) -> str:
    if likely is None:
        return ""
    where = dumped.fields[name]
    value = dumped.parameters[where] if isinstance(where, int) else "…"
    return (
        f" Its new name may be {likely.field.name!r}, which has no value and no default: "
        f"{likely.name}={value},"
    )


def _lost_key(dumped: DumpedTable, key: str, name: str) -> FixtureError:
    return FixtureError(
        dumped.declared_at(),
        f"the rows of {dumped.label} would get other keys, but {name} refers to them by their old "
        "keys.",
        _remedy(dumped, f"Restore the line {key}={key},."),
    )


def _no_value(column: Column, dumped: DumpedTable, unknown: Sequence[str]) -> FixtureError:
    names = " or ".join(map(repr, unknown))
    return FixtureError(
        dumped.declared_at(),
        f"there is no value for {column.field.model._meta.label}.{column.field.name}, which has "
        "no default.",
        _remedy(
            dumped,
            f"{f'If it was called {names}, change that name. Otherwise add' if names else 'Add'} a "
            f"line such as {column.name}=…, to the call of new(), or give the field a default.",
        ),
    )


def _remedy(dumped: DumpedTable, edit: str) -> str:
    """What to do: the rows may be what a migrator has made of them."""
    return "The migrator produced this: extend its step." if dumped.is_migrated else edit


class Validation(Enum):
    """Which dumped rows are validated: none, those of models that have changed, or all."""

    NEVER = "never"
    CHANGED = "changed"
    ALWAYS = "always"


def is_changed(layout: Layout) -> bool:
    """Whether a model has other fields than a dump had, or a migrator has touched its rows."""
    table, fields, dumped = layout.table, layout.fields, layout.dumped
    if is_special(table.model) or dumped is None:
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
    """Raise ``InvalidRow`` for a dumped object that is not valid; it is not changed.

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
            raise InvalidRow(error.update_error_dict({})) from error
        except (Exception, SystemExit) as error:  # clean() may do anything
            raise InvalidRow({NON_FIELD_ERRORS: sentence(error)}) from error


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
