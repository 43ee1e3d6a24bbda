"""Conditions of constraints, held against rows by Python; what it cannot judge is refused."""

from __future__ import annotations

import datetime
import operator
import uuid
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.db.models import F, Q

from dumpy.dump import Natural
from dumpy.engines.base import Engine
from dumpy.schema.tables import Column, Table

Columns = Mapping[str, Sequence[Any]]
Judge = Callable[[Columns, int], "bool | None"]

_ORDERED = {
    int,
    float,
    Decimal,
    datetime.date,
    datetime.datetime,
    datetime.time,
    datetime.timedelta,
}
_EQUAL = {*_ORDERED, bool, uuid.UUID, str}
_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "exact": operator.eq,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


class NotJudged(Exception):
    """A condition that only a database can judge."""


def judge_of(condition: object, table: Table, engine: Engine) -> Judge:
    """Return what says of a row of some columns whether a condition holds, None for unknown.

    Raises ``NotJudged``.
    """
    if not isinstance(condition, Q):
        raise NotJudged
    return _Judges(table, engine).of(condition, is_negated=False)


class _Judges:
    """Makes judges of conditions on one table."""

    def __init__(self, table: Table, engine: Engine) -> None:
        self._table = table
        self._engine = engine

    def of(self, condition: Q, *, is_negated: bool) -> Judge:
        is_negated ^= condition.negated
        judges = [self._of_child(child, is_negated) for child in condition.children]
        joined = {Q.AND: _all, Q.OR: _any}.get(condition.connector)
        if joined is None or not judges:
            raise NotJudged
        judge = joined(judges)
        return _not(judge) if condition.negated else judge

    def _of_child(self, child: Any, is_negated: bool) -> Judge:
        if isinstance(child, Q):
            return self.of(child, is_negated=is_negated)
        if not isinstance(child, tuple):
            raise NotJudged
        name, _, lookup = child[0].partition("__")
        column = self._column(name)
        if lookup == "isnull" or child[1] is None:
            is_null = child[1] is None or bool(child[1])
            return lambda columns, row: (columns[column.name][row] is None) is is_null
        # Django lets NULL make no condition unknown that is negated.
        return self._compared(column, lookup or "exact", child[1], False if is_negated else None)

    def _column(self, name: str) -> Column:
        try:
            return self._table.column(self._table.key[0] if name == "pk" else name)
        except LookupError as error:
            raise NotJudged from error

    def _compared(self, column: Column, lookup: str, value: Any, unknown: bool | None) -> Judge:
        self._require(column, _ORDERED if lookup in ("gt", "gte", "lt", "lte", "range") else _EQUAL)
        if isinstance(value, F) and lookup in _COMPARED:
            return self._with_other(column, _COMPARED[lookup], self._column(_name(value)), unknown)
        holds = _test(column, lookup, value)

        def judge(columns: Columns, row: int) -> bool | None:
            found = columns[column.name][row]
            if isinstance(found, Natural):
                return None
            return unknown if found is None else holds(found)

        return judge

    def _with_other(
        self, column: Column, compare: Callable[[Any, Any], bool], other: Column, unknown: Any
    ) -> Judge:
        if other.types != column.types or column.references or other.references:
            raise NotJudged

        def judge(columns: Columns, row: int) -> bool | None:
            one, two = columns[column.name][row], columns[other.name][row]
            return unknown if one is None or two is None else compare(one, two)

        return judge

    def _require(self, column: Column, types: set[type]) -> None:
        # Which texts are equal is up to the collations of MySQL.
        known = types if self._engine.compares_by_code_points else types - {str}
        if column.types is None or not column.types <= known:
            raise NotJudged


def _test(column: Column, lookup: str, value: Any) -> Callable[[Any], bool]:
    if lookup in _COMPARED:
        compare, wanted = _COMPARED[lookup], _value(column, value)
        return lambda found: compare(found, wanted)
    if lookup not in ("in", "range") or not isinstance(value, list | tuple | set | frozenset):
        raise NotJudged
    some = [_value(column, one) for one in value]
    if lookup == "in":
        return lambda found: found in some
    low, high = some
    return lambda found: bool(low <= found <= high)


def _value(column: Column, value: Any) -> Any:
    try:
        made = column.target.to_python(value)
    except Exception as error:
        raise NotJudged from error
    if column.types is None or type(made) not in column.types:
        raise NotJudged
    return made


def _name(reference: Any) -> str:
    name: str = reference.name
    return name


def _not(judge: Judge) -> Judge:
    def negated(columns: Columns, row: int) -> bool | None:
        found = judge(columns, row)
        return None if found is None else not found

    return negated


def _all(judges: Sequence[Judge]) -> Judge:
    def judge(columns: Columns, row: int) -> bool | None:
        found = [one(columns, row) for one in judges]
        return False if False in found else None if None in found else True

    return judge


def _any(judges: Sequence[Judge]) -> Judge:
    def judge(columns: Columns, row: int) -> bool | None:
        found = [one(columns, row) for one in judges]
        return True if True in found else None if None in found else False

    return judge
