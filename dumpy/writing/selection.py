"""Rows of a database that were chosen on the command line."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldError, ValidationError
from django.db.models import QuerySet

from dumpy.errors import SHOWN, DumpFailed
from dumpy.schema.tables import ModelType, Table, concrete, table_of
from dumpy.writing.keys import CHUNK, keyed

_ROWS = "--only or --where"
_LISTS = ("in", "range")
_TRUTHS = {"true": True, "false": False}


@dataclass(frozen=True)
class Selection:
    """What a subset begins with, and what is added to it.

    Attributes:
        rows: chosen rows.
        only: texts like ``shop.Order:1,2,3``.
        where: texts like ``shop.Order:placed__gte=2026-01-01``.
        with_children: labels of models whose rows are added if they refer to chosen rows.
        needed: whether rows that others refer to are added.
        explain: whether the reason of each row is kept.
    """

    rows: tuple[QuerySet[Any], ...] = ()
    only: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    with_children: tuple[str, ...] = ()
    needed: bool = True
    explain: bool = False

    @property
    def labels(self) -> list[str]:
        """The labels of the models of which rows are chosen."""
        labels = [concrete(rows.model)._meta.label for rows in self.rows]
        labels += [text.partition(":")[0] for text in (*self.only, *self.where)]
        return list(dict.fromkeys(labels))

    def __str__(self) -> str:
        parts = [f"chosen rows of {', '.join(self.labels)}"]
        if self.with_children:
            parts.append(f"rows of {', '.join(self.with_children)} that refer to them")
        return ", ".join(parts) + (", and the rows that these refer to" if self.needed else "")


def chosen(labels: Sequence[str], **options: Any) -> Selection | None:
    """Return what options choose, by name; None if they choose nothing.

    ``labels`` are those of whole apps and models. Raises ``DumpFailed`` for options that need
    others, or exclude each other.
    """
    if not options["only"] and not options["where"]:
        for option in used(**options):
            raise DumpFailed(f"{option}: choose rows with {_ROWS}.")
        return None
    if labels:
        raise DumpFailed(
            f"{' '.join(labels)}: labels cannot be combined with {_ROWS}. To leave out models, "
            "use --exclude."
        )
    names = ("only", "where", "with_children")
    several: dict[str, Any] = {name: tuple(options.pop(name)) for name in names}
    return Selection(**several, **options)


def used(*, needed: bool = True, **options: Any) -> list[str]:
    """Return the options of a subset that are used."""
    names = [name for name, value in options.items() if value] + ([] if needed else ["no_needed"])
    return [f"--{name.replace('_', '-')}" for name in names]


@dataclass(frozen=True)
class Chooser:
    """Finds the rows that texts of the command line mean.

    Attributes:
        tables: the tables that are dumped, by label.
        rows_of: returns the rows of a table that may be chosen; default managers may hide some.
    """

    tables: dict[str, Table]
    rows_of: Callable[[Table], QuerySet[Any]]

    def table(self, option: str, label: str) -> Table:
        """Return the table of a label; raises ``DumpFailed``."""
        try:
            model: ModelType = apps.get_model(label)
        except (LookupError, ValueError) as error:
            reason = f"There is no model {label!r}. Name one as app_label.ModelName."
            raise DumpFailed(f"{option}: {reason}") from error
        table = table_of(model)
        if table.label not in self.tables:
            reason = "it is excluded, never dumped, or has no table in this database"
            raise DumpFailed(f"{option}: {table.label} is not in the dump: {reason}.")
        return table

    def keys(self, text: str) -> tuple[Table, list[Any]]:
        """Return the keys that ``app_label.ModelName:pk,pk`` names; raises ``DumpFailed``."""
        label, _, listed = text.partition(":")
        texts = listed.split(",")
        if not all(texts):
            raise DumpFailed(f"--only {text}: write app_label.ModelName:pk,pk.")
        table = self.table("--only", label)
        if len(table.key) > 1:
            raise DumpFailed(f"--only: {table.label} has a composite primary key. Use --where.")
        target = table.column(table.key[0]).target
        try:
            keys = [target.to_python(one) for one in texts]
        except (ValidationError, ValueError, TypeError) as error:
            reason = f"one of {listed} is not a primary key of {table.label}: {_said(error)}"
            raise DumpFailed(f"--only: {reason}") from error
        self._require(table, keys)
        return table, keys

    def matching(self, text: str) -> tuple[Table, Iterator[Any]]:
        """Return the keys of the rows that ``app_label.ModelName:lookup=value`` matches.

        Raises ``DumpFailed``.
        """
        label, _, condition = text.partition(":")
        lookup, sign, value = condition.partition("=")
        if not (lookup and sign):
            raise DumpFailed(f"--where {text}: write app_label.ModelName:lookup=value.")
        table = self.table("--where", label)
        try:
            with warnings.catch_warnings():
                # Django warns of a date where it takes midnight in the current time zone.
                warnings.simplefilter("ignore", RuntimeWarning)
                rows = self.rows_of(table).filter(**{lookup: _value_of(lookup, value)})
                rows = rows.order_by()
                str(rows.query)  # some values are refused here only
        except (FieldError, ValidationError, ValueError, TypeError) as error:
            raise DumpFailed(f"--where {text}: {_said(error)}") from error
        return table, (key for key, _row in keyed(table, rows))

    def _require(self, table: Table, keys: list[Any]) -> None:
        found: set[Any] = set()
        for start in range(0, len(keys), CHUNK):
            rows = self.rows_of(table).filter(pk__in=keys[start : start + CHUNK])
            found.update(key for key, _row in keyed(table, rows.order_by()))
        missing = [key for key in keys if key not in found]
        if not missing:
            return
        named = ", ".join(map(str, missing[:SHOWN]))
        every: QuerySet[Any] = QuerySet(table.model, using=self.rows_of(table).db)
        hidden = every.filter(pk__in=missing[:CHUNK]).exists()
        hint = " Its default manager hides rows: use --all." if hidden else ""
        raise DumpFailed(f"--only: {table.label} has no row with the primary key {named}.{hint}")


def _value_of(lookup: str, text: str) -> Any:
    """Return a value as its lookup takes it: a list, a truth value, or text, which fields read."""
    name = lookup.rpartition("__")[2]
    if name in _LISTS:
        return text.split(",")
    if name == "isnull":
        if text.lower() not in _TRUTHS:
            raise ValueError(f"{text!r} is neither true nor false.")
        return _TRUTHS[text.lower()]
    return text


def _said(error: Exception) -> str:
    return " ".join(error.messages) if isinstance(error, ValidationError) else str(error)
