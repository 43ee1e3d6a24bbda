"""What a restore is given: a directory, or a single file; it need not know which."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from zipfile import ZipFile

from dumpy.errors import DumpyError, FixtureError, Place, RestoreFailed
from dumpy.migrating.install import migrate, migration_of, migration_of_dump, waits
from dumpy.migrating.migration import Migration
from dumpy.migrating.tables import migrated, program_of
from dumpy.reading.directory import Directory
from dumpy.reading.execution import named
from dumpy.reading.fixture import CodeRow, Dump, EditedDump, TableRows, read_fixture
from dumpy.reading.program import Placed, Program
from dumpy.reading.replay import placed_calls
from dumpy.reading.source import Source, check_file, open_source
from dumpy.restoring.digests import DumpedContent
from dumpy.scripting import execfile
from dumpy.text.manifest import RESTORE, TableEntry
from dumpy.text.named import migrations_in, models_in

_OPENERS: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".lzma": lzma.open,
    ".zip": ZipFile,
}


class Content(Protocol):
    """A dump: its rows in parts, in the order of loading, and what it says about itself.

    ``place`` is where it says so; ``version`` is that of its source, ``migrations`` the newest
    migration of each app there; ``labels`` its models; ``empty`` those of which it says that there
    were no rows; ``db_tables`` tables of the database that it knows by name, ``unlisted`` those of
    them whose rows it has, and does not list to be loaded; ``comparable`` the rows that are data,
    whose content is compared when they are loaded; ``is_program`` whether code makes others.
    """

    @property
    def place(self) -> Place: ...
    @property
    def version(self) -> str | None: ...
    @property
    def migrations(self) -> Mapping[str, str]: ...
    @property
    def labels(self) -> Sequence[str]: ...
    @property
    def empty(self) -> Sequence[str]: ...
    @property
    def is_program(self) -> bool: ...
    @property
    def db_tables(self) -> Sequence[str]: ...
    @property
    def unlisted(self) -> Sequence[str]: ...
    @property
    def comparable(self) -> Sequence[DumpedContent]: ...
    @property
    def parts(self) -> Mapping[str, Sequence[TableRows]]:
        """The tables of rows that are data, by the name of the part."""

    def objects(self, part: str) -> Iterator[Placed]:
        """Yield what code makes of the other rows of a part."""

    def objects_of_row(self, table: TableRows, row: CodeRow) -> Iterator[Placed]:
        """Return what a row that is code gives."""

    def prepare(self) -> None:
        """Run what code there is, when it is known which models it will find."""

    def migrate(self) -> Migration | None:
        """Let migrators change what rows mean: in ``parts`` and ``objects`` they have done so."""


@dataclass
class DirectoryContent:
    """A verified directory; ``functions`` are the globals of its ``restore.py`` if that was run.

    ``is_run_again`` says that it will have to be run when ``prepare`` is called.
    """

    directory: Directory
    functions: dict[str, Any] = field(default_factory=dict)
    is_run_again: bool = False
    _migration: Migration | None = None

    @property
    def place(self) -> Place:
        return self.directory.source.place()

    @property
    def version(self) -> str | None:
        return self.directory.restore.version

    @property
    def migrations(self) -> Mapping[str, str]:
        return self.directory.restore.migrations

    @property
    def labels(self) -> Sequence[str]:
        return _labels(self.parts)

    @property
    def empty(self) -> Sequence[str]:
        listed = set(self.directory.restore.files)
        return [
            entry.model
            for entry in self.directory.manifest.tables
            if not entry.rows and listed.issuperset(file.name for file in entry.files)
        ]

    @property
    def is_program(self) -> bool:
        return self.directory.restore.is_program

    @property
    def db_tables(self) -> Sequence[str]:
        return [name for entry in self.directory.manifest.tables for name in entry.db_tables]

    @property
    def unlisted(self) -> Sequence[str]:
        return [name for entry in self.directory.unlisted for name in entry.db_tables]

    @property
    def comparable(self) -> Sequence[DumpedContent]:
        entries = {
            frozenset(file.name for file in entry.files): entry
            for entry in self.directory.manifest.tables
        }
        return [
            _with_digest(content, entries.get(frozenset(names)))
            for names, content in _contents(self.parts)
        ]

    @property
    def parts(self) -> Mapping[str, Sequence[TableRows]]:
        return {
            name: [migrated(table, self._migration) for table in tables]
            for name, tables in self._parts.items()
        }

    @cached_property
    def _parts(self) -> Mapping[str, Sequence[TableRows]]:
        return {name: self.directory.tables_of(name) for name in self.directory.listed()}

    def migrate(self) -> Migration | None:
        restore = self.directory.restore
        if restore.is_program and waits(self.functions):
            self._migration = migrate(self.functions, restore.functions, is_complete=True)
        elif not restore.is_program:
            self._migration = migration_of_dump(restore)
        if self._migration is not None:
            self.functions = self._migration.namespace
        return self._migration

    def objects(self, part: str) -> Iterator[Placed]:
        blocks = self.directory.blocks_of(part) if self.directory.restore.is_program else ()
        for source, block in blocks:
            for line, instance in placed_calls(source, block, self.functions):
                yield instance, source.place(line)

    def objects_of_row(self, table: TableRows, row: CodeRow) -> Iterator[Placed]:
        raise RestoreFailed(f"{table.place(row.line)}: the row is code, which is not run here.")

    def prepare(self) -> None:
        if self.is_run_again and self.directory.restore.is_program:
            self.functions = _namespace(self.directory.path / RESTORE)
            listed = self.directory.listing(self.functions.get("TABLES")).listed()
            if listed != self.directory.listed():
                raise RestoreFailed(
                    f"{self.place}: code changes TABLES, which is read before the models of the "
                    "past are known. With --through-migrations, write the list as it is to be."
                )


@dataclass
class ModuleContent:
    """A single file, which may have been edited to be a program."""

    source: Source
    fixture: Dump | EditedDump
    _migration: Migration | None = None

    @property
    def place(self) -> Place:
        return self.source.place()

    @property
    def version(self) -> str | None:
        return self.fixture.version if isinstance(self.fixture, Dump) else None

    @property
    def migrations(self) -> Mapping[str, str]:
        if isinstance(self.fixture, Dump):
            return self.fixture.migrations
        return migrations_in(self.fixture.tree)

    @property
    def labels(self) -> Sequence[str]:
        if isinstance(self.fixture, Dump):
            return _labels(self.parts)
        return [label for label, _line in models_in(self.fixture.tree)]

    @property
    def is_program(self) -> bool:
        return isinstance(self.fixture, EditedDump)

    empty: Sequence[str] = ()
    db_tables: Sequence[str] = ()
    unlisted: Sequence[str] = ()

    @property
    def comparable(self) -> Sequence[DumpedContent]:
        return [content for _names, content in _contents(self.parts)]

    @property
    def parts(self) -> Mapping[str, Sequence[TableRows]]:
        tables = self.fixture.tables if isinstance(self.fixture, Dump) else ()
        return {self.source.name: [migrated(table, self._migration) for table in tables]}

    def migrate(self) -> Migration | None:
        if isinstance(self.fixture, Dump):
            self._migration = migration_of_dump(self.fixture.skeleton)
        else:
            self._migration = migration_of(self._program.run())
        return self._migration

    def objects(self, part: str) -> Iterator[Placed]:
        if isinstance(self.fixture, EditedDump):
            yield from self._program.objects()

    def objects_of_row(self, table: TableRows, row: CodeRow) -> Iterator[Placed]:
        return self._program.objects_of_row(row)

    def prepare(self) -> None:
        pass

    @cached_property
    def _program(self) -> Program:
        if isinstance(self.fixture, EditedDump):
            return Program(self.fixture)
        return program_of(self.fixture, self._migration)


@contextmanager
def module_content(path: Path) -> Iterator[ModuleContent]:
    """Read a single file, which may be compressed; what is code in it may run.

    Raises ``FixtureError`` for what is no dump.
    """
    check_file(str(path))
    with _OPENERS.get(path.suffix, _open)(path) as file, named([str(path)]):
        source = open_source(file)
        try:
            fixture = read_fixture(source)
            if not isinstance(fixture, Dump | EditedDump):
                hint = f"To add its objects to a database: manage.py loaddata {path}"
                raise FixtureError(source.place(1), "it is a program, not a dump.", hint)
            yield ModuleContent(source, fixture)
        finally:
            source.close()


def _namespace(script: Path) -> dict[str, Any]:
    """What a script defines; it is run as if somebody imported it."""
    namespace: dict[str, Any] = {"__name__": "", "__file__": str(script), "execfile": execfile}
    try:
        exec(compile(script.read_bytes(), str(script), "exec", dont_inherit=True), namespace)
    except DumpyError:
        raise
    except (Exception, SystemExit) as error:
        raise FixtureError(Place(str(script)), f"{type(error).__name__}: {error}") from error
    return namespace


def _open(path: Path) -> Any:
    return path.open("rb")


def _contents(
    parts: Mapping[str, Sequence[TableRows]],
) -> Iterator[tuple[list[str], DumpedContent]]:
    """Yield the rows of each model that are data, with the names of the parts that hold them."""
    tables: dict[str, list[TableRows]] = {}
    names: dict[str, list[str]] = {}
    for name, found in parts.items():
        for table in found:
            if table.create is None and not table.drops:
                tables.setdefault(table.label, []).append(table)
                names.setdefault(table.label, []).append(name)
    for label, group in tables.items():
        yield names[label], DumpedContent(label, tuple(group))


def _with_digest(content: DumpedContent, entry: TableEntry | None) -> DumpedContent:
    """The rows with the digest of a manifest, if they still have all of their values."""
    fields = {_fields(table) for table in content.tables}
    if entry is None or len(fields) != 1:
        return content
    (names,) = fields
    return replace(content, digest=entry.digest, fields=names) if names else content


def _fields(table: TableRows) -> tuple[str, ...]:
    """The names of all values of a row, in order; none if some are left out or added."""
    names = {where: name for name, where in table.fields.items() if isinstance(where, int)}
    if len(table.fields) != table.width or set(names) != set(range(table.width)):
        return ()
    return tuple(names[position] for position in range(table.width))


def _labels(parts: Mapping[str, Sequence[TableRows]]) -> list[str]:
    tables = (table for tables in parts.values() for table in tables)
    return list(dict.fromkeys(table.label for table in tables if not table.drops))
