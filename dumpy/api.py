"""The commands as functions, which return what the commands print."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Mapping, Sequence
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
from dumpy.writing.publishing import published, replaced
from dumpy.writing.subset import chosen

_Path = str | os.PathLike[str]


@dataclass(frozen=True)
class Written:
    """A dump that was written; ``str()`` gives the notes.

    Attributes:
        path: the file or the directory.
        notes: a sentence for each thing that is not in the dump.
        missing: the labels of the models whose tables should be in the database, but are not.
    """

    path: Path
    notes: tuple[str, ...]
    missing: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.notes)


@dataclass(frozen=True)
class Compared:
    """The differences of two dumps; ``str()`` gives what ``diffdump`` prints.

    Attributes:
        rows: a ``RowDiff`` for each row that only one dump has, or that differs.
        models: a ``ModelDiff`` for each model that differs, by label.
        not_compared: the numbers of rows of models that only a compared database has, by label.
    """

    rows: tuple[RowDiff, ...]
    models: Mapping[str, ModelDiff]
    not_compared: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_same(self) -> bool:
        """Whether the dumps have the same data: the order of JSON keys may differ."""
        return all(model.has_same_data for model in self.models.values())

    def __str__(self) -> str:
        rows = [str(row) for row in self.rows if not row.is_reordered]
        return printable_lines("\n".join([*rows, *totals(self.models, self.not_compared)]))


@dataclass(frozen=True)
class Restored:
    """A restore that is done; ``str()`` gives what the command prints.

    Attributes:
        report: the rows by model, and what was left out.
        output: the output of the command.
    """

    report: Report
    output: str

    def __str__(self) -> str:
        return self.output


def write(
    path: _Path,
    *labels: str,
    exclude: Iterable[str] = (),
    only: Iterable[str] = (),
    where: Iterable[str] = (),
    with_children: Iterable[str] = (),
    needed: bool = True,
    mask: Sequence[str] = (),
    database: str = DEFAULT_DB_ALIAS,
    natural_foreign: bool = False,
    natural_primary: bool = False,
    overwrite: bool = False,
    max_row_count: int = ROWS_PER_FILE,
) -> Written:
    """Write a dump of the apps and models in ``labels``, of a subset of rows, or of all rows.

    A path that ends with ``.py``, or with ``.py`` and the extension of a compression, becomes one
    module, as with ``dumpdata --format=py --all``; any other path a directory, as with ``dump2py``.
    The parameters are the options of these commands. Options that can be used multiple times are
    lists, such as ``only=["shop.Order:1,2"]``, and ``needed=False`` is ``--no-needed``.

    Raises ``DumpyError`` if the dump cannot be made, or if there is a directory at the path and
    ``overwrite`` is false. An existing dump at the path is kept then.
    """
    if max_row_count < 1:
        raise ValueError("max_row_count must be at least 1.")
    target = Path(path)
    choices = {"only": [*only], "where": [*where], "with_children": [*with_children]}
    selection = chosen(labels, needed=needed, **choices)
    whole = not (labels and ".py" in target.suffixes)
    options = Options(database, natural_foreign, natural_primary, True, (), selection, mask, whole)
    dump = DatabaseDump(select(labels, exclude, database), options)
    if ".py" in target.suffixes:
        with dump.snapshot(), replaced(target) as stream:
            dump.write(stream)
            return Written(target, tuple(dump.notes()), tuple(dump.missing()))
    with published(target, overwrite=overwrite) as directory, dump.snapshot():
        DirectoryDump(dump, max_row_count).write(directory)
        return Written(target, tuple(dump.notes()), tuple(dump.missing()))


def check(
    path: _Path,
    *,
    database: str = DEFAULT_DB_ALIAS,
    as_version: str | None = None,
    rehearsal: bool = True,
) -> Findings:
    """Check whether a dump can be restored into a database, as ``checkdump`` does.

    Without a ``rehearsal``, only files and names are checked. Damage and differences are returned,
    not raised. Raises ``ConfigurationError`` for invalid settings.
    """
    with migrating(Policy(as_version=as_version)):
        return checks.check(Path(path), database, is_rehearsed=rehearsal)


def diff(first: _Path, second: _Path) -> Compared:
    """Compare two dumps row by row, as ``diffdump`` does.

    Each is a file, a directory, or a database, written as ``"database:ALIAS"``. All differences are
    held in memory. Raises ``DumpyError`` if the two cannot be compared.
    """
    with comparing(os.fspath(first), os.fspath(second)) as comparison:
        rows = tuple(comparison.rows())
    return Compared(rows, comparison.models, comparison.not_compared)


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
    """Replace the contents of a database with a dump, as the command ``restore`` does.

    It does not ask for confirmation. Each parameter is an option of the command.

    The restore is all or nothing. Raises ``RestoreFailed`` if it is refused or fails, and
    ``LoadError`` for rows that cannot be loaded. With ``keep_going``, raises ``RowsRejected`` when
    the other rows are restored.
    """
    if quick and full_clean:
        raise ValueError("quick and full_clean cannot be used together.")
    # The argument parser of the command would exit the process for an invalid value.
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
