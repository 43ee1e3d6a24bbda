"""Write the skeleton of a dump as text that `skeleton` can read."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from keyword import kwlist
from typing import NamedTuple

from dumpy.errors import DumpFailed

from .outline import (
    FIRST_LINE,
    LAST_LINE,
    PLACEHOLDER,
    YIELDED,
    check_skeleton,
)
from .parsing import FormatError
from .strings import quote
from .words import NAMES

FLUSH = "loader.flush_deferred_objects()"
INSTALL = "install_migrations(globals())"
MAIN = """

def main():
    from dumpy.restoring import restore

    restore(globals())


if __name__ == '__main__':
    main()
"""
"""The part of `restore.py` that is the same in every dump."""
END = f"\n{LAST_LINE}\n"
"""The end of a file; one without it is truncated."""

TABLE_END = f"\n{FLUSH}\n{END}"
"""The end of a table file."""

IMPORTED = tuple(sorted({*NAMES, "install_migrations", "new", "resolve_model"}))
"""The names in the import line of every dump."""

SUBSET = "A subset of the"
"""The beginning of the docstring of a subset."""

MASKED = " Values are masked by "
"""The text in the docstring of a dump before the names of its masks."""

UNMASKED = " Not masked, though the names may be those of personal data: "
"""The text in the docstring of a masked dump before the fields that look personal."""

# Black and ruff would break rows over several lines.
_FIRST_LINES = f"{FIRST_LINE}\n# fmt: off\n"
_HINT = """\
A row is one line: a call of the create function of its table, which creates an object. If a field
was removed, comment out its line there; if it was renamed, change the name left of the `=`. To
leave out a table, comment out its line in {}.
"""
_WIDTH = 88
_NO_NAMES = frozenset({*kwlist, "__debug__"})
_RESERVED = frozenset({*_NO_NAMES, *IMPORTED, "objects", "SOURCE_VERSION", "SOURCE_MIGRATIONS"})
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class ModelNames(NamedTuple):
    """The names of a model in a dump: its variable, its create function, its section."""

    variable: str
    create: str
    objects: str


class Names:
    """The identifiers of one dump: the same requests in the same order give the same names."""

    def __init__(self) -> None:
        self._used = set(_RESERVED)
        self._started: set[str] = set()

    def for_model(self, app_label: str, object_name: str) -> ModelNames:
        """Return new names for a model; a second request for the same model returns other names."""
        app, model = _identifier(app_label), _identifier(object_name)
        lower = model.lower()
        # In objects() a call of create_… would look like a row.
        section = f"{'_' if f'{app}_'.startswith('create_') else ''}{app}_{lower}_objects"
        return ModelNames(*self._free(f"{app}_{model}", f"create_{app}_{lower}", section))

    def section(self, names: ModelNames) -> str:
        """Return the name of the next section of a model."""
        if names.objects in self._started:
            return self._free(names.objects)[0]
        self._started.add(names.objects)
        return names.objects

    def declaration(self, names: ModelNames, label: str, fields: Iterable[str]) -> str:
        """Return the line of a model, and its create function."""
        parameters: list[str] = []
        lines = ""
        for field in fields:
            parameter = _identifier(field)
            while parameter in _NO_NAMES or parameter in ("new", names.variable, *parameters):
                parameter += "_"
            parameters.append(parameter)
            is_name = _IDENTIFIER.fullmatch(field) and field not in _NO_NAMES
            line = f"{field}={parameter}" if is_name else f"**{{{_quoted(field)}: {parameter}}}"
            lines += f"        {line},\n"
        return (
            f"\n\n{names.variable} = resolve_model({_quoted(label)})\n"
            f"\n\ndef {names.create}({', '.join(parameters)}):\n"
            f"    return new(\n        {names.variable},\n{lines}    )\n"
        )

    def _free(self, *bases: str) -> list[str]:
        """Return unused names: the bases, or all bases with the same number."""
        names, number = [*bases], 1
        while (
            len({*names}) < len(names)
            or not self._used.isdisjoint(names)
            or (names[0].startswith("__") and names[0].endswith("__"))
        ):
            number += 1
            names = [f"{base}_{number}" for base in bases]
        self._used.update(names)
        return names


def _identifier(label: str) -> str:
    """Return a label if it is an ASCII identifier, otherwise an identifier made from it."""
    if _IDENTIFIER.fullmatch(label):
        return label
    text = re.sub(r"[^A-Za-z0-9_]", lambda match: f"_{ord(match[0]):x}", label)
    return f"_{text}" if text[:1].isdigit() or not text else text


def head(
    description: str,
    version: str | None,
    migrations: Mapping[str, str],
    listed_in: str = "objects()",
) -> str:
    """Return the text before the first model, without its last line end.

    `listed_in` is the name of the object that lists the tables.
    """
    indent = "    "
    names = textwrap.fill(
        f"{', '.join(IMPORTED)},", _WIDTH, initial_indent=indent, subsequent_indent=indent
    )
    return (
        f'{_FIRST_LINES}"""{_docstring(description)}\n\n{_HINT.format(listed_in)}"""\n'
        f"from dumpy.dump import (\n{names}\n)\n\n"
        f"SOURCE_VERSION = {_quoted(version) if version is not None else None}\n"
        f"SOURCE_MIGRATIONS = {_mapping(migrations)}"
    )


def _quoted(text: str) -> str:
    """Return a literal that does not contain the name of the placeholder for rows."""
    return quote(text).replace(PLACEHOLDER, f"\\x5f{PLACEHOLDER[1:]}")


def _docstring(text: str) -> str:
    return _quoted(text)[1:-1].replace('"', '\\"')


def _mapping(mapping: Mapping[str, str]) -> str:
    items = [f"{_quoted(key)}: {_quoted(value)}" for key, value in sorted(mapping.items())]
    line = f"{{{', '.join(items)}}}"
    if len(line) + len("SOURCE_MIGRATIONS = ") <= _WIDTH:
        return line
    return "".join(["{\n", *(f"    {item},\n" for item in items), "}"])


def section_head(name: str) -> str:
    """Return the line before the rows of a section."""
    return f"\n\ndef {name}():\n"


def table_head(label: str) -> str:
    """Return the text before the rows of a table file."""
    return f'{_FIRST_LINES}"""Rows of {_docstring(label)}, which restore.py loads."""\n'


def main_function(files: Sequence[str]) -> str:
    """Return the end of `restore.py`: the list of the table files, and the code that loads them."""
    names = "".join(f"    {_quoted(name)},\n" for name in files)
    return f"\n\n{INSTALL}\n\nTABLES = [\n{names}]\n{MAIN}{END}"


def objects_function(sections: Sequence[str]) -> str:
    """Return the end of a module: the function that yields its sections."""
    lines = [f"    yield {section}()\n" for section in sections]
    body = "".join(lines) or "    return []\n"
    return f"\n\n{INSTALL}\n\n\ndef objects():\n{body}{END}"


class ModuleWriter:
    """Writes a dump through `write`, and keeps no rows in memory.

    Call `begin()`, then `section()` for the rows of each model, then `end()`.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._names = Names()
        self._model_names: dict[tuple[str, tuple[str, ...]], ModelNames] = {}
        self._sections: list[str] = []
        self._skeleton: list[str] = []

    def begin(
        self,
        description: str,
        version: str | None = None,
        migrations: Mapping[str, str] | None = None,
    ) -> None:
        """Write the text before the first table."""
        self._write_skeleton(head(description, version, migrations or {}))

    def section(self, label: str, fields: Sequence[str], pages: Iterable[Iterable[str]]) -> int:
        """Write a section for pages of rows of one model, and return the number of rows.

        Each row is the text of the arguments of its call. Without pages, write nothing.
        """
        count = 0
        prefix = ""
        for page in pages:
            prefix = prefix or self._open(label, fields)
            if rows := list(page):
                end = f"{YIELDED.suffix}\n"
                self._write(f"{prefix}{f'{end}{prefix}'.join(rows)}{end}")
                count += len(rows)
        return count

    def commented(self, label: str, fields: Sequence[str], rows: Iterable[tuple[str, str]]) -> None:
        """Write rows of one model from pairs of a comment and the arguments of the call."""
        prefix = self._open(label, fields)
        for comment, arguments in rows:
            self._write(f"    # {comment}\n{prefix}{arguments}{YIELDED.suffix}\n")

    def end(self) -> None:
        """Write `objects()` and the last line of a complete dump.

        Raises `DumpFailed` if the skeleton is too large to be read again.
        """
        end = objects_function(self._sections)
        require_readable(
            "".join([*self._skeleton, end]), "Dump each app separately, or use dump2py."
        )
        self._write(end)

    def _write_skeleton(self, text: str) -> None:
        self._skeleton.append(text)
        self._write(text)

    def _open(self, label: str, fields: Sequence[str]) -> str:
        identity = (label, tuple(fields))
        if identity not in self._model_names:
            names = self._model_names[identity] = self._names.for_model(*label.split("."))
            self._write_skeleton(self._names.declaration(names, label, fields))
        names = self._model_names[identity]
        section = self._names.section(names)
        self._sections.append(section)
        self._write_skeleton(section_head(section))
        return YIELDED.prefix(names.create)


def require_readable(skeleton: str, hint: str) -> None:
    """Raise `DumpFailed` if a skeleton is too large to be read again."""
    try:
        check_skeleton(skeleton)
    except FormatError as error:
        raise DumpFailed(f"The dump could not be read again: {error.reason} {hint}") from error
