"""Dumps of older versions, and migrators that bring them to today's models of `music`."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.test import override_settings
from dumps import module, rows

from dumpy import Migrator

Table = tuple[str, str, list[tuple[Any, ...]]]
Step = Callable[[Any, dict[str, Any]], object]

Current: type[Migrator] | None = None
"""The migrator of the settings: DUMPY["MIGRATION_CLASS"] is its path."""


def dump(version: str | None, *tables: Table) -> str:
    """Return a module with tables of (label, names of fields, rows)."""
    found = [rows(label, fields, *values) for label, fields, values in tables]
    return module(*found, version=version)


def migrator(**steps: Step) -> type[Migrator]:
    """Return a migrator with steps, by the version that they start from: `v1_0=…`."""
    methods = {f"migrate_from_{name.removeprefix('v')}": step for name, step in steps.items()}
    return type("TestMigrator", (Migrator,), methods)


def settings_for(version: str | None, steps: type[Migrator] | None) -> Any:
    """Return settings for a project of a version with a migrator."""
    global Current
    Current = steps
    values = {"VERSION": version, "MIGRATION_CLASS": "migrating_tools.Current"}
    wanted = {"VERSION": version is not None, "MIGRATION_CLASS": steps is not None}
    return override_settings(DUMPY={key: values[key] for key in values if wanted[key]})


def loaded(path: Path, text: str, version: str | None, steps: Any = None, **options: Any) -> str:
    """Load a module into a project of a version, and return what was said."""
    file = path / "old.py"
    file.write_text(text, encoding="utf-8")
    out = StringIO()
    with settings_for(version, steps):
        call_command("loaddata", str(file), stdout=out, stderr=out, **options)
    return out.getvalue()
