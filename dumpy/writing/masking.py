"""Masks in the writing of rows: find the masks, and write masked columns."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connections
from django.db.models import F
from django.utils.timezone import is_aware

from dumpy.errors import DumpFailed, UnwritableRow, sentence
from dumpy.masks import Mask
from dumpy.schema.stored import encoded
from dumpy.schema.tables import Column, ModelType, Table, is_content_type, table_of
from dumpy.text.words import JSON_NULL
from dumpy.writing.columns import ColumnWriter, JsonWriter, Keys, StoredWriter
from dumpy.writing.keys import temporary_database

Method = Callable[[Any], Any]
_F: Any = F

# The names of fields that may hold what is personal, in whole or in part; a note names them.
PERSONAL = re.compile(
    r"(?:\b|_)(?:e?mail|phone|mobile|fax|first_?name|last_?name|full_?name|user_?name|nick_?name|"
    r"surname|address|street|city|zip|postcode|birth(?:day|date)?|dob|password|token|secret|iban|"
    r"ssn|passport|ip)(?:\b|_|\d)",
    re.IGNORECASE,
)


class Masking:
    """The masks at a dotted path, for one dump.

    ``path`` is that of a module with classes of ``Mask``, or of one such class. Raises
    ``DumpFailed`` for a mask that names no model or no field, or a field that cannot be masked.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._methods: dict[str, dict[str, Method | None]] = {}
        self._seen: sqlite3.Connection | None = None
        for mask in _masks(path):
            table = _table(mask)
            if table.label in self._methods:
                raise DumpFailed(f"{_place(mask)}: another mask is for {table.label}, too.")
            self._methods[table.label] = dict(_methods(mask, table))

    def close(self) -> None:
        """Delete what is known of unique values."""
        if self._seen is not None:
            self._seen.close()
            self._seen = None

    def writer(self, plain: ColumnWriter) -> MaskedWriter | None:
        """Return what writes the column of a writer masked; None if no mask names the column."""
        method = self._methods.get(plain.label, {}).get(plain.column.field.name)
        if method is None:
            return None
        is_unique = plain.column.field.name in _unique_names(plain.column.field.model)
        return MaskedWriter(method, plain, self._claim if is_unique else None)

    def personal(self, tables: Iterable[Table]) -> list[str]:
        """Return the fields of these tables that look personal, and that no mask names."""
        return [
            f"{table.label}.{name}"
            for table in tables
            for name in _personal(table)
            if name not in self._methods.get(table.label, {})
        ]

    def _claim(self, column: str, masked: str, value: str) -> bool:
        """Whether a value may have a pseudonym: no other value of the column has it."""
        if self._seen is None:
            self._seen = temporary_database()
            self._seen.execute("CREATE TABLE seen (masked PRIMARY KEY, value) WITHOUT ROWID")
        digests = [hashlib.sha256(f"{column}={one}".encode()).digest() for one in (masked, value)]
        self._seen.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", digests)
        found = self._seen.execute("SELECT value FROM seen WHERE masked = ?", digests[:1])
        return bool(found.fetchone()[0] == digests[1])


class MaskedWriter:
    """Writes what a mask returns for the values of a column."""

    def __init__(
        self,
        method: Method,
        plain: ColumnWriter,
        claim: Callable[[str, str, str], bool] | None,
    ) -> None:
        self._method = method
        self._plain = plain
        self._claim = claim
        self._label, self._column = plain.label, plain.column
        # It gets Python values, but for a custom field, whose values are written as stored.
        self._as_python = type(plain)(
            plain.label, plain.column, plain.using, plain.note, is_stored=plain.column.is_encoded
        )

    def texts(self, values: Sequence[Any], keys: Keys) -> list[str]:
        """Return the source of each masked value; raises ``UnwritableRow``."""
        found = list(map(self._masked, self._plain.python(values, keys), keys))
        return self._as_python.texts(found, keys)

    def _masked(self, value: Any, key: object) -> Any:
        column = self._column
        if value is None or value is JSON_NULL:
            return "null" if value is JSON_NULL else None
        if column.is_json:
            # Columns of JSON are texts up to here: the field decides what its objects are.
            value = json.loads(json.dumps(value), cls=column.target.decoder)
        original = repr(value)
        # What an exception says may hold the value that the mask is there to hide, so it is not
        # even shown as a cause.
        try:
            masked = self._method(value)
        except Exception as error:
            raise self._refusal(key, f"raises {type(error).__name__}.") from None
        try:
            # Other values than those of known types may have been changed in place.
            is_same = column.types is not None and masked == value
            made = value if is_same or masked is None else self._accepted(masked)
        except Exception as error:
            said = type(error).__name__
            if isinstance(error, ValidationError):
                codes = {one.code or "invalid" for one in getattr(error, "error_list", ())}
                said = ", ".join(sorted(codes)) or said
            reason = f"returns a value that the field refuses ({said})."
            raise self._refusal(key, reason) from None
        if masked is None:
            if not column.field.null:
                raise self._refusal(key, "returns None, but the field is not null.")
            return None
        if self._claim is not None and not self._claim(
            f"{self._label}.{column.name}", repr(made), original
        ):
            reason = "returns the same value for two values, and the field is unique."
            raise self._refusal(key, reason)
        if isinstance(self._as_python, JsonWriter):
            return json.dumps(made, cls=column.target.encoder)
        if isinstance(self._as_python, StoredWriter):
            return encoded(column, made, connections[self._plain.using])
        return made

    def _accepted(self, masked: Any) -> Any:
        """Return a value as its field cleans it; raises ``ValidationError``."""
        field = self._column.field
        # Only forms ask whether a field may be blank.
        is_empty = masked in list(field.empty_values)
        made = field.to_python(masked) if is_empty else field.clean(masked, None)
        places: int | None = getattr(field, "decimal_places", None)
        if isinstance(made, Decimal) and places is not None:
            return made.quantize(Decimal(1).scaleb(-places))
        if isinstance(made, datetime) and is_aware(made) != settings.USE_TZ:
            wanted = "aware" if settings.USE_TZ else "naive"
            raise ValidationError(f"It must be {wanted}.", code=f"must be {wanted}")
        return made

    def _refusal(self, key: object, reason: str) -> UnwritableRow:
        owner = type(getattr(self._method, "__self__", None)).__name__
        name = f"{owner}.{self._column.field.name}"
        return UnwritableRow(self._label, key, f"the mask {name}() {reason}", "Correct the mask.")


def _masks(path: str) -> list[type[Mask]]:
    """Return the masks at a dotted path; raises ``DumpFailed``."""
    module, _, name = path.rpartition(".")
    try:
        try:
            found: object = import_module(path)
        except ModuleNotFoundError as error:
            if error.name != path or not module:
                raise
            found = getattr(import_module(module), name)
    except (Exception, SystemExit) as error:
        raise DumpFailed(f"--mask: {path} cannot be imported: {sentence(error)}") from error
    every = [found] if isinstance(found, type) else list(vars(found).values())
    masks = [one for one in every if _is_mask(one)]
    if not isinstance(found, type):
        # Masks that a module imports are often bases, or are for another dump.
        masks = [one for one in masks if one.__module__ == path]
    if not masks:
        raise DumpFailed(
            f"--mask: {path} defines no subclass of dumpy.masks.Mask with a Meta.model."
        )
    return list(dict.fromkeys(masks))


def _is_mask(found: object) -> bool:
    return isinstance(found, type) and issubclass(found, Mask) and found.Meta.model is not None


def _table(mask: type[Mask]) -> Table:
    model = mask.Meta.model
    try:
        found: ModelType = apps.get_model(model) if isinstance(model, str) else model
        return table_of(found)
    except (LookupError, ValueError) as error:
        labels = [one._meta.label for one in apps.get_models()]
        hint = _meant(str(model), labels)
        raise DumpFailed(f"{_place(mask)}: there is no model {model!r}.{hint}") from error


def _methods(mask: type[Mask], table: Table) -> Iterator[tuple[str, Method | None]]:
    """Yield the name of each field that a mask names, with its method."""
    instance = mask()
    for name in dir(mask):
        if name.startswith("_") or name == "Meta":
            continue
        method = getattr(instance, name)
        fields = {column.field.name: column for column in table.columns}
        reason = (
            _obstacle(table, fields[name]) if name in fields else _no_column(table, name, fields)
        )
        if method is not None and not callable(method):
            reason = f"it must be a method or None, not {method!r}."
        # None leaves a field as it is: that is possible for all that can be named.
        if reason and not (method is None and name in fields):
            raise DumpFailed(f"{_place(mask)}.{name}: {reason}")
        yield name, method


def _no_column(table: Table, name: str, fields: Iterable[str]) -> str:
    for parent in table.model._meta.all_parents:
        if name in [column.field.name for column in table_of(parent).columns]:
            label = parent._meta.label
            return f"{name!r} is a field of {label}: name it in a mask of {label}."
    if name in [link.name for link in table.links]:
        return f"{name!r} is a many-to-many field, and references cannot be masked."
    return f"{table.label} has no field {name!r} with a column of its own.{_meant(name, fields)}"


def _obstacle(table: Table, column: Column) -> str:
    """Return why a column cannot be masked, or an empty text."""
    field = column.field
    if column.name in table.key:
        return "a primary key cannot be masked, because references need it."
    if column.references is not None:
        return "a foreign key cannot be masked, because references must stay whole."
    if is_content_type(table.model):
        return "content types cannot be masked, because references name them."
    for private in table.model._meta.private_fields:
        if field.name in (getattr(private, "ct_field", None), getattr(private, "fk_field", None)):
            return f"it is part of the generic foreign key {private.name!r}, which must stay whole."
    for relation in table.model._meta.get_fields(include_hidden=True):
        other: Any = getattr(relation, "field", None)
        if other is not None and field in getattr(other, "foreign_related_fields", ()):
            name = f"{other.model._meta.label}.{other.name}"
            return f"it cannot be masked, because {name} refers to it (to_field)."
    return ""


def _unique_names(model: ModelType) -> set[str]:
    """Return the fields that take part in some uniqueness of a model."""
    meta = model._meta
    names = {field.name for field in meta.local_fields if field.unique}
    for together in meta.unique_together:
        names.update(together)
    for constraint in meta.constraints:
        names.update(getattr(constraint, "fields", ()))
        for expression in getattr(constraint, "expressions", ()):
            names.update(part.name for part in expression.flatten() if isinstance(part, _F))
    return names


def _personal(table: Table) -> Iterator[str]:
    for column in table.columns:
        name = column.field.name
        if PERSONAL.search(name) and column.references is None and column.name not in table.key:
            yield name


def _place(mask: type[Mask]) -> str:
    return f"{inspect.getfile(mask)}: {mask.__name__}"


def _meant(name: str, names: Iterable[str]) -> str:
    close = get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""
