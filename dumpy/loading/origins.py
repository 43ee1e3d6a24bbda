"""Where rows came from, in a load that brings each of them once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from dumpy.errors import Place
from dumpy.loading.dumped import DumpedTable
from dumpy.loading.integrity import Repeated, occurrences
from dumpy.schema.tables import Table


class Origins:
    """Finds rows that have come before: of objects it keeps the keys, rows it reads again."""

    def __init__(self) -> None:
        self._objects: defaultdict[Table, dict[object, Place]] = defaultdict(dict)
        self._dumped: defaultdict[Table, list[DumpedTable]] = defaultdict(list)

    def add(self, table: Table, dumped: DumpedTable) -> None:
        """Take rows that can be read again."""
        self._dumped[table].append(dumped)

    def claim(self, table: Table, key: object, place: Place) -> None:
        """Take an object; raises ``Repeated`` if another one had its key."""
        objects = self._objects[table]
        if key in objects:
            raise Repeated(objects[key])
        objects[key] = place

    def check(self, table: Table, places: Mapping[object, Place]) -> None:
        """Raise ``Repeated`` if there is one of these keys at another place as well."""
        objects = self._objects[table]
        for key in places.keys() & objects.keys():
            if objects[key] != places[key]:
                raise Repeated(objects[key])
        wanted = {str(key): place for key, place in places.items()}
        for text, place in occurrences(table, self._dumped[table], wanted):
            if place != wanted[text]:
                raise Repeated(place)
