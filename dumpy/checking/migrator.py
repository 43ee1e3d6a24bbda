"""Write a step of a migrator into the project."""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from io import BytesIO, TextIOWrapper
from pathlib import Path
from textwrap import wrap
from typing import cast

from django.conf import settings
from django.utils.module_loading import import_string
from packaging.version import Version

from dumpy.checking.findings import Finding, Findings
from dumpy.conf import configuration
from dumpy.errors import DumpyError, counted, printable
from dumpy.migrating.chain import in_names, steps_of, version_of, version_of_step
from dumpy.writing.output import replaced

_FILE = "migrators"
_WIDTH = 88
_ORDER = ("model-renamed", "model-removed", "field-renamed", "field-removed", "field-added")
_BY_HAND = ("code", "no-migration", "no-table", "waits")
_HAS_STEP = "{} already. For this dump, it would also need:\n\n{}"
_HEAD = '''"""Migrators for dumps of older versions."""

from dumpy import Migrator


class {name}(Migrator):
    """Brings dumps of older versions to the current models."""

{method}'''


class NotWritten(DumpyError):
    """A migrator that cannot be written; the reason is the sentence."""


@dataclass(frozen=True)
class _Target:
    """A class in a file: of the setting, or of the place where one would look for it."""

    path: Path
    module: str
    name: str

    @property
    def dotted(self) -> str:
        return f"{self.module}.{self.name}"


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
    source, today = _versions(found)
    name = f"migrate_from_{in_names(source)}".replace(".", "_")
    return Step(name, source, method_text(name, str(source), str(today), found.findings))


def write_step(step: Step) -> str:
    """Write a step into the project, and return what was done and what is to do.

    A new file is written, or a method is added to the class. Raises ``NotWritten``.
    """
    target = _target()
    text = _with_method(target, step.name, step.text)
    _check_steps(target, step.source, step.text)
    ast.parse(text)
    try:
        _write(target.path, text)
    except OSError as error:
        raise NotWritten(f"{target.path} cannot be written: {error.strerror}.") from error
    return _said(target, step.name)


def _versions(found: Findings) -> tuple[Version, Version]:
    """Return the versions that a step leads from and to."""
    source = version_of(found.arrived or found.version)
    today = version_of(found.project_version)
    if source is None or today is None:
        who = "The dump" if source is None else "The project"
        raise NotWritten(
            f"{who} names no version, so no migrator would run. Set DUMPY['VERSION'] in the "
            "project, and make dumps that name it."
        )
    if source >= today:
        raise NotWritten(
            f"The dump is of version {source}, the project of {today}: a migrator runs for dumps "
            "of older versions only. Raise DUMPY['VERSION'] first."
        )
    return source, today


def _check_steps(target: _Target, source: Version, method: str) -> None:
    """Raise ``NotWritten`` if the class of the settings has a step, or inherits one."""
    if configuration().migration_class is None:
        return
    try:
        steps = steps_of(import_string(target.dotted))
    except ImportError:  # it is still to be written
        return
    if step := steps.get(in_names(source)):
        raise NotWritten(_HAS_STEP.format(f"{target.dotted} has the step {step}", method))


def _write(path: Path, text: bytes) -> None:
    """Write a new file as any other, one that is there so that it is never half of it."""
    if not path.exists():
        path.write_bytes(text)
        return
    with replaced(path) as stream:
        # It has an encoding of its own.
        cast(TextIOWrapper, stream).buffer.write(text)


def _said(target: _Target, name: str) -> str:
    lines = [f"Wrote {name}() into {target.path}. Review it, and check the dump again."]
    if configuration().migration_class != target.dotted:
        lines.append(f'Set it in the settings: DUMPY = {{"MIGRATION_CLASS": "{target.dotted}", …}}')
    return "\n".join(lines)


def _target() -> _Target:
    given, found = configuration().migration_class, settings.SETTINGS_MODULE
    if given is not None:
        module, _, name = given.rpartition(".")
        return _Target(_path_of(module), module, name)
    if found is None:
        raise NotWritten(
            "The settings are not in a package to write a migrator to. Name a class in "
            "DUMPY['MIGRATION_CLASS']: \"package.migrators.OurMigrator\", say."
        )
    package = found.partition(".")[0] if "." in found else ""
    module = f"{package}.{_FILE}" if package else _FILE
    path = _path_of(module)
    return _Target(path, module, f"{_camel(package or path.parent.name)}Migrator")


def _camel(name: str) -> str:
    words = "".join(part.capitalize() for part in re.findall(r"[A-Za-z0-9]+", name))
    return words.lstrip("0123456789")


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


def _with_method(target: _Target, name: str, method: str) -> bytes:
    """Return the text of the file with the method in its class."""
    if not target.path.exists():
        return _HEAD.format(name=target.name, method=_indented(method)).encode()
    data = target.path.read_bytes()
    try:
        tree = ast.parse(data)
        encoding, _lines = tokenize.detect_encoding(BytesIO(data).readline)
        # The mark of a file stands at its beginning alone.
        added = method.encode(encoding.removesuffix("-sig"))
    except UnicodeEncodeError as error:
        character = error.object[error.start]
        reason = f"{target.path} is {encoding}, which has no {character!r}. Save it as UTF-8."
        raise NotWritten(reason) from error
    except (SyntaxError, ValueError) as error:
        raise NotWritten(f"{target.path} cannot be read: {error}.") from error
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == target.name:
            _check_class(target, node, name, method)
            return _inserted(data, node, added)
    raise NotWritten(
        f"{target.path} has no class {target.name}. Name yours in DUMPY['MIGRATION_CLASS'], or add "
        f"this method to it:\n\n{method}"
    )


def _check_class(target: _Target, node: ast.ClassDef, name: str, method: str) -> None:
    """Raise ``NotWritten`` for a class that has the method, or no lines to add it to."""
    for statement in node.body:
        there = getattr(statement, "name", "")
        if there and version_of_step(there) == version_of_step(name):
            where = f"{target.path}:{statement.lineno}: {target.name} has a method {there}"
            raise NotWritten(_HAS_STEP.format(where, method))
    if node.body[0].lineno == node.lineno:
        raise NotWritten(
            f"{target.path}:{node.lineno}: write the body of {target.name} on lines of its own."
        )


def _inserted(data: bytes, node: ast.ClassDef, method: bytes) -> bytes:
    """Return the text with a method after the last line of a class, indented as the others."""
    lines = data.splitlines(keepends=True)
    end = node.end_lineno or 0
    first = node.body[0]
    before = lines[first.lineno - 1][: first.col_offset]
    newline = b"\r\n" if b"\r\n" in lines[0] else b"\n"
    added = [before + line if line else b"" for line in method.rstrip(b"\n").split(b"\n")]
    last = lines[end - 1].rstrip(b"\r\n")
    return b"".join([*lines[: end - 1], newline.join([last, b"", *added, b""]), *lines[end:]])


def _indented(method: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in method.split("\n"))


def method_text(name: str, source: str, today: str, findings: list[Finding]) -> str:
    """Return the source of a method that does, or proposes, what findings say."""
    body = [line for finding in _in_order(findings) for line in _step(finding)]
    return "\n".join(
        [
            f"def {name}(self, globals_dict):",
            f'    """Version {source} becomes {today}."""',
            *(f"    {line}" for line in body),
            f'    return "{today}"',
            "",
        ]
    )


def _in_order(findings: list[Finding]) -> list[Finding]:
    """Return models before fields, and names before values: the steps build on each other."""
    needed = [finding for finding in findings if finding.stops and finding.kind not in _BY_HAND]
    return sorted(needed, key=_rank)


def _rank(finding: Finding) -> int:
    return _ORDER.index(finding.kind) if finding.kind in _ORDER else len(_ORDER)


def _step(finding: Finding) -> Iterator[str]:
    yield from _comment(_sentence(finding))
    if finding.call is not None:
        yield from _call(finding.step)
    else:
        yield from (f"# {line}" for line in finding.step.splitlines())


def _sentence(finding: Finding) -> str:
    name = f"{finding.model}.{finding.field}" if finding.field else finding.model
    guess = "This is a guess: " if finding.is_guess else ""
    return f"{guess}{name} {_verb(finding)}."


def _verb(finding: Finding) -> str:
    rows = counted(finding.rows, "row")
    if finding.to is not None and finding.call is None:
        return f"{finding.reason} ({rows}): {finding.hint}"
    verbs = {
        "model-removed": f"was removed: {rows} dropped",
        "field-removed": f"was removed: {counted(finding.values, 'value')} dropped",
        "field-renamed": f"is {finding.to} now ({rows})",
        "model-renamed": f"is {finding.to} now ({rows})",
        "field-added": f"{finding.reason} ({rows})",
    }
    return verbs.get(finding.kind, f"is refused ({rows}): {finding.reason}")


def _comment(text: str) -> list[str]:
    # What stands in a dump must not become a line of a program.
    return [f"# {line}" for line in wrap(printable(text), _WIDTH - 10)]


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
