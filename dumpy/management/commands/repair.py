"""``repair``: chosen rows of a dump, back into the database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.utils import Error as DatabaseError

from dumpy import reading
from dumpy.errors import printable_lines
from dumpy.repairing.choice import choice_of
from dumpy.repairing.repair import Outcome, Repair


class Command(BaseCommand):
    """Restores rows that are missing, with what they need, and changes none that exist."""

    help = (
        "Restore chosen rows of a directory that dump2py has written. Changes nothing by default."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.add_argument("directory", type=Path, help="The directory with the rows.")
        parser.add_argument("model", metavar="app_label.ModelName", help="The model of the rows.")
        parser.add_argument(
            "keys", metavar="pk", nargs="*", default=[], help="Primary keys of rows."
        )
        parser.add_argument(
            "--where",
            action="append",
            default=[],
            metavar="field=value",
            help="Restore only rows with this value. Can be used multiple times.",
        )
        parser.add_argument("--really", action="store_true", help="Do it: commit.")
        parser.add_argument(
            "--database",
            default=DEFAULT_DB_ALIAS,
            choices=tuple(connections),
            help='The database to repair. Defaults to the "default" database.',
        )

    def handle(self, *, directory: Path, model: str, keys: list[str], **options: Any) -> None:
        """Repair; any error makes the status 1, and leaves the database as it was."""
        choice = choice_of(model, keys, options["where"])
        dump = reading.open(directory)
        if dump.is_program:
            place = dump.source.place(1)
            raise CommandError(f"{place}: restore.py is a program; a repair reads data only.")
        repair = Repair(dump, options["database"])
        try:
            outcome = repair.run(choice, really=options["really"])
        except DatabaseError as error:
            raise CommandError(f"{error}\nThe database is as it was.") from error
        self._say(outcome)
        if outcome.problems:
            lines = [*map(str, outcome.problems), "The database is as it was."]
            raise CommandError(printable_lines("\n".join(lines)))
        if not options["really"]:
            more = " To restore the rows, add --really." if outcome.restored.total() else ""
            self.stdout.write(f"Nothing was changed.{more}")

    def _say(self, outcome: Outcome) -> None:
        errors = [problem.model for problem in outcome.problems]
        for label in sorted({*outcome.restored, *outcome.ignored, *errors}):
            self.stdout.write(
                f"{label:<40} {outcome.restored[label]} restored, "
                f"{outcome.ignored[label]} ignored (exists), {errors.count(label)} errors"
            )
        for sentence in outcome.notes:
            self.stdout.write(printable_lines(sentence))
