"""What is said when a dump and today's models do not fit."""

from __future__ import annotations

from collections.abc import Iterator

from dumpy.errors import FixtureError
from dumpy.loading.batches import Layout, default_of
from dumpy.loading.dumped import DumpedTable
from dumpy.schema.tables import Column, Table


def no_model(dumped: DumpedTable) -> FixtureError:
    """Return the error for a model that does not exist."""
    return FixtureError(
        dumped.place(dumped.line),
        f"there is no model {dumped.label!r}.",
        "Change its name in resolve_model(), comment its line out in objects(), or use "
        "--ignorenonexistent.",
    )


def no_field(table: Table, name: str, dumped: DumpedTable) -> FixtureError:
    """Return the error for a field that does not exist."""
    return FixtureError(
        dumped.place(dumped.field_lines.get(name, dumped.line)),
        f"{table.label} has no field {name!r}.",
        "Comment the line out if it was removed, change the name left of the '=' if it was "
        "renamed, or use --ignorenonexistent.",
    )


def no_value(layout: Layout, dumped: DumpedTable) -> Iterator[FixtureError]:
    """Yield an error for each field that needs a value and has none."""
    for column in layout.columns:
        if column.name not in layout.fields and not _may_be_absent(column):
            yield FixtureError(
                dumped.place(dumped.line),
                f"there is no value for {layout.table.label}.{column.field.name}, which has no "
                "default.",
                f"Add a line such as {column.name}=…, to the call of new(), or give the field a "
                "default.",
            )


def _may_be_absent(column: Column) -> bool:
    field = column.field
    return field.null or default_of(field) is not None
