"""``mergedump``: a merge driver for dumps in git."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from dumpy.checking.merge import merge
from dumpy.console import failing
from dumpy.errors import printable

_SHOWN = 5


class Command(BaseCommand):
    """Merges versions of a dump: the status is 0 without conflicts, 1 with some, 2 for an error."""

    help = "Merge two versions of a dump by primary key and field, as a merge driver for git."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        for name, text in (
            ("base", "The common base of both versions."),
            ("ours", "The version to merge into. The result replaces it."),
            ("theirs", "The other version."),
        ):
            parser.add_argument(name, type=Path, metavar=name.upper(), help=text)
        parser.add_argument(
            "path", metavar="PATH", nargs="?", help="The path of the file, for messages."
        )

    def handle(
        self, *, base: Path, ours: Path, theirs: Path, path: str | None = None, **options: Any
    ) -> None:
        with failing("", status=2):
            result = merge(base, ours, theirs)
            ours.write_bytes(result.text.encode("utf-8", "surrogateescape"))
        name = path or ours
        if result.conflicts:
            shown = result.conflicting[:_SHOWN]
            more = ["…"] if len(shown) < result.conflicts else []
            rows = f" ({', '.join([*shown, *more])})" if shown else ""
            self.stderr.write(
                printable(f"Conflicts in {name}: {result.conflicts}{rows}. Edit the marked lines.")
            )
        for line, message in result.dangling:
            self.stderr.write(printable(f"{name}:{line}: {message}"))
        if result.conflicts or result.dangling:
            sys.exit(1)
