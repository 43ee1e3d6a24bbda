"""Database dumps that are Python.

The functions do what the commands do::

    dumpy.write("orders.py.gz", where=["shop.Order:placed__year=2026"], mask=["shop.masks"])
    dumpy.write("backup", exclude=["shop.Log"], overwrite=True)
    if dumpy.check("backup").is_fine:
        print(dumpy.restore("backup", database="copy"))
    for row in dumpy.diff("backup", "database:default").rows:
        print(row)
    with dumpy.open("backup") as dump:
        print([table.label for table in dump.tables])
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dumpy.api import check as check
    from dumpy.api import diff as diff
    from dumpy.api import restore as restore
    from dumpy.api import write as write
    from dumpy.errors import DumpyError as DumpyError
    from dumpy.errors import FixtureError as FixtureError
    from dumpy.errors import LoadError as LoadError
    from dumpy.errors import MigrationError as MigrationError
    from dumpy.errors import UnreadableValue as UnreadableValue
    from dumpy.errors import UnwritableField as UnwritableField
    from dumpy.errors import UnwritableRow as UnwritableRow
    from dumpy.loading.loader import Loader as Loader
    from dumpy.migrating.migrator import Migrator as Migrator
    from dumpy.migrating.migrator import override as override
    from dumpy.reading.opened import open as open
    from dumpy.reading.program import FlushDeferredObjects as FlushDeferredObjects

__version__ = "0.2.0"

_MODULES = {
    "check": "dumpy.api",
    "diff": "dumpy.api",
    "open": "dumpy.reading.opened",
    "restore": "dumpy.api",
    "write": "dumpy.api",
    "DumpyError": "dumpy.errors",
    "FixtureError": "dumpy.errors",
    "LoadError": "dumpy.errors",
    "MigrationError": "dumpy.errors",
    "UnreadableValue": "dumpy.errors",
    "UnwritableField": "dumpy.errors",
    "UnwritableRow": "dumpy.errors",
    "FlushDeferredObjects": "dumpy.reading.program",
    "Loader": "dumpy.loading.loader",
    "Migrator": "dumpy.migrating.migrator",
    "override": "dumpy.migrating.migrator",
}

__all__ = [*_MODULES]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that ``import dumpy`` is fast."""
    if name not in _MODULES:
        raise AttributeError(f"module 'dumpy' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    """Return the public names, including names that are not imported yet."""
    return ["__version__", *__all__]
