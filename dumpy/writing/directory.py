"""A dump as a directory: ``restore.py``, files of rows, and the manifest."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import django
from django.db import DatabaseError, transaction

import dumpy
from dumpy.conf import project_version
from dumpy.errors import DumpyError, sentence
from dumpy.schema.tables import Table
from dumpy.text import manifest as manifests
from dumpy.text.emit import (
    TABLE_END,
    ModelNames,
    Names,
    head,
    main_function,
    require_readable,
    table_head,
)
from dumpy.text.outline import SAVED
from dumpy.text.strings import quote
from dumpy.writing.database import DatabaseDump
from dumpy.writing.rows import Page, RowWriter

ROWS_PER_FILE = 1_000_000
"""The default of the maximum number of rows in a file."""


class Watcher:
    """An observer of the writing; this base class ignores all events."""

    def begin(self, label: str) -> None:
        """Begin a table."""

    def rows(self, count: int) -> None:
        """Count rows that are written."""

    def end(self, rows: int, size: int) -> None:
        """End a table with the given number of rows, and of bytes in its files."""


class DirectoryDump:
    """Writes the tables of a ``DatabaseDump`` as files of at most ``max_row_count`` rows.

    ``tolerate`` leaves out tables that cannot be read.

    Attributes:
        left_out: the reasons for tables that could not be read, by model label.
    """

    def __init__(self, dump: DatabaseDump, max_row_count: int, *, tolerate: bool = False) -> None:
        self.left_out: dict[str, str] = {}
        self._dump = dump
        self._max_row_count = max_row_count
        self._tolerate = tolerate
        self._names = Names()
        self._files: set[str] = {manifests.RESTORE, manifests.NAME}
        self._functions: list[str] = []
        self._entries: list[manifests.TableEntry] = []
        self._counts: dict[str, int] = {}

    def expected(self) -> int:
        """Return the number of rows in the tables that can be counted."""
        return sum(map(self._counted, self._dump.tables))

    def write(self, directory: Path, watcher: Watcher | None = None) -> None:
        """Write all files, the manifest last.

        Raises ``UnwritableField``, ``DumpFailed`` and ``DatabaseError``.
        """
        self._dump.require_tables()
        watcher = watcher or Watcher()
        for table in self._dump.tables:
            try:
                with transaction.atomic(using=self._dump.using):
                    self._write_table(directory, table, watcher)
            except OSError:
                raise
            except Exception as error:
                if not self._tolerate:
                    raise
                self._leave_out(directory, table, _reason(error))
        self._write_restore(directory)

    def _leave_out(self, directory: Path, table: Table, reason: str) -> None:
        self.left_out[table.label] = reason
        self._functions.append(f"\n\n# {table.label} is left out: {quote(reason)}\n")
        written = {file.name for entry in self._entries for file in entry.files}
        for path in directory.iterdir():
            if path.name not in written:
                path.unlink()

    def _write_table(self, directory: Path, table: Table, watcher: Watcher) -> None:
        watcher.begin(table.label)
        names = self._names.for_model(*table.label.split("."))
        digest, files, count = manifests.digest(), [], 0
        with closing(self._dump.pages(table)) as pages:
            parts = self._arguments(self._dump.writer(table), pages, digest, watcher)
            for name in self._file_names(names, table):
                file, rows = self._write_rows(directory / name, table, names, parts)
                files.append(file)
                count += rows
            next(pages, None)  # If the last file is full, the end of the rows is not read yet.
        fields = self._dump.shape(table).names
        self._functions.append(self._names.declaration(names, table.label, fields))
        entry = manifests.TableEntry(
            table.label, count, digest.hexdigest(), tuple(fields), table.db_tables, tuple(files)
        )
        self._entries.append(entry)
        watcher.end(count, sum(file.size for file in files))

    def _counted(self, table: Table) -> int:
        if table.label not in self._counts:
            try:
                with transaction.atomic(using=self._dump.using):
                    self._counts[table.label] = self._dump.count_of(table)
            except DatabaseError:
                # Reading the table raises the same error with more context.
                return 0
        return self._counts[table.label]

    def _file_names(self, names: ModelNames, table: Table) -> Iterator[str]:
        stem = names.create.removeprefix("create_")
        parts = -(-self._counted(table) // self._max_row_count) or 1
        for part in range(1, parts + 1):
            name = stem if parts == 1 else f"{stem}_{part}"
            while f"{name}.py" in self._files:
                name += "_"
            self._files.add(f"{name}.py")
            yield f"{name}.py"

    def _arguments(
        self, writer: RowWriter, pages: Iterator[Page], digest: Any, watcher: Watcher
    ) -> Iterator[list[str]]:
        """Yield the arguments of rows in lists, each for one file."""
        free_rows = self._max_row_count
        for page in pages:
            lines = list(writer.arguments(page))
            digest.update("\n".join([*lines, ""]).encode())
            watcher.rows(len(lines))
            while lines:
                yield lines[:free_rows]
                lines, free_rows = (
                    lines[free_rows:],
                    max(free_rows - len(lines), 0) or self._max_row_count,
                )

    def _write_rows(
        self, path: Path, table: Table, names: ModelNames, pages: Iterator[list[str]]
    ) -> tuple[manifests.FileEntry, int]:
        prefix, end, count = SAVED.prefix(names.create), f"{SAVED.suffix}\n", 0

        def texts() -> Iterator[str]:
            nonlocal count
            yield table_head(table.label)
            while count < self._max_row_count and (lines := next(pages, None)):
                yield f"{prefix}{f'{end}{prefix}'.join(lines)}{end}"
                count += len(lines)
            yield TABLE_END

        return _write_file(path, texts()), count

    def _write_restore(self, directory: Path) -> None:
        """Write ``restore.py`` and the manifest."""
        version, migrations = project_version(), self._dump.migrations()
        files = [file.name for entry in self._entries for file in entry.files]
        begin = head(self._dump.description(version), version, migrations, "TABLES")
        text = "".join([begin, *self._functions, main_function(files)])
        require_readable(text, "Use a larger --max-row-count, which makes fewer files.")
        manifest = manifests.Manifest(
            dumpy.__version__,
            django.__version__,
            version,
            migrations,
            _write_file(directory / manifests.RESTORE, [text]),
            tuple(self._entries),
            self.left_out,
            self._content_types(),
        )
        _write_file(directory / manifests.NAME, [manifests.to_text(manifest)])

    def _content_types(self) -> dict[str, int]:
        try:
            with transaction.atomic(using=self._dump.using):
                return self._dump.content_types()
        except DatabaseError as error:
            if not self._tolerate:
                raise
            self.left_out["contenttypes.ContentType"] = _reason(error)
            return {}


def _reason(error: Exception) -> str:
    has_message = isinstance(error, DumpyError | DatabaseError)
    return (str(error).strip() if has_message else "") or sentence(error)


def _write_file(path: Path, texts: Iterable[str]) -> manifests.FileEntry:
    """Write a file that only its owner can read."""
    digest, size = manifests.digest(), 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb", buffering=2**20) as file:
        for text in texts:
            data = text.encode()
            digest.update(data)
            size += len(data)
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return manifests.FileEntry(path.name, size, digest.hexdigest())
