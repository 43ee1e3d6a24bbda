"""Run a fixture that is a program, and yield its objects."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, starmap
from types import CodeType, GeneratorType, ModuleType
from typing import Any

from django.db.models import Model

from dumpy.errors import (
    DumpyError,
    FixtureError,
    Place,
    code_hint,
    counted,
    line_of,
    sentence,
    suggestion,
)
from dumpy.reading.dump import Dump, map_references, row_lines, without_comments
from dumpy.reading.source import announce, execution_hint
from dumpy.schema.instances import dumped_row
from dumpy.text.outline import FIRST_LINE, YIELDED, Extent, parse
from dumpy.text.parsing import FormatError
from dumpy.text.scanner import RowError, RowIsCode, RowScanner
from dumpy.text.skeleton import models_in
from dumpy.text.words import NAMES, Natural

_MAX_BYTES = 64 * 2**20
_ROWS_NAME = "__dumpy_rows__"

Placed = tuple[Any, Place]


class FlushDeferredObjects:
    """Yield this class, or an instance of it, from ``objects()`` to try deferred objects again."""


class Program:
    """A fixture that is run.

    Raises ``FixtureError`` if it is not a fixture, or may not run.
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
        self._code = self._compile(dump)
        self._update_reference = dump.update_reference

    def run(self) -> dict[str, Any]:
        """Run the program without its ``objects()``; return its globals.

        An exception in the program is raised as a ``FixtureError`` with its line.
        """
        with self._running() as namespace:
            return namespace

    def objects(self, note: Callable[[str], object] = lambda sentence: None) -> Iterator[Placed]:
        """Run the program; yield model instances and ``FlushDeferredObjects`` with their places.

        ``note`` receives a sentence for each create function that has dropped rows. An exception in
        the program is raised as a ``FixtureError`` with its line.
        """
        with self._running() as namespace:
            with self._locating_errors():
                objects = namespace["objects"]()
            yield from self._flatten(objects, self.source.place())
        for function, count in self._dropped.items():
            note(f"{function}: dropped {counted(count, 'row')}.")

    @contextmanager
    def _running(self) -> Iterator[dict[str, Any]]:
        namespace = self._module.__dict__
        # dataclasses and pickle find a class by the name of its module.
        sys.modules[self._module.__name__] = self._module
        try:
            if _ROWS_NAME not in namespace:
                announce(self.source.name)
                namespace.update({"__file__": self._filename, _ROWS_NAME: self._rows})
                with self._locating_errors():
                    exec(self._code, namespace)
            yield namespace
        finally:
            del sys.modules[self._module.__name__]

    def _compile(self, dump: Dump) -> CodeType:
        with self._locating_errors():
            tree = syntax_tree(dump)
        if not any("objects" in _bound_names(statement) for statement in tree.body):
            raise FixtureError(
                self.source.place(),
                "it does not define objects(), so it is not a fixture. It was not run.",
                "Write a function objects() that yields model instances.",
            )
        with self._locating_errors():
            return compile(tree, self._filename, "exec", dont_inherit=True)

    def _flatten(self, value: Any, place: Place) -> Iterator[Placed]:
        if value is None:
            return
        if isinstance(value, Model):
            _update_references(value, self._update_reference)
            yield value, place
        elif isinstance(value, FlushDeferredObjects) or value is FlushDeferredObjects:
            yield value, place
        elif isinstance(value, str | bytes | dict) or not isinstance(value, Iterable):
            raise FixtureError(
                place,
                f"objects() gives {value!r:.60} ({type(value).__name__}), which is not an object.",
                "Yield model instances, lists or generators of them, FlushDeferredObjects or None.",
            )
        else:
            yield from self._iterate(value, place)

    def _iterate(self, items: Iterable[Any], place: Place) -> Iterator[Placed]:
        with self._locating_errors():
            iterator = iter(items)
        while True:
            with self._locating_errors():
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield from self._flatten(item, self._place_of(iterator) or place)

    def _place_of(self, iterator: object) -> Place | None:
        """Return the place of the ``yield`` at which a generator is suspended, or None."""
        if not isinstance(iterator, GeneratorType):
            return None
        generator: Any = iterator
        while isinstance(generator.gi_yieldfrom, GeneratorType):
            generator = generator.gi_yieldfrom
        if generator.gi_code is Program._rows.__code__:
            return self.source.place(self._row_line)
        if generator.gi_code.co_filename == self._filename and generator.gi_frame is not None:
            return self.source.place(generator.gi_frame.f_lineno)
        return None

    def _rows(self, number: int) -> Iterator[Any]:
        """Yield the objects of the rows of a block; the outline calls this in place of the rows."""
        block = self._blocks[number]
        create = self._create_function(block)
        scanner = RowScanner(YIELDED, block.function)
        namespace = self._module.__dict__
        # The program may have bound other values to the words of the vocabulary.
        has_words = all(namespace.get(name, word) is word for name, word in NAMES.items())
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
            is_code = values is None or not has_words
            for item in self._run_row(line, text) if is_code else self._call(create, values or ()):
                if item is None:
                    self._dropped[block.function] += 1
                yield item

    def _create_function(self, block: Extent) -> Any:
        names = [name for name in self._module.__dict__ if name.startswith("create_")]
        if block.function in names:
            return self._module.__dict__[block.function]
        reason = f"there is no function {block.function}."
        hint = suggestion(block.function, names)
        raise FixtureError(self.source.place(block.first_line), reason, hint)

    def _call(self, create: Any, values: tuple[object, ...]) -> Sequence[Any]:
        try:
            return (create(*values),)
        except Exception as error:
            place, hint = self.source.place(self._row_line), code_hint(error, create)
            raise FixtureError(place, sentence(error), hint) from error

    def _run_row(self, line: int, text: str) -> Sequence[Any]:
        """Run a row as code; return the values that it yields."""
        variables: dict[str, Any] = {}
        with self._locating_errors():
            tree = ast.parse(f"def row():\n{text}\n")
            ast.increment_lineno(tree, line - 2)
            exec(compile(tree, self._filename, "exec"), self._module.__dict__, variables)
            return list(variables["row"]())

    @contextmanager
    def _locating_errors(self) -> Iterator[None]:
        """Convert exceptions of the program inside the block to errors with a place."""
        try:
            yield
        except DumpyError:
            raise
        except SyntaxError as error:
            place = self.source.place(error.lineno)
            raise FixtureError(place, f"{error.msg}.") from error
        except (Exception, SystemExit) as error:
            line = line_of(error, self._filename)
            raise FixtureError(self.source.place(line), sentence(error)) from error


def syntax_tree(dump: Dump) -> ast.Module:
    """Return the syntax tree of a program; raises ``FixtureError`` and ``SyntaxError``."""
    source = dump.source
    if dump.outline is not None:
        try:
            return parse(dump.outline)
        except FormatError as error:
            raise FixtureError(source.place(error.line), error.reason) from error
    text = source.text(_MAX_BYTES)
    if len(text) > _MAX_BYTES:
        raise FixtureError(
            source.place(),
            f"a program of more than {_MAX_BYTES} bytes is not run.",
            "A fixture of this size should be a dump: dumpdata --format=py.",
        )
    return ast.parse(text, source.path or source.name)


def _update_references(instance: Model, update: Callable[[Natural], Natural] | None) -> None:
    """Update the references by natural key of an instance that ``new`` has made."""
    row = dumped_row(instance)
    if row is not None and update is not None:
        row.references = {name: update(natural) for name, natural in row.references.items()}
        row.links = {name: map_references(links, update) for name, links in row.links.items()}


def labels_in(dump: Dump) -> list[str]:
    """Return the labels of the models that a program names, without running it."""
    return list(dict.fromkeys(models_in(syntax_tree(dump))))


def _bound_names(statement: ast.stmt) -> set[str]:
    """Return the names that a statement of a module binds, also in its branches."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        return {statement.name}
    return {
        name
        for node in ast.walk(statement)
        for name in (getattr(node, field, None) for field in ("id", "name", "asname"))
        if name
    }
