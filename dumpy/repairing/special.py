"""Translate the keys of permissions, sites and content types in a dump to those of a database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db.models import QuerySet

from dumpy.repairing.choice import joined_key
from dumpy.schema.tables import NATURAL_KEYS, ModelType, Table, is_special, table_of
from dumpy.text.words import Natural

Values = Mapping[str, Any]


@dataclass(frozen=True)
class UnmatchedKey:
    """A key in the dump of a special row that the database does not have.

    Attributes:
        value: the key.
        row: the row for messages.
        is_in_dump: whether the dump has the row.
    """

    value: object
    row: str
    is_in_dump: bool = False

    @property
    def reason(self) -> str:
        """Why it cannot be loaded."""
        if self.is_in_dump:
            return f"refers to {self.row}, which is not in this database."
        return f"refers to {self.row} that is not in the dump: dump it, too."


class SpecialKeys:
    """Translates keys of special rows, which Django creates with other keys in each database.

    ``rows_of`` returns the rows of a model in the dump. Rows are matched by natural key.
    """

    def __init__(self, rows_of: Callable[[ModelType], Iterable[Values]], using: str) -> None:
        self._rows_of = rows_of
        self._using = using
        self._keys: dict[ModelType, dict[object, object]] = {}

    def translate(self, table: Table, values: dict[str, Any]) -> dict[str, Any]:
        """Return the values of a row with translated keys; each may be an ``UnmatchedKey``."""
        translated: dict[str, Any] = {}
        for name, model, to_python in _special_references(table):
            value = values.get(name)
            if isinstance(value, list):
                translated[name] = [self._key(model, key, to_python) for key in value]
            elif value is not None:
                translated[name] = self._key(model, value, to_python)
        return {**values, **translated} if translated else values

    def _key(self, model: ModelType, value: Any, to_python: Callable[[Any], object]) -> object:
        if type(value) is Natural:
            return value
        key = to_python(value)
        unmatched = UnmatchedKey(key, f"a row of {model._meta.label}")
        return self._keys_of(model).get(key, unmatched)

    def _keys_of(self, model: ModelType) -> dict[object, object]:
        if model not in self._keys:
            key = table_of(model).key[0]
            rows = [row for row in self._rows_of(model) if key in row]
            self._keys[model] = {row[key]: self._match(model, row[key], row) for row in rows}
        return self._keys[model]

    def _match(self, model: ModelType, key: object, row: Values) -> object:
        """Return the key in the database of a row of the dump, or an ``UnmatchedKey``."""
        table, names = table_of(model), NATURAL_KEYS[model._meta.label_lower]
        natural_key: list[object] = []
        for name in names:
            value, target = row.get(name), table.column(name).references
            if isinstance(value, Natural) and target is not None:
                value = self._stored_key(target, value.key)
            natural_key.append(None if isinstance(value, UnmatchedKey) else value)
        stored_key = None if None in natural_key else self._stored_key(model, natural_key)
        if stored_key is not None:
            return stored_key
        texts = ", ".join(f"{name}={_text(row.get(name))}" for name in names)
        return UnmatchedKey(key, f"{table.label} {texts}", is_in_dump=True)

    def _stored_key(self, model: ModelType, natural_key: Sequence[object]) -> object:
        names = NATURAL_KEYS[model._meta.label_lower]
        rows: QuerySet[Any] = QuerySet(model, using=self._using)
        row = rows.filter(**dict(zip(names, natural_key, strict=True))).first()
        return row.pk if row is not None else None


@cache
def _special_references(table: Table) -> list[tuple[str, ModelType, Callable[[Any], object]]]:
    """Return the columns and links that hold keys of special rows, directly or as a parent's key.

    Each comes with the special model and the conversion of its values.
    """
    return [
        (name, model, column.target.to_python)
        for name, column in table.references.items()
        if (model := column.key_owner) is not None and is_special(model)
    ]


def _text(value: object) -> str:
    return joined_key(value) if isinstance(value, Natural) else str(value)
