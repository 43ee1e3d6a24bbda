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
"""A function that takes the loader."""
KEY = "__dumpy_migration__"
_CREATE = "create_"
_CLOSE = 0.9
# Field names are shorter than labels.
_CLOSE_FIELD = 0.75


@dataclass(frozen=True)
class RowFunction:
    """A create function that is data: called with the values of a row, it returns a record."""

    function: CreateFunction

    def __call__(self, *values: Any) -> Record | None:
        function = self.function
        if len(values) != len(function.parameters):
            parameters = ", ".join(function.parameters)
            count = counted(len(values), "value")
            raise TypeError(f"{function.name}() takes ({parameters}), not {count}.")
        if function.drops:
            return None
        return Record(function.model, by_field(function.fields, values))


@dataclass(frozen=True)
class ChangedFunction:
    """A create function with the changes to its results."""

    create: Create
    changes: tuple[Change, ...]

    def __call__(self, *values: Any) -> Any:
        """Return one object, None, or a list of several."""
        records = list(self.records(*values))
        return records if len(records) > 1 else records[0] if records else None

    def records(self, *values: Any) -> Iterator[Record | Model]:
        """Yield the records that a row becomes; raises ``MigrationError`` if a change fails."""
        records = flat(self.create(*values))
        for change in self.changes:
            records = _apply(change, records)
        return records


@dataclass(frozen=True)
class InstanceFunction(ChangedFunction):
    """A changed create function that returns instances of the current models."""

    def records(self, *values: Any) -> Iterator[Model]:
        """Yield instances of the current models."""
        return map(instance_of, super().records(*values))


def _apply(change: Change, records: Iterable[Record | Model]) -> Iterator[Record | Model]:
    for record in records:
        if isinstance(record, Record) and isinstance(change, RenameModel):
            values = values_of(record)
            values |= {name: map_references(old, change.natural) for name, old in values.items()}
        if not isinstance(record, Record) or not change.concerns(label_of(record)):
            yield record
            continue
        try:
            yield from change.records(record)
        except NoField as error:
            if change.is_strict:
                raise MigrationError(change.step, str(error)) from error
            yield record
        except MigrationError:
            raise
        except (Exception, SystemExit) as error:
            raise MigrationError(change.step, sentence(error)) from error


class Migration:
    """The create functions of a dump, which the steps of a migrator change.

    A dump that ``is_complete`` has all models of its project.

    Attributes:
        namespace: the globals of the dump.
        functions: the create functions by name; None for a function that is code.
        before_load: the handlers to call before the first object is loaded.
        after_load: the handlers to call when all rows are loaded.
        skipped: a message for each change without effect, and for dropped values.
        step: the name of the current step.
        has_arrived: whether the steps have led to the version of the project.
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
        self._unknown_names: set[str] = set()
        self.step = ""
        self.has_arrived = False
        self._is_first = True
        self._is_complete = is_complete
        self._original = dict(functions)
        self._changes: list[Change] = []
        self._labels: dict[str, str] = {}
        self._creates: dict[str, tuple[Create, int]] = {}
        self._replace_models()
        self._collect_functions()
        namespace[KEY] = self
        namespace["resolve_model"] = DumpedModel

    def begin(self, step: str) -> None:
        """Begin a step, to which the following changes belong."""
        self._is_first = not self.step
        self.step = step
        for name, (create, start) in self._creates.items():
            self.namespace[name] = ChangedFunction(create, tuple(self._changes[start:]))

    def end(self) -> None:
        """Take over the create functions that the step has put into the namespace itself."""
        for name, value in list(self.namespace.items()):
            if (
                name.startswith(_CREATE)
                and not isinstance(value, ChangedFunction)
                and callable(value)
            ):
                self._creates[name] = (value, len(self._changes))
                self.functions[name] = None
                self._labels.setdefault(name, "")

    def finish(self) -> None:
        """Make the functions of the namespace return instances of the current models.

        Raises ``MigrationError`` for a typo; other unknown names are added to ``skipped``.
        """
        labels = self._known_labels()
        self.skipped += skipped_changes(self._changes, self._original, labels, self._unknown_names)
        for name, (create, start) in self._creates.items():
            self.namespace[name] = InstanceFunction(create, tuple(self._changes[start:]))

    def add(self, change: Change) -> None:
        """Add a change; raises ``MigrationError`` if it names something that the dump should have.

        Only a dump of the version that the step starts from must have all names.
        """
        change = replace(change, is_strict=self._is_first)
        for name, function in self.functions.items():
            if function is None or function.drops or not change.concerns(function.model):
                continue
            try:
                self.functions[name] = change.function(function)
                self._note_dropped_fields(change, function)
            except NoField as error:
                self._refuse_name(str(error))
            except Mismatch as error:
                raise MigrationError(self.step, str(error)) from error
        self._changes.append(change)

    def _note_dropped_fields(self, change: Change, before: CreateFunction) -> None:
        """Add a message about the fields that an override does not take."""
        if isinstance(change, Override) and (names := change.dropped_fields(before.fields)):
            self.skipped.append(
                f"{self.step}: {change.create.__name__}() takes no {', '.join(names)}: the values "
                f"of {before.model} are dropped."
            )

    def label(self, label: str) -> str:
        """Return the label of a model as the dump or the project writes it."""
        known = {name.lower(): name for name in self._known_labels()}
        if label.lower() in known:
            return known[label.lower()]
        reason = f"neither the dump nor the project has a model {label!r}."
        self._refuse_name(reason, label, known.values())
        return label

    def add_model(self, label: str) -> None:
        """Add a model that a step has introduced."""
        app_label, _, name = label.partition(".")
        names = Names().for_model(app_label, name)
        self.namespace.setdefault(names.variable, DumpedModel(label))
        self._labels[names.create] = label

    def add_new_label(self, old: str, new: str) -> None:
        """Add the new label of a model, whose functions create its rows from now on."""
        for name, label in list(self._labels.items()):
            if label == old:
                self._labels[name] = new
        self.add_model(new)

    def label_of_function(self, name: str) -> str:
        """Return the model of a create function, or ``""`` if only its name is known."""
        if name not in self._labels:
            self._refuse_name(f"it overrides {name}(), which does not exist.", name, self._labels)
        return self._labels.get(name, "")

    def models_of(self, app_label: str) -> list[str]:
        """Return the known labels of the models of an app."""
        labels = [label for label in self._known_labels() if label.startswith(f"{app_label}.")]
        if not labels:
            self._refuse_name(f"neither the dump nor the project has an app {app_label!r}.")
        return labels

    def guarded(self, handler: Handler) -> Handler:
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
        """Return a reference by natural key with the current labels."""
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

    def _refuse_name(self, reason: str, name: str = "", known: Iterable[str] = ()) -> None:
        """Raise ``MigrationError`` for a name that a dump of the step's version should have.

        A single file does not list empty tables, so only a typo is refused there.
        """
        self._unknown_names.add(name)
        similar = get_close_matches(name, known, 1, 0.6 if self._is_complete else _CLOSE)
        if self._is_first and (self._is_complete or similar or not name):
            hint = f"Did you mean {similar[0]}?" if similar else ""
            raise MigrationError(self.step, reason, hint)

    def _replace_models(self) -> None:
        """Replace the models in the namespace with stand-ins."""
        for name, value in list(self.namespace.items()):
            label = _label_of_variable(name, value)
            if label is not None:
                self.namespace[name] = DumpedModel(label)

    def _collect_functions(self) -> None:
        """Map create functions to their models."""
        for model in apps.get_models():
            self.add_model(model._meta.label)
        for value in list(self.namespace.values()):
            if isinstance(value, DumpedModel):
                self.add_model(value.label)
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


def skipped_changes(
    changes: Sequence[Change],
    functions: Mapping[str, CreateFunction],
    labels: Collection[str],
    unknown_names: Container[str],
) -> Iterator[str]:
    """Yield a message for each change without effect; raise ``MigrationError`` for a typo.

    ``functions`` are the functions of the dump, ``labels`` the models known after all steps, and
    ``unknown_names`` the unknown models and functions that steps have named. A name that another
    step mentions is not a typo: older dumps lack it.
    """
    for change in changes:
        if change.is_strict or isinstance(change, RemoveField | RemoveModel):
            continue
        mentions = (
            other
            for other in changes
            if other is not change
            and (other.step != change.step or isinstance(other, RenameModel | RemoveModel))
        )
        named = {other.label for other in mentions} | {*labels}
        name = change.create.__name__ if isinstance(change, Override) else ""
        if name and not change.label:
            if name in unknown_names and name not in map(create_name, named):
                yield _skip_message(change, f"a function {name}()", name, map(create_name, labels))
        elif change.label in unknown_names and change.label not in named:
            names = _labels_of(change.label, changes)
            what = f"a model {change.label!r}"
            message = _skip_message(change, what, change.label, {*labels} - names)
            if not names.intersection(labels):
                yield message
        elif isinstance(change, ChangeValues | RenameField):
            yield from _skipped_field(change, changes, functions)


def _skipped_field(
    change: ChangeValues | RenameField,
    changes: Sequence[Change],
    functions: Mapping[str, CreateFunction],
) -> Iterator[str]:
    labels = _labels_of(change.label, changes)
    dumped = [function for function in functions.values() if function.model in labels]
    known = {name for function in dumped for name in function.fields}
    for model in apps.get_models() if dumped else ():
        known |= set(table_of(model).names) if model._meta.label in labels else set()
    name, new = (change.old, change.new) if isinstance(change, RenameField) else (change.name, "")
    known_later = {
        field
        for other in changes
        if other is not change
        and (other.step != change.step or isinstance(other, AddField | Override | RemoveField))
        for field in _fields_of(other)
    }
    if dumped and not any(change.find_name(known | known_later, n) for n in (name, new)):
        what = f"a field {name!r} of {change.label}"
        yield _skip_message(change, what, name, known | known_later, _CLOSE_FIELD)


def _skip_message(
    change: Change, what: str, name: str, known: Iterable[str], cutoff: float = _CLOSE
) -> str:
    """Return the message about an unknown name; raises ``MigrationError`` if it is a typo."""
    # Names that differ only in a number are not typos.
    others = [other for other in known if re.sub(r"\d", "", other) != re.sub(r"\d", "", name)]
    for meant in get_close_matches(name, others, 1, cutoff):
        raise MigrationError(change.step, f"nothing has {what}.", f"Did you mean {meant}?")
    return f"{change.step}: nothing has {what}: skipped."


def _labels_of(label: str, changes: Sequence[Change]) -> set[str]:
    """Return all labels that a model has before, between and after the changes."""
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
