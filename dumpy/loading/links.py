"""Many-to-many values: pairs of keys in the through table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connections
from django.db.models import QuerySet

from dumpy.loading.references import References
from dumpy.loading.statements import Statements
from dumpy.loading.values import Failures, to_database, to_python
from dumpy.schema.tables import Link

_SOURCES_PER_QUERY = 500


class LinkLoader:
    """Puts the values of one many-to-many field into its through table, a batch at a time."""

    def __init__(self, link: Link, references: References) -> None:
        self.link = link
        self._references = references
        self._statements = Statements(link.through, (link.source, link.target), references.using)
        self._is_empty: bool | None = None

    def convert(self, lists: Sequence[Any], failures: Failures) -> list[list[Any]]:
        """Return the primary keys that each row is linked to."""
        return [
            self._converted(position, values, failures) for position, values in enumerate(lists)
        ]

    def write(self, sources: Sequence[object], lists: Sequence[list[Any]]) -> set[object]:
        """Link each source to exactly the targets in its list; return the sources that changed."""
        wanted = dict.fromkeys(
            (source, target)
            for source, targets in zip(sources, lists, strict=True)
            for target in targets
        )
        stored = self._stored(sources)
        new = [pair for pair in wanted if pair not in stored]
        gone = stored - wanted.keys()
        self._statements.insert(self._rows(new))
        if gone:
            self._statements.delete(self._rows(sorted(gone, key=repr)), (0, 1))
        return {source for source, _target in [*new, *gone]}

    def _converted(self, position: int, values: Any, failures: Failures) -> list[Any]:
        if not isinstance(values, list):
            failures.setdefault(
                position, ValidationError(f"{self.link.name!r} must be a list, not {values!r}.")
            )
            return []
        wrong: Failures = {}
        found = list(to_python(self.link.target, values, self._references, wrong))
        for error in wrong.values():
            failures.setdefault(position, error)
        return found

    def _stored(self, sources: Iterable[object]) -> set[tuple[Any, Any]]:
        if self._is_empty is None:
            self._is_empty = self._statements.is_empty()
        return set() if self._is_empty else self._pairs(list(sources))

    def _pairs(self, sources: list[object]) -> set[tuple[Any, Any]]:
        source, target = self.link.source.name, self.link.target.name
        rows = QuerySet(self.link.through, using=self._references.using).order_by()
        return {
            pair
            for start in range(0, len(sources), _SOURCES_PER_QUERY)
            for pair in rows.filter(
                **{f"{source}__in": sources[start : start + _SOURCES_PER_QUERY]}
            ).values_list(source, target)
        }

    def _rows(self, pairs: Sequence[tuple[Any, Any]]) -> list[tuple[Any, ...]]:
        if not pairs:
            return []
        connection = connections[self._references.using]
        failures: Failures = {}
        columns = zip((self.link.source, self.link.target), zip(*pairs, strict=True), strict=True)
        prepared = [to_database(column, values, connection, failures) for column, values in columns]
        return list(zip(*prepared, strict=True))

    def look_again(self) -> None:
        """Look links up from now on: the table may hold some that an earlier batch brought."""
        self._is_empty = False
