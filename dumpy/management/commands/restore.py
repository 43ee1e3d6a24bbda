"""``restore``: a database, replaced by what a single file holds."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dumpy.restoring.content import module_content
from dumpy.restoring.main import add_arguments, restore
from dumpy.text.manifest import NAME, RESTORE


class Command(BaseCommand):
    """Empties the database, makes its tables anew, and loads a dump: all of it, or nothing."""

    help = "Replace a database by a dump that dumpdata --format=py has written."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.add_argument("file", type=Path, help="The dump; it may be compressed.")
        add_arguments(parser)

    def handle(self, *, file: Path, **options: Any) -> None:
        """Restore; any error makes the status 1, and leaves the database as it was."""
        if file.is_dir():
            raise CommandError(f"{file} is a directory. {_hint(file / RESTORE)}")
        if file.name == RESTORE and (file.parent / NAME).is_file():
            raise CommandError(f"{file} belongs to a directory. {_hint(file)}")
        with module_content(file) as content:
            restore(content, Namespace(**options), self.stdout.write)


def _hint(script: Path) -> str:
    return f"To restore it: manage.py run {script}"
