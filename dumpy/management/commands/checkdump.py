"""``checkdump``: check whether a dump can be restored."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dumpy.checking.check import check
from dumpy.checking.html import write_check
from dumpy.checking.migrator import step_for, write_step
from dumpy.checking.report import Findings, conclusion, lines, to_json
from dumpy.checking.reseal import reseal
from dumpy.console import add_options, failing
from dumpy.ending import cleaning_up
from dumpy.errors import ConfigurationError, DumpyError
from dumpy.migrating.chain import NoStep
from dumpy.migrating.install import Policy, migrating


class Command(BaseCommand):
    """Checks a dump, writes a migrator for it, and accepts edits of table files."""

    help = "Check whether a dump is complete, fits the models, and can be restored."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "path", type=Path, metavar="PATH", help="The directory or file to check."
        )
        add_options(parser, "--database", "--as-version", "--json", "--html", "--keep-scratch")
        parser.add_argument(
            "--reseal",
            action="store_true",
            help="Accept edits of a directory dump: update its manifest.",
        )
        parser.add_argument(
            "--no-rehearsal",
            action="store_false",
            dest="is_rehearsed",
            help="Check files and names only, without restoring the dump into a scratch database.",
        )
        parser.add_argument(
            "--write-migrator",
            action="store_true",
            help="Print a migrator step for the differences.",
        )
        parser.add_argument(
            "--write",
            action="store_true",
            help="With --write-migrator: add the step to the project.",
        )

    @cleaning_up()
    def handle(self, *, path: Path, **options: Any) -> None:
        """Check the dump; the status is 1 unless a restore would succeed."""
        if options["write"] and not options["write_migrator"]:
            raise CommandError("--write needs --write-migrator.")
        if options["reseal"]:
            names = ", ".join(reseal(path)) or "nothing had changed"
            if options["verbosity"] > 0 and not options["json"]:
                self.stdout.write(f"Resealed: {names}.")
        with migrating(Policy(as_version=options["as_version"])):
            result = check(
                path,
                options["database"],
                is_rehearsed=options["is_rehearsed"],
                keeps_scratch=options["keep_scratch"],
            )
        is_written = options["html"] is None or self._write_page(result, options["html"])
        step = self._migrator(result, options["write"]) if options["write_migrator"] else ""
        with failing("", is_traced=options["traceback"]):
            if options["json"]:
                report = to_json(result)
                if options["write_migrator"]:
                    report["migrator"] = step
                self.stdout.write(json.dumps(report, indent=1))
            elif options["verbosity"] > 0:
                self._print(result, step)
        if not (result.is_fine and is_written):
            sys.exit(1)

    def _write_page(self, result: Findings, path: Path) -> bool:
        """Write the page; on an error, print it and continue, so that the result is printed."""
        try:
            write_check(result, path)
        except DumpyError as error:
            self.stderr.write(str(error))
            return False
        return True

    def _migrator(self, result: Findings, is_written: bool) -> str:
        step = step_for(result)
        if step is None:
            return "The dump needs no other migrator step."
        if not is_written:
            return f"{step.text}\nTo add it to the project, use --write."
        message = write_step(step)
        # The project has the class and the step now.
        result.damages = [
            error for error in result.damages if not isinstance(error, NoStep | ConfigurationError)
        ]
        return message

    def _print(self, result: Findings, step: str) -> None:
        for line in lines(result):
            self.stdout.write(line)
        if step:
            self.stdout.write(f"\n{step}")
        elif any(finding.step for finding in result.stopping):
            self.stdout.write("To print these steps as a migrator, add --write-migrator.")
        if result.is_fine:
            self.stdout.write(conclusion(result))
        else:
            raise CommandError(conclusion(result))
