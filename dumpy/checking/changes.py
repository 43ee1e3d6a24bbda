"""What the migrations of the project have changed since a dump was made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db.migrations import operations as ops
from django.db.migrations.operations.base import Operation

from dumpy.loading.registry import TODAY
from dumpy.restoring.history import Key, Past
from dumpy.schema.tables import Table, table_of

ModelKey = tuple[str, str]
"""A model: the label of its app, and its name in lower case."""


@dataclass
class Changes:
    """The names of today for those of a dump, as far as migrations tell.

    Attributes:
        past: the models of the dump's time, None where the migrations do not know them.
        scripts: the migrations since then that run Python or SQL.
    """

    past: Past | None
    scripts: dict[str, None] = field(default_factory=dict)
    _models: dict[ModelKey, ModelKey | None] = field(default_factory=dict)
    _fields: dict[tuple[ModelKey, str], str | None] = field(default_factory=dict)
    _values: dict[tuple[ModelKey, str], Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, operation in _operations_since(self.past) if self.past else ():
            self._note(key, operation)

    def table(self, label: str) -> Table | None:
        """Return a model as it was when the dump was made, None if that is not known."""
        found = self.past.registry.find(label) if self.past else None
        if self.past is None or found is None:
            return None
        told = {app for app, _name in self.past.named}
        return table_of(found) if found._meta.app_label in told else None

    def model(self, label: str) -> str | None:
        """Return the label of today of a model that has another name by now, or another app."""
        then = self.table(label)
        if then is None or TODAY.find(label) is not None:
            return None
        now = self._models.get(_key(label))
        if now and (model := TODAY.find(".".join(now))):
            return model._meta.label
        # A model moves to another app with its table.
        for model in TODAY.models():
            if model._meta.db_table == then.model._meta.db_table and not model._meta.proxy:
                return model._meta.label
        return None

    def field(self, label: str, name: str) -> str | None:
        """Return what a field is called by now, None if it was removed."""
        return self._fields.get((_key(label), name), name)

    def value(self, label: str, name: str) -> Any:
        """Return what a migration has put into a new field of each row, None for nothing."""
        return self._values.get((_key(label), name))

    def _note(self, key: Key, operation: Operation) -> None:
        app = key[0]
        match operation:
            case ops.SeparateDatabaseAndState():
                for one in operation.state_operations:
                    self._note(key, one)
            case ops.RenameModel():
                new = app, operation.new_name_lower
                self._models[self._then((app, operation.old_name_lower))] = new
            case ops.DeleteModel():
                self._models[self._then((app, operation.name_lower))] = None
            case ops.RenameField():
                model = app, operation.model_name_lower
                self._rename(model, operation.old_name, operation.new_name)
            case ops.RemoveField():
                self._rename((app, operation.model_name_lower), operation.name, None)
            case ops.AddField():
                made: Any = operation.field
                if made.has_default() and not callable(made.default):
                    place = (app, operation.model_name_lower), operation.name
                    self._values[place] = made.default
            case ops.RunPython() | ops.RunSQL():
                self.scripts[".".join(key)] = None

    def _then(self, now: ModelKey) -> ModelKey:
        """Return what a model was called when the dump was made."""
        return next((then for then, name in self._models.items() if name == now), now)

    def _rename(self, model: ModelKey, old: str, new: str | None) -> None:
        """Let the field that is called ``old`` by now have another name, or none."""
        then = self._then(model)
        known = (key for key, name in self._fields.items() if key[0] == then and name == old)
        self._fields[next(known, (then, old))] = new


def _operations_since(past: Past) -> Iterator[tuple[Key, Operation]]:
    graph = past.loader.graph
    done = {key for target in past.targets for key in graph.forwards_plan(target)}
    leaves = graph.leaf_nodes()
    for key in dict.fromkeys(key for leaf in leaves for key in graph.forwards_plan(leaf)):
        if key not in done:
            yield from ((key, operation) for operation in graph.nodes[key].operations)


def _key(label: str) -> ModelKey:
    app, _, name = label.partition(".")
    return app, name.lower()
