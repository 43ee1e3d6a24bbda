"""Which rows are in a subset: chosen rows, rows that refer to them, and what all of them need."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial, reduce
from operator import or_
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldError, ValidationError
from django.db.models import Q, QuerySet

from dumpy.errors import SHOWN, DumpFailed
from dumpy.schema.references import GenericKey, Reference, generic_keys_of, references_of
from dumpy.schema.tables import Column, Link, ModelType, Table, concrete, table_of
from dumpy.writing.keys import CHUNK, KeyStore, keyed
from dumpy.writing.natural import model_of
from dumpy.writing.rows import linked

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


Follow = Callable[[Table, Sequence[Any]], None]
# The values of some columns by name, by primary key.
Rows = Mapping[Any, Mapping[str, Any]]
# The primary key of a row that holds some values, by these.
Holders = Mapping[tuple[Any, ...], Any]
Reason = Callable[[Any], str]


class Subset:
    """The primary keys of the rows of a subset, found in one snapshot of a database.

    ``tables`` are those that are dumped. ``rows_of`` returns the rows of a table that may be
    chosen; rows that are needed are added even if a default manager hides them.
    """

    def __init__(
        self,
        selection: Selection,
        tables: Iterable[Table],
        rows_of: Callable[[Table], QuerySet[Any]],
        using: str,
    ) -> None:
        self.notes: list[str] = []
        self._selection = selection
        self._tables = {table.label: table for table in tables}
        self._rows_of = rows_of
        self._using = using
        self._keys = KeyStore()
        self._model_of = cache(partial(model_of, using=using))
        self._references = {
            label: [one for one in references_of(table) if one.target.label in self._tables]
            for label, table in self._tables.items()
        }
        self._links = {
            label: [(link, target) for link in table.links if (target := self._target(link))]
            for label, table in self._tables.items()
        }
        self._generic_keys = {
            label: list(generic_keys_of(table)) for label, table in self._tables.items()
        }

    def close(self) -> None:
        """Delete the keys."""
        self._keys.close()

    def collect(self) -> None:
        """Find the rows of the subset; raises ``DumpFailed`` for a selection that is wrong."""
        selection, chooser = self._selection, Chooser(self._tables, self._rows_of)
        children = [chooser.table("--with-children", one) for one in selection.with_children]
        for rows in selection.rows:
            table = chooser.table("The chosen rows", rows.model._meta.label)
            self._keys.add(table, ((key, "chosen") for key, _row in keyed(table, rows)))
        for text in selection.only:
            table, keys = chooser.keys(text)
            self._keys.add(table, [(key, "chosen by --only") for key in keys])
        for text in selection.where:
            table, matching = chooser.matching(text)
            before = self.count(table)
            self._keys.add(table, ((key, f"chosen by --where {text}") for key in matching))
            if not before and not self.count(table):
                self.notes.append(f"--where {text}: no row of {table.label} matches.")
        self._require_references(children)
        self._walk(lambda table, keys: self._add_children(table, keys, children))
        if selection.needed:
            self._walk(self._add_needed)

    def count(self, table: Table) -> int:
        """Return how many rows of a table are in the subset."""
        return self._keys.count(table)

    def querysets(self, table: Table) -> Iterator[QuerySet[Any]]:
        """Yield the rows of a table in pieces, in the order of their primary keys."""
        if self.count(table):
            for keys in self._keys.chunks(table, self._using):
                yield self._rows(table).filter(pk__in=keys)

    def reasons(self) -> Iterator[str]:
        """Yield a sentence for each row: why it is in the subset."""
        for table in self._tables.values():
            for key, reason in self._keys.reasons(table):
                yield f"{_row(table, key)}: {reason}"

    def _target(self, link: Link) -> Table | None:
        assert link.target.references is not None
        return self._tables.get(table_of(link.target.references).label)

    def _rows(self, table: Table) -> QuerySet[Any]:
        return QuerySet(table.model, using=self._using)

    def _walk(self, follow: Follow) -> None:
        """Call ``follow`` with all keys, some of a table at a time, and with those that it adds."""
        done: Counter[str] = Counter()
        before = -1
        while before != done.total():
            before = done.total()
            for label, table in self._tables.items():
                last, keys = self._keys.after(table, done[label])
                while keys:
                    follow(table, keys)
                    done[label] = last
                    last, keys = self._keys.after(table, last)

    def _add_children(self, table: Table, keys: Sequence[Any], children: Collection[Table]) -> None:
        """Add the rows of parent models of chosen rows, and rows that refer to chosen rows."""
        parents = [one for one in self._references[table.label] if one.is_parent]
        rows = self._read(table, keys, [name for one in parents for name in one.own])
        self._add_referred(table, rows, parents)
        for child in children:
            for reference in self._references[child.label]:
                if reference.target is table and not reference.is_parent:
                    holders = _holders(self._read(table, keys, reference.to), reference.to)
                    rows_of = self._rows_of(child)
                    self._add(child, rows_of, reference.own, holders, _added_with(table))
            for link, target in self._links[child.label]:
                if target is table:
                    self._add_linking(child, link, table, keys)
            for generic in self._generic_keys[child.label]:
                rows_of = self._rows_of(child).filter(
                    **{f"{generic.kind.name}__in": self._kinds_of(table)}
                )
                holders = {(_converted(generic.number, key),): key for key in keys}
                self._add(child, rows_of, [generic.number.name], holders, _added_with(table))

    def _add_linking(self, child: Table, link: Link, table: Table, keys: Sequence[Any]) -> None:
        source, target = link.source.name, link.target.name
        rows = QuerySet(link.through, using=self._using).filter(**{f"{target}__in": list(keys)})
        reason = _added_with(table)
        pairs = rows.order_by().values_list(source, target)
        self._keys.add(child, [(key, reason(value)) for key, value in pairs])

    def _add_needed(self, table: Table, keys: Sequence[Any]) -> None:
        """Add the rows that rows refer to, and remove keys without a row."""
        references, generic_keys = self._references[table.label], self._generic_keys[table.label]
        names = [name for one in references for name in one.own]
        names += [column.name for one in generic_keys for column in (one.kind, one.number)]
        rows = self._read(table, keys, names)
        # MySQL takes a key for one that differs in case.
        otherwise = "needed by a row that holds its primary key in another case"
        self._keys.replace(table, keys, rows, otherwise)
        self._add_referred(table, rows, references)
        for generic in generic_keys:
            self._add_generic(table, rows, generic)
        for link, target in self._links[table.label]:
            reason = _needed_by(table, link.name)
            for key, values in linked(link, keys, self._using).items():
                self._keys.add(target, [(value, reason(key)) for value in values])

    def _add_referred(self, table: Table, rows: Rows, references: Iterable[Reference]) -> None:
        for one in references:
            holders, reason = _holders(rows, one.own), _needed_by(table, one.name)
            if one.to == one.target.key:
                keys = [(value, reason(key)) for (value,), key in holders.items()]
                self._keys.add(one.target, keys)
            else:
                self._add(one.target, self._rows(one.target), one.to, holders, reason)

    def _add_generic(self, table: Table, rows: Rows, generic: GenericKey) -> None:
        reason = _needed_by(table, generic.name)
        for key, row in rows.items():
            kind, number = row[generic.kind.name], row[generic.number.name]
            target = self._table_of(kind) if kind is not None else None
            if target is not None and len(target.key) == 1:
                value = _converted(target.column(target.key[0]), number)
                if value is not None:
                    self._keys.add(target, [(value, reason(key))])

    def _add(
        self,
        table: Table,
        rows: QuerySet[Any],
        names: Sequence[str],
        holders: Holders,
        reason: Reason,
    ) -> None:
        """Add the keys of rows that hold one of some values in the columns of these names."""
        wanted = [values for values in holders if None not in values]
        if not wanted:
            return
        if len(names) == 1:
            condition = Q(**{f"{names[0]}__in": [value for (value,) in wanted]})
        else:
            condition = reduce(or_, (Q(**dict(zip(names, one, strict=True))) for one in wanted))
        some = holders[wanted[0]]  # where the database takes a value for another
        found = (
            (key, holders.get(tuple(row[name] for name in names), some))
            for key, row in keyed(table, rows.filter(condition).order_by(), names)
        )
        self._keys.add(table, [(key, reason(holder)) for key, holder in found])

    def _read(self, table: Table, keys: Sequence[Any], names: Iterable[str]) -> Rows:
        """Return the values of some columns, by primary key, of the rows that there are."""
        return dict(keyed(table, self._rows(table).filter(pk__in=keys), names))

    def _require_references(self, children: Iterable[Table]) -> None:
        """Raise ``DumpFailed`` for children that can refer to no chosen row."""
        chosen = [*self._selection.labels, *self._selection.with_children]
        models: list[ModelType] = list(map(apps.get_model, chosen))
        every = {one for model in models for one in (model, *model._meta.get_parent_list())}
        tables = {table_of(model).label for model in every}
        for child in children:
            targets = {one.target.label for one in self._references[child.label]}
            targets |= {target.label for _link, target in self._links[child.label]}
            if not targets & tables and not self._generic_keys[child.label]:
                reason = f"no field of {child.label} refers to the models of the chosen rows"
                raise DumpFailed(f"--with-children: {reason}.")

    def _table_of(self, kind: Any) -> Table | None:
        """Return the table of a content type, if it is dumped."""
        model = self._model_of(kind)
        return self._tables.get(table_of(model).label) if model is not None else None

    def _kinds_of(self, table: Table) -> list[Any]:
        """Return the primary keys of the content types of a table."""
        meta = table.model._meta
        model = apps.get_model("contenttypes", "ContentType")
        rows: QuerySet[Any] = QuerySet(model, using=self._using)
        named = rows.filter(app_label=meta.app_label, model=meta.model_name)
        return list(named.values_list("pk", flat=True))


def _holders(rows: Rows, names: Iterable[str]) -> Holders:
    """Return which row holds some values in the columns of these names, without NULL."""
    held = {tuple(row[name] for name in names): key for key, row in rows.items()}
    return {values: key for values, key in held.items() if None not in values}


def _converted(column: Column, value: Any) -> Any:
    """Return a value as a column takes it; None if it does not."""
    try:
        return column.target.to_python(value)
    except (ValidationError, ValueError, TypeError, OverflowError):
        return None


def _row(table: Table, key: Any) -> str:
    return f"{table.label}(pk={key})"


def _needed_by(table: Table, name: str) -> Reason:
    return lambda key: f"needed by {_row(table, key)}.{name}"


def _added_with(table: Table) -> Reason:
    return lambda key: f"added with {_row(table, key)} by --with-children"
