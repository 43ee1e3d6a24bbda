"""Select the models of a dump, and write their tables as one module."""

from __future__ import annotations

import os
import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.management.commands.dumpdata import ProxyModelWarning
from django.core.serializers.base import ProgressBar
from django.db import DatabaseError, DataError, connections, router
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Exists, Manager, Model, OuterRef, QuerySet

from dumpy.conf import project_version
from dumpy.engines import engine_of
from dumpy.errors import DumpFailed
from dumpy.schema.references import load_order
from dumpy.schema.tables import ModelType, Table, table_of
from dumpy.text.emit import MASKED, SUBSET, UNMASKED, ModuleWriter
from dumpy.writing.masking import Masking
from dumpy.writing.natural import NaturalKeys
from dumpy.writing.publishing import write_source
from dumpy.writing.rows import Page, RowWriter, Shape, pages_of_query, shape_of
from dumpy.writing.subset import Selection, Subset

# The models that are never dumped.
CONTENT_TYPE, _CONTENT_TYPES = "contenttypes.contenttype", "django_content_type"
LEFT_OUT = {
    CONTENT_TYPE: "it is made again when the dump is loaded",
    "sessions.session": "sessions are not moved",
}


@dataclass(frozen=True)
class Options:
    """The options of ``dumpdata``.

    Attributes:
        keys: the primary keys of ``--pks``.
        selection: the chosen rows of a subset; None for all rows.
        mask: the dotted paths of the masks; empty for no masks.
        to_restore: whether the dump is to replace a database, with or without some apps.
    """

    using: str
    natural_foreign: bool = False
    natural_primary: bool = False
    all_rows: bool = False
    keys: tuple[str, ...] = ()
    selection: Selection | None = None
    mask: Sequence[str] = ()
    to_restore: bool = False


class DatabaseDump:
    """A dump of the tables of some models, read in one snapshot.

    Use ``count()``, ``write()`` and ``notes()`` within ``snapshot()``.
    """

    def __init__(self, models: Sequence[ModelType], options: Options) -> None:
        self._models = models
        self._options = options
        self.using = options.using
        self._natural_keys = NaturalKeys(options.using)
        self._notes: list[str] = []
        self._read_tables: list[Table] = []
        self._subset: Subset | None = None
        if options.mask and (options.natural_foreign or options.natural_primary):
            raise DumpFailed(
                "--mask cannot be combined with natural keys: they may contain the values that are "
                "masked, and references by them would lead nowhere."
            )
        self._masking = Masking(options.mask) if options.mask else None

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Open a snapshot of the database, and find the rows of a subset.

        Raises ``DumpFailed``, also for a table or column that migrations would create.
        """
        try:
            with self._snapshot():
                yield
        except DatabaseError as error:
            if names := _unapplied_migrations(self.using):
                raise DumpFailed(
                    f"{error}. The database lacks migrations of the project: {', '.join(names)}. "
                    "Dump it with the code of before, or run manage.py migrate first."
                ) from error
            raise

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        with engine_of(connections[self.using]).snapshot(self._db_tables), ExitStack() as stack:
            if self._masking is not None:
                stack.callback(self._masking.close)
            if self._options.selection is not None:
                self.require_tables()
                selection, tables = self._options.selection, self.tables
                self._subset = Subset(selection, tables, self._queryset, self.using)
                stack.callback(self._subset.close)
                self._subset.collect()
            yield

    def count(self) -> int:
        """Return the number of rows to write."""
        return sum(map(self.count_of, self.tables))

    def count_of(self, table: Table) -> int:
        """Return the number of rows of a table to write."""
        return self._subset.count(table) if self._subset else self._queryset(table).count()

    def querysets(self, table: Table) -> Iterable[QuerySet[Any]]:
        """Return querysets for the rows of a table; a subset has several."""
        return self._subset.querysets(table) if self._subset else [self._queryset(table)]

    def pages(self, table: Table) -> Generator[Page, None, None]:
        """Yield the rows of a table in pages; close the generator unless it is read to its end."""
        try:
            for rows in self.querysets(table):
                yield from pages_of_query(self.shape(table), rows, self.using)
        except DataError as error:
            raise DumpFailed(
                f"{table.label}: a value cannot be read: {error}. Correct it in the "
                "database, or leave the model out with --exclude."
            ) from error
        self._read_tables.append(table)

    def instances(self, table: Table) -> Iterator[Model]:
        """Yield the rows of a table as instances, in the order of their primary keys."""
        for rows in self.querysets(table):
            yield from rows.order_by("pk").iterator()
        self._read_tables.append(table)

    def writer(self, table: Table) -> RowWriter:
        """Return a writer for the rows of a table."""
        shape, keys = self.shape(table), self._natural_keys
        return RowWriter(shape, keys, masking=self._masking, note=self._notes.append)

    def write(self, stream: IO[str] | Any, progress: ProgressBar | None = None) -> None:
        """Write the dump to a text stream; raises ``UnwritableField`` and ``UnwritableRow``."""
        self.require_tables()
        module = ModuleWriter(write_source(stream))
        version = project_version()
        module.begin(self.description(version), version, self.migrations())
        count = 0
        for table in self.tables:
            # If writing fails, the query must not stay open until the connection is closed.
            writer = self.writer(table)
            with closing(self.pages(table)) as pages:
                lines = map(writer.arguments, pages)
                count += module.section(table.label, writer.shape.names, lines)
            if progress is not None:
                progress.update(count)
        module.end()

    def save(self, path: Path) -> None:
        """Write the dump of a new snapshot to a temporary file; raises as ``write()`` does."""
        with self.snapshot(), path.open("w", encoding="utf-8", newline="\n") as file:
            self.write(file)

    def description(self, version: str | None) -> str:
        """Return the first line of the dump's docstring."""
        line = description(version, self._options.selection)
        if self._masking is None:
            return line
        unmasked = f"{UNMASKED}{', '.join(self._unmasked)}." if self._unmasked else ""
        return f"{line}{MASKED}{self._masking}.{unmasked}"

    def reasons(self) -> Iterator[str]:
        """Yield the reason for each row of a subset, with the option ``explain``."""
        if self._subset and self._options.selection and self._options.selection.explain:
            yield from self._subset.reasons()

    def notes(self, verbosity: int = 1) -> Iterator[str]:
        """Yield sentences about values that are not in the dump, changed, or not masked.

        With verbosity 0, none about content types and sessions, which are never dumped.
        """
        yield from self._notes
        if self._unmasked:
            advice = "Mask them, or set them to None in the mask."
            yield f"{UNMASKED.strip()} {', '.join(self._unmasked)}. {advice}"
        if self._subset is not None:
            yield from self._subset.notes
            return
        for table in self._ordered:
            if not self._exists(table):
                name = table.model._meta.db_table
                why = "is a view of other tables" if self._is_view(table) else "does not exist"
                yield f"{table.label} is left out: the table {name!r} {why}."
            elif table.label.lower() in LEFT_OUT:
                if verbosity > 0 and self._queryset(table).exists():
                    yield f"{table.label} is left out: {LEFT_OUT[table.label.lower()]}."
            elif table in self._read_tables:
                yield from self._hidden_rows(table)
                yield from self._unowned_links(table)
                if unknown := self.unknown_columns(table):
                    where = f"columns of {table.model._meta.db_table!r} without a field"
                    yield f"{table.label}: {where} are not in the dump: {', '.join(unknown)}."

    @cached_property
    def _unmasked(self) -> list[str]:
        """The fields of tables with rows that look personal and have no mask."""
        if self._masking is None:
            return []
        # A directory is described when its tables are read, except for those that cannot be read.
        return [
            name
            for table in self._read_tables or self.tables
            if (names := self._masking.personal(table))
            and any(rows.exists() for rows in self.querysets(table))
            for name in names
        ]

    @cached_property
    def _ordered(self) -> list[Table]:
        return load_order(self._models)

    @cached_property
    def tables(self) -> list[Table]:
        """The tables of the dump, in the order of loading."""
        return [
            table
            for table in self._ordered
            if table.label.lower() not in LEFT_OUT and self._exists(table)
        ]

    def require_tables(self) -> None:
        """Raise ``DumpFailed`` if the database has none of the tables: it may be the wrong one."""
        managed = [table for table in self._ordered if table.model._meta.managed]
        if managed and not any(map(self._exists, managed)):
            name = connections[self.using].settings_dict["NAME"]
            raise DumpFailed(
                f"The database {self.using!r} ({name}) has none of the tables to dump. Is it the "
                f"right database? To create its tables: manage.py migrate --database {self.using}"
            )

    def missing(self) -> list[str]:
        """Return the labels of managed models whose tables do not exist."""
        return [
            table.label
            for table in self._ordered
            if table.model._meta.managed and not self._exists(table) and not self._is_view(table)
        ]

    def _is_view(self, table: Table) -> bool:
        return self._table_kinds.get(table.model._meta.db_table) == "v"

    def _exists(self, table: Table) -> bool:
        return self._table_kinds.get(table.model._meta.db_table, "v") != "v"

    @cached_property
    def _table_kinds(self) -> dict[str, str]:
        return engine_of(connections[self.using]).tables([*self._db_tables, _CONTENT_TYPES])

    @property
    def _db_tables(self) -> list[str]:
        """The database tables of the models, with those of their links."""
        return [name for table in self._ordered for name in table.db_tables]

    def shape(self, table: Table) -> Shape:
        """Return the columns and links of a table to write."""
        return shape_of(
            table,
            natural_foreign=self._options.natural_foreign,
            natural_primary=self._options.natural_primary,
        )

    def _queryset(self, table: Table) -> QuerySet[Any]:
        options = self._options
        try:
            rows = (
                QuerySet(table.model, using=options.using)
                if options.all_rows
                else table.model._default_manager.using(options.using).all()
            )
        except Exception as error:
            raise DumpFailed(
                f"The default manager of {table.label} fails with {error!r}. Use --all, which "
                "bypasses it."
            ) from error
        if not options.keys:
            return rows
        try:
            chosen: QuerySet[Any] = rows.filter(pk__in=options.keys)
            return chosen
        except (ValueError, ValidationError) as error:
            raise DumpFailed(
                f"--pks: one of {', '.join(options.keys)} is not a primary key of {table.label}: "
                f"{error}"
            ) from error

    def _hidden_rows(self, table: Table) -> Iterator[str]:
        manager = table.model._default_manager
        if self._options.all_rows or self._options.keys or type(manager) is Manager:
            return
        rows = QuerySet(table.model, using=self.using).count()
        hidden = rows - self._queryset(table).count()
        if hidden:
            yield (
                f"{table.label}: {hidden} of {rows} rows are not in the dump, because the default "
                f"manager ({type(manager).__name__}) hides them. Use --all to dump them too."
            )

    def _unowned_links(self, table: Table) -> Iterator[str]:
        """Yield sentences about links of rows that do not exist: links are written with a row."""
        for link in () if self._options.keys else table.links:
            name = link.through._meta.db_table
            if name not in self._table_kinds:
                continue
            owners = QuerySet(table.model, using=self.using).filter(pk=OuterRef(link.source.name))
            links = QuerySet(link.through, using=self.using).exclude(Exists(owners)).count()
            if links:
                where = f"{name!r} whose {link.source.name!r} refers to no row"
                yield f"{table.label}: rows of {where} are not in the dump: {links}."

    def unknown_columns(self, table: Table) -> list[str]:
        """Return the columns that belong to no field; their values are not in the dump."""
        meta = table.model._meta
        columns = engine_of(connections[self.using]).column_names(meta.db_table)
        field_columns = {str(field.column).lower() for field in meta.local_concrete_fields}
        return [name for name in columns if name.lower() not in field_columns]

    def content_types(self) -> dict[str, int]:
        """Return the primary keys of the content types of the apps of the dump, by label.

        Not only foreign keys hold them: projects keep them in numbers, texts and JSON, too.
        """
        labels = {table.model._meta.app_label for table in self.tables}
        keys: dict[str, int] = {}
        for model in apps.get_models():
            if model._meta.label_lower == CONTENT_TYPE and self._exists(table_of(model)):
                rows = QuerySet(model, using=self.using).filter(app_label__in=labels)
                for app_label, name, key in rows.values_list("app_label", "model", "pk"):
                    keys[f"{app_label}.{name}"] = key
        return dict(sorted(keys.items()))

    def migrations(self) -> dict[str, str]:
        """Return the last applied migration of each app of the dump, and of apps without rows.

        If the dump is to be restored, also of each app whose migrations depend on theirs, and may
        have changed their rows.
        """
        labels = {table.model._meta.app_label for table in self.tables}
        labels |= {app.label for app in apps.get_app_configs()} - {
            model._meta.app_label for model in select([], [], self.using) if model._meta.managed
        }
        return last_migrations(self.using, labels, with_dependents=self._options.to_restore)


def select(labels: Sequence[str], excluded: Iterable[str], using: str) -> list[ModelType]:
    """Return the concrete models for labels (``app`` or ``app.Model``); all models without labels.

    Leave out ``excluded`` labels, proxy models, and models that a router keeps out of the database
    ``using``. Raises ``DumpFailed``.
    """
    # In Django's order, like its own dumpdata.
    all_models = [model for config in apps.get_app_configs() for model in config.get_models()]
    included = [model for label in labels for model in _models_of(label)] if labels else all_models
    excluded_models = {model for label in excluded for model in _models_of(label)}
    for model in included:
        if model._meta.proxy and model._meta.concrete_model not in included:
            warnings.warn(
                f"{model._meta.label} is a proxy model and won't be serialized.",
                category=ProxyModelWarning,
                stacklevel=2,
            )
    return [
        model
        for model in dict.fromkeys(included)
        if model not in excluded_models
        and not model._meta.proxy
        and router.allow_migrate_model(using, model)
    ]


def _models_of(label: str) -> list[ModelType]:
    app_label, _, name = label.partition(".")
    try:
        config = apps.get_app_config(app_label)
        return [config.get_model(name)] if name else list(config.get_models())
    except LookupError as error:
        unknown = f"Unknown model: {label}" if name and apps.is_installed(app_label) else str(error)
        raise DumpFailed(unknown) from error


def _unapplied_migrations(using: str) -> list[str]:
    """Return the migrations of the project that a database lacks, as far as they can be read."""
    with suppress(DatabaseError, LookupError):
        loader = MigrationLoader(connections[using])
        return [
            ".".join(key) for key in sorted(set(loader.graph.nodes) - {*loader.applied_migrations})
        ]
    return []


def last_migrations(
    using: str, app_labels: Iterable[str], *, with_dependents: bool = False
) -> dict[str, str]:
    """Return the last applied migration of each app in a database, sorted by app.

    With ``with_dependents``, also of the apps with applied migrations that depend on these apps.
    """
    applied = set(MigrationRecorder(connections[using]).applied_migrations())
    # The graph cannot be built if a migration depends on an app that the project has removed.
    loader = MigrationLoader(None, load=False)
    loader.load_disk()
    migrations = loader.disk_migrations
    replaced: dict[tuple[str, str], tuple[str, str]] = {}
    for key, migration in migrations.items():
        if migration.replaces and applied.issuperset(migration.replaces):
            applied.add(key)
            replaced.update(dict.fromkeys(migration.replaces, key))
    labels, unseen = set(app_labels), set(app_labels) if with_dependents else set()
    while unseen:
        unseen = {
            app
            for app, name in applied.intersection(migrations).difference(replaced)
            if app not in labels
            and any(parent in labels for parent, _name in migrations[app, name].dependencies)
        }
        labels |= unseen
    followed = {
        replaced.get(parent, parent)
        for key in applied.difference(replaced).intersection(migrations)
        for parent in migrations[key].dependencies
        if parent[0] == key[0]
    }
    last = [
        (key in migrations and key not in replaced, *key)
        for key in applied - followed
        if key[0] in labels
    ]
    # Migrations without a file come first, so that migrations with a file replace them.
    by_app = {app: name for _is_on_disk, app, name in sorted(last)}
    return dict(sorted(by_app.items()))


def description(version: str | None, selection: Selection | None = None) -> str:
    """Return the first sentence of a dump."""
    module = os.environ.get("DJANGO_SETTINGS_MODULE") or "a project"
    name = module.partition(".")[0]
    data = f"data of {name if version is None else f'{name} {version}'}, written by dumpy"
    return f"The {data}." if selection is None else f"{SUBSET} {data}: {selection}."
