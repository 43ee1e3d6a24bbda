"""What is said of a drift: findings, each with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from enum import Enum
from typing import Any

from dumpy.checking.drift import Drift, fixed_default, is_filled
from dumpy.checking.findings import Example, Finding, Tally
from dumpy.checking.opened import DumpedModel
from dumpy.checking.references import Lost
from dumpy.checking.uniques import UniqueCheck
from dumpy.restoring.redirected import Redirected
from dumpy.schema.tables import Column, Link
from dumpy.text.words import Unwritable, source

_EMPTY = {str: "", int: 0, float: 0.0, bool: False, bytes: b""}


def gone(dumped: DumpedModel, rows: int, values: int) -> Finding:
    """Return what is said of a model that the project does not have."""
    lines = len(dumped.listed_at)
    what = "line" if lines == 1 else f"{lines} lines"
    return Finding(
        "model-removed",
        dumped.label,
        "there is no such model",
        hint=f"comment the {what} out in {dumped.tables[0].listed_in}",
        place=dumped.listed_at[0],
        rows=rows,
        values=values,
        step=f"self.remove_model({_text(dumped.label)})",
    )


def moved(dumped: DumpedModel, label: str, rows: int) -> Finding:
    """Return what is said of a model that may have another label today."""
    return Finding(
        "model-renamed",
        dumped.label,
        f"may be {label} now",
        to=label,
        hint=f"change the label in resolve_model() to {label!r}",
        place=dumped.named_at,
        rows=rows,
        step=f"self.rename_model({_text(dumped.label)}, {_text(label)})",
        is_guess=True,
    )


def lost_references(lost: Lost, dumped: DumpedModel) -> Finding:
    """Return what is said of references to rows that the dump does not have."""
    return Finding(
        "reference",
        dumped.label,
        f"refers to rows of {lost.source.key[0]} that the dump does not have",
        field=lost.source.name,
        hint="put those rows back, or change the values; or dump again with --all, if it was "
        "dumpdata, and a manager hides them",
        rows=lost.rows,
        values=lost.rows,
        examples=tuple(
            Example(pk, dumped.tables[part].place(line), None) for pk, part, line in lost.first
        ),
    )


def leads_elsewhere(found: Redirected, rows: int) -> Finding:
    """Return what is said of a reference that leads to another model today."""
    return Finding(
        "redirected",
        found.label,
        found.reason,
        field=found.name,
        to=found.today,
        hint="restore it with --through-migrations, which does what the migrations say",
        rows=rows,
        step=found.step,
    )


def findings_of(drift: Drift, *, is_guess: bool) -> Iterator[Finding]:
    """Yield what is said of the fields of a model, and of its values."""
    found = [*_renamed(drift), *_removed(drift), *_added(drift), *_misfits(drift)]
    for finding in [*found, *_duplicates(drift)]:
        yield replace(finding, is_guess=finding.is_guess or is_guess)


def _renamed(drift: Drift) -> Iterator[Finding]:
    label = drift.table.label
    for old, new in drift.renamed.items():
        yield Finding(
            "field-renamed",
            drift.dumped.label,
            f"may be {new} now",
            field=old,
            to=new,
            hint=f"change the name left of the '=' to {new!r}",
            place=drift.dumped.field_at(old),
            rows=drift.rows.count,
            values=drift.filled[old],
            step=f"self.rename_field({_text(label)}, {_names(old, new)})",
            is_guess=True,
        )


def _names(old: str, new: str) -> str:
    """Two names as a migrator is told them: those of foreign keys without their ending."""
    if old.endswith("_id") and new.endswith("_id"):
        old, new = old.removesuffix("_id"), new.removesuffix("_id")
    return f"{_text(old)}, {_text(new)}"


def _removed(drift: Drift) -> Iterator[Finding]:
    for name in drift.removed:
        through, other = drift.through.get(name, ""), drift.elsewhere.get(name, "")
        reason = f"is kept in {through} now" if through else "there is no such field"
        if other:
            reason += f", but {other}, which is new, has one of this name"
        hint = "comment the line out"
        if through or other:
            hint += f", or make rows of {through or other} with @override in a migrator"
        yield Finding(
            "field-removed",
            drift.dumped.label,
            reason,
            field=name,
            to=through or other or None,
            hint=hint,
            place=drift.dumped.field_at(name),
            rows=drift.rows.count,
            values=drift.filled[name],
            step=f"self.remove_field({_text(drift.table.label)}, {_text(name)})",
        )


def _added(drift: Drift) -> Iterator[Finding]:
    for one in drift.added:
        if isinstance(one, Column) and one.name in drift.table.key and is_filled(one):
            continue  # a dump without keys, whose rows are found by natural key
        finding = Finding(
            "field-added",
            drift.dumped.label,
            f"is new, and {_filling(one)}",
            field=one.field.name,
            rows=drift.rows.count,
            stops=False,
        )
        is_wanting = isinstance(one, Column) and _is_wanting(one)
        yield _wanting(drift, finding, one.name) if is_wanting else finding


def _wanting(drift: Drift, finding: Finding, name: str) -> Finding:
    return replace(
        finding,
        reason="is new, and needs a value",
        hint=f"add a line such as {name}=…, to the call of new(), or give it a default",
        place=drift.dumped.created_at,
        step=f"self.add_field({_text(drift.table.label)}, {_text(name)}, ...)",
        stops=True,
    )


def _is_wanting(column: Column) -> bool:
    constant = fixed_default(column)
    is_none = constant is not None and constant.value is None
    return is_none and not is_filled(column) and not column.field.null


def _filling(one: Column | Link) -> str:
    if isinstance(one, Link):
        return "links nothing"
    if is_filled(one):
        return "the database fills it in"
    constant = fixed_default(one)
    if constant is not None and constant.value is None:
        return "may be NULL"
    if constant is not None and not one.field.has_default():
        return "begins empty"
    return "has a default"


def _misfits(drift: Drift) -> Iterator[Finding]:
    columns = {column.field.name: column for column in drift.table.columns}
    for (name, kind, stops), tally in drift.tallies.items():
        yield Finding(
            kind,
            drift.dumped.label,
            _reason(kind, tally),
            field=name,
            hint="change the values" if stops else "",
            rows=tally.rows,
            values=0 if kind == "null" else tally.rows,
            examples=tuple(tally.examples),
            step=_change(drift.table.label, kind, columns.get(name), name, tally),
            stops=stops,
            is_guess=name in {_name_of(drift, new) for new in drift.renamed.values()},
        )


def _name_of(drift: Drift, name: str) -> str:
    """The name of the field whose values rows have under the name of its column."""
    for column in drift.table.columns:
        if column.name == name:
            return str(column.field.name)
    return name


def _reason(kind: str, tally: Tally) -> str:
    if kind != "choice":
        return tally.reason.rstrip(".")
    values = ", ".join(map(_text, _values(tally)))
    return f"{tally.reason}: {values}"


def _values(tally: Tally) -> list[Any]:
    return list(dict.fromkeys(example.value for example in tally.examples))


def _change(label: str, kind: str, column: Column | None, name: str, tally: Tally) -> str:
    if column is None:
        return ""
    return f"self.change_values({_text(label)}, {_text(column.name)}, {_new(kind, column, tally)})"


def _new(kind: str, column: Column, tally: Tally) -> str:
    field: Any = column.field
    if kind == "null":
        return f"{{None: {_default(column)}}}"
    if kind == "choice":
        first = field.flatchoices[0][0]
        return "{" + ", ".join(f"{_text(v)}: {_text(first)}" for v in _values(tally)) + "}"
    if kind == "too-long":
        guard = "value and " if field.null else ""
        return f"lambda value: {guard}value[:{column.target.max_length}]"
    return "lambda value: ..."


def _default(column: Column) -> str:
    constant = fixed_default(column)
    if constant is not None and constant.value is not None:
        return _text(constant.value)
    kind = next(iter(column.types or ()), None)
    return _text(_EMPTY[kind]) if kind in _EMPTY else "..."


def _duplicates(drift: Drift) -> Iterator[Finding]:
    for check in drift.uniques:
        found = check.duplicates()
        if found.rows:
            examples = tuple(
                Example(pk, drift.dumped.tables[part].place(line), None)
                for pk, part, line in found.first
            )
            yield Finding(
                "not-unique",
                drift.dumped.label,
                f"must be unique: {_times(found.values)} in several rows",
                field=check.unique.names,
                hint="change or drop the rows",
                rows=found.rows,
                values=found.values,
                examples=examples,
                is_guess=_is_guessed(drift, check),
            )


def _times(values: int) -> str:
    return "1 value is" if values == 1 else f"{values:,} values are"


def _is_guessed(drift: Drift, check: UniqueCheck) -> bool:
    return any(column.name in drift.renamed.values() for column in check.unique.columns)


def _text(value: object) -> str:
    """A value as the source of a migrator has it."""
    if type(value) is str and value.isprintable() and '"' not in value and "\\" not in value:
        return f'"{value}"'
    try:
        return source(value.value if isinstance(value, Enum) else value)
    except Unwritable:
        return "..."
