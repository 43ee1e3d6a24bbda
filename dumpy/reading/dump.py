"""The one door to a dump: its head, and its rows in blocks. Nothing is run here."""

from __future__ import annotations

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from importlib.machinery import all_suffixes
from itertools import groupby, repeat
from pathlib import Path
from typing import Any, NamedTuple

from dumpy.conf import configuration
from dumpy.errors import FixtureError, Place, counted
from dumpy.reading.source import (
    PROGRAM_HINT,
    Source,
    dump_directory,
    file_source,
    open_plain,
    open_source,
)
from dumpy.text import manifest as manifests
from dumpy.text.emit import IMPORTED, Names
from dumpy.text.manifest import RESTORE, FileEntry, Manifest, ManifestError, TableEntry
from dumpy.text.outline import (
    SAVED,
    YIELDED,
    Extent,
    Outline,
    RowStyle,
    TextError,
    is_program,
    split,
)
from dumpy.text.scanner import RowError, RowIsCode, RowScanner
from dumpy.text.skeleton import (
    Constant,
    CreateFunction,
    Fields,
    InlineRow,
    NotData,
    Part,
    Skeleton,
    interpret,
    interpret_table,
)
from dumpy.text.words import Natural
from dumpy.text.words import source as written

_CONTENT_TYPE, PERMISSION = "contenttypes.contenttype", "auth.permission"
_LARGEST_MANIFEST = 8 * 2**20
_RESEAL = "If the change is intended, accept it: manage.py checkdump {} --reseal"
_NO_CODE = "A dump of format 1 holds no code."
_IGNORED = "__pycache__"
_IMPORTABLE = tuple(all_suffixes())
_MARKS = re.compile(
    rb"^(# dumpy: |SOURCE_(VERSION|MIGRATIONS) = |loader\.save\(create_)", re.MULTILINE
)


class Row(NamedTuple):
    """One row: its line in the file, its values by position, and the size of its text."""

    line: int
    values: tuple[object, ...]
    size: int


@dataclass(frozen=True)
class Block:
    """Rows of one create function, some 256 KB of them.

    Attributes:
        columns: for each position in a row, the values of all rows.
        lines: the line of each row in the file; a range unless there are comments in between.
        size: about how many bytes the text of the rows has.
        place_of: the place of a line.
    """

    columns: tuple[Sequence[object], ...]
    lines: Sequence[int]
    size: int
    place_of: Callable[[int], Place]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.lines)

    def place(self, index: int) -> Place:
        """Return the place of a row for messages."""
        return self.place_of(self.lines[index])

    def column(self, where: int | Constant) -> Sequence[object]:
        """Return the values of one field in all rows."""
        return self.columns[where] if isinstance(where, int) else [where.value] * len(self)

    def row(self, index: int) -> Row:
        """Return one row."""
        values = tuple([column[index] for column in self.columns])
        return Row(self.lines[index], values, self.size // len(self))

    def rows(self) -> Iterator[Row]:
        """Yield the rows in order."""
        values = zip(*self.columns, strict=True) if self.columns else repeat(())
        size = self.size // max(1, len(self))
        return (Row(line, one, size) for line, one in zip(self.lines, values))  # noqa: B905


def relabelled(models: Mapping[str, str]) -> Callable[[Natural], Natural] | None:
    """Return how references by natural key read after an edit; None if no label was edited.

    ``models`` maps the variables of a dump, which are called after what its models were, to
    labels. Permissions keep their codenames, as after a migration of Django.
    """
    edited = {variable.lower(): label for variable, label in models.items()}
    edited = {name: label for name, label in edited.items() if _variable(label) != name}
    if not edited:
        return None
    there = {label.lower() for label in models.values()}

    def today(label: str) -> str:
        return label if label.lower() in there else edited.get(_variable(label), label)

    return partial(renamed, today)


def renamed(today: Callable[[str], str], natural: Natural) -> Natural:
    """Return a reference by natural key with the labels of today, also where they are its parts."""
    key = natural.key
    if (natural.model.lower(), len(key)) not in ((_CONTENT_TYPE, 2), (PERMISSION, 3)):
        return Natural(today(natural.model), key)
    label = ".".join(map(str, key[-2:]))
    if today(label) == label:
        return natural
    app_label, _, name = today(label).partition(".")
    return Natural(natural.model, (*key[:-2], app_label, name.lower()))


def map_references(value: Any, change: Callable[[Natural], Natural]) -> Any:
    """Return a value with its references by natural key changed, be it one, or a list of them."""
    if isinstance(value, list):
        return [change(one) if isinstance(one, Natural) else one for one in value]
    return change(value) if isinstance(value, Natural) else value


@cache
def _variable(label: str) -> str:
    """What a dump calls a model, in lower case."""
    app_label, _, name = label.partition(".")
    return Names().for_model(app_label, name).variable.lower()


@dataclass(frozen=True, eq=False)
class DumpedTable:
    """Rows of one create function, which can be read as often as needed.

    Attributes:
        function: what becomes of a row; a migrator may have changed it (``is_migrated``).
        source: the file with the rows, which are the ``parts`` of it.
        skeleton: the file with the create function.
        listed_at: the place in ``objects()`` or ``TABLES`` that lists the rows.
        style: how rows are written.
        missing: names of the vocabulary that the import line does not have.
        create: code of a migrator or of a program that makes objects of a row.
        takes_any: whether that code says how many values a row has.
        renamed: how a reference by natural key reads today.
    """

    function: CreateFunction
    source: Source
    parts: tuple[Part, ...]
    skeleton: Source
    listed_at: Place
    style: RowStyle = YIELDED
    missing: frozenset[str] = frozenset()
    is_migrated: bool = False
    create: Callable[..., Any] | None = None
    takes_any: bool = False
    renamed: Callable[[Natural], Natural] | None = None

    @property
    def label(self) -> str:
        """The label of the model, ``""`` where rows are dropped."""
        return self.function.model

    @property
    def fields(self) -> Fields:
        """The position of the value of each field in a row, or a constant."""
        return self.function.fields

    @property
    def parameters(self) -> tuple[str, ...]:
        """What the create function calls the values of a row."""
        return self.function.parameters

    @property
    def drops(self) -> bool:
        """Whether the create function returns nothing."""
        return self.function.drops

    @property
    def row_count(self) -> int:
        """The number of its rows."""
        return sum(part.rows for part in self.parts)

    @property
    def width(self) -> int:
        """How many values a row has."""
        return len(self.parameters)

    @property
    def listed_in(self) -> str:
        """Where the rows are listed."""
        return "TABLES" if self.style is SAVED else "objects()"

    @property
    def named_at(self) -> Place:
        """The place of the label of the model, or of the create function if that has none."""
        return self.skeleton.place(self.function.model_line or self.function.line)

    def place(self, line: int) -> Place:
        """Return the line of a row as a place for messages."""
        return self.source.place(line)

    def declared_at(self, field: str = "") -> Place:
        """Return the place of a field in the create function, by default that of the function."""
        return self.skeleton.place(self.function.field_lines.get(field, self.function.line))

    def rows(self) -> Iterator[Row]:
        """Yield the rows in the order of the file; raises ``FixtureError``."""
        for block in self.blocks():
            yield from block.rows()

    def blocks(self, words: Collection[str] = ()) -> Iterator[Block]:
        """Yield the rows in the order of the file, many at once; raises ``FixtureError``.

        With ``words``, only blocks in whose text one of them stands.
        """
        for part in self.parts:
            if isinstance(part, InlineRow):
                yield self._block([(value,) for value in part.values], [part.first_line], 0)
            else:
                yield from self._blocks_of(part, words)

    def arguments(self) -> Iterator[str]:
        """Yield what stands between the parentheses of each row; raises ``FixtureError``.

        For rows as dumpy writes them that is the source of their values.
        """
        for part in self.parts:
            if isinstance(part, InlineRow):
                yield ", ".join(map(written, part.values))
                continue
            start, end = len(self.style.prefix(part.function)), -len(self.style.suffix)
            for _lines, texts in row_lines(self.source, part):
                yield from (text[start:end] for text in texts)

    def _blocks_of(self, extent: Extent, words: Collection[str]) -> Iterator[Block]:
        scanner = RowScanner(self.style, extent.function, self.missing)
        for lines, texts in row_lines(self.source, extent, words):
            while texts:
                columns = scanner.scan_lines(texts)
                if columns is not None:
                    yield self._block(columns, lines, sum(map(len, texts)))
                    break
                rows = list(self._rows_alone(scanner, lines, texts))
                for _width, group in groupby(rows, key=lambda row: len(row[1])):
                    numbers, values, sizes = zip(*group, strict=True)
                    yield self._block(list(zip(*values, strict=True)), numbers, sum(sizes))
                done = rows[-1][0] + 1 - lines[0] if rows else len(texts)
                lines, texts = lines[done:], texts[done:]

    def _rows_alone(
        self, scanner: RowScanner, lines: Sequence[int], texts: Sequence[str]
    ) -> Iterator[tuple[int, tuple[object, ...], int]]:
        """Yield lines, values and sizes of rows that are read one by one.

        It ends where the scanner has learned a pattern, which may match all rows that follow.
        """
        patterns = scanner.patterns
        for line, text in without_comments(lines, texts):
            yield line, self._scanned(scanner, line, text), len(text)
            if scanner.patterns > patterns:
                break

    def _scanned(self, scanner: RowScanner, line: int, text: str) -> tuple[object, ...]:
        try:
            return scanner.scan(text)
        except RowIsCode as error:
            reason = f"{error.reason} {_NO_CODE}"
            raise FixtureError(self.place(line), reason, PROGRAM_HINT) from error
        except RowError as error:
            raise FixtureError(self.place(line), error.reason) from error

    def _block(self, columns: Sequence[Sequence[object]], lines: Sequence[int], size: int) -> Block:
        if len(columns) != self.width and not self.takes_any:
            raise FixtureError(
                self.place(lines[0]),
                f"the row has {counted(len(columns), 'value')}, "
                f"its create function takes {self.width}.",
                f"See the function at {self.declared_at()}.",
            )
        rename = self.renamed
        if rename is not None:
            columns = [[map_references(value, rename) for value in column] for column in columns]
        return Block(tuple(columns), lines, size, self.place)


def row_lines(
    source: Source, extent: Extent, words: Collection[str] = ()
) -> Iterator[tuple[Sequence[int], list[str]]]:
    """Yield the numbers and the texts of the lines with rows, some 256 KB at once.

    With ``words``, only where one of them stands.
    """
    first = extent.first_line
    wanted = [word.encode() for word in words]
    for data in source.whole_lines(extent.start, extent.end):
        if wanted and not any(word in data for word in wanted):
            first += data.count(b"\n") + 1
            continue
        text = _decoded(source, first, data)
        if "\r" in text:
            text = text.replace("\r\n", "\n").removesuffix("\r")
        texts = text.split("\n")
        lines: Sequence[int] = range(first, first + len(texts))
        first += len(texts)
        yield lines, texts


def without_comments(lines: Sequence[int], texts: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines that are no comment between rows, each with its number."""
    for line, text in zip(lines, texts, strict=True):
        if text.lstrip()[:1] not in ("", "#"):
            yield line, text


def _decoded(source: Source, line: int, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        bad = line + data.count(b"\n", 0, error.start)
        raise FixtureError(source.place(bad), "it is not utf-8.") from error


@dataclass
class DumpFile:
    """A file with rows.

    Attributes:
        source: the file.
        functions: the create functions that its rows may call, None for those of a program.
    """

    source: Source
    functions: Mapping[str, CreateFunction] | None

    @cached_property
    def outline(self) -> Outline:
        """The file without its rows; raises ``FixtureError``."""
        return outlined(self.source, SAVED)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The rows; raises ``FixtureError``."""
        outline = self.outline
        if outline.is_program:
            hint = "Its rows are data: put code into the create functions of restore.py."
            raise FixtureError(self.source.place(1), "a table file cannot be a program.", hint)
        with _understood(self.source):
            return interpret_table(outline, self.functions)

    def tables(self, namespace: Mapping[str, Any], label: str = "") -> list[DumpedTable]:
        """Return the tables, their rows made to objects by the functions of a namespace."""
        found = []
        for name, parts in _runs(self.parts):
            place = self.source.place(parts[0].first_line)
            if name not in namespace:
                raise FixtureError(place, f"restore.py has no function {name}.")
            code = CreateFunction(name, label, (), {}, {}, 1)
            table = DumpedTable(code, self.source, parts, self.source, place, SAVED)
            found.append(replace(table, create=namespace[name], takes_any=True))
        return found


@dataclass
class Dump:
    """A dump, or a hand-written fixture.

    Attributes:
        source: the file with the skeleton.
        skeleton: what that means; None for a program.
        outline: its text without the rows; None if it is not a dump.
        path: the directory, None for a single file.
        manifest: that of the directory.
        is_edited: whether the ``restore.py`` of the directory is not what dump2py has written.
        files: the table files of the directory by name.
        damaged: the names of those that are not what the manifest says; ``tables`` leaves them out.
    """

    source: Source
    skeleton: Skeleton | None = None
    outline: Outline | None = None
    path: Path | None = None
    manifest: Manifest | None = None
    is_edited: bool = False
    files: dict[str, DumpFile] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)

    def __enter__(self) -> Dump:
        """Return the dump."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the dump."""
        self.close()

    def close(self) -> None:
        """Close the files."""
        self.source.close()

    @property
    def is_program(self) -> bool:
        """Whether code says what the rows mean."""
        return self.skeleton is None

    @property
    def is_subset(self) -> bool:
        """Whether the dump says that it holds a part of a database."""
        return self.skeleton is not None and self.skeleton.is_subset

    @property
    def is_masked(self) -> bool:
        """Whether the dump says that values are not those of its source."""
        return self.skeleton is not None and self.skeleton.is_masked

    @property
    def version(self) -> str | None:
        """The version of the source, None also for a program that is not run."""
        said = self.skeleton or self.manifest
        return said.version if said else None

    @property
    def migrations(self) -> Mapping[str, str]:
        """The newest migration of each app there, none for a program that is not run."""
        said = self.skeleton or self.manifest
        return said.migrations if said else {}

    @cached_property
    def tables(self) -> list[DumpedTable]:
        """The tables in the order of loading, none for a program; raises ``FixtureError``."""
        if self.skeleton is None:
            return []
        if self.path is not None:
            whole = [name for name in self.listed() if name not in self.damaged]
            return [table for name in whole for table in self.tables_of(name)]
        return [
            table
            for section in self.skeleton.sections
            for table in self._tables(self.source, section.parts, section.listed_at)
        ]

    def listed(self, names: object = None) -> Sequence[str]:
        """Return the files to load, by default those that ``restore.py`` lists.

        Raises ``FixtureError`` for a strange one.
        """
        lines: Mapping[str, int] = self.skeleton.files if self.skeleton else {}
        if names is None:
            names = list(lines)
        if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):
            hint = "List the names of files that dump2py wrote."
            reason = f"TABLES is of type {type(names).__name__}, not a list of texts."
            raise FixtureError(self.source.place(), reason, hint)
        for name in names:
            if name not in self.files:
                raise FixtureError(
                    self.source.place(lines.get(name)),
                    f"the file {name!r} is not in the manifest.",
                    "Name a file that dump2py wrote.",
                )
        return list(dict.fromkeys(names))

    def tables_of(self, name: str, namespace: Mapping[str, Any] | None = None) -> list[DumpedTable]:
        """Return the tables in a file; raises ``FixtureError``.

        For a program, ``namespace`` holds its create functions.
        """
        file = self.files[name]
        if self.skeleton is None:
            label = next((entry.model for entry in self.entries if name in _names(entry)), "")
            return file.tables(namespace or {}, label)
        return list(self._tables(file.source, file.parts, self.skeleton.files.get(name, 1)))

    def _tables(self, source: Source, parts: Sequence[Part], line: int) -> Iterator[DumpedTable]:
        assert self.skeleton is not None
        style = YIELDED if self.path is None else SAVED
        missing = frozenset(IMPORTED) - self.skeleton.bound
        for name, run in _runs(parts):
            function, listed_at = self.skeleton.functions[name], self.source.place(line)
            table = DumpedTable(function, source, run, self.source, listed_at, style, missing)
            yield replace(table, renamed=self._renamed)

    @cached_property
    def _renamed(self) -> Callable[[Natural], Natural] | None:
        return relabelled(self.skeleton.models) if self.skeleton else None

    @property
    def entries(self) -> Sequence[TableEntry]:
        """The tables in the manifest of a directory."""
        return self.manifest.tables if self.manifest else ()

    @property
    def unlisted(self) -> list[TableEntry]:
        """The tables with rows that ``restore.py`` does not list, or not all of them."""
        listed = self.skeleton.files if self.skeleton else self.files
        return [entry for entry in self.entries if entry.rows and not _names(entry) <= {*listed}]

    def left_out(self) -> Iterator[str]:
        """Yield a sentence for the rows and the fields that the skeleton leaves out."""
        if self.skeleton is None:
            return
        for entry in self.unlisted:
            reason = f"{entry.model} is not listed in TABLES, or not all of it"
            rows = counted(entry.rows, "row")
            yield f"{self.source.place()}: {reason}: its rows are left out ({rows})."
        for section in self.skeleton.unlisted:
            if number := sum(part.rows for part in section.parts):
                rows = counted(number, "row")
                reason = f"{section.name} is not listed in objects()"
                place = self.source.place(section.line)
                yield f"{place}: {reason}: its rows are left out ({rows})."
        numbers: Counter[str] = Counter()
        for table in self.tables:
            numbers[table.function.name] += table.row_count
        for function, number in (+numbers).items():
            rows = counted(number, "row")
            known = self.skeleton.functions[function]
            place = self.source.place(known.line)
            if known.drops:
                yield f"{place}: {function} returns nothing: its rows are left out ({rows})."
            elif known.unused:
                names = ", ".join(known.unused)
                verb = "is" if len(known.unused) == 1 else "are"
                yield f"{place}: {known.model}: {names} {verb} left out ({rows})."

    def verify(self) -> Iterator[FixtureError]:
        """Yield an error for each file of a directory that is not what the manifest says."""
        if self.path is None:
            return
        known = {*self.files, RESTORE, manifests.NAME, _IGNORED}
        for found in sorted(self.path.iterdir()):
            # A restore.py that is run imports what lies beside it.
            if found.name not in known and (found.is_dir() or found.name.endswith(_IMPORTABLE)):
                hint = "Move it out of the directory."
                yield FixtureError(Place(str(found)), "it is not in the manifest.", hint)
        for entry in (file for table in self.entries for file in table.files):
            problem = self._problem(entry)
            if problem is not None:
                yield problem

    def _problem(self, entry: FileEntry) -> FixtureError | None:
        """What is wrong with a table file, which is read for it."""
        file, wrong = self.files[entry.name], None
        try:
            _ = file.parts
        except FixtureError as error:
            wrong = error
        try:
            reason = _difference(entry_of(file.source), entry, file.source)
        except FixtureError as error:
            return error
        if reason is None:
            return wrong
        return FixtureError(file.source.place(), reason, _RESEAL.format(self.path))


def _runs(parts: Sequence[Part]) -> Iterator[tuple[str, tuple[Part, ...]]]:
    """Yield the parts, those together that follow one another and have one create function."""
    return ((name, tuple(run)) for name, run in groupby(parts, key=lambda part: part.function))


def _names(entry: TableEntry) -> set[str]:
    return {file.name for file in entry.files}


def open(given: object, *, damages: list[FixtureError] | None = None) -> Dump:
    """Return the dump in a path, a stream, a text or bytes; nothing of it is run.

    Raises ``FixtureError`` for what is damaged, and for a dump that is data with code in it. With a
    list of ``damages``, those of the table files of a directory are added to it instead.
    """
    if isinstance(given, Path) and given.is_dir():
        dump = _directory(given)
        for problem in dump.verify():
            if damages is None:
                raise problem
            damages.append(problem)
            dump.damaged.add(Path(problem.place.file).name)
        return dump
    source = open_source(given)
    try:
        return _file(source)
    except BaseException:
        source.close()
        raise


def outlined(source: Source, style: RowStyle) -> Outline:
    """Return a dump without its rows; raises ``FixtureError``."""
    limit = configuration().max_skeleton_bytes
    with _understood(source):
        return split(source.lines(), style, limit=limit)


@contextmanager
def _understood(source: Source) -> Iterator[None]:
    """Turn what is wrong with the text in the block into an error that names the file."""
    try:
        yield
    except NotData as error:
        reason = f"{error.reason} {_NO_CODE}"
        raise FixtureError(source.place(error.line), reason, PROGRAM_HINT) from error
    except TextError as error:
        raise FixtureError(source.place(error.line), error.reason) from error


def _skeleton(source: Source, style: RowStyle) -> tuple[Outline, Skeleton | None]:
    outline = outlined(source, style)
    if outline.is_program:
        return outline, None
    with _understood(source):
        return outline, interpret(outline, style)


def _file(source: Source) -> Dump:
    first = source.first_line()
    if first.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise FixtureError(source.place(1), "it is UTF-16.", "Save it as UTF-8.")
    if is_program(first) is None:
        _refuse_dump(source)
        return Dump(source)
    if source.path and dump_directory(source.path) is not None:
        hint = f"To restore it: manage.py restore {Path(source.name).parent}"
        raise FixtureError(source.place(), "it belongs to a directory dump.", hint)
    outline, skeleton = _skeleton(source, YIELDED)
    return Dump(source, skeleton, outline)


def _refuse_dump(source: Source) -> None:
    """Raise ``FixtureError`` for a dump without its first line, and for what is no Python."""
    start = source.text(configuration().max_skeleton_bytes)
    if not start.strip():
        raise FixtureError(source.place(1), "it is empty.")
    found = _MARKS.search(start)
    if found is not None:
        # The text after the mark may say which format, or that something stands before it.
        with _understood(source):
            split(source.lines())
    if b"\0" in start:
        raise FixtureError(source.place(1), "it contains NUL bytes, so it is not a text file.")
    if start.lstrip()[:1] in (b"[", b"{", b"<"):
        hint = "Make a dump of this format with dumpdata --format=py."
        raise FixtureError(source.place(1), "it is JSON or XML, not Python.", hint)


def _directory(path: Path) -> Dump:
    manifest = read_manifest(path)
    source = file_source(path / RESTORE)
    outline, skeleton = _skeleton(source, SAVED)
    is_edited = _difference(entry_of(source), manifest.restore, source) is not None
    functions = skeleton.functions if skeleton else None
    names = [file.name for table in manifest.tables for file in table.files]
    files = {name: DumpFile(file_source(path / name), functions) for name in names}
    return Dump(source, skeleton, outline, path, manifest, is_edited, files)


def read_manifest(path: Path) -> Manifest:
    """Return the manifest of a directory; raises ``FixtureError``."""
    place = Place(str(path / manifests.NAME))
    hint = "Every complete directory dump has one."
    try:
        with open_plain(path / manifests.NAME) as file:
            data = file.read(_LARGEST_MANIFEST + 1)
        if len(data) > _LARGEST_MANIFEST:
            raise FixtureError(place, f"it has more than {_LARGEST_MANIFEST} bytes.")
        return manifests.from_text(data.decode())
    except ManifestError as error:
        hint = "Take it from a copy of the dump, or make the dump again."
        raise FixtureError(place, str(error), hint) from error
    except FixtureError as error:
        reason = f"the manifest cannot be read: {error.reason}"
        raise FixtureError(place, reason, hint) from error
    except (OSError, UnicodeDecodeError) as error:
        raise FixtureError(place, f"the manifest cannot be read: {error}.", hint) from error


def entry_of(source: Source) -> FileEntry:
    """Return size and digest of a file as it is; raises ``FixtureError``."""
    source.read_all()
    return FileEntry(Path(source.name).name, source.size, source.sha256.hexdigest())


def _difference(found: FileEntry, entry: FileEntry, source: Source) -> str | None:
    """What is wrong with a file, or None."""
    if found == entry:
        return None
    if source.first_line().endswith(b"\r\n"):
        return "its lines end with CRLF (from git or an editor): it is damaged or edited."
    if found.size != entry.size:
        return f"it has {found.size} bytes, the manifest says {entry.size}: damaged or edited."
    return "its content does not match the manifest: it is damaged or edited."
