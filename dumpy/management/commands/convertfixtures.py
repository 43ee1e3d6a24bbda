"""``convertfixtures``: convert fixtures in json, jsonl, yaml and xml to dumps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from dumpy.checking.converting import Fixture, Laboratory, fixtures_of, laboratory, rewrite
from dumpy.console import add_options
from dumpy.ending import cleaning_up
from dumpy.errors import counted, printable_lines

_BOTH = (
    'The old files are there, too: Django refuses a name without an extension, as "demo" for '
    'demo.json and demo.py. Use --delete, or name "demo.py".'
)


class Command(BaseCommand):
    """Converts a fixture when a load into a scratch database has shown that its rows are kept."""

    help = (
        "Convert fixtures in json, jsonl, yaml and xml to dumps, which are loaded many times "
        "faster. Each is proved to load to the same rows, in a scratch database."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.add_argument(
            "args",
            metavar="fixture",
            nargs="*",
            help="The fixtures, named as for loaddata. Defaults to all fixtures of the project.",
        )
        parser.add_argument(
            "--with",
            action="append",
            default=[],
            metavar="FIXTURE",
            dest="needed",
            help="A fixture whose rows the others refer to: it is loaded before each of them. Can "
            "be used multiple times.",
        )
        parser.add_argument(
            "--rewrite",
            action="store_true",
            help='Write "demo.py" for "demo.json" where tests of the project name their fixtures.',
        )
        parser.add_argument("--delete", action="store_true", help="Delete the old files.")
        add_options(parser, "--dry-run", "--database")

    @cleaning_up()
    def handle(self, *fixtures: str, **options: Any) -> None:
        """Convert; a fixture that was not converted makes the status 1."""
        self._options, using = options, options["database"]
        found, done = list(fixtures_of(fixtures, using)), list[Fixture]()
        try:
            if found:
                with laboratory(using, options["needed"]) as place:
                    done = [one for one in found if self._convert(one, place)]
        except (DatabaseError, OSError) as error:
            raise CommandError(f"The scratch database cannot be created: {error}") from error
        failed = self._replace_old(done) if options["rewrite"] or options["delete"] else []
        if options["dry_run"]:
            self._say("Dry run complete: nothing was changed.")
        elif done and not options["delete"]:
            self._say(_BOTH)
        if left := len(found) - len(done):
            failed.insert(0, f"{counted(left, 'fixture')} of {len(found)} not converted.")
        if failed:
            raise CommandError(" ".join(failed))
        if not found:
            self._say("There are no fixtures to convert.")

    def _convert(self, fixture: Fixture, place: Laboratory) -> bool:
        try:
            self._say(place.convert(fixture, is_dry=self._options["dry_run"]))
        except Exception as error:  # a file may be wrong in any way that a parser knows
            if self._options["traceback"]:
                raise
            self.stderr.write(printable_lines(place.reason(fixture, error)))
            return False
        return True

    def _replace_old(self, done: Sequence[Fixture]) -> list[str]:
        """Rewrite modules, and delete the old files that none names; return what has failed."""
        is_dry, kept = self._options["dry_run"], 0
        uses = rewrite(done, self._say, is_wanted=self._options["rewrite"], is_dry=is_dry)
        for fixture, places in uses.items() if self._options["delete"] else ():
            if places:
                kept += 1
                said = f"{fixture} is not deleted: it is named in {', '.join(places)}. Name "
                said += f"{fixture.target.name} there, then delete it."
                self.stderr.write(printable_lines(said))
            elif not is_dry:
                fixture.path.unlink()
        return [f"{counted(kept, 'old file')} of {len(done)} not deleted."] if kept else []

    def _say(self, text: str) -> None:
        if self._options["verbosity"] > 0:
            self.stdout.write(printable_lines(text))
