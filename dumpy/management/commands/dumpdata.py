"""``dumpdata``: Django's command, with a custom writer for the format ``py``."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import dumpdata
from django.core.serializers import get_public_serializer_formats
from django.core.serializers.base import ProgressBar

from dumpy.console import add_subset_options, failing, subset_options
from dumpy.ending import cleaning_up
from dumpy.errors import printable_lines
from dumpy.writing.database import DatabaseDump, Options, select
from dumpy.writing.objects import write_objects
from dumpy.writing.publishing import replaced
from dumpy.writing.subset import chosen, used


class Command(dumpdata.Command):
    """Differs from Django's command only for the format ``py``."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options of a subset to Django's options."""
        super().add_arguments(parser)
        parser.add_argument(
            "--as-objects",
            action="store_true",
            help="With --format=py: write a fixture to maintain by hand, for small data.",
        )
        add_subset_options(parser)

    def handle(self, *app_labels: str, **options: Any) -> None:
        """Dump the database in the given format."""
        if options["format"] != "py":
            others = {name: options[name] for name in ("as_objects", "mask")}
            for option in used(**subset_options(options), **others):
                raise CommandError(f"{option} is for the format py only: add --format=py.")
            if ".py" in Path(options["output"] or "").suffixes:
                kind = options["format"].upper()
                hint = f"For a dump in Python, use --format=py. This writes {kind}."
                self.stderr.write(f"{options['output']}: {hint}")
            super().handle(*app_labels, **options)
            return
        formats = {f".{name}" for name in get_public_serializer_formats()} - {".py"}
        if formats.intersection(Path(options["output"] or "").suffixes):
            hint = "This writes a dump in Python: loaddata needs a name that ends with .py."
            self.stderr.write(f"{options['output']}: {hint}")
        with failing("", is_traced=options["traceback"]):
            models = select(app_labels, options["exclude"], options["database"])
            dump = DatabaseDump(models, _options(app_labels, options))
        with failing("Unable to serialize database: ", is_traced=options["traceback"]):
            self._dump(dump, options)

    @cleaning_up()
    def _dump(self, dump: DatabaseDump, options: dict[str, Any]) -> None:
        # Text printed by a manager or a field must not be written into the dump.
        with redirect_stdout(sys.stderr), dump.snapshot():
            with self._stream(options["output"]) as stream:
                if options["as_objects"]:
                    notes = write_objects(dump, stream)
                else:
                    notes = []
                    dump.write(stream, self._progress(dump, options))
                for reason in dump.reasons():
                    self.stderr.write(printable_lines(reason))
                notes += dump.notes(options["verbosity"])
            for sentence in notes:
                self.stderr.write(sentence)

    @contextmanager
    def _stream(self, output: str | None) -> Iterator[IO[str] | Any]:
        if output is None:
            self.stdout.ending = ""
            yield self.stdout
        else:
            with replaced(_writable(Path(output))) as stream:
                yield stream

    def _progress(self, dump: DatabaseDump, options: dict[str, Any]) -> ProgressBar | None:
        if options["output"] and self.stdout.isatty() and options["verbosity"] > 0:
            self.stdout.ending = ""
            return ProgressBar(cast(IO[str], self.stdout), dump.count())
        return None


def _writable(path: Path) -> Path:
    """Return the path without a ``.zip`` extension, because zip archives cannot be written."""
    if path.suffix != ".zip":
        return path
    warnings.warn(
        f"Unsupported file extension (.zip). Fixtures saved in '{path.stem}'.",
        RuntimeWarning,
        stacklevel=2,
    )
    return path.with_suffix("")


def _options(app_labels: tuple[str, ...], options: dict[str, Any]) -> Options:
    keys = options["primary_keys"]
    selection = chosen(app_labels, **subset_options(options))
    if keys and selection:
        raise CommandError("--pks cannot be combined with a subset: use --only.")
    if keys and (len(app_labels) != 1 or "." not in app_labels[0]):
        raise CommandError("You can only use --pks option with one model")
    natural = {
        "natural_foreign": options["use_natural_foreign_keys"],
        "natural_primary": options["use_natural_primary_keys"],
    }
    for option in used(mask=options["mask"], **natural) if options["as_objects"] else ():
        raise CommandError(f"--as-objects cannot be combined with {option}.")
    return Options(
        **natural,
        using=options["database"],
        all_rows=options["use_base_manager"],
        keys=tuple(key.strip() for key in keys.split(",")) if keys else (),
        selection=selection,
        mask=options["mask"],
        to_restore=not app_labels,
    )
