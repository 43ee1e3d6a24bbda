"""Permissions, sites and content types: which row here a key of the dump means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db.models import ForeignKey, QuerySet

from dumpy.schema.tables import NATURAL_KEYS, ModelType, Table, concrete, is_special, table_of
from dumpy.text.words import Natural

Values = Mapping[str, Any]


@dataclass(frozen=True)
class NotHere:
    """A key of the dump that means no row here: the ``row``, which the dump has if ``is_named``."""

    value: object
    row: str
    is_named: bool = False

    @property
    def reason(self) -> str:
        """What is wrong with it."""
        if self.is_named:
            return f"refers to {self.row}, which is not in this database."
        return f"refers to {self.row} that is not in the dump: dump it, too."


class SpecialKeys:
    """Leads keys of special rows, which Django makes with other keys, to the rows here.

    ``rows_of`` gives the rows of a model in the dump. Rows are matched by natural key.
    """

    def __init__(self, rows_of: Callable[[ModelType], Iterable[Values]], using: str) -> None:
        self._rows_of = rows_of
        self._using = using
        self._known: dict[ModelType, dict[object, object]] = {}

    def here(self, table: Table, values: dict[str, Any]) -> dict[str, Any]:
        """Return the values of a row, where keys of special rows are those here, or ``NotHere``."""
        changed: dict[str, Any] = {}
        for name, model, to_python in _special_keys(table):
            value = values.get(name)
            if isinstance(value, list):
                changed[name] = [self._key(model, one, to_python) for one in value]
            elif value is not None:
                changed[name] = self._key(model, value, to_python)
        return {**values, **changed} if changed else values

    def _key(self, model: ModelType, value: Any, to_python: Callable[[Any], object]) -> object:
        if type(value) is Natural:
            return value
        key = to_python(value)
        unknown = NotHere(key, f"a row of {model._meta.label}")
        return self._keys_of(model).get(key, unknown)

    def _keys_of(self, model: ModelType) -> dict[object, object]:
        if model not in self._known:
            key = table_of(model).key[0]
            rows = [row for row in self._rows_of(model) if key in row]
            self._known[model] = {row[key]: self._match(model, row[key], row) for row in rows}
        return self._known[model]

    def _match(self, model: ModelType, key: object, row: Values) -> object:
        """Return the key here of a row of the dump."""
        table, names = table_of(model), NATURAL_KEYS[model._meta.label_lower]
        natural: list[object] = []
        for name in names:
            value, kind = row.get(name), table.column(name).references
            if isinstance(value, Natural) and kind is not None:
                value = self._found(kind, value.key)
            natural.append(None if isinstance(value, NotHere) else value)
        found = None if None in natural else self._found(model, natural)
        said = ", ".join(f"{name}={_shown(row.get(name))}" for name in names)
        return NotHere(key, f"{table.label} {said}", is_named=True) if found is None else found

    def _found(self, model: ModelType, natural: Sequence[object]) -> object:
        names = NATURAL_KEYS[model._meta.label_lower]
        rows: QuerySet[Any] = QuerySet(model, using=self._using)
        found = rows.filter(**dict(zip(names, natural, strict=True))).values_list("pk").first()
        return found[0] if found else None


@cache
def _special_keys(table: Table) -> list[tuple[str, ModelType, Callable[[Any], object]]]:
    """Return the columns and links that lead to special rows, be it as the keys of other rows."""
    found: list[tuple[str, ModelType, Callable[[Any], object]]] = []
    for name, column in table.references.items():
        field: Any = column.field
        while isinstance(field, ForeignKey):
            model, field = concrete(field.remote_field.model), field.target_field
            if is_special(model):
                if field.primary_key:
                    found.append((name, model, column.target.to_python))
                break
    return found


def _shown(value: object) -> str:
    return ".".join(map(str, value.key)) if isinstance(value, Natural) else str(value)
