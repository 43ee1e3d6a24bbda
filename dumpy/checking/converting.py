"""Convert the fixtures of a project to dumps, and verify that these load the same rows."""

from __future__ import annotations

import difflib
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management import call_command
from django.core.management.base import CommandError
from django.core.management.color import no_style
from django.core.management.commands import loaddata
from django.core.serializers import get_public_serializer_formats
from django.db import DEFAULT_DB_ALIAS, connections

from dumpy.checking.diff import RowDiff, comparing
from dumpy.checking.fixtures import READERS, has_constant_default, rename_fixtures, to_dump
from dumpy.checking.report import SHOWN
from dumpy.engines import engine_of
from dumpy.errors import DumpyError, LoadError, lacks_rows, sentence
from dumpy.reading.source import is_program_file
from dumpy.restoring.scratch import build_scratch, rolled_back, scratch, scratch_directory
from dumpy.schema.instances import has_receivers
from dumpy.writing.database import DatabaseDump, Options, select
from dumpy.writing.publishing import replaced

_WITH = "\nIf it needs rows of another fixture: --with FIXTURE"
_RECEIVERS = "If receivers of signals make the difference: DUMPY = {'SIGNALS': 'raw'}."
# Fixtures in these directories belong to installed packages, not to the project.
_PACKAGE_DIRECTORIES = {"site-packages", "dist-packages"}


@dataclass(frozen=True)
class Fixture:
    """A fixture to convert: its path, format, and compression, and the path of its dump."""

    path: Path
    format: str
    compression: str | None
    target: Path

    def __str__(self) -> str:
        return os.path.relpath(self.path)

    def dump(self) -> str:
        """Return the text of the dump."""
        opener, mode = _finder().compression_formats[self.compression]
        with opener(str(self.path), mode) as stream:
            return to_dump(READERS[self.format](stream))


class Converter:
    """Converts fixtures, and loads them into a scratch database to compare rows.

    ``needed`` are the fixtures that are loaded before each. Those that have been converted are
    loaded from their dumps, which have the same rows and take a fraction of the time.
    """

    def __init__(self, using: str, directory: Path, needed: list[Path]) -> None:
        self._using = using
        self._directory = directory
        self._needed = needed
        self._dumps: dict[Path, Path] = {}

    def convert(
        self, fixtures: Sequence[Fixture], say: Callable[[str], object], *, is_dry: bool
    ) -> dict[Fixture, Exception]:
        """Convert fixtures, and return the errors of those that are not converted.

        A fixture that lacks rows of other fixtures is tried again after them. ``say`` receives a
        sentence about each converted fixture.
        """
        errors: dict[Fixture, Exception] = {}
        remaining = fixtures
        while remaining:
            converted = []
            for fixture in remaining:
                try:
                    say(self._convert(fixture, is_dry=is_dry))
                    converted.append(fixture)
                    errors.pop(fixture, None)
                except Exception as error:  # the parser of a format may raise any exception
                    errors[fixture] = error
            if not converted:
                break
            dumps = {fixture.path: self._dumps[fixture.path] for fixture in converted}
            self._needed = [dumps.pop(path, path) for path in self._needed] + [*dumps.values()]
            remaining = [f for f in remaining if f in errors and lacks_rows(errors[f])]
        return errors

    def reason(self, fixture: Fixture, error: BaseException) -> str:
        """Return why a fixture was not converted."""
        # The temporary file is deleted when the command ends.
        path = re.escape(str(self._directory / "converted.py"))
        reason = error.brief() if isinstance(error, LoadError) else sentence(error)
        reason = re.sub(rf"{path}:\d+: ", "", reason)
        reason = re.sub(path, fixture.target.name, reason)
        return f"{fixture} was not converted: {reason}{_WITH if lacks_rows(error) else ''}"

    def _convert(self, fixture: Fixture, *, is_dry: bool) -> str:
        """Write the dump of a fixture, and return a sentence about it.

        Raises any error of reading or loading the fixture, and ``DumpyError`` if rows differ.
        """
        if fixture.target.exists():
            raise DumpyError(f"{fixture.target.name} is there already. Delete one of them.")
        text, path = fixture.dump(), self._directory / "converted.py"
        path.write_text(text, encoding="utf-8")
        old, new = self._compare(fixture.path, path)
        if not is_dry:
            with replaced(fixture.target) as stream:
                stream.write(text)
            fixture.target.chmod(fixture.path.stat().st_mode & 0o777)
        dump = self._directory / f"needed_{len(self._dumps)}.py"
        self._dumps[fixture.path] = path.rename(dump)
        gain = f", {old / new:.0f} times faster" if new and old >= 2 * new else ""
        return (
            f"{fixture}: {fixture.target.name} loads the same rows in {new * 1000:,.0f} ms instead "
            f"of {old * 1000:,.0f} ms of CPU time{gain}."
        )

    def _compare(self, old: Path, new: Path) -> tuple[float, float]:
        """Load two fixtures, and return the CPU time of each in seconds.

        Raises ``DumpyError`` if their rows differ.
        """
        first, second, converted = (
            self._directory / f"{name}.py" for name in ("before", "again", "after")
        )
        # The dump is first, because it takes less time to find that it lacks rows. Each is loaded
        # twice, because the first load fills caches of the process.
        new_seconds = min(self._load(new, converted) for _ in range(2))
        old_seconds = min(self._load(old, first), self._load(old, second))
        with comparing(str(first), str(second)) as diff:
            varying = {name for row in diff.rows() for name in _varying_fields(row)}
        with comparing(str(first), str(converted)) as diff:
            rows = (row for row in diff.rows() if _fields(row) - varying)
            lines = [f"  {row}" for row in islice(rows, SHOWN)]
        if lines:
            models = apps.get_models(include_auto_created=True)
            hint = [_RECEIVERS] if any(map(has_receivers, models)) else []
            raise DumpyError("\n".join(["it would not load to the same rows:", *lines, *hint]))
        return old_seconds, new_seconds

    def _load(self, fixture: Path, target: Path) -> float:
        """Load a fixture, dump all rows to ``target``, and return the CPU time of the load."""
        self._reset_sequences()
        with rolled_back(self._using):
            for path in self._needed:
                if path != fixture:
                    call_command("loaddata", path, database=self._using, verbosity=0)
            start = time.process_time()
            call_command("loaddata", fixture, database=self._using, verbosity=0)
            seconds = time.process_time() - start
            models = select([], [], self._using)
            DatabaseDump(models, Options(self._using, all_rows=True)).save(target)
        return seconds

    def _reset_sequences(self) -> None:
        """Reset sequences, which a rollback does not, so that each load generates the same keys."""
        connection = connections[self._using]
        sequences = connection.introspection.sequence_list()
        statements = connection.ops.sequence_reset_by_name_sql(no_style(), sequences)
        statements += connection.ops.sequence_reset_sql(no_style(), apps.get_models())
        engine_of(connection).execute(*statements)


@contextmanager
def scratch_converter(using: str, needed: Sequence[str]) -> Iterator[Converter]:
    """Create a scratch database; ``needed`` are names of fixtures, as for ``loaddata``."""
    # A name without an extension would be ambiguous when the dump of the fixture is written.
    paths = _paths(needed, using)
    with scratch_directory("convert") as directory, scratch(using):
        build_scratch(using, [model._meta.label for model in apps.get_models()])
        yield Converter(using, directory, paths)


def fixtures_of(names: Sequence[str], using: str) -> Iterator[Fixture]:
    """Yield the fixtures with these names, or all of the project; raises ``CommandError``."""
    finder = _finder(using)
    if names:
        paths = _paths(names, using)
    else:
        # The last one is the current directory.
        directories = map(Path, finder.fixture_dirs[:-1])
        own = [path for path in directories if _PACKAGE_DIRECTORIES.isdisjoint(path.parts)]
        paths = [path for directory in own for path in sorted(directory.rglob("*.*"))]
    for path in dict.fromkeys(paths):
        try:
            name, fixture_format, compression = finder.parse_name(path.name)
        except CommandError:
            continue  # not a fixture
        if fixture_format in READERS and path.is_file():
            extension = f".{compression}" if compression not in (None, "zip") else ""
            target = path.with_name(f"{name}.py{extension}")
            yield Fixture(path, fixture_format, compression, target)
        elif names:
            raise CommandError(f"{path} is not in one of the formats {', '.join(READERS)}.")


def _paths(names: Sequence[str], using: str) -> list[Path]:
    """Return the paths of the fixtures with these names; raises ``CommandError``."""
    finder = _finder(using)
    return [Path(path) for name in names for path, *_ in finder.find_fixtures(name)]


def _finder(using: str = DEFAULT_DB_ALIAS) -> Any:
    """Return Django's ``loaddata`` command, which finds fixtures."""
    finder: Any = loaddata.Command()
    finder.using, finder.app_label, finder.verbosity = using, None, 0
    finder.serialization_formats = get_public_serializer_formats()
    return finder


def rename_in_modules(
    fixtures: Sequence[Fixture], say: Callable[[str], object], *, renames: bool, is_dry: bool
) -> dict[Fixture, list[str]]:
    """Find the modules below the current directory that name fixtures.

    If ``renames``, rewrite them to name the dumps. Return the lines that name each fixture then.
    """
    names = {fixture.path: fixture.target.name for fixture in fixtures}
    uses: dict[Fixture, list[str]] = {fixture: [] for fixture in fixtures}
    for path, old in _modules(Path.cwd()):
        name, new = os.path.relpath(path), rename_fixtures(old, names) if renames else old
        if new != old and is_dry:
            lines = old.splitlines(), new.splitlines()
            say("\n".join(difflib.unified_diff(*lines, name, name, lineterm="")))
        elif new != old:
            with replaced(path) as stream:
                stream.write(new)
            say(f"{name} was rewritten.")
        for fixture, places in uses.items():
            names_it = re.compile(rf"(?<![\w.-]){re.escape(fixture.path.name)}(?!\w)").search
            places += [f"{name}:{n}" for n, line in enumerate(new.split("\n"), 1) if names_it(line)]
    return uses


def _modules(directory: Path) -> Iterator[tuple[Path, str]]:
    """Yield the modules of a project with their text, except dumps and virtual environments."""
    for parent, directories, files in os.walk(directory):
        directories[:] = [
            name
            for name in sorted(directories)
            if not name.startswith(".") and not Path(parent, name, "pyvenv.cfg").exists()
        ]
        for path in (Path(parent, name) for name in sorted(files) if name.endswith(".py")):
            if is_program_file(path) is None:
                with suppress(UnicodeDecodeError):
                    yield path, path.read_bytes().decode()


def _fields(row: RowDiff) -> set[tuple[str, str, str]]:
    """Return the fields of a row that differ, ``""`` for a row that only one side has."""
    names = [change.name for change in row.changes] or [""]
    return {(row.label, row.key, name) for name in names}


def _varying_fields(row: RowDiff) -> set[tuple[str, str, str]]:
    """Return the fields that differ because their default is different in each load."""
    fields = {field.name: field for field in apps.get_model(row.label)._meta.concrete_fields}
    return {
        (label, key, name)
        for label, key, name in _fields(row)
        if name in fields and not has_constant_default(fields[name])
    }
