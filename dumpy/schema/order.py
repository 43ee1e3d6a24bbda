"""The order in which tables are written and loaded: parents first, cycles in a fixed order."""

from __future__ import annotations

from collections.abc import Iterable

from dumpy.schema.tables import Column, ModelType, Table, table_of


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
        _label(column)
        for column in table.columns
        if column.references is not None and column.field.null == nullable
    }
    if nullable:
        keys |= {_label(link.target) for link in table.links}
    return keys - {table.label}


def _label(column: Column) -> str:
    assert column.references is not None
    return column.references._meta.label
