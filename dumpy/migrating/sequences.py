"""Free keys for objects that come without."""

from __future__ import annotations

from collections.abc import Iterable

from django.core.management.color import no_style
from django.db import connections

from dumpy.loading.sequences import with_positive_keys
from dumpy.schema.tables import ModelType


def reset_sequences(models: Iterable[ModelType], using: str) -> None:
    """Let the next rows of models have keys that are free."""
    connection = connections[using]
    numbered = list(with_positive_keys(models, using))
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), numbered):
            cursor.execute(statement)
