"""Find the masks of a dump, and write masked columns."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from importlib import import_module
from traceback import extract_tb
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connections
from django.utils.module_loading import import_string
from django.utils.timezone import is_aware

from dumpy.errors import (
    DumpFailed,
    RowRef,
    UnreadableValue,
    UnwritableRow,
    sentence,
    suggestion,
)
from dumpy.masks import Mask
from dumpy.schema.references import generic_keys_of
from dumpy.schema.stored import as_returned, encoded
from dumpy.schema.tables import Column, ModelType, Table, table_of, unique_sets
from dumpy.text.words import JSON_NULL, source
from dumpy.writing.columns import ColumnWriter, Keys
from dumpy.writing.publishing import temporary_database

Method = Callable[[Any], Any]

# Names, or parts of names, of fields that may hold personal data; a note names them.
PERSONAL = re.compile(
    r"(?:\b|_)(?:e?mail|(?:tele)?phone|mobile|fax|first_?name|last_?name|full_?name|user_?name|nick_?name|"
    r"surname|address|street|city|zip|postcode|birth(?:day|date)?|born|dob|password|token|secret|iban|"
    r"ssn|passport|ip)(?:\b|_|\d)",
    re.IGNORECASE,
)


class Masking:
    """The masks at some dotted paths, for one dump.

    A path names a module with subclasses of ``Mask``, or one subclass. Raises ``DumpFailed`` for
    a mask of an unknown model or field, or of a field that cannot be masked.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        # call_command() passes a text as it is.
        self._paths = [paths] if isinstance(paths, str) else paths
        self._methods: dict[str, dict[str, Method | None]] = {}
        self._pseudonyms: sqlite3.Connection | None = None
        for mask in dict.fromkeys(mask for path in self._paths for mask in _masks(path)):
            table = _table_of_mask(mask)
            if table.label in self._methods:
                raise DumpFailed(f"{_place(mask)}: another mask is for {table.label}, too.")
            self._methods[table.label] = dict(_methods_of_mask(mask, table))

    def __str__(self) -> str:
        return ", ".join(self._paths)

    def close(self) -> None:
        """Delete the pseudonyms of unique values."""
        if self._pseudonyms is not None:
            self._pseudonyms.close()
            self._pseudonyms = None

    def writer(self, plain: ColumnWriter) -> MaskedWriter | None:
        """Return a writer that masks the values of a writer, or None if its column has no mask."""
        field = plain.column.field
        method = self._methods.get(plain.label, {}).get(field.name)
        if method is None:
            return None
        is_unique = any(field.name in names for names in unique_sets(field.model))
        return MaskedWriter(method, plain, self._claim_pseudonym if is_unique else None)

    def personal(self, table: Table) -> list[str]:
        """Return the fields that have no mask, and a name like one for personal data."""
        columns = [
            column
            for column in table.columns
            if column.references is None and column.name not in table.key
        ]
        personal = [column for column in columns if PERSONAL.search(column.field.name)]
        masked = self._methods.get(table.label, {})
        return [
            f"{table.label}.{column.field.name}"
            for column in columns
            # What has an address or a birthday is a person, and so the name is that of one.
            if column in personal or (personal and column.field.name == "name")
            if column.field.name not in masked
        ]

    def _claim_pseudonym(self, column: str, masked: str, value: str) -> bool:
        """Whether no other value of a column has this pseudonym; remember it for the value."""
        if self._pseudonyms is None:
            self._pseudonyms = temporary_database()
            self._pseudonyms.execute(
                "CREATE TABLE pseudonyms (masked PRIMARY KEY, value) WITHOUT ROWID"
            )
        texts = [f"{column}={text}".encode("utf-8", "surrogatepass") for text in (masked, value)]
        digests = [hashlib.sha256(text).digest() for text in texts]
        self._pseudonyms.execute("INSERT OR IGNORE INTO pseudonyms VALUES (?, ?)", digests)
        rows = self._pseudonyms.execute(
            "SELECT value FROM pseudonyms WHERE masked = ?", digests[:1]
        )
        return bool(rows.fetchone()[0] == digests[1])


class MaskedWriter:
    """Writes the results of a mask for the values of a column.

    No error or note shows a value, neither the original nor the result.
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
            values = self._plain.python(values, keys)
        except UnreadableValue as error:
            reason = f"the value of {error.field!r} cannot be read: it is not shown, because the "
            raise replace(error, reason=f"{reason}field is masked.") from None
        return list(map(self._text, values, keys))

    def _text(self, value: Any, key: object) -> str:
        if value is None or value is JSON_NULL:
            return source(value)
        column = self._plain.column
        # The messages of these exceptions may show a value, so they are not kept as causes.
        try:
            original = repr(value)
            if column.is_json:
                value = json.loads(json.dumps(value), cls=column.target.decoder)
            masked = self._method(value)
        except Exception as error:
            # The first frame is this one, the second the line of the mask.
            place = "".join(
                f" in {f.filename}:{f.lineno}" for f in extract_tb(error.__traceback__)[1:2]
            )
            raise self._refusal(key, f"raises {type(error).__name__}{place}.") from None
        if masked is None:
            if not column.field.null:
                raise self._refusal(key, "returns None, but the field is not null.")
            return source(None)
        try:
            text = self._masked_source(masked, value, key)
        except Exception as error:
            errors = getattr(error, "error_list", ())
            codes = sorted({error.code or "invalid" for error in errors})
            kind = ", ".join(codes) or type(error).__name__
            reason = f"returns a value that the field refuses ({kind})."
            raise self._refusal(key, reason) from None
        name = f"{self._plain.label}.{column.name}"
        if self._claim is not None and not self._claim(name, text, original):
            reason = "returns the same value for two values, and the field is unique."
            hint = "Correct the mask: dumpy.masks.token(value) returns another text for each value."
            raise self._refusal(key, reason, hint)
        return text

    def _masked_source(self, masked: Any, value: Any, key: object) -> str:
        plain, column = self._plain, self._plain.column
        # A value of an unknown type may have been changed in place.
        is_same = column.types is not None and masked == value
        cleaned = value if is_same else _clean(column, masked)
        if column.is_json:
            return plain.texts([json.dumps(cleaned, cls=column.target.encoder)], [key])[0]
        if column.is_encoded:
            stored = encoded(column, cleaned, connections[plain.using])
            return plain.texts([as_returned(stored, cleaned)], [key])[0]
        return plain.written([cleaned], [key])[0]

    def _refusal(self, key: object, reason: str, hint: str = "Correct the mask.") -> UnwritableRow:
        owner = type(getattr(self._method, "__self__", None))
        name = f"{owner.__module__}.{owner.__qualname__}.{self._plain.column.field.name}"
        ref = RowRef(self._plain.label, key)
        return UnwritableRow(ref, f"the mask {name}() {reason}", hint)


def _clean(column: Column, masked: Any) -> Any:
    """Clean a masked value with its field; raises ``ValidationError``."""
    field = column.field
    # The option `blank` is for forms only.
    is_empty = masked in list(field.empty_values)
    cleaned = field.to_python(masked) if is_empty else field.clean(masked, None)
    places: int | None = getattr(field, "decimal_places", None)
    if isinstance(cleaned, Decimal) and places is not None:
        return cleaned.quantize(Decimal(1).scaleb(-places))
    if isinstance(cleaned, datetime) and is_aware(cleaned) != settings.USE_TZ:
        raise ValidationError("", code="must be aware" if settings.USE_TZ else "must be naive")
    return cleaned


def _masks(path: str) -> list[type[Mask]]:
    try:
        try:
            imported: object = import_module(path)
        except ModuleNotFoundError as error:
            if error.name != path:
                raise
            imported = import_string(path)
    except (Exception, SystemExit) as error:
        raise DumpFailed(f"--mask: {path} cannot be imported: {sentence(error)}") from error
    # Masks that a module imports are often bases, or are for another dump.
    candidates = (
        [imported]
        if isinstance(imported, type)
        else [item for item in vars(imported).values() if getattr(item, "__module__", "") == path]
    )
    masks = [
        mask
        for mask in dict.fromkeys(filter(inspect.isclass, candidates))
        if issubclass(mask, Mask) and mask.Meta.model is not None
    ]
    if not masks:
        raise DumpFailed(
            f"--mask: {path} defines no subclass of dumpy.masks.Mask with a Meta.model."
        )
    return masks


def _table_of_mask(mask: type[Mask]) -> Table:
    model = mask.Meta.model
    try:
        model_class: ModelType = apps.get_model(model) if isinstance(model, str) else model
        table, is_abstract = table_of(model_class), model_class._meta.abstract
    except (LookupError, ValueError, AttributeError) as error:
        hint = suggestion(str(model), (other._meta.label for other in apps.get_models()))
        reason = f"{_place(mask)}: there is no model {model!r}."
        raise DumpFailed(f"{reason} {hint}".rstrip()) from error
    if is_abstract:
        reason = "is abstract: write a mask for each model that inherits from it."
        raise DumpFailed(f"{_place(mask)}: {table.label} {reason}")
    return table


def _methods_of_mask(mask: type[Mask], table: Table) -> Iterator[tuple[str, Method | None]]:
    """Yield the name of each field that a mask names, with its method."""
    instance = mask()
    fields = {column.field.name: column for column in table.columns}
    for name in dir(mask):
        if name.startswith("_") or name == "Meta":
            continue
        method, reason = getattr(instance, name), ""
        if name not in fields:
            reason = (
                f"{table.label} has no field {name!r} with a column of its own. A field of a "
                f"parent model is masked in a mask of it. {suggestion(name, fields)}".rstrip()
            )
        elif method is not None and not callable(method):
            reason = f"it must be a method or None, not {method!r}."
        elif method is not None and _is_key(table, fields[name]):
            reason = "it cannot be masked, because it is a key, or a reference needs it."
        if reason:
            raise DumpFailed(f"{_place(mask)}.{name}: {reason}")
        yield name, method


def _is_key(table: Table, column: Column) -> bool:
    """Whether a column is part of a key, of a reference, or the target of references."""
    relations: Iterable[Any] = table.model._meta.get_fields(include_hidden=True)
    referenced = (
        getattr(getattr(relation, "field", None), "foreign_related_fields", ())
        for relation in relations
    )
    child_tables = (
        table_of(model)
        for model in table.model._meta.apps.get_models()
        if issubclass(model, table.model)
    )
    return (
        column.name in table.key
        or column.references is not None
        or any(column.field in fields for fields in referenced)
        or any(
            generic.object_id.field == column.field
            for child in child_tables
            for generic in generic_keys_of(child)
        )
    )


def _place(mask: type[Mask]) -> str:
    return f"{inspect.getfile(mask)}: {mask.__name__}"
