"""The result of a chain of migrators for one dump."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from django.apps import apps
from django.db.models import Model

from dumpy.errors import DumpyError, MigrationError, counted, sentence
from dumpy.migrating.changes import (
    AddField,
    Change,
    ChangeValues,
    DumpedModel,
    Mismatch,
    NoField,
    Override,
    Record,
    RemoveField,
    RemoveModel,
    RenameField,
    RenameModel,
    create_name,
    flat,
    instance_of,
    label_of,
    values_of,
)
from dumpy.reading.dump import map_references
from dumpy.schema.instances import MissingModel
from dumpy.schema.tables import table_of
from dumpy.text.emit import ModelNames, Names
from dumpy.text.skeleton import CreateFunction, by_field
from dumpy.text.words import Natural

Create = Callable[..., Any]
Handler = Callable[[Any], object]
"""What is called with the loader."""
KEY = "__dumpy_migration__"
_CREATE = "create_"
CLOSE = 0.9
# The names of fields are short, and have no label of an app before them.
_CLOSE_FIELD = 0.75


@dataclass(frozen=True)
class RowFunction:
    """A create function that is data: called with the values of a row, it returns a record."""

    function: CreateFunction

    def __call__(self, *values: Any) -> Record | None:
        function = self.function
        if len(values) != len(function.parameters):
            parameters = ", ".join(function.parameters)
            given = counted(len(values), "value")
            raise TypeError(f"{function.name}() takes ({parameters}), not {given}.")
        if function.drops:
            return None
        return Record(function.model, by_field(function.fields, values))


@dataclass(frozen=True)
class Changed:
    """A create function, and the changes of its results."""

    create: Create
    changes: tuple[Change, ...]

    def __call__(self, *values: Any) -> Any:
        """Return one object, None, or a list of several."""
        found = list(self.records(*values))
        return found if len(found) > 1 else found[0] if found else None

    def records(self, *values: Any) -> Iterator[Record | Model]:
        """Yield the records that a row becomes; raises ``MigrationError`` if a change fails."""
        found: Iterable[Record | Model] = flat(self.create(*values))
        for change in self.changes:
            found = _changed(change, found)
        return iter(found)


@dataclass(frozen=True)
class Today(Changed):
    """A create function that makes instances of the current models."""

    def records(self, *values: Any) -> Iterator[Model]:
        """Yield instances of the current models."""
        return map(instance_of, super().records(*values))


def _changed(change: Change, given: Iterable[Record | Model]) -> Iterator[Record | Model]:
    for one in given:
        if isinstance(one, Record) and isinstance(change, RenameModel):
            values = values_of(one)
            values |= {name: map_references(was, change.natural) for name, was in values.items()}
        if not isinstance(one, Record) or not change.concerns(label_of(one)):
            yield one
            continue
        try:
            yield from change.records(one)
        except NoField as error:
            if change.is_strict:
                raise MigrationError(change.step, str(error)) from error
            yield one
        except MigrationError:
            raise
        except (Exception, SystemExit) as error:
            raise MigrationError(change.step, sentence(error)) from error


class Migration:
    """The functions of one dump, changed step by step.

    It ``has_arrived`` when steps have led to the version of the project.

    ``functions`` maps the names of create functions to their data, or to None for code;
    ``namespace`` is the globals of the dump; ``before_load`` and ``after_load`` are the handlers of
    migrators. A dump that ``is_complete`` has all models.
    """

    def __init__(
        self,
        namespace: dict[str, Any],
        functions: Mapping[str, CreateFunction],
        *,
        is_complete: bool = False,
    ) -> None:
        self.namespace = namespace
        self.functions: dict[str, CreateFunction | None] = dict(functions)
        self.before_load: list[Handler] = []
        self.after_load: list[Handler] = []
        self.skipped: list[str] = []
        self._missed: set[str] = set()
        self.step = ""
        self.has_arrived = False
        self._is_first = True
        self._is_complete = is_complete
        self._original = dict(functions)
        self._changes: list[Change] = []
        self._labels: dict[str, str] = {}
        self._creates: dict[str, tuple[Create, int]] = {}
        self._know_models()
        self._know_functions()
        namespace[KEY] = self
        namespace["resolve_model"] = DumpedModel

    def begin(self, step: str) -> None:
        """Begin a step: the following changes belong to it."""
        self._is_first = not self.step
        self.step = step
        for name, (create, start) in self._creates.items():
            self.namespace[name] = Changed(create, tuple(self._changes[start:]))

    def end(self) -> None:
        """Apply the changes that the step made to the namespace itself."""
        for name, value in list(self.namespace.items()):
            if name.startswith(_CREATE) and not isinstance(value, Changed) and callable(value):
                self._creates[name] = (value, len(self._changes))
                self.functions[name] = None
                self._labels.setdefault(name, "")

    def finish(self) -> None:
        """Let the functions of the namespace make instances of the current models.

        Raises ``MigrationError`` for a typo; ``skipped`` gets other names that are missing, and
        values that no function takes.
        """
        labels = self._known_labels()
        self.skipped += skipped(self._changes, self._original, labels, self._missed)
        for name, (create, start) in self._creates.items():
            self.namespace[name] = Today(create, tuple(self._changes[start:]))

    def add(self, change: Change) -> None:
        """Add a change; raises ``MigrationError`` if the dump has nothing like it.

        Only a dump of the version that the step starts from must have everything that it names.
        """
        change = replace(change, is_strict=self._is_first)
        for name, function in self.functions.items():
            if function is None or function.drops or not change.concerns(function.model):
                continue
            try:
                self.functions[name] = change.function(function)
                self._note_dropped(change, function)
            except NoField as error:
                self._miss(str(error))
            except Mismatch as error:
                raise MigrationError(self.step, str(error)) from error
        self._changes.append(change)

    def _note_dropped(self, change: Change, before: CreateFunction) -> None:
        """Report the values that no function takes: they may have been forgotten."""
        if isinstance(change, Override) and (names := change.left_out(before.fields)):
            self.skipped.append(
                f"{self.step}: {change.create.__name__}() takes no {', '.join(names)}: the values "
                f"of {before.model} are dropped."
            )

    def label(self, label: str) -> str:
        """Return the label of a model as the dump or the project spells it."""
        known = {one.lower(): one for one in self._known_labels()}
        if label.lower() in known:
            return known[label.lower()]
        reason = f"neither the dump nor the project has a model {label!r}."
        self._miss(reason, label, known.values())
        return label

    def know(self, label: str) -> None:
        """Add a model that a step has introduced."""
        app_label, _, name = label.partition(".")
        names = Names().for_model(app_label, name)
        self.namespace.setdefault(names.variable, DumpedModel(label))
        self._labels[names.create] = label

    def follow(self, old: str, new: str) -> None:
        """Apply the functions of a model to its new name as well."""
        for name, label in list(self._labels.items()):
            if label == old:
                self._labels[name] = new
        self.know(new)

    def label_of_function(self, name: str) -> str:
        """Return the model of a create function, or ``""`` if only its name is known."""
        if name not in self._labels:
            self._miss(f"it overrides {name}(), which does not exist.", name, self._labels)
        return self._labels.get(name, "")

    def models_of(self, app_label: str) -> list[str]:
        """Return the known labels of the models of an app."""
        labels = [one for one in self._known_labels() if one.partition(".")[0] == app_label]
        if not labels:
            self._miss(f"neither the dump nor the project has an app {app_label!r}.")
        return labels

    def blamed(self, handler: Handler) -> Handler:
        """Return a handler that raises ``MigrationError`` with the name of the step."""
        step = self.step

        def handle(loader: Any) -> None:
            try:
                handler(loader)
            except DumpyError:
                raise
            except (Exception, SystemExit) as error:
                name = getattr(handler, "__name__", "a handler")
                raise MigrationError(step, f"{name}(): {sentence(error)}") from error

        return handle

    def natural(self, natural: Natural) -> Natural:
        """Return a reference by natural key of the dump with the current names."""
        for rename in self._renames():
            natural = rename.natural(natural)
        return natural

    @property
    def has_renames(self) -> bool:
        """Whether models or apps were renamed."""
        return any(self._renames())

    def is_changed(self, name: str) -> bool:
        """Whether steps have changed a create function."""
        return self.functions.get(name) != self._original.get(name)

    def _miss(self, reason: str, name: str = "", known: Iterable[str] = ()) -> None:
        """Refuse a name that a dump of the step's version should have.

        A single file has no empty tables, so there only a typo is refused.
        """
        self._missed.add(name)
        similar = get_close_matches(name, known, 1, 0.6 if self._is_complete else CLOSE)
        if self._is_first and (self._is_complete or similar or not name):
            hint = f"Did you mean {similar[0]}?" if similar else ""
            raise MigrationError(self.step, reason, hint)

    def _know_models(self) -> None:
        for name, value in list(self.namespace.items()):
            label = _label_of_variable(name, value)
            if label is not None:
                self.namespace[name] = DumpedModel(label)

    def _know_functions(self) -> None:
        """Map create functions to their models."""
        for model in apps.get_models():
            self.know(model._meta.label)
        for value in list(self.namespace.values()):
            if isinstance(value, DumpedModel):
                self.know(value.label)
        for name, value in self.namespace.items():
            if name.startswith(_CREATE) and callable(value):
                self._creates[name] = (value, 0)
                self.functions.setdefault(name, None)
        for name, function in self._original.items():
            self._creates[name] = (RowFunction(function), 0)
            self._labels[name] = function.model
            self.namespace[name] = RowFunction(function)

    def _known_labels(self) -> list[str]:
        return sorted(set(self._labels.values()) - {""})

    def _renames(self) -> Iterator[RenameModel]:
        return (change for change in self._changes if isinstance(change, RenameModel))


def _label_of_variable(name: str, value: object) -> str | None:
    """Return the label of a model by the name of its variable in a dump."""
    if isinstance(value, MissingModel):
        return value.label
    if isinstance(value, type) and issubclass(value, Model) and value is not Model:
        names: ModelNames = Names().for_model(value._meta.app_label, value._meta.object_name or "")
        return value._meta.label if name.startswith(names.variable) else None
    return None


def skipped(
    changes: Sequence[Change],
    functions: Mapping[str, CreateFunction],
    labels: Collection[str],
    missed: Container[str],
) -> Iterator[str]:
    """Yield a sentence for each change without effect; raise ``MigrationError`` for a typo.

    ``functions`` are the functions of the dump, ``labels`` the models known at the end, and
    ``missed`` the unknown models and functions that steps named. If another step mentions such a
    name, older dumps lack it.
    """
    for change in changes:
        if change.is_strict or isinstance(change, RemoveField | RemoveModel):
            continue
        others = [one for one in changes if one.step != change.step]
        ending = [one for one in changes if isinstance(one, RenameModel | RemoveModel)]
        named = {one.label for one in (*others, *ending) if one is not change} | {*labels}
        name = change.create.__name__ if isinstance(change, Override) else ""
        if name and not change.label:
            if name in missed and name not in map(create_name, named):
                yield _refused(change, f"a function {name}()", name, map(create_name, labels))
        elif change.label in missed and change.label not in named:
            names = _names_of(change.label, changes)
            what = f"a model {change.label!r}"
            sentence = _refused(change, what, change.label, {*labels} - names)
            if not names.intersection(labels):
                yield sentence
        elif isinstance(change, ChangeValues | RenameField):
            yield from _skipped_field(change, changes, functions)


def _skipped_field(
    change: ChangeValues | RenameField,
    changes: Sequence[Change],
    functions: Mapping[str, CreateFunction],
) -> Iterator[str]:
    labels = _names_of(change.label, changes)
    dumped = [function for function in functions.values() if function.model in labels]
    known = {name for function in dumped for name in function.fields}
    for model in apps.get_models() if dumped else ():
        known |= set(table_of(model).names) if model._meta.label in labels else set()
    name, new = (change.old, change.new) if isinstance(change, RenameField) else (change.name, "")
    known_later = {
        field
        for one in changes
        if one is not change
        and (one.step != change.step or isinstance(one, AddField | Override | RemoveField))
        for field in _fields_of(one)
    }
    if dumped and not any(change.spelled_in(known | known_later, one) for one in (name, new)):
        what = f"a field {name!r} of {change.label}"
        yield _refused(change, what, name, known | known_later, _CLOSE_FIELD)


def _refused(
    change: Change, what: str, name: str, known: Iterable[str], cutoff: float = CLOSE
) -> str:
    """Return the message about a name; raises ``MigrationError`` if it is a typo of another one."""
    # Names that differ in their numbers are meant to.
    others = [one for one in known if re.sub(r"\d", "", one) != re.sub(r"\d", "", name)]
    for meant in get_close_matches(name, others, 1, cutoff):
        raise MigrationError(change.step, f"nothing has {what}.", f"Did you mean {meant}?")
    return f"{change.step}: nothing has {what}: skipped."


def _names_of(label: str, changes: Sequence[Change]) -> set[str]:
    """Return all labels of a model over the course of the changes."""
    names = {label}
    for change in (*changes, *reversed(changes)):
        if isinstance(change, RenameModel):
            names |= {change.renamed(name) for name in names}
            names |= {change.label} if change.new in names else set()
    return names


def _fields_of(change: Change) -> set[str]:
    if isinstance(change, Override):
        return set(change.parameters)
    if isinstance(change, RenameField):
        return {change.old, change.new}
    return {change.name} if isinstance(change, AddField | ChangeValues | RemoveField) else set()
