"""Running a fixture that is a program, and the objects that it gives."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import chain, starmap
from types import CodeType, GeneratorType, ModuleType, TracebackType
from typing import Any

from django.db.models import Model

from dumpy.errors import DumpyError, FixtureError, Place, counted, sentence
from dumpy.reading.dump import Dump, row_lines, without_comments
from dumpy.reading.source import announce, execution_hint
from dumpy.text.outline import FIRST_LINE, YIELDED, Extent, FormatError, parse
from dumpy.text.scanner import RowError, RowIsCode, RowScanner
from dumpy.text.skeleton import migrations_in, models_in
from dumpy.text.words import NAMES

_LARGEST = 64 * 2**20
_ROWS = "__dumpy_rows__"

Placed = tuple[Any, Place]


class FlushDeferredObjects:
    """Yield this class, or an instance of it, from ``objects()`` to try deferred objects again."""


class Program:
    """A fixture that is run: ``objects()`` yields what its own ``objects()`` gives, with places.

    Raises ``FixtureError`` if it is not a fixture, or may not be run.
    """

    def __init__(self, dump: Dump) -> None:
        self.source = dump.source
        self._filename = dump.source.path or dump.source.name
        self._blocks = dump.outline.blocks if dump.outline is not None else ()
        self._row_line: int | None = None
        self._dropped: Counter[str] = Counter()
        self._module = ModuleType(f"dumpy_fixture_{id(self)}")
        hint = execution_hint(self.source.path)
        if hint is not None:
            reason = f"the first line is not {FIRST_LINE!r}, so it is a program, not a dump."
            raise FixtureError(self.source.place(1), reason, hint)
        self._code = self._compiled(dump)

    def run(self) -> dict[str, Any]:
        """Run all of the program but its ``objects()``, and return its globals.

        Raises ``FixtureError`` with the line for an exception in the program.
        """
        with self._running() as namespace:
            return namespace

    def objects(self, note: Callable[[str], object] = lambda sentence: None) -> Iterator[Placed]:
        """Run the program; yields model instances and ``FlushDeferredObjects``.

        ``note`` gets a sentence for dropped rows of a dump. Raises ``FixtureError`` with the
        line for an exception in the program, and for anything that is no object.
        """
        with self._running() as namespace:
            with self._blamed():
                given = namespace["objects"]()
            yield from self._flat(given, self.source.place())
        for function, rows in self._dropped.items():
            note(f"{function}: dropped {counted(rows, 'row')}.")

    @contextmanager
    def _running(self) -> Iterator[dict[str, Any]]:
        namespace = self._module.__dict__
        # dataclasses and pickle look a class up in the module that it says it is from.
        sys.modules[self._module.__name__] = self._module
        try:
            if _ROWS not in namespace:
                announce(self.source.name)
                namespace.update({"__file__": self._filename, _ROWS: self._rows})
                with self._blamed():
                    exec(self._code, namespace)
            yield namespace
        finally:
            del sys.modules[self._module.__name__]

    def _compiled(self, dump: Dump) -> CodeType:
        with self._blamed():
            tree = tree_of(dump)
        if not any("objects" in _bound(statement) for statement in tree.body):
            raise FixtureError(
                self.source.place(),
                "it does not define objects(), so it is not a fixture. It was not run.",
                "Write a function objects() that yields model instances.",
            )
        with self._blamed():
            return compile(tree, self._filename, "exec", dont_inherit=True)

    def _flat(self, given: Any, place: Place) -> Iterator[Placed]:
        if given is None:
            return
        if isinstance(given, Model | FlushDeferredObjects) or given is FlushDeferredObjects:
            yield given, place
        elif isinstance(given, str | bytes | dict) or not isinstance(given, Iterable):
            raise FixtureError(
                place,
                f"objects() gives {given!r:.60} ({type(given).__name__}), which is not an object.",
                "Yield model instances, lists or generators of them, FlushDeferredObjects or None.",
            )
        else:
            yield from self._each(given, place)

    def _each(self, given: Iterable[Any], place: Place) -> Iterator[Placed]:
        with self._blamed():
            iterator = iter(given)
        while True:
            with self._blamed():
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield from self._flat(item, self._place_of(iterator) or place)

    def _place_of(self, iterator: object) -> Place | None:
        """The line at which a generator has yielded."""
        if not isinstance(iterator, GeneratorType):
            return None
        inner: Any = iterator
        while isinstance(inner.gi_yieldfrom, GeneratorType):
            inner = inner.gi_yieldfrom
        if inner.gi_code is Program._rows.__code__:
            return self.source.place(self._row_line)
        if inner.gi_code.co_filename == self._filename and inner.gi_frame is not None:
            return self.source.place(inner.gi_frame.f_lineno)
        return None

    def _rows(self, number: int) -> Iterator[Any]:
        """Yield what the rows of a block become; the placeholder in the skeleton calls this."""
        block = self._blocks[number]
        create = self._create_function(block)
        scanner = RowScanner(YIELDED, block.function)
        namespace = self._module.__dict__
        # Whether the words of a row mean what they mean in rows that are data.
        is_plain = all(namespace.get(name, word) is word for name, word in NAMES.items())
        chunks = starmap(without_comments, row_lines(self.source, block))
        for line, text in chain.from_iterable(chunks):
            self._row_line = line
            values = None
            try:
                values = scanner.scan(text)
            except RowIsCode:
                pass
            except RowError as error:
                raise FixtureError(self.source.place(line), error.reason) from error
            is_code = values is None or not is_plain
            for one in self._run_row(line, text) if is_code else self._call(create, values or ()):
                if one is None:
                    self._dropped[block.function] += 1
                yield one

    def _create_function(self, block: Extent) -> Any:
        names = [name for name in self._module.__dict__ if name.startswith("create_")]
        if block.function in names:
            return self._module.__dict__[block.function]
        similar = get_close_matches(block.function, names, 1)
        hint = f"Did you mean {similar[0]}?" if similar else ""
        reason = f"there is no function {block.function}."
        raise FixtureError(self.source.place(block.first_line), reason, hint)

    def _call(self, create: Any, values: tuple[object, ...]) -> Sequence[Any]:
        try:
            return (create(*values),)
        except Exception as error:
            raise FixtureError(self.source.place(self._row_line), sentence(error)) from error

    def _run_row(self, line: int, text: str) -> Sequence[Any]:
        """Run a row that is code, alone; return what it yields."""
        defined: dict[str, Any] = {}
        with self._blamed():
            tree = ast.parse(f"def row():\n{text}\n")
            ast.increment_lineno(tree, line - 2)
            exec(compile(tree, self._filename, "exec"), self._module.__dict__, defined)
            return list(defined["row"]())

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        """Turn an exception of the program into an error that names the line."""
        try:
            yield
        except DumpyError:
            raise
        except SyntaxError as error:
            place = self.source.place(error.lineno)
            raise FixtureError(place, f"{error.msg}.") from error
        except (Exception, SystemExit) as error:
            line = self._line_of(error.__traceback__)
            raise FixtureError(self.source.place(line), sentence(error)) from error

    def _line_of(self, traceback: TracebackType | None) -> int | None:
        line = None
        while traceback is not None:
            if traceback.tb_frame.f_code.co_filename == self._filename:
                line = traceback.tb_lineno
            traceback = traceback.tb_next
        return line


def tree_of(dump: Dump) -> ast.Module:
    """Return the syntax tree of a program; raises ``FixtureError`` and ``SyntaxError``."""
    source = dump.source
    if dump.outline is not None:
        try:
            return parse(dump.outline)
        except FormatError as error:
            raise FixtureError(source.place(error.line), error.reason) from error
    text = source.text(_LARGEST)
    if len(text) > _LARGEST:
        raise FixtureError(
            source.place(),
            f"a program of more than {_LARGEST} bytes is not run.",
            "A fixture of this size should be a dump: dumpdata --format=py.",
        )
    return ast.parse(text, source.path or source.name)


def labels_in(dump: Dump) -> list[str]:
    """Return the models that a program names, which is not run for it."""
    return list(dict.fromkeys(models_in(tree_of(dump))))


def migrations_named(dump: Dump) -> dict[str, str]:
    """Return the newest migrations that a program names, which is not run for it."""
    return migrations_in(tree_of(dump))


def _bound(statement: ast.stmt) -> set[str]:
    """The names that a statement binds at module level, those in its branches included."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        return {statement.name}
    return {
        name
        for node in ast.walk(statement)
        for name in (getattr(node, field, None) for field in ("id", "name", "asname"))
        if name
    }
