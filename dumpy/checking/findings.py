"""What a check has found: facts, for reports and for programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from dumpy.errors import DumpyError, Place, RestoreFailed
from dumpy.text.manifest import Manifest
from dumpy.text.words import Unwritable, source

SHOWN = 3


class NoScratch(RestoreFailed):
    """A scratch database that cannot be made."""


@dataclass(frozen=True)
class Example:
    """A row that was refused: its primary key, where it stands, and what was said of it."""

    pk: object
    place: Place | None
    reason: str = ""


@dataclass(frozen=True)
class Call:
    """A call that a step of a migrator makes, without code in its arguments."""

    name: str
    arguments: tuple[Any, ...]

    def __str__(self) -> str:
        return f"self.{self.name}({', '.join(map(text, self.arguments))})"


@dataclass(frozen=True)
class Finding:
    """One difference between a dump and the models, or rows that a restore refuses.

    Attributes:
        kind: a word for programs.
        reason: what the matter is; ``hint``: what to do about it.
        to: the new name, or the model or field that has what a field had.
        rows: how many are at stake; ``values``: how many of their values are not empty.
        place: the line of the skeleton to edit.
        call: what a migrator does about it; ``proposal``: the same as text, for a person to decide.
        stops: whether a restore would not go through.
        is_guess: whether it may be something else.
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
    call: Call | None = None
    proposal: str = ""
    stops: bool = True
    is_guess: bool = False

    @property
    def step(self) -> str:
        """The source of what a migrator does, or ``""``."""
        return str(self.call) if self.call else self.proposal

    @property
    def action(self) -> str:
        """What is to be done: ``nothing``, ``edit`` a line, or ``migrate`` the rows."""
        if not self.stops:
            return "nothing"
        return "migrate" if self.place is None else "edit"


@dataclass
class Findings:
    """What is in a dump, what is damaged, and what keeps a restore from going through.

    Attributes:
        rows: the number of rows by model.
        damages: what is wrong with the files, or with the way of the migrators.
        notes: sentences: what migrators do, what is run, what is left out.
        arrived: the version where the steps of migrators end too early.
        is_rehearsed: whether the dump was restored into a scratch database; ``unrehearsed`` says
            why not.
        advice: another way to restore it.
    """

    path: Path
    version: str | None = None
    project_version: str | None = None
    rows: dict[str, int] = field(default_factory=dict)
    damages: list[DumpyError] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    arrived: str | None = None
    manifest: Manifest | None = None
    is_edited: bool = False
    is_rehearsed: bool = False
    unrehearsed: str = ""
    advice: str = ""

    @property
    def stopping(self) -> list[Finding]:
        """What a restore would stop at."""
        return [finding for finding in self.findings if finding.stops]

    @property
    def is_fine(self) -> bool:
        """Whether a restore would go through, for all that was looked at."""
        return not self.damages and not self.stopping


def text(value: object) -> str:
    """Return a value as the source of a migrator has it, ``...`` if it has no literal."""
    if type(value) is str and value.isprintable() and '"' not in value and "\\" not in value:
        return f'"{value}"'
    try:
        return source(value.value if isinstance(value, Enum) else value)
    except Unwritable:
        return "..."
