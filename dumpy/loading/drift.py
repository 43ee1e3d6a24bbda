"""What a table of a dump means today, and what is said when it does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.apps import apps

from dumpy.errors import FixtureError, Place
from dumpy.loading.batches import ConstantLike, Layout, default_of
from dumpy.loading.dumped import DumpedTable
from dumpy.schema.tables import Column, ModelType, Table, table_of


@dataclass(frozen=True)
class KnownTable:
    """What the rows of a table mean here: the model, and its fields that the rows have."""

    model: ModelType
    fields: dict[str, int | ConstantLike]


def known_table(dumped: DumpedTable) -> KnownTable | None:
    """Return what the rows of a table mean here, or None if there is no such model."""
    model = _model(dumped)
    return None if model is None else KnownTable(model, _fields(table_of(model), dumped))


def unknowns(dumped: DumpedTable) -> Iterator[FixtureError]:
    """Yield an error for a model or for fields that do not exist: what a user may ignore."""
    model = None if dumped.drops else _model(dumped)
    if model is not None:
        table = table_of(model)
        for name in sorted(dumped.fields.keys() - _names(table).keys()):
            yield _no_field(table, name, dumped)
    elif not dumped.drops:
        yield _no_model(dumped)


def gaps(dumped: DumpedTable) -> Iterator[FixtureError]:
    """Yield an error for each field that needs a value which the rows do not have."""
    known = None if dumped.drops else known_table(dumped)
    if known is None or not set(table_of(known.model).key) <= known.fields.keys():
        return
    layout = Layout(table_of(known.model), known.fields)
    for column in layout.columns:
        if column.name not in known.fields and not _may_be_absent(column):
            yield _no_value(layout.table, column, dumped)


def absent(dumped: DumpedTable, there: tuple[str, set[str]]) -> Iterator[FixtureError]:
    """Yield an error if the table of a model is not ``there``: in a database with these tables."""
    known = None if dumped.drops else known_table(dumped)
    if known is not None:
        error = no_table(known.model, dumped.skeleton_place(dumped.line), there)
        if error is not None:
            yield error


def no_table(model: ModelType, place: Place, there: tuple[str, set[str]]) -> FixtureError | None:
    """Return the error for a model without a table in a database, or None if it is there."""
    using, names = there
    name = model._meta.db_table
    if {name, name.strip('"')} & names:
        return None
    return FixtureError(
        place,
        f"the table {name!r} of {model._meta.label} does not exist in the database {using!r}.",
        f"Make it first: manage.py migrate --database {using}",
    )


def _model(dumped: DumpedTable) -> ModelType | None:
    try:
        model = apps.get_model(dumped.label)
    except (LookupError, ValueError):
        return None
    return None if model._meta.swapped else model


def _fields(table: Table, dumped: DumpedTable) -> dict[str, int | ConstantLike]:
    names = _names(table)
    return {names[name]: where for name, where in dumped.fields.items() if name in names}


def _names(table: Table) -> dict[str, str]:
    """The names that a row may give its values: of fields, or attribute names."""
    names = {column.field.name: column.name for column in table.columns}
    names |= {column.name: column.name for column in table.columns}
    return names | {link.name: link.name for link in table.links}


def _may_be_absent(column: Column) -> bool:
    field = column.field
    return field.null or default_of(field) is not None


def _no_model(dumped: DumpedTable) -> FixtureError:
    return FixtureError(
        dumped.skeleton_place(dumped.line),
        f"there is no model {dumped.label!r}.",
        f"Change its name in resolve_model(), comment its line out in {dumped.listed_in}, or use "
        "--ignorenonexistent.",
    )


def _no_field(table: Table, name: str, dumped: DumpedTable) -> FixtureError:
    return FixtureError(
        dumped.skeleton_place(dumped.field_lines.get(name, dumped.line)),
        f"{table.label} has no field {name!r}.",
        "Comment the line out if it was removed, change the name left of the '=' if it was "
        "renamed, or use --ignorenonexistent.",
    )


def _no_value(table: Table, column: Column, dumped: DumpedTable) -> FixtureError:
    return FixtureError(
        dumped.skeleton_place(dumped.line),
        f"there is no value for {table.label}.{column.field.name}, which has no default.",
        f"Add a line such as {column.name}=…, to the call of new(), or give the field a default.",
    )
