"""``mergedump``: a merge driver for dumps in git."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dumpy.checking.merge import merge
from dumpy.errors import DumpyError, printable


class Command(BaseCommand):
    """Merges versions of a dump: the status is 0 without conflicts, 1 with some, 2 for an error."""

    help = "Merge two versions of a dump by primary key and field, as a merge driver for git."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.add_argument("base", type=Path, help="The common base of both versions.")
        parser.add_argument(
            "ours", type=Path, help="The version to merge into. The result replaces it."
        )
        parser.add_argument("theirs", type=Path, help="The other version.")
        parser.add_argument("path", nargs="?", help="The path of the file, for messages.")

    def handle(
        self, *, base: Path, ours: Path, theirs: Path, path: str | None = None, **options: Any
    ) -> None:
        """Merge the dumps."""
        try:
            merged = merge(base, ours, theirs)
            ours.write_bytes(merged.text.encode("utf-8", "surrogateescape"))
        except (DumpyError, OSError) as error:
            raise CommandError(str(error), returncode=2) from error
        name = path or ours
        if merged.conflicts:
            self.stderr.write(f"Conflicts in {name}: {merged.conflicts}. Edit the marked lines.")
        for line, said in merged.dangling:
            self.stderr.write(printable(f"{name}:{line}: {said}"))
        if merged.conflicts or merged.dangling:
            sys.exit(1)
