"""A restore as a command: arguments in, sentences out."""

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
from dumpy.errors import DumpyError, LoadError, RestoreFailed, counted, printable_lines, sentence
from dumpy.loading.report import Rejects, Report
from dumpy.loading.validation import Validation
from dumpy.migrating.install import migrating, policy_of
from dumpy.reading.source import allow_programs, dump_directory, is_program_file
from dumpy.restoring.content import Content, content_of
from dumpy.restoring.plans import THROUGH_MIGRATIONS, Plan, PlanThroughMigrations
from dumpy.restoring.restorer import Restorer
from dumpy.restoring.summary import Summary
from dumpy.restoring.target import UNCHANGED, UnknownOutcome
from dumpy.text.manifest import NAME, RESTORE

_DRY_RUN = "Dry run complete: the restore would succeed. Nothing was changed."


def main(script: str, namespace: dict[str, Any]) -> None:
    """Restore the directory of a script; ends the process if that cannot be done.

    ``namespace`` holds what the script has defined; it is empty if the script was not run.
    """
    parser = argparse.ArgumentParser(
        Path(script).name,
        description="Replace the contents of a database with this dump.",
        # Who decides whether to run the script looks for the whole of an option.
        allow_abbrev=False,
    )
    parser.add_argument("-v", "--verbosity", type=int, choices=(0, 1, 2, 3), default=1)
    add_arguments(parser)
    options = parser.parse_args(sys.argv[1:])
    try:
        restore(Path(script).resolve().parent, options, OutputWrapper(sys.stdout), namespace)
    except DumpyError as error:
        with suppress(OSError):
            sys.stdout.flush()  # What came first is to be read first.
        sys.exit(str(error))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that a restore has, of whatever it is."""
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


def needs_no_run(script: Path, arguments: Sequence[str]) -> bool:
    """Whether a script is the ``restore.py`` of a dump that need not be run as it stands.

    So is one that is data, one that is damaged, which ``main`` refuses, and one that has to find
    the models of the past.
    """
    is_program = is_program_file(script)
    is_of_dump = (script.parent / NAME).is_file() or is_program is not None
    if script.name != RESTORE or not is_of_dump:
        return False
    return THROUGH_MIGRATIONS in arguments or not (is_program and configuration().execute)


def _content_at(path: Path, namespace: dict[str, Any] | None) -> Content:
    """Return what a file, a directory, or its ``restore.py`` holds; raises ``DumpyError``."""
    if namespace is not None:
        return content_of(path, namespace, is_run_again=not namespace)
    directory = dump_directory(path) if path.is_file() else path if path.is_dir() else None
    if directory is None:
        return content_of(path)
    if path not in (directory, directory / RESTORE) and path.name != RESTORE:
        raise RestoreFailed(
            f"{path} belongs to a directory dump. To restore it: manage.py restore {directory}"
        )
    return content_of(directory, is_run_again=True)


@cleaning_up()
def restore(
    path: Path,
    options: argparse.Namespace,
    stdout: OutputWrapper,
    namespace: dict[str, Any] | None = None,
) -> Report:
    """Restore what a dump holds, as the options say; ``stdout`` is told what happens.

    ``namespace`` holds what the ``restore.py`` of a directory has defined, if that is being run.
    Raises ``RestoreFailed``, whose sentence says what became of the database; ``RowsRejected`` for
    rows that were kept out; ``DumpyError`` if all is done, but cannot be said.
    """
    is_quiet = options.verbosity == 0 and not options.interactive
    said = Said(stdout, 0 if is_quiet else 1)
    outcome = _Outcome(is_dry=options.dry_run)
    with outcome.told():
        content = _content_at(path, namespace)
        with content.dump:
            outcome.restorer = restorer = _restorer(content, options, said)
            report = _run(restorer, options, said)
            outcome.is_done = not options.dry_run
        try:
            _say_end(restorer, report, said.line, is_dry=options.dry_run)
        except OSError as error:
            done = "Nothing was changed" if options.dry_run else "The database is restored"
            raise _Untold(f"{done}, but that cannot be written: {error}") from error
        return report


class _Untold(DumpyError):
    """An end that cannot be told."""


class Said:
    """What a restore says on the terminal: lines, and how far it is."""

    def __init__(self, stdout: OutputWrapper, verbosity: int) -> None:
        self._stdout = stdout
        self._verbosity = verbosity
        self._progress = Progress(stdout, 0, 0)
        self._expected: Callable[[], int] | None = None

    def line(self, text: str) -> None:
        """Say a sentence."""
        self._progress.clear()
        if self._verbosity > 0:
            self._stdout.write(printable_lines(text))

    def expect(self, expected: Callable[[], int]) -> None:
        """Expect as many rows as a function says when it comes to them."""
        self._expected = expected

    def rows(self, name: str, count: int) -> None:
        """Say that rows of a table are in, or with 0 that they are about to be loaded."""
        if self._expected is not None:
            self._progress = Progress(self._stdout, self._verbosity, self._expected())
            self._expected = None
        if self._progress.is_shown:
            self._progress.begin(name)
            self._progress.rows(count)
        elif not count:
            self.line(f"loading {name}")


class _Outcome:
    """The state of the database after a restore that failed, for its message."""

    def __init__(self, *, is_dry: bool) -> None:
        self.is_dry = is_dry
        self.restorer: Restorer | None = None
        self.is_done = False

    @property
    def sentence(self) -> str:
        """What became of the database."""
        if self.is_done:
            return "The database is restored."
        return self.restorer.database_state if self.restorer else UNCHANGED

    @contextmanager
    def told(self) -> Iterator[None]:
        """Let what ends the block say what became of the database."""
        try:
            yield
        except (UnknownOutcome, _Untold):
            raise
        except LoadError as error:
            is_invalid = any(problem.is_invalid for problem in error.problems)
            hint = "To restore rows that only the validation refuses, add --quick.\n"
            raise RestoreFailed(f"{error}\n{hint if is_invalid else ''}{self.sentence}") from error
        except (DumpyError, DatabaseError, OSError) as error:
            if self.is_done:  # rows that were kept out
                raise
            raise RestoreFailed(f"{error}\n{self.sentence}") from error
        except SystemExit as error:
            said = f"In code of the dump: {sentence(error)}"
            raise RestoreFailed(f"{said}\n{self.sentence}") from error
        except KeyboardInterrupt as error:
            self.is_done |= isinstance(error, InterruptedAfter) and not self.is_dry
            sys.stderr.write(f"\nInterrupted. {self.sentence}\n")
            sys.exit(130)


def _restorer(content: Content, options: argparse.Namespace, said: Said) -> Restorer:
    if options.keep_going and options.through_migrations:
        raise RestoreFailed("--keep-going and --through-migrations cannot be used together.")
    if content.dump.is_edited:
        said.line("restore.py was edited since it was written.")
    plan = PlanThroughMigrations if options.through_migrations else Plan
    return Restorer(
        content,
        plan(content, options.database),
        said.line,
        validation=options.validation,
        rejects=Rejects() if options.keep_going else None,
        drop=options.drop,
        progress=said.rows,
    )


def _run(restorer: Restorer, options: argparse.Namespace, said: Said) -> Report:
    policy = policy_of(vars(options), said.line)
    said.expect(lambda: sum(restorer.content.row_counts.values()))

    def confirm(summary: Summary) -> None:
        for line in summary.lines():
            said.line(line)
        if not options.dry_run:
            _ask(options.database, summary, said.line)

    with migrating(policy), allow_programs([], said.line):
        return restorer.run(
            dry_run=options.dry_run, confirm=confirm if options.interactive else None
        )


def _say_end(
    restorer: Restorer, report: Report, say: Callable[[str], object], *, is_dry: bool
) -> None:
    """Say how it ended; raises ``DumpyError`` if that is not all well."""
    for line in report.ignored:
        say(line)
    for label, counts in report.tables.items():
        say(f"{label:<40} {counts}")
    if restorer.rejected is not None:
        raise restorer.rejected
    if restorer.rejects and restorer.rejects.rows:
        raise LoadError([row.problem for row in restorer.rejects.rows])
    say(_DRY_RUN if is_dry else "Restored.")


def _ask(using: str, summary: Summary, say: Callable[[str], object]) -> None:
    """Ask; raises ``RestoreFailed`` unless the answer is yes."""
    name, host = engine_of(connections[using]).location()
    rows = counted(sum(summary.row_counts.values()), "row")
    say(f"This replaces the database {name} on {host or 'this machine'}: {rows}.")
    if not confirmed("Replace the contents of this database?"):
        raise RestoreFailed("Not restored.")
