"""Accept edits of table files: write a new manifest for a directory dump."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dumpy import reading
from dumpy.errors import DumpyError, FixtureError, Place, counted
from dumpy.loading.registry import TODAY
from dumpy.reading import Dump, DumpedTable
from dumpy.reading.dump import entry_of
from dumpy.restoring.compare import rows_digest
from dumpy.schema.tables import table_of
from dumpy.text import manifest as manifests
from dumpy.text.manifest import FileEntry, TableEntry
from dumpy.text.words import source
from dumpy.writing.publishing import replaced


def reseal(path: Path) -> tuple[str, ...]:
    """Write the manifest of a directory dump again; return the names of the changed files.

    Raises ``DumpyError`` with the reasons why edits are not accepted, and ``FixtureError`` for a
    manifest or a ``restore.py`` that cannot be read.
    """
    dump = reading.open(path, damages=[])
    manifest, problems = dump.manifest, list[FixtureError]()
    if manifest is None:
        raise FixtureError(Place(str(path)), "it is not a directory that dump2py has written.")
    if dump.is_program:
        raise FixtureError(dump.source.place(1), "it is a program; only data can be sealed.")
    tables = []
    for table in manifest.tables:
        try:
            tables.append(_resealed(dump, table))
        except FixtureError as error:
            problems.append(error)
    if problems:
        raise DumpyError("\n".join([*map(str, problems), "The manifest was not changed."]))
    new = replace(manifest, restore=entry_of(dump.source), tables=tuple(tables))
    old_files = {manifest.restore, *(file for table in manifest.tables for file in table.files)}
    new_files = [new.restore, *(file for table in new.tables for file in table.files)]
    changed = tuple(file.name for file in new_files if file not in old_files)
    if changed:
        with replaced(path / manifests.NAME) as stream:
            stream.write(manifests.to_text(new))
    return changed


def _resealed(dump: Dump, table: TableEntry) -> TableEntry:
    files = tuple(_entry(dump, file.name) for file in table.files)
    if files == table.files:
        return table
    parts = [part for file in files for part in dump.tables_of(file.name)]
    _require_restorable(table, parts)
    rows = sum(part.row_count for part in parts)
    return replace(table, files=files, rows=rows, digest=rows_digest(parts))


def _entry(dump: Dump, name: str) -> FileEntry:
    file = dump.files[name]
    if not Path(file.source.name).exists():
        raise FixtureError(
            file.source.place(),
            "it is missing.",
            "To leave rows out, comment them out in the file, or its line in TABLES of restore.py.",
        )
    return entry_of(file.source)


def _require_restorable(table: TableEntry, parts: Sequence[DumpedTable]) -> None:
    """Raise ``FixtureError`` unless rows have all values, and are sorted by primary key."""
    model = TODAY.find(table.model)
    key = table_of(model).key if model is not None else ()
    positions = [table.fields.index(name) for name in key if name in table.fields]
    last: tuple[object, ...] = ()
    for part in parts:
        for row in part.rows():
            if len(row.values) != len(table.fields):
                values = counted(len(row.values), "value")
                reason = f"the row has {values}, the manifest {len(table.fields)}."
                raise FixtureError(part.place(row.line), reason)
            key_values = tuple(row.values[position] for position in positions)
            if last and not _is_after(key_values, last):
                texts = [", ".join(map(source, values)) for values in (key_values, last)]
                raise FixtureError(
                    part.place(row.line),
                    "the primary key {} stands after {}.".format(*texts),
                    "Put each row in the order of the primary keys, each of which occurs once.",
                )
            last = key_values


def _is_after(key: tuple[object, ...], last: tuple[object, ...]) -> bool:
    try:
        return key > last
    except TypeError:  # only the database can order them
        return key != last
