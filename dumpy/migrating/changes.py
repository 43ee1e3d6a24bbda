"""The changes that a migrator makes. Without code, rows stay data and are loaded in blocks."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any

from django.apps import apps
from django.db.models import Model
from django.utils.text import camel_case_to_spaces

from dumpy.reading.dump import PERMISSION, update_labels
from dumpy.schema.instances import MissingModel, new
from dumpy.schema.tables import ModelType, table_of
from dumpy.text.emit import Names
from dumpy.text.skeleton import Constant, CreateFunction
from dumpy.text.words import Natural

Fields = dict[str, Any]
_ACTIONS = ("add", "change", "delete", "view")


class Mismatch(LookupError):
    """A name that does not exist, as a sentence."""

    is_sentence = True


class NoField(Mismatch):
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
    """A row of a model that may no longer exist: its fields are attributes, which can be set.

    ``label_of`` and ``values_of`` return the model's label and the values by field name.
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
        values = [f"{name}={value!r}" for name, value in self._values.items()]
        return f"new({', '.join([repr(self._label), *values])})"

    def __reduce__(self) -> tuple[Any, ...]:
        # copy.copy() would set the slots as if they were fields.
        return Record, (self._label, dict(self._values))


@dataclass(frozen=True)
class DumpedModel(MissingModel):
    """A stand-in for a model of a dump: ``new`` makes a ``Record`` of it."""

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


def flat(result: Any) -> Iterator[Record | Model]:
    """Yield the objects in the result of a create function: none, one, or several.

    Raises ``TypeError`` for anything else.
    """
    if isinstance(result, Record | Model):
        yield result
    elif isinstance(result, str | bytes | dict) or not isinstance(result, Iterable | None):
        raise TypeError(f"it gives {result!r}, which is not an object.")
    else:
        for item in result or ():
            yield from flat(item)


def instance_of(item: Record | Model) -> Model:
    """Return an instance of the current model; raises ``Mismatch`` for an unknown name."""
    if isinstance(item, Model):
        return item
    label, values = label_of(item), values_of(item)
    try:
        model: ModelType = apps.get_model(label)
    except (LookupError, ValueError):
        raise Mismatch(
            f"there is no model {label!r}: drop its rows with remove_model(), or make objects of "
            "other models of them."
        ) from None
    names = table_of(model).names
    for name in values:
        if name not in names:
            raise Mismatch(f"{label} has no field {name!r}; it has {', '.join(names)}.")
    return new(model, **{names[name]: value for name, value in values.items()})


@cache
def create_name(label: str) -> str:
    """Return the name of the create function of a model in dumps."""
    app_label, _, name = label.partition(".")
    return Names().for_model(app_label, name).create


@dataclass(frozen=True)
class Change:
    """A change of the rows of one model.

    Attributes:
        label: the label of the model.
        step: the name of the migrator's method that makes the change.
        is_strict: whether rows must have the field that it changes.
    """

    label: str
    step: str = field(default="", kw_only=True)
    is_strict: bool = field(default=True, kw_only=True)

    def concerns(self, label: str) -> bool:
        """Whether the change applies to the rows of a model."""
        return label == self.label

    def function(self, before: CreateFunction) -> CreateFunction | None:
        """Return the changed create function, or None if the change needs code."""
        return None

    def records(self, record: Record) -> Iterator[Record | Model]:
        """Yield the records that a record becomes."""
        raise NotImplementedError

    def name_in(self, fields: Mapping[str, Any], name: str) -> str:
        """Return the name of a field in rows; raises ``NoField``."""
        existing = self.find_name(fields, name)
        if existing is None:
            raise NoField(self.label, name, fields)
        return existing

    def find_name(self, fields: Container[str], name: str) -> str | None:
        """Return the name of a field in rows, with or without ``_id``, or None."""
        for alias in (name, f"{name}_id", name.removesuffix("_id")):
            if alias in fields and _are_same_field(self.label, name, alias):
                return alias
        return None

    def require_free(self, fields: Container[str], name: str) -> None:
        """Raise ``Mismatch`` if rows already have the field, with or without ``_id``."""
        existing = self.find_name(fields, name)
        if existing is not None:
            raise Mismatch(f"the rows of {self.label} have a field {existing!r} already.")


@dataclass(frozen=True)
class FieldChange(Change):
    """A change of the fields of rows, not of their values."""

    def fields(self, before: Mapping[str, Any], constant: Callable[[Any], Any]) -> Fields:
        """Return the fields after the change; ``constant`` turns a value into one for all rows."""
        raise NotImplementedError

    def function(self, before: CreateFunction) -> CreateFunction:
        """Return the create function with other fields."""
        return replace(before, fields=self.fields(before.fields, Constant))

    def records(self, record: Record) -> Iterator[Record]:
        """Yield the record with other fields."""
        yield Record(label_of(record), self.fields(values_of(record), lambda value: value))


@dataclass(frozen=True)
class RenameField(FieldChange):
    """The renaming of a field."""

    old: str
    new: str

    def fields(self, before: Mapping[str, Any], constant: Callable[[Any], Any]) -> Fields:
        """Return the fields with the new name in the place of the old one."""
        old = self.name_in(before, self.old)
        new = f"{self.new}_id" if old == f"{self.old}_id" else self.new
        self.require_free(before.keys() - {old}, self.new)
        return {new if name == old else name: value for name, value in before.items()}


@dataclass(frozen=True)
class RemoveField(FieldChange):
    """The removal of a field."""

    name: str

    def fields(self, before: Mapping[str, Any], constant: Callable[[Any], Any]) -> Fields:
        """Return the other fields."""
        removed = self.name_in(before, self.name)
        return {name: value for name, value in before.items() if name != removed}


@dataclass(frozen=True)
class AddField(FieldChange):
    """The addition of a field that has the same value in every row."""

    name: str
    value: Any

    def fields(self, before: Mapping[str, Any], constant: Callable[[Any], Any]) -> Fields:
        """Return the fields with the new one."""
        self.require_free(before, self.name)
        return {**before, self.name: constant(self.value)}


@dataclass(frozen=True)
class RenameModel(Change):
    """The renaming of a model, or its move to another app."""

    new: str

    def function(self, before: CreateFunction) -> CreateFunction:
        """Return the create function for the renamed model."""
        return replace(before, model=self.renamed(before.model))

    def records(self, record: Record) -> Iterator[Record]:
        """Yield the record as one of the renamed model."""
        yield Record(self.renamed(label_of(record)), values_of(record))

    def renamed(self, label: str) -> str:
        """Return the label of a model after the change; ``label`` may be in lower case."""
        return self.new if _key(label) == _key(self.label) else label

    def natural(self, natural: Natural) -> Natural:
        """Return a reference by natural key after the change; default permissions follow."""
        changed = update_labels(self.renamed, natural)
        if changed != natural and changed.model.lower() == PERMISSION:
            codename, *label = changed.key
            for action in _ACTIONS:
                if codename == f"{action}_{natural.key[-1]}":
                    return Natural(changed.model, (f"{action}_{label[-1]}", *label))
        return changed


@dataclass(frozen=True)
class RenameApp(RenameModel):
    """The renaming of an app from ``label`` to ``new``."""

    def concerns(self, label: str) -> bool:
        """Whether a model belongs to the app."""
        return label.startswith(f"{self.label}.")

    def renamed(self, label: str) -> str:
        """Return the label of a model after the change."""
        return self.new + label.removeprefix(self.label) if self.concerns(label) else label


@dataclass(frozen=True)
class RenamePermissions(Change):
    """The renaming of the default permissions of a renamed model."""

    rename: RenameModel

    def records(self, record: Record) -> Iterator[Record]:
        """Yield the permission with the new name of the model in its codename and name."""
        old, new = (label.partition(".")[2] for label in (self.rename.label, self.rename.new))
        content_type = values_of(record).get("content_type_id")
        if isinstance(content_type, Natural) and content_type.key == _key(self.rename.new):
            for action in _ACTIONS:
                if record.codename == f"{action}_{old.lower()}":
                    record.codename = f"{action}_{new.lower()}"
                if record.name == f"Can {action} {camel_case_to_spaces(old)}":
                    record.name = f"Can {action} {camel_case_to_spaces(new)}"
        yield record


def _are_same_field(label: str, name: str, other: str) -> bool:
    """Whether two names may mean the same field: a foreign key with and without ``_id``."""
    try:
        model: ModelType = apps.get_model(label)
    except (LookupError, ValueError):
        return True
    names = table_of(model).names
    return not {name, other} <= names.keys() or names[name] == names[other]


def _key(label: str) -> tuple[str, str]:
    """Return the natural key of a model's content type; app labels may have capital letters."""
    app_label, _, name = label.partition(".")
    return app_label, name.lower()


@dataclass(frozen=True)
class RemoveModel(Change):
    """The removal of the rows of a model."""

    def function(self, before: CreateFunction) -> CreateFunction:
        """Return a create function that drops its rows."""
        return replace(before, model="", fields={})

    def records(self, record: Record) -> Iterator[Record]:
        """Yield nothing."""
        return iter(())


@dataclass(frozen=True)
class ChangeValues(Change):
    """The replacement of a field's values with a mapping or a function."""

    name: str
    values: Mapping[Any, Any] | Callable[[Any], Any]

    def function(self, before: CreateFunction) -> None:
        """Return None, because values are changed by code; raises ``NoField``."""
        self.name_in(before.fields, self.name)
        return None

    def records(self, record: Record) -> Iterator[Record]:
        """Yield the record with the new value."""
        values = values_of(record)
        name = self.name_in(values, self.name)
        change = self.values if callable(self.values) else self._mapped
        values[name] = change(values[name])
        yield record

    def _mapped(self, value: Any) -> Any:
        assert not callable(self.values)
        try:
            return self.values.get(value, value)
        except TypeError:
            return value


@dataclass(frozen=True)
class Override(Change):
    """A function that replaces a create function and takes the values of a row by name."""

    create: Callable[..., Any]
    _active: list[Record] = field(default_factory=list, init=False, compare=False)

    def concerns(self, label: str) -> bool:
        """Whether the function replaces the create function of a model."""
        return label == self.label or create_name(label) == self.create.__name__

    def function(self, before: CreateFunction) -> None:
        """Return None; raises ``Mismatch`` if a parameter of the function is no field of rows."""
        self._arguments(dict.fromkeys(before.fields))
        return None

    def records(self, record: Record) -> Iterator[Record | Model]:
        """Yield the objects that the function returns for a record."""
        if self._active:
            raise Mismatch(
                f"{self.create.__name__}() calls itself by its name in the globals. It is given "
                "what earlier steps have made of a row: "
                f"return new(self.model({label_of(record)!r}), …)."
            )
        self._active.append(record)
        try:
            objects = list(flat(self.create(**self._arguments(values_of(record)))))
        finally:
            self._active.clear()
        yield from objects

    def dropped_fields(self, fields: Iterable[str]) -> list[str]:
        """Return the fields of a row that the function does not take."""
        if any(p.kind is p.VAR_KEYWORD for p in self.parameters.values()):
            return []
        names = {*self.parameters, *(name.rstrip("_") for name in self.parameters)}
        return [name for name in fields if name not in names]

    @cached_property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """Return the parameters of the function by name."""
        return inspect.signature(self.create).parameters

    def _arguments(self, values: Fields) -> Fields:
        arguments, remaining = {}, dict(values)
        takes_all = False
        for name, parameter in self.parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                takes_all = True
                continue
            # A field called `class` is a parameter `class_`, as in the create functions of dumps.
            field_name = name if name in remaining else name.rstrip("_")
            if field_name in remaining:
                arguments[name] = remaining.pop(field_name)
            elif parameter.default is parameter.empty:
                raise Mismatch(
                    f"{self.create.__name__}() takes {name!r}, but "
                    f"{NoField(self.label, name, values)} Give the parameter a default."
                )
        return {**arguments, **remaining} if takes_all else arguments
