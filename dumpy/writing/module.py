"""A dump as one Python module."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from dumpy.errors import DumpFailed
from dumpy.text.emit import (
    ModelNames,
    Names,
    create_function,
    head,
    model_line,
    objects_function,
    section_head,
    tail,
)
from dumpy.text.outline import YIELDED, FormatError, check_skeleton
from dumpy.writing.rows import Page, RowWriter, Shape


class ModuleWriter:
    """Writes a dump through ``write``, a section per run of rows of one table; holds no rows.

    Use: ``begin()``, then ``section()`` for every run, then ``end()``.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._names = Names()
        self._known: dict[tuple[str, tuple[str, ...]], ModelNames] = {}
        self._sections: list[str] = []
        self._skeleton: list[str] = []

    def begin(
        self,
        description: str,
        version: str | None = None,
        migrations: Mapping[str, str] | None = None,
    ) -> None:
        """Write everything before the first table."""
        self._write_skeleton(head(description, version, migrations or {}))

    def section(self, writer: RowWriter, pages: Iterable[Page]) -> int:
        """Write rows of one table and return how many there were; nothing for an empty table."""
        count = 0
        prefix = ""
        for page in pages:
            prefix = prefix or self._open(writer.shape)
            lines = [
                f"{prefix}{arguments}{YIELDED.suffix}\n" for arguments in writer.arguments(page)
            ]
            self._write("".join(lines))
            count += len(page.keys)
        return count

    def commented(self, shape: Shape, rows: Iterable[tuple[str, str]]) -> None:
        """Write rows of one table: pairs of a comment, and the arguments of the call below it."""
        prefix = self._open(shape)
        for comment, arguments in rows:
            self._write(f"    # {comment}\n{prefix}{arguments}{YIELDED.suffix}\n")

    def end(self) -> None:
        """Write ``objects()`` and the line that says that the dump is complete.

        Raises ``DumpFailed`` if it could not be read.
        """
        self._write_skeleton(objects_function(self._sections))
        require_readable("".join(self._skeleton), "Dump each app separately, or use dump2py.")
        self._write(tail())

    def _write_skeleton(self, text: str) -> None:
        self._skeleton.append(text)
        self._write(text)

    def _open(self, shape: Shape) -> str:
        names = self._create_function(shape)
        section = self._names.section(names)
        self._sections.append(section)
        self._write_skeleton(section_head(section))
        return YIELDED.prefix(names.create)

    def _create_function(self, shape: Shape) -> ModelNames:
        identity = (shape.table.label, tuple(shape.names))
        if identity not in self._known:
            meta = shape.table.model._meta
            names = self._names.for_model(meta.app_label, meta.object_name or "")
            parameters = self._names.parameters(shape.names, names.variable)
            fields = list(zip(parameters, shape.names, strict=True))
            self._write_skeleton(model_line(names.variable, shape.table.label))
            self._write_skeleton(create_function(names, fields))
            self._known[identity] = names
        return self._known[identity]


def require_readable(skeleton: str, hint: str) -> None:
    """Raise ``DumpFailed`` for a skeleton that would be too much to be read."""
    try:
        check_skeleton(skeleton)
    except FormatError as error:
        raise DumpFailed(f"The dump could not be read again: {error.reason} {hint}") from error
