"""The result of a chain of migrators for one dump."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.apps import apps
from django.db.migrations import operations as ops
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.models import Model

from dumpy.errors import DumpyError, MigrationError, counted, sentence, suggestion
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
_REMOVED = "If the project had it once, let a later step name it: remove_model() or remove_field()."


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


@dataclass(frozen=True)
class Removal:
    """The rows of a create function, or their values of ``fields``, that a step removes."""

    step: str
    function: str
    label: str
    fields: Sequence[str]


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
        removals: the rows and values that steps remove with ``remove_model`` and ``remove_field``.
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
        self.removals: list[Removal] = []
        self.step = ""
        self.has_arrived = False
        self._is_first = True
        self._is_complete = is_complete
        self._original = dict(functions)
        # The functions with all changes of fields, also of functions whose values code changes.
        self._shapes = dict(functions)
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
                self._shapes.pop(name, None)
                self._labels.setdefault(name, "")

    def finish(self) -> None:
        """Make the functions of the namespace return instances of the current models.

        Raises ``MigrationError`` for a name that is misspelt.
        """
        functions, labels = self._original.values(), self._known_labels()
        self.skipped += unknown_names(self._changes, functions, labels)
        for name, (create, start) in self._creates.items():
            self.namespace[name] = InstanceFunction(create, tuple(self._changes[start:]))

    def add(self, change: Change) -> None:
        """Add a change of the step; raises ``MigrationError`` for a name that is not in the dump.

        Only a dump of the version that the step starts from must have all names.
        """
        change = replace(change, step=self.step, is_strict=self._is_first)
        for name, shape in list(self._shapes.items()):
            if shape.drops or not change.concerns(shape.model):
                continue
            try:
                changed = change.function(shape)
                if changed is None or self.functions[name] is not None:
                    self.functions[name] = changed
                if changed is not None:
                    self._shapes[name] = changed
                    self._note_removal(change, shape, changed)
                elif isinstance(change, Override):
                    del self._shapes[name]
                    self._note_dropped_fields(change, shape)
            except NoField as error:
                self._refuse_name(str(error))
            except Mismatch as error:
                raise MigrationError(self.step, str(error)) from error
        self._changes.append(change)

    def _note_removal(self, change: Change, before: CreateFunction, after: CreateFunction) -> None:
        """Add the removal of rows, or of values that the rows of the dump have."""
        removed = {name: at for name, at in before.fields.items() if name not in after.fields}
        fields = [name for name, at in removed.items() if isinstance(at, int)]
        if isinstance(change, RemoveModel):
            self.removals.append(Removal(self.step, before.name, before.model, ()))
        elif isinstance(change, RemoveField) and fields:
            self.removals.append(Removal(self.step, before.name, before.model, fields))

    def _note_dropped_fields(self, change: Override, before: CreateFunction) -> None:
        """Add a message about the fields that an override does not take."""
        if names := change.dropped_fields(before.fields):
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

        A single file does not list empty tables.
        """
        if self._is_first and (self._is_complete or not name):
            raise MigrationError(self.step, reason, suggestion(name, known))

    def _replace_models(self) -> None:
        """Replace the models in the namespace with stand-ins, and add those of the project."""
        for model in apps.get_models():
            self.add_model(model._meta.label)
        for name, value in list(self.namespace.items()):
            label = _label_of_variable(name, value)
            if label is not None:
                self.namespace[name] = DumpedModel(label)
                self.add_model(label)

    def _collect_functions(self) -> None:
        """Map create functions to their models."""
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


def unknown_names(
    changes: Sequence[Change], functions: Iterable[CreateFunction], labels: Iterable[str]
) -> Iterator[str]:
    """Yield a message for each change of a model, function or field that nothing else has.

    Dumps of older versions may lack it. Then the project, one of its migrations, or a change that
    renames or removes it has the name, or else it is misspelt: raises ``MigrationError``, unless
    the app has no migrations. ``functions`` are the functions of the dump, ``labels`` the labels of
    models known after all steps.
    """
    known: defaultdict[str, set[str]] = defaultdict(set)
    for label in labels:
        known[label.lower()] = set()
    for function in functions:
        known[function.model.lower()].update(function.fields)
    for model in apps.get_models():
        known[model._meta.label_lower].update(table_of(model).names)
    if not any(_unknown_name(change, changes, known) for change in changes):
        return
    historical = historical_fields()
    for label, names in historical.items():
        known[label].update(names)
    of_apps_with_migrations = tuple(
        {f"{_CREATE}{label.partition('.')[0]}_" for label in historical}
    )
    for change in changes:
        if error := _unknown_name(change, changes, known):
            if _function_name(change).startswith(of_apps_with_migrations):
                raise error
            yield f"{change.step}: {error.reason} It is skipped."


def _unknown_name(
    change: Change, changes: Sequence[Change], known: Mapping[str, Iterable[str]]
) -> MigrationError | None:
    """Return the error for a change whose model, function or field nothing else has, or None.

    ``known`` has the names of the fields of each model by label, in lower case.
    """
    if not isinstance(change, AddField | ChangeValues | Override | RenameField):
        return None
    others = [other for other in changes if other is not change]
    labels = {*known, *(other.label.lower() for other in others if isinstance(other, RemoveModel))}
    own = {label.lower() for label in _labels_of(change.label, changes)}
    if isinstance(change, Override) and not change.label:
        name, names = _function_name(change), set(map(create_name, labels))
        return None if name in names else _misspelt(change, f"a function {name}()", name, names)
    if own.isdisjoint(labels):
        current = [model._meta.label for model in apps.get_models()]
        return _misspelt(change, f"a model {change.label!r}", change.label, current)
    related = [other for other in others if other.label.lower() in {*own, ""}]
    fields = {name for label in own for name in known.get(label, ())}
    fields |= {name for other in related for name in _fields_of(other)}
    if not fields or not isinstance(change, ChangeValues | RenameField):
        return None
    name, *new = (change.old, change.new) if isinstance(change, RenameField) else (change.name,)
    if any(change.find_name(fields, alias) for alias in (name, *new)):
        return None
    return _misspelt(change, f"a field {name!r} of {change.label}", name, fields)


def _function_name(change: Change) -> str:
    """Return the name of the create function of a change."""
    return change.create.__name__ if isinstance(change, Override) else create_name(change.label)


def _misspelt(change: Change, what: str, name: str, names: Iterable[str]) -> MigrationError:
    return MigrationError(change.step, f"nothing has {what}.", suggestion(name, names) or _REMOVED)


def historical_fields() -> dict[str, set[str]]:
    """Return the names of the fields that the migrations of the project have ever had.

    They are by label of the model, in lower case.
    """
    fields: defaultdict[str, set[str]] = defaultdict(set)

    def add(app: str, operation: Operation) -> None:
        match operation:
            case ops.SeparateDatabaseAndState() | ops.RunSQL():
                for state_operation in operation.state_operations:
                    add(app, state_operation)
            case ops.CreateModel():
                names = (name for name, _field in operation.fields)
                fields[f"{app}.{operation.name_lower}"].update(names)
            case ops.RenameModel():
                old = fields[f"{app}.{operation.old_name_lower}"]
                fields[f"{app}.{operation.new_name_lower}"].update(old)
            case ops.RenameField():
                fields[f"{app}.{operation.model_name_lower}"].add(operation.new_name)
            case ops.AddField():
                fields[f"{app}.{operation.model_name_lower}"].add(operation.name)

    loader = MigrationLoader(None, load=False)
    loader.load_disk()
    for (app, _name), migration in sorted(loader.disk_migrations.items()):
        for operation in migration.operations:
            add(app, operation)
    return fields


def _labels_of(label: str, changes: Sequence[Change]) -> set[str]:
    """Return all labels that a model has before, between and after the changes."""
    names = {label}
    for change in (*changes, *reversed(changes)):
        if isinstance(change, RenameModel):
            names |= {change.renamed(name) for name in names}
            names |= {change.label} if change.new in names else set()
    return names


def _fields_of(change: Change) -> set[str]:
    """Return the names of the fields that a change adds, renames, removes, or takes."""
    if isinstance(change, Override):
        return set(change.parameters)
    if isinstance(change, RenameField):
        return {change.old, change.new}
    return {change.name} if isinstance(change, AddField | RemoveField) else set()
