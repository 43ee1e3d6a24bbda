"""The natural keys of rows that are not in the database yet."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from django.db.models import Model

from dumpy.dump import Natural, dumped_row
from dumpy.schema.tables import table_of


def promised(instances: Sequence[Model]) -> dict[Natural, Model]:
    """Return the instances by natural key, of those whose key can be known without the database.

    An instance may refer to others of them, also in a circle, as long as not all keys do.
    """
    known: dict[Natural, Model] = {}
    unknown = list(instances)
    while True:
        still = []
        for instance in unknown:
            _refer(instance, known)
            natural = _natural_key(instance)
            if natural is None:
                still.append(instance)
            else:
                known[natural] = instance
        if len(still) == len(unknown):
            return known
        unknown = still


def _refer(instance: Model, known: dict[Natural, Model]) -> None:
    """Let foreign keys of an instance lead to instances that are known."""
    row = dumped_row(instance)
    for name, natural in row.references.items() if row else ():
        if natural in known:
            setattr(instance, table_of(type(instance)).column(name).field.name, known[natural])


def _natural_key(instance: Model) -> Natural | None:
    with suppress(Exception):  # it may depend on rows that are not there
        return Natural(instance._meta.label, tuple(instance.natural_key()))  # type: ignore[attr-defined]
    return None
