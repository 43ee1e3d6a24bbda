"""``convertfixtures``: convert fixtures in json, jsonl, yaml and xml to dumps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from dumpy.checking.converting import (
    Converter,
    Fixture,
    fixtures_of,
    rename_in_modules,
    scratch_converter,
)
from dumpy.console import add_options
from dumpy.ending import cleaning_up
from dumpy.errors import counted, printable_lines

_OLD_FILES_KEPT = (
    'The old files are there, too: Django refuses a name without an extension, as "demo" for '
    'demo.json and demo.py. Delete the old file, or name "demo.py".'
)


class Command(BaseCommand):
    """Converts fixtures, and loads each into a scratch database to verify that it is the same."""

    help = (
        "Convert fixtures in json, jsonl, yaml and xml to dumps, which are loaded many times "
        "faster. Each is loaded into a scratch database, to verify that it has the same rows."
    )

    def add_arguments(self, parser: CommandParser) -> None:
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
    def handle(self, *labels: str, **options: Any) -> None:
        """Convert the fixtures; the status is 1 if one of them is not converted."""
        self._options, using = options, options["database"]
        fixtures, errors = list(fixtures_of(labels, using)), dict[Fixture, Exception]()
        try:
            if fixtures:
                with scratch_converter(using, options["needed"]) as converter:
                    errors = converter.convert(fixtures, self._print, is_dry=options["dry_run"])
                    self._print_errors(converter, errors)
        except (DatabaseError, OSError) as error:
            raise CommandError(f"The scratch database cannot be created: {error}") from error
        converted = [fixture for fixture in fixtures if fixture not in errors]
        failed = self._replace_old(converted) if options["rewrite"] or options["delete"] else []
        if options["dry_run"]:
            self._print("Dry run complete: nothing was changed.")
        elif converted and (failed or not options["delete"]):
            self._print(_OLD_FILES_KEPT)
        if errors:
            count = counted(len(errors), "fixture")
            failed.insert(0, f"{count} of {len(fixtures)} not converted.")
        if failed:
            raise CommandError(" ".join(failed))
        if not fixtures:
            self._print("There are no fixtures to convert.")

    def _print_errors(self, converter: Converter, errors: Mapping[Fixture, Exception]) -> None:
        for fixture, error in errors.items():
            if self._options["traceback"]:
                raise error
            self.stderr.write(printable_lines(converter.reason(fixture, error)))

    def _replace_old(self, converted: Sequence[Fixture]) -> list[str]:
        """Rewrite modules, and delete the old files that no module names; return the failures."""
        is_dry, kept_count = self._options["dry_run"], 0
        uses = rename_in_modules(
            converted, self._print, renames=self._options["rewrite"], is_dry=is_dry
        )
        for fixture, places in uses.items() if self._options["delete"] else ():
            if places:
                kept_count += 1
                message = f"{fixture} is not deleted: it is named in {', '.join(places)}. Name "
                message += f"{fixture.target.name} there, then delete it."
                self.stderr.write(printable_lines(message))
            elif not is_dry:
                fixture.path.unlink()
        if not kept_count:
            return []
        return [f"{counted(kept_count, 'old file')} of {len(converted)} not deleted."]

    def _print(self, text: str) -> None:
        if self._options["verbosity"] > 0:
            self.stdout.write(printable_lines(text))
