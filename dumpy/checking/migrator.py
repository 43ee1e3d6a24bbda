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

from dumpy.checking.report import Findings
from dumpy.conf import configuration
from dumpy.errors import DumpyError, printable
from dumpy.migrating.chain import step_name, step_version, steps_of, version_of
from dumpy.restoring.findings import Finding, literal
from dumpy.writing.publishing import replaced

_FILE = "migrators"
_WIDTH = 88
_ORDER = ("model-renamed", "model-removed", "field-renamed", "field-removed", "field-added")
_BY_HAND = ("code", "no-app", "no-migration", "no-table", "waits")
_HEAD = '''"""Migrators for dumps of older versions."""

from dumpy import Migrator


class {name}(Migrator):
    """Brings dumps of older versions to the current models."""

{method}'''


class NotWritten(DumpyError):
    """A step that cannot be written into the project, for the reason in the message."""


@dataclass(frozen=True)
class Step:
    """A method of a migrator.

    Attributes:
        source: the version of the dumps that it migrates.
        text: its source code.
    """

    name: str
    source: Version
    text: str


def step_for(result: Findings) -> Step | None:
    """Return the step that a dump needs, if any; raises ``NotWritten`` if no step would be run."""
    if result.is_fine:
        return None
    source = version_of(result.arrived or result.version)
    target = version_of(result.project_version)
    if source is None or target is None:
        reasons = ["A migrator leads from version to version."]
        if target is None:
            reasons.append("The project names no version: set DUMPY['VERSION'] in its settings.")
        if source is None:
            reasons.append("The dump names no version: name it with --as-version 1.0, for example.")
        raise NotWritten(" ".join(reasons))
    if source >= target:
        raise NotWritten(
            f"The dump is of version {source}, the project of {target}: a migrator runs for dumps "
            "of older versions only. Raise DUMPY['VERSION'] first."
        )
    name = step_name(source)
    # Each call depends on the ones before: models before fields, and names before values.
    findings = [finding for finding in result.stopping if finding.kind not in _BY_HAND]
    findings.sort(key=lambda f: _ORDER.index(f.kind) if f.kind in _ORDER else len(_ORDER))
    lines = [
        f'"""Version {source} becomes {target}."""',
        *(line for finding in findings for line in _lines(finding)),
        f'return "{target}"\n',
    ]
    body = indent("\n".join(lines), "    ")
    return Step(name, source, f"def {name}(self, globals_dict):\n{body}")


def write_step(step: Step) -> str:
    """Add a step to the migrator of the project, and return a message for the user.

    If the project has no migrator, a file is created. Raises ``NotWritten``.
    """
    class_path = configuration().migration_class or _default_class()
    module, _, name = class_path.rpartition(".")
    path = _path_of(module)
    try:
        if path.exists():
            text = _with_method(path, class_path, step)
            with replaced(path) as stream:
                stream.write(text)
        else:
            text = _HEAD.format(name=name, method=indent(step.text, "    "))
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise NotWritten(f"{path} cannot be written: {error.strerror}.") from error
    message = f"Wrote {step.name}() into {path}. Review it, and check the dump again."
    if configuration().migration_class != class_path:
        message += f'\nSet it in the settings: DUMPY = {{"MIGRATION_CLASS": "{class_path}", …}}'
    return message


def _default_class() -> str:
    """Return the path of a new migrator class, in a module next to the settings."""
    settings_module = settings.SETTINGS_MODULE
    if settings_module is None:
        raise NotWritten(
            "The settings are not in a package to write a migrator to. Name a class in "
            "DUMPY['MIGRATION_CLASS']: \"package.migrators.OurMigrator\", say."
        )
    package, dot, _ = settings_module.partition(".")
    module = f"{package}.{_FILE}" if dot else _FILE
    words = re.findall(r"[A-Za-z0-9]+", package if dot else _path_of(module).parent.name)
    return f"{module}.{''.join(map(str.capitalize, words)).lstrip('0123456789')}Migrator"


def _path_of(module: str) -> Path:
    """Return the path of a module, which may not exist; by default, it is next to the settings."""
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


def _with_method(path: Path, class_path: str, step: Step) -> str:
    """Return the source of a module with the step at the end of its migrator class."""
    name = class_path.rpartition(".")[2]
    data = path.read_bytes()
    try:
        tree = ast.parse(data)
        encoding, _lines = tokenize.detect_encoding(BytesIO(data).readline)
    except (SyntaxError, ValueError) as error:
        raise NotWritten(f"{path} cannot be read: {error}.") from error
    if not encoding.startswith("utf-8"):
        raise NotWritten(f"{path} is {encoding}: save it as UTF-8.")
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    node = next(classes, None)
    if node is None:
        reason = f"{path} has no class {name}. Name yours in DUMPY['MIGRATION_CLASS'], and add:"
        raise _by_hand(reason, step)
    first, end = node.body[0], node.end_lineno or 0
    if first.lineno == node.lineno:
        reason = f"{path}:{node.lineno}: {name} has no body on lines of its own. Add it there:"
        raise _by_hand(reason, step)
    try:
        existing = steps_of(import_string(class_path)).get(step_version(step.source))
    except ImportError as error:
        raise NotWritten(f"{path} cannot be imported: {error}.") from error
    if existing:
        raise _by_hand(f"{class_path} has the step {existing} already. Add these lines:", step)
    lines = [line.decode() for line in data.splitlines(keepends=True)]
    newline = "\r\n" if lines[0].endswith("\r\n") else "\n"
    method = indent(step.text, lines[first.lineno - 1][: first.col_offset])
    lines[end - 1] = lines[end - 1].rstrip("\r\n") + f"\n\n{method}".replace("\n", newline)
    return "".join(lines)


def _by_hand(reason: str, step: Step) -> NotWritten:
    return NotWritten(f"{reason}\n\n{step.text}")


def _lines(finding: Finding) -> Iterator[str]:
    """Yield a finding as a comment, and its call, which is commented out if it is a proposal."""
    # A line break in a value of the dump must not end the comment.
    comment = printable(f"{finding.name}: {finding.sentence}")
    yield from (f"# {line}" for line in wrap(comment, _WIDTH - 10))
    if finding.kind == "data-migration":
        # A step that arrives is trusted to have done what the migrations since the dump did.
        message = f"{finding.model}: do here what it does, or remove this line"
        yield f"raise NotImplementedError({literal(message)})"
    elif finding.call is not None:
        yield from _call(finding.step)
    else:
        yield from (f"# {line}" for line in finding.step.splitlines())


def _call(step: str) -> Iterator[str]:
    """Yield a call on one line if it fits, or on several lines, as Black formats it."""
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
        yield from (f"    {ast.get_source_segment(step, argument)}," for argument in call.args)
    yield ")"
