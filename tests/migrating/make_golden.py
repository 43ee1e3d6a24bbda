"""Makes the golden dumps anew: a directory and a single module of each release.

``make golden`` runs it. When the dumps change, every reader of old dumps has to be thought of.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

GOLDEN = Path(__file__).resolve().parent / "golden"
TESTPROJECT = Path(__file__).resolve().parents[2] / "testproject"


def make(target: str) -> None:
    """Fill the empty database of the release, and dump it to ``target`` and ``target.py``."""
    from django.core.management import call_command

    from press.fill import fill

    call_command("migrate", verbosity=0)
    fill()
    call_command("dump2py", target, verbosity=0)
    call_command("dumpdata", format="py", output=f"{target}.py", verbosity=0)


def make_in_process(release: int) -> None:
    """Make the dumps of one release in a process of its own, on SQLite."""
    with tempfile.TemporaryDirectory(prefix="dumpy-golden-") as directory:
        subprocess.run(
            [sys.executable, __file__, str(GOLDEN / f"v{release}")],
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "project.versions_settings",
                "DUMPY_DATA_DIR": directory,
                "DUMPY_TEST_ENGINE": "sqlite",
                "PRESS_RELEASE": str(release),
                "PYTHONPATH": str(TESTPROJECT),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            check=True,
        )


def main() -> None:
    """Make all dumps, or those of the release of this process."""
    if sys.argv[1:]:
        import django

        django.setup()
        make(sys.argv[1])
        return
    shutil.rmtree(GOLDEN, ignore_errors=True)
    GOLDEN.mkdir()
    sys.path.insert(0, str(TESTPROJECT))
    from versions.history import RELEASES

    for release in RELEASES:
        make_in_process(release)


if __name__ == "__main__":
    main()
