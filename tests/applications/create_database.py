"""Makes the default database of the settings anew, empty."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings


def main() -> None:
    """Remove the database if it is there; create it."""
    database: dict[str, Any] = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        Path(database["NAME"]).unlink(missing_ok=True)
    else:
        recreate(database)


def recreate(database: dict[str, Any]) -> None:
    """Drop and create a database of a PostgreSQL server."""
    import psycopg
    from psycopg import sql

    name = sql.Identifier(database["NAME"])
    with psycopg.connect(
        host=database["HOST"],
        port=database["PORT"],
        user=database["USER"],
        password=database["PASSWORD"],
        dbname="postgres",
        autocommit=True,
    ) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(name))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))


if __name__ == "__main__":
    main()
