"""Rows of a table as lines of source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.apps import apps

from dumpy.errors import UnwritableRow
from dumpy.schema.references import generic_keys_of
from dumpy.schema.tables import (
    Column,
    Link,
    ModelType,
    Table,
    concrete,
    has_natural_key,
    is_content_type,
    key_owner,
)
from dumpy.text.strings import escape_non_ascii
from dumpy.writing.columns import (
    ColumnWriter,
    JsonWriter,
    LinkWriter,
    Note,
    ReferenceWriter,
    StoredWriter,
    ValueWriter,
)
from dumpy.writing.masking import MaskedWriter, Masking
from dumpy.writing.natural import NaturalKeys, held_key


@dataclass(frozen=True)
class Shape:
    """Which columns and links of a table are written, and whether references are natural keys.

    Attributes:
        natural: Foreign keys are written as natural keys, where their models have some.
        without_keys: Primary keys are left out, where rows are found by their natural keys.

    """

    table: Table
    columns: tuple[Column, ...]
    links: tuple[Link, ...]
    natural: bool = False
    without_keys: bool = False

    @property
    def names(self) -> list[str]:
        """The names of the fields, in the order of the values of a row."""
        return [column.name for column in self.columns] + [link.name for link in self.links]

    def is_natural(self, model: ModelType) -> bool:
        """Whether references to ``model`` are written as natural keys."""
        return is_content_type(model) or (self.natural and has_natural_key(model))


@dataclass
class Page:
    """Some rows of a shape: their primary keys, and their values column by column, links last.

    The values of JSON columns are texts; all others are what the driver gives, or what instances
    hold, but for those of custom fields, which are as they are stored there, too.
    """

    keys: Sequence[object]
    columns: list[Sequence[Any]]


def shape_of(
    table: Table,
    fields: Iterable[str] | None = None,
    *,
    natural_foreign: bool = False,
    natural_primary: bool = False,
) -> Shape:
    """Return what Django's options leave of a table; ``fields`` holds names or attribute names."""
    wanted = None if fields is None else set(fields)
    key = set(table.key)
    without_key = natural_primary and table.is_found_by_natural_key
    return Shape(
        table,
        tuple(
            column
            for column in table.columns
            if (column.name in key and not without_key)
            or (column.name not in key and _is_wanted(column, wanted))
        ),
        tuple(link for link in table.links if wanted is None or link.name in wanted),
        natural_foreign,
        natural_primary,
    )


class RowWriter:
    """Writes the rows of one shape, a page at a time.

    ``natural_keys`` are those of the whole dump; ``is_stored`` says that pages come from the
    database, and not from instances; ``masking`` has the masks, if there
    are some; ``note`` takes sentences for the person who dumps.
    """

    def __init__(
        self,
        shape: Shape,
        natural_keys: NaturalKeys,
        *,
        is_stored: bool = True,
        ascii_only: bool = False,
        masking: Masking | None = None,
        note: Note = lambda _sentence: None,
    ) -> None:
        self.shape = shape
        self._natural_keys = natural_keys
        self._ascii_only = ascii_only
        self._is_stored = is_stored
        self._masking = masking
        self._note = note
        self._writers: list[ColumnWriter | ReferenceWriter | MaskedWriter | LinkWriter] = [
            *map(self._column_writer, shape.columns),
            *map(self._link_writer, shape.links),
        ]

    def arguments(self, page: Page) -> Iterator[str]:
        """Yield the arguments of each row's call.

        Raises ``UnwritableField``, ``UnreadableValue`` and ``UnwritableRow``.
        """
        if self.shape.without_keys:
            self._prove_keys(page)
        if not page.columns:
            return iter([""] * len(page.keys))
        texts = [
            writer.texts(values, page.keys)
            for writer, values in zip(self._writers, page.columns, strict=True)
        ]
        lines = map(", ".join, zip(*texts, strict=True))
        return map(escape_non_ascii, lines) if self._ascii_only else lines

    def _column_writer(self, column: Column) -> ColumnWriter | ReferenceWriter | MaskedWriter:
        kind = (
            JsonWriter
            if column.is_json
            else StoredWriter
            if column.is_encoded
            else ColumnWriter
            if column.types is not None
            else ValueWriter
        )
        writer = kind(
            self.shape.table.label,
            column,
            self._natural_keys.using,
            self._note,
            is_stored=self._is_stored or column.is_encoded,
        )
        if column.references is not None and self.shape.is_natural(column.references):
            return ReferenceWriter(self._natural_keys, writer)
        if self._masking is not None:
            return self._masking.writer(writer) or writer
        return writer

    def _link_writer(self, link: Link) -> LinkWriter:
        model = link.target.references
        assert model is not None
        return LinkWriter(link, self._natural_keys if self.shape.is_natural(model) else None)

    def _prove_keys(self, page: Page) -> None:
        """Prove that nobody needs the primary keys that are left out."""
        if self.shape.table.is_found_by_natural_key:
            keys = [key for key in page.keys if key is not None]
            self._natural_keys.leave_out(self.shape.table.model, keys)
        for position, owner in self._references_by_key:
            self._hold(page, position, owner)
        for type_position, position in self._generic_keys:
            for key, content_type, value in zip(
                page.keys, page.columns[type_position], page.columns[position], strict=True
            ):
                model = self._model_of(content_type)
                if value is not None and model is not None:
                    self._natural_keys.hold(model, self._holder(key, position, value, model))

    def _hold(self, page: Page, position: int, owner: ModelType) -> None:
        for key, value in zip(page.keys, page.columns[position], strict=True):
            if value is not None and value != []:
                self._natural_keys.hold(owner, self._holder(key, position, value, owner))
                return

    def _holder(self, key: object, position: int, value: object, owner: ModelType) -> UnwritableRow:
        may_be_natural = not self.shape.natural and position in dict(self._references_by_key)
        name = self.shape.names[position]
        return held_key(
            self.shape.table.label, key, name, value, owner, may_be_natural=may_be_natural
        )

    @cached_property
    def _references_by_key(self) -> list[tuple[int, ModelType]]:
        """The positions of references by primary key to rows that have a natural key, too."""
        targets = [*self.shape.columns, *(link.target for link in self.shape.links)]
        return [
            (position, owner)
            for position, column in enumerate(targets)
            if column.references is not None and not self.shape.is_natural(column.references)
            if (owner := column.key_owner) is not None and has_natural_key(owner)
        ]

    @cached_property
    def _generic_keys(self) -> list[tuple[int, int]]:
        """The positions of the two columns of each generic foreign key."""
        places = {column: place for place, column in enumerate(self.shape.columns)}
        return [
            (places[one.kind], places[one.number])
            for one in generic_keys_of(self.shape.table)
            if one.kind in places and one.number in places
        ]

    def _model_of(self, content_type: object) -> ModelType | None:
        """Return the model whose primary keys rows of a content type have."""
        if content_type is None:
            return None
        model = apps.get_model("contenttypes", "ContentType")
        natural = self._natural_keys.find(model, "id", [content_type]).get(content_type)
        if natural is None:
            return None
        try:
            return key_owner(concrete(apps.get_model(".".join(map(str, natural.key)))))
        except LookupError:
            return None


def _is_wanted(column: Column, wanted: set[str] | None) -> bool:
    return wanted is None or column.name in wanted or column.field.name in wanted
