"""The names that a dump imports."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from dumpy.migrating.install import install_migrations
from dumpy.schema.instances import new, resolve_model
from dumpy.text.words import (
    JSON_NULL,
    FieldText,
    Natural,
    Stored,
    field_text,
    inf,
    json_null,
    nan,
    natural,
    stored,
    utc,
)

__all__ = [
    "JSON_NULL",
    "UUID",
    "Decimal",
    "FieldText",
    "Natural",
    "Stored",
    "date",
    "datetime",
    "field_text",
    "inf",
    "install_migrations",
    "json_null",
    "nan",
    "natural",
    "new",
    "resolve_model",
    "stored",
    "time",
    "timedelta",
    "utc",
]
