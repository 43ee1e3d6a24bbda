"""``ddt``: the double dump test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dumpy.checking.double_dump import DoubleDumpResult, DoubleDumpTest, ignored_fields
from dumpy.console import add_options, failing
from dumpy.ending import cleaning_up
from dumpy.errors import counted, printable_lines


class Command(BaseCommand):
    """Tests that a dump is the same after it is restored and dumped again."""

    help = "Dump the database, restore the dump into a scratch database, dump that, and compare."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "path",
            type=Path,
            metavar="PATH",
            nargs="?",
            help="An existing dump, a directory or a file, to restore instead of a new one.",
        )
        parser.add_argument(
            "--ignore",
            action="append",
            default=[],
            metavar="app_label.ModelName.field",
            help="A field whose values may differ. Can be used multiple times.",
        )
        add_options(parser, "--database", "--keep-scratch")

    @cleaning_up()
    def handle(self, *, path: Path | None, **options: Any) -> None:
        """Run the test; the status is 1 if there is a difference."""
        say = self.stdout.write if options["verbosity"] > 1 else lambda sentence: None
        with failing(""):
            ignored, keeps = ignored_fields(options["ignore"]), options["keep_scratch"]
        test = DoubleDumpTest(options["database"], ignored, say, keeps_scratch=keeps)
        with failing("The double dump test has failed: ", is_traced=options["traceback"]):
            result = test.run(path)
        with failing(""):
            self._print_result(result, options["verbosity"])

    def _print_result(self, result: DoubleDumpResult, verbosity: int) -> None:
        for lines in result.differences.values():
            self.stdout.write(printable_lines("\n".join(lines)))
        if verbosity > 0:
            notes = printable_lines("".join(f"{note}\n" for note in result.notes))
            self.stdout.write(notes, ending="")
        if result.differences:
            labels = ", ".join(result.differences)
            raise CommandError(f"The double dump test has failed: {labels} differs.")
        if verbosity > 0:
            tables, rows = len(result.rows), sum(result.rows.values())
            content = f"{counted(tables, 'table')} with {counted(rows, 'row')}"
            end = "came back unchanged"
            if result.is_migrated:
                end = "match the database after the migration"
            self.stdout.write(f"The double dump test has passed: {content} {end}.")
