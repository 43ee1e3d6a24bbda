"""Which tests run where: a mark for each directory, of what its claims depend on beside dumpy.

Every test runs once, on SQLite, with one Python and one Django. Those of a directory with the mark

- ``sql`` run on every engine: what they claim is done in SQL, but for files of `WITHOUT_SQL`;
- ``python`` run on every Python: it depends on ``ast``, ``repr``, Unicode tables, or syntax; one
  case in ten of the directories in `SAMPLED`;
- ``django`` run on every Django: the serializer, ``loaddata``, models of the past.

``docs/contributing/testing.md`` shows the same table.
"""

from __future__ import annotations

DIRECTORIES: dict[str, frozenset[str]] = {
    "admin": frozenset({"django"}),
    "api": frozenset({"sql"}),
    "applications": frozenset(),
    "architecture": frozenset(),
    "checkdump": frozenset({"sql"}),
    "checks": frozenset({"django"}),
    "commands": frozenset({"sql", "django"}),
    "ddt": frozenset({"sql"}),
    "diffdump": frozenset(),
    "directory": frozenset({"sql"}),
    "django_suite": frozenset(),
    "docs": frozenset(),
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

WITHOUT_SQL = frozenset(
    {
        "api/test_hook.py",
        "checkdump/test_changes.py",
        "checkdump/test_names.py",
        "checkdump/test_rehearsal.py",
        "checkdump/test_verdicts.py",
        "checkdump/test_write_migrator.py",
        "commands/test_bad_input.py",
        "commands/test_convertfixtures.py",
        "commands/test_dump_file.py",
        "commands/test_dumpdata_options.py",
        "commands/test_dumpdata_streams.py",
        "commands/test_loaddata_options.py",
        "ddt/test_comparison.py",
        "ddt/test_ddt.py",
        "directory/test_dump2py.py",
        "directory/test_repair_scripts.py",
        "directory/test_restore.py",
        "directory/test_run.py",
        "directory/test_verification.py",
        "faults/test_disk.py",
        "faults/test_signals.py",
        "loading/test_deferred_queue.py",
        "migrating/test_chain.py",
        "migrating/test_migrators.py",
        "migrating/test_restore_scripts.py",
        "migrating/test_upgrade.py",
        "migrating/test_versions.py",
        "migrating/test_what_is_said.py",
        "repair/test_repair.py",
        "repair/test_repair_memory.py",
        "restoring/test_restore_command.py",
        "restoring/test_rows_of_nobody.py",
        "restoring/test_skipped_migrations.py",
        "restoring/test_through_migrations.py",
    }
)
"""Files whose claims need no SQL of their own, in directories with that mark.

They are about files, models, or words, or end before the first write. A test in them that has
the mark itself runs on every engine.
"""

SAMPLED = frozenset({"hostile"})
"""Directories with thousands of cases, which are refused in the same way on every Python."""

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
        "text/test_hostile_rows.py",
        "text/test_hostile_skeletons.py",
        "text/test_strings.py",
    }
)
"""Directories and files that are no part of ``make test-quick``, nor are slow or random tests."""

WITHOUT_DATABASE = frozenset({"architecture", "packaging", "text"})
"""Directories whose tests may not even ask for a database."""
