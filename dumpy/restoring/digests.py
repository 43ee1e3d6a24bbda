"""Whether the content of a database is that of a dump."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.db.models import QuerySet

from dumpy.loading.objects import HOOK
from dumpy.reading.directory import Directory
from dumpy.schema.tables import ModelType, table_of
from dumpy.text import manifest as manifests
from dumpy.text.manifest import TableEntry
from dumpy.writing.rows import RowWriter, shape_of
from dumpy.writing.sources import rows_of_query


def differing_tables(directory: Directory, using: str) -> list[str]:
    """Return the labels of the models whose rows are not those of the dump.

    Left out are those for which ``restore.py`` says something else than when it was written, and
    models that change their rows themselves while they are loaded.
    """
    return [
        entry.model
        for entry, model in _comparable(directory)
        if content_digest(model, using) != entry.digest
    ]


def content_digest(model: ModelType, using: str) -> str:
    """Return the digest of the rows of a model, as a manifest has it."""
    shape = shape_of(table_of(model))
    writer = RowWriter(shape, using)
    digest = manifests.digest()
    for chunk in rows_of_query(shape, QuerySet(model, using=using), using):
        for arguments in writer.arguments(chunk):
            digest.update(f"{arguments}\n".encode())
    return str(digest.hexdigest())


def _comparable(directory: Directory) -> Iterator[tuple[TableEntry, ModelType]]:
    as_written = {
        function.model
        for function in directory.restore.functions.values()
        if list(function.fields.values()) == list(range(len(function.parameters)))
    }
    listed = set(directory.restore.files)
    for entry in directory.manifest.tables:
        if entry.model not in as_written or not listed >= {file.name for file in entry.files}:
            continue
        model: ModelType = apps.get_model(entry.model)
        names = tuple(shape_of(table_of(model)).names)
        if names == entry.fields and not hasattr(model, HOOK):
            yield entry, model
