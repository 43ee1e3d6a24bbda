"""A table of a dump, as the loader needs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from dumpy.errors import Place


class DumpedTable(Protocol):
    """Rows of one create function, as ``dumpy.reading`` gives them."""

    @property
    def label(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def fields(self) -> Mapping[str, Any]: ...
    @property
    def drops(self) -> bool: ...
    @property
    def field_lines(self) -> Mapping[str, int]: ...
    def place(self, line: int) -> Place: ...
    def rows(self) -> Iterator[Any]: ...
