"""What the migrations of the project have changed since a dump was made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.migrations import operations as ops
from django.db.migrations.operations.base import Operation

from dumpy.loading.registry import TODAY
from dumpy.restoring.history import Key, Past
from dumpy.schema.tables import Column, Table, table_of

ModelKey = tuple[str, str]
"""A model: the label of its app, and its name in lower case."""
# One statement that makes something, but no table with rows. It changes no row, and is run where
# the schema is built.
_SCHEMA = re.compile(r"(?is)(|(CREATE(?!.*\bTABLE\b.*\bAS\b)|COMMENT|GRANT|REVOKE)\s[^;]*;?)")
# Values of which none is missed.
_EMPTY: tuple[object, ...] = (None, "", [], {}, b"")


@dataclass(frozen=True)
class Redirected:
    """A foreign key or many-to-many field, by its model, and its ``name`` in rows.

    ``before`` and ``today`` are the labels of the models that it refers to.
    """

    label: str
    name: str
    before: str
    today: str

    @property
    def reason(self) -> str:
        """What the matter is."""
        return (
            f"referred to {self.before} when the dump was made, and refers to {self.today} today: "
            "its values would lead to other rows"
        )

    @property
    def step(self) -> str:
        """What a migrator does about it."""
        return f'self.change_values("{self.label}", "{self.name}", {{…}})'


@dataclass
class Changes:
    """The names of today for those of a dump, and what migrations run, as far as they tell.

    Attributes:
        past: how far the dump had come, None where the migrations cannot be read.
        scripts: the migrations that run Python or SQL, with what they run.
        removed: the migrations that remove fields, or models, whose fields are called ``""``.
    """

    past: Past | None
    scripts: dict[Key, list[str]] = field(default_factory=dict)
    removed: dict[tuple[ModelKey, str], Key] = field(default_factory=dict)
    _renamed: dict[tuple[ModelKey, str], Key] = field(default_factory=dict)
    _models: dict[ModelKey, ModelKey | None] = field(default_factory=dict)
    _fields: dict[tuple[ModelKey, str], str | None] = field(default_factory=dict)
    _values: dict[tuple[ModelKey, str], Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, operation in self.past.operations if self.past else ():
            self._note_effects(key, operation)
            self._note_names(key, operation)

    def table(self, label: str) -> Table | None:
        """Return a model as it was when the dump was made, None if that is not known."""
        found = self.past.find(label) if self.past else None
        return table_of(found) if found is not None else None

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

    def redirected(self, label: str, names: Iterable[str]) -> Iterator[Redirected]:
        """Yield the fields of a dumped model whose values are keys of another model today.

        A model that is gone, or has another name, is left to who says what becomes of its rows.
        """
        then, now = self.table(label), TODAY.find(label)
        if then is None or now is None:
            return
        before, today = _references(then), _references(table_of(now))
        for name in names:
            if name in before and name in today and _is_another(before[name], today[name]):
                yield Redirected(label, name, _label(before[name]), _label(today[name]))

    def skipped(self, labels: Iterable[str]) -> Iterator[tuple[Key, str]]:
        """Yield the migrations whose effect rows of the dump lack, with what they do.

        They run code; or they rename what is in the dump, while its old name is that of another
        model or field today, so that rows fit where they do not belong. ``labels`` are the models
        that the dump has rows of.
        """
        for key, said in self.scripts.items():
            yield from ((key, one) for one in said)
        dumped = {_key(label): label for label in labels}
        for (then, name), key in self._renamed.items():
            if then not in dumped:
                continue
            label = dumped[then]
            if not name:
                if TODAY.find(label) is not None and self._models.get(then) not in (None, then):
                    yield key, f"RenameModel: the rows of {label} are of another model today"
            elif self._fields[then, name] not in (None, name) and self._has_field(then, name):
                new = self._fields[then, name]
                yield key, f"RenameField: {label}.{name} is {new} today, and {name} another field"

    def _has_field(self, then: ModelKey, name: str) -> bool:
        model = TODAY.find(".".join(self._models.get(then) or then))
        return model is not None and name in table_of(model).names

    def _note_names(self, key: Key, operation: Operation) -> None:
        app = key[0]
        match operation:
            case ops.SeparateDatabaseAndState() | ops.RunSQL():
                for one in operation.state_operations:
                    self._note_names(key, one)
            case ops.RenameModel():
                then = self._then((app, operation.old_name_lower))
                self._models[then] = app, operation.new_name_lower
                self._renamed[then, ""] = key
            case ops.DeleteModel():
                self._models[self._then((app, operation.name_lower))] = None
            case ops.RenameField():
                model = app, operation.model_name_lower
                self._rename(key, model, operation.old_name, operation.new_name)
            case ops.RemoveField():
                self._rename(key, (app, operation.model_name_lower), operation.name, None)
            case ops.AddField():
                made: Any = operation.field
                if made.has_default() and not callable(made.default):
                    place = (app, operation.model_name_lower), operation.name
                    self._values[place] = made.default

    def _note_effects(self, key: Key, operation: Operation) -> None:
        """Note what an operation does in a database, beside what models are told."""
        said = ""
        match operation:
            case ops.SeparateDatabaseAndState():
                for one in operation.database_operations:
                    self._note_effects(key, one)
            case ops.DeleteModel():
                self.removed[self._then((key[0], operation.name_lower)), ""] = key
            case ops.RemoveField():
                place = self._place((key[0], operation.model_name_lower), operation.name)
                if place is not None:
                    self.removed[place] = key
            case ops.RunPython() if operation.code is not ops.RunPython.noop:
                said = f"RunPython: {getattr(operation.code, '__qualname__', operation.code)}()"
            case ops.RunSQL():
                texts = [text for text in _statements(operation.sql) if not _SCHEMA.fullmatch(text)]
                said = f"RunSQL: {texts[0]:.60}" if texts else ""
        if said:
            self.scripts.setdefault(key, []).append(said)

    def _then(self, now: ModelKey) -> ModelKey:
        """Return what a model was called when the dump was made."""
        return next((then for then, name in self._models.items() if name == now), now)

    def _rename(self, key: Key, model: ModelKey, old: str, new: str | None) -> None:
        """Let the field that is called ``old`` by now have another name, or none."""
        place = self._place(model, old)
        if place is not None:
            self._fields[place] = new
            self._renamed[place] = key

    def _place(self, model: ModelKey, name: str) -> tuple[ModelKey, str] | None:
        """Return what a field was called when the dump was made, None if it has come since."""
        then = self._then(model)
        known = (one for one, now in self._fields.items() if one[0] == then and now == name)
        place = next(known, (then, name))
        # A field that has come since may have the name that another one had.
        return place if self._fields.get(place, name) == name else None


def filled(values: Iterable[object]) -> int:
    """Return how many of some values would be missed."""
    return sum(value not in _EMPTY for value in values)


def _statements(sql: Any) -> Iterator[str]:
    """Yield what SQL an operation runs, without parameters, each text on one line."""
    for one in [sql] if isinstance(sql, str) else sql:
        yield " ".join(str(one[0] if isinstance(one, list | tuple) else one).split())


def _key(label: str) -> ModelKey:
    app, _, name = label.partition(".")
    return app, name.lower()


def _references(table: Table) -> Mapping[str, Column]:
    """The columns that refer to a model, or whose links do, by all names that rows may use."""
    columns = {column.name: column for column in table.columns if column.references}
    columns |= {link.name: link.target for link in table.links}
    return {name: columns[own] for name, own in table.names.items() if own in columns}


def _is_another(old: Column, new: Column) -> bool:
    """Whether the keys are others, and not those of a parent, or of a row that is one with it."""
    is_other = _label(old) != _label(new) and old.target.model._meta.label != (
        new.target.model._meta.label
    )
    return is_other and TODAY.find(_label(old)) is not None


def _label(column: Column) -> str:
    assert column.references is not None
    return column.references._meta.label
