"""Whether a fixture and the dump that it was converted to load to the same rows."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from django.apps import apps
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connections

from dumpy.checking.diff import comparing
from dumpy.checking.report import SHOWN
from dumpy.errors import DumpyError
from dumpy.restoring.compare import write_dump
from dumpy.restoring.schema import make_unmanaged
from dumpy.restoring.scratch import rolled_back, scratch, scratch_directory
from dumpy.writing.database import DatabaseDump, Options, select


@dataclass(frozen=True)
class Laboratory:
    """A scratch database with the tables of the project, and a directory for files.

    Attributes:
        using: the alias that leads to the scratch database for now.
        needed: the fixtures that are loaded before each one, named as for ``loaddata``.
    """

    using: str
    directory: Path
    needed: Sequence[str]

    def prove(self, old: Path, new: Path) -> tuple[float, float]:
        """Return the seconds of CPU time that each takes; raises ``DumpyError`` if rows differ."""
        before, after = self.directory / "before.py", self.directory / "after.py"
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
        dump = DatabaseDump(select([], [], self.using), Options(self.using, all_rows=True))
        self._reset_sequences()
        with rolled_back(self.using):
            for name in self.needed:
                call_command("loaddata", name, database=self.using, verbosity=0)
            started = time.process_time()
            call_command("loaddata", fixture, database=self.using, verbosity=0)
            seconds = time.process_time() - started
            write_dump(dump, dumped)
        return seconds

    def _reset_sequences(self) -> None:
        """Let rows without a key get the same keys in each load: no rollback resets sequences."""
        connection = connections[self.using]
        sequences = connection.introspection.sequence_list()
        operations = connection.ops
        statements = operations.sequence_reset_by_name_sql(no_style(), sequences)
        statements += operations.sequence_reset_sql(no_style(), apps.get_models())
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


@contextmanager
def laboratory(using: str, needed: Sequence[str]) -> Iterator[Laboratory]:
    """Make a scratch database beside the database ``using``; raises ``DumpyError``."""
    with scratch_directory("convert") as directory, scratch(using):
        call_command("migrate", database=using, run_syncdb=True, interactive=False, verbosity=0)
        make_unmanaged(using, [model._meta.label for model in apps.get_models()])
        yield Laboratory(using, directory, needed)
