"""What ``restore.py`` does when it is run: arguments in, sentences out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.utils import Error as DatabaseError

from dumpy.errors import DumpyError, FixtureError, RestoreFailed
from dumpy.reading.directory import RESTORE, read_directory, read_manifest, understood
from dumpy.restoring.restorer import Restorer
from dumpy.text.manifest import NAME


def main(script: str, namespace: Mapping[str, Any]) -> None:
    """Restore the directory of a script; ends the process if that cannot be done.

    ``namespace`` holds what the script has defined.
    """
    options = _parser(script).parse_args(sys.argv[1:])
    try:
        _restore(Path(script).resolve().parent, options, namespace)
    except RestoreFailed as error:
        sys.exit(str(error))
    except (DumpyError, DatabaseError, OSError) as error:
        sys.exit(f"{error}\nThe database is as it was.")


def is_data(script: Path) -> bool:
    """Whether a script is the ``restore.py`` of a dump that need not be run to be understood."""
    if script.name != RESTORE or not (script.parent / NAME).is_file():
        return False
    try:
        understood(script.parent, read_manifest(script.parent))
    except FixtureError:
        return False
    return True


def _restore(path: Path, options: argparse.Namespace, namespace: Mapping[str, Any]) -> None:
    directory = read_directory(path, is_run=True)
    if directory.is_edited:
        print("restore.py was edited since it was written.")
    restorer = Restorer(directory, options.database, print, functions=namespace)
    if options.interactive and not _is_confirmed(restorer):
        sys.exit("Not restored.")
    report = restorer.run(dry_run=options.dry_run)
    for label, counts in report.tables.items():
        print(f"{label:<40} {counts}")
    print("All would be well: nothing was changed." if options.dry_run else "Restored.")


def _is_confirmed(restorer: Restorer) -> bool:
    settings = connections[restorer.using].settings_dict
    where = f"{settings['NAME']} on {settings['HOST'] or 'this machine'}"
    print(f"This replaces the database {where}: {restorer.replaced_rows():,} rows.")
    try:
        return input("Go on? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _parser(script: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        Path(script).name, description="Replace a database by the content of this directory."
    )
    parser.add_argument(
        "-b", "--noinput", action="store_false", dest="interactive", help="do not ask first"
    )
    parser.add_argument("--database", default=DEFAULT_DB_ALIAS, choices=tuple(connections))
    parser.add_argument("--dry-run", action="store_true", help="do everything but commit")
    return parser
