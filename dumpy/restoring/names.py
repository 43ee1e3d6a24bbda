"""Compare the models and fields of a dump with those of the project."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from functools import cached_property
from typing import Any

from django.apps import apps
from django.db import router

from dumpy.errors import Place
from dumpy.loading.batches import default_of
from dumpy.loading.registry import TODAY, and_no_app
from dumpy.reading import Dump, DumpedTable
from dumpy.restoring.changes import Changes, count_filled
from dumpy.restoring.findings import Call, Finding, literal
from dumpy.schema.tables import Column, Link, ModelType, Table, is_special, table_of
from dumpy.writing.database import LEFT_OUT

_SIMILAR = 0.6
_LINKS, _KEY, _VALUE = "links", "key", "value"
_MOVE = "or do what this code does with @override in a migrator"
_TO_LINKS = "lambda key: [] if key is None else [key]"
_TO_KEY = "lambda keys: keys[0] if keys else None"


@dataclass
class ModelRows:
    """The rows of one create function.

    Attributes:
        rows: the number of rows.
        filled: the number of values that are not empty, by the name of an unknown field.
        lists: the names of unknown fields with lists of links.
        targets: the models that the rows refer to.
    """

    tables: Sequence[DumpedTable]
    rows: int = 0
    filled: Counter[str] = field(default_factory=Counter)
    lists: set[str] = field(default_factory=set)
    targets: set[ModelType | None] = field(default_factory=set)

    @property
    def label(self) -> str:
        """The label of the model."""
        return self.tables[0].label

    @property
    def fields(self) -> Mapping[str, Any]:
        """The position of the value of each field in a row, or a constant."""
        return self.tables[0].fields

    def place(self, name: str | None = None) -> Place:
        """Return the line that names the model, or one of its fields."""
        table = self.tables[0]
        return table.named_at if name is None else table.declared_at(name)

    def count(self) -> None:
        """Count the rows, and the values of fields that the model of the project does not have.

        Raises ``FixtureError`` for a row that cannot be read.
        """
        model = TODAY.find(self.label)
        table = table_of(model) if model is not None else None
        known = table.names if table is not None else {}
        references = {
            self.fields[name]: table.references[known[name]].references
            for name in self.fields.keys() & known.keys()
            if table is not None and known[name] in table.references
        }
        unknown = {
            position: name
            for name, position in self.fields.items()
            if name not in known and isinstance(position, int)
        }
        for dumped in self.tables:
            for block in dumped.blocks():
                self.rows += len(block)
                for position, target in references.items():
                    if target not in self.targets and any(block.column(position)):
                        self.targets.add(target)
                for position, name in unknown.items():
                    values = block.columns[position]
                    self.filled[name] += count_filled(values)
                    if any(type(value) is list for value in values):
                        self.lists.add(name)


def models_of(tables: Iterable[DumpedTable]) -> list[ModelRows]:
    """Return the rows of tables without code by create function."""
    groups: dict[tuple[int, str], list[DumpedTable]] = {}
    for table in tables:
        if not table.drops:
            groups.setdefault((table.function.line, table.label), []).append(table)
    return [*map(ModelRows, groups.values())]


def added_models(dump: Dump, models: Iterable[ModelRows], using: str) -> list[ModelType]:
    """Return the models of the project that a dump with rows of ``models`` does not mention."""
    labels = {model.label for model in models} | {entry.model for entry in dump.entries}
    labels |= {*dump.skeleton.models.values()} if dump.skeleton else set()
    labels |= {*dump.manifest.left_out} if dump.manifest else set()
    known = {*(label.lower() for label in labels), *LEFT_OUT}
    return [
        model
        for model in apps.get_models()
        if model._meta.label_lower not in known
        and not (model._meta.proxy or model._meta.swapped)
        and model._meta.managed
        and router.allow_migrate_model(using, model)
    ]


@dataclass
class ModelComparison:
    """Compares the models of a dump with those of the project.

    Attributes:
        added: the models of the project that the dump does not have.
        changes: what migrations have changed since the dump was made.
    """

    models: Sequence[ModelRows]
    added: Sequence[ModelType]
    changes: Changes

    def findings(self) -> Iterator[Finding]:
        """Yield the differences, model by model."""
        if names := ", ".join(self._missing_apps()):
            yield Finding(
                "no-app", names, "none of the apps of the dump is in INSTALLED_APPS",
                hint="restore it with the settings of its own project",
                place=self.models[0].tables[0].skeleton.place(),
            )  # fmt: skip
            return
        for dumped in self.models:
            for finding in self._differences(dumped):
                # An edit would not change what a migrator makes of the function in the file.
                is_migrated = dumped.tables[0].is_migrated and finding.step
                yield replace(finding, hint="") if is_migrated else finding
        known = {self.current_label(dumped)[0] for dumped in self.models}
        for model in self.added:
            # A restore keeps or makes the rows of special models.
            if model._meta.label not in known and not is_special(model):
                yield self._new_model(model)

    def _missing_apps(self) -> list[str]:
        """Return the apps of the dump, without Django's, if none is installed or has a new name."""
        missing = dict[str, None]()
        for dumped in self.models:
            app = dumped.label.partition(".")[0]
            installed = apps.app_configs.get(app)
            if installed is None and self.current_label(dumped)[0] is None:
                missing[app] = None
            elif installed is None or not installed.name.startswith("django."):
                return []
        return [*missing]

    def _new_model(self, model: ModelType) -> Finding:
        finding = Finding("model-added", model._meta.label, "is not in the dump", stops=False)
        referring = [dumped.label for dumped in self.models if model in dumped.targets]
        if not referring:
            return finding
        reason = f"is not in the dump, but rows of {', '.join(referring)} refer to it"
        return replace(
            finding, reason=reason, hint="dump it as well, unless a migration makes its rows"
        )

    def _differences(self, dumped: ModelRows) -> Iterator[Finding]:
        label, is_guess = self.current_label(dumped)
        if label is None:
            yield self._removed(dumped)
            return
        if label != dumped.label:
            yield _renamed(dumped, None, label, Call("rename_model", (dumped.label, label)),
                f"change the label in resolve_model() to {label!r}", is_guess=is_guess,
            )  # fmt: skip
        for finding in _FieldComparison(self, dumped, table_of(TODAY.get(label))).findings():
            yield replace(finding, is_guess=finding.is_guess or is_guess)
        for name, old, new in self.changes.retargeted_fields(dumped.label, dumped.fields):
            reason = (
                f"referred to {old} when the dump was made, and refers to {new} today: its values "
                "would lead to other rows"
            )
            yield Finding(
                "redirected", dumped.label, reason, field=name, to=new, rows=dumped.rows,
                proposal=f'self.change_values("{dumped.label}", "{name}", {{…}})',
            )  # fmt: skip

    def current_label(self, dumped: ModelRows) -> tuple[str | None, bool]:
        """Return the label of a model in the project, None if it was removed.

        The second value is whether the label is a guess.
        """
        if TODAY.find(dumped.label) is not None:
            return dumped.label, False
        label = self.changes.new_label(dumped.label)
        return (label, False) if label else (self._guessed_labels.get(dumped.label), True)

    @cached_property
    def _guessed_labels(self) -> dict[str, str]:
        """The likely labels of models that neither the project nor its migrations know."""
        existing = TODAY.find_all(dumped.label for dumped in self.models)
        referenced = {target for model in existing for target in referenced_models(table_of(model))}
        return _best_matches(
            (score, dumped.label, model._meta.label)
            for dumped in self.models
            if TODAY.find(dumped.label) is None and self.changes.old_table(dumped.label) is None
            for model in self.added
            if (score := _model_score(dumped, table_of(model), is_referenced=model in referenced))
        )

    def _removed(self, dumped: ModelRows) -> Finding:
        table, successor = dumped.tables[0], self._successor(dumped)
        code = self.changes.mover(dumped.label)
        places = dict.fromkeys(table.listed_at for table in dumped.tables)
        lines = "line" if len(places) == 1 else f"{len(places)} lines"
        hint = f"comment the {lines} out in {table.listed_in}"
        reason = f"there is no such model{and_no_app(dumped.label)}"
        if successor is not None:
            reason += f", but {successor}, which is new, may have its values"
            hint += ", or @override its create function in a migrator, and that of the other model"
        elif code:
            reason += f", but its rows may have been moved by {code}"
            hint += f", {_MOVE}"
        call = Call("remove_model", (dumped.label,))
        return Finding(
            "model-removed", dumped.label, reason, to=successor, hint=hint,
            place=next(iter(places)), rows=dumped.rows, values=sum(dumped.filled.values()),
            call=None if successor or code else call, proposal=str(call),
        )  # fmt: skip

    def _successor(self, dumped: ModelRows) -> str | None:
        """Return the new field that may have the values of a removed model.

        It is a field of a model that the rows of the removed model referred to.
        """
        old_table = self.changes.old_table(dumped.label)
        referenced = referenced_models(old_table) if old_table else ()
        labels = {model._meta.label for model in referenced}
        for other in self.models:
            model = TODAY.find(other.label)
            if model is None:
                continue
            is_likely = old_table is None and f"{model._meta.model_name}_id" in dumped.fields
            if is_likely or model._meta.label in labels:
                for column in _added(table_of(model), other.fields):
                    if dumped.filled[column.name]:
                        return f"{other.label}.{column.field.name}"
        return None


@dataclass
class _FieldComparison:
    """Compares the fields of a model in a dump with those of its table in the project."""

    comparison: ModelComparison
    dumped: ModelRows
    table: Table

    def findings(self) -> Iterator[Finding]:
        """Yield the differences."""
        names = self.table.names
        known: set[str | None] = {names[name] for name in self.dumped.fields if name in names}
        for name in self.unknown:
            if name in self.renamed:
                new, is_guess = self.renamed[name]
                is_key = name.endswith("_id") and new.endswith("_id")
                pair = [text.removesuffix("_id") if is_key else text for text in (name, new)]
                known.add(new)
                yield _renamed(
                    self.dumped, name, new, Call("rename_field", (self.table.label, *pair)),
                    f"change the name left of the '=' to {new!r}", is_guess=is_guess,
                )  # fmt: skip
            else:
                finding = self._removed(name)
                known.add(finding.to)
                yield finding
        for column in self.added.values():
            if column.name not in known:
                yield self._new(column, is_keyed=known.issuperset(self.table.key))

    @cached_property
    def unknown(self) -> list[str]:
        """The names in the dump that the table does not have."""
        return [name for name in self.dumped.fields if name not in self.table.names]

    @cached_property
    def added(self) -> dict[str, Column | Link]:
        """The columns and links that the dump does not have, by name."""
        return {column.name: column for column in _added(self.table, self.dumped.fields)}

    @cached_property
    def old_columns(self) -> Mapping[str, Column | Link]:
        """The columns and links of the model when the dump was made, if known, by all names."""
        if (table := self.comparison.changes.old_table(self.dumped.label)) is None:
            return {}
        columns = {column.name: column for column in _columns(table)}
        return {name: columns[own] for name, own in table.names.items()}

    @cached_property
    def renamed(self) -> dict[str, tuple[str, bool]]:
        """The new names of unknown fields, and whether each is a guess."""
        renamed: dict[str, tuple[str, bool]] = {}
        for name in self.unknown:
            if name in self.old_columns:
                old = self.old_columns[name]
                new = self.comparison.changes.new_name(self.dumped.label, str(old.field.name))
                column = self.added.get(self.table.names.get(new or "", ""))
                if column is not None and _kind(column) == _kind(old):
                    renamed[name] = column.name, False
        if self._old_key and self._old_key not in renamed:
            renamed[self._old_key] = self.table.key[0], True
        taken = {new for new, _is_guess in renamed.values()}
        likely = (
            (score, name, new)
            for name in self.unknown
            if name not in renamed and name not in self.old_columns
            for new, column in self.added.items()
            if new not in taken and _kind(column) == self._kind(name)
            # A field that needs a value probably had one under another name.
            if (score := _similarity(name, new)) >= _SIMILAR or _is_required(column)
        )
        return renamed | {name: (new, True) for name, new in _best_matches(likely).items()}

    @property
    def _old_key(self) -> str | None:
        """The former primary key, such as a link to a parent, of a model with a new one."""
        known = {self.table.names.get(name) for name in self.dumped.fields}
        if len(self.table.key) > 1 or self.table.key[0] in known:
            return None
        keys = (name for name in self.unknown if self.dumped.fields[name] == 0)
        return next((name for name in keys if name.endswith("_id")), None)

    def _kind(self, name: str) -> str:
        """Return the kind of the values of an unknown field."""
        if name in self.old_columns:
            return _kind(self.old_columns[name])
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
        if model := self._new_models.get(name):
            return replace(
                finding, to=model, call=None, proposal=str(call),
                reason=f"there is no such field, but {model}, which is new, may have its values",
                hint=f"comment the line out, or make rows of {model} with @override in a migrator",
            )  # fmt: skip
        if column := self._converted_column(name):
            return self._converted(finding, name, column)
        old = self.old_columns.get(name)
        old_name = str(old.field.name) if old is not None else name
        if code := self.comparison.changes.mover(self.dumped.label, old_name):
            return replace(
                finding, call=None, proposal=str(call),
                reason=f"there is no such field, but its values may have been moved by {code}",
                hint=f"comment the line out, {_MOVE}",
            )  # fmt: skip
        return finding

    def _converted(self, finding: Finding, name: str, column: Column | Link) -> Finding:
        """Return the finding for a foreign key that became a many-to-many field, or the reverse."""
        position, table = self.dumped.fields[name], self.dumped.tables[0]
        value = table.parameters[position] if isinstance(position, int) else name
        if isinstance(column, Link):
            old, new, change = "a foreign key", f"many-to-many field {column.name} now", _TO_LINKS
            line = f"{column.name}=[] if {value} is None else [{value}],"
        else:
            old, change = "a many-to-many field", _TO_KEY
            new = f"foreign key {column.name} now, of which one link stays"
            line = f"{column.name}={value}[0] if {value} else None,"
        label, names = literal(self.table.label), (literal(name), literal(column.name))
        return replace(
            finding, reason=f"was {old}, and may be the {new}", to=column.name,
            hint=f"make the first line of the file '# dumpy: program 1', and this one: {line}",
            call=None, is_guess=True,
            proposal=f"self.change_values({label}, {names[0]}, {change})\n"
            f"self.rename_field({label}, {', '.join(names)})",
        )  # fmt: skip

    @cached_property
    def _new_models(self) -> dict[str, str]:
        """The labels of new models that may have the values of a field, by its name.

        Such a model refers to this model or is referred to by it, and has a field of that name,
        or has become the through table of the field.
        """
        labels: dict[str, str] = {}
        references = referenced_models(self.table)
        for other in map(table_of, self.comparison.added):
            if other.model in references or self.table.model in referenced_models(other):
                labels |= {c.name: other.label for c in other.columns if c.name not in other.key}
                for own in self.table.model._meta.local_many_to_many:
                    if own.remote_field.through is other.model:
                        labels[own.name] = other.label
        return labels

    def _converted_column(self, name: str) -> Column | Link | None:
        """Return the new many-to-many field that was the foreign key ``name``, or the reverse."""
        kind = {_LINKS: _KEY, _KEY: _LINKS}.get(self._kind(name))
        columns = [column for column in self.added.values() if _kind(column) == kind]
        target = _target(self.old_columns[name]) if name in self.old_columns else None
        if target is not None:
            label = self.comparison.changes.new_label(target._meta.label) or target._meta.label
            targets = ((column, _target(column)) for column in columns)
            return next((column for column, to in targets if to and to._meta.label == label), None)
        similar = [c for c in columns if _similarity(name, str(c.field.name)) >= 0.5]
        # Without migrations, the only candidate is likely enough not to drop the values.
        return next(iter(similar or (columns if len(columns) == 1 else ())), None)

    def _new(self, column: Column | Link, *, is_keyed: bool) -> Finding:
        """Return the finding for a new field; rows without keys are found by natural key."""
        filling = _filling(column)
        finding = Finding(
            "field-added", self.dumped.label, f"is new, and {filling or 'may be left out'}",
            field=column.field.name, rows=self.dumped.rows, stops=False,
        )  # fmt: skip
        if filling or not is_keyed:
            return finding
        value = self.comparison.changes.added_value(self.table.label, str(column.field.name))
        # Other values have names that a migrator would have to import.
        is_literal = isinstance(value, str | int | float)
        suffix = f", which a migration has filled with {literal(value)}" if is_literal else ""
        return replace(
            finding, reason=f"is new, and needs a value{suffix}", stops=True,
            hint=f"add a line such as {column.name}=…, to the call of new(), or give it a default",
            place=self.dumped.tables[0].declared_at(),
            call=Call("add_field", (self.table.label, column.name, value)) if is_literal else None,
            proposal=f"self.add_field({literal(self.table.label)}, {literal(column.name)}, ...)",
        )  # fmt: skip


def _added(table: Table, fields: Iterable[str]) -> Iterator[Column | Link]:
    """Yield the columns and links of a table for which rows with these fields have no value."""
    known = {table.names[name] for name in fields if name in table.names}
    for column in _columns(table):
        # A dump may omit keys that the database generates; its rows are found by natural key.
        is_generated = column.name in table.key and _is_filled(column)
        if column.name not in known and not is_generated:
            yield column


def _renamed(
    dumped: ModelRows, name: str | None, new: str, call: Call, hint: str, *, is_guess: bool
) -> Finding:
    """Return the finding for a renamed model, or for a renamed field of it."""
    verb = "may have been" if is_guess else "was"
    if is_guess:
        line = "the line out" if name else f"its line out in {dumped.tables[0].listed_in}"
        hint += f", or comment {line} if it was removed"
    return Finding(
        "field-renamed" if name else "model-renamed", dumped.label, f"{verb} renamed to {new}",
        field=name, to=new, hint=hint, place=dumped.place(name),
        rows=dumped.rows, values=dumped.filled[name] if name else 0, call=call, is_guess=is_guess,
    )  # fmt: skip


def _kind(column: Column | Link) -> str:
    """Return the kind of the values of a field: links, keys of other rows, or other values."""
    if isinstance(column, Link):
        return _LINKS
    return _VALUE if column.references is None else _KEY


def _is_required(column: Column | Link) -> bool:
    """Whether rows are expected to have a value."""
    own = column.field
    return isinstance(column, Column) and not (own.null or own.blank or own.has_default())


def _is_filled(column: Column | Link) -> bool:
    """Whether the database generates a value."""
    return column.field.has_db_default() or column.field.db_returning


def _filling(column: Column | Link) -> str:
    """Describe what rows without a value for a new field get, ``""`` if they need a value."""
    if isinstance(column, Link):
        return "links nothing"
    if _is_filled(column):
        return "the database fills it in"
    if default_of(column.field) is not None:
        return "has a default" if column.field.has_default() else "begins empty"
    return "may be NULL" if column.field.null or column.field.primary_key else ""


def _model_score(dumped: ModelRows, table: Table, *, is_referenced: bool) -> float:
    """Return the similarity of a removed model and a new table by names and fields, 0 if low.

    The rows of a model that ``is_referenced`` by the dump must be in it, so that less is enough.
    """
    old = set(dumped.fields) - set(table.key)
    new = {column.name for column in _columns(table)} - set(table.key)
    shared = len(old & new)
    overlap = shared / max(1, len(old | new))
    old_app, _, old_name = dumped.label.partition(".")
    new_app, _, new_name = table.label.partition(".")
    similarity = _similarity(old_name.lower(), new_name.lower())
    is_likely = is_referenced or (old_app == new_app and similarity >= _SIMILAR) or shared >= 3
    if similarity == 1 or (overlap >= 0.4 and is_likely):
        return overlap + similarity + is_referenced
    return 0


def _columns(table: Table) -> tuple[Column | Link, ...]:
    return (*table.columns, *table.links)


def _target(column: Column | Link) -> ModelType | None:
    return column.target.references if isinstance(column, Link) else column.references


def referenced_models(table: Table) -> set[ModelType]:
    """Return the models that the rows of a table refer to."""
    models = (column.references for column in table.references.values())
    return {model for model in models if model is not None}


def _best_matches(scores: Iterable[tuple[float, str, str]]) -> dict[str, str]:
    """Return pairs of old and new names, those with the highest score first."""
    matches: dict[str, str] = {}
    for _score, old, new in sorted(scores, key=lambda score: (-score[0], *score[1:])):
        if old not in matches and new not in matches.values():
            matches[old] = new
    return matches


def _similarity(old: str, new: str) -> float:
    return SequenceMatcher(None, old.removesuffix("_id"), new.removesuffix("_id")).ratio()
