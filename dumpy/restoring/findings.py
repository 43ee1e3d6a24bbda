"""The differences between a dump and the models."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from dumpy.errors import Place, Problem, counted
from dumpy.text.words import Unwritable, source


@dataclass(frozen=True)
class Call:
    """A call in a step of a migrator; its arguments are values, not code."""

    name: str
    arguments: tuple[Any, ...]

    def __str__(self) -> str:
        return f"self.{self.name}({', '.join(map(literal, self.arguments))})"


@dataclass(frozen=True)
class Finding:
    """One difference between a dump and the models, or rows that a restore refuses.

    Attributes:
        kind: one of the words that ``checkdump --json`` uses.
        model: the label of the model.
        reason: what is wrong.
        field: the name of the field, or None.
        to: the new name, or the model or field that has the values now.
        hint: what to do.
        place: the file and line to edit, or None.
        rows: the number of affected rows.
        values: the number of affected values that are not empty.
        examples: a ``Problem`` for each of the first rows.
        call: the call for a step of a migrator, or None.
        proposal: a step of a migrator for you to decide on, as source.
        stops: whether a restore would fail.
        is_guess: whether the finding is a guess, or depends on one.
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
    examples: tuple[Problem, ...] = ()
    call: Call | None = None
    proposal: str = ""
    stops: bool = True
    is_guess: bool = False

    @property
    def name(self) -> str:
        """The label of the model, with the name of the field if there is one."""
        return f"{self.model}.{self.field}" if self.field else self.model

    @property
    def step(self) -> str:
        """The step for a migrator, as source, or ``""``."""
        return str(self.call) if self.call else self.proposal

    @property
    def action(self) -> str:
        """What to do: ``"nothing"``, ``"edit"`` (a line), or ``"migrate"`` (the rows)."""
        if not self.stops:
            return "nothing"
        return "migrate" if self.place is None else "edit"

    @property
    def sentence(self) -> str:
        """The reason, with the numbers of affected rows and values."""
        reason = f"{'if so: ' if self.is_guess and not self.to else ''}{self.reason}"
        if not self.rows or self.kind == "field-added":
            return reason
        counts = counted(self.rows, "row")
        if self.kind in ("field-removed", "field-renamed", "model-removed"):
            counts += f", {counted(self.values, 'value')}"
        return f"{reason} ({counts})"

    @property
    def example_lines(self) -> list[str]:
        """The place and key of each example, and its reason if that differs."""
        lines = []
        for problem in self.examples:
            place = f"{problem.ref.place}: " if problem.ref.place else ""
            reason = problem.reason.removeprefix(f"{self.field}: ").rstrip(".")
            suffix = f": {reason}" if reason not in ("", self.reason) else ""
            lines.append(f"{place}pk {problem.ref.key!r:.60}{suffix}")
        return lines


def literal(value: object) -> str:
    """Return the source of a value for a migrator, ``...`` if it has no literal."""
    if type(value) is str and value.isprintable() and '"' not in value and "\\" not in value:
        return f'"{value}"'
    try:
        return source(value.value if isinstance(value, Enum) else value)
    except Unwritable:
        return "..."
