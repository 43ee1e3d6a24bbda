"""Fixtures of Django's other formats, as dumps: each object stays what it is in the old file.

A natural key stays one, an object without a primary key has none in the dump either, and objects
stay in their order. Only what depends on nothing is computed: the defaults of missing fields.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple
from xml.dom import pulldom

from django.apps import apps
from django.conf import settings
from django.core.serializers.xml_serializer import DefusedExpatParser, getInnerText
from django.db.models import NOT_PROVIDED, Model
from django.utils.timezone import is_naive, make_aware

from dumpy.conf import project_version
from dumpy.errors import DumpyError, RowRef, reason_of
from dumpy.schema.tables import Column, ModelType, Table, table_of
from dumpy.text.emit import ModuleWriter
from dumpy.text.words import FieldText, Natural, Unwritable, source


class Record(NamedTuple):
    """An object of a fixture: the label of its model, its primary key or None, and its fields."""

    label: str
    pk: Any
    fields: dict[str, Any]


def converted(records: Iterable[Record]) -> str:
    """Return a dump of records; raises ``DumpyError`` for one that the models cannot hold."""
    parts: list[str] = []
    module = ModuleWriter(parts.append)
    module.begin("A fixture, written by dumpy.", project_version())
    for (label, fields), rows in groupby(map(_row, records), key=lambda row: row[:2]):
        page = [", ".join(map(source, values)) for _label, _fields, values in rows]
        module.section(label, fields, [page])
    module.end()
    return "".join(parts)


def _row(record: Record) -> tuple[str, tuple[str, ...], tuple[Any, ...]]:
    """Return the label of a model, and the fields and values of a row."""
    try:
        model: ModelType = apps.get_model(record.label)
    except (LookupError, ValueError) as error:
        raise DumpyError(f"the project has no model {record.label!r}.") from error
    table = table_of(model)
    given = _key(table, record.pk) | record.fields
    for field in model._meta.concrete_fields:
        if getattr(field, "generated", False):
            given.pop(field.name, None)
    if unknown := given.keys() - table.names.keys():
        raise DumpyError(f"{table.label} has no field {', '.join(sorted(unknown))}.")
    values = {table.names[name]: value for name, value in given.items()}
    written = dict(_written(table, values, RowRef(model._meta.label, record.pk)))
    return model._meta.label, tuple(written), tuple(written.values())


def _key(table: Table, pk: Any) -> dict[str, Any]:
    """Return the primary key of a record by column; several of them make a composite one."""
    if pk is None:
        return {}
    if len(table.key) == 1:
        return {table.key[0]: pk}
    return dict(zip(table.key, json.loads(pk) if isinstance(pk, str) else pk, strict=True))


def _written(table: Table, values: dict[str, Any], ref: RowRef) -> Iterator[tuple[str, Any]]:
    """Yield the values of a row by column, in the order of the model."""
    for column in table.columns:
        if column.name in values:
            yield column.name, _value(column, values[column.name], ref)
        elif column.name not in table.key and has_one_default(column.field):
            yield column.name, _typed(column.field.get_default())
    for link in table.links:
        given = values.get(link.name) or []
        yield link.name, [_value(link.target, one, ref) for one in given]


def _value(column: Column, given: Any, ref: RowRef) -> Any:
    """Return what a fixture holds as the value of a column; raises ``DumpyError``."""
    if given is None:
        return None
    if column.references is not None and isinstance(given, list | tuple):
        return Natural(column.references._meta.label, tuple(given))
    field = column.parent_field if column.references is not None else column.field
    try:
        value = _typed(field.to_python(given))
        source(value)
        return value
    except Unwritable:
        return FieldText(str(given))
    except Exception as error:
        reason = f"{column.name} cannot be {given!r}: {reason_of(error)}"
        raise DumpyError(f"{ref}: {reason}") from error


def _typed(value: Any) -> Any:
    """Return a value as rows of a dump have it: bytes, and times in UTC."""
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, datetime):
        value = make_aware(value) if settings.USE_TZ and is_naive(value) else value
        return value if is_naive(value) else value.astimezone(timezone.utc)
    return value.pk if isinstance(value, Model) else value


def has_one_default(field: Any) -> bool:
    """Whether a field that is missing gets the same value in each load."""
    if getattr(field, "db_default", NOT_PROVIDED) is not NOT_PROVIDED:
        return False
    return bool(field.get_default() == field.get_default())


def _records(given: Iterable[Any]) -> Iterator[Record]:
    for one in given:
        if not isinstance(one, dict) or not isinstance(one.get("fields"), dict):
            raise DumpyError(f"expected objects with a model and fields, found: {one!r:.80}")
        yield Record(str(one.get("model")), one.get("pk"), one["fields"])


def _json(stream: Any) -> Iterator[Record]:
    return _records(json.load(stream))


def _jsonl(stream: Any) -> Iterator[Record]:
    return _records(json.loads(line) for line in stream if line.strip())


def _yaml(stream: Any) -> Iterator[Record]:
    import yaml

    return _records(yaml.safe_load(stream) or [])


def _xml(stream: Any) -> Iterator[Record]:
    events: Any = pulldom.parse(stream, DefusedExpatParser())
    for event, node in events:
        if event == pulldom.START_ELEMENT and node.nodeName == "object":
            events.expandNode(node)
            fields = {
                one.getAttribute("name"): _xml_value(one)
                for one in node.getElementsByTagName("field")
            }
            yield Record(node.getAttribute("model"), node.getAttribute("pk") or None, fields)


def _xml_value(node: Any) -> Any:
    if node.getAttribute("rel") == "ManyToManyRel":
        links = node.getElementsByTagName("object")
        return [_natural(one) or one.getAttribute("pk") for one in links]
    if node.getElementsByTagName("None"):
        return None
    if natural := _natural(node):
        return natural
    text = getInnerText(node).strip()
    return json.loads(text) if node.getAttribute("type") == "JSONField" else text


def _natural(node: Any) -> list[str]:
    return [getInnerText(one).strip() for one in node.getElementsByTagName("natural")]


READERS: dict[str, Callable[[Any], Iterator[Record]]] = {
    "json": _json,
    "jsonl": _jsonl,
    "yaml": _yaml,
    "xml": _xml,
}
"""Read the objects of an open fixture, by format."""


# Names of fixtures in the source of test cases


def rewritten(text: str, names: Mapping[Path, str]) -> str:
    """Return a module that names other fixtures; nothing else of it changes.

    ``names`` are the new names of files by their old paths. A name without an ending stays. So does
    a module that Python cannot read.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return text
    lines = text.split("\n")
    # From the end on, as the places of names are those in the old text.
    for constant in sorted(
        _names(tree), key=lambda one: (one.lineno, one.col_offset), reverse=True
    ):
        old = str(constant.value)
        found = (new for path, new in names.items() if f"/{path.as_posix()}".endswith(f"/{old}"))
        new = next(found, None) if old else None
        if new is not None and constant.end_lineno == constant.lineno:
            line = lines[constant.lineno - 1].encode()
            begin, end = constant.col_offset, constant.end_col_offset
            written = f"{old.removesuffix(old.rpartition('/')[2])}{new}".encode()
            changed = line[begin:end].replace(old.encode(), written)
            lines[constant.lineno - 1] = (line[:begin] + changed + line[end:]).decode()
    return "\n".join(lines)


def _names(tree: ast.Module) -> Iterator[ast.Constant]:
    """Yield the texts in what is assigned to ``fixtures``, and in calls of ``loaddata``."""
    assigned = [pair for node in ast.walk(tree) for pair in _assigned(node)]
    used = [value for name, value in assigned if name == "fixtures"]
    shared = {one.id for value in used for one in ast.walk(value) if isinstance(one, ast.Name)}
    used += [value for name, value in assigned if name in shared]
    used += [value for node in ast.walk(tree) for value in _loaded(node)]
    texts = (one for value in used for one in ast.walk(value) if isinstance(one, ast.Constant))
    # By place: one value may be a part of another.
    yield from {
        (one.lineno, one.col_offset): one for one in texts if type(one.value) is str
    }.values()


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that a statement assigns to, each with the value."""
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from ((one.id, node.value) for one in targets if isinstance(one, ast.Name))


def _loaded(node: ast.AST) -> Sequence[ast.expr]:
    """Return the arguments of ``call_command("loaddata", …)``."""
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("call_command"):
        command = node.args[0] if node.args else None
        if isinstance(command, ast.Constant) and command.value == "loaddata":
            return node.args[1:]
    return ()
