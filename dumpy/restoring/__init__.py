"""An emptied database, filled from a directory, or as it was."""

from __future__ import annotations

from typing import Any


def restore(namespace: dict[str, Any]) -> None:
    """Restore the directory of a ``restore.py`` that is run; ``namespace`` are its globals.

    Reads ``sys.argv``; ends the process with status 1 if the database could not be restored.
    """
    from dumpy.restoring.main import main

    main(namespace["__file__"], namespace)
