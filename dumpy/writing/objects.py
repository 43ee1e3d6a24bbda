"""Write rows as objects: a fixture that is maintained by hand."""

from __future__ import annotations

import ast
import dataclasses
import keyword
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib import import_module
from typing import IO, Any

from django.db.models import ForeignKey, Model
from django.db.models.fields import NOT_PROVIDED
from django.utils.text import slugify

from dumpy.errors import DumpFailed, UnwritableRow, sentence
from dumpy.schema.instances import has_receivers, row_ref
from dumpy.schema.tables import (
    Column,
    Field,
    ModelType,
    attribute,
    concrete,
    is_content_type,
    text_of,
)
from dumpy.text.strings import escape_non_ascii
from dumpy.text.words import NAMES, Unwritable, evaluate, source
from dumpy.writing.database import DatabaseDump
from dumpy.writing.natural import NaturalKeys
from dumpy.writing.publishing import needs_ascii, write_source

MOST_ROWS = 10_000
_WIDTH = 100
_LONGEST_NAME = 40
_PERMISSION = "auth.permission"
_AS_ROWS = "Dump it without --as-objects, or leave it out with --exclude."
_MODULES = {"Decimal": "decimal", "UUID": "uuid"} | dict.fromkeys(
    ("date", "datetime", "time", "timedelta"), "datetime"
)
_HEAD = '''"""The objects of a fixture, written by dumpy to be edited.

Objects are validated and saved in this order. They keep their primary keys, so loading the fixture
again updates the same rows.
"""
'''


@dataclasses.dataclass(eq=False)
class _Object:
    """A row with the columns of its parents.

    Attributes:
        links: the objects of each many-to-many field; source for objects that are not in the dump.
        place: its place in the order in which objects are yielded.
        name: its variable, or ``""`` if nothing refers to it.
        is_late: whether it waits for an object that is yielded after it.
    """

    instance: Model
    links: dict[str, list[_Object | str]] = dataclasses.field(default_factory=dict)
    place: int = 0
    name: str = ""
    is_late: bool = False

    def refused(self, reason: str) -> UnwritableRow:
        """Return the error for an object that cannot be written."""
        return UnwritableRow(row_ref(self.instance), reason, _AS_ROWS)


def write_objects(dump: DatabaseDump, stream: IO[str] | Any) -> list[str]:
    """Write the rows of a dump as objects to a text stream; return notes about omitted values.

    Call it within the snapshot of the dump. Raises ``DumpFailed`` and ``UnwritableRow``.
    """
    dump.require_tables()
    count = dump.count()
    if count > MOST_ROWS:
        raise DumpFailed(
            f"--as-objects is for data maintained by hand, up to {MOST_ROWS:,} rows; the dump has "
            f"{count:,}. Choose rows with --only or --where, or dump without --as-objects."
        )
    writer = _ObjectsWriter(dump)
    text = "".join(f"{line}\n" for line in writer.lines())
    if needs_ascii(stream):
        try:
            ast.parse(escape_non_ascii(text))
        except SyntaxError as error:
            raise DumpFailed(
                "Names of models or fields are not ASCII, and the output is not UTF-8. Add "
                "--output FILE."
            ) from error
    write_source(stream)(text)
    return sorted(writer.notes)


class _ObjectsWriter:
    """Writes the objects of a dump, each after the objects that it refers to."""

    def __init__(self, dump: DatabaseDump) -> None:
        self._dump = dump
        self.notes: set[str] = set()
        self._objects = list(self._collect())
        self._index: dict[tuple[ModelType, str], dict[object, _Object]] = {}
        self._classes: dict[ModelType, str] = {}
        self._words: set[str] = set()
        self._natural_keys = NaturalKeys(dump.using)

    def lines(self) -> list[str]:
        for model in dict.fromkeys(type(row.instance) for row in self._objects):
            for field in model._meta.many_to_many:
                through: Any = field.remote_field.through
                if through._meta.auto_created:
                    self._add_links(model, field, through)
        order = _ordered(self._objects, self._references)
        for place, row in enumerate(order):
            row.place = place
        for row in order:
            targets = self._references(row)
            row.is_late = any(target.is_late or target.place > row.place for target in targets)
        self._name(order)
        body = list(self._body(order))
        return [*_HEAD.splitlines(), *self._imports(), "", "def objects():", *body]

    def _collect(self) -> Iterator[_Object]:
        """Yield the rows; the row of a parent is part of the row of its child."""
        instances: list[Model] = []
        for table in self._dump.tables:
            rows = list(self._dump.instances(table))
            if rows and table.label.lower() == _PERMISSION:
                self.notes.add(f"{table.label} is left out: migrate makes its rows.")
                continue
            if rows and (table.model.save is not Model.save or has_receivers(table.model)):
                self.notes.add(f"{table.label} has its own save() or receivers, which run.")
            instances += rows
        parents = {key for instance in instances for key in _parent_keys(instance)}
        owners: dict[tuple[ModelType, object], Model] = {}
        for instance in instances:
            if (type(instance), instance.pk) in parents:
                continue
            for key in _parent_keys(instance):
                if owners.setdefault(key, instance) is not instance:
                    owner = owners[key]._meta.label
                    reason = f"it shares a row of {key[0]._meta.label} with a {owner}."
                    raise _Object(instance).refused(reason)
            yield _Object(instance)

    def _add_links(self, model: ModelType, field: Any, through: Any) -> None:
        ends = [
            through._meta.get_field(f())
            for f in (field.m2m_field_name, field.m2m_reverse_field_name)
        ]
        rows = through._base_manager.using(self._dump.using)
        names = [end.attname for end in ends]
        pairs = sorted(rows.values_list(*names), key=lambda pair: (repr(type(pair[1])), pair[1]))
        known_pairs = set(pairs) if field.remote_field.symmetrical else set()
        for key, target in pairs:
            row = self._find(model, ends[0].target_field.attname, key)
            if row is None or type(row.instance) is not model:
                continue
            if known_pairs and (target, key) not in known_pairs:
                reason = f"{field.name} is symmetrical, but its link to {target!r} is not."
                raise row.refused(reason)
            linked = self._target(ends[1], target)
            row.links.setdefault(field.name, []).append(linked or source(target))

    def _references(self, row: _Object) -> Iterator[_Object]:
        """Yield the objects that an object refers to by foreign key."""
        for field in row.instance._meta.concrete_fields:
            if isinstance(field, ForeignKey):
                target = self._target(field, getattr(row.instance, field.attname))
                if isinstance(target, _Object) and target is not row:
                    yield target

    def _target(self, field: Any, value: object) -> _Object | str | None:
        """Return the target of a foreign key: an object, the source of a look-up, or None."""
        model = concrete(field.remote_field.model)
        if value is None:
            return None
        if is_content_type(model) or model._meta.label_lower == _PERMISSION:
            return self._look_up_source(model, value)
        return self._find(model, field.target_field.attname, value)

    def _find(self, model: ModelType, name: str, value: object) -> _Object | None:
        if (model, name) not in self._index:
            self._index[model, name] = {
                getattr(row.instance, name): row
                for row in self._objects
                if isinstance(row.instance, model)
            }
        return self._index[model, name].get(value)

    def _look_up_source(self, model: ModelType, key: object) -> str | None:
        natural = self._natural_keys.find(model, model._meta.pk.attname, [key]).get(key)
        if natural is None:
            return None
        words = ", ".join(map(source, natural.key))
        return f"{self._class(model)}.objects.get_by_natural_key({words})"

    def _name(self, order: Sequence[_Object]) -> None:
        """Name the variables of objects that have links, or that other objects refer to."""
        used = {target for row in order for target in self._references(row)}
        linked = [link for row in order for links in row.links.values() for link in links]
        used |= {link for link in linked if isinstance(link, _Object)}
        classes = {type(row.instance).__name__ for row in order}
        taken_names = {*keyword.kwlist, *keyword.softkwlist, *NAMES, "objects", *classes}
        for row in order:
            if row in used or row.links:
                base = name = _variable(row.instance)
                number = 2
                while name in taken_names:
                    name, number = f"{base}_{number}", number + 1
                taken_names.add(name)
                row.name = name

    def _body(self, order: Sequence[_Object]) -> Iterator[str]:
        links_after: defaultdict[int, list[tuple[_Object, str]]] = defaultdict(list)
        for row in order:
            for name, links in row.links.items():
                objects = [row, *(link for link in links if isinstance(link, _Object))]
                if any(linked.is_late for linked in objects):
                    raise row.refused(
                        f"{name} cannot be set: foreign keys lead from it in a cycle, so that it "
                        "is saved after all others."
                    )
                links_after[max(linked.place for linked in objects)].append((row, name))
        if not order:
            yield "    yield from ()"
        previous_model: ModelType | None = None
        for row in order:
            model = type(row.instance)
            if previous_model not in (None, model):
                yield ""
            previous_model = model
            arguments = [f"{name}={text}" for name, text in self._keywords(row)]
            start = f"{row.name} = " if row.name else "yield "
            yield from self._call(f"{start}{self._class(model)}", arguments)
            if row.name:
                yield f"    yield {row.name}"
            for owner, name in links_after[row.place]:
                names = [link if isinstance(link, str) else link.name for link in owner.links[name]]
                yield from self._call(f"{owner.name}.{name}.set", [f"[{', '.join(names)}]"])

    def _call(self, start: str, arguments: Sequence[str]) -> Iterator[str]:
        """Yield a call on one line, or a long call with one argument per line."""
        line = f"{start}({', '.join(arguments)})"
        nodes = ast.walk(ast.parse(line))
        self._words |= {node.id for node in nodes if isinstance(node, ast.Name)} & NAMES.keys()
        if len(line) + 4 <= _WIDTH:
            yield f"    {line}"
            return
        yield f"    {start}("
        yield from (f"        {argument}," for argument in arguments)
        yield "    )"

    def _keywords(self, row: _Object) -> Iterator[tuple[str, str]]:
        """Yield the arguments of an object; raises ``UnwritableRow``."""
        instance, model = row.instance, type(row.instance)
        texts: dict[str, str] = {}
        key_fields = model._meta.pk_fields
        has_own_key = len(key_fields) == 1 and (
            key_fields[0].remote_field is None or _is_parent_link(key_fields[0])
        )
        blank = model(pk=instance.pk) if has_own_key else model()
        keys = [field for field in _fields(model) if field.primary_key or _is_parent_link(field)]
        if has_own_key and all(_is_set(blank, instance, field.attname) for field in keys):
            texts["pk"] = _literal(row, key_fields[0])
            yield "pk", texts["pk"]
        skipped = {field.name for field in keys if texts}
        for field in _fields(model):
            if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
                self.notes.add(f"{field.model._meta.label}.{field.name} is set when it is saved.")
            if getattr(field, "auto_now", False):
                skipped.add(field.name)
            elif field.name not in skipped and not _is_default(field, instance):
                texts[field.attname] = _literal(row, field)
                target = None
                if isinstance(field, ForeignKey) and not _is_parent_link(field):
                    target = self._target(field, getattr(instance, field.attname))
                if isinstance(target, _Object):
                    target = target.name if target.place < row.place else None
                yield (
                    (field.attname, texts[field.attname])
                    if target is None
                    else (field.name, target)
                )
        _verify(row, texts, skipped)

    def _class(self, model: ModelType) -> str:
        """Return the name by which the module imports a model."""
        if model not in self._classes:
            name = model.__name__
            if name in NAMES or name in self._classes.values():
                name = f"{model._meta.app_label.title().replace('_', '')}{name}"
            self._classes[model] = name
        return self._classes[model]

    def _imports(self) -> Iterator[str]:
        names_by_module: defaultdict[str, set[str]] = defaultdict(set)
        for word in self._words:
            names_by_module[_MODULES.get(word, "dumpy.dump")].add(word)
        for model, name in self._classes.items():
            own = model.__name__
            names_by_module[_module_of(model)].add(own if name == own else f"{own} as {name}")
        standard = {*_MODULES.values()}
        for modules in (names_by_module.keys() & standard, names_by_module.keys() - standard):
            for module in sorted(modules):
                yield f"from {module} import {', '.join(sorted(names_by_module[module]))}"
            if modules:
                yield ""


def _is_set(blank: Model, instance: Model, name: str) -> bool:
    """Whether ``pk=`` sets a key, at once or when the object is saved with its parents."""
    value, pk = getattr(blank, name), instance.pk
    return bool((pk if value is None else value) == getattr(instance, name))


def _is_parent_link(field: Any) -> bool:
    return bool(field.remote_field and getattr(field.remote_field, "parent_link", False))


def _module_of(model: ModelType) -> str:
    """Return the module to import a model from: the models module of its app if possible."""
    for module in (model._meta.app_config.models_module, import_module(model.__module__)):
        if module is not None and getattr(module, model.__name__, None) is model:
            return module.__name__
    raise DumpFailed(f"{model._meta.label} cannot be imported by name. {_AS_ROWS}")


@cache
def _fields(model: ModelType) -> tuple[Any, ...]:
    return tuple(f for f in model._meta.concrete_fields if not getattr(f, "generated", False))


def _parent_keys(instance: Model) -> Iterator[tuple[ModelType, object]]:
    for parent in instance._meta.get_parent_list():
        yield parent, getattr(instance, parent._meta.pk.attname)


def _ordered(objects: Iterable[_Object], references: Any) -> list[_Object]:
    """Sort objects so that each follows its references, except in cycles."""
    order: dict[_Object, None] = {}
    seen: set[_Object] = set()
    for root in objects:
        path = [] if root in seen else [(root, references(root))]
        seen.add(root)
        while path:
            current, targets = path[-1]
            next_target = next((target for target in targets if target not in seen), None)
            if next_target is None:
                order[current] = None
                path.pop()
            else:
                seen.add(next_target)
                path.append((next_target, references(next_target)))
    return list(order)


def _variable(instance: Any) -> str:
    """Return a name made of the natural key, or ``__str__``, or the model and the primary key."""
    text = ""
    try:
        if hasattr(instance, "natural_key"):
            text = " ".join(map(str, instance.natural_key()))
        elif str(instance) != Model.__str__(instance):
            text = str(instance)
    except Exception:
        text = ""
    name = slugify(text).replace("-", "_")[:_LONGEST_NAME].strip("_")
    if name.isidentifier():
        return name
    suffix = name or slugify(str(instance.pk)).replace("-", "_")[:_LONGEST_NAME].strip("_")
    return f"{instance._meta.model_name}_{suffix}".rstrip("_")


def _is_default(field: Any, instance: Model) -> bool:
    """Whether a field has the value of a constant default."""
    is_called = (
        field.has_default() and callable(field.default) and field.default not in (dict, list)
    )
    if is_called or field.db_default is not NOT_PROVIDED:
        return False
    value, default = attribute(Column(field), instance), field.get_default()
    return type(value) is type(default) and bool(value == default)


def _literal(row: _Object, field: Field, instance: Model | None = None) -> str:
    """Return the source of a value, or of its text if the type has no source."""
    column = Column(field)
    try:
        value = attribute(column, instance or row.instance)
        try:
            return source(value)
        except Unwritable:
            return source(text_of(column, value))
    except Exception as error:
        raise row.refused(f"{field.name} cannot be written: {sentence(error)}") from error


def _verify(row: _Object, texts: dict[str, str], skipped: set[str]) -> None:
    """Raise ``UnwritableRow`` unless the written object is valid and equal to the row."""
    model = type(row.instance)
    values = {name: evaluate(ast.parse(text, mode="eval").body) for name, text in texts.items()}
    copy: Any = model(**values)
    copy._state.db = row.instance._state.db
    fields = [field for field in _fields(model) if field.name not in skipped]
    references = {
        field.name
        for field in fields
        if field.remote_field and getattr(copy, field.attname) is not None
    }
    try:
        # The rows that it refers to may be objects of the same fixture.
        copy.clean_fields({*skipped, *references})
        copy.clean()
    except Exception as error:
        raise row.refused(f"as an object it is not valid: {sentence(error)}") from error
    for field in fields:
        is_null = attribute(Column(field), row.instance) is None
        if (
            _literal(row, field) != _literal(row, field, copy)
            or (is_null and field.get_prep_value(getattr(copy, field.attname)) is not None)
            or (is_null and Column(field).is_json and _is_stored(row.instance, field))
        ):
            raise row.refused(f"{field.name} does not keep its value in an object.")


def _is_stored(instance: Model, own: Field) -> bool:
    """Whether a column is not NULL: JSON null is None in Python, too."""
    rows = type(instance)._base_manager.using(instance._state.db)
    return bool(rows.filter(**{"pk": instance.pk, f"{own.name}__isnull": False}).exists())
