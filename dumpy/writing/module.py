"""A dump as one Python module."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from dumpy.text.emit import (
    ROW_SUFFIX,
    ModelNames,
    Names,
    create_function,
    head,
    model_line,
    objects_function,
    row_prefix,
    section_head,
    tail,
)
from dumpy.writing.rows import RowWriter, Shape, Values


class ModuleWriter:
    """Writes a dump through ``write``, a section per run of rows of one table; holds no rows.

    Use: ``begin()``, then ``section()`` for every run, then ``end()``.
    """

    def __init__(self, write: Callable[[str], object], *, ascii_only: bool = False) -> None:
        self._write = write
        self._ascii_only = ascii_only
        self._names = Names()
        self._known: dict[tuple[str, tuple[str, ...]], ModelNames] = {}
        self._sections: list[str] = []

    def begin(
        self,
        description: str,
        version: str | None = None,
        migrations: Mapping[str, str] | None = None,
    ) -> None:
        """Write everything before the first table."""
        self._write(head(description, version, migrations or {}))

    def section(self, shape: Shape, chunks: Iterable[list[Values]], using: str) -> int:
        """Write rows of one table and return how many there were; nothing for an empty table."""
        writer = RowWriter(shape, using, ascii_only=self._ascii_only)
        count = 0
        prefix = ""
        for chunk in chunks:
            if not chunk:
                continue
            prefix = prefix or self._open(shape)
            lines = [f"{prefix}{arguments}{ROW_SUFFIX}\n" for arguments in writer.arguments(chunk)]
            self._write("".join(lines))
            count += len(chunk)
        return count

    def end(self) -> None:
        """Write ``objects()`` and the line that says that the dump is complete."""
        self._write(objects_function(self._sections))
        self._write(tail())

    def _open(self, shape: Shape) -> str:
        names = self._create_function(shape)
        section = self._names.section(names)
        self._sections.append(section)
        self._write(section_head(section))
        return row_prefix(names.create)

    def _create_function(self, shape: Shape) -> ModelNames:
        identity = (shape.table.label, tuple(shape.names))
        if identity not in self._known:
            meta = shape.table.model._meta
            names = self._names.for_model(meta.app_label, meta.object_name or "")
            parameters = self._names.parameters(shape.names, names.variable)
            self._write(model_line(names.variable, shape.table.label))
            self._write(create_function(names, list(zip(parameters, shape.names, strict=True))))
            self._known[identity] = names
        return self._known[identity]
