"""``restore``: a database, replaced by what a single file holds."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dumpy.reading.permission import dump_of
from dumpy.restoring.content import file_content
from dumpy.restoring.main import add_arguments, restore
from dumpy.text.manifest import RESTORE


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
        if file.is_file() and (directory := dump_of(file)) is not None:
            raise CommandError(f"{file} belongs to a dump. {_hint(directory / RESTORE)}")
        is_quiet = options["verbosity"] == 0 and not options["interactive"]
        say = _keep_quiet if is_quiet else self.stdout.write
        content = file_content(file)
        with content.dump:
            restore(content, Namespace(**options), say)


def _keep_quiet(sentence: str) -> None:
    """Say nothing."""


def _hint(script: Path) -> str:
    return f"To restore it: manage.py run {script}"
