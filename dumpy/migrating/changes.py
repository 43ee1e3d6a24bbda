"""The changes that a migrator makes; rows stay data, and fast, if no code is needed."""

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


def flat(given: Any) -> Iterator[Record | Model]:
    """Yield the result of a create function: nothing, one object, or several.

    Raises ``TypeError`` for anything else.
    """
    if isinstance(given, Record | Model):
        yield given
    elif isinstance(given, str | bytes | dict) or not isinstance(given, Iterable | None):
        raise TypeError(f"it gives {given!r}, which is not an object.")
    else:
        for one in given or ():
            yield from flat(one)


def instance_of(given: Record | Model) -> Model:
    """Return an instance of the current model; raises ``Mismatch`` for an unknown name."""
    if isinstance(given, Model):
        return given
    label, values = label_of(given), values_of(given)
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
    """A change of the rows of one model, made in a ``step``: the method of a migrator.

    If it ``is_strict``, rows must have the field that it changes.
    """

    step: str
    label: str
    is_strict: bool = field(default=True, kw_only=True)

    def concerns(self, label: str) -> bool:
        """Whether the rows of a model change."""
        return label == self.label

    def function(self, before: CreateFunction) -> CreateFunction | None:
        """Return the changed create function if it is still data, None if it is code."""
        return None

    def records(self, record: Record) -> Iterator[Record | Model]:
        """Yield the records that a record becomes."""
        raise NotImplementedError

    def name_in(self, fields: Mapping[str, Any], name: str) -> str:
        """Return the name of a field in rows; raises ``NoField``."""
        found = self.spelled_in(fields, name)
        if found is None:
            raise NoField(self.label, name, fields)
        return found

    def spelled_in(self, fields: Container[str], name: str) -> str | None:
        """Return the name of a field in rows; a foreign key has it with or without ``_id``."""
        for found in (name, f"{name}_id", name.removesuffix("_id")):
            if found in fields and _is_one_field(self.label, name, found):
                return found
        return None

    def require_free(self, fields: Container[str], name: str) -> None:
        """Raise ``Mismatch`` if rows already have the field, with or without ``_id``."""
        found = self.spelled_in(fields, name)
        if found is not None:
            raise Mismatch(f"the rows of {self.label} have a field {found!r} already.")


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
    """A field that has another name."""

    old: str
    new: str

    def fields(self, before: Mapping[str, Any], constant: Callable[[Any], Any]) -> Fields:
        """Return the fields with the new name in the place of the old one."""
        old = self.name_in(before, self.old)
        new = f"{self.new}_id" if old == f"{self.old}_id" else self.new
        self.require_free(before.keys() - {old}, self.new)
        return {new if name == old else name: where for name, where in before.items()}


@dataclass(frozen=True)
class RemoveField(FieldChange):
    """A field that is gone."""

    name: str

    def fields(self, before: Mapping[str, Any], constant: Callable[[Any], Any]) -> Fields:
        """Return the other fields."""
        gone = self.name_in(before, self.name)
        return {name: where for name, where in before.items() if name != gone}


@dataclass(frozen=True)
class AddField(FieldChange):
    """A field that has the same value in every row."""

    name: str
    value: Any

    def fields(self, before: Mapping[str, Any], constant: Callable[[Any], Any]) -> Fields:
        """Return the fields and the new one."""
        self.require_free(before, self.name)
        return {**before, self.name: constant(self.value)}


@dataclass(frozen=True)
class RenameModel(Change):
    """A model that was renamed, or moved to another app."""

    new: str

    def function(self, before: CreateFunction) -> CreateFunction:
        """Return the create function for the renamed model."""
        return replace(before, model=self.renamed(before.model))

    def records(self, record: Record) -> Iterator[Record]:
        """Yield the record as one of the renamed model."""
        yield Record(self.renamed(label_of(record)), values_of(record))

    def renamed(self, label: str) -> str:
        """Return the name of a model after the change; it may be given in lower case."""
        return self.new if _key(label) == _key(self.label) else label

    def natural(self, natural: Natural) -> Natural:
        """Return a reference by natural key after the change; default permissions follow."""
        now = update_labels(self.renamed, natural)
        if now != natural and now.model.lower() == PERMISSION:
            codename, *label = now.key
            for action in _ACTIONS:
                if codename == f"{action}_{natural.key[-1]}":
                    return Natural(now.model, (f"{action}_{label[-1]}", *label))
        return now


@dataclass(frozen=True)
class RenameApp(RenameModel):
    """An app with a new label: ``label`` is the old one, ``new`` the new one."""

    def concerns(self, label: str) -> bool:
        """Whether a model belongs to the app."""
        return label.startswith(f"{self.label}.")

    def renamed(self, label: str) -> str:
        """Return the name of a model after the change."""
        return self.new + label.removeprefix(self.label) if self.concerns(label) else label


@dataclass(frozen=True)
class RenamePermissions(Change):
    """The default permissions of a model that was renamed."""

    rename: RenameModel

    def records(self, record: Record) -> Iterator[Record]:
        """Yield the permission, with the name of the model changed in its codename and name."""
        old, new = (label.partition(".")[2] for label in (self.rename.label, self.rename.new))
        content_type = values_of(record).get("content_type_id")
        if isinstance(content_type, Natural) and content_type.key == _key(self.rename.new):
            for action in _ACTIONS:
                if record.codename == f"{action}_{old.lower()}":
                    record.codename = f"{action}_{new.lower()}"
                if record.name == f"Can {action} {camel_case_to_spaces(old)}":
                    record.name = f"Can {action} {camel_case_to_spaces(new)}"
        yield record


def _is_one_field(label: str, name: str, other: str) -> bool:
    """Whether two names may be one field, such as a foreign key with and without ``_id``."""
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
    """A model whose rows are dropped."""

    def function(self, before: CreateFunction) -> CreateFunction:
        """Return a create function that drops its rows."""
        return replace(before, model="", fields={})

    def records(self, record: Record) -> Iterator[Record]:
        """Yield nothing."""
        return iter(())


@dataclass(frozen=True)
class ChangeValues(Change):
    """The values of a field, replaced with a mapping or a function."""

    name: str
    values: Mapping[Any, Any] | Callable[[Any], Any]

    def function(self, before: CreateFunction) -> None:
        """Return None if the field is there: every value is looked at; raises ``NoField``."""
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
    """A function that replaces a create function; it gets the values of a row by name."""

    create: Callable[..., Any]
    _running: list[Record] = field(default_factory=list, init=False, compare=False)

    def concerns(self, label: str) -> bool:
        """Whether the create function of that name makes the rows of a model."""
        return label == self.label or create_name(label) == self.create.__name__

    def function(self, before: CreateFunction) -> None:
        """Return None if the row has the parameters of the function; raises ``Mismatch``."""
        self._arguments(dict.fromkeys(before.fields))
        return None

    def records(self, record: Record) -> Iterator[Record | Model]:
        """Yield the objects that the function makes of a record."""
        if self._running:
            raise Mismatch(
                f"{self.create.__name__}() calls itself by its name in the globals. It is given "
                "what earlier steps have made of a row: "
                f"return new(self.model({label_of(record)!r}), …)."
            )
        self._running.append(record)
        try:
            made = list(flat(self.create(**self._arguments(values_of(record)))))
        finally:
            self._running.clear()
        yield from made

    def left_out(self, fields: Iterable[str]) -> list[str]:
        """Return the fields of a row that the function does not take."""
        if any(one.kind is one.VAR_KEYWORD for one in self.parameters.values()):
            return []
        taken = {*self.parameters, *(name.rstrip("_") for name in self.parameters)}
        return [name for name in fields if name not in taken]

    @cached_property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """Return the parameters of the function by name."""
        return inspect.signature(self.create).parameters

    def _arguments(self, values: Fields) -> Fields:
        given, left = {}, dict(values)
        takes_all = False
        for name, parameter in self.parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                takes_all = True
                continue
            # A field called `class` is a parameter `class_`, as in the create functions of dumps.
            found = name if name in left else name.rstrip("_")
            if found in left:
                given[name] = left.pop(found)
            elif parameter.default is parameter.empty:
                raise Mismatch(
                    f"{self.create.__name__}() takes {name!r}, but "
                    f"{NoField(self.label, name, values)} Give the parameter a default."
                )
        return {**given, **left} if takes_all else given
