"""What the migrations of the project have changed since a dump was made."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from decimal import Decimal
from types import FunctionType
from typing import Any
from uuid import UUID

from django.db.migrations import operations as ops
from django.db.migrations.operations.base import Operation
from django.db.migrations.operations.fields import FieldOperation
from django.db.migrations.operations.models import IndexOperation
from django.utils import timezone

from dumpy.loading.batches import default_of
from dumpy.loading.registry import TODAY
from dumpy.restoring.history import MigrationKey, Past
from dumpy.schema.references import referred_label
from dumpy.schema.tables import Column, Table, table_of

ModelKey = tuple[str, str]
"""The app label and the lower-case name of a model."""
FieldKey = tuple[ModelKey, str]
"""The key of a model and the name of a field, or ``""`` for the model itself."""
# A statement that changes no row: it is run when the schema is built. CREATE TABLE … AS inserts
# rows, and ANALYZE runs other statements on MariaDB.
_NO_ROWS = re.compile(
    r"(?is)(|(CREATE(?!.*\bTABLE\b.*\b(AS|SELECT)\b)|COMMENT|GRANT|REVOKE|DROP INDEX|VACUUM"
    r"|REINDEX|CLUSTER|OPTIMIZE|ANALYZE(?!.*\b(UPDATE|DELETE|INSERT|REPLACE|WITH)\b))(\s[^;]*)?;?)"
)
_DJANGO = ("django.db.", "django.contrib.")
# Each database has its own texts for values of these types, as 0 or 0.0 for a float.
_TYPES_WITH_TEXTS = frozenset({float, Decimal, time, timedelta, UUID})
# Values that are not counted as lost.
_EMPTY: tuple[object, ...] = (None, "", [], {}, b"")


@dataclass(frozen=True)
class _AddedField:
    """A field that a migration has added, with the value, or the callable, that fills it."""

    migration: MigrationKey
    value: Any


@dataclass
class Changes:
    """The changes that the newer migrations make: new names, removals, and code that they run.

    Attributes:
        past: the migrations of the dump, or None if the migrations cannot be read.
        scripts: a description of the Python and SQL code of each migration that runs any.
        removed: the migrations that remove fields and models, by their keys in the dump.
        movers: descriptions of the code that migrations run before such a removal.
    """

    past: Past | None
    scripts: dict[MigrationKey, list[str]] = field(default_factory=dict)
    removed: dict[FieldKey, MigrationKey] = field(default_factory=dict)
    movers: dict[FieldKey, str] = field(default_factory=dict)
    # The last migration that alters a field, by the key of the field in the dump.
    _altered: dict[FieldKey, MigrationKey] = field(default_factory=dict)
    # The last migration, and the new key or None after a removal, by the key in the dump.
    _renames: dict[FieldKey, tuple[MigrationKey, FieldKey | None]] = field(default_factory=dict)
    # The key in the dump, or the added field, by the key after the migrations so far.
    _origins: dict[FieldKey, FieldKey | _AddedField] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, operation in self.past.operations if self.past else ():
            self._track_effects(key, operation)
            self._track_names(key, operation)

    def old_table(self, label: str) -> Table | None:
        """Return the table of a historical model, or None if it is not known."""
        model = self.past.find(label) if self.past else None
        return table_of(model) if model is not None else None

    def new_label(self, label: str) -> str | None:
        """Return the current label of a model that was renamed or moved to another app, or None."""
        old = self.old_table(label)
        if old is None or TODAY.find(label) is not None:
            return None
        _migration, new = self._renames.get((_model_key(label), ""), (None, None))
        if new and (model := TODAY.find(".".join(new[0]))):
            return model._meta.label
        # A model that moves to another app keeps its table.
        for model in TODAY.models():
            if model._meta.db_table == old.model._meta.db_table and not model._meta.proxy:
                return model._meta.label
        return None

    def new_name(self, label: str, name: str) -> str | None:
        """Return the current name of a field, or None if it was removed."""
        field_key = _model_key(label), name
        _migration, new = self._renames.get(field_key, (None, field_key))
        return new[1] if new else None

    def mover(self, label: str, name: str = "") -> str:
        """Return the code that may have moved the values of a removed model or field, or ``""``."""
        return self.movers.get((_model_key(label), name), "")

    def added_value(self, label: str, name: str) -> Any:
        """Return the value that a migration gives a new field in all rows, or None."""
        origin = self._origins.get((_model_key(label), name))
        if not isinstance(origin, _AddedField) or callable(origin.value):
            return None
        return origin.value

    def retargeted_fields(self, label: str, names: Iterable[str]) -> Iterator[tuple[str, str, str]]:
        """Yield the fields of a dumped model, among ``names``, that refer to another model today.

        Each comes with the labels of the old and the new model. A model that was removed or renamed
        has none: its label is an error already.
        """
        if self.past is None or not self.past.has_newer_migrations:
            return
        old_table, model = self.old_table(label), TODAY.find(label)
        if old_table is None or model is None:
            return
        old, new = _references(old_table), _references(table_of(model))
        for name in names:
            if name in old and name in new and _is_retargeted(old[name], new[name]):
                yield name, referred_label(old[name]), referred_label(new[name])

    def skipped(
        self, rows: Mapping[str, Collection[str] | None]
    ) -> Iterator[tuple[MigrationKey, str]]:
        """Yield the migrations whose effect on rows a restore does not repeat, with descriptions.

        They run code; or fill a new field with a value that is not its current default; or rename
        or remove a model or field whose name another one has today. ``rows`` maps the labels of the
        dumped models to the fields of their rows, or to None if code makes them.
        """
        for key, descriptions in self.scripts.items():
            yield from ((key, description) for description in descriptions)
        dumped = {_model_key(label): label for label in rows}
        for (model, name), origin in self._origins.items():
            label = dumped.get(model, "")
            fields = rows.get(label)
            if not isinstance(origin, _AddedField) or fields is None:
                continue
            if values := _value_difference(label, name, origin.value, fields):
                yield origin.migration, f"AddField: fills {label}.{name} with {values}"
        yield from self._reused_names(rows, dumped)
        yield from self._conversions(dumped)

    def _conversions(self, dumped: Mapping[ModelKey, str]) -> Iterator[tuple[MigrationKey, str]]:
        """Yield the migrations that let the database convert values to another kind."""
        for (dumped_model, name), key in self._altered.items():
            label = dumped.get(dumped_model, "")
            old_table, model = self.old_table(label) if label else None, TODAY.find(label)
            old = _columns(old_table).get(name)
            new = _columns(table_of(model) if model else None).get(self.new_name(label, name))
            if old and new and _is_converted(old, new):
                kinds = f"from {type(old.target).__name__} to {type(new.target).__name__}"
                yield key, f"AlterField: changes {label}.{name} {kinds}"

    def _reused_names(
        self, rows: Mapping[str, Collection[str] | None], dumped: Mapping[ModelKey, str]
    ) -> Iterator[tuple[MigrationKey, str]]:
        """Yield the migrations that rename or remove models and fields whose names are reused."""
        for (model, name), (key, new) in self._renames.items():
            label = dumped.get(model, "")
            current = TODAY.find(label)
            if new is None or current is None or new == (model, name):
                continue
            if not name:
                yield key, f"RenameModel: the rows of {label} are of another model today"
            elif new[1] != name and self._dumped_name(label, name) in table_of(current).names:
                yield (
                    key,
                    f"RenameField: {label}.{name} is {new[1]} today, and {name} another field",
                )
        for (model, name), key in self.removed.items():
            label = dumped.get(model, "")
            current, fields = TODAY.find(label), rows.get(label)
            if current is None:
                continue
            dumped_name = self._dumped_name(label, name)
            if not name:
                yield key, f"DeleteModel: {label} is another model today"
            elif fields is not None and _has_value(table_of(current), dumped_name, fields):
                yield key, f"RemoveField: {label}.{name} is another field today"

    def _dumped_name(self, label: str, name: str) -> str:
        """Return the name of a historical field in the rows of the dump."""
        table = self.old_table(label)
        return name if table is None else table.names.get(name, name)

    def _track_names(self, key: MigrationKey, operation: Operation) -> None:
        """Follow the names of models and fields through an operation."""
        app = key[0]
        match operation:
            case ops.SeparateDatabaseAndState() | ops.RunSQL():
                for state_operation in operation.state_operations:
                    self._track_names(key, state_operation)
            case ops.RenameModel():
                old, new = (app, operation.old_name_lower), (app, operation.new_name_lower)
                names = [name for model, name in self._origins if model == old and name]
                for name in names:
                    self._origins[new, name] = self._origins.pop((old, name))
                self._rename(key, (old, ""), (new, ""))
            case ops.DeleteModel():
                self._rename(key, ((app, operation.name_lower), ""), None)
            case FieldOperation():
                self._track_field(key, (app, operation.model_name_lower), operation)

    def _track_field(self, key: MigrationKey, model: ModelKey, operation: FieldOperation) -> None:
        field_key = model, operation.name
        match operation:
            case ops.AddField():
                self._origins[field_key] = _AddedField(key, _initial_value(operation.field))
            case ops.AlterField():
                origin = self._origin(field_key)
                if not isinstance(origin, _AddedField):
                    self._altered[origin] = key
                elif origin.value is None and not operation.field.null:
                    self._origins[field_key] = _AddedField(key, _initial_value(operation.field))
            case ops.RenameField():
                self._rename(key, (model, operation.old_name), (model, operation.new_name))
            case ops.RemoveField():
                self._rename(key, field_key, None)

    def _track_effects(self, key: MigrationKey, operation: Operation) -> None:
        """Record the effects of an operation on the database."""
        description = ""
        match operation:
            case ops.SeparateDatabaseAndState():
                for database_operation in operation.database_operations:
                    self._track_effects(key, database_operation)
            case ops.DeleteModel():
                self._track_removal(key, ((key[0], operation.name_lower), ""))
            case ops.RemoveField():
                self._track_removal(key, ((key[0], operation.model_name_lower), operation.name))
            case ops.RunPython() if operation.code is not ops.RunPython.noop:
                name = getattr(operation.code, "__qualname__", operation.code)
                description = f"RunPython: {name}()"
            case ops.RunSQL():
                texts = [
                    text for text in _statements(operation.sql) if not _NO_ROWS.fullmatch(text)
                ]
                description = f"RunSQL: {texts[0]:.60}" if texts else ""
        if not description and (module := _third_party_module(operation)):
            name = type(operation).__name__
            description = f"{name}: an operation of {module}, which may change rows"
        if description:
            self.scripts.setdefault(key, []).append(description)

    def _track_removal(self, key: MigrationKey, field_key: FieldKey) -> None:
        origin = self._origin(field_key)
        if not isinstance(origin, _AddedField):
            self.removed[origin] = key
            assert self.past is not None
            before = self.past.loader.graph.forwards_plan(key)
            self.movers[origin] = ", ".join(
                f"{'.'.join(script)}: {description}"
                for script in before
                for description in self.scripts.get(script, ())
            )

    def _rename(self, key: MigrationKey, old: FieldKey, new: FieldKey | None) -> None:
        """Record that a model or field gets a new key, or None if it is removed."""
        origin = self._origin(old)
        self._origins.pop(old, None)
        if new is not None:
            self._origins[new] = origin
        if not isinstance(origin, _AddedField):
            self._renames[origin] = key, new

    def _origin(self, field_key: FieldKey) -> FieldKey | _AddedField:
        """Return the key of a model or field in the dump, or the added field."""
        model, name = field_key
        if name and field_key not in self._origins:
            origin = self._origins.get((model, ""))
            return (model if origin is None or isinstance(origin, _AddedField) else origin[0]), name
        return self._origins.get(field_key, field_key)


def _columns(table: Table | None) -> Mapping[str | None, Column]:
    return {column.field.name: column for column in table.columns} if table is not None else {}


def _is_converted(old: Column, new: Column) -> bool:
    """Whether a database converts the values of a column otherwise than a load does."""
    becomes_text = str in (new.types or ()) and bool(_TYPES_WITH_TEXTS & (old.types or frozenset()))
    return becomes_text or _value_kind(old) != _value_kind(new)


def _value_kind(column: Column) -> str:
    """Return the kind of a column's values: ``"json"``, ``"bytes"``, ``"datetime"``, or ``""``."""
    if column.is_json:
        return "json"
    return next((t.__name__ for t in (bytes, datetime) if t in (column.types or ())), "")


def _value_difference(label: str, name: str, migrated: Any, fields: Collection[str]) -> str:
    """Describe the value that a migration gives a new field, if a load gives it another one."""
    model = TODAY.find(label)
    names = table_of(model).names if model is not None else {}
    if model is None or name not in names or _has_value(table_of(model), name, fields):
        return ""
    field: Any = model._meta.get_field(name)
    value = _initial_value(field)
    # Rows without a value that the column needs are refused anyway.
    if value == migrated or (value is None and not field.null):
        return ""
    return f"{_described(migrated)}; its default of today is {_described(value)}"


def _has_value(table: Table, name: str, fields: Collection[str]) -> bool:
    """Whether rows with the given fields have a value for the field ``name`` of a table."""
    names = table.names
    return name in names and names[name] in {names.get(field) for field in fields}


def count_filled(values: Iterable[object]) -> int:
    """Return the number of values that are not empty."""
    return sum(value not in _EMPTY for value in values)


def _initial_value(field: Any) -> Any:
    """Return the value of a new field in existing rows, or the callable that returns it."""
    if field.has_default():
        return field.default
    if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
        return timezone.now
    if field.has_db_default():
        return field.db_default
    # default_of() needs the related model, which is only a label in an operation.
    return None if field.is_relation else default_of(field)


def _described(value: object) -> str:
    return f"{value.__qualname__}()" if isinstance(value, type | FunctionType) else repr(value)


def _third_party_module(operation: Operation) -> str:
    """Return the module of an operation that is not Django's, or ``""``.

    Operations on indexes, such as the triggers of other packages, change no rows.
    """
    classes = type(operation).__mro__
    owners = [
        next((owner for owner in classes if name in vars(owner)), Operation)
        for name in ("state_forwards", "database_forwards")
    ]
    modules = (c.__module__ for c in owners if not c.__module__.startswith(_DJANGO))
    return "" if isinstance(operation, IndexOperation) else next(modules, "")


def _statements(sql: Any) -> Iterator[str]:
    """Yield the SQL statements of an operation without parameters, each on one line."""
    for item in [sql] if isinstance(sql, str) else sql:
        yield " ".join(str(item[0] if isinstance(item, list | tuple) else item).split())


def _model_key(label: str) -> ModelKey:
    app, _, name = label.partition(".")
    return app, name.lower()


def _references(table: Table) -> Mapping[str, Column]:
    """Return the columns and links that refer to models, by all their names in rows."""
    columns = table.references
    return {alias: columns[name] for alias, name in table.names.items() if name in columns}


def _is_retargeted(old: Column, new: Column) -> bool:
    """Whether a column refers to another model, which does not share its keys as a parent does."""
    is_different = referred_label(old) != referred_label(new) and old.target.model._meta.label != (
        new.target.model._meta.label
    )
    return is_different and TODAY.find(referred_label(old)) is not None
