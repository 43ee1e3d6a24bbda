"""``repair``: restore selected rows of a dump."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.utils import Error as DatabaseError

from dumpy import reading
from dumpy.console import add_options, failing
from dumpy.errors import SHOWN, counted, printable_lines
from dumpy.loading.registry import routed_to
from dumpy.migrating.install import migrating, policy_of
from dumpy.reading.source import dump_directory
from dumpy.repairing.choice import choice_of
from dumpy.repairing.repair import Repair, RepairResult


class Command(BaseCommand):
    """Restores missing rows and the rows that they need, and changes no existing row."""

    help = "Restore selected rows of a dump. Nothing is changed without --really."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "path", type=Path, metavar="PATH", help="The directory or file that contains the rows."
        )
        parser.add_argument("model", metavar="app_label.ModelName", help="The model of the rows.")
        parser.add_argument(
            "keys", metavar="pk", nargs="*", default=[], help="The primary keys of the rows."
        )
        parser.add_argument(
            "--where",
            action="append",
            default=[],
            metavar="field=value",
            help="Restore only rows with this value; also !=, <, >, and 'field in value,value'. "
            "Can be used multiple times.",
        )
        parser.add_argument(
            "--with-children",
            action="store_true",
            help="Also restore the rows that refer to these rows, and so on.",
        )
        parser.add_argument("--really", action="store_true", help="Commit the changes.")
        add_options(parser, "--database", "--allow-version-mismatch", "--as-version")

    def handle(self, *, path: Path, model: str, keys: list[str], **options: Any) -> None:
        """Restore the rows; after any error the status is 1, and the database is not changed."""
        with failing(""):
            choice = choice_of(model, keys, options["where"])
        if path.is_file() and (directory := dump_directory(path)):
            call = " ".join(["manage.py repair", str(directory), model, *keys])
            raise CommandError(f"{path} belongs to a directory dump. Name the directory: {call}")
        dump = reading.open(path)
        if dump.is_program:
            place = dump.source.place(1)
            raise CommandError(f"{place}: the dump is a program; repair only reads data.")
        try:
            with dump, migrating(policy_of(options)), routed_to(options["database"]):
                result = Repair(dump, options["database"]).run(
                    choice, really=options["really"], with_children=options["with_children"]
                )
        except DatabaseError as error:
            raise CommandError(f"{error}\nThe database is as it was.") from error
        is_verbose = options["verbosity"] > 0
        if is_verbose:
            self._print_counts(result, is_done=options["really"] and not result.problems)
        if result.problems:
            lines = [*map(str, result.problems), "The database is as it was."]
            raise CommandError(printable_lines("\n".join(lines)))
        if is_verbose:
            self._print_rest(result, is_done=options["really"])

    def _print_counts(self, result: RepairResult, *, is_done: bool) -> None:
        restored = "restored" if is_done else "would be restored"
        errors = [problem.ref.label for problem in result.problems]
        for label in sorted({*result.restored, *result.ignored, *errors}):
            self.stdout.write(
                f"{label:<40} {result.restored[label]} {restored}, "
                f"{result.ignored[label]} ignored (exists), {errors.count(label)} errors"
            )
        for sentence in result.notes:
            self.stdout.write(printable_lines(sentence))

    def _print_rest(self, result: RepairResult, *, is_done: bool) -> None:
        """Write what was not restored, and in a dry run, why each row would be."""
        reasons = [] if is_done else result.reasons
        for reason in reasons[:SHOWN]:
            self.stdout.write(printable_lines(reason))
        if len(reasons) > SHOWN:
            self.stdout.write(f"… and {counted(len(reasons) - SHOWN, 'more row')}.")
        if result.children:
            children = (
                f"{counted(rows, 'row')} of {label}" for label, rows in result.children.items()
            )
            self.stdout.write(
                f"The dump has {', '.join(children)} that refer to these rows. To restore what is "
                "missing of them, too, add --with-children."
            )
        if not is_done:
            hint = " To restore the rows, add --really." if result.reasons else ""
            self.stdout.write(f"Nothing was changed.{hint}")
