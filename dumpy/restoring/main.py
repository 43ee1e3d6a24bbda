"""The command line of a restore: options, progress, and the final message."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from django.core.management.base import OutputWrapper
from django.db import connections
from django.db.utils import Error as DatabaseError

from dumpy.conf import configuration
from dumpy.console import Progress, add_options, confirmed
from dumpy.ending import InterruptedAfter, cleaning_up
from dumpy.engines import engine_of
from dumpy.errors import DumpyError, LoadError, RestoreFailed, printable_lines, sentence
from dumpy.loading.report import Rejects, Report
from dumpy.loading.validation import Validation
from dumpy.migrating.install import migrating, policy_of
from dumpy.reading.source import allow_programs, dump_directory, is_program_file
from dumpy.restoring.content import Content, content_of
from dumpy.restoring.plans import THROUGH_MIGRATIONS, Plan, PlanThroughMigrations
from dumpy.restoring.restorer import Restorer
from dumpy.restoring.target import UNCHANGED, UnknownOutcome
from dumpy.text.manifest import NAME, RESTORE

_DRY_RUN = "Dry run complete: the restore would succeed. Nothing was changed."


def main(script: str, namespace: dict[str, Any]) -> None:
    """Restore the directory of a script, or exit with an error message.

    ``namespace`` contains the globals of the script; it is empty if the script was not run.
    """
    parser = argparse.ArgumentParser(
        Path(script).name,
        description="Replace the contents of a database with this dump.",
        # is_run_by_restore() looks for complete options.
        allow_abbrev=False,
    )
    parser.add_argument("-v", "--verbosity", type=int, choices=(0, 1, 2, 3), default=1)
    add_arguments(parser)
    options = parser.parse_args(sys.argv[1:])
    try:
        restore(Path(script).resolve().parent, options, OutputWrapper(sys.stdout), namespace)
    except DumpyError as error:
        with suppress(OSError):
            sys.stdout.flush()  # The output comes before the error.
        sys.exit(str(error))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a restore."""
    add_options(parser, "--noinput", "--database", "--dry-run")
    parser.add_argument(
        THROUGH_MIGRATIONS,
        action="store_true",
        help="Load the rows with the models of the dump's time, then migrate.",
    )
    add_options(parser, "--keep-going", "--drop", "--allow-version-mismatch", "--as-version")
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--quick",
        action="store_const",
        dest="validation",
        const=Validation.NEVER,
        default=Validation.CHANGED,
        help="Do not validate rows. By default, the rows of changed models are validated.",
    )
    group.add_argument(
        "--full-clean",
        action="store_const",
        dest="validation",
        const=Validation.ALWAYS,
        help="Validate the rows of all models, including empty values.",
    )


def is_run_by_restore(script: Path, arguments: Sequence[str]) -> bool:
    """Whether a script is the ``restore.py`` of a dump that ``main()`` reads or runs itself.

    This is the case if it is data, if it is damaged, which ``main()`` refuses, and if it must find
    the historical models.
    """
    is_program = is_program_file(script)
    is_of_dump = (script.parent / NAME).is_file() or is_program is not None
    if script.name != RESTORE or not is_of_dump:
        return False
    return THROUGH_MIGRATIONS in arguments or not (is_program and configuration().execute)


def _open_content(path: Path, namespace: dict[str, Any] | None) -> Content:
    """Return the content of a file, a directory, or its ``restore.py``; raises ``DumpyError``."""
    if namespace is not None:
        return content_of(path, namespace)
    directory = dump_directory(path) if path.is_file() else path if path.is_dir() else None
    if directory is None:
        return content_of(path)
    if path not in (directory, directory / RESTORE) and path.name != RESTORE:
        raise RestoreFailed(
            f"{path} belongs to a directory dump. To restore it: manage.py restore {directory}"
        )
    return content_of(directory)


@cleaning_up()
def restore(
    path: Path,
    options: argparse.Namespace,
    stdout: OutputWrapper,
    namespace: dict[str, Any] | None = None,
) -> Report:
    """Restore a dump with the options of the command, and write messages to ``stdout``.

    ``namespace`` contains the globals of a ``restore.py`` that was run. Raises ``RestoreFailed``
    with the state of the database, ``RowsRejected`` after a restore without some rows, and
    ``DumpyError`` if the database is restored, but the output fails.
    """
    is_quiet = options.verbosity == 0 and not options.interactive
    output = Output(stdout, 0 if is_quiet else 1)
    outcome = _Outcome(is_dry=options.dry_run)
    with outcome.adding_state():
        content = _open_content(path, namespace)
        with content.dump:
            outcome.restorer = restorer = _restorer_of(content, options, output)
            report = _run(restorer, options, output)
            outcome.is_done = not options.dry_run
        try:
            _say_result(restorer, report, output.line, is_dry=options.dry_run)
        except (OSError, UnicodeError) as error:
            done = "Nothing was changed" if options.dry_run else "The database is restored"
            raise _OutputFailed(f"{done}, but that cannot be written: {error}") from error
        return report


class _OutputFailed(DumpyError):
    """Output that failed after the restore was done."""


class Output:
    """The output of a restore: lines and progress."""

    def __init__(self, stdout: OutputWrapper, verbosity: int) -> None:
        self._stdout = stdout
        self._verbosity = verbosity
        self._progress = Progress(stdout, 0, 0)
        self._expected: Callable[[], int] | None = None

    def line(self, text: str) -> None:
        """Write a line."""
        self._progress.clear()
        if self._verbosity > 0:
            self._stdout.write(printable_lines(text))

    def expect(self, expected: Callable[[], int]) -> None:
        """Set the function that counts the rows to load; it is called before the first row."""
        self._expected = expected

    def rows(self, name: str, count: int) -> None:
        """Show that rows of a table are loaded, or with 0 that its load begins."""
        if self._expected is not None:
            self._progress = Progress(self._stdout, self._verbosity, self._expected())
            self._expected = None
        if self._progress.is_shown:
            self._progress.begin(name)
            self._progress.rows(count)
        elif not count:
            self.line(f"loading {name}")


class _Outcome:
    """The result of a restore, and the state of the database for error messages."""

    def __init__(self, *, is_dry: bool) -> None:
        self.is_dry = is_dry
        self.restorer: Restorer | None = None
        self.is_done = False

    @property
    def sentence(self) -> str:
        """A sentence on the state of the database."""
        if self.is_done:
            return "The database is restored."
        return self.restorer.database_state if self.restorer else UNCHANGED

    @contextmanager
    def adding_state(self) -> Iterator[None]:
        """Add the state of the database to errors that end the block."""
        try:
            yield
        except (UnknownOutcome, _OutputFailed):
            raise
        except LoadError as error:
            is_invalid = any(problem.is_invalid for problem in error.problems)
            hint = "To restore rows that only the validation refuses, add --quick.\n"
            raise RestoreFailed(f"{error}\n{hint if is_invalid else ''}{self.sentence}") from error
        except (DumpyError, DatabaseError, OSError, UnicodeError) as error:
            if self.is_done:  # The rejected rows are reported.
                raise
            raise RestoreFailed(f"{error}\n{self.sentence}") from error
        except SystemExit as error:
            message = f"In code of the dump: {sentence(error)}"
            raise RestoreFailed(f"{message}\n{self.sentence}") from error
        except KeyboardInterrupt as error:
            self.is_done |= isinstance(error, InterruptedAfter) and not self.is_dry
            sys.stderr.write(f"\nInterrupted. {self.sentence}\n")
            sys.exit(130)


def _restorer_of(content: Content, options: argparse.Namespace, output: Output) -> Restorer:
    if options.keep_going and options.through_migrations:
        raise RestoreFailed("--keep-going and --through-migrations cannot be used together.")
    if content.dump.is_edited:
        output.line("restore.py was edited since it was written.")
    plan = PlanThroughMigrations if options.through_migrations else Plan
    return Restorer(
        content,
        plan(content, options.database),
        output.line,
        validation=options.validation,
        rejects=Rejects() if options.keep_going else None,
        drop=options.drop,
        progress=output.rows,
    )


def _run(restorer: Restorer, options: argparse.Namespace, output: Output) -> Report:
    policy = policy_of(vars(options), output.line)
    output.expect(lambda: sum(restorer.content.row_counts.values()))

    def confirm(lines: Sequence[str]) -> None:
        for line in lines:
            output.line(line)
        if not options.dry_run:
            name, host = engine_of(connections[options.database]).location()
            place = f"{name} on {host or 'this machine'}"
            if not confirmed(f"Replace the contents of the database {place}?"):
                raise RestoreFailed("Not restored.")

    with migrating(policy), allow_programs([], output.line):
        return restorer.run(
            dry_run=options.dry_run, confirm=confirm if options.interactive else None
        )


def _say_result(
    restorer: Restorer, report: Report, say: Callable[[str], object], *, is_dry: bool
) -> None:
    """Write the numbers of rows; raises ``DumpyError`` if rows were rejected."""
    for line in report.ignored:
        say(line)
    for label, counts in report.tables.items():
        say(f"{label:<40} {counts}")
    if restorer.rejected is not None:
        raise restorer.rejected
    if restorer.rejects and restorer.rejects.rows:
        raise LoadError([row.problem for row in restorer.rejects.rows])
    say(_DRY_RUN if is_dry else "Restored.")
