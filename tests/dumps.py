"""Dumps that tests write or edit: of other schemas than today's, and sealed as somebody could."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dumpy.text import manifest as manifests
from dumpy.text.emit import (
    Names,
    head,
    objects_function,
    section_head,
)
from dumpy.text.manifest import FileEntry, Manifest
from dumpy.text.outline import YIELDED
from dumpy.text.words import source


@dataclass(frozen=True)
class Rows:
    """Rows of one model, each a tuple of values or the source of its arguments."""

    label: str
    fields: list[str]
    rows: tuple[Any, ...]


def rows(label: str, fields: str, *values: str | tuple[Any, ...]) -> Rows:
    """Return rows of a model with the fields that are named, with blanks between."""
    return Rows(label, fields.split(), values)


def module(
    *tables: Rows,
    version: str | None = None,
    description: str = "Rows of a test.",
    migrations: Mapping[str, str] | None = None,
) -> str:
    """Return the text of a dump with these rows, as dumpy writes it."""
    names, sections = Names(), []
    text = head(description, version, migrations or {})
    for table in tables:
        model = names.for_model(*table.label.split("."))
        section = names.section(model)
        sections.append(section)
        text += names.declaration(model, table.label, table.fields)
        text += section_head(section)
        lines = [f"{YIELDED.prefix(model.create)}{_arguments(row)})\n" for row in table.rows]
        text += "".join(lines) or "    return\n"
    return text + objects_function(sections)


def write(path: Path, *tables: Rows, version: str | None = None) -> Path:
    """Write a dump with these rows, and return its path."""
    path.write_text(module(*tables, version=version), encoding="utf-8")
    return path


def _arguments(row: str | tuple[Any, ...]) -> str:
    return row if isinstance(row, str) else ", ".join(map(source, row))


def calls(text: str) -> list[str]:
    """Return the calls of a dump, without what is common to all."""
    return [
        line.strip().removeprefix("yield create_")
        for line in text.splitlines()
        if line.startswith("    yield create_")
    ]


def files(path: Path) -> dict[str, bytes]:
    """Return the bytes of a file, or of each file below a directory, by where it is."""
    found = [path, *path.rglob("*")]
    return {str(one.relative_to(path)): one.read_bytes() for one in found if one.is_file()}


def resealed(path: Path, *edited: str) -> None:
    """Let the manifest agree with files that were edited, as somebody could who knows how."""
    manifest = manifests.from_text((path / manifests.NAME).read_text(encoding="utf-8"))
    tables = tuple(
        replace(table, files=tuple(_entry(path, file, edited) for file in table.files))
        for table in manifest.tables
    )
    write_manifest(path, replace(manifest, tables=tables))


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write a manifest with its seal."""
    (path / manifests.NAME).write_text(manifests.to_text(manifest), encoding="utf-8")


def _entry(path: Path, file: FileEntry, edited: tuple[str, ...]) -> FileEntry:
    if file.name not in edited:
        return file
    data = (path / file.name).read_bytes()
    digest = manifests.digest()
    digest.update(data)
    return FileEntry(file.name, len(data), digest.hexdigest())
