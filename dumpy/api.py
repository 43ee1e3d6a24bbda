"""The verbs of the commands, as functions that return what the commands print."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from django.core.management.base import OutputWrapper
from django.db import DEFAULT_DB_ALIAS

from dumpy.checking import check as checks
from dumpy.checking.diff import ModelDiff, RowDiff, comparing, totals
from dumpy.checking.report import Findings
from dumpy.errors import printable_lines
from dumpy.loading.report import Report
from dumpy.loading.validation import Validation
from dumpy.migrating.install import Policy, migrating
from dumpy.restoring import main
from dumpy.writing.database import DatabaseDump, Options, select
from dumpy.writing.directory import ROWS_PER_FILE, DirectoryDump
from dumpy.writing.output import replaced
from dumpy.writing.publishing import published
from dumpy.writing.subset import chosen

_Path = str | os.PathLike[str]


@dataclass(frozen=True)
class Written:
    """A dump that was written.

    Attributes:
        path: the file or the directory.
        notes: what is not in it, a sentence each.
        missing: the models of them whose tables the migrations make, but are not there.
    """

    path: Path
    notes: tuple[str, ...]
    missing: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.notes)


@dataclass(frozen=True)
class Compared:
    """Where two dumps differ.

    Attributes:
        rows: the rows that only one of them has, or that differ.
        models: how many of them there are, and the fields that only one dump has, by label.
        not_compared: the rows of models that only a compared database has, by label.
    """

    rows: tuple[RowDiff, ...]
    models: Mapping[str, ModelDiff]
    not_compared: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_same(self) -> bool:
        """Whether there is no difference."""
        return not self.models

    def __str__(self) -> str:
        return printable_lines(
            "\n".join([*map(str, self.rows), *totals(self.models, self.not_compared)])
        )


@dataclass(frozen=True)
class Restored:
    """What a restore has done.

    Attributes:
        report: the rows by model, and what was left out.
        said: what the command prints.
    """

    report: Report
    said: str

    def __str__(self) -> str:
        return self.said


def write(
    path: _Path,
    *labels: str,
    exclude: Iterable[str] = (),
    only: Iterable[str] = (),
    where: Iterable[str] = (),
    with_children: Iterable[str] = (),
    needed: bool = True,
    mask: str | None = None,
    database: str = DEFAULT_DB_ALIAS,
    natural_foreign: bool = False,
    natural_primary: bool = False,
    overwrite: bool = False,
    max_row_count: int = ROWS_PER_FILE,
) -> Written:
    """Write a dump of the apps and models that ``labels`` name, of a subset of rows, or of all.

    A path that ends in ``.py``, or in ``.py`` and the ending of a compression, becomes one module,
    as with ``dumpdata --format=py``; any other one a directory, as with ``dump2py``, with
    ``max_row_count`` rows in a file. Raises ``DumpyError``, for a directory that is there too,
    unless it is to be ``overwrite``-n; what was at the path stays there then. Unlike ``dumpdata``
    without ``--all``, no manager hides rows. ``only``, ``where``, ``with_children``, ``needed`` and
    ``mask`` take what the options of the commands take.
    """
    if max_row_count < 1:
        raise ValueError("max_row_count must be at least 1.")
    target = Path(path)
    models = select(labels, exclude, database)
    rows = {"only": [*only], "where": [*where], "with_children": [*with_children]}
    selection = chosen(labels, needed=needed, **rows)
    options = Options(database, natural_foreign, natural_primary, True, (), selection, mask)
    dump = DatabaseDump(models, options)
    if ".py" in target.suffixes:
        with dump.snapshot(), replaced(target) as stream:
            dump.write(stream)
            return Written(target, tuple(dump.notes()), tuple(dump.missing()))
    with published(target, overwrite=overwrite) as aside, dump.snapshot():
        DirectoryDump(dump, max_row_count).write(aside)
        return Written(target, tuple(dump.notes()), tuple(dump.missing()))


def check(
    path: _Path,
    *,
    database: str = DEFAULT_DB_ALIAS,
    as_version: str | None = None,
    rehearsal: bool = True,
) -> Findings:
    """Return whether a dump would be restored, and what keeps it from that, as ``checkdump`` does.

    Without a ``rehearsal`` only files and names are checked. Raises ``ConfigurationError``.
    """
    with migrating(Policy(as_version=as_version)):
        return checks.check(Path(path), database, is_rehearsed=rehearsal)


def diff(first: _Path, second: _Path) -> Compared:
    """Return where two dumps differ, row by row, as ``diffdump`` does.

    Each is a file, a directory, or a database as ``"database:ALIAS"``. All differences are held in
    memory. Raises ``DumpyError``.
    """
    with comparing(os.fspath(first), os.fspath(second)) as found:
        rows = tuple(found.rows())
    return Compared(rows, found.models, found.not_compared)


def restore(
    path: _Path,
    *,
    database: str = DEFAULT_DB_ALIAS,
    dry_run: bool = False,
    through_migrations: bool = False,
    keep_going: bool = False,
    quick: bool = False,
    full_clean: bool = False,
    drop: Iterable[str] = (),
    allow_version_mismatch: bool = False,
    as_version: str | None = None,
) -> Restored:
    """Replace the content of a database by that of a dump, as the command ``restore`` does.

    Nothing is asked. All or nothing: raises ``RestoreFailed``, which says what became of the
    database; ``LoadError`` or ``RowsRejected`` for rows that ``keep_going`` has kept out.
    """
    if quick and full_clean:
        raise ValueError("quick and full_clean cannot be used together.")
    # A parser of the command would end the process for a wrong value.
    options = argparse.Namespace(
        database=database,
        dry_run=dry_run,
        through_migrations=through_migrations,
        keep_going=keep_going,
        validation=_validation(quick=quick, full_clean=full_clean),
        drop=list(drop),
        allow_version_mismatch=allow_version_mismatch,
        as_version=as_version,
        interactive=False,
        verbosity=1,
    )
    out = StringIO()
    report = main.restore(Path(path), options, OutputWrapper(out))
    return Restored(report, out.getvalue())


def _validation(*, quick: bool, full_clean: bool) -> Validation:
    if quick:
        return Validation.NEVER
    return Validation.ALWAYS if full_clean else Validation.CHANGED
