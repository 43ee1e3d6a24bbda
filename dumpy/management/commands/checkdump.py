"""``checkdump``: what a restore of a dump would meet."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, connections

from dumpy.checking.check import Findings, check
from dumpy.checking.migrator import write_migrator
from dumpy.checking.report import lines, to_json, verdict
from dumpy.checking.reseal import reseal


class Command(BaseCommand):
    """Says what a restore would meet, writes a migrator for it, and accepts edits of files."""

    help = "Check a dump, without restoring it: is it whole, and does it fit the models?"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.add_argument(
            "path", type=Path, metavar="PATH", help="The directory or the file to check."
        )
        parser.add_argument(
            "--database",
            default=DEFAULT_DB_ALIAS,
            choices=tuple(connections),
            help='The database it is for. Defaults to the "default" database.',
        )
        parser.add_argument(
            "--reseal",
            action="store_true",
            help="Accept the edits of a directory: write the manifest anew.",
        )
        parser.add_argument(
            "--json", action="store_true", help="Print the report as one JSON object."
        )
        parser.add_argument(
            "--write-migrator",
            action="store_true",
            help="Write a step of a migrator for what has changed into the project.",
        )

    def handle(self, *, path: Path, **options: Any) -> None:
        """Check the dump; the status is 1 unless a restore would go through untouched."""
        if options["reseal"]:
            self._reseal(path, is_told=not options["json"])
        found = check(path, options["database"])
        written = write_migrator(found) if options["write_migrator"] else ""
        if options["json"]:
            self.stdout.write(json.dumps(to_json(found), indent=1))
        elif options["verbosity"] > 0:
            self._say(found, written)
        if not found.is_fine:
            sys.exit(1)

    def _reseal(self, path: Path, *, is_told: bool) -> None:
        resealed = reseal(path)
        if resealed.problems:
            lines = [*map(str, resealed.problems), "The manifest is as it was."]
            raise CommandError("\n".join(lines))
        if is_told:
            names = ", ".join(resealed.changed) or "nothing had changed"
            self.stdout.write(f"Resealed: {names}.")

    def _say(self, found: Findings, written: str) -> None:
        for line in lines(found):
            self.stdout.write(line)
        if written:
            self.stdout.write(f"\n{written}")
        if found.is_fine:
            self.stdout.write(verdict(found))
        else:
            raise CommandError("\n".join([*map(str, found.damages), verdict(found)]))
