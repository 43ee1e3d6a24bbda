"""What a table of a dump means today, and what is said when it does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from django.db.models import Model

from dumpy.dump import Natural, new
from dumpy.errors import FixtureError, Place
from dumpy.loading.batches import ConstantLike, Layout, default_of, named_values
from dumpy.loading.dumped import DumpedTable
from dumpy.loading.registry import TODAY, Registry
from dumpy.schema.tables import Column, Link, ModelType, Table, table_of

_IGNORED = ", or use --ignorenonexistent."


@dataclass(frozen=True)
class KnownTable:
    """What the rows of a table mean here: the model, and its fields that the rows have."""

    model: ModelType
    fields: dict[str, int | ConstantLike]


def known_table(dumped: DumpedTable, registry: Registry = TODAY) -> KnownTable | None:
    """Return what the rows of a table mean here, or None if there is no such model."""
    model = registry.find(dumped.label)
    return None if model is None else KnownTable(model, _fields(table_of(model), dumped))


def instances(dumped: DumpedTable, registry: Registry = TODAY) -> Iterator[Model]:
    """Yield the rows of a table as unsaved instances, but for those whose values do not fit."""
    known = None if dumped.drops else known_table(dumped, registry)
    if known is None:
        return
    for row in dumped.rows():
        with suppress(Exception):
            yield new(known.model, **named_values(known.fields, row.values))


def misfits(
    dumped: DumpedTable, registry: Registry = TODAY, *, may_be_ignored: bool = False
) -> Iterator[FixtureError]:
    """Yield an error for all that does not fit; a field that was renamed is one error, not two.

    ``may_be_ignored`` says that whoever loads can ask for what does not exist to be left out.
    """
    unknown = [] if dumped.drops else _unknown_fields(dumped, registry)
    missing = _missing(dumped, registry)
    likely = missing[0] if _is_rename(unknown, missing) else None
    yield from unknowns(dumped, registry, likely=likely, may_be_ignored=may_be_ignored)
    if likely is None:
        yield from gaps(dumped, registry)


def unknowns(
    dumped: DumpedTable,
    registry: Registry = TODAY,
    *,
    likely: Column | None = None,
    may_be_ignored: bool = False,
) -> Iterator[FixtureError]:
    """Yield an error for a model or for fields that do not exist.

    ``likely`` is the field that the only one of them may be called today.
    """
    if dumped.drops:
        return
    model = registry.find(dumped.label)
    if model is None:
        yield _no_model(dumped, may_be_ignored=may_be_ignored)
        return
    for name in _unknown_fields(dumped, registry):
        yield _no_field(table_of(model), name, dumped, likely, may_be_ignored=may_be_ignored)


def gaps(dumped: DumpedTable, registry: Registry = TODAY) -> Iterator[FixtureError]:
    """Yield an error for each field that needs a value which the rows do not have."""
    for column in _missing(dumped, registry):
        yield _no_value(column, dumped, _unknown_fields(dumped, registry))


def lost_keys(tables: Sequence[DumpedTable], registry: Registry = TODAY) -> Iterator[FixtureError]:
    """Yield an error for each table that leaves out the key by which rows of others refer to it."""
    for dumped in tables:
        known = None if dumped.drops else known_table(dumped, registry)
        if known is None:
            continue
        key = set(table_of(known.model).key) - known.fields.keys()
        if key & set(dumped.parameters):
            for name in _who_refers(known.model, tables, registry):
                yield _lost_key(dumped, sorted(key)[0], name)
                break


def _who_refers(
    model: ModelType, tables: Sequence[DumpedTable], registry: Registry
) -> Iterator[str]:
    """Yield the fields in a dump whose values are keys of a model, not natural ones."""
    for dumped in tables:
        known = None if dumped.drops else known_table(dumped, registry)
        for one in () if known is None else _references(table_of(known.model), model):
            where = known.fields.get(one.name) if known is not None else None
            if isinstance(where, int) and any(_is_key(row.values[where]) for row in dumped.rows()):
                yield f"{dumped.label}.{one.field.name}"


def _references(table: Table, model: ModelType) -> list[Column | Link]:
    columns = [column for column in table.columns if column.references is model]
    return [*columns, *(link for link in table.links if link.target.references is model)]


def _is_key(value: object) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(one is not None and not isinstance(one, Natural) for one in values)


def _is_rename(unknown: list[str], missing: list[Column]) -> bool:
    """Whether the only field that is missing may be the only one that is unknown."""
    if len(unknown) != 1 or len(missing) != 1:
        return False
    return unknown[0].endswith("_id") == (missing[0].references is not None)


def _unknown_fields(dumped: DumpedTable, registry: Registry) -> list[str]:
    model = registry.find(dumped.label)
    known = dumped.fields if model is None else table_of(model).names
    return sorted(dumped.fields.keys() - known.keys())


def _missing(dumped: DumpedTable, registry: Registry) -> list[Column]:
    known = None if dumped.drops else known_table(dumped, registry)
    if known is None or not set(table_of(known.model).key) <= known.fields.keys():
        return []
    columns = Layout(table_of(known.model), known.fields).columns
    return [c for c in columns if c.name not in known.fields and not _may_be_absent(c)]


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


def _fields(table: Table, dumped: DumpedTable) -> dict[str, int | ConstantLike]:
    names = table.names
    return {names[name]: where for name, where in dumped.fields.items() if name in names}


def _may_be_absent(column: Column) -> bool:
    field = column.field
    return field.null or default_of(field) is not None


def _no_model(dumped: DumpedTable, *, may_be_ignored: bool) -> FixtureError:
    return FixtureError(
        dumped.skeleton_place(dumped.line),
        f"there is no model {dumped.label!r}.",
        _remedy(
            dumped,
            "Change its name in resolve_model() if it was renamed, comment its line out in "
            f"{dumped.listed_in} if it was removed{_IGNORED if may_be_ignored else '.'}",
        ),
    )


def _no_field(
    table: Table, name: str, dumped: DumpedTable, likely: Column | None, *, may_be_ignored: bool
) -> FixtureError:
    return FixtureError(
        dumped.skeleton_place(dumped.field_lines.get(name, dumped.line)),
        f"{table.label} has no field {name!r}.",
        _remedy(
            dumped,
            "Comment the line out if it was removed, change the name left of the '=' if it was "
            f"renamed{_IGNORED if may_be_ignored else '.'}{_new_name(likely, dumped, name)}",
        ),
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
        dumped.skeleton_place(dumped.line),
        f"the rows of {dumped.label} would get other keys, but {name} refers to them by their own.",
        _remedy(dumped, f"Put the line {key}={key}, back."),
    )


def _no_value(column: Column, dumped: DumpedTable, unknown: Sequence[str]) -> FixtureError:
    names = " or ".join(map(repr, unknown))
    return FixtureError(
        dumped.skeleton_place(dumped.line),
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
    return "That is after the migrator, which has to do more." if dumped.is_migrated else edit
