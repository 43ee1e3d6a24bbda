"""Two sequences of rows in the order of their keys, and where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

SHOWN = 3
_WIDTH = 160
_CONTEXT = 30

Cells = Mapping[str, str]


class Keyed(NamedTuple):
    """A row: its key, and the text of each value by the name of its column."""

    key: tuple[object, ...]
    cells: Cells


class Difference(NamedTuple):
    """A row that only one side has, or that has other values: the cells of each side."""

    key: tuple[object, ...]
    gone: Cells | None
    come: Cells | None


@dataclass(frozen=True)
class TableDifference:
    """What differs between two versions of a table, which are called ``names``."""

    names: tuple[str, str]
    count: int
    first: tuple[Difference, ...]

    def lines(self) -> Iterator[str]:
        """Yield the lines of a diff for a person."""
        yield f"--- {self.names[0]}"
        yield f"+++ {self.names[1]}"
        for difference in self.first:
            yield f"@@ {', '.join(map(str, difference.key))} @@"
            yield from _lines(difference)
        if self.count > len(self.first):
            yield f"… and {self.count - len(self.first):,} more rows that differ."


def compare(
    names: tuple[str, str], first: Iterable[Keyed], second: Iterable[Keyed]
) -> TableDifference | None:
    """Return what differs between two tables, or None."""
    found = differences(iter(first), iter(second))
    shown = tuple(islice(found, SHOWN))
    if not shown:
        return None
    return TableDifference(names, len(shown) + sum(1 for _ in found), shown)


def differences(first: Iterator[Keyed], second: Iterator[Keyed]) -> Iterator[Difference]:
    """Yield the differences of two sequences in the same order, each row read once."""
    one, other = next(first, None), next(second, None)
    while one is not None or other is not None:
        if other is None or (one is not None and is_before(one, other)):
            assert one is not None
            yield Difference(one.key, one.cells, None)
            one = next(first, None)
        elif one is None or one.key != other.key:
            yield Difference(other.key, None, other.cells)
            other = next(second, None)
        else:
            if one.cells != other.cells:
                yield Difference(one.key, one.cells, other.cells)
            one, other = next(first, None), next(second, None)


def is_before(one: Keyed, other: Keyed) -> bool:
    """Whether a row comes before another one; keys that have no order are compared as texts."""
    try:
        return one.key < other.key
    except TypeError:
        return repr(one.key) < repr(other.key)


def _lines(difference: Difference) -> Iterator[str]:
    gone, come = difference.gone, difference.come
    if gone is None or come is None:
        sign, cells = ("+", come) if gone is None else ("-", gone)
        yield _cut(f"{sign}{', '.join(f'{k}={v}' for k, v in (cells or {}).items())}")
        return
    for name in dict.fromkeys([*gone, *come]):
        one, other = gone.get(name), come.get(name)
        if one != other:
            texts = zip("-+", shortened(one, other), strict=True)
            yield from (f"{sign}{name}={text}" for sign, text in texts if text is not None)


def shortened(*texts: str | None) -> list[str | None]:
    """Return two texts from where their difference is seen."""
    start = _start(*texts)
    return [
        text if text is None else f"{'…' if start else ''}{_cut(text[start:])}" for text in texts
    ]


def _start(one: str | None, other: str | None) -> int:
    """Where to begin to show two texts, so that their difference is seen."""
    pairs = enumerate(zip(one or "", other or "", strict=False))
    same = next((i for i, (a, b) in pairs if a != b), min(len(one or ""), len(other or "")))
    return same - _CONTEXT if same > _WIDTH - _CONTEXT else 0


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…"
