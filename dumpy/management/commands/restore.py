"""``restore``: replace the contents of a database with a dump."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from dumpy.restoring.main import add_arguments, restore


class Command(BaseCommand):
    """Replaces the rows of a database with the rows of a dump, all or nothing."""

    help = "Replace the contents of a database with a dump: a file or a directory."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "path",
            type=Path,
            metavar="PATH",
            help="The directory or file of the dump, which may be compressed.",
        )
        add_arguments(parser)

    def handle(self, *, path: Path, **options: Any) -> None:
        """Restore the dump; after any error the status is 1, and the state is reported."""
        restore(path, Namespace(**options), self.stdout)
