"""The natural keys of rows that are not in the database yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db.models import Model

from dumpy.dump import Natural, dumped_row
from dumpy.loading.references import Missing
from dumpy.schema.tables import table_of

Resolve = Callable[[Natural, str], Any]


def provisional(instances: Iterable[Model], resolve: Resolve) -> dict[Natural, Model]:
    """Return the instances by natural key, of those whose key can be known before they are written.

    An instance may refer to others of them, also in a circle, as long as not all keys do. A key is
    computed only of references that are known: by ``resolve``, or because they are in the result.
    """
    known: dict[Natural, Model] = {}
    waiting: dict[Natural, list[Model]] = {}
    queue = deque(instances)
    while queue:
        instance = queue.popleft()
        try:
            _refer(instance, known, resolve)
            if instance.pk is None:
                continue
            natural = Natural(instance._meta.label, tuple(instance.natural_key()))  # type: ignore[attr-defined]
        except Missing as error:
            waiting.setdefault(error.key, []).append(instance)
            continue
        except Exception:  # it may depend on other rows that are not there
            continue
        known[natural] = instance
        queue.extend(waiting.pop(natural, ()))
    return known


def _refer(instance: Model, known: dict[Natural, Model], resolve: Resolve) -> None:
    """Set the foreign keys of an instance that are known; the others raise ``Missing`` when read.

    An unset key reads as None, which would make the natural key that of another row.
    """
    row = dumped_row(instance)
    unknown: dict[str, Natural] = {}
    table = table_of(type(instance))
    for name, natural in row.references.items() if row else ():
        column = table.column(name)
        if natural in known:
            setattr(instance, column.field.name, known[natural])
            continue
        try:
            setattr(instance, column.name, resolve(natural, column.parent_field.attname))
        except Missing:
            if column.name in table.key:
                raise
            instance.__dict__.pop(column.name, None)
            unknown[column.name] = natural

    def read(*, fields: Sequence[str], **_options: object) -> None:
        raise Missing(unknown[fields[0]])

    # What Django calls for a field that an instance does not hold.
    instance.__dict__["refresh_from_db"] = read
