"""``run``: a Python script in the environment of the project."""

from __future__ import annotations

import argparse
import os
import runpy
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dumpy.scripting import execfile


class Command(BaseCommand):
    """Runs a script as ``__main__``, with its own arguments and with ``execfile`` at hand."""

    help = "Run a Python script in the environment of the project."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.add_argument("script", help="The script to run.")
        parser.add_argument("args", nargs=argparse.REMAINDER, help="The arguments of the script.")

    def run_from_argv(self, argv: list[str]) -> None:
        """Leave every option after the script to the script."""
        own = _own_arguments(argv)
        self._arguments = argv[len(own) :]
        super().run_from_argv(own)

    def handle(self, *args: Any, script: str, **options: Any) -> None:
        """Run the script; its exit status is that of the command."""
        if not os.path.isfile(script):
            raise CommandError(f"There is no script {script!r}.")
        saved = sys.argv
        sys.argv = [script, *(getattr(self, "_arguments", None) or args)]
        try:
            runpy.run_path(script, {"execfile": execfile}, "__main__")
        finally:
            sys.argv = saved


def _own_arguments(argv: list[str]) -> list[str]:
    """The part of a command line up to the script, the first word that is no option."""
    for position, word in enumerate(argv[2:], 2):
        if not word.startswith("-"):
            return argv[: position + 1]
    return argv
