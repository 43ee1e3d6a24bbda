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
from itertools import chain
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connections
from django.db.models import F, UniqueConstraint
from django.utils.module_loading import import_string
from django.utils.timezone import is_aware

from dumpy.errors import DumpFailed, UnreadableValue, UnwritableRow, sentence
from dumpy.masks import Mask
from dumpy.schema.references import generic_keys_of
from dumpy.schema.stored import encoded
from dumpy.schema.tables import Column, ModelType, Table, table_of
from dumpy.text.words import JSON_NULL, source
from dumpy.writing.columns import ColumnWriter, Keys
from dumpy.writing.publishing import temporary_database

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
        field = plain.column.field
        method = self._methods.get(plain.label, {}).get(field.name)
        if method is None:
            return None
        is_unique = field.name in _unique_names(field.model)
        return MaskedWriter(method, plain, self._claim if is_unique else None)

    def personal(self, tables: Iterable[Table]) -> list[str]:
        """Return the fields of these tables that look personal, and that no mask names."""
        return [
            f"{table.label}.{column.field.name}"
            for table in tables
            for column in table.columns
            if PERSONAL.search(column.field.name)
            and column.references is None
            and column.name not in table.key
            and column.field.name not in self._methods.get(table.label, {})
        ]

    def _claim(self, column: str, masked: str, value: str) -> bool:
        """Whether a value may have a pseudonym: no other value of the column has it."""
        if self._seen is None:
            self._seen = temporary_database()
            self._seen.execute("CREATE TABLE seen (masked PRIMARY KEY, value) WITHOUT ROWID")
        texts = [f"{column}={one}".encode("utf-8", "surrogatepass") for one in (masked, value)]
        digests = [hashlib.sha256(text).digest() for text in texts]
        self._seen.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", digests)
        found = self._seen.execute("SELECT value FROM seen WHERE masked = ?", digests[:1])
        return bool(found.fetchone()[0] == digests[1])


class MaskedWriter:
    """Writes what a mask returns for the values of a column.

    No error or note shows a value: not the one that the mask is there to hide, nor the masked one.
    """

    def __init__(
        self,
        method: Method,
        plain: ColumnWriter,
        claim: Callable[[str, str, str], bool] | None,
    ) -> None:
        self._method = method
        self._plain = plain
        self._claim = claim
        plain.note = lambda _sentence: None

    def texts(self, values: Sequence[Any], keys: Keys) -> list[str]:
        """Return the source of each masked value; raises ``UnwritableRow``."""
        try:
            found = self._plain.python(values, keys)
        except UnreadableValue as error:
            reason = "it is not shown, because the field is masked."
            raise UnreadableValue(error.model, error.pk, error.field, reason) from None
        return list(map(self._text, found, keys))

    def _text(self, value: Any, key: object) -> str:
        if value is None or value is JSON_NULL:
            return source(value)
        column = self._plain.column
        # The messages of these exceptions may show a value: they are no causes either.
        try:
            original = repr(value)
            if column.is_json:
                value = json.loads(json.dumps(value), cls=column.target.decoder)
            masked = self._method(value)
        except Exception as error:
            raise self._refusal(key, f"raises {type(error).__name__}.") from None
        if masked is None:
            if not column.field.null:
                raise self._refusal(key, "returns None, but the field is not null.")
            return source(None)
        try:
            text = self._written(masked, value, key)
        except Exception as error:
            codes = {one.code or "invalid" for one in getattr(error, "error_list", ())}
            said = ", ".join(sorted(codes)) or type(error).__name__
            reason = f"returns a value that the field refuses ({said})."
            raise self._refusal(key, reason) from None
        name = f"{self._plain.label}.{column.name}"
        if self._claim is not None and not self._claim(name, text, original):
            reason = "returns the same value for two values, and the field is unique."
            raise self._refusal(key, reason)
        return text

    def _written(self, masked: Any, value: Any, key: object) -> str:
        plain, column = self._plain, self._plain.column
        # Other values than those of known types may have been changed in place.
        is_same = column.types is not None and masked == value
        made = value if is_same else _accepted(column, masked)
        if column.is_json:
            return plain.texts([json.dumps(made, cls=column.target.encoder)], [key])[0]
        if column.is_encoded:
            return plain.texts([encoded(column, made, connections[plain.using])], [key])[0]
        return plain.written([made], [key])[0]

    def _refusal(self, key: object, reason: str) -> UnwritableRow:
        owner = type(getattr(self._method, "__self__", None)).__name__
        name = f"{owner}.{self._plain.column.field.name}"
        hint = "Correct the mask."
        return UnwritableRow(self._plain.label, key, f"the mask {name}() {reason}", hint)


def _accepted(column: Column, masked: Any) -> Any:
    """Return a value as its field cleans it; raises ``ValidationError``."""
    field = column.field
    # Only forms ask whether a field may be blank.
    is_empty = masked in list(field.empty_values)
    made = field.to_python(masked) if is_empty else field.clean(masked, None)
    places: int | None = getattr(field, "decimal_places", None)
    if isinstance(made, Decimal) and places is not None:
        return made.quantize(Decimal(1).scaleb(-places))
    if isinstance(made, datetime) and is_aware(made) != settings.USE_TZ:
        raise ValidationError("", code="must be aware" if settings.USE_TZ else "must be naive")
    return made


def _masks(path: str) -> list[type[Mask]]:
    """Return the masks at a dotted path; raises ``DumpFailed``."""
    try:
        try:
            found: object = import_module(path)
        except ModuleNotFoundError as error:
            if error.name != path:
                raise
            found = import_string(path)
    except (Exception, SystemExit) as error:
        raise DumpFailed(f"--mask: {path} cannot be imported: {sentence(error)}") from error
    # Masks that a module imports are often bases, or are for another dump.
    every = (
        [found]
        if isinstance(found, type)
        else [one for one in vars(found).values() if getattr(one, "__module__", "") == path]
    )
    masks = [
        one
        for one in dict.fromkeys(filter(inspect.isclass, every))
        if issubclass(one, Mask) and one.Meta.model is not None
    ]
    if not masks:
        raise DumpFailed(
            f"--mask: {path} defines no subclass of dumpy.masks.Mask with a Meta.model."
        )
    return masks


def _table(mask: type[Mask]) -> Table:
    model = mask.Meta.model
    try:
        found: ModelType = apps.get_model(model) if isinstance(model, str) else model
        table, is_abstract = table_of(found), found._meta.abstract
    except (LookupError, ValueError, AttributeError) as error:
        hint = _meant(str(model), (one._meta.label for one in apps.get_models()))
        raise DumpFailed(f"{_place(mask)}: there is no model {model!r}.{hint}") from error
    if is_abstract:
        reason = "is abstract: write a mask for each model that inherits from it."
        raise DumpFailed(f"{_place(mask)}: {table.label} {reason}")
    return table


def _methods(mask: type[Mask], table: Table) -> Iterator[tuple[str, Method | None]]:
    """Yield the name of each field that a mask names, with its method."""
    instance = mask()
    fields = {column.field.name: column for column in table.columns}
    for name in dir(mask):
        if name.startswith("_") or name == "Meta":
            continue
        method, reason = getattr(instance, name), ""
        if name not in fields:
            reason = (
                f"{table.label} has no field {name!r} with a column of its own."
                f"{_meant(name, fields)} A field of a parent model is masked in a mask of it."
            )
        elif method is not None and not callable(method):
            reason = f"it must be a method or None, not {method!r}."
        elif method is not None and _is_key(table, fields[name]):
            reason = "it cannot be masked, because it is a key, or a reference needs it."
        if reason:
            raise DumpFailed(f"{_place(mask)}.{name}: {reason}")
        yield name, method


def _is_key(table: Table, column: Column) -> bool:
    """Whether a column is part of a reference, or what references lead to."""
    relations: Iterable[Any] = table.model._meta.get_fields(include_hidden=True)
    named = (
        getattr(getattr(one, "field", None), "foreign_related_fields", ()) for one in relations
    )
    heirs = (
        table_of(model)
        for model in table.model._meta.apps.get_models()
        if issubclass(model, table.model)
    )
    return (
        column.name in table.key
        or column.references is not None
        or any(column.field in fields for fields in named)
        or any(one.number.field == column.field for heir in heirs for one in generic_keys_of(heir))
    )


def _unique_names(model: ModelType) -> set[str]:
    """Return the fields that take part in some uniqueness of a model."""
    meta = model._meta
    names = {field.name for field in meta.local_fields if field.unique}
    names.update(*meta.unique_together)
    for constraint in meta.constraints:
        if isinstance(constraint, UniqueConstraint):
            expressions: Iterable[Any] = constraint.expressions
            parts = chain.from_iterable(one.flatten() for one in expressions)
            names.update(constraint.fields, (one.name for one in parts if isinstance(one, _F)))
    return names


def _place(mask: type[Mask]) -> str:
    return f"{inspect.getfile(mask)}: {mask.__name__}"


def _meant(name: str, names: Iterable[str]) -> str:
    close = get_close_matches(name, list(names), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
