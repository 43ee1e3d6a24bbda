"""Those who wait for a row that is not there yet."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class WaitingRoom(Generic[T]):
    """Keeps items under the key of the row that they wait for, in the order in which they came."""

    def __init__(self) -> None:
        self._items: dict[Hashable, list[T]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._items.values()))

    def __iter__(self) -> Iterator[tuple[Hashable, T]]:
        return ((key, item) for key, items in self._items.items() for item in items)

    def wait(self, item: T, key: Hashable) -> None:
        """Keep an item until ``key`` is there."""
        self._items.setdefault(key, []).append(item)

    def wake(self, key: Hashable) -> list[T]:
        """Return, and forget, the items that wait for ``key``."""
        return self._items.pop(key, [])

    def missing(self) -> list[Hashable]:
        """Return the keys that are waited for."""
        return list(self._items)
