"""`manifest.json`: the content of a directory dump, and a check that it is complete."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from .parsing import TextError

NAME = "manifest.json"
RESTORE = "restore.py"
FORMAT = 1
_MAX_PARTS = 300_000
_NO_MANIFEST = "it is not a complete manifest of a dump."
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.py")


class ManifestError(TextError):
    """A text that is not a manifest, or was edited."""


@dataclass(frozen=True)
class FileEntry:
    """A file of the directory: its size in bytes and the SHA-256 of its bytes, in hexadecimal."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class TableEntry:
    """A table of the dump.

    Attributes:
        model: the label of its model.
        rows: the number of its rows.
        digest: the SHA-256 of the text of the rows, one per line, without create functions.
        fields: the names of the fields in the rows.
        db_tables: the names of the tables in the database.
        files: the files with its rows.
    """

    model: str
    rows: int
    digest: str
    fields: tuple[str, ...]
    db_tables: tuple[str, ...]
    files: tuple[FileEntry, ...]


@dataclass(frozen=True)
class Manifest:
    """The content of a directory dump.

    Attributes:
        dumpy, django: the versions that wrote the dump.
        version: SOURCE_VERSION.
        migrations: SOURCE_MIGRATIONS.
        restore: the file `restore.py`.
        tables: the tables in the order of loading.
        left_out: for the label of each omitted table, the reason.
        content_types: the primary keys of the content types of the source, by label.
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
    """Return the manifest that `to_text` wrote; raises ManifestError."""
    if sum(map(text.count, "[{,")) > _MAX_PARTS:
        raise ManifestError(f"it has more than {_MAX_PARTS} parts.")
    try:
        content = json.loads(text)
        seal = content.pop("seal")
        version = content.pop("format")
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise ManifestError(_NO_MANIFEST) from error
    if version != FORMAT:
        raise ManifestError(f"its format is {version!r:.100}; to read it, a newer dumpy is needed.")
    if seal != _seal({"format": version, **content}):
        raise ManifestError("it was edited or damaged: its content does not match its seal.")
    # Manifests of 0.1 have no content types.
    manifest: Manifest = _convert(Manifest, {"content_types": {}, **content})
    _check_files(manifest)
    return manifest


def digest() -> Any:
    """Return a new hash object of the kind that manifests use."""
    return hashlib.sha256()


def _seal(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _check_files(manifest: Manifest) -> None:
    """Raise ManifestError for a name that cannot be in the directory, or a duplicate name."""
    files = [manifest.restore, *(file for table in manifest.tables for file in table.files)]
    for file in files:
        if not _FILE_NAME.fullmatch(file.name):
            raise ManifestError(f"it names {file.name!r:.100}, which is not a file of a dump.")
    if len({file.name for file in files[1:]}) < len(files) - 1:
        raise ManifestError("it names a file twice.")


def _convert(kind: Any, value: Any) -> Any:
    """Convert a JSON value to the expected kind of value; raises ManifestError."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind in _RECORDS:
        hints = _hints(kind)
        if type(value) is dict and value.keys() == hints.keys():
            return kind(**{name: _convert(hint, value[name]) for name, hint in hints.items()})
    elif origin is tuple:
        if type(value) is list:
            return tuple([_convert(inner[0], item) for item in value])
    elif origin is Mapping:
        if type(value) is dict:
            return {name: _convert(inner[1], item) for name, item in value.items()}
    elif type(value) in (inner or (kind,)) and not (type(value) is int and value < 0):
        return value
    raise ManifestError(_NO_MANIFEST)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


_RECORDS = (FileEntry, TableEntry, Manifest)
