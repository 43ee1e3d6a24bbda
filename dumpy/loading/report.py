"""What a load has done."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field


@dataclass
class Counts:
    """Rows of one model by what became of them, and the lane that they took."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    lane: str = ""

    @property
    def total(self) -> int:
        """All rows that are in the database now."""
        return self.inserted + self.updated + self.unchanged

    def __str__(self) -> str:
        parts = [("inserted", self.inserted), ("updated", self.updated)]
        named = [
            f"{count} {word}" for word, count in [*parts, ("unchanged", self.unchanged)] if count
        ]
        return ", ".join(named) or "nothing to do"


@dataclass
class Report:
    """``tables``: the counts by model label."""

    tables: defaultdict[str, Counts] = field(default_factory=lambda: defaultdict(Counts))
    _ignored: dict[str, None] = field(default_factory=dict)

    @property
    def ignored(self) -> list[str]:
        """Sentences about what was left out."""
        return list(self._ignored)

    def total(self) -> Counts:
        """Return the sums over all models."""
        counts = self.tables.values()
        return Counts(
            sum(count.inserted for count in counts),
            sum(count.updated for count in counts),
            sum(count.unchanged for count in counts),
        )

    def ignore(self, sentence: str) -> None:
        """Note, once, that something was left out."""
        self._ignored[sentence] = None
