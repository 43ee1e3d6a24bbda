"""What the migrations of the project have changed since a dump was made."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

from django.db.migrations import operations as ops
from django.db.migrations.operations.base import Operation
from django.db.migrations.operations.fields import FieldOperation
from django.db.migrations.operations.models import IndexOperation
from django.db.models import NOT_PROVIDED
from django.utils import timezone

from dumpy.loading.batches import default_of
from dumpy.loading.registry import TODAY
from dumpy.restoring.history import Key, Past
from dumpy.schema.tables import Column, Table, table_of

ModelKey = tuple[str, str]
"""A model: the label of its app, and its name in lower case."""
# One statement that makes something, but no table with rows, or that cleans up. It changes no row,
# and is run where the schema is built. ANALYZE runs other statements on MariaDB.
_SCHEMA = re.compile(
    r"(?is)(|(CREATE(?!.*\bTABLE\b.*\bAS\b)|COMMENT|GRANT|REVOKE|DROP INDEX|VACUUM|REINDEX|CLUSTER"
    r"|OPTIMIZE|ANALYZE(?!.*\b(UPDATE|DELETE|INSERT|REPLACE|WITH)\b))(\s[^;]*)?;?)"
)
_DJANGO = ("django.db.", "django.contrib.")
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
    _new: dict[tuple[ModelKey, str], tuple[Key, Any]] = field(default_factory=dict)

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
        _migration, value = self._new.get((_key(label), name), (None, None))
        return None if callable(value) else value

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

    def skipped(self, rows: Mapping[str, Collection[str] | None]) -> Iterator[tuple[Key, str]]:
        """Yield the migrations whose effect rows of the dump lack, with what they do.

        They run code; they fill a new field with another value than its default of today; or they
        rename what is in the dump, while its old name is that of another model or field today, so
        that rows fit where they do not belong. ``rows`` are the labels of the models that the dump
        has rows of, with the fields of these rows, or None where code knows them.
        """
        for key, said in self.scripts.items():
            yield from ((key, one) for one in said)
        yield from self._filled(rows)
        dumped = {_key(label): label for label in rows}
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

    def _filled(self, rows: Mapping[str, Collection[str] | None]) -> Iterator[tuple[Key, str]]:
        """Yield the migrations that fill a new field with another value than a load does."""
        dumped = {_key(label): label for label in rows}
        for (model, name), (key, then) in self._new.items():
            label = dumped.get(model, "")
            given, now = rows.get(label), TODAY.find(label)
            names = table_of(now).names if now is not None else {}
            if now is None or given is None or name not in names:
                continue
            own: Any = now._meta.get_field(name)
            value = _filling(own)
            # Without a value, rows are refused where a column needs one.
            is_silent = own.null or value is not None
            if is_silent and then != value and names[name] not in {names.get(one) for one in given}:
                filled = f"{label}.{name} is {_shown(then)} in all rows"
                yield key, f"AddField: {filled}, and {_shown(value)} where a restore adds it"

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
                old, new = (app, operation.old_name_lower), (app, operation.new_name_lower)
                then = self._then(old)
                self._models[then] = new
                self._renamed[then, ""] = key
                for model, name in [one for one in self._new if one[0] == old]:
                    self._new[new, name] = self._new.pop((model, name))
            case ops.DeleteModel():
                self._models[self._then((app, operation.name_lower))] = None
            case FieldOperation():
                self._note_field(key, (app, operation.model_name_lower), operation)

    def _note_field(self, key: Key, model: ModelKey, operation: FieldOperation) -> None:
        match operation:
            case ops.AddField():
                self._new[model, operation.name] = key, _filling(operation.field)
            case ops.AlterField():
                is_filled = self._new.get((model, operation.name), ("", ""))[1] is not None
                if not is_filled and not operation.field.null:
                    self._new[model, operation.name] = key, _filling(operation.field)
            case ops.RenameField():
                old, new = operation.old_name, operation.new_name
                if (model, old) in self._new:
                    self._new[model, new] = self._new.pop((model, old))
                else:
                    self._rename(key, model, old, new)
            case ops.RemoveField():
                if self._new.pop((model, operation.name), None) is None:
                    self._rename(key, model, operation.name, None)

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
        if not said and (module := _foreign(operation)):
            said = f"{type(operation).__name__}: an operation of {module}, which may change rows"
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


def _filling(made: Any) -> Any:
    """Return what is in a field of rows that were there before it: a value, or what makes one."""
    if made.has_default():
        return made.default
    if getattr(made, "auto_now", False) or getattr(made, "auto_now_add", False):
        return timezone.now
    db_default = getattr(made, "db_default", NOT_PROVIDED)
    return default_of(made) if db_default is NOT_PROVIDED else db_default


def _shown(value: object) -> str:
    return f"{value.__qualname__}()" if isinstance(value, type | FunctionType) else repr(value)


def _foreign(operation: Operation) -> str:
    """Return the module of the code that an operation runs if it is not Django's, or ``""``.

    What is about an index, as a trigger of other packages is, changes no rows.
    """
    kinds = type(operation).__mro__
    runs = [
        next((one for one in kinds if name in vars(one)), Operation)
        for name in ("state_forwards", "database_forwards")
    ]
    modules = (one.__module__ for one in runs if not one.__module__.startswith(_DJANGO))
    return "" if isinstance(operation, IndexOperation) else next(modules, "")


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
