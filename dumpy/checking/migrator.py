"""Write a step of a migrator into the project."""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from textwrap import indent, wrap

from django.conf import settings
from django.utils.module_loading import import_string
from packaging.version import Version

from dumpy.checking.report import Finding, Findings
from dumpy.conf import configuration
from dumpy.errors import DumpyError, printable
from dumpy.migrating.chain import in_names, steps_of, version_of
from dumpy.writing.publishing import replaced

_FILE = "migrators"
_WIDTH = 88
_ORDER = ("model-renamed", "model-removed", "field-renamed", "field-removed", "field-added")
_BY_HAND = ("code", "no-migration", "no-table", "waits")
_HEAD = '''"""Migrators for dumps of older versions."""

from dumpy import Migrator


class {name}(Migrator):
    """Brings dumps of older versions to the current models."""

{method}'''


class NotWritten(DumpyError):
    """A migrator that cannot be written; the reason is the sentence."""


@dataclass(frozen=True)
class Step:
    """The method of a migrator that a dump needs.

    Attributes:
        source: the version that it leads from.
        text: its source.
    """

    name: str
    source: Version
    text: str


def step_for(found: Findings) -> Step | None:
    """Return the step that a dump needs, if any; raises ``NotWritten`` where none would be run."""
    if found.is_fine:
        return None
    source = version_of(found.arrived or found.version)
    today = version_of(found.project_version)
    if source is None or today is None:
        said = []
        if today is None:
            said.append("The project names no version: set DUMPY['VERSION'] in its settings.")
        if source is None:
            said.append("The dump names no version: name it with --as-version 1.0, for example.")
        raise NotWritten(" ".join(["A migrator leads from version to version.", *said]))
    if source >= today:
        raise NotWritten(
            f"The dump is of version {source}, the project of {today}: a migrator runs for dumps "
            "of older versions only. Raise DUMPY['VERSION'] first."
        )
    name = f"migrate_from_{in_names(source)}".replace(".", "_")
    # The steps build on each other: models come before fields, and names before values.
    needed = [one for one in found.stopping if one.kind not in _BY_HAND]
    needed.sort(key=lambda one: _ORDER.index(one.kind) if one.kind in _ORDER else len(_ORDER))
    lines = [
        f'"""Version {source} becomes {today}."""',
        *(line for finding in needed for line in _lines(finding)),
        f'return "{today}"\n',
    ]
    return Step(name, source, f"def {name}(self, globals_dict):\n{_indented(lines)}")


def write_step(step: Step) -> str:
    """Write a step into the project, and return what was done and what is to do.

    A new file is written, or a method is added to the class. Raises ``NotWritten``.
    """
    dotted = configuration().migration_class or _default_class()
    module, _, name = dotted.rpartition(".")
    path = _path_of(module)
    try:
        if path.exists():
            text = _with_method(path, dotted, step)
            with replaced(path) as stream:
                stream.write(text)
        else:
            text = _HEAD.format(name=name, method=_indented(step.text.split("\n")))
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise NotWritten(f"{path} cannot be written: {error.strerror}.") from error
    said = f"Wrote {step.name}() into {path}. Review it, and check the dump again."
    if configuration().migration_class != dotted:
        said += f'\nSet it in the settings: DUMPY = {{"MIGRATION_CLASS": "{dotted}", …}}'
    return said


def _default_class() -> str:
    """Return where one would look for a migrator: beside the settings."""
    found = settings.SETTINGS_MODULE
    if found is None:
        raise NotWritten(
            "The settings are not in a package to write a migrator to. Name a class in "
            "DUMPY['MIGRATION_CLASS']: \"package.migrators.OurMigrator\", say."
        )
    package, dot, _ = found.partition(".")
    module = f"{package}.{_FILE}" if dot else _FILE
    words = re.findall(r"[A-Za-z0-9]+", package if dot else _path_of(module).parent.name)
    return f"{module}.{''.join(map(str.capitalize, words)).lstrip('0123456789')}Migrator"


def _path_of(module: str) -> Path:
    """Return where a module is, or would be: beside the settings if it has no package."""
    package, _, name = module.rpartition(".")
    spec, parent = _spec_of(module), _spec_of(package or settings.SETTINGS_MODULE)
    if spec is not None and spec.has_location and spec.origin is not None:
        return Path(spec.origin)
    if parent is None or parent.origin is None:
        raise NotWritten(f"There is no package {package!r} to write {name}.py into.")
    return Path(parent.origin).parent / f"{name}.py"


def _spec_of(module: str) -> ModuleSpec | None:
    try:
        return find_spec(module)
    except (ImportError, ValueError):
        return None


def _with_method(path: Path, dotted: str, step: Step) -> str:
    """Return the text of a file with the step at the end of its class, indented as the others."""
    name = dotted.rpartition(".")[2]
    data = path.read_bytes()
    try:
        tree = ast.parse(data)
        encoding, _lines = tokenize.detect_encoding(BytesIO(data).readline)
    except (SyntaxError, ValueError) as error:
        raise NotWritten(f"{path} cannot be read: {error}.") from error
    if not encoding.startswith("utf-8"):
        raise NotWritten(f"{path} is {encoding}: save it as UTF-8.")
    node = next((o for o in tree.body if isinstance(o, ast.ClassDef) and o.name == name), None)
    if node is None:
        raise _by_hand(f"{path} has no class {name}. Name yours in DUMPY['MIGRATION_CLASS'].", step)
    first, end = node.body[0], node.end_lineno or 0
    if first.lineno == node.lineno:
        raise _by_hand(f"{path}:{node.lineno}: {name} has no body on lines of its own.", step)
    try:
        there = steps_of(import_string(dotted)).get(in_names(step.source))
    except ImportError as error:
        raise NotWritten(f"{path} cannot be imported: {error}.") from error
    if there:
        raise _by_hand(f"{dotted} has the step {there} already.", step)
    lines = [line.decode() for line in data.splitlines(keepends=True)]
    newline = "\r\n" if lines[0].endswith("\r\n") else "\n"
    method = indent(step.text, lines[first.lineno - 1][: first.col_offset])
    lines[end - 1] = lines[end - 1].rstrip("\r\n") + f"\n\n{method}".replace("\n", newline)
    return "".join(lines)


def _by_hand(reason: str, step: Step) -> NotWritten:
    return NotWritten(f"{reason} This is the method that the dump needs:\n\n{step.text}")


def _lines(finding: Finding) -> Iterator[str]:
    """Yield what a finding says as a comment, and the call, commented out if it is a proposal."""
    name = f"{finding.model}.{finding.field}" if finding.field else finding.model
    said = f"{name}: {finding.sentence}"
    # What stands in a dump must not become a line of a program.
    yield from (f"# {line}" for line in wrap(printable(said), _WIDTH - 10))
    if finding.call is not None:
        yield from _call(finding.step)
    else:
        yield from (f"# {line}" for line in finding.step.splitlines())


def _call(step: str) -> Iterator[str]:
    """Yield a call on one line, or with an argument per line, as formatters have it."""
    if len(step) + 8 <= _WIDTH:
        yield step
        return
    head, _, arguments = step.removesuffix(")").partition("(")
    yield f"{head}("
    if len(arguments) + 12 <= _WIDTH:
        yield f"    {arguments}"
    else:
        call = ast.parse(step, mode="eval").body
        assert isinstance(call, ast.Call)
        yield from (f"    {ast.get_source_segment(step, one)}," for one in call.args)
    yield ")"


def _indented(lines: list[str]) -> str:
    return "\n".join(f"    {line}" if line else "" for line in lines)
