"""The result of a check, as lines of text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dumpy.errors import (
    ConfigurationError,
    DumpyError,
    FixtureError,
    MigrationError,
    Place,
    RestoreFailed,
    RowRef,
    counted,
    printable,
    printable_lines,
)
from dumpy.migrating.chain import NoStep
from dumpy.restoring.findings import Finding
from dumpy.text.emit import UNMASKED
from dumpy.text.manifest import Manifest

SHOWN = 3
_MAX_NAMES = 5
_FIELD_WIDTH = 20
# The kinds of findings that are listed by name only, unless they have a hint.
_TITLES = {
    "field-added": "New fields, nothing to do",
    "model-added": "Not in the dump; a restore deletes their rows",
    "read-by-code": "Fields that code of the project reads, not Django's",
    "not-masked": UNMASKED.strip(" :"),
}
_FINE = "The dump is {}, fits the models, and can be restored."
_NAMES_ONLY = "The dump is {}, and its names fit the models. Its rows were not rehearsed."


class NoScratch(RestoreFailed):
    """A scratch database that cannot be made."""


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
        is_part: whether the dump has only a part of the tables or rows of a database.
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
    is_part: bool = False
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
        return "\n".join([*lines(self), conclusion(self)])


def lines(result: Findings) -> Iterator[str]:
    """Yield the report, without damages and verdict."""
    return map(printable, _lines(result))


def _lines(result: Findings) -> Iterator[str]:
    if result.damages and not result.rows:  # it could not be opened
        return
    yield from _tables(result)
    yield from _versions(result)
    brief = [f for f in result.findings if f.kind in _TITLES and not (f.stops or f.hint)]
    detailed = [finding for finding in result.findings if finding not in brief]
    # The findings of the rehearsal come with those of the same model.
    for label in dict.fromkeys(finding.model for finding in detailed):
        yield ""
        yield label or "The file"
        for finding in detailed:
            if finding.model == label:
                yield from _finding(finding)
    yield ""
    for kind, title in _TITLES.items():
        names = [_name(finding) for finding in brief if finding.kind == kind]
        # Each field that is not masked has to be looked at.
        count = len(names) if kind == "not-masked" else _MAX_NAMES
        more = f" and {len(names) - count} more" if len(names) > count else ""
        if names:
            yield f"{title}: {', '.join(names[:count])}{more}."
    yield from filter(None, (result.advice, result.unrehearsed))


def _name(finding: Finding) -> str:
    if finding.field is None:
        return finding.model
    if finding.kind == "not-masked":
        return f"{finding.model}.{finding.field}"
    detail = finding.to or finding.reason.removeprefix("is new, and ")
    return f"{finding.model}.{finding.field} ({detail})"


def conclusion(result: Findings) -> str:
    """Return the damages and the verdict."""
    return printable_lines("\n".join([*map(str, result.damages), verdict(result)]))


def verdict(result: Findings) -> str:
    """Return the verdict in one sentence."""
    if result.is_fine:
        sentence = _FINE if result.is_rehearsed else _NAMES_ONLY
        return sentence.format("undamaged" if result.is_part else "complete")
    if result.damages and all(isinstance(error, NoScratch) for error in result.damages):
        return "The dump was not rehearsed: it is not known whether it can be restored."
    parts = []
    if any(isinstance(error, FixtureError) for error in result.damages):
        is_dump = result.rows or result.manifest is not None
        parts.append("the dump is damaged or edited" if is_dump else "it cannot be read as a dump")
    if any(isinstance(error, NoStep) for error in result.damages):
        parts.append("no migrator leads to the version of the project")
    elif any(isinstance(error, ConfigurationError | MigrationError) for error in result.damages):
        parts.append("its rows cannot be migrated")
    if any(isinstance(error, RestoreFailed) for error in result.damages):
        parts.append("the rehearsal failed")
    if result.stopping:
        parts.append(f"{counted(len(result.stopping), 'difference')} must be resolved")
    reason = ", and ".join(parts or ["the rehearsal failed"])
    return f"{reason[0].upper()}{reason[1:]}: a restore would fail."


def _tables(result: Findings) -> Iterator[str]:
    total = counted(len(result.rows), "table"), sum(result.rows.values())
    for name, rows in (*result.rows.items(), total):
        yield f"{name:<40} {rows:>11,} row{'' if rows == 1 else 's'}"
    if result.manifest is not None:
        for label, reason in result.manifest.left_out.items():
            yield f"{label} was left out: {reason}"
    if result.is_edited:
        yield "restore.py was edited since it was written."


def _versions(result: Findings) -> Iterator[str]:
    old, new = (version or "none" for version in (result.version, result.project_version))
    if old != new and not result.notes:
        yield f"Version of the dump: {old}; of the project: {new}."
    yield from result.notes


def _finding(finding: Finding) -> Iterator[str]:
    yield f"  {finding.field or '':<{_FIELD_WIDTH}} {finding.sentence}"
    indent = " " * (_FIELD_WIDTH + 3)
    yield from (f"{indent}{line}" for line in finding.example_lines)
    if finding.hint or finding.place:
        place = str(finding.place or "")
        yield indent + ": ".join(filter(None, (place, finding.hint)))
    steps, alternative = finding.step.splitlines(), "or " if finding.hint else ""
    if len(steps) == 1:
        yield f"{indent}{alternative}in a migrator: {finding.step}"
    elif steps:
        yield f"{indent}{alternative}in a migrator, with these lines:"
        yield from (f"{indent}{step}" for step in steps)


def to_json(result: Findings) -> dict[str, Any]:
    """Return the whole result as an object for ``json.dumps()``."""
    return {
        "dump": str(result.path),
        "fine": result.is_fine,
        "rehearsed": result.is_rehearsed,
        "version": result.version,
        "project_version": result.project_version,
        "edited": result.is_edited,
        "rows": result.rows,
        "left_out": dict(result.manifest.left_out) if result.manifest else {},
        "notes": result.notes,
        "damage": [_damage(error) for error in result.damages],
        "findings": [_object(finding) for finding in result.findings],
    }


def _damage(error: DumpyError) -> dict[str, Any]:
    if not isinstance(error, FixtureError):
        return {"place": None, "reason": str(error), "hint": ""}
    return {"place": _place(error.place), "reason": error.reason, "hint": error.hint.strip()}


def _object(finding: Finding) -> dict[str, Any]:
    names = ("kind", "model", "field", "to", "rows", "values", "action", "reason", "hint", "step")
    return {
        **{name: getattr(finding, name) for name in names},
        "place": _place(finding.place),
        "guess": finding.is_guess,
        "examples": [_example(problem.ref) for problem in finding.examples],
    }


def _example(ref: RowRef) -> dict[str, Any]:
    key = ref.key if isinstance(ref.key, int | str) else repr(ref.key)
    return {"pk": key, "place": _place(ref.place)}


def _place(place: Place | None) -> dict[str, Any] | None:
    return {"file": place.file, "line": place.line} if place else None
