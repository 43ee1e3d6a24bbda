"""Compare the tables of a dump with the current models, and validate its rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from enum import Enum

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import transaction
from django.db.models import ForeignKey, Model

from dumpy.errors import FixtureError, Place, sentence
from dumpy.loading.batches import Layout, default_of
from dumpy.loading.registry import Registry, and_no_app
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

# A foreign key that became a many-to-many field is neither removed nor renamed.
_IGNORED = ", or use --ignorenonexistent. manage.py checkdump shows what became of it."


def layout_of(dumped: DumpedTable, registry: Registry) -> Layout | None:
    """Return the layout of the rows of a table, or None if their model does not exist."""
    model = None if dumped.drops else registry.find(dumped.label)
    if model is None:
        return None
    table = table_of(model)
    names = table.names
    fields = {names[name]: position for name, position in dumped.fields.items() if name in names}
    return Layout(table, fields, dumped, model)


def mismatches(
    dumped: DumpedTable, layout: Layout | None, *, may_be_ignored: bool, has_all_fields: bool
) -> Iterator[FixtureError]:
    """Yield an error for each model or field of a dump that does not fit the models.

    ``may_be_ignored`` adds to the hints that ``--ignorenonexistent`` leaves such rows and fields
    out; ``has_all_fields`` requires a value for each field without a default. A renamed field has
    one error for both of its names.
    """
    alternative = _IGNORED if may_be_ignored else "."
    if layout is None:
        yield from () if dumped.drops else (_no_model(dumped, alternative),)
        return
    unknown = sorted(dumped.fields.keys() - layout.table.names.keys())
    required = [
        column
        for column in (layout.columns if has_all_fields and layout.has_key else ())
        if column.name not in layout.fields
        and not column.field.null
        and default_of(column.field) is None
    ]
    renamed = required.pop() if _is_rename(unknown, required) else None
    for name in unknown:
        yield _no_field(layout.table, name, dumped, renamed, alternative)
    for column in required:
        yield _no_value(column, dumped, unknown)


def lost_keys(layouts: Mapping[DumpedTable, Layout]) -> Iterator[FixtureError]:
    """Yield an error for each table without its primary key, to which rows of the dump refer."""
    for dumped, layout in layouts.items():
        key = set(layout.table.key) - layout.fields.keys()
        if key & set(dumped.parameters):
            name = next(_fields_with_keys(layout.model, layouts), None)
            if name is not None:
                yield _lost_key(dumped, min(key), name)


def _fields_with_keys(model: ModelType, layouts: Mapping[DumpedTable, Layout]) -> Iterator[str]:
    """Yield the fields of a dump that have primary keys of a model as values."""
    for dumped, layout in layouts.items():
        for name, column in layout.table.references.items():
            position = layout.fields.get(name) if column.references is model else None
            if isinstance(position, int) and any(
                _has_key(row.values[position]) for row in dumped.rows()
            ):
                yield f"{dumped.label}.{name}"


def _has_key(value: object) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(key is not None and not isinstance(key, Natural) for key in values)


def _is_rename(unknown: list[str], required: list[Column]) -> bool:
    """Whether the only unknown field may be the only required one under its old name."""
    if len(unknown) != 1 or len(required) != 1:
        return False
    return unknown[0].endswith("_id") == (required[0].references is not None)


def no_table(model: ModelType, place: Place, using: str, may_be_excluded: bool) -> FixtureError:
    """Return the error for a model without a table in the database."""
    exclude = f", or leave the model out with --exclude {model._meta.label}"
    return FixtureError(
        place,
        f"the table {model._meta.db_table!r} of {model._meta.label} does not exist in the database "
        f"{using!r}.",
        f"Create it first: manage.py migrate --database {using}"
        if model._meta.managed
        else "No migration creates it, because the model is unmanaged: create it first"
        f"{exclude if may_be_excluded else '.'}",
    )


def _no_model(dumped: DumpedTable, alternative: str) -> FixtureError:
    return FixtureError(
        dumped.named_at,
        f"there is no model {dumped.label!r}{and_no_app(dumped.label)}.",
        _remedy(
            dumped,
            "Change its name in resolve_model() if it was renamed, comment its line out in "
            f"{dumped.listed_in} if it was removed{alternative}",
        ),
        "Its rows are left out.",
    )


def _no_field(
    table: Table, name: str, dumped: DumpedTable, renamed: Column | None, alternative: str
) -> FixtureError:
    return FixtureError(
        dumped.declared_at(name),
        f"{table.label} has no field {name!r}.",
        _remedy(
            dumped,
            "Comment the line out if it was removed, change the name left of the '=' if it was "
            f"renamed{alternative}{_new_name(renamed, dumped, name)}",
        ),
        # The value of a field that may have been renamed is required.
        "" if renamed else "It is left out.",
    )


def _new_name(renamed: Column | None, dumped: DumpedTable, name: str) -> str:
    if renamed is None:
        return ""
    position = dumped.fields[name]
    value = dumped.parameters[position] if isinstance(position, int) else "…"
    return (
        f" Its new name may be {renamed.field.name!r}, which has no value and no default: "
        f"{renamed.name}={value},"
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
    """Return the hint of an error: the edit, unless a migrator has changed the rows."""
    return "The migrator produced this: extend its step." if dumped.is_migrated else edit


class Validation(Enum):
    """Which dumped rows are validated: none, those of models that have changed, or all."""

    NEVER = "never"
    CHANGED = "changed"
    ALWAYS = "always"


def is_changed(layout: Layout) -> bool:
    """Whether the fields of a model have changed since the dump, or a migrator changed its rows."""
    table, fields, dumped = layout.table, layout.fields, layout.dumped
    if is_special(table.model) or dumped is None:
        return False
    current = {column.name for column in table.columns} | {link.name for link in table.links}
    positions = {position for position in fields.values() if isinstance(position, int)}
    return (
        dumped.is_migrated
        or bool(current - fields.keys() - set(table.key))
        or len(positions) != len(fields)
        or len(positions) < dumped.width
    )


def validate(instance: Model, names: Collection[str], *, is_strict: bool, using: str) -> None:
    """Validate an instance of a row without changing it; raises ``InvalidRow``.

    The database checks references and unique values. Unless ``is_strict``, empty values and fields
    that are not in ``names``, the fields of the row, are not validated.
    """
    exempt = {
        column.field.name
        for column in table_of(type(instance)).columns
        if _is_checked_by_database(column, instance)
        or not (is_strict or _has_value(column, instance, names))
    }
    # A failing query in clean() must not end the transaction of the load.
    has_clean = type(instance).clean is not Model.clean
    with _unchanged(instance):
        try:
            with transaction.atomic(using=using) if has_clean else nullcontext():
                _clean(instance, exempt)
        except ValidationError as error:
            raise InvalidRow(error.update_error_dict({})) from error
        except (Exception, SystemExit) as error:  # clean() may raise anything
            raise InvalidRow({NON_FIELD_ERRORS: sentence(error)}) from error


def _clean(instance: Model, exempt: set[str]) -> None:
    # The inherited fields are in the row of the parent, and not set on this instance.
    inherited = {field.name for field in instance._meta.concrete_fields}
    inherited -= {field.name for field in instance._meta.local_concrete_fields}
    if inherited:
        instance.clean_fields(exclude=exempt | inherited)
    else:
        instance.full_clean(exclude=exempt, validate_unique=False, validate_constraints=False)


def _is_checked_by_database(column: Column, instance: Model) -> bool:
    value = getattr(instance, column.name)
    return isinstance(column.field, ForeignKey) or hasattr(value, "resolve_expression")


def _has_value(column: Column, instance: Model, names: Collection[str]) -> bool:
    """Whether the row has a value for a column that is not empty."""
    is_in_row = column.name in names or column.field.name in names
    return is_in_row and attribute(column, instance) not in column.field.empty_values


@contextmanager
def _unchanged(instance: Model) -> Iterator[None]:
    """Undo the changes of an instance at the end of the block."""
    saved = dict(instance.__dict__)
    # A list or a dict may be changed in place.
    instance.__dict__.update(
        {name: deepcopy(value) for name, value in saved.items() if isinstance(value, list | dict)}
    )
    try:
        yield
    finally:
        instance.__dict__.clear()
        instance.__dict__.update(saved)
