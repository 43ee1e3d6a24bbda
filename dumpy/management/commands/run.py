"""``run``: a Python script in the environment of the project."""

from __future__ import annotations

import argparse
import os
import runpy
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dumpy.restoring.main import is_data, main
from dumpy.scripting import execfile


class Command(BaseCommand):
    """Runs a script as ``__main__``, with its own arguments and with ``execfile`` at hand."""

    help = "Run a Python script in the environment of the project."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.add_argument("script", help="The script to run.")
        parser.add_argument("args", nargs=argparse.REMAINDER, help="The arguments of the script.")

    def handle(self, *args: str, script: str, **options: Any) -> None:
        """Run the script; its exit status is that of the command.

        A ``restore.py`` that is data need not run: it may name models that are gone.
        """
        if not os.path.isfile(script):
            raise CommandError(f"There is no script {script!r}.")
        saved = sys.argv
        sys.argv = [script, *args]
        try:
            if is_data(Path(script)):
                main(script, {})
            else:
                runpy.run_path(script, {"execfile": execfile}, "__main__")
        finally:
            sys.argv = saved
