"""``diffdump``: compare two dumps."""

from __future__ import annotations

import json
import sys
from itertools import chain
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dumpy.checking.diff import Diff, RowDiff, comparing, open_data, totals, values
from dumpy.checking.html import write_diff
from dumpy.console import add_options, failing
from dumpy.errors import FixtureError, printable
from dumpy.writing.publishing import needs_ascii


class Command(BaseCommand):
    """Compares two dumps: the status is 0 for the same data, 1 for other data, 2 for an error."""

    help = "Compare two dumps, or a dump and a database, row by row."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "first", metavar="FIRST", help="A file, a directory, or a database as database:ALIAS."
        )
        parser.add_argument(
            "second", metavar="SECOND", nargs="?", help="The dump or database to compare with."
        )
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--summary", action="store_true", help="Print the counts only.")
        add_options(form, "--json", "--html")
        form.add_argument(
            "--textconv",
            action="store_true",
            help="Print each value of one dump on its own line, for git diff.",
        )

    def handle(self, *, first: str, second: str | None, **options: Any) -> None:
        if options["textconv"] == (second is not None):
            raise CommandError("Name two dumps, or one with --textconv.", returncode=2)
        with failing("", status=2):
            if second is None:
                self._print_values(first)
                return
            with comparing(first, second) as diff:
                if options["html"]:
                    write_diff(diff, first, second, options["html"])
                self._print(diff, options)
        if not all(model.has_same_data for model in diff.models.values()):
            sys.exit(1)

    def _print_values(self, path: str) -> None:
        try:
            dump = open_data(Path(path))
        except FixtureError:
            if not Path(path).is_file():
                raise
            # If textconv fails, git diff would stop, for example during a merge conflict.
            lines = Path(path).read_text("utf-8", "backslashreplace").split("\n")
            for line in lines:
                self._print_line(line)
            return
        with dump:
            for line in values(dump):
                self._print_line(line)

    def _print_line(self, line: str) -> None:
        line = printable(line)
        if needs_ascii(self.stdout):
            line = line.replace("→", "->").encode("ascii", "backslashreplace").decode()
        self.stdout.write(line)

    def _print(self, diff: Diff, options: dict[str, Any]) -> None:
        if options["json"]:
            self._print_json(diff)
            return
        for row in () if options["html"] else diff.rows():
            if not (options["summary"] or row.is_reordered):
                self._print_line(str(row))
        if options["verbosity"] > 0:
            for line in totals(diff.models, diff.not_compared):
                self._print_line(line)

    def _print_json(self, diff: Diff) -> None:
        """Print rows while they are compared, then the counts."""
        separators = chain(["\n"], iter(lambda: ",\n", None))
        self.stdout.write('{"rows": [', ending="")
        for row in diff.rows():
            self.stdout.write(f"{next(separators)}{json.dumps(_as_json(row))}", ending="")
        models = {label: vars(model) for label, model in diff.models.items()}
        summary = {"models": models, "not_compared": diff.not_compared}
        self.stdout.write(f"\n], {json.dumps(summary)[1:]}")


def _as_json(row: RowDiff) -> dict[str, Any]:
    changes = {change.name: [change.before, change.after] for change in row.changes}
    return {"model": row.label, "pk": row.key, "kind": row.kind, "changes": changes}
