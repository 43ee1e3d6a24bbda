"""``loaddata``: Django's command, with reports and rules for fixtures in the format ``py``."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from django.apps import apps
from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import loaddata
from django.db import IntegrityError, connections, transaction
from django.db.models import QuerySet

from dumpy import reading
from dumpy.console import add_options
from dumpy.ending import cleaning_up
from dumpy.engines import engine_of
from dumpy.errors import LoadError, printable_lines
from dumpy.loading.loader import Loader, sharing
from dumpy.loading.registry import routed_to
from dumpy.loading.report import Rejects
from dumpy.migrating.install import Policy, migrating, policy_of
from dumpy.reading.source import allow_programs, check_file, is_program_file, is_stray_program
from dumpy.schema.tables import concrete
from dumpy.text.manifest import NAME
from dumpy.writing.database import DatabaseDump, Options, select
from dumpy.writing.rejected import write_rejected


class Command(loaddata.Command):
    """Differs from Django's command only for the format ``py``."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        names = ("--dry-run", "--keep-going", "--allow-version-mismatch", "--as-version")
        add_options(parser, *names)

    @cleaning_up()
    def handle(self, *fixture_labels: Any, **options: Any) -> None:
        for label in fixture_labels:
            if (Path(label) / NAME).is_file():
                hint = f"To restore it: manage.py restore {label}"
                raise CommandError(f"{label} is a directory. {hint}")
        self.options = options
        self.rejects = Rejects() if options["keep_going"] else None
        if self.rejects is not None and "-" in fixture_labels:
            raise CommandError("--keep-going may read a fixture twice: give the path of a file.")
        try:
            super().handle(*fixture_labels, **options)
        except BrokenPipeError as error:
            raise CommandError("The output is not read any more: nothing was loaded.") from error
        if self.rejects is not None and self.rejects.rows:
            if options["dry_run"]:
                raise LoadError([row.problem for row in self.rejects.rows])
            raise self.rejected

    def loaddata(self, fixture_labels: Any) -> None:
        """Load fixtures with one loader, so that they may refer to each other."""
        load = partial(self._load, fixture_labels)
        with migrating(self._policy()):
            loader = load() if self.rejects is None else self.rejects.run_attempts(self.using, load)
        self._print_report(loader, fixture_labels)
        if self.options["dry_run"]:
            transaction.set_rollback(True, using=self.using)
            if self.verbosity >= 1:
                self.stdout.write("Dry run complete: nothing was changed.")
        elif self.rejects is not None and self.rejects.rows:
            place = self.rejects.rows[0].problem.ref.place
            fixture = Path(place.file if place else "objects")
            self.rejected = write_rejected(self.rejects.rows, self.using, fixture)

    def _load(self, fixture_labels: Any) -> Loader:
        loader = Loader(
            self.using,
            ignore_nonexistent=self.ignore,
            rejects=self.rejects,
            checks_objects=True,
            excluded={
                model
                for model in apps.get_models(include_auto_created=True, include_swapped=True)
                if model in self.excluded_models or model._meta.app_config in self.excluded_apps
            },
            asks_router=True,
        )
        # Django shows its progress for each row.
        loader.takes_blocks = self.verbosity < 3
        loader.offers_options = self._is_typed
        self._loader = loader
        try:
            with sharing(loader), routed_to(self.using):
                super().loaddata(fixture_labels)
        except IntegrityError as error:  # of a constraint that is checked in the end
            if not loader.dumped:
                raise
            reason = engine_of(connections[self.using]).refusal(error).reason
            raise CommandError(f"{printable_lines(reason)}\nNothing was written.") from error
        return loader

    @property
    def _is_typed(self) -> bool:
        """Whether the command was typed: code cannot follow hints that name its options."""
        return bool(getattr(self, "_called_from_command_line", False))

    def _policy(self) -> Policy:
        def write(sentence: str, verbosity: int = 1) -> None:
            if self.verbosity >= verbosity:
                self.stdout.write(printable_lines(sentence))

        policy = policy_of(self.options, write, partial(write, verbosity=2))
        return replace(policy, offers_options=self._is_typed)

    def load_label(self, fixture_label: str) -> None:
        """Load the fixtures of a label; a program may run if it is named with its ``.py``."""
        is_named = self.parse_name(fixture_label)[1] is not None
        fixtures = self.find_fixtures(fixture_label)
        for path, directory, _name in fixtures:
            if directory is None:
                continue
            _name, fixture_format, compression = self.parse_name(os.path.basename(path))
            if fixture_format == "py":
                check_file(path)
            elif not compression and os.path.isfile(path) and is_program_file(path) is not None:
                hint = f"Rename it to {Path(path).with_suffix('.py').name}."
                raise CommandError(f"{path} is a dump in Python. {hint}")
        try:
            paths = [path for path, *_ in fixtures] if is_named else []
            with allow_programs(paths, self._policy().say):
                super().load_label(fixture_label)
        except BadZipFile as error:
            raise CommandError(f"{fixture_label}: {error}") from error

    def save_obj(self, obj: Any) -> bool:
        """Save an object, or a block of rows, unless its model is excluded."""
        model = getattr(obj, "model", None)
        if model is None:
            self._loader.references.other_models.add(concrete(type(obj.object)))
            return bool(super().save_obj(obj))
        # Django counts one object; the other rows of a block are counted here.
        other_rows = getattr(obj, "count", 1) - 1
        self.fixture_object_count += other_rows
        if not self._loader.includes(model):
            return False
        self.models.add(model)
        self.loaded_object_count += other_rows
        obj.save(using=self.using)
        if obj.deferred_fields:
            self.objs_with_deferred_fields.append(obj)
        return True

    def find_fixture_files_in_dir(self, fixture_dir: str, fixture_name: str, targets: Any) -> Any:
        """Find fixtures; a program outside of the fixtures directories must be named in full."""
        fixtures = super().find_fixture_files_in_dir(fixture_dir, fixture_name, targets)
        if f"{fixture_name}.json" not in targets:
            return fixtures
        stray_paths = [path for path, _directory, _name in fixtures if is_stray_program(path)]
        self._stray_programs += stray_paths
        return [candidate for candidate in fixtures if candidate[0] not in stray_paths]

    def find_fixtures(self, fixture_label: str) -> Any:
        """Find the fixtures of a label; if all are programs, raise the reason not to run them."""
        self._stray_programs: list[str] = []
        try:
            return super().find_fixtures(fixture_label)
        except CommandError:
            for path in self._stray_programs:
                with open(path, "rb") as file, reading.open(file) as dump:
                    reading.Program(dump)
            raise

    def reset_sequences(self, connection: Any, models: Any) -> None:
        """Reset the sequences, and correct the number of objects before Django prints it."""
        # A rollback does not restore the sequences of PostgreSQL.
        if not self.options["dry_run"]:
            engine_of(connection).reset_sequences(models)
        rejected = len(self.rejects.rows) if self.rejects else 0
        self.loaded_object_count = max(0, self.loaded_object_count - rejected)

    def _has_rows_of_all_tables(self, loader: Loader) -> bool:
        """Whether the load has rows of all tables of the database that are not empty."""
        loaded = {table.model for table in loader.dumped}
        other_models = [model for model in select([], [], self.using) if model not in loaded]
        tables = DatabaseDump(other_models, Options(self.using, all_rows=True)).tables
        return not any(QuerySet(table.model, using=self.using).exists() for table in tables)

    def _print_report(self, loader: Loader, fixture_labels: Any) -> None:
        for sentence in loader.report.ignored:
            self.stderr.write(printable_lines(sentence))
        if self.verbosity < 1:
            return  # Tests often load fixtures without output: no queries for them.
        total = loader.report.total()
        if total.updated or total.unchanged:
            self.stdout.write(f"  {total}")
        kept_rows = [f"{label} {number}" for label, number in loader.existing_rows().items()]
        if kept_rows:
            message = f"  existing rows kept: {', '.join(kept_rows)}."
            is_single = len(fixture_labels) == 1 and loader.offers_restore
            if is_single and self._has_rows_of_all_tables(loader):
                message += f" To replace them: manage.py restore {fixture_labels[0]}"
            self.stdout.write(message)
        tables = [model._meta.db_table for model in self.models]
        if triggers := engine_of(connections[self.using]).triggers(tables):
            names = ", ".join(map(str, triggers))
            self.stdout.write(f"  triggers may have changed other rows: {names}")
        if self.verbosity >= 2:
            for label, counts in loader.report.tables.items():
                self.stdout.write(f"  {label} ({counts.lane}): {counts}")
