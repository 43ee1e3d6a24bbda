"""Sequences after a load."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connections
from django.db.models import AutoField, Max, QuerySet

from dumpy.schema.tables import ModelType


def with_positive_keys(models: Iterable[ModelType], using: str) -> set[ModelType]:
    """Return the models without those whose highest key is below 1, which PostgreSQL refuses."""
    return {model for model in models if not _is_below_one(model, using)}


def _is_below_one(model: ModelType, using: str) -> bool:
    pk = model._meta.pk
    if connections[using].vendor != "postgresql" or not isinstance(pk, AutoField):
        return False
    highest = QuerySet(model, using=using).aggregate(highest=Max(pk.attname))["highest"]
    return highest is not None and highest < 1
