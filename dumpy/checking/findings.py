"""What a check has found: facts, for reports and for programs."""

from __future__ import annotations

from dataclasses import dataclass, field

from dumpy.errors import Place

SHOWN = 3


@dataclass(frozen=True)
class Example:
    """A row: its primary key, where it stands, and the value that is found fault with."""

    pk: object
    place: Place
    value: object


@dataclass
class Tally:
    """Counts rows with the same trouble, and remembers the first few and what was said of them."""

    reason: str
    rows: int = 0
    examples: list[Example] = field(default_factory=list)

    def count(self, example: Example) -> None:
        """Count a row."""
        self.rows += 1
        if len(self.examples) < SHOWN:
            self.examples.append(example)


@dataclass(frozen=True)
class Finding:
    """One difference between a dump and the models.

    ``kind`` is a word for programs, ``reason`` and ``hint`` are for people: what the matter is, and
    what to do. ``rows`` and ``values`` (those that are not empty) are at stake. ``place`` is the
    line of the skeleton to edit, ``step`` the call that a migrator needs, ``to`` the new name, or
    the model that has what a field had.
    ``stops`` says that a restore would not go through, ``is_guess`` that it may be something else.
    """

    kind: str
    model: str
    reason: str
    field: str | None = None
    to: str | None = None
    hint: str = ""
    place: Place | None = None
    rows: int = 0
    values: int = 0
    examples: tuple[Example, ...] = ()
    step: str = ""
    stops: bool = True
    is_guess: bool = False

    @property
    def action(self) -> str:
        """What is to be done: ``nothing``, ``edit`` a line, or ``migrate`` the rows."""
        if not self.stops:
            return "nothing"
        return "migrate" if self.place is None else "edit"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
