"""The base class of migrators, which the maintainers of a project write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from dumpy.errors import MigrationError
from dumpy.migrating.changes import (
    AddField,
    ChangeValues,
    DumpedModel,
    Override,
    RemoveField,
    RemoveModel,
    RenameApp,
    RenameField,
    RenameModel,
    RenamePermissions,
)
from dumpy.migrating.migration import KEY, Handler, Migration
from dumpy.text.words import Unwritable, source

_Function = TypeVar("_Function", bound=Callable[..., Any])


class Migrator:
    """Brings dumps of older versions to the current models, one step per version.

    A step is a method ``migrate_from_1_2(self, globals_dict)``. For a dump of version 1.2, it gets
    the globals of the dump, changes them with the methods below, with ``override``, or directly,
    and returns the version that it leads to. Its docstring is shown during a restore. Labels are
    ``app_label.ModelName``. A method raises ``MigrationError`` for a name that a dump of the step's
    own version does not have; a dump of an older version may lack it.

    The idea, and the names of the steps, come from Lino's migrators.
    """

    def __init__(self, migration: Migration) -> None:
        self._migration = migration

    def model(self, label: str) -> DumpedModel:
        """Return a stand-in for a model, which need not exist any more, for ``new``."""
        self._migration.know(label)
        return DumpedModel(label)

    def rename_field(self, label: str, old: str, new: str) -> None:
        """Rename a field."""
        self._migration.add(RenameField(self._step, self._label(label), old, new))

    def remove_field(self, label: str, name: str) -> None:
        """Drop the values of a field."""
        self._migration.add(RemoveField(self._step, self._label(label), name))

    def add_field(self, label: str, name: str, value: Any) -> None:
        """Add a field with the same value, one of the vocabulary, in every row."""
        try:
            source(value)
        except Unwritable as error:
            reason = f"add_field() takes one value of the vocabulary for all rows, not {value!r}."
            hint = "If the value differs from row to row, override the create function."
            raise MigrationError(self._step, reason, hint) from error
        self._migration.add(AddField(self._step, self._label(label), name, value))

    def change_values(
        self, label: str, name: str, values: Mapping[Any, Any] | Callable[[Any], Any]
    ) -> None:
        """Replace the values of a field with a mapping, or with a function of the old value."""
        if not callable(values) and not isinstance(values, Mapping):
            reason = f"change_values() takes a mapping or a function, not {values!r}."
            raise MigrationError(self._step, reason)
        self._migration.add(ChangeValues(self._step, self._label(label), name, values))

    def rename_model(self, old: str, new: str) -> None:
        """Rename a model, or move it to another app; content types and permissions follow."""
        if new.count(".") != 1:
            reason = f"rename_model() takes a label as app_label.ModelName, not {new!r}."
            raise MigrationError(self._step, reason)
        change = RenameModel(self._step, self._label(old), new)
        self._migration.add(change)
        self._migration.follow(change.label, new)
        self._migration.add(RenamePermissions(self._step, "auth.Permission", change))

    def rename_app(self, old: str, new: str) -> None:
        """Give an app another label; its models, content types and permissions follow."""
        change = RenameApp(self._step, old, new)
        for label in self._migration.models_of(old):
            self._migration.follow(label, change.renamed(label))
        self._migration.add(change)

    def remove_model(self, label: str) -> None:
        """Drop the rows of a model."""
        self._migration.add(RemoveModel(self._step, self._label(label)))

    def before_load(self, handler: Handler) -> Handler:
        """Call ``handler(loader)`` before the first object is loaded; can be a decorator."""
        self._migration.before_load.append(self._migration.blamed(handler))
        return handler

    def after_load(self, handler: Handler) -> Handler:
        """Call ``handler(loader)`` when all objects are loaded; can be a decorator."""
        self._migration.after_load.append(self._migration.blamed(handler))
        return handler

    @property
    def _step(self) -> str:
        return self._migration.step

    def _label(self, label: str) -> str:
        return self._migration.label(label)


def override(globals_dict: dict[str, Any]) -> Callable[[_Function], _Function]:
    """Replace the create function with the name of the decorated function.

    Its parameters are fields by name, as earlier steps left them; it returns one object, several,
    or None. Raises ``MigrationError`` if there is no such function.
    """

    if not isinstance(globals_dict, dict):
        raise MigrationError("", "override() takes the globals.", "Write @override(globals_dict).")

    def decorate(function: _Function) -> _Function:
        migration: Migration | None = globals_dict.get(KEY)
        if migration is None:
            raise MigrationError(
                "",
                f"override() of {function.__name__}(): these are not the globals of a dump.",
                "Write @override(globals_dict), with what the step is given.",
            )
        label = migration.label_of_function(function.__name__)
        migration.add(Override(migration.step, label, function))
        return function

    return decorate
