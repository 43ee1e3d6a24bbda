"""Which tests run where: a mark for each directory, of what its claims depend on beside dumpy.

Every test runs once, on SQLite, with one Python and one Django. Those of a directory with the mark

- ``sql`` run on every engine: what they claim is done in SQL;
- ``python`` run on every Python: it depends on ``ast``, ``repr``, Unicode tables, or syntax;
- ``django`` run on every Django: the serializer, ``loaddata``, models of the past.

``docs/contributing/testing.md`` shows the same table.
"""

from __future__ import annotations

DIRECTORIES: dict[str, frozenset[str]] = {
    "admin": frozenset({"sql", "django"}),
    "api": frozenset({"sql"}),
    "applications": frozenset(),
    "architecture": frozenset(),
    "checkdump": frozenset({"sql"}),
    "checks": frozenset({"django"}),
    "commands": frozenset({"sql", "django"}),
    "ddt": frozenset({"sql"}),
    "diffdump": frozenset({"sql"}),
    "directory": frozenset({"sql"}),
    "django_suite": frozenset(),
    "docs": frozenset({"sql"}),
    "execution": frozenset({"django"}),
    "faults": frozenset({"sql"}),
    "gis": frozenset(),
    "hostile": frozenset({"python"}),
    "loading": frozenset({"sql", "django"}),
    "migrating": frozenset({"sql", "django"}),
    "packaging": frozenset(),
    "plugin": frozenset({"sql", "django"}),
    "reading": frozenset({"python"}),
    "repair": frozenset({"sql"}),
    "restoring": frozenset({"sql"}),
    "roundtrip": frozenset({"sql", "python", "django"}),
    "text": frozenset({"python"}),
    "tools": frozenset({"python"}),
    "writing": frozenset({"sql", "python", "django"}),
}

NOT_QUICK = frozenset(
    {
        "admin",
        "commands",
        "ddt",
        "directory",
        "docs",
        "faults",
        "gis",
        "hostile",
        "packaging",
        "plugin",
        "roundtrip",
        "tools",
        "migrating/test_golden.py",
        "repair/test_repair_memory.py",
        "restoring/test_rows_of_nobody.py",
        "restoring/test_through_migrations.py",
        "text/test_strings.py",
    }
)
"""Directories and files that are no part of ``make test-quick``, nor are slow or random tests."""

WITHOUT_DATABASE = frozenset({"architecture", "packaging", "text"})
"""Directories whose tests may not even ask for a database."""
