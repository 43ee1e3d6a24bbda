"""``convertfixtures``: fixtures in json, jsonl, yaml and xml become dumps."""

from __future__ import annotations

import difflib
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.exceptions import ObjectDoesNotExist
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.management.color import no_style
from django.core.management.commands import loaddata
from django.core.serializers import get_public_serializer_formats
from django.db import DEFAULT_DB_ALIAS, DatabaseError, IntegrityError, connections

from dumpy.checking.diff import RowDiff, comparing
from dumpy.checking.report import SHOWN
from dumpy.console import add_database_option
from dumpy.ending import cleaning_up
from dumpy.engines import engine_of
from dumpy.errors import DumpyError, counted, printable_lines, sentence
from dumpy.reading.source import program_at
from dumpy.restoring.compare import write_dump
from dumpy.restoring.scratch import build_scratch, rolled_back, scratch, scratch_directory
from dumpy.schema.instances import has_receivers
from dumpy.writing.conversion import READERS, converted, has_one_default, rewritten
from dumpy.writing.database import DatabaseDump, Options, select
from dumpy.writing.output import replaced

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


class Command(BaseCommand):
    """Converts a fixture when a load into a scratch database has shown that its rows are kept."""

    help = (
        "Convert fixtures in json, jsonl, yaml and xml to dumps, which are loaded many times "
        "faster. Each is proved to load to the same rows, in a scratch database."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.add_argument(
            "args",
            metavar="fixture",
            nargs="*",
            help="Fixtures, named as for loaddata; all of the project if none is given.",
        )
        parser.add_argument(
            "--with",
            action="append",
            default=[],
            metavar="FIXTURE",
            dest="needed",
            help="A fixture whose rows the others refer to: it is loaded before each of them. Can "
            "be used multiple times.",
        )
        parser.add_argument(
            "--rewrite",
            action="store_true",
            help='Write "demo.py" for "demo.json" where tests of the project name their fixtures.',
        )
        parser.add_argument("--delete", action="store_true", help="Delete the old files.")
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="Prove, and show what would be written; nothing is changed.",
        )
        add_database_option(parser, "whose engine and settings the scratch database has")

    @cleaning_up()
    def handle(self, *fixtures: str, **options: Any) -> None:
        """Convert; a fixture that was not converted makes the status 1."""
        self._options, self._using = options, options["database"]
        found = list(_found(fixtures, self._using))
        # By path: a name without an ending is ambiguous when its dump is written.
        self._needed = _paths(options["needed"], self._using)
        done: list[Fixture] = []
        try:
            if found:
                with _laboratory(self._using) as directory:
                    done = [one for one in found if self._convert(one, directory)]
        except (DatabaseError, OSError) as error:
            raise CommandError(f"There is no scratch database: {error}") from error
        uses = self._rewrite(done) if options["rewrite"] or options["delete"] else {}
        self._finish(done, found, uses)

    def _convert(self, fixture: Fixture, directory: Path) -> bool:
        """Convert a fixture if that can be proved to be right; return whether it was."""
        name = os.path.relpath(fixture.path)
        try:
            if fixture.target.exists():
                reason = f"{fixture.target.name} is there already. Delete one of them."
                raise DumpyError(reason)
            text = self._text(fixture)
            proved = directory / "converted.py"
            proved.write_text(text, encoding="utf-8")
            old, new = self._prove(fixture.path, proved)
            if not self._options["dry_run"]:
                with replaced(fixture.target) as stream:
                    stream.write(text)
                fixture.target.chmod(fixture.path.stat().st_mode & 0o777)
        except Exception as error:  # a file may be wrong in any way that a parser knows
            if self._options["traceback"]:
                raise
            hint = _WITH if _misses_a_row(error) else ""
            # The file that was tried does not outlive the command.
            tried = re.escape(str(directory / "converted.py"))
            reason = re.sub(rf"{tried}:\d+: ", "", sentence(error))
            reason = re.sub(tried, fixture.target.name, reason)
            self.stderr.write(printable_lines(f"{name} was not converted: {reason}{hint}"))
            return False
        won = f", {old / new:.0f} times faster" if new and old >= 2 * new else ""
        self._say(
            f"{name}: {fixture.target.name} loads the same rows in {new:.2f} s instead of "
            f"{old:.2f} s of CPU time{won}."
        )
        return True

    def _text(self, fixture: Fixture) -> str:
        opener, mode = _finder().compression_formats[fixture.compression]
        with opener(str(fixture.path), mode) as stream:
            return converted(READERS[fixture.format](stream))

    def _prove(self, old: Path, new: Path) -> tuple[float, float]:
        """Return the seconds of CPU time that each takes; raises ``DumpyError`` if rows differ."""
        before, again, after = (
            new.with_name(f"{name}.py") for name in ("before", "again", "after")
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
            reason = "it would not load to the same rows:"
            raise DumpyError("\n".join([reason, *lines, *_receivers()]))
        return seconds

    def _load(self, fixture: Path, dumped: Path) -> float:
        _reset_sequences(self._using)
        with rolled_back(self._using):
            for path in self._needed:
                if path != fixture:
                    call_command("loaddata", path, database=self._using, verbosity=0)
            started = time.process_time()
            call_command("loaddata", fixture, database=self._using, verbosity=0)
            seconds = time.process_time() - started
            models = select([], [], self._using)
            write_dump(DatabaseDump(models, Options(self._using, all_rows=True)), dumped)
        return seconds

    def _rewrite(self, done: Sequence[Fixture]) -> dict[Path, list[str]]:
        """Name the dumps where test cases name the old files, if that is wanted.

        Return the lines that name an old file all the same, by its path.
        """
        names = {fixture.path: fixture.target.name for fixture in done}
        uses: dict[Path, list[str]] = {}
        for path, before in _modules(Path.cwd()):
            after = rewritten(before, names) if self._options["rewrite"] else before
            if after != before:
                self._write_module(path, before, after)
            for old in names:
                is_named = re.compile(rf"(?<![\w.-]){re.escape(old.name)}(?!\w)").search
                lines = enumerate(after.split("\n"), 1)
                places = [f"{os.path.relpath(path)}:{n}" for n, line in lines if is_named(line)]
                uses.setdefault(old, []).extend(places)
        return uses

    def _write_module(self, path: Path, before: str, after: str) -> None:
        name = os.path.relpath(path)
        if self._options["dry_run"]:
            lines = difflib.unified_diff(
                before.splitlines(), after.splitlines(), name, name, lineterm=""
            )
            self.stdout.write(printable_lines("\n".join(lines)))
        else:
            with replaced(path) as stream:
                stream.write(after)
            self._say(f"{name} was rewritten.")

    def _finish(
        self, done: Sequence[Fixture], found: Sequence[Fixture], uses: Mapping[Path, list[str]]
    ) -> None:
        kept = self._delete(done, uses) if self._options["delete"] else 0
        if self._options["dry_run"]:
            self._say("Dry run complete: nothing was changed.")
        elif done and not self._options["delete"]:
            self._say(
                'The old files are there, too: Django refuses a name without an ending, as "demo" '
                'for demo.json and demo.py. Use --delete, or name "demo.py".'
            )
        left = len(found) - len(done)
        failed = [f"{counted(left, 'fixture')} of {len(found)} not converted."] if left else []
        if kept:
            failed.append(f"{counted(kept, 'old file')} of {len(done)} not deleted.")
        if failed:
            raise CommandError(" ".join(failed))
        if not found:
            self._say("There are no fixtures to convert.")

    def _delete(self, done: Sequence[Fixture], uses: Mapping[Path, list[str]]) -> int:
        """Delete the old files that no module names; return the number of the others."""
        kept = 0
        for fixture in done:
            if places := uses.get(fixture.path):
                kept += 1
                self.stderr.write(
                    printable_lines(
                        f"{os.path.relpath(fixture.path)} is not deleted: it is named in "
                        f"{', '.join(places)}. Name {fixture.target.name} there, then delete it."
                    )
                )
            elif not self._options["dry_run"]:
                fixture.path.unlink()
        return kept

    def _say(self, text: str) -> None:
        if self._options["verbosity"] > 0:
            self.stdout.write(printable_lines(text))


@contextmanager
def _laboratory(using: str) -> Iterator[Path]:
    """Make a scratch database with the tables of the project, and a directory for files."""
    with scratch_directory("convert") as directory, scratch(using):
        build_scratch(using, [model._meta.label for model in apps.get_models()])
        yield directory


def _reset_sequences(using: str) -> None:
    """Let rows without a key get the same keys in each load: no rollback resets sequences."""
    connection = connections[using]
    sequences = connection.introspection.sequence_list()
    statements = connection.ops.sequence_reset_by_name_sql(no_style(), sequences)
    statements += connection.ops.sequence_reset_sql(no_style(), apps.get_models())
    engine_of(connection).execute(*statements)


def _found(names: Sequence[str], using: str) -> Iterator[Fixture]:
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


def _modules(directory: Path) -> Iterator[tuple[Path, str]]:
    """Yield the Python files of a project that are no dumps, with their text.

    Those of virtual environments are none of the project.
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


def _receivers() -> list[str]:
    """Return the advice for rows that receivers of signals may make, if there are any."""
    models = apps.get_models(include_auto_created=True)
    return [_RECEIVERS] if any(map(has_receivers, models)) else []


def _misses_a_row(error: BaseException) -> bool:
    """Return whether a load has failed because a row refers to one that is not there."""
    causes = [error]
    while cause := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(cause)
    return any(
        isinstance(one, ObjectDoesNotExist)
        or (isinstance(one, IntegrityError) and "foreign key" in str(one).lower())
        for one in causes
    )
