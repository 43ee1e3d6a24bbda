"""Fixtures of a project in Django's other formats become dumps that load to the same rows."""

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
from django.core.exceptions import ObjectDoesNotExist
from django.core.management import call_command
from django.core.management.base import CommandError
from django.core.management.color import no_style
from django.core.management.commands import loaddata
from django.core.serializers import get_public_serializer_formats
from django.db import DEFAULT_DB_ALIAS, IntegrityError, connections

from dumpy.checking.diff import RowDiff, comparing
from dumpy.checking.fixtures import READERS, converted, has_one_default, rewritten
from dumpy.checking.report import SHOWN
from dumpy.engines import engine_of
from dumpy.errors import DumpyError, sentence
from dumpy.reading.source import program_at
from dumpy.restoring.compare import write_dump
from dumpy.restoring.scratch import build_scratch, rolled_back, scratch, scratch_directory
from dumpy.schema.instances import has_receivers
from dumpy.writing.database import DatabaseDump, Options, select
from dumpy.writing.publishing import replaced

_WITH = " If it needs rows of another fixture: --with FIXTURE"
_RECEIVERS = "If receivers of signals make the difference: DUMPY = {'SIGNALS': 'raw'}."
# Fixtures of applications that are installed are not the project's.
_INSTALLED = {"site-packages", "dist-packages"}


@dataclass(frozen=True)
class Fixture:
    """A fixture to convert: its path, format, and compression, and the path of its dump."""

    path: Path
    format: str
    compression: str | None
    target: Path

    def __str__(self) -> str:
        return os.path.relpath(self.path)

    def text(self) -> str:
        """Return the dump."""
        opener, mode = _finder().compression_formats[self.compression]
        with opener(str(self.path), mode) as stream:
            return converted(READERS[self.format](stream))


class Laboratory:
    """A scratch database with the tables of the project, where fixtures are loaded.

    Attributes:
        needed: The fixtures that are loaded before each.
    """

    def __init__(self, using: str, directory: Path, needed: list[Path]) -> None:
        self.using = using
        self.needed = needed
        self._directory = directory

    def convert(self, fixture: Fixture, *, is_dry: bool) -> str:
        """Write the dump of a fixture if it loads to the same rows; return what to say about it.

        Raises what reading or loading a fixture raises, and ``DumpyError`` if rows differ.
        """
        if fixture.target.exists():
            raise DumpyError(f"{fixture.target.name} is there already. Delete one of them.")
        text, path = fixture.text(), self._directory / "converted.py"
        path.write_text(text, encoding="utf-8")
        old, new = self._prove(fixture.path, path)
        if not is_dry:
            with replaced(fixture.target) as stream:
                stream.write(text)
            fixture.target.chmod(fixture.path.stat().st_mode & 0o777)
        won = f", {old / new:.0f} times faster" if new and old >= 2 * new else ""
        return (
            f"{fixture}: {fixture.target.name} loads the same rows in {new * 1000:,.0f} ms instead "
            f"of {old * 1000:,.0f} ms of CPU time{won}."
        )

    def reason(self, fixture: Fixture, error: BaseException) -> str:
        """Return why a fixture was not converted."""
        # The file that was tried does not outlive the command.
        tried = re.escape(str(self._directory / "converted.py"))
        reason = re.sub(rf"{tried}:\d+: ", "", sentence(error))
        reason = re.sub(tried, fixture.target.name, reason)
        return f"{fixture} was not converted: {reason}{_WITH if lacks_rows(error) else ''}"

    def _prove(self, old: Path, new: Path) -> tuple[float, float]:
        """Return the seconds of CPU time that each takes; raises ``DumpyError`` if rows differ."""
        before, again, after = (
            self._directory / f"{name}.py" for name in ("before", "again", "after")
        )
        # The first time includes what is done once in a process.
        seconds = (
            min(self._load(old, before), self._load(old, again)),
            min(self._load(new, after) for _ in range(2)),
        )
        with comparing(str(before), str(again)) as diff:
            computed = {name for row in diff.rows() for name in _computed(row)}
        with comparing(str(before), str(after)) as diff:
            differing = (row for row in diff.rows() if _names(row) - computed)
            lines = [f"  {row}" for row in islice(differing, SHOWN)]
        if lines:
            models = apps.get_models(include_auto_created=True)
            hint = [_RECEIVERS] if any(map(has_receivers, models)) else []
            raise DumpyError("\n".join(["it would not load to the same rows:", *lines, *hint]))
        return seconds

    def _load(self, fixture: Path, dumped: Path) -> float:
        self._reset_sequences()
        with rolled_back(self.using):
            for path in self.needed:
                if path != fixture:
                    call_command("loaddata", path, database=self.using, verbosity=0)
            started = time.process_time()
            call_command("loaddata", fixture, database=self.using, verbosity=0)
            seconds = time.process_time() - started
            models = select([], [], self.using)
            write_dump(DatabaseDump(models, Options(self.using, all_rows=True)), dumped)
        return seconds

    def _reset_sequences(self) -> None:
        """Let rows without a key get the same keys in each load: no rollback resets sequences."""
        connection = connections[self.using]
        sequences = connection.introspection.sequence_list()
        statements = connection.ops.sequence_reset_by_name_sql(no_style(), sequences)
        statements += connection.ops.sequence_reset_sql(no_style(), apps.get_models())
        engine_of(connection).execute(*statements)


@contextmanager
def laboratory(using: str, needed: Sequence[str]) -> Iterator[Laboratory]:
    """Make a scratch database; ``needed`` are names of fixtures, as for ``loaddata``."""
    # By path: a name without an ending is ambiguous when its dump is written.
    paths = _paths(needed, using)
    with scratch_directory("convert") as directory, scratch(using):
        build_scratch(using, [model._meta.label for model in apps.get_models()])
        yield Laboratory(using, directory, paths)


def fixtures_of(names: Sequence[str], using: str) -> Iterator[Fixture]:
    """Yield the fixtures of these names, or all of the project; raises ``CommandError``."""
    finder = _finder(using)
    if names:
        paths = _paths(names, using)
    else:
        # The last one is the current directory.
        directories = [Path(path) for path in finder.fixture_dirs[:-1]]
        own = [path for path in directories if _INSTALLED.isdisjoint(path.parts)]
        paths = [path for directory in own for path in sorted(directory.rglob("*.*"))]
    for path in paths:
        try:
            name, kind, compression = finder.parse_name(path.name)
        except CommandError:
            continue  # no fixture
        if kind in READERS and path.is_file():
            kept = f".{compression}" if compression not in (None, "zip") else ""
            yield Fixture(path, kind, compression, path.with_name(f"{name}.py{kept}"))
        elif names:
            raise CommandError(f"{path} is not in one of the formats {', '.join(READERS)}.")


def _paths(names: Sequence[str], using: str) -> list[Path]:
    """Return the fixtures of these names; raises ``CommandError``."""
    finder = _finder(using)
    return [Path(path) for name in names for path, *_ in finder.find_fixtures(name)]


def _finder(using: str = DEFAULT_DB_ALIAS) -> Any:
    """Return Django's command, which knows where fixtures are, and what their names mean."""
    finder: Any = loaddata.Command()
    finder.using, finder.app_label, finder.verbosity = using, None, 0
    finder.serialization_formats = get_public_serializer_formats()
    return finder


def rewrite(
    done: Sequence[Fixture], say: Callable[[str], object], *, is_wanted: bool, is_dry: bool
) -> dict[Fixture, list[str]]:
    """Name the dumps where modules below the current directory list the old files, if wanted.

    Return the lines that name an old file all the same.
    """
    names = {fixture.path: fixture.target.name for fixture in done}
    uses: dict[Fixture, list[str]] = {fixture: [] for fixture in done}
    for path, before in _modules(Path.cwd()):
        name, after = os.path.relpath(path), rewritten(before, names) if is_wanted else before
        if after != before and is_dry:
            lines = before.splitlines(), after.splitlines()
            say("\n".join(difflib.unified_diff(*lines, name, name, lineterm="")))
        elif after != before:
            with replaced(path) as stream:
                stream.write(after)
            say(f"{name} was rewritten.")
        for fixture, places in uses.items():
            is_named = re.compile(rf"(?<![\w.-]){re.escape(fixture.path.name)}(?!\w)").search
            places += [
                f"{name}:{n}" for n, line in enumerate(after.split("\n"), 1) if is_named(line)
            ]
    return uses


def _modules(directory: Path) -> Iterator[tuple[Path, str]]:
    """Yield the Python files of a project with their text, but for dumps.

    Files of virtual environments are not of the project.
    """
    for parent, directories, files in os.walk(directory):
        directories[:] = [
            one
            for one in sorted(directories)
            if not one.startswith(".") and not Path(parent, one, "pyvenv.cfg").exists()
        ]
        for path in (Path(parent, one) for one in sorted(files) if one.endswith(".py")):
            if program_at(path) is None:
                with suppress(UnicodeDecodeError):
                    yield path, path.read_bytes().decode()


def _names(row: RowDiff) -> set[tuple[str, str, str]]:
    """Return the fields of a row that differ; a row that only one side has differs as a whole."""
    return {(row.label, row.key, one.name) for one in row.changes} or {(row.label, row.key, "")}


def _computed(row: RowDiff) -> set[tuple[str, str, str]]:
    """Return the fields that differ and have a default which is another one in each load."""
    fields = {field.name: field for field in apps.get_model(row.label)._meta.concrete_fields}
    return {one for one in _names(row) if one[2] in fields and not has_one_default(fields[one[2]])}


def lacks_rows(error: BaseException) -> bool:
    """Return whether a load has failed because a row refers to one that is not there."""
    causes = [error]
    while cause := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(cause)
    return any(
        isinstance(one, ObjectDoesNotExist)
        or (isinstance(one, IntegrityError) and "foreign key" in str(one).lower())
        for one in causes
    )
