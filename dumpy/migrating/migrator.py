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
    """The base class of the class that ``DUMPY["MIGRATION_CLASS"]`` names.

    An instance is made for each dump that is older than the project. A subclass has a step for each
    version that a dump may have: a method ``migrate_from_1_2(self, globals_dict)`` for the versions
    1.2 and 1.2.0. It returns the version that it leads to, a string. This version must be higher,
    and not higher than that of the project. The first line of its docstring is shown before the
    step.

    ``globals_dict`` holds the names that the module of the dump defines: stand-ins for the models
    under the names of their variables, the create functions, and the imported names, and the
    current models that are not in the dump. A step changes it with the methods below, with
    ``override``, or directly: ``globals_dict["create_books_book"] = function`` replaces a create
    function, which is then called with the values of a row by position.

    Labels are ``"app_label.ModelName"``, in upper or lower case. A method raises ``MigrationError``
    for a name that a dump of the step's own version does not have; a dump of an older version may
    lack it.
    """

    # The idea, and the names of the steps, come from Lino's migrators.

    def __init__(self, migration: Migration) -> None:
        self._migration = migration

    def model(self, label: str) -> DumpedModel:
        """Return a stand-in for a model, the first argument of ``new``.

        The model need not exist any more.
        """
        self._migration.add_model(label)
        return DumpedModel(label)

    def rename_field(self, label: str, old: str, new: str) -> None:
        """Rename a field; a foreign key is named by its name or attribute, ``author_id``."""
        self._migration.add(RenameField(self._label(label), old, new))

    def remove_field(self, label: str, name: str) -> None:
        """Drop the values of a field."""
        self._migration.add(RemoveField(self._label(label), name))

    def add_field(self, label: str, name: str, value: Any) -> None:
        """Add a field with the same value in all rows.

        Raises ``MigrationError`` if a row of a dump could not hold the value.
        """
        try:
            source(value)
        except Unwritable as error:
            reason = f"add_field() takes one value of the vocabulary for all rows, not {value!r}."
            hint = "If the value differs from row to row, override the create function."
            raise MigrationError(self._step, reason, hint) from error
        self._migration.add(AddField(self._label(label), name, value))

    def change_values(
        self, label: str, name: str, values: Mapping[Any, Any] | Callable[[Any], Any]
    ) -> None:
        """Replace the values of a field.

        ``values`` is a mapping, which keeps the values that it does not contain, or a function of
        the old value.
        """
        if not callable(values) and not isinstance(values, Mapping):
            reason = f"change_values() takes a mapping or a function, not {values!r}."
            raise MigrationError(self._step, reason)
        self._migration.add(ChangeValues(self._label(label), name, values))

    def rename_model(self, old: str, new: str) -> None:
        """Rename a model, or move it to another app.

        References by natural key, content types and permissions follow: ``add_tag`` becomes
        ``add_topic``, and the permission's name changes too if it is Django's default.
        """
        if new.count(".") != 1:
            reason = f"rename_model() takes a label as app_label.ModelName, not {new!r}."
            raise MigrationError(self._step, reason)
        change = RenameModel(self._label(old), new)
        self._migration.add(change)
        self._migration.add_new_label(change.label, new)
        self._migration.add(RenamePermissions("auth.Permission", change))

    def rename_app(self, old: str, new: str) -> None:
        """Give an app a new label; its models, content types and permissions follow."""
        change = RenameApp(old, new)
        for label in self._migration.models_of(old):
            self._migration.add_new_label(label, change.renamed(label))
        self._migration.add(change)

    def remove_model(self, label: str) -> None:
        """Drop the rows of a model."""
        self._migration.add(RemoveModel(self._label(label)))

    def before_load(self, handler: Handler) -> Handler:
        """Call ``handler(loader)`` before the first object is loaded, in the same transaction.

        Can be used as a decorator.
        """
        self._migration.before_load.append(self._migration.guarded(handler))
        return handler

    def after_load(self, handler: Handler) -> Handler:
        """Call ``handler(loader)`` when all rows of the dump are loaded.

        ``loader.using`` is the alias of the database, and ``loader.save(instance)`` loads another
        object. Can be used as a decorator.
        """
        self._migration.after_load.append(self._migration.guarded(handler))
        return handler

    @property
    def _step(self) -> str:
        return self._migration.step

    def _label(self, label: str) -> str:
        return self._migration.label(label)


def override(globals_dict: dict[str, Any]) -> Callable[[_Function], _Function]:
    """Replace the create function with the name of the decorated function.

    The parameters are field names, as earlier steps left them. ``**fields`` takes all other fields.
    A field whose name is a Python keyword gets a trailing ``_``. The function returns an object, an
    iterable of objects, or ``None``, or is a generator. Raises ``MigrationError`` if there is no
    such create function.
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
        migration.add(Override(label, function))
        return function

    return decorate
