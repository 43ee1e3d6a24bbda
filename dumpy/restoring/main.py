"""What a restore does for a person: arguments in, sentences out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.utils import Error as DatabaseError

from dumpy.conf import configuration
from dumpy.ending import cleaning_up
from dumpy.engines import engine_of
from dumpy.errors import (
    DumpyError,
    LoadError,
    RestoreFailed,
    printable_lines,
    sentence,
)
from dumpy.loading.rejects import Rejects
from dumpy.loading.report import Report
from dumpy.loading.validation import Validation
from dumpy.migrating.policy import Policy, add_version_option, migrating
from dumpy.reading.permission import named, program_at
from dumpy.restoring.content import Content, directory_content
from dumpy.restoring.plans import Plan, ThroughMigrations, Today
from dumpy.restoring.restorer import Restorer
from dumpy.text.manifest import NAME, RESTORE

_DRY_RUN = "Dry run complete: the restore would succeed. Nothing was changed."
_THROUGH_MIGRATIONS = "--through-migrations"


def main(script: str, namespace: dict[str, Any]) -> None:
    """Restore the directory of a script; ends the process if that cannot be done.

    ``namespace`` holds what the script has defined; it is empty if the script was not run.
    """
    parser = argparse.ArgumentParser(
        Path(script).name,
        description="Replace a database by the content of this directory.",
        # Who decides whether to run the script looks for the whole of an option.
        allow_abbrev=False,
    )
    add_arguments(parser)
    options = parser.parse_args(sys.argv[1:])
    try:
        _restore_directory(Path(script).resolve().parent, options, namespace)
    except DumpyError as error:
        with suppress(OSError):
            sys.stdout.flush()  # What came first is to be read first.
        sys.exit(str(error))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that a restore has, of whatever it is."""
    parser.add_argument(
        "-b",
        "--noinput",
        "--no-input",
        action="store_false",
        dest="interactive",
        help="Do not ask first (as batch jobs must).",
    )
    parser.add_argument(
        "--database",
        default=DEFAULT_DB_ALIAS,
        choices=tuple(connections),
        help='The database to restore. Defaults to the "default" database.',
    )
    parser.add_argument("--dry-run", action="store_true", help="Do everything but commit.")
    parser.add_argument(
        _THROUGH_MIGRATIONS,
        action="store_true",
        help="Load with the models of the time of the dump, then migrate.",
    )
    parser.add_argument(
        "--keep-going",
        action="store_true",
        help="Restore what can be, write the rest to a fixture of its own, and end with status 1.",
    )
    parser.add_argument(
        "--drop",
        action="append",
        default=[],
        metavar="NAME",
        help="A table or view that may go, with its grants and triggers, if tables have to be made "
        "anew. Can be used several times.",
    )
    add_version_option(parser)
    _add_validation(parser)


def _add_validation(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--quick",
        action="store_const",
        dest="validation",
        const=Validation.NEVER,
        default=Validation.CHANGED,
        help="Never validate rows. By default those of models that have changed are.",
    )
    group.add_argument(
        "--full-clean",
        action="store_const",
        dest="validation",
        const=Validation.ALWAYS,
        help="Validate all rows, wholly.",
    )


def needs_no_run(script: Path, arguments: Sequence[str]) -> bool:
    """Whether a script is the ``restore.py`` of a dump that need not be run as it stands.

    So is one that is data, one that is damaged, which ``main`` refuses, and one that has to find
    the models of another time.
    """
    if script.name != RESTORE or not _is_of_dump(script):
        return False
    is_run = program_at(script) and configuration().execute
    return _THROUGH_MIGRATIONS in arguments or not is_run


def _is_of_dump(script: Path) -> bool:
    return (script.parent / NAME).is_file() or program_at(script) is not None


@cleaning_up()
def restore(content: Content, options: argparse.Namespace, say: Callable[[str], object]) -> None:
    """Restore what a dump holds, as the options say; ``say`` is told what happens, line by line.

    Raises ``RestoreFailed``, whose sentence says what became of the database; ``RowsRejected`` for
    rows that were kept out; ``DumpyError`` if all is done, but cannot be said.
    """

    def say_printable(text: str) -> None:
        say(printable_lines(text))

    with _nothing_done():
        restorer, report = _restore(content, options, say_printable)
    try:
        _say_end(restorer, report, say_printable, is_dry=options.dry_run)
    except OSError as error:
        done = "Nothing was changed" if options.dry_run else "The database is restored"
        raise DumpyError(f"{done}, but that cannot be written: {error}") from error


@contextmanager
def _nothing_done() -> Iterator[None]:
    """Let what ends the block say that nothing has changed."""
    try:
        yield
    except RestoreFailed:
        raise
    except LoadError as error:
        is_invalid = any(problem.is_invalid for problem in error.problems)
        hint = "To restore rows that are only invalid as they are, add --quick.\n"
        raise RestoreFailed(
            f"{error}\n{hint if is_invalid else ''}The database is as it was."
        ) from error
    except (DumpyError, DatabaseError, OSError) as error:
        raise RestoreFailed(f"{error}\nThe database is as it was.") from error
    except SystemExit as error:
        said = f"In code of the dump: {sentence(error)}"
        raise RestoreFailed(f"{said}\nThe database is as it was.") from error


def _restore_directory(path: Path, options: argparse.Namespace, namespace: dict[str, Any]) -> None:
    try:
        content = directory_content(path, namespace, is_run_again=options.through_migrations)
    except (DumpyError, OSError) as error:
        raise RestoreFailed(f"{error}\nThe database is as it was.") from error
    if content.dump.is_edited:
        print("restore.py was edited since it was written.")
    restore(content, options, print)


def _restore(
    content: Content, options: argparse.Namespace, say: Callable[[str], object]
) -> tuple[Restorer, Report]:
    if options.keep_going and options.through_migrations:
        raise RestoreFailed("--keep-going and --through-migrations cannot be used together.")
    restorer = Restorer(
        content,
        _plan(content, options),
        say,
        validation=options.validation,
        rejects=Rejects() if options.keep_going else None,
        drop=options.drop,
    )
    confirm = partial(_confirm, options.database, say) if options.interactive else None
    with migrating(Policy(say, say, options.allow_version_mismatch)), named([], say):
        return restorer, restorer.run(dry_run=options.dry_run, confirm=confirm)


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
        problems = [row.problem for row in restorer.rejects.rows]
        raise RestoreFailed(f"{LoadError(problems)}\nThe database is as it was.")
    say(_DRY_RUN if is_dry else "Restored.")


def _plan(content: Content, options: argparse.Namespace) -> Plan:
    if options.through_migrations:
        return ThroughMigrations(content, options.database)
    return Today(content, options.database)


def _confirm(using: str, say: Callable[[str], object], rows: int) -> None:
    """Ask; raises ``RestoreFailed`` unless the answer is yes."""
    name, host = engine_of(connections[using]).location()
    say(f"This replaces the database {name} on {host or 'this machine'}: {rows:,} rows.")
    answer = ""
    with suppress(EOFError):
        answer = input("Replace the contents of this database? [y/N] ")
    if answer.strip().lower() not in ("y", "yes"):
        raise RestoreFailed("Not restored.")
