"""What a check has found: facts, as lines for people and as an object for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from dumpy.errors import (
    ConfigurationError,
    DumpyError,
    FixtureError,
    MigrationError,
    Place,
    Problem,
    RestoreFailed,
    counted,
    printable,
    printable_lines,
)
from dumpy.migrating.chain import NoWay
from dumpy.text.manifest import Manifest
from dumpy.text.words import Unwritable, source

SHOWN = 3
_NAMED = 5
_WIDTH = 20
_TOGETHER = {
    "field-added": "New fields, nothing to do",
    "model-added": "Not in the dump, nothing to do",
    "read-by-code": "Fields that code of the project reads, not Django's",
}
_FINE = "The dump is complete, fits the models, and can be restored."
_NAMES_ONLY = "The dump is complete, and its names fit the models. Its rows were not rehearsed."


class NoScratch(RestoreFailed):
    """A scratch database that cannot be made."""


@dataclass(frozen=True)
class Call:
    """A call that a step of a migrator makes, without code in its arguments."""

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
    def step(self) -> str:
        """The step for a migrator, as source, or ``""``."""
        return str(self.call) if self.call else self.proposal

    @property
    def action(self) -> str:
        """What to do, one of ``"nothing"``, ``"edit"`` (a line), and ``"migrate"`` (the rows)."""
        if not self.stops:
            return "nothing"
        return "migrate" if self.place is None else "edit"

    @property
    def sentence(self) -> str:
        """What is said of the field or the model, and how many rows and values are affected."""
        said = f"{'if so: ' if self.is_guess and not self.to else ''}{self.reason}"
        if not self.rows or self.kind == "field-added":
            return said
        values = self.kind in ("field-removed", "field-renamed", "model-removed")
        stake = [(self.rows, "row"), *([(self.values, "value")] if values else [])]
        return f"{said} ({', '.join(counted(*one) for one in stake)})"

    @property
    def example_lines(self) -> list[str]:
        """The place and key of each example, and its reason if it is another one."""
        lines = []
        for one in self.examples:
            where = f"{one.ref.place}: " if one.ref.place else ""
            said = one.reason.removeprefix(f"{self.field}: ").rstrip(".")
            other = f": {said}" if said not in ("", self.reason) else ""
            lines.append(f"{where}pk {one.ref.key!r:.60}{other}")
        return lines


@dataclass
class Findings:
    """The result of a check; ``str()`` gives the report that ``checkdump`` prints.

    Attributes:
        path: the dump.
        version: the version of the project when the dump was made, or None.
        project_version: the version of the project now, or None.
        rows: the number of rows by model.
        damages: an error for each file that is damaged, and for migrators that do not lead to the
            version of the project.
        findings: a ``Finding`` for each difference, and for rows that were refused.
        notes: sentences about migrators, programs that run, and omitted rows.
        arrived: the version that the migrators lead to, if it is not that of the project.
        manifest: the manifest of a directory, or None.
        is_edited: whether ``restore.py`` was edited since it was written.
        is_rehearsed: whether the dump was restored into a scratch database.
        unrehearsed: why it was not.
        advice: another way to restore the dump.
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
        """The findings that a restore would fail at."""
        return [finding for finding in self.findings if finding.stops]

    @property
    def is_fine(self) -> bool:
        """Whether a restore would succeed, as far as the dump was checked."""
        return not self.damages and not self.stopping

    def __str__(self) -> str:
        """Return the report with damages and verdict."""
        end = printable_lines("\n".join([*map(str, self.damages), verdict(self)]))
        return "\n".join([*lines(self), end])


def literal(value: object) -> str:
    """Return a value as the source of a migrator has it, ``...`` if it has no literal."""
    if type(value) is str and value.isprintable() and '"' not in value and "\\" not in value:
        return f'"{value}"'
    try:
        return source(value.value if isinstance(value, Enum) else value)
    except Unwritable:
        return "..."


def lines(found: Findings) -> Iterator[str]:
    """Yield the report, without damages and verdict."""
    return map(printable, _lines(found))


def _lines(found: Findings) -> Iterator[str]:
    if found.damages and not found.rows:
        return  # it could not be opened
    yield from _tables(found)
    yield from _versions(found)
    together = [one for one in found.findings if one.kind in _TOGETHER and not one.stops]
    alone = [one for one in found.findings if one not in together]
    # What a rehearsal finds stands beside the fields of its model.
    for label in dict.fromkeys(one.model for one in alone):
        yield ""
        yield label or "The file"
        for finding in alone:
            if finding.model == label:
                yield from _finding(finding)
    yield ""
    for kind, title in _TOGETHER.items():
        names = [_name(one) for one in together if one.kind == kind]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        if names:
            yield f"{title}: {', '.join(names[:_NAMED])}{more}."
    yield from filter(None, (found.advice, found.unrehearsed))


def _name(finding: Finding) -> str:
    if finding.field is None:
        return finding.model
    detail = finding.to or finding.reason.removeprefix("is new, and ")
    return f"{finding.model}.{finding.field} ({detail})"


def verdict(found: Findings) -> str:
    """Return the verdict in one sentence."""
    if found.is_fine:
        return _FINE if found.is_rehearsed else _NAMES_ONLY
    if found.damages and all(isinstance(error, NoScratch) for error in found.damages):
        return "The dump was not rehearsed: it is not known whether it can be restored."
    parts = []
    if any(isinstance(error, FixtureError) for error in found.damages):
        is_dump = found.rows or found.manifest is not None
        parts.append("the dump is damaged or edited" if is_dump else "it cannot be read as a dump")
    if any(isinstance(error, NoWay) for error in found.damages):
        parts.append("no migrator leads to the version of the project")
    elif any(isinstance(error, ConfigurationError | MigrationError) for error in found.damages):
        parts.append("its rows cannot be migrated")
    if any(isinstance(error, RestoreFailed) for error in found.damages):
        parts.append("the rehearsal failed")
    if found.stopping:
        parts.append(f"{counted(len(found.stopping), 'difference')} must be resolved")
    said = ", and ".join(parts or ["the rehearsal failed"])
    return f"{said[0].upper()}{said[1:]}: a restore would fail."


def _tables(found: Findings) -> Iterator[str]:
    for label, rows in found.rows.items():
        yield f"{label:<40} {rows:>11,} rows"
    yield f"{counted(len(found.rows), 'table'):<40} {sum(found.rows.values()):>11,} rows"
    if found.manifest is not None:
        for label, reason in found.manifest.left_out.items():
            yield f"{label} was left out: {reason}"
    if found.is_edited:
        yield "restore.py was edited since it was written."


def _versions(found: Findings) -> Iterator[str]:
    ours, theirs = (one or "none" for one in (found.project_version, found.version))
    if ours != theirs and not found.notes:
        yield f"Version of the dump: {theirs}; of the project: {ours}."
    yield from found.notes


def _finding(finding: Finding) -> Iterator[str]:
    yield f"  {finding.field or '':<{_WIDTH}} {finding.sentence}"
    indent = " " * (_WIDTH + 3)
    yield from (f"{indent}{line}" for line in finding.example_lines)
    if finding.hint:
        where = f"{finding.place}: " if finding.place else ""
        yield f"{indent}{where}{finding.hint}"
    steps = finding.step.splitlines()
    if len(steps) == 1:
        yield f"{indent}or in a migrator: {finding.step}"
    elif steps:
        yield f"{indent}or in a migrator, with these lines:"
        yield from (f"{indent}{step}" for step in steps)


def to_json(found: Findings) -> dict[str, Any]:
    """Return everything as an object of JSON's own types."""
    return {
        "dump": str(found.path),
        "fine": found.is_fine,
        "rehearsed": found.is_rehearsed,
        "version": found.version,
        "project_version": found.project_version,
        "edited": found.is_edited,
        "rows": found.rows,
        "left_out": dict(found.manifest.left_out) if found.manifest else {},
        "notes": found.notes,
        "damage": [_damage(error) for error in found.damages],
        "findings": [_object(finding) for finding in found.findings],
    }


def _damage(error: DumpyError) -> dict[str, Any]:
    if not isinstance(error, FixtureError):
        return {"place": None, "reason": str(error), "hint": ""}
    return {"place": _place(error.place), "reason": error.reason, "hint": error.hint.strip()}


def _object(finding: Finding) -> dict[str, Any]:
    same = ("kind", "model", "field", "to", "rows", "values", "action", "reason", "hint", "step")
    return {
        **{name: getattr(finding, name) for name in same},
        "place": _place(finding.place),
        "guess": finding.is_guess,
        "examples": [
            {"pk": _plain(one.ref.key), "place": _place(one.ref.place)} for one in finding.examples
        ],
    }


def _plain(pk: object) -> object:
    return pk if isinstance(pk, int | str) else repr(pk)


def _place(place: Place | None) -> dict[str, Any] | None:
    return {"file": place.file, "line": place.line} if place else None
