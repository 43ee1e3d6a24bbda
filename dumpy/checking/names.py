"""The names in a dump beside those of the models: what is gone, new, renamed, or kept elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from functools import cached_property
from typing import Any

from django.db.models import NOT_PROVIDED

from dumpy.checking.changes import Changes
from dumpy.checking.findings import Call, Finding, text
from dumpy.errors import Place
from dumpy.loading.batches import Layout, default_of
from dumpy.loading.registry import TODAY
from dumpy.reading import DumpedTable
from dumpy.restoring.redirected import redirected
from dumpy.schema.tables import Column, Link, ModelType, Table, table_of

_ALIKE = 0.6
_EMPTY: tuple[object, ...] = (None, "", [], {}, b"")
_TO_LINKS = "lambda key: [] if key is None else [key]"
_TO_KEY = "lambda keys: keys[0] if keys else None"


@dataclass
class DumpedModel:
    """The rows of one create function.

    Attributes:
        named_at: where its model is named; ``listed_at``: where its rows are listed.
        rows: how many there are; ``filled``: how many values of a field that is gone are not empty.
        lists: the fields with lists of links.
    """

    label: str
    tables: tuple[DumpedTable, ...]
    named_at: Place
    listed_at: tuple[Place, ...]
    rows: int = 0
    filled: Counter[str] = field(default_factory=Counter)
    lists: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, tables: Sequence[DumpedTable], line: int | None = None) -> DumpedModel:
        """Return the model of some tables, which is named in a line of the skeleton."""
        first = tables[0]
        listed = dict.fromkeys(table.skeleton_place(table.listed_at) for table in tables)
        named_at = first.skeleton_place(line or first.line)
        return cls(first.label, tuple(tables), named_at, tuple(listed))

    @property
    def fields(self) -> Mapping[str, Any]:
        """Where each field has its value."""
        return self.tables[0].fields

    def field_at(self, name: str) -> Place:
        """Return the line of a field in the create function."""
        first = self.tables[0]
        return first.skeleton_place(first.field_lines.get(name, first.line))

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
                    self.filled[name] += sum(value not in _EMPTY for value in values)
                    if any(type(value) is list for value in values):
                        self.lists.add(name)


@dataclass
class Names:
    """Compares the models of a dump with those of the project."""

    models: Sequence[DumpedModel]
    added: Sequence[ModelType]
    changes: Changes

    def findings(self) -> Iterator[Finding]:
        """Yield the differences, model by model."""
        for dumped in self.models:
            label, is_guess = self.today(dumped)
            if label is None:
                yield self._gone(dumped)
                continue
            if label != dumped.label:
                yield _moved(dumped, label, is_guess)
            found = _Fields(self, dumped, table_of(TODAY.get(label)))
            for finding in found.findings():
                yield replace(finding, is_guess=finding.is_guess or is_guess)
            for other in redirected(dumped.label, dumped.fields, self.changes.past):
                yield Finding(
                    "redirected", dumped.label, other.reason, field=other.name, to=other.today,
                    hint="restore it with --through-migrations, which does what the migrations say",
                    rows=dumped.rows, proposal=other.step,
                )  # fmt: skip
        taken = {self.today(dumped)[0] for dumped in self.models}
        for model in self.added:
            if model._meta.label not in taken:
                yield Finding("model-added", model._meta.label, "is not in the dump", stops=False)

    def today(self, dumped: DumpedModel) -> tuple[str | None, bool]:
        """Return what a model is called today, None if it is gone, and whether that is a guess."""
        if TODAY.find(dumped.label) is not None:
            return dumped.label, False
        told = self.changes.model(dumped.label)
        return (told, False) if told else (self.guessed.get(dumped.label), True)

    @cached_property
    def guessed(self) -> dict[str, str]:
        """The likely new labels of models that are gone.

        Where migrations know the model, nothing is guessed.
        """
        gone = [
            one
            for one in self.models
            if TODAY.find(one.label) is None and self.changes.table(one.label) is None
        ]
        known = [model for one in self.models if (model := TODAY.find(one.label)) is not None]
        wanted = {one._meta.label for model in known for one in _targets(table_of(model))}
        scored = (
            (score, one.label, model._meta.label)
            for one in gone
            for model in self.added
            if (score := _model_score(one, table_of(model), wanted)) > 0
        )
        return _best(scored)

    def _gone(self, dumped: DumpedModel) -> Finding:
        lines = len(dumped.listed_at)
        what = "line" if lines == 1 else f"{lines} lines"
        hint = f"comment the {what} out in {dumped.tables[0].listed_in}"
        reason, heir = "there is no such model", self._heir(dumped)
        if heir is not None:
            reason += f", but {heir} is new, and has what may be one of its fields"
            hint += ", or @override its create function in a migrator, and that of the other model"
        call = Call("remove_model", (dumped.label,))
        return Finding(
            "model-removed", dumped.label, reason, to=heir, hint=hint, place=dumped.listed_at[0],
            rows=dumped.rows, values=sum(dumped.filled.values()),
            call=None if heir else call, proposal=str(call),
        )  # fmt: skip

    def _heir(self, dumped: DumpedModel) -> str | None:
        """Return a new field of another model that may hold values of one that is gone."""
        for other in self.models:
            model = TODAY.find(other.label)
            if model is None or not self._refers(dumped, model):
                continue
            for one in added_fields(table_of(model), other.fields):
                if dumped.filled[one.name]:
                    return f"{other.label}.{one.field.name}"
        return None

    def _refers(self, dumped: DumpedModel, model: ModelType) -> bool:
        then = self.changes.table(dumped.label)
        if then is None:
            return f"{model._meta.model_name}_id" in dumped.fields
        return model._meta.label in {target._meta.label for target in _targets(then)}


@dataclass
class _Fields:
    """Compares the fields of a dumped model with those of today."""

    names: Names
    dumped: DumpedModel
    table: Table

    def findings(self) -> Iterator[Finding]:
        """Yield the differences."""
        for old, (new, is_guess) in self.renamed.items():
            yield self._moved(old, new, is_guess)
        for name in self.gone:
            if name not in self.renamed:
                yield self._removed(name)
        fields = {*self.dumped.fields, *(new for new, _is_guess in self.renamed.values())}
        for one in added_fields(self.table, fields):
            yield self._added(one, fields)

    @cached_property
    def gone(self) -> list[str]:
        return [name for name in self.dumped.fields if name not in self.table.names]

    @cached_property
    def added(self) -> dict[str, Column | Link]:
        return {one.name: one for one in added_fields(self.table, self.dumped.fields)}

    @cached_property
    def then(self) -> Mapping[str, Column | Link]:
        """The fields of the model when the dump was made, by all names; none if not known."""
        table = self.names.changes.table(self.dumped.label)
        if table is None:
            return {}
        own = {one.name: one for one in _every(table)}
        return {name: own[found] for name, found in table.names.items()}

    @cached_property
    def renamed(self) -> dict[str, tuple[str, bool]]:
        """The new names of fields, and whether each is a guess."""
        found: dict[str, tuple[str, bool]] = {}
        for name in self.gone:
            told = self.names.changes.field(self.dumped.label, self._field_then(name))
            own = self.table.names.get(told or "")
            if name in self.then and own in self.added and self._is_like(name, self.added[own]):
                found[name] = own, False
        if self._old_key and self._old_key not in found:
            found[self._old_key] = self.table.key[0], True
        taken = {new for new, _is_guess in found.values()}
        scored = [
            (_likeness(old, new), old, new)
            for old in self.gone
            for new, one in self.added.items()
            if old not in {*found, *self.then} and new not in taken and self._is_like(old, one)
        ]
        # What is needed must have been something.
        likely = (one for one in scored if one[0] >= _ALIKE or _is_needed(self.added[one[2]]))
        return {**found, **{old: (new, True) for old, new in _best(likely).items()}}

    @property
    def _old_key(self) -> str | None:
        """The field that was the key, a link to a parent say, of a model with another key now."""
        known = {self.table.names.get(name) for name in self.dumped.fields}
        if len(self.table.key) > 1 or self.table.key[0] in known:
            return None
        keys = (name for name in self.gone if self.dumped.fields[name] == 0)
        return next((name for name in keys if name.endswith("_id")), None)

    def _field_then(self, name: str) -> str:
        return str(self.then[name].field.name) if name in self.then else name

    def _is_like(self, name: str, one: Column | Link) -> bool:
        """Whether both are links, or both foreign keys, or neither."""
        if self._is_links(name) or isinstance(one, Link):
            return self._is_links(name) and isinstance(one, Link)
        return self._is_key(name) == (one.references is not None)

    def _is_links(self, name: str) -> bool:
        is_known = name in self.then
        return isinstance(self.then[name], Link) if is_known else name in self.dumped.lists

    def _is_key(self, name: str) -> bool:
        if name not in self.then:
            return name.endswith("_id")
        return _target(self.then[name]) is not None and not self._is_links(name)

    def _moved(self, old: str, new: str, is_guess: bool) -> Finding:
        names = (old, new)
        if old.endswith("_id") and new.endswith("_id"):
            names = (old.removesuffix("_id"), new.removesuffix("_id"))
        return Finding(
            "field-renamed", self.dumped.label, _has_become(new, is_guess), field=old, to=new,
            hint=f"change the name left of the '=' to {new!r}", place=self.dumped.field_at(old),
            rows=self.dumped.rows, values=self.dumped.filled[old],
            call=Call("rename_field", (self.table.label, *names)), is_guess=is_guess,
        )  # fmt: skip

    def _removed(self, name: str) -> Finding:
        call = Call("remove_field", (self.table.label, name))
        finding = Finding(
            "field-removed", self.dumped.label, "there is no such field", field=name,
            hint="comment the line out", place=self.dumped.field_at(name), call=call,
            rows=self.dumped.rows, values=self.dumped.filled[name],
        )  # fmt: skip
        if other := self._through.get(name):
            return _kept(finding, other, f"is kept in {other} now")
        if one := self._other_kind(name):
            return _converted(finding, one)
        if other := self._elsewhere.get(name):
            reason = f"there is no such field, but {other}, which is new, has one of this name"
            return _kept(finding, other, reason)
        return finding

    @cached_property
    def _through(self) -> dict[str, str]:
        """The many-to-many fields whose links are rows of a model of their own, with its label."""
        found = {}
        for own in self.table.model._meta.local_many_to_many:
            through: Any = own.remote_field.through
            if not through._meta.auto_created:
                found[own.name] = through._meta.label
        return found

    @cached_property
    def _elsewhere(self) -> dict[str, str]:
        """The fields of new models that refer to this one, or that it refers to."""
        found: dict[str, str] = {}
        for other in map(table_of, self.names.added):
            if self.table.model in _targets(other) or other.model in _targets(self.table):
                found |= {c.name: other.label for c in other.columns if c.name not in other.key}
        return found

    def _other_kind(self, name: str) -> Column | Link | None:
        """Return a new field that has links where there was a foreign key, or the reverse."""
        is_links = self._is_links(name)
        if not (is_links or self._is_key(name)):
            return None
        then = _target(self.then[name]) if name in self.then else None
        known = then and (self.names.changes.model(then._meta.label) or then._meta.label)
        others = {
            one: target
            for one in self.added.values()
            if isinstance(one, Link) is not is_links and (target := _target(one)) is not None
        }
        if known is not None:
            return next((one for one in others if others[one]._meta.label == known), None)
        alike = [one for one in others if _likeness(name, str(one.field.name)) >= 0.5]
        # Where nobody knows, the only one is likely enough not to drop what it may hold.
        return next(iter(alike or (others if len(others) == 1 else ())), None)

    def _added(self, one: Column | Link, fields: Container[str]) -> Finding:
        finding = Finding(
            "field-added", self.dumped.label, f"is new, and {_filling(one)}",
            field=one.field.name, rows=self.dumped.rows, stops=False,
        )  # fmt: skip
        known = {name: 0 for name in self.table.names.values() if name in fields}
        known |= {
            self.table.names[name]: 0 for name in self.dumped.fields if name in self.table.names
        }
        is_written = isinstance(one, Column) and one in Layout(self.table, known).columns
        is_keyed = set(self.table.key) <= known.keys()
        if not (is_written and is_keyed and _is_wanting(one)):
            return finding
        value = self.names.changes.value(self.table.label, str(one.field.name))
        call = Call("add_field", (self.table.label, one.name, value))
        # Other values have names that a migrator would have to import.
        is_told = isinstance(value, str | int | float)
        told = f", which a migration has filled with {text(value)}" if is_told else ""
        table = self.dumped.tables[0]
        return replace(
            finding, reason=f"is new, and needs a value{told}", stops=True,
            hint=f"add a line such as {one.name}=…, to the call of new(), or give it a default",
            place=table.skeleton_place(table.line), call=call if is_told else None,
            proposal=f"self.add_field({text(self.table.label)}, {text(one.name)}, ...)",
        )  # fmt: skip


def added_fields(table: Table, fields: Iterable[str]) -> Iterator[Column | Link]:
    """Yield the columns and links of today that rows with these fields have no value for."""
    there = {table.names[name] for name in fields if name in table.names}
    is_filled = [c.name for c in table.columns if c.name in table.key and _is_filled(c)]
    for one in _every(table):
        # A dump may be without keys, its rows found by natural key.
        if one.name not in there and one.name not in is_filled:
            yield one


def _moved(dumped: DumpedModel, label: str, is_guess: bool) -> Finding:
    return Finding(
        "model-renamed", dumped.label, _has_become(label, is_guess), to=label,
        hint=f"change the label in resolve_model() to {label!r}", place=dumped.named_at,
        rows=dumped.rows, call=Call("rename_model", (dumped.label, label)), is_guess=is_guess,
    )  # fmt: skip


def _has_become(name: str, is_guess: bool) -> str:
    return f"may have been renamed to {name}" if is_guess else f"was renamed to {name}"


def _kept(finding: Finding, label: str, reason: str) -> Finding:
    """Return the finding for a field whose values are in rows of another model today."""
    hint = f"{finding.hint}, or make rows of {label} with @override in a migrator"
    return replace(
        finding, reason=reason, to=label, hint=hint, call=None, proposal=str(finding.call)
    )


def _converted(finding: Finding, one: Column | Link) -> Finding:
    """Return the finding for a foreign key that is a many-to-many field today, or the reverse."""
    assert finding.call is not None
    label, old = finding.call.arguments
    if isinstance(one, Link):
        reason = f"was a foreign key, and may be the many-to-many field {one.name} now"
        change, loss = _TO_LINKS, ""
    else:
        reason = f"was a many-to-many field, and may be the foreign key {one.name} now"
        change, loss = _TO_KEY, ", which keeps one link of each row"
    return replace(
        finding, reason=reason, to=one.name, hint=f"let a migrator change the values{loss}",
        place=None, call=None, is_guess=True,
        proposal=f"self.change_values({text(label)}, {text(old)}, {change})\n"
        f"self.rename_field({text(label)}, {text(old)}, {text(one.name)})",
    )  # fmt: skip


def _is_needed(one: Column | Link) -> bool:
    """Whether a new field is more likely to be an old one."""
    own = one.field
    return isinstance(one, Column) and not (own.null or own.blank or own.has_default())


def _is_wanting(one: Column | Link) -> bool:
    """Whether each row needs a value for a field that has no default."""
    if isinstance(one, Link) or _is_filled(one) or one.field.null:
        return False
    return default_of(one.field) is None


def _is_filled(column: Column) -> bool:
    """Whether the database fills a column in."""
    has_default = getattr(column.field, "db_default", NOT_PROVIDED) is not NOT_PROVIDED
    return has_default or getattr(column.field, "db_returning", False)


def _filling(one: Column | Link) -> str:
    if isinstance(one, Link):
        return "links nothing"
    if _is_filled(one):
        return "the database fills it in"
    default = default_of(one.field)
    if default is None:
        return "may be NULL"
    return "has a default" if one.field.has_default() else "begins empty"


def _model_score(dumped: DumpedModel, table: Table, wanted: Container[str]) -> float:
    """Return how much a model that is gone is like one of today, in name and fields.

    Rows of the ``wanted`` models must come from somewhere: what is in the dump refers to them.
    """
    today = {*(c.name for c in table.columns), *(link.name for link in table.links)}
    today, theirs = today - set(table.key), set(dumped.fields) - set(table.key)
    common = len(theirs & today)
    overlap = common / max(1, len(theirs | today))
    (app, _, old), (app_today, _, new) = (x.partition(".") for x in (dumped.label, table.label))
    alike, is_wanted = _likeness(old.lower(), new.lower()), table.label in wanted
    is_alike = is_wanted or (app == app_today and alike >= _ALIKE) or common >= 3
    return overlap + alike + is_wanted if alike == 1 or (overlap >= 0.4 and is_alike) else 0


def _every(table: Table) -> tuple[Column | Link, ...]:
    return (*table.columns, *table.links)


def _target(one: Column | Link) -> ModelType | None:
    return one.target.references if isinstance(one, Link) else one.references


def _targets(table: Table) -> set[ModelType]:
    """Return the models that the rows of a table refer to."""
    found = {_target(one) for one in _every(table)}
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
