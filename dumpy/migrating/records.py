"""Rows on their way through migrators: of models as the dump knows them, which may be gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import Model

from dumpy.dump import MissingModel, new
from dumpy.schema.tables import ModelType, table_of


class Misfit(LookupError):
    """Something that is not there, in a sentence of its own."""

    is_sentence = True


class NoField(Misfit):
    """A field that rows of a model do not have."""

    def __init__(self, label: str, name: str, names: Iterable[str]) -> None:
        super().__init__(label, name, tuple(names))
        self.label = label
        self.name = name
        self.names = tuple(names)

    def __str__(self) -> str:
        names = ", ".join(self.names)
        return f"the rows of {self.label} have no field {self.name!r}; they have {names}."


class Record:
    """A row of a model that may be gone: its fields are attributes, which can be set.

    ``label_of`` and ``values_of`` tell the model's label and the values by field name.
    """

    __slots__ = ("_label", "_values")

    def __init__(self, label: str, values: dict[str, Any]) -> None:
        object.__setattr__(self, "_label", label)
        object.__setattr__(self, "_values", values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(str(NoField(self._label, name, self._values))) from None

    def __setattr__(self, name: str, value: object) -> None:
        self._values[name] = value

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in self._values.items())
        return f"new({self._label!r}, {values})"


@dataclass(frozen=True)
class DumpedModel(MissingModel):
    """Stands for a model as a dump knows it: ``new`` makes a ``Record`` of it."""

    def row(self, values: dict[str, Any]) -> Any:
        """Return a record with these values."""
        return Record(self.label, values)


def label_of(record: Record) -> str:
    """Return the label of the model of a record."""
    return str(object.__getattribute__(record, "_label"))


def values_of(record: Record) -> dict[str, Any]:
    """Return the values of a record by field name."""
    values: dict[str, Any] = object.__getattribute__(record, "_values")
    return values


def flat(given: Any) -> Iterator[Record | Model]:
    """Yield what a create function has given: nothing, one object, or several.

    Raises ``TypeError`` for what is no object.
    """
    if isinstance(given, Record | Model):
        yield given
    elif isinstance(given, str | bytes | dict) or not isinstance(given, Iterable | None):
        raise TypeError(f"it gives {given!r}, which is no object.")
    else:
        for one in given or ():
            yield from flat(one)


def instance_of(given: Record | Model) -> Model:
    """Return an object of today's model; raises ``Misfit`` if model or fields are unknown."""
    if isinstance(given, Model):
        return given
    label, values = label_of(given), values_of(given)
    try:
        model: ModelType = apps.get_model(label)
    except (LookupError, ValueError):
        raise Misfit(
            f"there is no model {label!r}: drop its rows with remove_model(), or make objects of "
            "other models of them."
        ) from None
    names = table_of(model).names
    for name in values:
        if name not in names:
            raise Misfit(f"{label} has no field {name!r}; it has {', '.join(names)}.")
    return new(model, **{names[name]: value for name, value in values.items()})
