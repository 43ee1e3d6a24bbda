"""Constraints of a table that are about more than the values of some columns together."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CheckConstraint, Model, UniqueConstraint

from dumpy.checking.conditions import Judge, NotJudged, judge_of
from dumpy.checking.uniques import Unique
from dumpy.engines import engine_of
from dumpy.schema.tables import Column, Table


@dataclass(frozen=True)
class Check:
    """A constraint on each row."""

    name: str
    judge: Judge


class Constraints:
    """The constraints of a table: ``checks``, ``uniques``, and the names of those ``unseen``.

    ``known`` are the names of the columns with values.
    """

    def __init__(
        self, table: Table, known: Collection[str], connection: BaseDatabaseWrapper
    ) -> None:
        self.checks: list[Check] = []
        self.uniques: list[Unique] = []
        self.unseen: list[str] = []
        self._table = table
        self._known = known
        self._connection = connection
        for constraint in table.model._meta.constraints:
            if _is_enforced(constraint, connection):
                self._take(constraint)

    def _take(self, constraint: Any) -> None:
        try:
            if isinstance(constraint, CheckConstraint):
                condition: Any = getattr(constraint, "condition", None) or constraint.check
                self.checks.append(Check(constraint.name, self._judge(condition)))
            elif not isinstance(constraint, UniqueConstraint) or not constraint.fields:
                raise NotJudged
            elif constraint.condition is not None:
                self.uniques.append(self._conditional(constraint))
        except NotJudged:
            self.unseen.append(f"the constraint {constraint.name} of {self._table.label}")

    def _conditional(self, constraint: UniqueConstraint) -> Unique:
        columns = tuple(map(self._column, constraint.fields))
        spares_null = constraint.nulls_distinct is not False
        return Unique(columns, spares_null, self._judge(constraint.condition))

    def _judge(self, condition: object) -> Judge:
        judge = judge_of(condition, self._table, engine_of(self._connection))
        for name in _names(condition):
            self._column(name)
        return judge

    def _column(self, name: str) -> Column:
        column = self._table.column(self._table.key[0] if name == "pk" else name)
        if column.name not in self._known:
            raise NotJudged
        return column


def cleans(model: type[Model]) -> bool:
    """Whether rows that are validated meet code of the model."""
    return any(
        getattr(model, name) is not getattr(Model, name)
        for name in ("clean", "clean_fields", "full_clean")
    )


def _is_enforced(constraint: Any, connection: BaseDatabaseWrapper) -> bool:
    features = connection.features
    if isinstance(constraint, CheckConstraint):
        return bool(features.supports_table_check_constraints)
    if isinstance(constraint, UniqueConstraint) and constraint.condition is not None:
        return bool(features.supports_partial_indexes)
    if isinstance(constraint, UniqueConstraint) and constraint.expressions:
        return bool(features.supports_expression_indexes)
    return True


def _names(condition: Any) -> Iterator[str]:
    """The fields that a condition names."""
    for child in condition.children:
        if isinstance(child, tuple):
            yield child[0].partition("__")[0]
            if hasattr(child[1], "name"):
                yield child[1].name
        else:
            yield from _names(child)
