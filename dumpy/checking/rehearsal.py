"""Restore a dump into a scratch database, and report the rows that are refused."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from django.db.models import CharField
from django.db.utils import Error as DatabaseError

from dumpy.checking.diff import RowDiff
from dumpy.checking.report import SHOWN, Findings, NoScratch
from dumpy.errors import (
    DumpyError,
    FixtureError,
    FixtureErrors,
    LoadError,
    Problem,
    RestoreFailed,
    RowRef,
)
from dumpy.loading.registry import TODAY
from dumpy.loading.report import Rejects
from dumpy.migrating.install import current_policy, migrating
from dumpy.migrating.migrator import Migrator
from dumpy.reading.source import allow_programs
from dumpy.restoring.compare import DumpedContent, stored_differences
from dumpy.restoring.content import Content, require_permission
from dumpy.restoring.findings import Finding, literal
from dumpy.restoring.plans import Plan
from dumpy.restoring.restorer import Restorer
from dumpy.restoring.schema import models_with_tables
from dumpy.restoring.scratch import build_scratch, kept_name, scratch
from dumpy.schema.instances import RejectedRow
from dumpy.schema.tables import single, table_of

_HINTS = {
    "waits": "it can be loaded when the rows that it refers to are corrected",
    "reference": "restore the referenced row, or change the value; if a manager hides the row "
    "from dumpdata, dump again with --all",
    "not-unique": "change or drop the rows",
}
_NO_SCRATCH = (
    "The dump cannot be restored into a scratch database. To check its files and names alone, add "
    "--no-rehearsal; or name a database whose user may make another one: --database."
)


@dataclass
class _Rehearsal(Restorer):
    """A restore that continues if the content differs from the dump, to report the differences."""

    findings: list[Finding] = field(default_factory=list)

    def refuse(self, contents: Sequence[DumpedContent]) -> None:
        """Add a finding for each field whose values differ from the dump."""
        for content in contents:
            counts: Counter[str] = Counter()
            first: defaultdict[str, list[RowDiff]] = defaultdict(list)
            for difference in stored_differences(content, self.using):
                row = RowDiff(content.label, difference)
                for name in [change.name for change in row.changes] or [""]:
                    counts[name] += 1
                    first[name] += [row] if counts[name] <= SHOWN else []
            self.findings += (_changed(name, counts[name], first[name]) for name in counts)
            if not counts:
                reason = "its content would differ from the dump"
                self.findings.append(Finding("changed", content.label, reason))


class _FirstRejects(Rejects):
    """The rows that the first attempt rejects; a second one without them may hide the cause."""

    def leave_out(self, problems: Iterable[Problem]) -> None:
        """Raise ``LoadError``."""
        raise LoadError(list(problems))


def rehearse(content: Content, using: str, result: Findings, *, keeps_scratch: bool) -> None:
    """Restore a dump into a scratch database, with its migrators and code.

    The calls that earlier findings in ``result`` propose for a migrator are made. New findings are
    added to it.
    """
    calls = [finding.call for finding in result.stopping if finding.call is not None]

    def propose(migrator: Migrator) -> None:
        for call in calls:
            getattr(migrator, call.name)(*call.arguments)

    allow_mismatch = result.arrived is not None
    proposal = propose if calls else None
    policy = replace(current_policy(), allow_mismatch=allow_mismatch, proposal=proposal)
    with ExitStack() as stack:
        try:
            require_permission(content.dump)
            missing = list(_missing_tables(content, using))
            kept = kept_name(using) if keeps_scratch else ""
            stack.enter_context(scratch(using, kept))
        except FixtureError as error:
            result.damages.append(error)
            return
        except (RestoreFailed, DatabaseError, OSError) as error:
            result.damages.append(NoScratch(f"{error}\n{_NO_SCRATCH}"))
            return
        stack.enter_context(migrating(policy))
        stack.enter_context(allow_programs([], result.notes.append))
        findings = [*missing, *_restore(content, using, result, kept)]
    result.is_rehearsed = True
    guesses = [finding for finding in result.findings if finding.is_guess]
    guessed = {label for finding in guesses for label in (finding.model, finding.to)}
    result.findings += (replace(f, is_guess=f.model in guessed) for f in findings)


def _restore(content: Content, using: str, result: Findings, kept: str) -> Iterator[Finding]:
    """Restore a dump, and yield what is refused or differs; other errors are added to damages."""
    rejects = _FirstRejects()
    # The check has named the skipped migrations, except for a program.
    plan = Plan(content, using, is_lenient=not content.dump.is_program)
    rehearsal = _Rehearsal(content, plan, rejects=rejects)
    try:
        build_scratch(using, content.labels, kept)
        report = rehearsal.run(dry_run=True)
    except LoadError as error:
        for problem in error.problems:
            rejects.refused.append(RejectedRow(TODAY.get(problem.ref.label), {}, problem))
    except (FixtureError, FixtureErrors) as error:
        for item in error.errors if isinstance(error, FixtureErrors) else [error]:
            yield Finding("refused", "", item.reason, hint=item.hint.strip(), place=item.place)
    except (DumpyError, DatabaseError, OSError, SystemExit) as error:
        damage = error if isinstance(error, DumpyError) else RestoreFailed(str(error))
        result.damages.append(damage)
    else:
        made = {label for label, counts in report.tables.items() if counts.total}
        others = [f for f in result.findings if f.kind != "model-added" or f.model not in made]
        result.findings[:] = others
        if content.dump.is_program and result.manifest is None:
            result.rows = {label: counts.total for label, counts in report.tables.items()}
        yield from rehearsal.findings
    yield from _refused(rejects.rows)


def _missing_tables(content: Content, using: str) -> Iterator[Finding]:
    """Yield the unmanaged models of a dump that have no table in the database ``using``."""
    unmanaged = [model for model in TODAY.find_all(content.labels) if not model._meta.managed]
    existing = models_with_tables(using, [], unmanaged) if unmanaged else []
    for model in unmanaged:
        if model not in existing:
            yield Finding(
                "no-table", model._meta.label,
                f"its table {model._meta.db_table!r} does not exist in {using!r}, and no "
                "migration creates it, because the model is unmanaged",
                hint="create it first, or leave its rows out",
            )  # fmt: skip


def _refused(rows: Iterable[RejectedRow]) -> Iterator[Finding]:
    """Yield a finding for the rejected rows of each model, field, and kind."""
    groups: dict[tuple[str, str | None, str], list[RejectedRow]] = {}
    for row in rows:
        problem = row.problem
        name = None if problem.kind == "waits" else problem.field or None
        groups.setdefault((problem.ref.label, name, problem.kind), []).append(row)
    for (label, name, kind), group in groups.items():
        first = group[0].problem
        yield Finding(
            kind, label, first.reason.removeprefix(f"{name}: ").rstrip("."), field=name,
            hint=first.hint or _HINTS.get(kind, "change the values"),
            rows=len(group), values=0 if kind == "null" else len(group),
            examples=tuple(row.problem for row in group[:SHOWN]),
            proposal=_proposal(group, name, kind) if name and "," not in name else "",
        )  # fmt: skip


def _changed(name: str, count: int, first: Sequence[RowDiff]) -> Finding:
    """Return the finding for values of a field that differ from the dump after a restore.

    Without a ``name``, it is for rows that only one side has.
    """
    label, rows = first[0].label, [row.row for row in first]
    refs = (RowRef(label, single(row.key), row.place) for row in rows)
    finding = Finding(
        "changed", label, "other rows come back",
        hint="handlers of migrators, receivers, or triggers make or change such rows",
        examples=tuple(Problem(ref, "") for ref in refs),
    )  # fmt: skip
    change = next((change for change in first[0].changes if change.name == name), None)
    if change is None:
        return finding
    return replace(
        finding, reason=f"{change.before} would become {change.after}", field=name,
        hint="change the values, or the field", rows=count, values=count,
        proposal=f"self.change_values({literal(label)}, {literal(name)}, lambda value: ...)",
    )  # fmt: skip


def _proposal(group: Sequence[RejectedRow], name: str, kind: str) -> str:
    """Return a call for a migrator, in which the user chooses new values for rejected rows."""
    table = table_of(group[0].model)
    column = next((column for column in table.columns if column.field.name == name), None)
    if column is None or kind in _HINTS:
        return ""
    new = "lambda value: ..."
    if kind in ("null", "choice"):
        values = dict.fromkeys(literal(row.values.get(column.name)) for row in group[:SHOWN])
        new = "{" + ", ".join(f"{value}: ..." for value in values) + "}"
    elif kind == "too-long" and isinstance(column.target, CharField):
        guard = "value and " if column.field.null else ""
        new = f"lambda value: {guard}value[:{column.target.max_length}]"
    return f"self.change_values({literal(table.label)}, {literal(column.name)}, {new})"
