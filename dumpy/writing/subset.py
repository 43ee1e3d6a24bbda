"""Find the rows of a subset: chosen rows, rows that refer to them, and rows that these need."""

from __future__ import annotations

import json
import uuid
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial, reduce
from operator import or_
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldError, ValidationError
from django.db import connections
from django.db.models import Q, QuerySet

from dumpy.engines import engine_of
from dumpy.errors import SHOWN, DumpFailed, reason_of
from dumpy.schema.references import Reference, generic_keys_of, references_of
from dumpy.schema.tables import (
    Column,
    Link,
    ModelType,
    Table,
    chunks,
    concrete,
    from_text,
    single,
    table_of,
    text_of,
)
from dumpy.writing.natural import model_of
from dumpy.writing.publishing import temporary_database
from dumpy.writing.rows import linked

CHUNK = 500
_ROWS = "--only or --where"
_BOOLEANS = {"true": True, "false": False}
# SQLite orders values of these types like every engine; it stores UUIDs as texts.
_ORDERED = (frozenset({int}), frozenset({str}), frozenset({uuid.UUID}))

Follow = Callable[[Table, Sequence[Any]], None]
# The values of rows by name of the column, by primary key.
Rows = Mapping[Any, Mapping[str, Any]]
# The primary key of a row by its values.
Holders = Mapping[tuple[Any, ...], Any]
Reason = Callable[[Any], str]


@dataclass(frozen=True)
class Selection:
    """The options of a subset.

    Attributes:
        rows: chosen rows, as querysets.
        only: chosen rows, as texts like ``shop.Order:1,2,3``.
        where: chosen rows, as texts like ``shop.Order:placed__gte=2026-01-01``.
        with_children: labels of models whose rows are added if they refer to chosen rows.
        needed: whether rows that other rows refer to are added.
        explain: whether the reason for each row is reported.
    """

    rows: tuple[QuerySet[Any], ...] = ()
    only: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    with_children: tuple[str, ...] = ()
    needed: bool = True
    explain: bool = False

    @property
    def labels(self) -> list[str]:
        """The labels of the models whose rows are chosen."""
        labels = [concrete(rows.model)._meta.label for rows in self.rows]
        labels += [text.partition(":")[0] for text in (*self.only, *self.where)]
        return list(dict.fromkeys(labels))

    def __str__(self) -> str:
        parts = [f"chosen rows of {', '.join(self.labels)}"]
        if self.with_children:
            parts.append(f"rows of {', '.join(self.with_children)} that refer to them")
        return ", ".join(parts) + (", and the rows that these refer to" if self.needed else "")


def chosen(labels: Sequence[str], **options: Any) -> Selection | None:
    """Return the selection of the options of a command, or None if they choose no rows.

    ``labels`` are the positional arguments. Raises ``DumpFailed`` for options that cannot be
    combined, or that need another option.
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
    texts: dict[str, Any] = {name: tuple(options.pop(name)) for name in names}
    return Selection(**texts, **options)


def used(*, needed: bool = True, **options: Any) -> list[str]:
    """Return the names of the options of a subset that are used."""
    names = [name for name, value in options.items() if value] + ([] if needed else ["no_needed"])
    return [f"--{name.replace('_', '-')}" for name in names]


class Subset:
    """The primary keys of the rows of a subset, found in one snapshot of a database.

    ``tables`` are the tables of the dump. ``selectable_rows`` returns the rows of a table that may
    be chosen; needed rows are added even if a default manager hides them.
    """

    def __init__(
        self,
        selection: Selection,
        tables: Iterable[Table],
        selectable_rows: Callable[[Table], QuerySet[Any]],
        using: str,
    ) -> None:
        self.notes: list[str] = []
        self._selection = selection
        self._tables = {table.label: table for table in tables}
        self._selectable_rows = selectable_rows
        self._using = using
        self._keys = KeyStore()
        self._model_of = cache(partial(model_of, using=using))

    def close(self) -> None:
        """Delete the keys."""
        self._keys.close()

    def collect(self) -> None:
        """Find the rows of the subset; raises ``DumpFailed`` for a wrong selection."""
        selection = self._selection
        children = [self._table("--with-children", label) for label in selection.with_children]
        for rows in selection.rows:
            table = self._table("The chosen rows", rows.model._meta.label)
            self._keys.add(table, ((key, "chosen") for key, _row in keyed(table, rows)))
        for text in selection.only:
            table, keys = self._table_and_keys(text)
            self._keys.add(table, [(key, "chosen by --only") for key in keys])
        for text in selection.where:
            table, rows = self._table_and_rows(text)
            count = self.count(table)
            reason = f"chosen by --where {text}"
            self._keys.add(table, ((key, reason) for key, _row in keyed(table, rows)))
            if not count and not self.count(table):
                self.notes.append(f"--where {text}: no row of {table.label} matches.")
        self._require_references(children)
        self._walk(partial(self._add_children, children=children))
        if selection.needed:
            self._walk(self._add_needed)

    def count(self, table: Table) -> int:
        """Return the number of rows of a table in the subset."""
        return self._keys.count(table)

    def querysets(self, table: Table) -> Iterator[QuerySet[Any]]:
        """Yield the rows of a table in pieces, in the order of their primary keys."""
        if self.count(table):
            for keys in self._keys.chunks(table, self._using):
                yield self._all_rows(table).filter(pk__in=keys)

    def reasons(self) -> Iterator[str]:
        """Yield a sentence with the reason for each row."""
        for table in self._tables.values():
            for key, reason in self._keys.reasons(table):
                yield f"{_row_name(table, key)}: {reason}"

    # The options

    def _table(self, option: str, label: str) -> Table:
        """Return the table of a label; raises ``DumpFailed``."""
        try:
            model: ModelType = apps.get_model(label)
        except (LookupError, ValueError) as error:
            reason = f"There is no model {label!r}. Name one as app_label.ModelName."
            raise DumpFailed(f"{option}: {reason}") from error
        table = table_of(model)
        if table.label not in self._tables:
            reason = "it is excluded, never dumped, or has no table in this database"
            raise DumpFailed(f"{option}: {table.label} is not in the dump: {reason}.")
        return table

    def _table_and_keys(self, text: str) -> tuple[Table, list[Any]]:
        """Return the table and the keys of ``app_label.ModelName:pk,pk``; raises ``DumpFailed``."""
        label, _, key_list = text.partition(":")
        texts = key_list.split(",")
        if not all(texts):
            raise DumpFailed(f"--only {text}: write app_label.ModelName:pk,pk.")
        table = self._table("--only", label)
        if len(table.key) > 1:
            raise DumpFailed(f"--only: {table.label} has a composite primary key. Use --where.")
        target = table.column(table.key[0]).target
        try:
            keys = [target.to_python(key) for key in texts]
        except (ValidationError, ValueError, TypeError) as error:
            reason = f"one of {key_list} is not a primary key of {table.label}: {reason_of(error)}"
            raise DumpFailed(f"--only: {reason}") from error
        rows, existing = self._selectable_rows(table).order_by(), set[Any]()
        for chunk in chunks(keys, CHUNK):
            existing.update(key for key, _row in keyed(table, rows.filter(pk__in=chunk)))
        if missing := [key for key in keys if key not in existing]:
            missing_keys = ", ".join(map(str, missing[:SHOWN]))
            is_hidden = self._all_rows(table).filter(pk__in=missing[:CHUNK]).exists()
            hint = " Its default manager hides rows: use --all." if is_hidden else ""
            reason = f"{table.label} has no row with the primary key {missing_keys}.{hint}"
            raise DumpFailed(f"--only: {reason}")
        return table, keys

    def _table_and_rows(self, text: str) -> tuple[Table, QuerySet[Any]]:
        """Return the table and the rows of ``app_label.ModelName:lookup=value``.

        Raises ``DumpFailed``.
        """
        label, _, condition = text.partition(":")
        lookup, sign, value = condition.partition("=")
        if not (lookup and sign):
            raise DumpFailed(f"--where {text}: write app_label.ModelName:lookup=value.")
        table = self._table("--where", label)
        try:
            with warnings.catch_warnings():
                # Django warns about a date that it converts to midnight of the current time zone.
                warnings.simplefilter("ignore", RuntimeWarning)
                rows = self._selectable_rows(table).order_by()
                rows = rows.filter(**{lookup: _value_of(lookup, value)})
                str(rows.query)  # refuses some values that filter() accepts
        except (FieldError, ValidationError, ValueError, TypeError) as error:
            raise DumpFailed(f"--where {text}: {reason_of(error)}") from error
        return table, rows

    def _require_references(self, children: Iterable[Table]) -> None:
        """Raise ``DumpFailed`` for children that cannot refer to a chosen row."""
        labels = [*self._selection.labels, *self._selection.with_children]
        models: list[ModelType] = list(map(apps.get_model, labels))
        target_models = {*models}.union(*(model._meta.get_parent_list() for model in models))
        tables = set(map(table_of, target_models))
        for child in children:
            targets = {reference.target for reference in self._references(child)}
            targets |= {target for _link, target in self._links(child)}
            if not targets & tables and not any(generic_keys_of(child)):
                reason = f"no field of {child.label} refers to the models of the chosen rows"
                raise DumpFailed(f"--with-children: {reason}.")

    # The rows that rows refer to, and that refer to rows

    def _walk(self, follow: Follow) -> None:
        """Call ``follow`` with chunks of the keys of each table until it adds no more keys."""
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
        parents = [reference for reference in self._references(table) if reference.is_parent]
        names = [name for reference in parents for name in reference.own]
        rows = self._read_values(table, keys, names)
        self._add_referred(table, rows, parents)

        def reason(key: Any) -> str:
            return f"added with {_row_name(table, key)} by --with-children"

        for child in children:
            selectable_rows = self._selectable_rows(child)
            for reference in self._references(child):
                if reference.target is table and not reference.is_parent:
                    values = self._read_values(table, keys, reference.to)
                    holders = _holders_in(values, reference.to)
                    self._add_rows_with(child, selectable_rows, reference.own, holders, reason)
            for link, target in self._links(child):
                if target is table:
                    source, name = link.source.name, link.target.name
                    pairs = QuerySet(link.through, using=self._using).order_by()
                    pairs = pairs.filter(**{f"{name}__in": keys}).values_list(source, name)
                    self._keys.add(child, [(key, reason(value)) for key, value in pairs])
            for generic in generic_keys_of(child):
                types = self._content_types_of(table)
                typed_rows = selectable_rows.filter(**{f"{generic.content_type.name}__in": types})
                holders = {(_converted(generic.object_id, key),): key for key in keys}
                self._add_rows_with(child, typed_rows, [generic.object_id.name], holders, reason)

    def _add_needed(self, table: Table, keys: Sequence[Any]) -> None:
        """Add the targets of the references of rows, and remove keys without a row."""
        references, generic_keys = list(self._references(table)), list(generic_keys_of(table))
        names = [name for reference in references for name in reference.own]
        for generic in generic_keys:
            names += [generic.content_type.name, generic.object_id.name]
        rows = self._read_values(table, keys, names)
        # MySQL also finds keys in another case.
        reason_for_case = "needed by a row that holds its primary key in another case"
        self._keys.replace(table, keys, rows, reason_for_case)
        self._add_referred(table, rows, references)
        for generic in generic_keys:
            for key, row in rows.items():
                model = self._model_of(row[generic.content_type.name])
                target = None if model is None else self._tables.get(table_of(model).label)
                if target is not None and len(target.key) == 1:
                    key_column = target.column(target.key[0])
                    value = _converted(key_column, row[generic.object_id.name])
                    if value is not None:
                        self._keys.add(target, [(value, _needed_by(table, generic.name)(key))])
        for link, target in self._links(table):
            reason = _needed_by(table, link.name)
            for key, values in linked(link, keys, self._using).items():
                self._keys.add(target, [(value, reason(key)) for value in values])

    def _add_referred(self, table: Table, rows: Rows, references: Iterable[Reference]) -> None:
        for reference in references:
            target, names = reference.target, reference.to
            holders = _holders_in(rows, reference.own)
            reason = _needed_by(table, reference.name)
            if names == target.key:
                keys = ((single(values), reason(key)) for values, key in holders.items())
                self._keys.add(target, keys)
            else:
                self._add_rows_with(target, self._all_rows(target), names, holders, reason)

    def _add_rows_with(
        self,
        table: Table,
        rows: QuerySet[Any],
        names: Sequence[str],
        holders: Holders,
        reason: Reason,
    ) -> None:
        """Add the keys of rows that have the values of a holder in the columns ``names``."""
        complete = [values for values in holders if None not in values]
        if not complete:
            return
        if len(names) == 1:
            condition = Q(**{f"{names[0]}__in": [value for (value,) in complete]})
        else:
            pairs = (dict(zip(names, values, strict=True)) for values in complete)
            condition = reduce(or_, (Q(**pair) for pair in pairs))
        default_holder = holders[complete[0]]  # if the database finds a value in another form
        holders_by_key = (
            (key, holders.get(tuple(row[name] for name in names), default_holder))
            for key, row in keyed(table, rows.filter(condition).order_by(), names)
        )
        self._keys.add(table, [(key, reason(holder)) for key, holder in holders_by_key])

    def _all_rows(self, table: Table) -> QuerySet[Any]:
        return QuerySet(table.model, using=self._using)

    def _read_values(self, table: Table, keys: Sequence[Any], names: Iterable[str]) -> Rows:
        """Return the values of the columns ``names`` of existing rows, by primary key."""
        return dict(keyed(table, self._all_rows(table).filter(pk__in=keys), names))

    def _references(self, table: Table) -> Iterator[Reference]:
        return (
            reference
            for reference in references_of(table)
            if reference.target.label in self._tables
        )

    def _links(self, table: Table) -> Iterator[tuple[Link, Table]]:
        for link in table.links:
            assert link.target.references is not None
            target = table_of(link.target.references)
            if target.label in self._tables:
                yield link, target

    def _content_types_of(self, table: Table) -> list[Any]:
        model = apps.get_model("contenttypes", "ContentType")
        rows: QuerySet[Any] = QuerySet(model, using=self._using)
        meta = table.model._meta
        content_types = rows.filter(app_label=meta.app_label, model=meta.model_name)
        return list(content_types.values_list("pk", flat=True))


class KeyStore:
    """The primary keys of each table with their reasons, in order of arrival."""

    def __init__(self) -> None:
        self._database = temporary_database()
        # AUTOINCREMENT does not reuse the numbers of removed keys, so new keys come last.
        self._database.execute(
            "CREATE TABLE keys (id INTEGER PRIMARY KEY AUTOINCREMENT, label, key NOT NULL, reason, "
            "UNIQUE (label, key))"
        )
        self._database.execute("CREATE INDEX by_arrival ON keys (label)")

    def close(self) -> None:
        """Delete the keys."""
        self._database.close()

    def add(self, table: Table, reasons: Iterable[tuple[Any, str]]) -> None:
        """Add pairs of a key and its reason; an existing key keeps its reason."""
        rows = ((table.label, _packed(table, key), reason) for key, reason in reasons)
        self._database.execute("BEGIN")
        self._database.executemany(
            "INSERT OR IGNORE INTO keys (label, key, reason) VALUES (?, ?, ?)", rows
        )
        self._database.execute("COMMIT")

    def replace(self, table: Table, keys: Iterable[Any], found: Iterable[Any], reason: str) -> None:
        """Replace keys by the keys that the database has found for them."""
        # Keys are compared as texts: objects of a custom field need not be equal.
        packed_keys = {_packed(table, key): key for key in found}
        requested = {_packed(table, key) for key in keys}
        removed = [(table.label, key) for key in requested - packed_keys.keys()]
        self._database.executemany("DELETE FROM keys WHERE label = ? AND key = ?", removed)
        self.add(table, [(packed_keys[key], reason) for key in packed_keys.keys() - requested])

    def after(self, table: Table, number: int) -> tuple[int, list[Any]]:
        """Return the number of the last key, and a chunk of keys that arrived after a number."""
        query = "SELECT id, key FROM keys WHERE label = ? AND id > ? ORDER BY id LIMIT ?"
        rows = self._database.execute(query, [table.label, number, CHUNK]).fetchall()
        return (rows[-1][0] if rows else number), [_unpacked(table, key) for _id, key in rows]

    def count(self, table: Table) -> int:
        """Return the number of keys of a table."""
        query = "SELECT COUNT(*) FROM keys WHERE label = ?"
        return int(self._database.execute(query, [table.label]).fetchone()[0])

    def reasons(self, table: Table) -> Iterator[tuple[Any, str]]:
        """Yield the keys of a table with their reasons, in order of arrival."""
        query = "SELECT key, reason FROM keys WHERE label = ? ORDER BY id"
        for key, reason in self._database.execute(query, [table.label]):
            yield _unpacked(table, key), reason

    def chunks(self, table: Table, using: str) -> Iterator[Sequence[Any]]:
        """Yield the keys of a table in chunks, in their order."""
        if self.count(table) <= CHUNK:
            yield self.after(table, 0)[1]
            return
        is_ordered = len(table.key) == 1 and table.column(table.key[0]).types in _ORDERED
        ordered = self._ordered(table) if is_ordered else self._as_database(table, using)
        yield from chunks(ordered, CHUNK)

    def _ordered(self, table: Table) -> Iterator[Any]:
        query = "SELECT key FROM keys WHERE label = ? ORDER BY key"
        for (key,) in self._database.execute(query, [table.label]):
            yield _unpacked(table, key)

    def _as_database(self, table: Table, using: str) -> Iterator[Any]:
        """Yield the keys in the order of the database, from a query for all rows of the table."""
        columns = [table.column(name) for name in table.key]
        order = map(engine_of(connections[using]).exact_order, columns)
        rows: QuerySet[Any] = QuerySet(table.model, using=using).order_by(*order)
        query = "SELECT 1 FROM keys WHERE label = ? AND key = ?"
        for key, _row in keyed(table, rows):
            if self._database.execute(query, [table.label, _packed(table, key)]).fetchone():
                yield key


def keyed(
    table: Table, rows: QuerySet[Any], names: Iterable[str] = ()
) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield the primary keys of rows, with the values of the columns ``names``."""
    # The parts of a composite key are selected as columns: MySQL does not convert a "pk" of them.
    selected = list(dict.fromkeys([*table.key, *names]))
    for values in rows.values_list(*selected).iterator(chunk_size=CHUNK):
        row = dict(zip(selected, values, strict=True))
        yield single([row[name] for name in table.key]), row


def _packed(table: Table, key: Any) -> Any:
    """Return a key as a number or text for SQLite."""
    if type(key) in (int, str):
        return key
    if len(table.key) == 1:
        return text_of(table.column(table.key[0]), key)
    parts = zip(table.key, key, strict=True)
    return json.dumps([text_of(table.column(name), part) for name, part in parts])


def _unpacked(table: Table, packed: Any) -> Any:
    columns = [table.column(name) for name in table.key]
    if len(columns) > 1:
        parts = zip(columns, json.loads(packed), strict=True)
        return tuple(from_text(column, text) for column, text in parts)
    is_plain = columns[0].types in _ORDERED[:2]
    return packed if is_plain else from_text(columns[0], packed)


def _holders_in(rows: Rows, names: Iterable[str]) -> Holders:
    """Map the values of the columns ``names`` to the key of their row, without NULL."""
    holders = {tuple(row[name] for name in names): key for key, row in rows.items()}
    return {values: key for values, key in holders.items() if None not in values}


def _converted(column: Column, value: Any) -> Any:
    """Convert a value to the type of a column; return None if that fails."""
    try:
        return column.target.to_python(value)
    except (ValidationError, ValueError, TypeError, OverflowError):
        return None


def _value_of(lookup: str, text: str) -> Any:
    """Convert the text of a value for its lookup: to a list or a boolean, or keep the text."""
    name = lookup.rpartition("__")[2]
    if name in ("in", "range"):
        return text.split(",")
    if name == "isnull":
        if text.lower() not in _BOOLEANS:
            raise ValueError(f"{text!r} is neither true nor false.")
        return _BOOLEANS[text.lower()]
    return text


def _row_name(table: Table, key: Any) -> str:
    return f"{table.label}(pk={key})"


def _needed_by(table: Table, name: str) -> Reason:
    return lambda key: f"needed by {_row_name(table, key)}.{name}"
