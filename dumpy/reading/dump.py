"""Open a dump, and read its rows in blocks, without running it."""

from __future__ import annotations

import os
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
    is_program,
    split,
)
from dumpy.text.parsing import TextError
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
    sketch,
)
from dumpy.text.words import Natural
from dumpy.text.words import source as written

_CONTENT_TYPE, PERMISSION = "contenttypes.contenttype", "auth.permission"
_MAX_MANIFEST_BYTES = 8 * 2**20
_RESEAL = "If the change is intended, accept it: manage.py checkdump {} --reseal"
_NO_CODE = "A dump of format 1 holds no code."
IS_MASKED = "The dump is masked: values of some fields are not those of its source."
_PYCACHE = "__pycache__"
_MODULE_SUFFIXES = tuple(all_suffixes())
_DIRECTORY_LINES = re.compile(rb"^(TABLES = \[|loader\.save\(create_)", re.MULTILINE)
_DUMP_LINES = re.compile(
    rb"^(# dumpy: |SOURCE_(VERSION|MIGRATIONS) = |loader\.save\(create_)", re.MULTILINE
)


class Row(NamedTuple):
    """A row: its line in the file, its values, and the size of its text."""

    line: int
    values: tuple[object, ...]
    size: int


@dataclass(frozen=True)
class Block:
    """Rows of one create function, about 256 KB.

    Attributes:
        columns: the values of all rows, for each position in a row.
        lines: the line of each row in the file; a range unless there are comments between rows.
        size: the approximate size of the text of the rows.
        place_of: a function that returns the place of a line.
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

    def column(self, position: int | Constant) -> Sequence[object]:
        """Return the values of a field in all rows."""
        return self.columns[position] if isinstance(position, int) else [position.value] * len(self)

    def row(self, index: int) -> Row:
        """Return one row."""
        values = tuple([column[index] for column in self.columns])
        return Row(self.lines[index], values, self.size // len(self))

    def rows(self) -> Iterator[Row]:
        """Yield the rows in order."""
        rows = zip(*self.columns, strict=True) if self.columns else repeat(())
        size = self.size // max(1, len(self))
        return (Row(line, values, size) for line, values in zip(self.lines, rows))  # noqa: B905


def label_updater(models: Mapping[str, str]) -> Callable[[Natural], Natural] | None:
    """Return the function that updates references to edited labels, or None if there are none.

    ``models`` maps the variables of a dump, which are named after the original labels, to the
    current labels. Permissions keep their codenames, as after a migration of Django.
    """
    edited = {variable.lower(): label for variable, label in models.items()}
    edited = {name: label for name, label in edited.items() if _variable_name(label) != name}
    if not edited:
        return None
    current = {label.lower() for label in models.values()}

    def current_label(label: str) -> str:
        return label if label.lower() in current else edited.get(_variable_name(label), label)

    return partial(update_labels, current_label)


def update_labels(current_label: Callable[[str], str], natural: Natural) -> Natural:
    """Return a reference by natural key with current labels; its key may contain one, too."""
    key = natural.key
    if (natural.model.lower(), len(key)) not in ((_CONTENT_TYPE, 2), (PERMISSION, 3)):
        return Natural(current_label(natural.model), key)
    label = ".".join(map(str, key[-2:]))
    if current_label(label) == label:
        return natural
    app_label, _, name = current_label(label).partition(".")
    return Natural(natural.model, (*key[:-2], app_label, name.lower()))


def map_references(value: Any, change: Callable[[Natural], Natural]) -> Any:
    """Return a value with ``change`` applied to it, or to its items, if they are natural keys."""
    if isinstance(value, list):
        return [change(item) if isinstance(item, Natural) else item for item in value]
    return change(value) if isinstance(value, Natural) else value


@cache
def _variable_name(label: str) -> str:
    """Return the variable of a model in a dump, in lower case."""
    app_label, _, name = label.partition(".")
    return Names().for_model(app_label, name).variable.lower()


@dataclass(frozen=True, eq=False)
class DumpedTable:
    """The rows of one create function.

    Attributes:
        function: the create function.
        source: the file with the rows.
        parts: the parts of the file with the rows.
        skeleton: the file with the create function.
        listed_at: the place in ``objects()`` or ``TABLES`` that lists the rows.
        style: the style in which rows are written.
        missing: the names of the vocabulary that the dump does not import.
        is_migrated: whether a migrator has changed the create function.
        create: a function of a migrator or program that creates the objects of a row.
        takes_any: whether that function accepts any number of values.
        update_reference: a function that updates a reference by natural key, or None.
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
    update_reference: Callable[[Natural], Natural] | None = None

    @property
    def label(self) -> str:
        """The label of the model, or ``""`` if the rows are dropped."""
        return self.function.model

    @property
    def fields(self) -> Fields:
        """The position of the value of each field in a row, or a constant."""
        return self.function.fields

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters of the create function."""
        return self.function.parameters

    @property
    def drops(self) -> bool:
        """Whether the create function returns nothing."""
        return self.function.drops

    @property
    def row_count(self) -> int:
        """The number of rows."""
        return sum(part.rows for part in self.parts)

    @property
    def width(self) -> int:
        """The number of values of a row."""
        return len(self.parameters)

    @property
    def listed_in(self) -> str:
        """The name of the list of tables."""
        return "TABLES" if self.style is SAVED else "objects()"

    @property
    def named_at(self) -> Place:
        """The place of the label of the model, or of a create function without one."""
        return self.skeleton.place(self.function.model_line or self.function.line)

    def place(self, line: int) -> Place:
        """Return the place of a line for messages."""
        return self.source.place(line)

    def declared_at(self, field: str = "") -> Place:
        """Return the place of the create function, or of a field in it."""
        return self.skeleton.place(self.function.field_lines.get(field, self.function.line))

    def rows(self) -> Iterator[Row]:
        """Yield the rows in the order of the file; raises ``FixtureError``."""
        for block in self.blocks():
            yield from block.rows()

    def blocks(self, words: Collection[str] = ()) -> Iterator[Block]:
        """Yield the rows in blocks, in the order of the file; raises ``FixtureError``.

        With ``words``, yield only blocks whose text contains one of them.
        """
        for part in self.parts:
            if isinstance(part, InlineRow):
                yield self._block([(value,) for value in part.values], [part.first_line], 0)
            else:
                yield from self._part_blocks(part, words)

    def arguments(self) -> Iterator[list[str]]:
        """Yield the texts between the parentheses of rows in blocks; raises ``FixtureError``.

        Such a text is the source of the values, if dumpy has written the row.
        """
        for part in self.parts:
            if isinstance(part, InlineRow):
                yield [", ".join(map(written, part.values))]
                continue
            start, end = len(self.style.prefix(part.function)), -len(self.style.suffix)
            for _lines, texts in row_lines(self.source, part):
                yield [text[start:end] for text in texts]

    def _part_blocks(self, extent: Extent, words: Collection[str]) -> Iterator[Block]:
        scanner = RowScanner(self.style, extent.function, self.missing)
        for lines, texts in row_lines(self.source, extent, words):
            while texts:
                columns = scanner.scan_lines(texts)
                if columns is not None:
                    yield self._block(columns, lines, sum(map(len, texts)))
                    break
                rows = list(self._scan_one_by_one(scanner, lines, texts))
                for _width, group in groupby(rows, key=lambda row: len(row[1])):
                    numbers, values, sizes = zip(*group, strict=True)
                    yield self._block(list(zip(*values, strict=True)), numbers, sum(sizes))
                count = rows[-1][0] + 1 - lines[0] if rows else len(texts)
                lines, texts = lines[count:], texts[count:]

    def _scan_one_by_one(
        self, scanner: RowScanner, lines: Sequence[int], texts: Sequence[str]
    ) -> Iterator[tuple[int, tuple[object, ...], int]]:
        """Yield the line, values and size of each row.

        It stops when the scanner has learned a pattern, which may match all rows that follow.
        """
        patterns = scanner.patterns
        for line, text in without_comments(lines, texts):
            try:
                values = scanner.scan(text)
            except RowIsCode as error:
                reason = error.reason if error.hint else f"{error.reason} {_NO_CODE}"
                raise FixtureError(self.place(line), reason, error.hint or PROGRAM_HINT) from error
            except RowError as error:
                raise FixtureError(self.place(line), error.reason) from error
            yield line, values, len(text)
            if scanner.patterns > patterns:
                break

    def _block(self, columns: Sequence[Sequence[object]], lines: Sequence[int], size: int) -> Block:
        if len(columns) != self.width and not self.takes_any:
            raise FixtureError(
                self.place(lines[0]),
                f"the row has {counted(len(columns), 'value')}, "
                f"its create function takes {self.width}.",
                f"See the function at {self.declared_at()}.",
            )
        update = self.update_reference
        if update is not None:
            columns = [[map_references(value, update) for value in column] for column in columns]
        return Block(tuple(columns), lines, size, self.place)


def row_lines(
    source: Source, extent: Extent, words: Collection[str] = ()
) -> Iterator[tuple[Sequence[int], list[str]]]:
    """Yield the numbers and texts of the lines of an extent, about 256 KB at once.

    With ``words``, yield only lines that are read together with one of them.
    """
    first = extent.first_line
    encoded_words = [word.encode() for word in words]
    for data in source.whole_lines(extent.start, extent.end):
        if encoded_words and not any(word in data for word in encoded_words):
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
    """Yield the number and text of each line that is neither empty nor a comment."""
    for line, text in zip(lines, texts, strict=True):
        if text.lstrip()[:1] not in ("", "#"):
            yield line, text


def _decoded(source: Source, line: int, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line += data.count(b"\n", 0, error.start)
        raise FixtureError(source.place(line), "it is not utf-8.") from error


@dataclass
class DumpFile:
    """A table file of a directory dump.

    Attributes:
        functions: the create functions that its rows may call; None for a program.
    """

    source: Source
    functions: Mapping[str, CreateFunction] | None

    @cached_property
    def outline(self) -> Outline:
        """The outline of the file; raises ``FixtureError``."""
        return outline_of(self.source, SAVED)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The parts with rows; raises ``FixtureError``."""
        outline = self.outline
        if outline.is_program:
            hint = "Its rows are data: put code into the create functions of restore.py."
            raise FixtureError(self.source.place(1), "a table file cannot be a program.", hint)
        with _locating_errors(self.source):
            return interpret_table(outline, self.functions)

    def tables(self, namespace: Mapping[str, Any], label: str = "") -> list[DumpedTable]:
        """Return the tables; the functions of a namespace create the objects of their rows."""
        tables = []
        for name, parts in _parts_by_function(self.parts):
            place = self.source.place(parts[0].first_line)
            if name not in namespace:
                raise FixtureError(place, f"restore.py has no function {name}.")
            function = CreateFunction(name, label, (), {}, {}, 1)
            table = DumpedTable(function, self.source, parts, self.source, place, SAVED)
            tables.append(replace(table, create=namespace[name], takes_any=True))
        return tables


@dataclass
class Dump:
    """A dump, or a hand-written fixture.

    Attributes:
        source: the file with the skeleton.
        skeleton: the skeleton; None for a program.
        outline: the file without its rows; None for a hand-written fixture.
        path: the path of a directory dump, or None.
        manifest: the manifest of a directory dump, or None.
        is_edited: whether ``restore.py`` differs from the manifest.
        files: the table files of a directory dump, by name.
        damaged: the names of table files that differ from the manifest; ``tables`` omits them.
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
        """Whether the dump must be run."""
        return self.skeleton is None

    @cached_property
    def sketch(self) -> Skeleton | None:
        """The skeleton, or what the statements of a program say that have its shape.

        None for a hand-written fixture. Raises ``FixtureError`` for a program that is not Python.
        """
        if self.skeleton is not None or self.outline is None:
            return self.skeleton
        with _locating_errors(self.source):
            return sketch(self.outline)

    @property
    def is_subset(self) -> bool:
        """Whether the dump has only a part of the rows of a database."""
        return self.skeleton is not None and self.skeleton.is_subset

    @property
    def is_masked(self) -> bool:
        """Whether values were masked."""
        return self.skeleton is not None and self.skeleton.is_masked

    @property
    def version(self) -> str | None:
        """The version of the source; None for a program without a manifest."""
        described = self.skeleton or self.manifest
        return described.version if described else None

    @property
    def migrations(self) -> Mapping[str, str]:
        """The newest migration of each app of the source."""
        if self.sketch is None or (self.is_program and not self.sketch.migrations):
            return self.manifest.migrations if self.manifest else {}
        return self.sketch.migrations

    @cached_property
    def tables(self) -> list[DumpedTable]:
        """The tables in the order of loading, none for a program; raises ``FixtureError``."""
        if self.skeleton is None:
            return []
        if self.path is not None:
            names = [name for name in self.listed() if name not in self.damaged]
            return [table for name in names for table in self.tables_of(name)]
        return [
            table
            for section in self.skeleton.sections
            for table in self._tables(self.source, section.parts, section.listed_at)
        ]

    def listed(self, names: object = None) -> Sequence[str]:
        """Return the names of the files to load, by default those in ``TABLES``.

        Raises ``FixtureError`` for a name that is not in the manifest.
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
        """Return the tables of a file; raises ``FixtureError``.

        ``namespace`` has the create functions of a program.
        """
        file = self.files[name]
        if self.skeleton is None:
            label = next((entry.model for entry in self.entries if name in _names(entry)), "")
            models = self.sketch.models if self.sketch else {}
            edited = {variable.lower(): new for variable, new in models.items()}
            tables = file.tables(namespace or {}, edited.get(_variable_name(label), label))
            return [replace(table, update_reference=self.update_reference) for table in tables]
        return list(self._tables(file.source, file.parts, self.skeleton.files.get(name, 1)))

    def _tables(self, source: Source, parts: Sequence[Part], line: int) -> Iterator[DumpedTable]:
        assert self.skeleton is not None
        style = YIELDED if self.path is None else SAVED
        missing = frozenset(IMPORTED) - self.skeleton.bound
        for name, run in _parts_by_function(parts):
            function, listed_at = self.skeleton.functions[name], self.source.place(line)
            table = DumpedTable(function, source, run, self.source, listed_at, style, missing)
            yield replace(table, update_reference=self.update_reference)

    @cached_property
    def update_reference(self) -> Callable[[Natural], Natural] | None:
        """The function that updates references to edited labels, or None if there are none."""
        return label_updater(self.sketch.models) if self.sketch else None

    @property
    def entries(self) -> Sequence[TableEntry]:
        """The tables in the manifest."""
        return self.manifest.tables if self.manifest else ()

    @property
    def unlisted(self) -> list[TableEntry]:
        """The tables with files that ``TABLES`` does not list."""
        listed = self.skeleton.files if self.skeleton else self.files
        return [entry for entry in self.entries if entry.rows and not _names(entry) <= {*listed}]

    def left_out(self) -> Iterator[str]:
        """Yield a sentence for each table or field that the skeleton leaves out.

        For a program, these are the fields whose parameters its create functions do not use.
        """
        if self.sketch is None:
            return
        for entry in () if self.is_program else self.unlisted:
            reason = f"{entry.model} is not listed in TABLES, or not all of it"
            yield left_out(f"{self.source.place()}: {reason}", entry.rows)
        for section in self.sketch.unlisted:
            if count := sum(part.rows for part in section.parts):
                place = self.source.place(section.line)
                yield left_out(f"{place}: {section.name} is not listed in objects()", count)
        for name, count in (+self.row_counts()).items():
            function = self.sketch.functions.get(name)
            if function is None:
                continue
            place = self.source.place(function.line)
            if function.drops:
                yield left_out(f"{place}: {name} returns nothing", count)
            elif function.unused:
                yield left_out(f"{place}: {function.model}", count, function.unused)

    def row_counts(self) -> Counter[str]:
        """Return the number of rows that call each create function."""
        counts: Counter[str] = Counter()
        for table in self.tables:
            counts[table.function.name] += table.row_count
        outlines = [self.outline, *(file.outline for file in self.files.values())]
        for outline in outlines if self.is_program else ():
            for block in outline.blocks if outline is not None else ():
                counts[block.function] += block.rows
        return counts

    def verify(self) -> Iterator[FixtureError]:
        """Yield an error for each file of a directory dump that differs from the manifest."""
        if self.path is None:
            return
        expected = {*self.files, RESTORE, manifests.NAME, _PYCACHE}
        for path in sorted(self.path.iterdir()):
            # A restore.py that is run would import other modules from its directory.
            is_importable = path.is_dir() or path.name.endswith(_MODULE_SUFFIXES)
            if path.name not in expected and is_importable:
                hint = "Move it out of the directory."
                yield FixtureError(Place(str(path)), "it is not in the manifest.", hint)
        for entry in (file for table in self.entries for file in table.files):
            error = self._file_error(entry)
            if error is not None:
                yield error

    def _file_error(self, entry: FileEntry) -> FixtureError | None:
        """Read a table file; return the error for it, or None."""
        file, parts_error = self.files[entry.name], None
        try:
            _ = file.parts
        except FixtureError as error:
            parts_error = error
        try:
            reason = _difference(entry_of(file.source), entry, file.source)
        except FixtureError as error:
            return error
        if reason is None:
            return parts_error
        return FixtureError(file.source.place(), reason, _RESEAL.format(self.path))


def _parts_by_function(parts: Sequence[Part]) -> Iterator[tuple[str, tuple[Part, ...]]]:
    """Yield the create function of parts, and the consecutive parts that call it."""
    return ((name, tuple(run)) for name, run in groupby(parts, key=lambda part: part.function))


def left_out(what: str, count: int, fields: Sequence[str] = ()) -> str:
    """Return the sentence that a number of rows, or their values of some fields, are left out."""
    verb = "is" if len(fields) == 1 else "are"
    return f"{what}: {', '.join(fields) or 'its rows'} {verb} left out ({counted(count, 'row')})."


def _names(entry: TableEntry) -> set[str]:
    return {file.name for file in entry.files}


def open(file: object, *, damages: list[FixtureError] | None = None) -> Dump:
    """Open a dump, which may be a path, a stream, text or bytes, without running it.

    Raises ``FixtureError`` for a damaged dump, and for code in a dump that is data. With a list of
    ``damages``, the errors of table files are added to the list instead.
    """
    if isinstance(file, Path) and file.is_dir():
        dump = _open_directory(file)
        for error in dump.verify():
            if damages is None:
                raise error
            damages.append(error)
            dump.damaged.add(Path(error.place.file).name)
        return dump
    source = open_source(file)
    try:
        return _open_file(source)
    except BaseException:
        source.close()
        raise


def outline_of(source: Source, style: RowStyle) -> Outline:
    """Return the outline of a dump; raises ``FixtureError``."""
    limit = configuration().max_skeleton_bytes
    with _locating_errors(source):
        return split(source.lines(), style, limit=limit)


@contextmanager
def _locating_errors(source: Source) -> Iterator[None]:
    """Convert errors of the text inside the block to errors with a place."""
    try:
        yield
    except NotData as error:
        reason = f"{error.reason} {_NO_CODE}"
        raise FixtureError(source.place(error.line), reason, PROGRAM_HINT) from error
    except TextError as error:
        raise FixtureError(source.place(error.line), error.reason) from error


def _read_skeleton(source: Source, style: RowStyle) -> tuple[Outline, Skeleton | None]:
    outline = outline_of(source, style)
    if outline.is_program:
        return outline, None
    with _locating_errors(source):
        return outline, interpret(outline, style)


def _open_file(source: Source) -> Dump:
    first = source.first_line()
    if first.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise FixtureError(source.place(1), "it is UTF-16.", "Save it as UTF-8.")
    if is_program(first) is None:
        _require_program(source)
        return Dump(source)
    if source.path and dump_directory(source.path) is not None:
        directory = Path(source.name).parent
        hint = (
            f"To restore it: manage.py restore {directory}; to restore single rows: manage.py "
            f"repair {directory} app_label.ModelName pk"
        )
        raise FixtureError(source.place(), "it belongs to a directory dump.", hint)
    try:
        outline, skeleton = _read_skeleton(source, YIELDED)
    except FixtureError as error:
        if _DIRECTORY_LINES.search(source.text(configuration().max_skeleton_bytes)) is None:
            raise
        hint = "To restore it with the other files: manage.py restore DIRECTORY"
        raise FixtureError(source.place(), "it belongs to a directory dump.", hint) from error
    return Dump(source, skeleton, outline)


def _require_program(source: Source) -> None:
    """Raise ``FixtureError`` for a dump without its first line, and for other formats."""
    start = source.text(configuration().max_skeleton_bytes)
    if not start.strip():
        raise FixtureError(source.place(1), "it is empty.")
    if _DUMP_LINES.search(start) is not None:
        # split() raises the error of a dump without its first line.
        with _locating_errors(source):
            split(source.lines())
    if b"\0" in start:
        raise FixtureError(source.place(1), "it contains NUL bytes, so it is not a text file.")
    if start.lstrip()[:1] in (b"[", b"{", b"<"):
        hint = "Name it as its format, or make a dump in Python with dumpdata --format=py."
        raise FixtureError(source.place(1), "it is JSON or XML, not Python.", hint)


def _open_directory(path: Path) -> Dump:
    manifest = read_manifest(path)
    source = file_source(path / RESTORE)
    outline, skeleton = _read_skeleton(source, SAVED)
    is_edited = _difference(entry_of(source), manifest.restore, source) is not None
    functions = skeleton.functions if skeleton else None
    names = [file.name for table in manifest.tables for file in table.files]
    files = {name: DumpFile(file_source(path / name), functions) for name in names}
    return Dump(source, skeleton, outline, path, manifest, is_edited, files)


def read_manifest(path: Path) -> Manifest:
    """Return the manifest of a directory dump; raises ``FixtureError``."""
    place = Place(str(path / manifests.NAME))
    if not os.path.lexists(path / manifests.NAME):
        raise FixtureError(Place(str(path)), f"it is not a dump: it has no {manifests.NAME}.")
    hint = "Every complete directory dump has one."
    try:
        with open_plain(path / manifests.NAME) as file:
            data = file.read(_MAX_MANIFEST_BYTES + 1)
        if len(data) > _MAX_MANIFEST_BYTES:
            raise FixtureError(place, f"it has more than {_MAX_MANIFEST_BYTES} bytes.")
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
    """Return the current size and digest of a file; raises ``FixtureError``."""
    source.read_all()
    return FileEntry(Path(source.name).name, source.size, source.sha256.hexdigest())


def _difference(current: FileEntry, entry: FileEntry, source: Source) -> str | None:
    """Return how a file differs from its entry in the manifest, or None."""
    if current == entry:
        return None
    if source.first_line().endswith(b"\r\n"):
        return "its lines end with CRLF (from git or an editor): it is damaged or edited."
    if current.size != entry.size:
        return f"it has {current.size} bytes, the manifest says {entry.size}: damaged or edited."
    return "its content does not match the manifest: it is damaged or edited."
