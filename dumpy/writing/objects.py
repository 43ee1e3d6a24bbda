"""Rows as objects: a fixture that reads as if written by hand, to be maintained by hand."""

from __future__ import annotations

import ast
import keyword
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import IO, Any

from django.db.models import ForeignKey, Model
from django.db.models.fields import NOT_PROVIDED
from django.utils.text import slugify

from dumpy.errors import DumpFailed, UnwritableRow, sentence
from dumpy.schema.instances import has_receivers
from dumpy.schema.tables import (
    Column,
    Field,
    ModelType,
    attribute,
    concrete,
    is_content_type,
    primary_key_fields,
    text_of,
)
from dumpy.text.strings import escape_non_ascii
from dumpy.text.words import NAMES, Unwritable, evaluate, source
from dumpy.writing.database import DatabaseDump
from dumpy.writing.natural import NaturalKeys
from dumpy.writing.publishing import needs_ascii

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


@dataclass(eq=False)
class _Object:
    """A row with the columns of its parents.

    Attributes:
        links: the objects of each many-to-many field, or the source of those not in the dump.
        place: its place in the order in which objects are yielded.
        name: its variable, or ``""`` if nothing refers to it.
        is_late: whether it waits for an object that is yielded after it.
    """

    instance: Model
    links: dict[str, list[_Object | str]] = field(default_factory=dict)
    place: int = 0
    name: str = ""
    is_late: bool = False

    def refused(self, reason: str) -> UnwritableRow:
        """Return the error for an object that cannot be written."""
        return UnwritableRow(self.instance._meta.label, self.instance.pk, reason, _AS_ROWS)


def write_objects(dump: DatabaseDump, stream: IO[str] | Any) -> list[str]:
    """Write the rows of a dump as objects to a text stream; return what is left out, in sentences.

    Use it within the snapshot of the dump. Raises ``DumpFailed`` and ``UnwritableRow``.
    """
    dump.require_tables()
    count = dump.count()
    if count > MOST_ROWS:
        raise DumpFailed(
            f"--as-objects is for data that a person maintains, up to {MOST_ROWS:,} rows; these "
            f"are {count:,}. Choose rows with --only or --where, or dump without --as-objects."
        )
    writer = _ObjectsWriter(dump)
    text = "".join(f"{line}\n" for line in writer.lines())
    stream.write(escape_non_ascii(text) if needs_ascii(stream) else text)
    return sorted(writer.notes)


class _ObjectsWriter:
    """Writes the objects of a dump, each after those that it refers to."""

    def __init__(self, dump: DatabaseDump) -> None:
        self._dump = dump
        self.notes: set[str] = set()
        self._objects = list(self._collected())
        self._index: dict[tuple[ModelType, str], dict[object, _Object]] = {}
        self._classes: dict[ModelType, str] = {}
        self._words: set[str] = set()
        self._natural_keys = NaturalKeys(dump.using)

    def lines(self) -> list[str]:
        """Return the lines of the module."""
        for model in dict.fromkeys(type(one.instance) for one in self._objects):
            for many in model._meta.many_to_many:
                through: Any = many.remote_field.through
                if through._meta.auto_created:
                    self._add_links(model, many, through)
        order = _ordered(self._objects, self._references)
        for place, one in enumerate(order):
            one.place = place
        for one in order:
            targets = self._references(one)
            one.is_late = any(other.is_late or other.place > one.place for other in targets)
        self._name(order)
        body = list(self._body(order))
        return [*_HEAD.splitlines(), *self._imports(), "", "def objects():", *body]

    def _collected(self) -> Iterator[_Object]:
        """Yield the rows; those of a parent are part of the row of its child."""
        found: list[Model] = []
        for table in self._dump.tables:
            rows = list(self._dump.instances(table))
            if rows and table.label.lower() == _PERMISSION:
                self.notes.add(f"{table.label} is left out: migrate makes its rows.")
                continue
            if rows and (table.model.save is not Model.save or has_receivers(table.model)):
                self.notes.add(f"{table.label} has its own save() or receivers, which run.")
            found += rows
        inner = {key for one in found for key in _parent_keys(one)}
        owners: dict[tuple[ModelType, object], Model] = {}
        for one in found:
            if (type(one), one.pk) in inner:
                continue
            for key in _parent_keys(one):
                if owners.setdefault(key, one) is not one:
                    other = owners[key]._meta.label
                    reason = f"it shares a row of {key[0]._meta.label} with a {other}."
                    raise _Object(one).refused(reason)
            yield _Object(one)

    def _add_links(self, model: ModelType, many: Any, through: Any) -> None:
        ends = [
            through._meta.get_field(f()) for f in (many.m2m_field_name, many.m2m_reverse_field_name)
        ]
        rows = through._base_manager.using(self._dump.using)
        names = [end.attname for end in ends]
        pairs = sorted(rows.values_list(*names), key=lambda pair: (repr(type(pair[1])), pair[1]))
        known = set(pairs) if many.remote_field.symmetrical else set()
        for key, target in pairs:
            one = self._find(model, ends[0].target_field.attname, key)
            if one is None or type(one.instance) is not model:
                continue
            if known and (target, key) not in known:
                raise one.refused(f"{many.name} is symmetrical, but its link to {target!r} is not.")
            other = self._target(ends[1], target)
            one.links.setdefault(many.name, []).append(other or source(target))

    def _references(self, one: _Object) -> Iterator[_Object]:
        """Yield the objects that the foreign keys of an object lead to."""
        for key in one.instance._meta.concrete_fields:
            if isinstance(key, ForeignKey):
                target = self._target(key, getattr(one.instance, key.attname))
                if isinstance(target, _Object) and target is not one:
                    yield target

    def _target(self, key: Any, value: object) -> _Object | str | None:
        """Return what a foreign key leads to: an object, the source of a look-up, or None."""
        model = concrete(key.remote_field.model)
        if value is None:
            return None
        if is_content_type(model) or model._meta.label_lower == _PERMISSION:
            return self._looked_up(model, value)
        return self._find(model, key.target_field.attname, value)

    def _find(self, model: ModelType, name: str, value: object) -> _Object | None:
        if (model, name) not in self._index:
            self._index[model, name] = {
                getattr(one.instance, name): one
                for one in self._objects
                if isinstance(one.instance, model)
            }
        return self._index[model, name].get(value)

    def _looked_up(self, model: ModelType, key: object) -> str | None:
        found = self._natural_keys.find(model, model._meta.pk.attname, [key]).get(key)
        if found is None:
            return None
        words = ", ".join(map(source, found.key))
        return f"{self._class(model)}.objects.get_by_natural_key({words})"

    def _name(self, order: Sequence[_Object]) -> None:
        """Give variables to the objects that others refer to, or that have links."""
        used = {target for one in order for target in self._references(one)}
        linked = [other for one in order for some in one.links.values() for other in some]
        used |= {one for one in linked if isinstance(one, _Object)}
        classes = {type(one.instance).__name__ for one in order}
        taken = {*keyword.kwlist, *keyword.softkwlist, *NAMES, "objects", *classes}
        for one in order:
            if one in used or one.links:
                base = name = _variable(one.instance)
                number = 2
                while name in taken:
                    name, number = f"{base}_{number}", number + 1
                taken.add(name)
                one.name = name

    def _body(self, order: Sequence[_Object]) -> Iterator[str]:
        waiting: defaultdict[int, list[tuple[_Object, str]]] = defaultdict(list)
        for one in order:
            for name, others in one.links.items():
                objects = [one, *(other for other in others if isinstance(other, _Object))]
                if any(some.is_late for some in objects):
                    raise one.refused(
                        f"{name} cannot be set: foreign keys lead from it in a circle, so that it "
                        "is saved after all others."
                    )
                waiting[max(some.place for some in objects)].append((one, name))
        if not order:
            yield "    yield from ()"
        before: ModelType | None = None
        for one in order:
            model = type(one.instance)
            if before not in (None, model):
                yield ""
            before = model
            words = [f"{name}={text}" for name, text in self._keywords(one)]
            begin = f"{one.name} = " if one.name else "yield "
            yield from self._call(f"{begin}{self._class(model)}", words)
            if one.name:
                yield f"    yield {one.name}"
            for other, name in waiting[one.place]:
                links = [link if isinstance(link, str) else link.name for link in other.links[name]]
                yield from self._call(f"{other.name}.{name}.set", [f"[{', '.join(links)}]"])

    def _call(self, begin: str, arguments: Sequence[str]) -> Iterator[str]:
        """Yield a call on one line, or with each argument on its own if it is long."""
        line = f"{begin}({', '.join(arguments)})"
        nodes = ast.walk(ast.parse(line))
        self._words |= {node.id for node in nodes if isinstance(node, ast.Name)} & NAMES.keys()
        if len(line) + 4 <= _WIDTH:
            yield f"    {line}"
            return
        yield f"    {begin}("
        yield from (f"        {argument}," for argument in arguments)
        yield "    )"

    def _keywords(self, one: _Object) -> Iterator[tuple[str, str]]:
        """Yield the arguments of an object; raises ``UnwritableRow``."""
        instance, model = one.instance, type(one.instance)
        plain: dict[str, str] = {}
        key = primary_key_fields(model)
        has_own_key = len(key) == 1 and (key[0].remote_field is None or _is_parent_link(key[0]))
        known = model(pk=instance.pk) if has_own_key else model()
        keys = [own for own in _fields(model) if own.primary_key or _is_parent_link(own)]
        if has_own_key and all(_is_set(known, instance, own.attname) for own in keys):
            plain["pk"] = _literal(one, key[0])
            yield "pk", plain["pk"]
        unseen = {own.name for own in keys if plain}
        for own in _fields(model):
            if getattr(own, "auto_now", False) or getattr(own, "auto_now_add", False):
                self.notes.add(f"{own.model._meta.label}.{own.name} is set when it is saved.")
            if getattr(own, "auto_now", False):
                unseen.add(own.name)
            elif own.name not in unseen and not _is_default(own, instance):
                plain[own.attname] = _literal(one, own)
                target = None
                if isinstance(own, ForeignKey) and not _is_parent_link(own):
                    target = self._target(own, getattr(instance, own.attname))
                if isinstance(target, _Object):
                    target = target.name if target.place < one.place else None
                yield (own.attname, plain[own.attname]) if target is None else (own.name, target)
        _prove(one, plain, unseen)

    def _class(self, model: ModelType) -> str:
        """Return the name by which the module imports a model."""
        if model not in self._classes:
            name = model.__name__
            if name in NAMES or name in self._classes.values():
                name = f"{model._meta.app_label.title().replace('_', '')}{name}"
            self._classes[model] = name
        return self._classes[model]

    def _imports(self) -> Iterator[str]:
        found: defaultdict[str, set[str]] = defaultdict(set)
        for word in self._words:
            found[_MODULES.get(word, "dumpy.dump")].add(word)
        for model, name in self._classes.items():
            own = model.__name__
            found[_module_of(model)].add(own if name == own else f"{own} as {name}")
        standard = {*_MODULES.values()}
        for modules in (found.keys() & standard, found.keys() - standard):
            for module in sorted(modules):
                yield f"from {module} import {', '.join(sorted(found[module]))}"
            if modules:
                yield ""


def _is_set(known: Model, instance: Model, name: str) -> bool:
    """Whether ``pk=`` sets a key, at once or, of a parent, when the object is saved."""
    value, pk = getattr(known, name), instance.pk
    return bool((pk if value is None else value) == getattr(instance, name))


def _is_parent_link(own: Any) -> bool:
    """Whether a field leads from a child to its parent in multi-table inheritance."""
    return bool(own.remote_field and getattr(own.remote_field, "parent_link", False))


def _module_of(model: ModelType) -> str:
    """Return the module that a model can be imported from, the shorter name first."""
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
    """Return the objects, each after those it refers to, as far as there are no circles."""
    order: dict[_Object, None] = {}
    seen: set[_Object] = set()
    for root in objects:
        path = [] if root in seen else [(root, references(root))]
        seen.add(root)
        while path:
            one, others = path[-1]
            other = next((some for some in others if some not in seen), None)
            if other is None:
                order[one] = None
                path.pop()
            else:
                seen.add(other)
                path.append((other, references(other)))
    return list(order)


def _variable(instance: Any) -> str:
    """Return a name from the natural key, or ``__str__``, or else the model and the key."""
    said = ""
    try:
        if hasattr(instance, "natural_key"):
            said = " ".join(map(str, instance.natural_key()))
        elif str(instance) != Model.__str__(instance):
            said = str(instance)
    except Exception:
        said = ""
    name = slugify(said).replace("-", "_")[:_LONGEST_NAME].strip("_")
    if name.isidentifier():
        return name
    rest = name or slugify(str(instance.pk)).replace("-", "_")[:_LONGEST_NAME].strip("_")
    return f"{instance._meta.model_name}_{rest}".rstrip("_")


def _is_default(own: Any, instance: Model) -> bool:
    """Whether a field would have its value without a word, today and at any other time."""
    is_called = own.has_default() and callable(own.default) and own.default not in (dict, list)
    if is_called or own.db_default is not NOT_PROVIDED:
        return False
    value, default = attribute(Column(own), instance), own.get_default()
    return type(value) is type(default) and bool(value == default)


def _literal(one: _Object, own: Field, instance: Model | None = None) -> str:
    """Return the source of a value; of another type, the text that its field makes of it."""
    column = Column(own)
    try:
        value = attribute(column, instance or one.instance)
        try:
            return source(value)
        except Unwritable:
            return source(text_of(column, value))
    except Exception as error:
        raise one.refused(f"{own.name} cannot be written: {sentence(error)}") from error


def _prove(one: _Object, plain: dict[str, str], unseen: set[str]) -> None:
    """Raise ``UnwritableRow`` unless the object is valid, and has the values of the row."""
    model = type(one.instance)
    values = {name: evaluate(ast.parse(text, mode="eval").body) for name, text in plain.items()}
    again: Any = model(**values)
    again._state.db = one.instance._state.db
    fields = [own for own in _fields(model) if own.name not in unseen]
    try:
        again.clean_fields({*unseen, *(own.name for own in fields if own.remote_field)})
        again.clean()
    except Exception as error:
        raise one.refused(f"as an object it is not valid: {sentence(error)}") from error
    for own in fields:
        is_null = attribute(Column(own), one.instance) is None
        if (
            _literal(one, own) != _literal(one, own, again)
            or (is_null and own.get_prep_value(getattr(again, own.attname)) is not None)
            or (is_null and Column(own).is_json and _is_stored(one.instance, own))
        ):
            raise one.refused(f"{own.name} does not keep its value in an object.")


def _is_stored(instance: Model, own: Field) -> bool:
    """Whether a column is not NULL: JSON null is None in Python, too."""
    rows = type(instance)._base_manager.using(instance._state.db)
    return bool(rows.filter(**{"pk": instance.pk, f"{own.name}__isnull": False}).exists())
