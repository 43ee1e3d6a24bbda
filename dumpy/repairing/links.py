"""Links to restored rows: many-to-many fields of other rows hold them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from django.apps import apps
from django.db.models import QuerySet

from dumpy.schema.tables import Link, ModelType, Table, table_of

_ROWS = 500

Values = Mapping[str, Any]
RowsOf = Callable[[Table, Callable[[Values], bool]], Iterator[Values]]


class BackLinks:
    """Links rows that are there with restored ones, as they were linked in the dump.

    ``rows_of`` gives the rows of a table in the dump that are wanted.
    """

    def __init__(self, rows_of: RowsOf, using: str) -> None:
        self._rows_of = rows_of
        self._using = using

    def restore(self, model: ModelType, restored: Collection[object]) -> Iterator[str]:
        """Link what led to the restored rows of a model; yield sentences that say how much."""
        for table, link in _links_to(model):
            wanted, made = Counter[object](), Counter[object]()
            for pairs in self._pairs(table, link, restored):
                wanted.update(target for _source, target in pairs)
                made.update(self._made(link, pairs))
            for target, count in wanted.items():
                row = f"{model._meta.label}(pk={target!r})"
                yield f"{row}: {_said(made[target], count, f'{table.label}.{link.name}')}"

    def _pairs(
        self, table: Table, link: Link, restored: Collection[object]
    ) -> Iterator[list[tuple[object, object]]]:
        """The links of the dump that lead to restored rows, from others, some at a time."""

        def targets(values: Values) -> Iterable[object]:
            keys = map(link.target.target.to_python, values.get(link.name, ()))
            return (key for key in keys if key in restored)

        is_own = table.model is link.target.references
        found = (
            (values[table.key[0]], target)
            for values in self._rows_of(table, lambda values: any(targets(values)))
            if not (is_own and values[table.key[0]] in restored)
            for target in targets(values)
        )
        while pairs := list(islice(found, _ROWS)):
            yield pairs

    def _made(self, link: Link, pairs: list[tuple[object, object]]) -> Iterator[object]:
        """Make the links of rows that are there; yield the restored row of each."""
        source, target = link.source, link.target
        keys = {key for key, _target in pairs}
        rows: QuerySet[Any] = QuerySet(source.references, using=self._using)
        there = set(rows.filter(pk__in=keys).values_list("pk", flat=True))
        through: QuerySet[Any] = QuerySet(link.through, using=self._using)
        old = through.filter(**{f"{source.name}__in": keys}).values_list(source.name, target.name)
        linked = set(old)
        pairs = [pair for pair in pairs if pair[0] in there]
        through.bulk_create(
            link.through(**{source.name: pair[0], target.name: pair[1]})
            for pair in dict.fromkeys(pairs)
            if pair not in linked
        )
        return (target for _source, target in pairs)


def _links_to(model: ModelType) -> Iterator[tuple[Table, Link]]:
    for one in apps.get_models():
        for link in () if one._meta.proxy else table_of(one).links:
            if link.target.references is model:
                yield table_of(one), link


def _said(made: int, count: int, name: str) -> str:
    if made == count:
        return f"{count} links of {name} are restored."
    return f"{made} of {count} links of {name} are restored; the rows with the others do not exist."
