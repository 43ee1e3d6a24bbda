"""Tells whether the tests can run on an engine: `python testproject/engines.py postgresql`.

Exit status 0 if they can, 1 if they cannot, 2 if they cannot but must (DUMPY_TEST_REQUIRE).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from project import settings


def reach_sqlite() -> None:
    """Do nothing: SQLite is always there."""


def reach_postgresql() -> None:
    """Connect to the PostgreSQL server, or raise."""
    import psycopg

    database = settings.postgresql("postgres")
    psycopg.connect(
        host=database["HOST"],
        port=database["PORT"],
        user=database["USER"],
        password=database["PASSWORD"],
        dbname=database["NAME"],
        connect_timeout=5,
    ).close()


def reach_mysql() -> None:
    """Connect to the MySQL or MariaDB server, or raise."""
    import MySQLdb

    database = settings.mysql("")
    MySQLdb.connect(
        host=database["HOST"],
        port=int(database["PORT"]),
        user=database["USER"],
        password=database["PASSWORD"],
        connect_timeout=5,
    ).close()


REACH: dict[str, Callable[[], None]] = {
    "sqlite": reach_sqlite,
    "postgresql": reach_postgresql,
    "mysql": reach_mysql,
}


def trouble(engine: str) -> str | None:
    """Return why an engine cannot be used, or None if it can."""
    try:
        REACH[engine]()
    except Exception as error:  # a driver may raise anything
        return f"{type(error).__name__}: {str(error).strip()}"
    return None


def is_required(engine: str) -> bool:
    """Return whether the tests on an engine must not be skipped."""
    return engine in os.environ.get("DUMPY_TEST_REQUIRE", "").split()


def main(engine: str) -> int:
    """Print and return what is the matter with an engine."""
    reason = trouble(engine)
    if reason is None:
        return 0
    print(f"{engine}: not available: {reason}", file=sys.stderr)
    return 2 if is_required(engine) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
