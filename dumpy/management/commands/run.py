"""``run``: run a Python script in the environment of the project."""

from __future__ import annotations

import argparse
import runpy
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dumpy.console import add_options
from dumpy.errors import DumpyError, FixtureError, Place, line_of, sentence
from dumpy.loading.registry import routed_to
from dumpy.reading.source import dump_directory, is_program_file, require_first_line
from dumpy.restoring.main import is_run_by_restore, main
from dumpy.scripting import execfile
from dumpy.text.manifest import RESTORE


class Command(BaseCommand):
    """Runs a script as ``__main__``, with its own arguments and the function ``execfile``."""

    help = "Run a Python script in the environment of the project."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("script", help="The script to run.")
        rest = parser.add_argument(
            "args", nargs=argparse.REMAINDER, help="The arguments of the script."
        )
        rest.required = False  # Before Python 3.12, an error message would name them.

    def handle(self, *args: str, script: str, **options: Any) -> None:
        """Run the script; its exit status is the status of the command.

        A ``restore.py`` that is data is not run: it may name models that no longer exist.
        """
        _require_script(Path(script))
        saved = sys.argv
        sys.argv = [script, *args]
        try:
            if is_run_by_restore(Path(script), args):
                main(script, {})
            else:
                with self._routed(script, args, options["verbosity"]):
                    _run(script)
        finally:
            sys.argv = saved

    def _routed(
        self, script: str, args: Sequence[str], verbosity: int
    ) -> AbstractContextManager[None]:
        """Return a context in which the code of a dump queries the database to restore."""
        if not (script.endswith(RESTORE) and is_program_file(script)):
            return nullcontext()
        if verbosity >= 1:
            self.stdout.write(f"Running {script}")
        parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        add_options(parser, "--database")
        return routed_to(parser.parse_known_args(args)[0].database)


def _run(script: str) -> None:
    """Run a script; an exception in a script of a dump becomes an error with its line."""
    try:
        runpy.run_path(script, {"execfile": execfile}, "__main__")
    except Exception as error:
        if isinstance(error, DumpyError) or dump_directory(script) is None:
            raise
        reason = f"{sentence(error)} The database is as it was."
        raise FixtureError(Place(script, line_of(error, script)), reason) from error


def _require_script(script: Path) -> None:
    if (script / RESTORE).is_file():
        raise CommandError(f"{script} is a dump. Restore it with: manage.py restore {script}")
    if not script.is_file():
        raise CommandError(f"There is no script {str(script)!r}.")
    directory = dump_directory(script)
    if directory is not None and script != directory / RESTORE:
        raise CommandError(
            f"{script} belongs to a directory dump. To restore it: manage.py restore {directory}"
        )
    if directory is None:
        require_first_line(script)
    if script.name != RESTORE and is_program_file(script) is not None:
        raise CommandError(
            f"{script} is a dump, not a script. To replace the database with it: manage.py "
            f"restore {script}. To add its rows: manage.py loaddata {script}"
        )
