"""``checkdump``: what a restore of a directory would meet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, connections

from dumpy.checking.check import Findings, check
from dumpy.checking.reseal import reseal


class Command(BaseCommand):
    """Verifies a directory, says what is in it, and accepts edits of its files."""

    help = "Check a directory that dump2py has written, without restoring it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.add_argument("directory", type=Path, help="The directory to check.")
        parser.add_argument(
            "--database",
            default=DEFAULT_DB_ALIAS,
            choices=tuple(connections),
            help='The database it is for. Defaults to the "default" database.',
        )
        parser.add_argument(
            "--reseal",
            action="store_true",
            help="Accept the edits of its files: write the manifest anew.",
        )

    def handle(self, *, directory: Path, **options: Any) -> None:
        """Check the directory; problems make the status 1."""
        if options["reseal"]:
            self._reseal(directory)
        findings = check(directory, options["database"])
        if options["verbosity"] > 0:
            self._say(findings)
        if findings.problems:
            raise CommandError("\n".join(findings.problems))

    def _reseal(self, directory: Path) -> None:
        resealed = reseal(directory)
        if resealed.problems:
            lines = [*map(str, resealed.problems), "The manifest is as it was."]
            raise CommandError("\n".join(lines))
        self.stdout.write(f"Resealed: {', '.join(resealed.changed) or 'nothing had changed'}.")

    def _say(self, findings: Findings) -> None:
        manifest = findings.manifest
        for table in manifest.tables:
            self.stdout.write(f"{table.model:<40} {table.rows:>11,} rows")
        self.stdout.write(f"{f'{len(manifest.tables)} tables':<40} {findings.rows:>11,} rows")
        for label, reason in manifest.left_out.items():
            self.stdout.write(f"{label} was left out: {reason}")
        if findings.is_edited:
            self.stdout.write("restore.py was edited since it was written.")
        if not findings.problems:
            self.stdout.write("The dump is whole, and fits the models.")
