"""Replaces the content of a database with a dump, completely or not at all."""

from __future__ import annotations

from typing import Any


def restore(namespace: dict[str, Any]) -> None:
    """Restore the directory of a ``restore.py`` that is run; ``namespace`` contains its globals.

    Reads ``sys.argv``; exits with status 1 if the restore fails.
    """
    from dumpy.restoring.main import main

    main(namespace["__file__"], namespace)
