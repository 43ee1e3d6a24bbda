"""Differences between database engines: one class per engine."""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

from dumpy.engines.base import Engine
from dumpy.engines.mysql import MySQL
from dumpy.engines.postgresql import PostgreSQL
from dumpy.engines.sqlite import SQLite
from dumpy.errors import ConfigurationError

_ENGINES: dict[str, type[Engine]] = {
    "sqlite": SQLite,
    "postgresql": PostgreSQL,
    "mysql": MySQL,
}


def engine_of(connection: BaseDatabaseWrapper) -> Engine:
    """Return the engine of a connection.

    A third-party backend has the engine of the Django backend that it derives from. Raises
    ``ConfigurationError`` for any other backend.
    """
    # A derived backend may have a vendor of its own.
    for backend in type(connection).__mro__:
        if engine := _ENGINES.get(getattr(backend, "vendor", "")):
            return engine(connection)
    raise ConfigurationError(
        f"The database {connection.alias!r} uses the backend "
        f"{connection.settings_dict['ENGINE']!r}, for which dumpy has no snapshots, locks, or "
        "scratch databases: use SQLite, PostgreSQL, MySQL or MariaDB, with Django's backend or "
        "one that derives from it."
    )
