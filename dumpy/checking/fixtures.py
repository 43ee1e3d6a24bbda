"""Convert fixtures in Django's other formats to dumps, and rename them in modules.

Natural keys, missing primary keys, and the order of objects stay as they are. Missing fields get
their default if it is a constant.
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
from django.db.models import Model
from django.utils.timezone import is_naive, make_aware

from dumpy.conf import project_version
from dumpy.errors import DumpyError, RowRef, reason_of
from dumpy.schema.tables import Column, ModelType, Table, table_of
from dumpy.text.emit import ModuleWriter
from dumpy.text.words import FieldText, Natural, Unwritable, source


class Record(NamedTuple):
    """An object of a fixture; ``pk`` is None if it has no primary key."""

    label: str
    pk: Any
    fields: dict[str, Any]


def to_dump(records: Iterable[Record]) -> str:
    """Return a dump of records; raises ``DumpyError`` for one that does not fit the models."""
    parts: list[str] = []
    module = ModuleWriter(parts.append)
    module.begin("A fixture, written by dumpy.", project_version())
    for (label, fields), rows in groupby(map(_row, records), key=lambda row: row[:2]):
        page = [", ".join(map(source, values)) for _label, _fields, values in rows]
        module.section(label, fields, [page])
    module.end()
    return "".join(parts)


def _row(record: Record) -> tuple[str, tuple[str, ...], tuple[Any, ...]]:
    """Return the label of the model of a record, and the fields and values of its row."""
    try:
        model: ModelType = apps.get_model(record.label)
    except (LookupError, ValueError) as error:
        raise DumpyError(f"the project has no model {record.label!r}.") from error
    table = table_of(model)
    fields = _key(table, record.pk) | record.fields
    for field in model._meta.concrete_fields:
        if field.generated:
            fields.pop(field.name, None)
    if unknown := fields.keys() - table.names.keys():
        raise DumpyError(f"{table.label} has no field {', '.join(sorted(unknown))}.")
    values = {table.names[name]: value for name, value in fields.items()}
    row = dict(_values(table, values, RowRef(model._meta.label, record.pk)))
    return model._meta.label, tuple(row), tuple(row.values())


def _key(table: Table, pk: Any) -> dict[str, Any]:
    """Return the values of a primary key, which may be composite, by column."""
    if pk is None:
        return {}
    if len(table.key) == 1:
        return {table.key[0]: pk}
    return dict(zip(table.key, json.loads(pk) if isinstance(pk, str) else pk, strict=True))


def _values(table: Table, values: dict[str, Any], ref: RowRef) -> Iterator[tuple[str, Any]]:
    """Yield the values for a row of the dump by column, in the order of the model."""
    for column in table.columns:
        if column.name in values:
            yield column.name, _value(column, values[column.name], ref)
        elif column.name not in table.key and has_constant_default(column.field):
            yield column.name, _plain(column.field.get_default())
    for link in table.links:
        keys = values.get(link.name) or []
        yield link.name, [_value(link.target, key, ref) for key in keys]


def _value(column: Column, value: Any, ref: RowRef) -> Any:
    """Return the value for a row of the dump; raises ``DumpyError`` if the field refuses it."""
    if value is None:
        return None
    if column.references is not None and isinstance(value, list | tuple):
        return Natural(column.references._meta.label, tuple(value))
    field = column.parent_field if column.references is not None else column.field
    try:
        converted = _plain(field.to_python(value))
        source(converted)
        return converted
    except Unwritable:
        return FieldText(str(value))
    except Exception as error:
        reason = f"{column.name} cannot be {value!r}: {reason_of(error)}"
        raise DumpyError(f"{ref}: {reason}") from error


def _plain(value: Any) -> Any:
    """Return a value of a type that dumps have: bytes, times in UTC, and primary keys."""
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, datetime):
        value = make_aware(value) if settings.USE_TZ and is_naive(value) else value
        return value if is_naive(value) else value.astimezone(timezone.utc)
    return value.pk if isinstance(value, Model) else value


def has_constant_default(field: Any) -> bool:
    """Whether the default of a field is the same in each load."""
    return not field.has_db_default() and bool(field.get_default() == field.get_default())


def _records(items: Iterable[Any]) -> Iterator[Record]:
    for item in items:
        if not isinstance(item, dict) or not isinstance(item.get("fields"), dict):
            raise DumpyError(f"expected objects with a model and fields, found: {item!r:.80}")
        yield Record(str(item.get("model")), item.get("pk"), item["fields"])


def _yaml(stream: Any) -> Iterator[Record]:
    import yaml

    return _records(yaml.safe_load(stream) or [])


def _xml(stream: Any) -> Iterator[Record]:
    events: Any = pulldom.parse(stream, DefusedExpatParser())
    for event, node in events:
        if event == pulldom.START_ELEMENT and node.nodeName == "object":
            events.expandNode(node)
            fields = {
                field.getAttribute("name"): _xml_value(field)
                for field in node.getElementsByTagName("field")
            }
            yield Record(node.getAttribute("model"), node.getAttribute("pk") or None, fields)


def _xml_value(node: Any) -> Any:
    if node.getAttribute("rel") == "ManyToManyRel":
        links = node.getElementsByTagName("object")
        return [_natural_key(link) or link.getAttribute("pk") for link in links]
    if node.getElementsByTagName("None"):
        return None
    if natural_key := _natural_key(node):
        return natural_key
    text = getInnerText(node).strip()
    return json.loads(text) if node.getAttribute("type") == "JSONField" else text


def _natural_key(node: Any) -> list[str]:
    return [getInnerText(part).strip() for part in node.getElementsByTagName("natural")]


READERS: dict[str, Callable[[Any], Iterator[Record]]] = {
    "json": lambda stream: _records(json.load(stream)),
    "jsonl": lambda stream: _records(json.loads(line) for line in stream if line.strip()),
    "yaml": _yaml,
    "xml": _xml,
}
"""Read the objects of an open fixture, by format."""


def rename_fixtures(text: str, names: Mapping[Path, str]) -> str:
    """Return the source of a module with other names of fixtures; nothing else is changed.

    ``names`` are the new names by path. Names without an extension stay, and so does a module with
    a syntax error.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return text
    lines = text.split("\n")
    # From the end, because the positions are those in the old text.
    for constant in sorted(_constants(tree), key=_position, reverse=True):
        old = str(constant.value)
        matches = (new for path, new in names.items() if f"/{path.as_posix()}".endswith(f"/{old}"))
        name = next(matches, None) if old else None
        if name is not None and constant.end_lineno == constant.lineno:
            line = lines[constant.lineno - 1].encode()
            start, end = constant.col_offset, constant.end_col_offset
            new = f"{old.removesuffix(old.rpartition('/')[2])}{name}"
            literal = line[start:end].replace(old.encode(), new.encode())
            lines[constant.lineno - 1] = (line[:start] + literal + line[end:]).decode()
    return "\n".join(lines)


def _constants(tree: ast.Module) -> Iterable[ast.Constant]:
    """Return the strings that are assigned to ``fixtures``, or passed to ``loaddata``."""
    assignments = [pair for node in ast.walk(tree) for pair in _assignments(node)]
    values = [value for name, value in assignments if name == "fixtures"]
    names = {node.id for value in values for node in ast.walk(value) if isinstance(node, ast.Name)}
    values += [value for name, value in assignments if name in names]
    values += [value for node in ast.walk(tree) for value in _loaddata_arguments(node)]
    nodes = (node for value in values for node in ast.walk(value) if isinstance(node, ast.Constant))
    # By position, because one value may contain another.
    return {_position(node): node for node in nodes if type(node.value) is str}.values()


def _position(node: ast.Constant) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _assignments(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that a statement assigns to, each with the value."""
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from ((name.id, node.value) for name in targets if isinstance(name, ast.Name))


def _loaddata_arguments(node: ast.AST) -> Sequence[ast.expr]:
    """Return the arguments of ``call_command("loaddata", …)``."""
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("call_command"):
        command = node.args[0] if node.args else None
        if isinstance(command, ast.Constant) and command.value == "loaddata":
            return node.args[1:]
    return ()
