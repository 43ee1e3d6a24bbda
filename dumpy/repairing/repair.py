"""Restore missing rows of a dump, with the rows that they refer to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from typing import Any, NamedTuple

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import connections, transaction
from django.db.models import Model, QuerySet

from dumpy.engines import engine_of
from dumpy.errors import DumpyError, LoadError, Place, Problem, RowRef, counted
from dumpy.loading.batches import Layout
from dumpy.loading.loader import Loader
from dumpy.loading.references import MissingRow, dangling_references
from dumpy.loading.registry import TODAY
from dumpy.migrating.install import adding_version_hint, version_hint
from dumpy.migrating.tables import MigratedDump, created_objects
from dumpy.reading import Dump, DumpedTable
from dumpy.reading.dump import Row
from dumpy.repairing.choice import Choice, Condition, InvalidChoice, joined_key
from dumpy.repairing.special import SpecialKeys, UnmatchedKey
from dumpy.schema.instances import dumped_row, new
from dumpy.schema.references import (
    GenericKey,
    Reference,
    generic_keys_of,
    load_order,
    references_of,
)
from dumpy.schema.tables import (
    Column,
    Link,
    ModelType,
    Table,
    attribute,
    chunks,
    from_text,
    is_special,
    single,
    table_of,
)
from dumpy.text.words import FieldText, Natural, Unwritable, source

_FEW = 20
# The types of values that are not the key of a row in the database.
_NOT_KEYS = (Natural, UnmatchedKey, list, dict)

_CHOSEN = "it was chosen."
# To read more rows takes longer than to restore some.
_MANY = 50_000
_NOT_READ = (
    "The dump has many rows, so that rows that refer to restored rows were not looked for. A call "
    "without --really names them before, and --with-children restores them."
)

Values = Mapping[str, Any]
ReasonFor = Callable[[Values], str]
"""Returns the reason to restore a row with these values, ``""`` if there is none."""


class Target(NamedTuple):
    """A row that other rows refer to, by the values of the columns that they refer to."""

    table: Table
    names: tuple[str, ...]
    values: tuple[object, ...]


@dataclass(frozen=True)
class Candidate:
    """A row of the dump that is restored if it is missing in the database.

    Attributes:
        values: its values by the names of columns and links.
        reason: why it is restored.
        is_created: whether a migrator has created it.
    """

    table: Table
    values: Values
    place: Place
    reason: str
    is_created: bool = False

    @property
    def key(self) -> tuple[object, ...]:
        """The values of the primary key."""
        return _values(self.table.key, self.values)

    @property
    def identity(self) -> Target:
        """The row as the target of references to its primary key."""
        return Target(self.table, self.table.key, self.key)

    @property
    def ref(self) -> RowRef:
        """The reference to the row for messages."""
        return RowRef(self.table.label, single(self.key), self.place)

    def __str__(self) -> str:
        return f"{self.table.label}(pk={single(self.key)!r})"

    def targets(self) -> Iterator[tuple[Reference, Target]]:
        """Yield the rows that foreign keys refer to, except by natural key."""
        for reference in references_of(self.table):
            if (target := _target(reference, self.values)) is not None:
                yield reference, target


@dataclass
class RepairResult:
    """The result of a repair, which may have been rolled back.

    Attributes:
        restored: the number of restored rows, by model.
        ignored: the number of rows that exist already, by model.
        children: the number of rows that refer to restored rows, by model, if they are not
            restored, too.
        notes: sentences about links and migrators.
        reasons: a sentence for each restored row.
    """

    restored: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    children: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


class Repair:
    """Restores missing rows of a verified dump into the database ``using``."""

    def __init__(self, dump: Dump, using: str) -> None:
        self._dump = MigratedDump(dump)
        self._dump.migrate()
        self._using = using
        self._loader = Loader(using)
        self._result = RepairResult()
        # The rows to restore, and the targets that exist or will exist then.
        self._rows: dict[Target, Candidate] = {}
        self._available: set[Target] = set()
        self._special = SpecialKeys(self._all_values, using)
        # Whether rows that refer to restored rows are looked for.
        self._reads_all = True

    def run(self, choice: Choice, *, really: bool, with_children: bool = False) -> RepairResult:
        """Restore the chosen rows and the rows that they need in one transaction.

        ``with_children`` also restores rows that refer to chosen rows. The transaction is rolled
        back after a problem, and unless ``really``. Raises ``FixtureError`` for a dump that does
        not fit the models.
        """
        connection = connections[self._using]
        row_count = sum(table.row_count for table in self._dump.tables)
        self._reads_all = with_children or not really or row_count <= _MANY
        with transaction.atomic(using=self._using), connection.constraint_checks_disabled():
            rows = self._chosen(choice)
            missing = [row for row in rows if self._add(row)]
            if with_children:
                seen = {row.identity for row in rows}
                while rows:
                    rows = list(self._children(rows, seen))
                    for row in rows:
                        self._add(row)
            elif self._reads_all:
                with suppress(DumpyError):  # tables that are not restored need not fit the models
                    children = self._children(missing, set(self._rows), is_strict=False)
                    self._result.children.update(row.table.label for row in children)
            self._add_needed(list(self._rows.values()))
            self._load()
            self._result.reasons += [f"{row}: {row.reason}" for row in self._rows.values()]
            self._result.notes += self._migrator_notes()
            if self._result.problems or not really:
                transaction.set_rollback(True, using=self._using)
            else:
                models = {row.table.model for row in self._rows.values()}
                engine_of(connection).reset_sequences(models)
        return self._result

    def _chosen(self, choice: Choice) -> list[Candidate]:
        table, key = choice.table, choice.table.key[0]
        if not any(t.create is not None or t.label == table.label for t in self._dump.tables):
            reason = f"{table.label}: the dump has no rows of this model."
            raise InvalidChoice(f"{reason} {version_hint(self._dump.dump)}".rstrip())
        if choice.conditions:
            names = {key, *(condition.name for condition in choice.conditions)}
            rows = list(self._find(table, names, lambda row: _CHOSEN if row in choice else ""))
            if not rows:
                raise InvalidChoice(f"{table.label}: the dump has no row with {choice}.")
            for condition in choice.conditions:
                self._require_natural_key(condition, rows)
            return rows
        rows = self._find_by(table, (key,), {(value,): _CHOSEN for value in choice.keys})
        for pk in sorted(choice.keys - {row.key[0] for row in rows}, key=str):
            ref = RowRef(table.label, pk)
            self._result.problems.append(Problem(ref, "the dump has no such row."))
        return rows

    def _require_natural_key(self, condition: Condition, rows: Iterable[Candidate]) -> None:
        """Raise ``InvalidChoice`` if every row differs from a key because it is a primary key."""
        name, equal = condition.name, replace(condition, operator="=")
        keys = (row.values[name] for row in rows if condition.operator == "!=")
        key = next((key for key in keys if isinstance(key, Natural)), None)
        (table,) = {row.table for row in rows}

        def reason_for(values: Values) -> str:
            return _CHOSEN if name in values and equal.is_met(values[name]) else ""

        if key and not any(self._find(table, {*table.key, name}, reason_for)):
            raise InvalidChoice(
                f"--where {condition}: the dump refers to {key.model} by natural key, such as "
                f"{joined_key(key)}, and has no row with {equal}. Write the parts of the natural "
                "key with dots, or leave the condition out: every row meets it."
            )

    def _add(self, row: Candidate) -> bool:
        """Add a row to those to restore if it is missing; return whether it was added."""
        if row.identity in self._rows:
            return False
        is_matched = not any(isinstance(value, UnmatchedKey) for value in row.key)
        if is_matched and self._will_exist(row.identity):
            self._result.ignored[row.table.label] += 1
            return False
        self._rows[row.identity] = row
        self._available.add(row.identity)
        return True

    def _children(
        self, rows: list[Candidate], seen: set[Any], *, is_strict: bool = True
    ) -> Iterator[Candidate]:
        """Yield the rows that refer to ``rows``, and add their identities to ``seen``.

        If ``is_strict``, raises ``InvalidChoice`` for a row that refers by natural key.
        """
        reasons: dict[Target | None, str] = {}
        for row in rows:
            # Rows that refer to the row of a parent model refer to this row.
            for target in (row.identity, *_parents(row.table, row.values)):
                reasons.setdefault(target, f"it refers to {row}.")
        tables = {target.table for target in reasons if target is not None}
        for table in dict.fromkeys(map(table_of, apps.get_models())):
            references = [item for item in references_of(table) if item.target in tables]
            generic_keys = list(generic_keys_of(table))
            if not (references or generic_keys) or is_special(table.model):
                continue
            for reference, row in product(references, rows):
                if row.table is reference.target:
                    target = Target(row.table, reference.to, _values(reference.to, row.values))
                    reasons.setdefault(target, f"it refers to {row}.")
            names = {name for reference in references for name in reference.own}
            for key in generic_keys:
                names |= {key.content_type.name, key.object_id.name}
            reason_for = partial(_child_reason, table, references, generic_keys, reasons, is_strict)
            for row in self._find(table, names, reason_for):
                if row.identity not in seen:
                    seen.add(row.identity)
                    yield row

    def _add_needed(self, rows: list[Candidate]) -> None:
        """Add the rows that ``rows`` refer to, directly or through other rows, if missing."""
        while rows:
            needed: defaultdict[Any, dict[tuple[object, ...], str]] = defaultdict(dict)
            for row in rows:
                generic_keys = generic_keys_of(row.table)
                targets = [target for _reference, target in row.targets()]
                targets += filter(None, (_generic_target(key, row.values) for key in generic_keys))
                for target in targets:
                    if not (self._will_exist(target) or is_special(target.table.model)):
                        reason = f"{row} refers to it."
                        needed[target.table, target.names].setdefault(target.values, reason)
            rows = []
            for (table, names), reasons in needed.items():
                for row in self._find_by(table, names, reasons):
                    key = _values(names, row.values)
                    reasons.pop(key, None)
                    if self._add(row):
                        self._available.add(Target(table, names, key))
                        rows.append(row)
                if len(names) > 1:
                    # No database has a constraint for them, so this is no problem.
                    self._result.notes += [
                        f"{table.label}({', '.join(names)}={key!r}) is neither in the database nor "
                        f"in the dump: {reason}"
                        for key, reason in reasons.items()
                    ]

    def _find_by(
        self, table: Table, names: tuple[str, ...], reasons: Mapping[tuple[object, ...], str]
    ) -> list[Candidate]:
        """Return the rows for the values of unique columns, each with the reason for its values."""

        def reason_for(values: Values) -> str:
            return reasons.get(_values(names, values), "")

        if len(reasons) <= _FEW and len(names) == 1:
            # It is faster to search few values as text, but they may be written differently.
            searched = [value for (value,) in reasons]
            rows = list(self._find(table, names, reason_for, searched))
            if {_values(names, row.values) for row in rows}.issuperset(reasons):
                return rows
        return list(self._find(table, names, reason_for))

    def _find(
        self,
        table: Table,
        names: Collection[str],
        reason_for: ReasonFor,
        searched: Collection[object] = (),
    ) -> Iterator[Candidate]:
        """Yield the rows of the dump that ``reason_for`` returns a reason for.

        It receives the values of the fields ``names`` only. With ``searched``, blocks of rows are
        skipped whose text has none of these values of the field.
        """
        for dumped in self._dump.tables:
            if dumped.create is not None:
                yield from self._find_created(dumped, table, reason_for)
                continue
            if dumped.label != table.label or dumped.drops:
                continue
            with adding_version_hint(self._dump.dump):
                self._loader.check([dumped])
            layout = self._loader.layout(dumped)
            assert layout is not None
            fields = {name: at for name, at in layout.fields.items() if name in names}
            some_values, all_values = self._reader(Layout(table, fields)), self._reader(layout)
            words = _search_words(next(iter(fields.values()), None), searched)
            for block in dumped.blocks(words):
                for row in block.rows():
                    if reason := reason_for(some_values(row)):
                        place = dumped.place(row.line)
                        yield _candidate(table, all_values(row), place, reason)

    def _find_created(
        self, dumped: DumpedTable, table: Table, reason_for: ReasonFor
    ) -> Iterator[Candidate]:
        """Yield the rows among those that a migrator creates."""
        for instance, place in created_objects(dumped):
            model: ModelType = type(instance)
            if table_of(model) is table:
                values = self._special.translate(table, _values_of(table, instance))
                if reason := reason_for(values):
                    yield _candidate(table, values, place, reason, is_created=True)

    def _reader(self, layout: Layout) -> Callable[[Row], dict[str, Any]]:
        """Return a function that returns the values of a row by name.

        Keys are converted to Python values, and keys of special rows to those of this database.
        """
        columns = [
            (column, column.references is not None or column.field.primary_key)
            for column in layout.columns
            if column.name in layout.fields
        ]

        def read(row: Row) -> dict[str, Any]:
            values = layout.values_by_name(row)
            for column, is_key in columns:
                value = values[column.name]
                if isinstance(value, FieldText):
                    values[column.name] = from_text(column, value.text)
                elif is_key and value is not None and type(value) is not Natural:
                    values[column.name] = column.target.to_python(value)
            return self._special.translate(layout.table, values)

        return read

    def _all_values(self, model: ModelType) -> Iterator[Values]:
        return (row.values for row in self._find(table_of(model), (), lambda values: _CHOSEN))

    def _will_exist(self, target: Target) -> bool:
        """Whether a row exists in the database, or is going to be restored."""
        if target not in self._available:
            rows: QuerySet[Any] = QuerySet(target.table.model, using=self._using)
            values = dict(zip(target.names, target.values, strict=True))
            if not rows.filter(**values).exists():
                return False
            self._available.add(target)
        return True

    def _load(self) -> None:
        for table in load_order({row.table.model for row in self._rows.values()}):
            for row in self._rows.values():
                if row.table is not table:
                    continue
                if problems := list(self._dangling(row)):
                    self._result.problems += problems
                else:
                    links = {
                        link.name: self._existing_links(row, link)
                        for link in table.links
                        if link.name in row.values
                    }
                    self._loader.save(new(table.model, **{**row.values, **links}), row.place)
        try:
            self._loader.finish()
        except LoadError as error:
            self._result.problems += error.problems
        else:
            self._restore_links()
            if self._reads_all:
                self._result.notes += self._emptied_references()
            else:
                self._result.notes.append(_NOT_READ)
            self._result.problems += self._lost_targets()
        for label, counts in self._loader.report.tables.items():
            self._result.restored[label] += counts.inserted

    def _lost_targets(self) -> Iterator[Problem]:
        """Yield a problem for each restored row or link to a row that was deleted meanwhile."""
        # MySQL does not check the constraints of these rows when the transaction ends.
        restored = {row.table for row in self._rows.values()}
        for table in restored:
            for dangling in dangling_references(table, self._using):
                key: Any = dangling.pk if len(table.key) > 1 else (dangling.pk,)
                if row := self._rows.get(Target(table, table.key, key)):
                    yield Problem(row.ref, str(dangling), "reference", dangling.name)
        for link in (link for model in apps.get_models() for link in table_of(model).links):
            through: QuerySet[Any] = QuerySet(link.through, using=self._using)
            ends = list(references_of(table_of(link.through)))
            if restored.isdisjoint(end.target for end in ends):
                continue
            for dangling in dangling_references(table_of(link.through), self._using):
                for linked, end in product(through.filter(pk=dangling.pk).values(), ends):
                    target = Target(end.target, end.to, _values(end.own, linked))
                    if row := self._rows.get(target):
                        yield Problem(row.ref, f"{link.name}: {dangling}", "reference", link.name)

    def _dangling(self, row: Candidate) -> Iterator[Problem]:
        """Yield a problem for each foreign key to a row that will not exist."""
        # The loader leaves this to the database for instances. Here are few, so they are checked.
        reasons = [
            (
                reference.name,
                f"{reference.own[0]}={single(target.values)!r} refers to a row of "
                f"{target.table.label} that is neither in the database nor in the dump.",
            )
            for reference, target in row.targets()
            if _is_checked(row.table, reference) and not self._will_exist(target)
        ]
        for name, value in row.values.items():
            is_list = isinstance(value, list)
            for key in value if is_list else [value]:
                if isinstance(key, UnmatchedKey) and not (key.is_in_dump and is_list):
                    reasons.append((name, f"{name}={key.value!r} {key.reason}"))
        return (Problem(row.ref, reason, "reference", name) for name, reason in reasons)

    def _existing_links(self, row: Candidate, link: Link) -> list[object]:
        """Return the links of a row to rows that will exist; note how many are left out."""
        values, model = row.values[link.name], link.target.references
        assert model is not None
        table, names = table_of(model), (link.target.parent_field.attname,)
        keys = [(value, self._linked_key(link.target, value)) for value in values]
        existing = [
            value
            for value, key in keys
            if key is not None and self._will_exist(Target(table, names, (key,)))
        ]
        if len(existing) < len(values):
            count = len(values) - len(existing)
            rows = "; ".join(value.row for value in values if isinstance(value, UnmatchedKey))
            self._result.notes.append(
                f"{row}: {count} of {len(values)} links of {link.name} are left out, since the "
                f"rows that they lead to do not exist{': ' if rows else ''}{rows}."
            )
        return existing

    def _linked_key(self, column: Column, value: Any) -> object:
        """Return the key of the row that a reference leads to, None if there is no such row."""
        if isinstance(value, UnmatchedKey):
            return None
        if not isinstance(value, Natural):
            return column.target.to_python(value)
        try:
            return self._loader.references.resolve(value, column.parent_field.attname)
        except MissingRow:
            return None

    def _restore_links(self) -> None:
        """Restore the links of existing rows to restored rows."""
        restored: defaultdict[ModelType | None, set[object]] = defaultdict(set)
        for row in self._rows.values():
            restored[row.table.model].add(row.key[0])
        for table in dict.fromkeys(map(table_of, apps.get_models())):
            for link in table.links:
                keys = restored.get(link.target.references, set())
                own = keys if table.model is link.target.references else set()
                links = self._links_to(table, link, keys, own)
                created_count = count = 0
                for chunk in chunks(links):
                    count += len(chunk)
                    created_count += _create_links(link, chunk, self._using)
                if count:
                    rest = "; the rows with the others do not exist"
                    self._result.notes.append(
                        f"{created_count} of {counted(count, 'link')} of {table.label}.{link.name} "
                        f"to restored rows {'is' if created_count == 1 else 'are'} restored"
                        f"{'' if created_count == count else rest}."
                    )

    def _links_to(
        self, table: Table, link: Link, keys: set[object], own: set[object]
    ) -> Iterator[tuple[object, object]]:
        """Yield the links in the dump to rows with these ``keys``, except from rows in ``own``."""

        def targets(values: Values) -> list[object]:
            linked = (self._linked_key(link.target, value) for value in values.get(link.name, ()))
            return [key for key in linked if key in keys]

        def reason_for(values: Values) -> str:
            return _CHOSEN if targets(values) else ""

        for row in self._find(table, {link.name}, reason_for) if keys else ():
            if row.key[0] not in own:
                yield from ((row.key[0], target) for target in targets(row.values))

    def _emptied_references(self) -> Iterator[str]:
        """Yield a note for each foreign key that led to restored rows and is null now."""
        for table in dict.fromkeys(map(table_of, apps.get_models())):
            for reference in references_of(table):
                rows = [row for row in self._rows.values() if row.table is reference.target]
                column = table.column(reference.own[0])
                if not rows or len(reference.own) > 1 or not column.field.null:
                    continue
                keys = {row.values.get(reference.to[0]) for row in rows} - {None}
                with suppress(DumpyError):  # tables that are not restored need not fit the models
                    yield from self._emptied(table, column, keys)

    def _emptied(self, table: Table, column: Column, keys: set[object]) -> Iterator[str]:
        """Yield a note if rows referred to one of these ``keys`` in the dump and do not now."""

        def reason_for(values: Values) -> str:
            return _CHOSEN if self._linked_key(column, values.get(column.name)) in keys else ""

        rows: QuerySet[Any] = QuerySet(table.model, using=self._using)
        empty = rows.filter(**{f"{column.name}__isnull": True})
        found = (single(row.key) for row in self._find(table, {column.name}, reason_for))
        emptied = [
            pk
            for chunk in chunks(found)
            for pk in empty.filter(pk__in=chunk).order_by("pk").values_list("pk", flat=True)
        ]
        if emptied:
            shown = [*map(repr, emptied[:_FEW]), *(["…"] if len(emptied) > _FEW else [])]
            yield (
                f"{counted(len(emptied), 'row')} of {table.label} referred to restored rows in the "
                f"dump, and {'has' if len(emptied) == 1 else 'have'} no value now: "
                f"{column.field.name} (pk {', '.join(shown)})."
            )

    def _migrator_notes(self) -> Iterator[str]:
        """Yield what migrators do in a restore, but not in a repair."""
        for label in sorted({row.table.label for row in self._rows.values() if row.is_created}):
            yield (
                f"{label}: a migrator makes its rows. What it makes of the same rows for other "
                "models is not restored: name these in another call."
            )
        if self._dump.migration is not None and self._dump.migration.after_load:
            yield "The after_load handlers of migrators are not run."


def _values(names: Iterable[str], values: Values) -> tuple[object, ...]:
    return tuple(values.get(name) for name in names)


def _target(reference: Reference, values: Values) -> Target | None:
    """Return the row that a foreign key refers to, None if it is null or a natural key."""
    key = _values(reference.own, values)
    if any(value is None or isinstance(value, _NOT_KEYS) for value in key):
        return None
    return Target(reference.target, reference.to, key)


def _parents(table: Table, values: Values) -> Iterator[Target]:
    """Yield the rows of parent models that belong to a row with these values."""
    for reference in references_of(table):
        target = _target(reference, values) if reference.is_parent else None
        if target is not None:
            yield target
            yield from _parents(target.table, dict(zip(target.names, target.values, strict=True)))


def _is_checked(table: Table, reference: Reference) -> bool:
    """Whether the database checks a foreign key; it checks none of several columns."""
    if len(reference.own) > 1:
        return False
    return bool(getattr(table.column(reference.own[0]).field, "db_constraint", True))


def _generic_target(generic_key: GenericKey, values: Values) -> Target | None:
    """Return the row that a generic foreign key refers to, None if there is none."""
    content_type = values.get(generic_key.content_type.name)
    pk = values.get(generic_key.object_id.name)
    if not isinstance(content_type, Natural) or pk is None:
        return None
    model = TODAY.find(".".join(map(str, content_type.key)))
    if model is None or len(table_of(model).key) > 1:
        return None
    table = table_of(model)
    with suppress(ValidationError, ValueError, TypeError):
        return Target(table, table.key, (table.column(table.key[0]).target.to_python(pk),))
    return None


def _child_reason(
    table: Table,
    references: Iterable[Reference],
    generic_keys: Iterable[GenericKey],
    reasons: Mapping[Target | None, str],
    is_strict: bool,
    values: Values,
) -> str:
    """Return the reason to restore a row that refers to a row in ``reasons``, ``""`` if none."""
    for reference in references:
        if is_strict and any(isinstance(values.get(name), Natural) for name in reference.own):
            raise InvalidChoice(
                f"--with-children: rows of {table.label} refer to {reference.target.label} "
                f"by natural key. Choose them: manage.py repair PATH {table.label} "
                f"--where {reference.name}=KEY, the parts of the natural key with dots."
            )
        if reason := reasons.get(_target(reference, values)):
            return reason
    targets = (_generic_target(key, values) for key in generic_keys)
    return next(filter(None, map(reasons.get, targets)), "")


def _candidate(
    table: Table, values: Values, place: Place, reason: str, *, is_created: bool = False
) -> Candidate:
    if not set(table.key) <= values.keys():
        ways = ["leave out --with-children"] if reason != _CHOSEN else []
        ways += ["give the rows a key in the migrator"] if is_created else []
        way = " or ".join(ways or ["restore the whole dump"])
        raise InvalidChoice(
            f"{place}: the row of {table.label} has no primary key, so repair cannot tell whether "
            f"it exists. {way[0].upper()}{way[1:]}."
        )
    return Candidate(table, values, place, reason, is_created)


def _values_of(table: Table, instance: Model) -> dict[str, Any]:
    """Return the values of an instance by the names of columns and links."""
    row = dumped_row(instance)
    values = {column.name: attribute(column, instance) for column in table.columns}
    if instance.pk is None:
        values = {name: value for name, value in values.items() if name not in table.key}
    return {**values, **row.references, **row.links} if row else values


def _search_words(position: object, values: Collection[object]) -> list[str]:
    """Return the texts of values at a position in a row, with the characters around them."""
    if not isinstance(position, int):
        return []
    try:
        texts = [f"{' ' if position else '('}{source(value)}" for value in values]
    except Unwritable:
        return []
    return [f"{text}{end}" for text in texts for end in ",)"]


def _create_links(link: Link, links: list[tuple[object, object]], using: str) -> int:
    """Create links from existing rows, and return their number."""
    rows: QuerySet[Any] = QuerySet(link.source.references, using=using)
    existing = set(rows.filter(pk__in={pk for pk, _ in links}).values_list("pk", flat=True))
    links = [pair for pair in links if pair[0] in existing]
    names = link.source.name, link.target.name
    instances = (
        link.through(**dict(zip(names, pair, strict=True))) for pair in dict.fromkeys(links)
    )
    through: QuerySet[Any] = QuerySet(link.through, using=using)
    through.bulk_create(instances, ignore_conflicts=True)
    return len(links)
