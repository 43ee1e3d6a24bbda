"""``convertfixtures``: fixtures in json, jsonl, yaml and xml become dumps."""

from __future__ import annotations

import difflib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.management.color import no_style
from django.core.management.commands import loaddata
from django.core.serializers import get_public_serializer_formats
from django.core.serializers.base import DeserializationError
from django.db import DEFAULT_DB_ALIAS, DatabaseError, IntegrityError, connections

from dumpy.checking.diff import comparing
from dumpy.checking.report import SHOWN
from dumpy.console import add_database_option
from dumpy.ending import cleaning_up
from dumpy.engines import engine_of
from dumpy.errors import DumpyError, counted, printable_lines, sentence
from dumpy.restoring.compare import write_dump
from dumpy.restoring.scratch import build_scratch, rolled_back, scratch, scratch_directory
from dumpy.writing.conversion import READERS, converted, rewritten
from dumpy.writing.database import DatabaseDump, Options, select
from dumpy.writing.output import replaced

_WITH = " If it needs rows of another fixture: --with FIXTURE"
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
        add_database_option(parser, "to make the scratch database beside")

    @cleaning_up()
    def handle(self, *fixtures: str, **options: Any) -> None:
        """Convert; a fixture that was not converted makes the status 1."""
        self._options, self._using = options, options["database"]
        found = list(_found(fixtures, self._using))
        done: list[Fixture] = []
        try:
            if found:
                with _laboratory(self._using) as directory:
                    done = [one for one in found if self._convert(one, directory)]
        except (DatabaseError, OSError) as error:
            raise CommandError(f"There is no scratch database: {error}") from error
        if options["rewrite"]:
            self._rewrite(done)
        self._finish(done, found)

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
            hint = _WITH if isinstance(error, IntegrityError | DeserializationError) else ""
            said = f"{name} was not converted: {sentence(error)}{hint}"
            self.stderr.write(printable_lines(said))
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
        before, after = (new.with_name(name) for name in ("before.py", "after.py"))
        # The first time includes what is done once in a process.
        seconds = (
            min(self._load(old, before) for _ in range(2)),
            min(self._load(new, after) for _ in range(2)),
        )
        with comparing(str(before), str(after)) as diff:
            lines = [f"  {row}" for row in islice(diff.rows(), SHOWN)]
        if lines:
            reason = "it would not load to the same rows:"
            hint = "If receivers of signals make them: DUMPY = {'SIGNALS': 'raw'}."
            raise DumpyError("\n".join([reason, *lines, hint]))
        return seconds

    def _load(self, fixture: Path, dumped: Path) -> float:
        _reset_sequences(self._using)
        with rolled_back(self._using):
            for name in self._options["needed"]:
                call_command("loaddata", name, database=self._using, verbosity=0)
            started = time.process_time()
            call_command("loaddata", fixture, database=self._using, verbosity=0)
            seconds = time.process_time() - started
            models = select([], [], self._using)
            write_dump(DatabaseDump(models, Options(self._using, all_rows=True)), dumped)
        return seconds

    def _rewrite(self, done: Sequence[Fixture]) -> None:
        """Name the dumps in ``fixtures = […]`` where the old files were named with an ending."""
        names = {fixture.path: fixture.target.name for fixture in done}
        for path in _modules(Path.cwd()):
            try:
                before = path.read_bytes().decode()
            except UnicodeDecodeError:
                continue
            after = rewritten(before, names)
            name = os.path.relpath(path)
            if after == before:
                continue
            if self._options["dry_run"]:
                lines = difflib.unified_diff(
                    before.splitlines(), after.splitlines(), name, name, lineterm=""
                )
                self.stdout.write(printable_lines("\n".join(lines)))
            else:
                with replaced(path) as stream:
                    stream.write(after)
                self._say(f"{name} was rewritten.")

    def _finish(self, done: Sequence[Fixture], found: Sequence[Fixture]) -> None:
        if self._options["dry_run"]:
            self._say("Dry run complete: nothing was changed.")
        elif self._options["delete"]:
            for fixture in done:
                fixture.path.unlink()
        elif done:
            self._say(
                'The old files are there, too: Django refuses a name without an ending, as "demo" '
                'for demo.json and demo.py. Use --delete, or name "demo.py".'
            )
        if len(done) < len(found):
            left = len(found) - len(done)
            raise CommandError(f"{counted(left, 'fixture')} of {len(found)} not converted.")
        if not found:
            self._say("There are no fixtures to convert.")

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
        paths = [Path(path) for name in names for path, *_ in finder.find_fixtures(name)]
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


def _finder(using: str = DEFAULT_DB_ALIAS) -> Any:
    """Return Django's command, which knows where fixtures are, and what their names mean."""
    finder: Any = loaddata.Command()
    finder.using, finder.app_label, finder.verbosity = using, None, 0
    finder.serialization_formats = get_public_serializer_formats()
    return finder


def _modules(directory: Path) -> Iterator[Path]:
    """Yield the Python files of a project, without those of virtual environments."""
    for parent, directories, files in os.walk(directory):
        directories[:] = [
            one
            for one in sorted(directories)
            if not one.startswith(".") and not Path(parent, one, "pyvenv.cfg").exists()
        ]
        yield from (Path(parent, one) for one in sorted(files) if one.endswith(".py"))
