"""JSON fixtures of Django as dumps in the format py, and dumps as JSON that Django's tests compare.

The first direction uses the emitter of dumpy, the second runs the dump as the Python module it is.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zipfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model

from dumpy.schema.instances import dumped_row
from dumpy.text import emit
from dumpy.text.outline import YIELDED
from dumpy.text.words import FieldText, Natural, source

END = "# dumpy: end"


def as_json(dump: str) -> str:
    """Return the objects of a dump as ``dumpdata`` would write them in JSON.

    What stands behind the last line of the dump is left out: tests mix both output streams.
    """
    module, end, _notes = dump.partition(END)
    if not end:
        return dump
    names: dict[str, Any] = {}
    exec(compile(module + end, "<dump>", "exec"), names)
    return json.dumps(list(_flat(names["objects"]())), cls=DjangoJSONEncoder)


def assert_same_objects(test: Any, dump: str, expected: str) -> None:
    """Fail ``test`` if a dump has other objects than some JSON, but for what has no order."""
    test.assertJSONEqual(without_order(as_json(dump)), without_order(expected))


def without_order(text: str) -> str:
    """Return JSON with objects and many-to-many values sorted: dumpy has its own order there."""
    objects = sorted(json.loads(text), key=lambda one: (one["model"], repr(one.get("pk"))))
    for one in objects:
        for name, value in one["fields"].items():
            if isinstance(value, list) and _is_link(one["model"], name):
                one["fields"][name] = sorted(value, key=repr)
    return json.dumps(objects)


def translate(path: Path) -> None:
    """Put a dump with the same objects beside a JSON fixture, and remove that."""
    objects = json.loads(_read(path))
    target = path.with_name(path.name.replace(".json", ".py"))
    _write(target, as_dump(objects))
    path.unlink()


def as_dump(objects: list[dict[str, Any]]) -> str:
    """Return a dump of objects in Django's JSON form; fields may differ from row to row."""
    names = emit.Names()
    sections: list[str] = []
    text = emit.head("Objects of a test of Django.", None, {})
    for (label, fields), group in groupby(map(_row, objects), key=lambda row: row[:2]):
        text += _section(names, sections, label, fields, [row[2] for row in group])
    return text + emit.objects_function(sections)


def _section(
    names: emit.Names, sections: list[str], label: str, fields: tuple[str, ...], rows: list[Any]
) -> str:
    own = names.for_model(*label.split("."))
    sections.append(names.section(own))
    calls = [", ".join(source(value) for value in values) for values in rows]
    return "".join(
        [
            names.declaration(own, label, fields),
            emit.section_head(sections[-1]),
            *(f"{YIELDED.prefix(own.create)}{call}{YIELDED.suffix}\n" for call in calls),
        ]
    )


def _row(given: dict[str, Any]) -> tuple[str, tuple[str, ...], tuple[Any, ...]]:
    label = given["model"]
    values = dict(given["fields"])
    try:
        model = apps.get_model(label)
    except LookupError:
        values["id"] = given.get("pk")
        return label, tuple(values), tuple(values.values())
    if given.get("pk") is not None:
        values = {model._meta.pk.attname: given["pk"], **values}
    typed = {_name(model, name): _value(model, name, value) for name, value in values.items()}
    return model._meta.label, tuple(typed), tuple(typed.values())


def _fields(model: type[Model]) -> dict[str, Any]:
    meta = model._meta
    fields = {field.name: field for field in (*meta.concrete_fields, *meta.many_to_many)}
    return fields | {field.attname: field for field in meta.concrete_fields}


def _name(model: type[Model], name: str) -> str:
    field = _fields(model).get(name)
    return name if field is None or field.many_to_many else str(field.attname)


def _value(model: type[Model], name: str, value: Any) -> Any:
    field = _fields(model).get(name)
    if field is None or value is None:
        return value
    if field.many_to_many:
        return [_reference(field.related_model, one) for one in value]
    if field.is_relation:
        return _reference(field.related_model, value)
    try:
        typed = field.to_python(value)
        source(typed)
    except Exception:
        return value  # a value that is wrong on purpose, or of a custom field
    return typed


def _reference(model: Any, value: Any) -> Any:
    if isinstance(value, list):
        return Natural(model._meta.label, tuple(value))
    try:
        return model._meta.pk.to_python(value)
    except Exception:
        return value


def _flat(objects: Any) -> Iterator[dict[str, Any]]:
    for one in objects:
        if isinstance(one, Model):
            yield _as_object(one)
        else:
            yield from _flat(one)


def _as_object(instance: Model) -> dict[str, Any]:
    row = dumped_row(instance)
    assert row is not None
    meta = instance._meta
    values = {name: getattr(instance, name, None) for name in row.names if name not in row.links}
    values |= row.references | row.links
    key = meta.pk.attname
    fields = {
        meta.get_field(name).name: _plain(value, meta.get_field(name))
        for name, value in values.items()
        if name != key
    }
    pk = {"pk": values[key]} if key in values else {}
    return {"model": meta.label_lower, **pk, "fields": fields}


def _plain(value: Any, field: Any) -> Any:
    if isinstance(value, Natural):
        return list(value.key)
    if isinstance(value, FieldText):
        return value.text
    if isinstance(value, list) and field.many_to_many:
        return [_plain(one, field) for one in value]
    plain = value is None or isinstance(value, bool | int | float | str | list | dict)
    if plain or not hasattr(field, "value_to_string") or field.is_relation:
        return value
    holder = type("Holder", (), {field.attname: value})
    return value if hasattr(value, "isoformat") else field.value_to_string(holder)


def _is_link(label: str, name: str) -> bool:
    return bool(apps.get_model(label)._meta.get_field(name).many_to_many)


def _read(path: Path) -> str:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return archive.read(archive.namelist()[0]).decode()
    with _OPENERS.get(path.suffix, open)(path, "rt", encoding="utf-8") as stream:
        return str(stream.read())


def _write(path: Path, text: str) -> None:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(path.name.removesuffix(".zip"), text)
        return
    with _OPENERS.get(path.suffix, open)(path, "wt", encoding="utf-8") as stream:
        stream.write(text)


_OPENERS: dict[str, Any] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".lzma": lzma.open,
    ".xz": lzma.open,
}
