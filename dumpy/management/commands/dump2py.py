"""``dump2py``: dump a database as a directory of Python files."""

from __future__ import annotations

import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.utils import Error as DatabaseError

from dumpy.console import add_database_option, add_noinput_option, confirmed
from dumpy.ending import cleaning_up
from dumpy.errors import DumpyError
from dumpy.management.progress import TableProgress
from dumpy.management.subsets import add_subset_options, explain, selection_of
from dumpy.writing.database import DatabaseDump, Options, select
from dumpy.writing.directory import ROWS_PER_FILE, DirectoryDump
from dumpy.writing.publishing import holds_dump, published


class Command(BaseCommand):
    """Writes a directory with ``restore.py`` and a file per table, from one snapshot."""

    help = "Dump the database as a directory of Python files that restore.py restores."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments: what to dump, and how to write it."""
        parser.add_argument("directory", type=Path, help="The directory to write.")
        _add_selection(parser)
        add_subset_options(parser)
        _add_manner(parser)

    @cleaning_up()
    def handle(self, *, directory: Path, **options: Any) -> None:
        """Write the dump; a table that was left out makes the status 1."""
        if options["max_row_count"] < 1:
            raise CommandError("--max-row-count must be at least 1.")
        try:
            left_out = self._dump(directory, options)
        except (DumpyError, DatabaseError, OSError) as error:
            if options["traceback"]:
                raise
            raise CommandError(f"Unable to dump the database: {error}") from error
        if left_out:
            raise CommandError(f"{directory} is complete except for {', '.join(left_out)}.")

    def _dump(self, directory: Path, options: dict[str, Any]) -> list[str]:
        """Write the dump; return the models whose tables are missing by mistake."""
        overwrite = options["overwrite"] or self._may_replace(directory, options)
        models = select(options["labels"], options["exclude"], options["database"])
        selection = selection_of(options, options["labels"])
        asked = Options(using=options["database"], all_rows=True, selection=selection)
        source = DatabaseDump(models, asked)
        dump = DirectoryDump(source, options["max_row_count"], tolerate=options["tolerate"])
        started = time.perf_counter()
        with (
            redirect_stdout(sys.stderr),
            published(directory, overwrite=overwrite) as aside,
            source.snapshot(),
        ):
            progress = TableProgress(self.stdout, options["verbosity"], dump.expected())
            dump.write(aside, progress)
            explain(source, self.stderr)
            notes = list(source.notes())
        for sentence in [*notes, *(f"{k} is left out: {v}" for k, v in dump.left_out.items())]:
            self.stderr.write(sentence)
        progress.total(time.perf_counter() - started)
        return [*dump.left_out, *source.missing()]

    def _may_replace(self, directory: Path, options: dict[str, Any]) -> bool:
        if not options["interactive"] or not sys.stdin.isatty() or not holds_dump(directory):
            return False
        return confirmed(f"{directory} already contains a dump. Replace it?")


def _add_selection(parser: CommandParser) -> None:
    parser.add_argument(
        "labels",
        metavar="app_label[.ModelName]",
        nargs="*",
        default=[],
        help="The apps or models to dump. Defaults to all.",
    )
    parser.add_argument(
        "-e",
        "--exclude",
        action="append",
        default=[],
        help="An app_label or app_label.ModelName to leave out. Can be used multiple times.",
    )
    add_database_option(parser, "to dump")


def _add_manner(parser: CommandParser) -> None:
    parser.add_argument("-o", "--overwrite", action="store_true", help="Replace an existing dump.")
    parser.add_argument(
        "--max-row-count",
        type=int,
        default=ROWS_PER_FILE,
        help=f"The maximum number of rows per file. Defaults to {ROWS_PER_FILE:,}.",
    )
    parser.add_argument(
        "-t",
        "--tolerate",
        action="store_true",
        help="Leave out tables that cannot be read, name them, and exit with status 1.",
    )
    add_noinput_option(parser)
