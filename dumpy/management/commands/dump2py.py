"""``dump2py``: dump a database as a directory of Python files."""

from __future__ import annotations

import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dumpy.console import (
    Progress,
    add_options,
    add_subset_options,
    confirmed,
    failing,
    subset_options,
)
from dumpy.ending import cleaning_up
from dumpy.errors import counted, printable_lines
from dumpy.writing.database import DatabaseDump, Options, select
from dumpy.writing.directory import ROWS_PER_FILE, DirectoryDump, Watcher
from dumpy.writing.publishing import holds_dump, published
from dumpy.writing.subset import chosen


class Command(BaseCommand):
    """Writes a directory with ``restore.py`` and a file per table, from one snapshot."""

    help = "Dump the database as a directory of Python files that restore.py restores."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("directory", type=Path, help="The directory to write.")
        parser.add_argument(
            "labels",
            metavar="app_label[.ModelName]",
            nargs="*",
            default=[],
            help="The apps or models to dump. Defaults to all.",
        )
        add_options(parser, "--database", "--exclude", "--noinput")
        add_subset_options(parser)
        parser.add_argument(
            "-o", "--overwrite", action="store_true", help="Replace an existing dump."
        )
        parser.add_argument(
            "--max-row-count",
            type=int,
            default=ROWS_PER_FILE,
            metavar="NUMBER",
            help=f"The maximum number of rows per file. Defaults to {ROWS_PER_FILE:,}.",
        )
        parser.add_argument(
            "-t",
            "--tolerate",
            action="store_true",
            help="Leave out tables that cannot be read, name them, and exit with status 1.",
        )

    @cleaning_up()
    def handle(self, *, directory: Path, **options: Any) -> None:
        """Write the dump; the status is 1 if a table is left out."""
        if options["max_row_count"] < 1:
            raise CommandError("--max-row-count must be at least 1.")
        using, mask = options["database"], options["mask"]
        with failing("", is_traced=options["traceback"]):
            models = select(options["labels"], options["exclude"], using)
            selection = chosen(options["labels"], **subset_options(options))
            dump_options = Options(
                using, all_rows=True, selection=selection, mask=mask, to_restore=True
            )
            source = DatabaseDump(models, dump_options)
        with failing("Unable to dump the database: ", is_traced=options["traceback"]):
            left_out = self._dump(directory, source, options)
        if left_out:
            raise CommandError(f"{directory} is complete except for {', '.join(left_out)}.")

    def _dump(self, directory: Path, source: DatabaseDump, options: dict[str, Any]) -> list[str]:
        """Write the dump; return the models whose tables are missing by mistake."""
        overwrite = options["overwrite"] or self._may_replace(directory, options)
        dump = DirectoryDump(source, options["max_row_count"], tolerate=options["tolerate"])
        started = time.perf_counter()
        with (
            redirect_stdout(sys.stderr),
            published(directory, overwrite=overwrite) as temporary,
            source.snapshot(),
        ):
            progress = TableProgress(self.stdout, options["verbosity"], dump.expected())
            dump.write(temporary, progress)
            for reason in source.reasons():
                self.stderr.write(printable_lines(reason))
            notes = list(source.notes(options["verbosity"]))
        for sentence in [*notes, *(f"{k} is left out: {v}" for k, v in dump.left_out.items())]:
            self.stderr.write(sentence)
        progress.total(time.perf_counter() - started)
        return [*dump.left_out, *source.missing()]

    def _may_replace(self, directory: Path, options: dict[str, Any]) -> bool:
        if not options["interactive"] or not sys.stdin.isatty() or not holds_dump(directory):
            return False
        return confirmed(f"{directory} already contains a dump. Replace it?")


class TableProgress(Progress, Watcher):
    """Shows the current table, and prints a line for each finished table."""

    def __init__(self, stream: Any, verbosity: int, expected: int) -> None:
        super().__init__(stream, verbosity, expected)
        self._verbosity = verbosity
        self._table_started = time.perf_counter()
        self._size = self._tables = 0

    def begin(self, label: str) -> None:
        """Set the current table."""
        super().begin(label)
        self._table_started = time.perf_counter()

    def end(self, rows: int, size: int) -> None:
        """Print the line of a finished table."""
        self._tables += 1
        self._size += size
        self.clear()
        self._print_counts(self._label, rows, size, time.perf_counter() - self._table_started)

    def total(self, seconds: float) -> None:
        """Print the line of all tables."""
        self._print_counts(counted(self._tables, "table"), self._done, self._size, seconds)

    def _print_counts(self, name: str, rows: int, size: int, seconds: float) -> None:
        if self._verbosity > 0:
            noun = "row" if rows == 1 else "rows"
            text = f"{name:<40} {rows:>11,} {noun:<4} {size:>14,} bytes {seconds:>8.2f} s"
            self._stream.write(text)
