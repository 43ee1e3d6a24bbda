"""Deliberate edits of table files, accepted: a manifest of what is there now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from django.apps import apps

from dumpy import reading
from dumpy.errors import FixtureError, Place, counted
from dumpy.reading import Dump
from dumpy.reading.dump import entry_of
from dumpy.schema.tables import ModelType, table_of
from dumpy.text import manifest as manifests
from dumpy.text.manifest import FileEntry, Manifest, TableEntry
from dumpy.text.words import source
from dumpy.writing.output import replaced


@dataclass(frozen=True)
class Resealed:
    """The names of the files that had changed, or what keeps the edits from being accepted."""

    changed: tuple[str, ...]
    problems: tuple[FixtureError, ...] = ()


def reseal(path: Path) -> Resealed:
    """Write the manifest anew, unless there are problems: then nothing is written.

    Raises ``FixtureError`` for a manifest or a ``restore.py`` that cannot be read.
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
        return Resealed((), tuple(problems))
    new = replace(manifest, restore=entry_of(dump.source), tables=tuple(tables))
    changed = tuple(_changed(manifest, new))
    if changed:
        with replaced(path / manifests.NAME) as stream:
            stream.write(manifests.to_text(new))
    return Resealed(changed)


def _changed(old: Manifest, new: Manifest) -> Iterator[str]:
    before = set(_entries(old))
    return (entry.name for entry in _entries(new) if entry not in before)


def _entries(manifest: Manifest) -> Iterator[FileEntry]:
    yield manifest.restore
    for table in manifest.tables:
        yield from table.files


def _resealed(dump: Dump, table: TableEntry) -> TableEntry:
    files = tuple(_entry(dump, file.name) for file in table.files)
    if files == table.files:
        return table
    digest, count = manifests.digest(), 0
    for arguments in _arguments(dump, table):
        digest.update(f"{arguments}\n".encode())
        count += 1
    return replace(table, files=files, rows=count, digest=digest.hexdigest())


def _entry(dump: Dump, name: str) -> FileEntry:
    file = dump.files[name]
    if not Path(file.source.name).exists():
        raise FixtureError(
            file.source.place(),
            "it is missing.",
            "To leave rows out, comment them out in the file, or its line in TABLES of restore.py.",
        )
    return entry_of(file.source)


def _arguments(dump: Dump, table: TableEntry) -> Iterator[str]:
    """Yield the rows of a table as dumpy writes them; raises ``FixtureError`` for the others.

    They must go by primary key as those of a database do.
    """
    positions, last = _key(table), tuple[object, ...]()
    for rows in (rows for file in table.files for rows in dump.tables_of(file.name)):
        for row in rows.rows():
            if len(row.values) != len(table.fields):
                values = counted(len(row.values), "value")
                reason = f"the row has {values}, the manifest {len(table.fields)}."
                raise FixtureError(rows.place(row.line), reason)
            key = tuple(row.values[position] for position in positions)
            if last and not _is_after(key, last):
                raise FixtureError(
                    rows.place(row.line),
                    f"the primary key {_shown(key)} stands after {_shown(last)}.",
                    "Put each row in the order of the primary keys, each of which occurs once.",
                )
            last = key
            yield ", ".join(map(source, row.values))


def _key(table: TableEntry) -> list[int]:
    try:
        model: ModelType = apps.get_model(table.model)
    except LookupError:
        return []
    return [table.fields.index(name) for name in table_of(model).key if name in table.fields]


def _is_after(key: tuple[object, ...], last: tuple[object, ...]) -> bool:
    try:
        return key > last
    except TypeError:  # Keys that Python cannot compare are for the database to order.
        return key != last


def _shown(key: tuple[object, ...]) -> str:
    return ", ".join(map(source, key))
