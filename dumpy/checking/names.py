"""The names in a dump beside those of the models: what is gone, new, renamed, or kept elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from functools import cached_property
from typing import Any

from django.db.models import NOT_PROVIDED

from dumpy.checking.report import Call, Finding, literal
from dumpy.errors import Place
from dumpy.loading.batches import default_of
from dumpy.loading.registry import TODAY
from dumpy.reading import DumpedTable
from dumpy.restoring.changes import Changes, filled
from dumpy.schema.tables import Column, Link, ModelType, Table, table_of

_ALIKE = 0.6
_LINKS, _KEY, _VALUE = "links", "key", "value"
_TO_LINKS = "lambda key: [] if key is None else [key]"
_TO_KEY = "lambda keys: keys[0] if keys else None"


@dataclass
class DumpedModel:
    """The rows of one create function.

    Attributes:
        rows: how many rows there are.
        filled: how many values are not empty, by the name of a field that is gone.
        lists: the fields with lists of links.
    """

    tables: Sequence[DumpedTable]
    rows: int = 0
    filled: Counter[str] = field(default_factory=Counter)
    lists: set[str] = field(default_factory=set)

    @property
    def label(self) -> str:
        """The label of the model."""
        return self.tables[0].label

    @property
    def fields(self) -> Mapping[str, Any]:
        """Where each field has its value."""
        return self.tables[0].fields

    def place(self, name: str | None = None) -> Place:
        """Return the line that names the model, or one of its fields."""
        first = self.tables[0]
        return first.named_at if name is None else first.declared_at(name)

    def count(self) -> None:
        """Read all rows, and count them; raises ``FixtureError`` for one that cannot be read.

        Values are counted of the fields that the model of today does not have.
        """
        model = TODAY.find(self.label)
        known = table_of(model).names if model is not None else {}
        gone = ((name, where) for name, where in self.fields.items() if name not in known)
        names = {where: name for name, where in gone if isinstance(where, int)}
        for table in self.tables:
            for block in table.blocks():
                self.rows += len(block)
                for where, name in names.items():
                    values = block.columns[where]
                    self.filled[name] += filled(values)
                    if any(type(value) is list for value in values):
                        self.lists.add(name)


@dataclass
class Names:
    """Compares the models of a dump with those of the project, of which some are ``added``."""

    models: Sequence[DumpedModel]
    added: Sequence[ModelType]
    changes: Changes

    def findings(self) -> Iterator[Finding]:
        """Yield the differences, model by model."""
        known = set()
        for dumped in self.models:
            label, is_guess = self.today(dumped)
            known.add(label)
            if label is None:
                yield self._gone(dumped)
                continue
            if label != dumped.label:
                yield _renamed(dumped, None, label, Call("rename_model", (dumped.label, label)),
                    f"change the label in resolve_model() to {label!r}", is_guess=is_guess,
                )  # fmt: skip
            for finding in _Fields(self, dumped, table_of(TODAY.get(label))).findings():
                yield replace(finding, is_guess=finding.is_guess or is_guess)
            for other in self.changes.redirected(dumped.label, dumped.fields):
                yield Finding(
                    "redirected", dumped.label, other.reason, field=other.name, to=other.today,
                    hint="restore it with --through-migrations, which does what the migrations say",
                    rows=dumped.rows, proposal=other.step,
                )  # fmt: skip
        for model in self.added:
            if model._meta.label not in known:
                yield Finding("model-added", model._meta.label, "is not in the dump", stops=False)

    def today(self, dumped: DumpedModel) -> tuple[str | None, bool]:
        """Return what a model is called today, None if it is gone, and whether that is a guess."""
        if TODAY.find(dumped.label) is not None:
            return dumped.label, False
        told = self.changes.model(dumped.label)
        return (told, False) if told else (self.guessed.get(dumped.label), True)

    @cached_property
    def guessed(self) -> dict[str, str]:
        """The likely new labels of models that are gone, where no migrations know them."""
        known = TODAY.found(one.label for one in self.models)
        wanted = {one for model in known for one in targets(table_of(model))}
        return _best(
            (score, one.label, model._meta.label)
            for one in self.models
            if TODAY.find(one.label) is None and self.changes.table(one.label) is None
            for model in self.added
            if (score := _model_score(one, table_of(model), is_wanted=model in wanted))
        )

    def _gone(self, dumped: DumpedModel) -> Finding:
        first, heir = dumped.tables[0], self._heir(dumped)
        listed = dict.fromkeys(one.listed_at for one in dumped.tables)
        what = "line" if len(listed) == 1 else f"{len(listed)} lines"
        hint = f"comment the {what} out in {first.listed_in}"
        reason = "there is no such model"
        if heir is not None:
            reason += f", but {heir}, which is new, may have its values"
            hint += ", or @override its create function in a migrator, and that of the other model"
        call = Call("remove_model", (dumped.label,))
        return Finding(
            "model-removed", dumped.label, reason, to=heir, hint=hint, place=next(iter(listed)),
            rows=dumped.rows, values=sum(dumped.filled.values()),
            call=None if heir else call, proposal=str(call),
        )  # fmt: skip

    def _heir(self, dumped: DumpedModel) -> str | None:
        """Return a new field, of a model that rows of a gone one referred to, with their values."""
        then = self.changes.table(dumped.label)
        referred = {one._meta.label for one in targets(then)} if then else set()
        for other in self.models:
            model = TODAY.find(other.label)
            if model is None:
                continue
            is_guessed = then is None and f"{model._meta.model_name}_id" in dumped.fields
            if is_guessed or model._meta.label in referred:
                for one in _added(table_of(model), other.fields):
                    if dumped.filled[one.name]:
                        return f"{other.label}.{one.field.name}"
        return None


@dataclass
class _Fields:
    """Compares the fields of a dumped model with those of today."""

    names: Names
    dumped: DumpedModel
    table: Table

    def findings(self) -> Iterator[Finding]:
        """Yield the differences."""
        removed: list[Finding] = []
        for name in self.gone:
            if name in self.renamed:
                new, is_guess = self.renamed[name]
                is_key = name.endswith("_id") and new.endswith("_id")
                short = [one.removesuffix("_id") if is_key else one for one in (name, new)]
                yield _renamed(
                    self.dumped, name, new, Call("rename_field", (self.table.label, *short)),
                    f"change the name left of the '=' to {new!r}", is_guess=is_guess,
                )  # fmt: skip
            else:
                removed.append(self._removed(name))
                yield removed[-1]
        known = {new for new, _is_guess in self.renamed.values()}
        known |= {one.to for one in removed if one.to}
        known |= {self.table.names[name] for name in self.dumped.fields if name in self.table.names}
        for one in self.added.values():
            if one.name not in known:
                yield self._new(one, is_keyed=set(self.table.key) <= known)

    @cached_property
    def gone(self) -> list[str]:
        return [name for name in self.dumped.fields if name not in self.table.names]

    @cached_property
    def added(self) -> dict[str, Column | Link]:
        return {one.name: one for one in _added(self.table, self.dumped.fields)}

    @cached_property
    def then(self) -> Mapping[str, Column | Link]:
        """The fields of the model when the dump was made, by all names; none if not known."""
        if (table := self.names.changes.table(self.dumped.label)) is None:
            return {}
        own = {one.name: one for one in _every(table)}
        return {name: own[found] for name, found in table.names.items()}

    @cached_property
    def renamed(self) -> dict[str, tuple[str, bool]]:
        """The new names of fields, and whether each is a guess."""
        found: dict[str, tuple[str, bool]] = {}
        for name in self.gone:
            old = str(self.then[name].field.name) if name in self.then else name
            told = self.names.changes.field(self.dumped.label, old)
            one = self.added.get(self.table.names.get(told or "", ""))
            if name in self.then and one is not None and _kind(one) == self._kind(name):
                found[name] = one.name, False
        if self._old_key and self._old_key not in found:
            found[self._old_key] = self.table.key[0], True
        taken = {new for new, _is_guess in found.values()}
        likely = (
            (score, old, new)
            for old in self.gone
            if old not in {*found, *self.then}
            for new, one in self.added.items()
            if new not in taken and _kind(one) == self._kind(old)
            # What is needed must have been something.
            if (score := _likeness(old, new)) >= _ALIKE or _is_needed(one)
        )
        return {**found, **{old: (new, True) for old, new in _best(likely).items()}}

    @property
    def _old_key(self) -> str | None:
        """The field that was the key, a link to a parent say, of a model with another key now."""
        known = {self.table.names.get(name) for name in self.dumped.fields}
        if len(self.table.key) > 1 or self.table.key[0] in known:
            return None
        keys = (name for name in self.gone if self.dumped.fields[name] == 0)
        return next((name for name in keys if name.endswith("_id")), None)

    def _kind(self, name: str) -> str:
        """Return what a field that is gone has held."""
        if name in self.then:
            return _kind(self.then[name])
        if name in self.dumped.lists:
            return _LINKS
        return _KEY if name.endswith("_id") else _VALUE

    def _removed(self, name: str) -> Finding:
        call = Call("remove_field", (self.table.label, name))
        finding = Finding(
            "field-removed", self.dumped.label, "there is no such field", field=name,
            hint="comment the line out", place=self.dumped.place(name), call=call,
            rows=self.dumped.rows, values=self.dumped.filled[name],
        )  # fmt: skip
        if other := self._elsewhere.get(name):
            return replace(
                finding, to=other, call=None, proposal=str(call),
                reason=f"there is no such field, but {other}, which is new, may have its values",
                hint=f"comment the line out, or make rows of {other} with @override in a migrator",
            )  # fmt: skip
        one = self._other_kind(name)
        return finding if one is None else self._converted(finding, name, one)

    def _converted(self, finding: Finding, old: str, one: Column | Link) -> Finding:
        """Return the finding for a foreign key that is a many-to-many field now, or the reverse."""
        where, first = self.dumped.fields[old], self.dumped.tables[0]
        value = first.parameters[where] if isinstance(where, int) else old
        then, now, change = "a foreign key", "many-to-many field", _TO_LINKS
        line, loss = f"{one.name}=[] if {value} is None else [{value}],", ""
        if isinstance(one, Column):
            then, now, change = "a many-to-many field", "foreign key", _TO_KEY
            line, loss = f"{one.name}={value}[0] if {value} else None,", ", of which one link stays"
        label, names = literal(self.table.label), (literal(old), literal(one.name))
        return replace(
            finding, reason=f"was {then}, and may be the {now} {one.name} now{loss}", to=one.name,
            hint=f"{finding.place}: make the first line of the file '# dumpy: program 1', and this "
            f"one: {line}", place=None, call=None, is_guess=True,
            proposal=f"self.change_values({label}, {names[0]}, {change})\n"
            f"self.rename_field({label}, {', '.join(names)})",
        )  # fmt: skip

    @cached_property
    def _elsewhere(self) -> dict[str, str]:
        """The new models that may have the values of a field, by its name.

        Each refers to this model, or this model to it, and it has a field of that name, or links.
        """
        found: dict[str, str] = {}
        for other in map(table_of, self.names.added):
            if self.table.model in targets(other) or other.model in targets(self.table):
                found |= {c.name: other.label for c in other.columns if c.name not in other.key}
                for own in self.table.model._meta.local_many_to_many:
                    if own.remote_field.through is other.model:
                        found[own.name] = other.label
        return found

    def _other_kind(self, name: str) -> Column | Link | None:
        """Return a new field that has links where there was a foreign key, or the reverse."""
        kind = {_LINKS: _KEY, _KEY: _LINKS}.get(self._kind(name))
        others = {one: _target(one) for one in self.added.values() if _kind(one) == kind}
        then = _target(self.then[name]) if name in self.then else None
        if then is not None:
            known = self.names.changes.model(then._meta.label) or then._meta.label
            return next((one for one, to in others.items() if to and to._meta.label == known), None)
        alike = [one for one in others if _likeness(name, str(one.field.name)) >= 0.5]
        # Where nobody knows, the only one is likely enough not to drop what it may hold.
        return next(iter(alike or (others if len(others) == 1 else ())), None)

    def _new(self, one: Column | Link, *, is_keyed: bool) -> Finding:
        """Return the finding for a new field of rows that have their keys, or are found without."""
        filling = _filling(one)
        finding = Finding(
            "field-added", self.dumped.label, f"is new, and {filling or 'may be left out'}",
            field=one.field.name, rows=self.dumped.rows, stops=False,
        )  # fmt: skip
        if filling or not is_keyed:
            return finding
        value = self.names.changes.value(self.table.label, str(one.field.name))
        # Other values have names that a migrator would have to import.
        is_told = isinstance(value, str | int | float)
        told = f", which a migration has filled with {literal(value)}" if is_told else ""
        first = self.dumped.tables[0]
        return replace(
            finding, reason=f"is new, and needs a value{told}", stops=True,
            hint=f"add a line such as {one.name}=…, to the call of new(), or give it a default",
            place=first.declared_at(),
            call=Call("add_field", (self.table.label, one.name, value)) if is_told else None,
            proposal=f"self.add_field({literal(self.table.label)}, {literal(one.name)}, ...)",
        )  # fmt: skip


def _added(table: Table, fields: Iterable[str]) -> Iterator[Column | Link]:
    """Yield the columns and links of today that rows with these fields have no value for."""
    there = {table.names[name] for name in fields if name in table.names}
    for one in _every(table):
        # A dump may be without keys, its rows found by natural key.
        is_given = one.name in table.key and isinstance(one, Column) and _is_filled(one)
        if one.name not in there and not is_given:
            yield one


def _renamed(
    dumped: DumpedModel, name: str | None, new: str, call: Call, hint: str, *, is_guess: bool
) -> Finding:
    """Return the finding for a model, or for one of its fields, that has another name today."""
    verb = "may have been" if is_guess else "was"
    return Finding(
        "field-renamed" if name else "model-renamed", dumped.label, f"{verb} renamed to {new}",
        field=name, to=new, hint=hint, place=dumped.place(name),
        rows=dumped.rows, values=dumped.filled[name] if name else 0, call=call, is_guess=is_guess,
    )  # fmt: skip


def _kind(one: Column | Link) -> str:
    """Return what a field holds: links, a key of another row, or any other value."""
    if isinstance(one, Link):
        return _LINKS
    return _VALUE if one.references is None else _KEY


def _is_needed(one: Column | Link) -> bool:
    """Whether a new field is more likely to be an old one."""
    own = one.field
    return isinstance(one, Column) and not (own.null or own.blank or own.has_default())


def _is_filled(column: Column) -> bool:
    """Whether the database fills a column in."""
    has_default = getattr(column.field, "db_default", NOT_PROVIDED) is not NOT_PROVIDED
    return has_default or getattr(column.field, "db_returning", False)


def _filling(one: Column | Link) -> str:
    """Return what a new field has in rows without a value for it, ``""`` if they need one."""
    if isinstance(one, Link):
        return "links nothing"
    if _is_filled(one):
        return "the database fills it in"
    if default_of(one.field) is not None:
        return "has a default" if one.field.has_default() else "begins empty"
    return "may be NULL" if one.field.null or one.field.primary_key else ""


def _model_score(dumped: DumpedModel, table: Table, *, is_wanted: bool) -> float:
    """Return how much a model that is gone is like one of today, in name and fields; 0 for little.

    Rows of a model that ``is_wanted`` must come from somewhere: what is in the dump refers to them.
    """
    today = {one.name for one in _every(table)} - set(table.key)
    theirs = set(dumped.fields) - set(table.key)
    common = len(theirs & today)
    overlap = common / max(1, len(theirs | today))
    (app, _, old), (app_today, _, new) = (x.partition(".") for x in (dumped.label, table.label))
    alike = _likeness(old.lower(), new.lower())
    is_alike = is_wanted or (app == app_today and alike >= _ALIKE) or common >= 3
    return overlap + alike + is_wanted if alike == 1 or (overlap >= 0.4 and is_alike) else 0


def _every(table: Table) -> tuple[Column | Link, ...]:
    return (*table.columns, *table.links)


def _target(one: Column | Link) -> ModelType | None:
    return one.target.references if isinstance(one, Link) else one.references


def targets(table: Table) -> set[ModelType]:
    """Return the models that the rows of a table refer to."""
    found = (column.references for column in table.references.values())
    return {model for model in found if model is not None}


def _best(scored: Iterable[tuple[float, str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for _score, old, new in sorted(scored, key=lambda one: (-one[0], *one[1:])):
        if old not in found and new not in found.values():
            found[old] = new
    return found


def _likeness(one: str, other: str) -> float:
    ends = one.removesuffix("_id"), other.removesuffix("_id")
    return SequenceMatcher(None, *ends).ratio()
