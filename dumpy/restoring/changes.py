"""What the migrations of the project have changed since a dump was made."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
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
from dumpy.schema.references import referred_label
from dumpy.schema.tables import Column, Table, table_of

ModelKey = tuple[str, str]
"""A model: the label of its app, and its name in lower case."""
Place = tuple[ModelKey, str]
"""A field of a model, or with ``""`` the model itself."""
# One statement that makes something, but no table with rows, or that cleans up. It changes no row,
# and is run where the schema is built. ANALYZE runs other statements on MariaDB.
_SCHEMA = re.compile(
    r"(?is)(|(CREATE(?!.*\bTABLE\b.*\b(AS|SELECT)\b)|COMMENT|GRANT|REVOKE|DROP INDEX|VACUUM"
    r"|REINDEX|CLUSTER|OPTIMIZE|ANALYZE(?!.*\b(UPDATE|DELETE|INSERT|REPLACE|WITH)\b))(\s[^;]*)?;?)"
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
        """Why the values cannot be loaded as they are."""
        return (
            f"referred to {self.before} when the dump was made, and refers to {self.today} today: "
            "its values would lead to other rows"
        )

    @property
    def step(self) -> str:
        """What a migrator does about it."""
        return f'self.change_values("{self.label}", "{self.name}", {{…}})'


@dataclass(frozen=True)
class _Added:
    """A field that a migration has added, and what it has put into it: a value, or its maker."""

    migration: Key
    value: Any


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
    removed: dict[Place, Key] = field(default_factory=dict)
    # The last migrations that have altered fields, by what the fields were called in the dump.
    _altered: dict[Place, Key] = field(default_factory=dict)
    # What has another name now, or none, by the name in the dump, with the last migration.
    _renamed: dict[Place, tuple[Key, Place | None]] = field(default_factory=dict)
    # What had another name in the dump, or none, by its name after the migrations so far.
    _then: dict[Place, Place | _Added] = field(default_factory=dict)

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
        _migration, now = self._renamed.get((_key(label), ""), (None, None))
        if now and (model := TODAY.find(".".join(now[0]))):
            return model._meta.label
        # A model moves to another app with its table.
        for model in TODAY.models():
            if model._meta.db_table == then.model._meta.db_table and not model._meta.proxy:
                return model._meta.label
        return None

    def field(self, label: str, name: str) -> str | None:
        """Return what a field is called by now, None if it was removed."""
        place = _key(label), name
        _migration, now = self._renamed.get(place, (None, place))
        return now[1] if now else None

    def value(self, label: str, name: str) -> Any:
        """Return what a migration has put into a new field of each row, None for nothing."""
        added = self._then.get((_key(label), name))
        return added.value if isinstance(added, _Added) and not callable(added.value) else None

    def redirected(self, label: str, names: Iterable[str]) -> Iterator[Redirected]:
        """Yield the fields of a dumped model whose values are keys of another model today.

        There are none of a model that is gone or renamed: its label is an error of its own.
        """
        if self.past is None or not self.past.is_behind:
            return
        then, now = self.table(label), TODAY.find(label)
        if then is None or now is None:
            return
        before, today = _references(then), _references(table_of(now))
        for name in names:
            if name in before and name in today and _is_another(before[name], today[name]):
                yield Redirected(
                    label, name, referred_label(before[name]), referred_label(today[name])
                )

    def skipped(self, rows: Mapping[str, Collection[str] | None]) -> Iterator[tuple[Key, str]]:
        """Yield the migrations whose effect rows of the dump lack, with what they do.

        They run code; they fill a new field with another value than its default of today; or they
        rename or remove what is in the dump, while its name is that of another model or field
        today, so that rows fit where they do not belong. ``rows`` are the labels of the models that
        the dump has rows of, with the fields of these rows, or None where code knows them.
        """
        for key, said in self.scripts.items():
            yield from ((key, one) for one in said)
        dumped = {_key(label): label for label in rows}
        for (model, name), added in self._then.items():
            label = dumped.get(model, "")
            fields = rows.get(label)
            if not isinstance(added, _Added) or fields is None:
                continue
            if values := _different(label, name, added.value, fields):
                yield added.migration, f"AddField: fills {label}.{name} with {values}"
        yield from self._misplaced(rows, dumped)
        yield from self._retyped(dumped)

    def _retyped(self, dumped: Mapping[ModelKey, str]) -> Iterator[tuple[Key, str]]:
        """Yield the migrations that convert values as the database does, not as a field would."""
        for (model, name), key in self._altered.items():
            label = dumped.get(model, "")
            then, today = self.table(label) if label else None, TODAY.find(label)
            old = _columns(then).get(name)
            new = _columns(table_of(today) if today else None).get(self.field(label, name))
            if old and new and _kind(old) != _kind(new):
                kinds = f"from {type(old.target).__name__} to {type(new.target).__name__}"
                yield key, f"AlterField: changes {label}.{name} {kinds}"

    def _misplaced(
        self, rows: Mapping[str, Collection[str] | None], dumped: Mapping[ModelKey, str]
    ) -> Iterator[tuple[Key, str]]:
        """Yield the migrations that rename or remove what has a namesake today."""
        for (model, name), (key, now) in self._renamed.items():
            label = dumped.get(model, "")
            today = TODAY.find(label)
            if now is None or today is None or now == (model, name):
                continue
            if not name:
                yield key, f"RenameModel: the rows of {label} are of another model today"
            elif now[1] != name and self._parameter(label, name) in table_of(today).names:
                yield (
                    key,
                    f"RenameField: {label}.{name} is {now[1]} today, and {name} another field",
                )
        for (model, name), key in self.removed.items():
            label = dumped.get(model, "")
            today, fields = TODAY.find(label), rows.get(label)
            if today is None:
                continue
            if not name:
                yield key, f"DeleteModel: {label} is another model today"
            elif fields is not None and _is_given(
                table_of(today), self._parameter(label, name), fields
            ):
                yield key, f"RemoveField: {label}.{name} is another field today"

    def _parameter(self, label: str, name: str) -> str:
        """Return what the rows of a dump call a field of their time."""
        then = self.table(label)
        return name if then is None else then.names.get(name, name)

    def _note_names(self, key: Key, operation: Operation) -> None:
        app = key[0]
        match operation:
            case ops.SeparateDatabaseAndState() | ops.RunSQL():
                for one in operation.state_operations:
                    self._note_names(key, one)
            case ops.RenameModel():
                old, new = (app, operation.old_name_lower), (app, operation.new_name_lower)
                for place in [place for place in self._then if place[0] == old and place[1]]:
                    self._then[new, place[1]] = self._then.pop(place)
                self._rename(key, (old, ""), (new, ""))
            case ops.DeleteModel():
                self._rename(key, ((app, operation.name_lower), ""), None)
            case FieldOperation():
                self._note_field(key, (app, operation.model_name_lower), operation)

    def _note_field(self, key: Key, model: ModelKey, operation: FieldOperation) -> None:
        place = model, operation.name
        match operation:
            case ops.AddField():
                self._then[place] = _Added(key, _filling(operation.field))
            case ops.AlterField():
                then = self._origin(place)
                if not isinstance(then, _Added):
                    self._altered[then] = key
                added = self._then.get(place)
                if isinstance(added, _Added) and added.value is None and not operation.field.null:
                    self._then[place] = _Added(key, _filling(operation.field))
            case ops.RenameField():
                self._rename(key, (model, operation.old_name), (model, operation.new_name))
            case ops.RemoveField():
                self._rename(key, place, None)

    def _note_effects(self, key: Key, operation: Operation) -> None:
        """Note what an operation does in a database, beside what models are told."""
        said = ""
        match operation:
            case ops.SeparateDatabaseAndState():
                for one in operation.database_operations:
                    self._note_effects(key, one)
            case ops.DeleteModel():
                self._note_removed(key, ((key[0], operation.name_lower), ""))
            case ops.RemoveField():
                self._note_removed(key, ((key[0], operation.model_name_lower), operation.name))
            case ops.RunPython() if operation.code is not ops.RunPython.noop:
                said = f"RunPython: {getattr(operation.code, '__qualname__', operation.code)}()"
            case ops.RunSQL():
                texts = [text for text in _statements(operation.sql) if not _SCHEMA.fullmatch(text)]
                said = f"RunSQL: {texts[0]:.60}" if texts else ""
        if not said and (module := _foreign(operation)):
            said = f"{type(operation).__name__}: an operation of {module}, which may change rows"
        if said:
            self.scripts.setdefault(key, []).append(said)

    def _note_removed(self, key: Key, place: Place) -> None:
        then = self._origin(place)
        if not isinstance(then, _Added):
            self.removed[then] = key

    def _rename(self, key: Key, old: Place, new: Place | None) -> None:
        """Let a model or field have another name from now on, or none."""
        then = self._origin(old)
        self._then.pop(old, None)
        if new is not None:
            self._then[new] = then
        if not isinstance(then, _Added):
            self._renamed[then] = key, new

    def _origin(self, place: Place) -> Place | _Added:
        """Return what a model or field was called in the dump, or how it came since."""
        model, name = place
        if name and place not in self._then:
            then = self._then.get((model, ""))
            return (model if then is None or isinstance(then, _Added) else then[0]), name
        return self._then.get(place, place)


def _columns(table: Table | None) -> Mapping[str | None, Column]:
    return {column.field.name: column for column in table.columns} if table is not None else {}


def _kind(column: Column) -> str:
    """Return what values of a column are: JSON, bytes, instants, or what a text can show."""
    if column.is_json:
        return "json"
    return next((one.__name__ for one in (bytes, datetime) if one in (column.types or ())), "")


def _different(label: str, name: str, then: Any, fields: Collection[str]) -> str:
    """Return the value that rows have in a new field, and that of a load, if it is another one."""
    model = TODAY.find(label)
    names = table_of(model).names if model is not None else {}
    if model is None or name not in names or _is_given(table_of(model), name, fields):
        return ""
    own: Any = model._meta.get_field(name)
    value = _filling(own)
    # Without a value, rows are refused where a column needs one.
    if value == then or (value is None and not own.null):
        return ""
    return f"{_shown(then)}; its default of today is {_shown(value)}"


def _is_given(table: Table, name: str, fields: Collection[str]) -> bool:
    """Whether rows with these fields have a value for one of a table."""
    names = table.names
    return name in names and names[name] in {names.get(one) for one in fields}


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
    if db_default is not NOT_PROVIDED:
        return db_default
    # A relation in an operation may lead to a label, of which default_of() can make nothing.
    return None if made.is_relation else default_of(made)


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
    columns = table.references
    return {name: columns[own] for name, own in table.names.items() if own in columns}


def _is_another(old: Column, new: Column) -> bool:
    """Whether the keys are others, and not those of a parent, or of a row that is one with it."""
    is_other = referred_label(old) != referred_label(new) and old.target.model._meta.label != (
        new.target.model._meta.label
    )
    return is_other and TODAY.find(referred_label(old)) is not None
