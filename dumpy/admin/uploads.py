"""Uploaded dumps, which are kept between the steps of a page."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import signing
from django.core.files.uploadedfile import UploadedFile

from dumpy import reading
from dumpy.conf import configuration
from dumpy.errors import DumpyError, FixtureError
from dumpy.reading.source import PROGRAM_HINT, open_source
from dumpy.text.outline import FIRST_LINE, is_program
from dumpy.writing.publishing import sha256_of

_PREFIX = "dumpy-upload-"
_SALT = "dumpy.admin.uploads"
_SECONDS = 3600
_EXTENSION = re.compile(r"\.py(\.(gz|bz2|xz|lzma|zip))?$")
_EXPIRED = "The upload has expired, or was removed. Upload the dump again."


@dataclass(frozen=True)
class Upload:
    """An uploaded dump.

    Attributes:
        path: the temporary file.
        name: what the user calls the file.
        sha256: the digest of the file.
        token: a signed reference to the upload, valid for one user and one hour.
    """

    path: Path
    name: str
    sha256: str
    token: str

    def with_name(self, text: object) -> str:
        """Return a message with the name of the upload, and without advice to run its file."""
        return str(text).replace(str(self.path), self.name).replace(f" {PROGRAM_HINT}", "")

    def discard(self) -> None:
        """Remove the file."""
        shutil.rmtree(self.path.parent, ignore_errors=True)


def keep(file: UploadedFile[Any], user: Any) -> Upload:
    """Keep the file of a request; raises ``DumpyError`` unless it is a dump that is data."""
    _remove_expired()
    name = str(file.name)
    extension = _EXTENSION.search(name)
    if extension is None:
        raise DumpyError(
            f"{name}: the name of a dump ends in .py, or in .py.gz, .bz2, .xz or .zip."
        )
    limit = configuration().max_unpacked_bytes
    if (file.size or 0) > limit:
        raise DumpyError(f"{name} has more than {limit} bytes, see DUMPY['MAX_UNPACKED_BYTES'].")
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_root()))
    path = directory / f"dump{extension[0]}"
    with path.open("wb") as stream:
        stream.writelines(file.chunks())
    digest = sha256_of(path)
    token_data = [str(user.pk), directory.name, path.name, name, digest]
    upload = Upload(path, name, digest, signing.dumps(token_data, salt=_SALT))
    try:
        _require_data(upload)
    except BaseException:
        upload.discard()
        raise
    return upload


def find(token: str, user: Any) -> Upload:
    """Return the upload of a user by its token; raises ``DumpyError`` if it has expired."""
    try:
        owner, directory, file, name, digest = signing.loads(token, salt=_SALT, max_age=_SECONDS)
        upload = Upload(_root() / directory / file, name, digest, token)
        if owner != str(user.pk) or sha256_of(upload.path) != digest:
            raise DumpyError(_EXPIRED)
    except (signing.BadSignature, OSError) as error:
        raise DumpyError(_EXPIRED) from error
    return upload


def _require_data(upload: Upload) -> None:
    """Raise ``DumpyError`` for a program, which is never run from an upload."""
    try:
        with closing(open_source(upload.path)) as source:
            is_data = is_program(source.first_line()) is False
        with reading.open(upload.path) if is_data else nullcontext():
            pass
    except FixtureError as error:
        raise DumpyError(upload.with_name(error)) from error
    if not is_data:
        raise DumpyError(
            f"{upload.name}: its first line is not {FIRST_LINE!r}. Only data is loaded here, no "
            "code."
        )


def _remove_expired() -> None:
    for directory in _root().glob(f"{_PREFIX}*"):
        with suppress(FileNotFoundError):  # Another process may have removed it.
            if directory.stat().st_mtime < time.time() - _SECONDS:
                shutil.rmtree(directory, ignore_errors=True)


def _root() -> Path:
    return Path(settings.FILE_UPLOAD_TEMP_DIR or tempfile.gettempdir())
