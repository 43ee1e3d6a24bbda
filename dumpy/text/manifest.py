"""`manifest.json`: what a directory holds, and how to tell that it is whole."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

NAME = "manifest.json"
RESTORE = "restore.py"
FORMAT = 1
_MAX_PARTS = 300_000
_NONE = "it is no manifest of a dump, or not a whole one."
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.py")


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
    if sum(map(text.count, "[{,")) > _MAX_PARTS:
        raise ManifestError(f"it has more than {_MAX_PARTS} parts.")
    try:
        content = json.loads(text)
        seal = content.pop("seal")
        found = content.pop("format")
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise ManifestError(_NONE) from error
    if found != FORMAT:
        raise ManifestError(f"its format is {found!r:.100}; to read it, a newer dumpy is needed.")
    if seal != _seal({"format": found, **content}):
        raise ManifestError("it was edited or damaged: it does not agree with its own seal.")
    # Manifests of 0.1 do not say it.
    return _manifest({"content_types": {}, **content})


def digest() -> Any:
    """Return a new hash object, of the kind that manifests hold."""
    return hashlib.sha256()


def _seal(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _manifest(content: object) -> Manifest:
    values = _checked(content, _MANIFEST)
    tables = tuple(map(_table, values["tables"]))
    names = [file.name for table in tables for file in table.files]
    if len(set(names)) < len(names):
        raise ManifestError("it names a file twice.")
    return Manifest(**{**values, "tables": tables, "restore": _file(values["restore"])})


def _table(entry: object) -> TableEntry:
    values = _checked(entry, _TABLE)
    names = {name: tuple(values[name]) for name in ("fields", "db_tables")}
    return TableEntry(**{**values, **names, "files": tuple(map(_file, values["files"]))})


def _file(entry: object) -> FileEntry:
    values = _checked(entry, _FILE)
    if not _PLAIN.fullmatch(values["name"]):
        raise ManifestError(f"it names {values['name']!r:.100}, which is no file of a dump.")
    return FileEntry(**values)


def _checked(entry: object, checks: Mapping[str, Callable[[Any], bool]]) -> dict[str, Any]:
    """The values of an entry, all of which are there and of their types."""
    if not isinstance(entry, dict) or entry.keys() != checks.keys():
        raise ManifestError(_NONE)
    if not all(check(entry[name]) for name, check in checks.items()):
        raise ManifestError(_NONE)
    return entry


def _is_text(value: object) -> bool:
    return type(value) is str


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _are_texts(value: object) -> bool:
    return type(value) is list and all(map(_is_text, value))


def _is_mapping(value: object) -> bool:
    return type(value) is dict and all(map(_is_text, value.values()))


_FILE = {"name": _is_text, "size": _is_count, "sha256": _is_text}
_TABLE = {
    "model": _is_text,
    "rows": _is_count,
    "digest": _is_text,
    "fields": _are_texts,
    "db_tables": _are_texts,
    "files": lambda value: type(value) is list,
}
_MANIFEST = {
    "dumpy": _is_text,
    "django": _is_text,
    "version": lambda value: value is None or _is_text(value),
    "migrations": _is_mapping,
    "restore": lambda value: True,
    "tables": lambda value: type(value) is list,
    "left_out": _is_mapping,
    "content_types": lambda value: type(value) is dict and all(map(_is_count, value.values())),
}
