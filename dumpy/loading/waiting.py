"""Those who wait for a row that is not there yet."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class WaitingRoom(Generic[T]):
    """Keeps items under the key of the row that they wait for, in the order in which they came."""

    def __init__(self) -> None:
        self._items: dict[Hashable, list[T]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: Hashable) -> bool:
        return key in self._items

    def __iter__(self) -> Iterator[tuple[Hashable, T]]:
        return ((key, item) for key, items in self._items.items() for item in items)

    def wait(self, item: T, key: Hashable) -> None:
        """Keep an item until ``key`` is there."""
        self._items.setdefault(key, []).append(item)
        self._count += 1

    def wake(self, key: Hashable) -> list[T]:
        """Return, and forget, the items that wait for ``key``."""
        woken = self._items.pop(key, [])
        self._count -= len(woken)
        return woken

    def missing(self) -> list[Hashable]:
        """Return the keys that are waited for."""
        return list(self._items)
