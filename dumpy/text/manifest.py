"""`manifest.json`: what a directory holds, and how to tell that it is whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

NAME = "manifest.json"
RESTORE = "restore.py"
FORMAT = 1


class ManifestError(ValueError):
    """A text that is no manifest, or one that somebody has edited; `reason` says which."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class FileEntry:
    """A file of the directory: its size in bytes and the SHA-256 of its bytes, in hexadecimal."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class TableEntry:
    """A table: its rows, the SHA-256 of their values, the tables in the database, and its files.

    `fields` are the names in the rows; `digest` is that of the text of the rows without the
    names of their create functions, a line for each.
    """

    model: str
    rows: int
    digest: str
    fields: tuple[str, ...]
    db_tables: tuple[str, ...]
    files: tuple[FileEntry, ...]


@dataclass(frozen=True)
class Manifest:
    """A directory: versions, migrations, tables in the order of loading, and what is left out.

    `content_types` are the primary keys of the content types of the source, by label.
    """

    dumpy: str
    django: str
    version: str | None
    migrations: Mapping[str, str]
    restore: FileEntry
    tables: tuple[TableEntry, ...]
    left_out: Mapping[str, str]
    content_types: Mapping[str, int] = field(default_factory=dict)


def to_text(manifest: Manifest) -> str:
    """Return a manifest as JSON, sealed with the SHA-256 of its own content."""
    content = {"format": FORMAT, **asdict(manifest)}
    return json.dumps({**content, "seal": _seal(content)}, indent=1) + "\n"


def from_text(text: str) -> Manifest:
    """Return the manifest that `to_text` has written; raises ManifestError."""
    try:
        content = json.loads(text)
        seal = content.pop("seal")
        found = content.pop("format")
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise ManifestError("it is no manifest of a dump, or not a whole one.") from error
    if found != FORMAT:
        raise ManifestError(f"its format is {found!r}; to read it, a newer dumpy is needed.")
    if seal != _seal({"format": found, **content}):
        raise ManifestError("it was edited or damaged: it does not agree with its own seal.")
    return _manifest(content)


def digest() -> Any:
    """Return a new hash object, of the kind that manifests hold."""
    return hashlib.sha256()


def _seal(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _manifest(content: Mapping[str, Any]) -> Manifest:
    tables = tuple(_table(entry) for entry in content["tables"])
    restore = FileEntry(**content["restore"])
    return Manifest(**{**content, "tables": tables, "restore": restore})


def _table(entry: Mapping[str, Any]) -> TableEntry:
    files = tuple(FileEntry(**file) for file in entry["files"])
    names = {name: tuple(entry[name]) for name in ("fields", "db_tables")}
    return TableEntry(**{**entry, **names, "files": files})
