"""What a check has found, as lines for people and as an object for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from dumpy.checking.check import Findings
from dumpy.checking.findings import Example, Finding, counted
from dumpy.errors import DumpyError, FixtureError, Place, printable

_NAMED = 5
_WIDTH = 20
_TOGETHER = {
    "migrated-by-code": "Migrated by code, not looked at",
    "model-added": "Not in the dump, nothing to do",
    "unlisted": "Not listed in restore.py, or not all of it, so not restored",
}
_FINE = "The dump is whole, and fits the models."
_UNSEEN = "The dump is whole, and what was looked at fits the models. Not looked at: {}."


def lines(found: Findings) -> Iterator[str]:
    """Yield the report, without damages and verdict."""
    return map(printable, _lines(found))


def _lines(found: Findings) -> Iterator[str]:
    yield from _tables(found)
    yield from _versions(found)
    for label, findings in groupby(_alone(found), lambda finding: finding.model):
        yield ""
        yield label or "The file"
        for finding in findings:
            yield from _finding(finding)
    yield ""
    for kind, title in _TOGETHER.items():
        labels = [one.model for one in found.findings if one.kind == kind]
        if labels:
            yield f"{title}: {_some(labels)}."
    if found.advice:
        yield found.advice


def _alone(found: Findings) -> list[Finding]:
    return [one for one in found.findings if one.kind not in _TOGETHER]


def verdict(found: Findings) -> str:
    """Return what it all comes to, in one sentence."""
    if found.is_fine:
        unseen = [*_made_by_code(found), *dict.fromkeys(found.unseen)]
        return printable(_UNSEEN.format("; ".join(unseen))) if unseen else _FINE
    parts = []
    if any(isinstance(error, FixtureError) for error in found.damages):
        parts.append("the dump is damaged or edited")
    if not all(isinstance(error, FixtureError) for error in found.damages):
        parts.append("migrators do not lead here")
    if found.stopping:
        needs = "needs" if len(found.stopping) == 1 else "need"
        parts.append(f"{counted(len(found.stopping), 'difference')} {needs} a hand")
    said = ", and ".join(parts)
    return f"{said[0].upper()}{said[1:]}: a restore would not go through."


def _made_by_code(found: Findings) -> Iterator[str]:
    for finding in found.findings:
        if finding.kind == "migrated-by-code":
            yield f"what code makes of {finding.model}"


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
    if ours != theirs and not found.steps:
        yield f"Version of the dump: {theirs}; of the project: {ours}."
    yield from found.steps


def _finding(finding: Finding) -> Iterator[str]:
    yield f"  {finding.field or '':<{_WIDTH}} {_guess(finding)}{finding.reason}{_stake(finding)}"
    indent = " " * (_WIDTH + 3)
    for example in finding.examples:
        yield f"{indent}{_example(example)}"
    if finding.hint:
        where = f"{finding.place}: " if finding.place else ""
        yield f"{indent}{where}{finding.hint}"
    if finding.step and finding.stops:
        yield f"{indent}or in a migrator: {finding.step}"
    if not finding.stops:
        yield f"{indent}nothing to do"


def _some(labels: list[str]) -> str:
    left = f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else ""
    return ", ".join(labels[:_NAMED]) + left


def _guess(finding: Finding) -> str:
    if not finding.is_guess:
        return ""
    return "a guess: " if finding.to else "if so: "


def _stake(finding: Finding) -> str:
    if not finding.rows or finding.kind == "field-added":
        return ""
    if finding.kind not in ("field-removed", "field-renamed", "model-removed"):
        return f" ({counted(finding.rows, 'row')})"
    return f" ({counted(finding.rows, 'row')}, {counted(finding.values, 'value')})"


def _example(example: Example) -> str:
    return f"{example.place}: pk {example.pk!r:.60}"


def to_json(found: Findings) -> dict[str, Any]:
    """Return everything as an object of JSON's own types."""
    return {
        "dump": str(found.path),
        "fine": found.is_fine,
        "version": found.version,
        "project_version": found.project_version,
        "edited": found.is_edited,
        "rows": found.rows,
        "left_out": dict(found.manifest.left_out) if found.manifest else {},
        "steps": found.steps,
        "damage": [_damage(error) for error in found.damages],
        "not_looked_at": list(dict.fromkeys(found.unseen)),
        "findings": [_object(finding) for finding in found.findings],
    }


def _damage(error: DumpyError) -> dict[str, Any]:
    if not isinstance(error, FixtureError):
        return {"place": None, "reason": str(error), "hint": ""}
    return {"place": _place(error.place), "reason": error.reason, "hint": error.hint.strip()}


def _object(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "model": finding.model,
        "field": finding.field,
        "to": finding.to,
        "rows": finding.rows,
        "values": finding.values,
        "place": _place(finding.place),
        "action": finding.action,
        "guess": finding.is_guess,
        "reason": finding.reason,
        "hint": finding.hint,
        "step": finding.step,
        "examples": _examples(finding.examples),
    }


def _examples(examples: Iterable[Example]) -> list[dict[str, Any]]:
    return [{"pk": _plain(one.pk), "place": _place(one.place)} for one in examples]


def _plain(pk: object) -> object:
    return pk if isinstance(pk, int | str) else repr(pk)


def _place(place: Place | None) -> dict[str, Any] | None:
    return {"file": place.file, "line": place.line} if place else None
