"""The migrations and models of the project at the time of a dump."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from copy import copy
from functools import cached_property
from typing import Any

from django.apps import apps as today
from django.apps.registry import Apps
from django.conf import settings
from django.core.management.sql import emit_pre_migrate_signal
from django.db import connections
from django.db.migrations.exceptions import InvalidBasesError
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState
from django.db.models import Model, QuerySet
from django.utils.translation import override

from dumpy.errors import RestoreFailed
from dumpy.loading.registry import TODAY, Registry
from dumpy.restoring.schema import Migrate
from dumpy.schema.tables import ModelType

MigrationKey = tuple[str, str]
"""The app label and the name of a migration."""
_USERS = "Set AUTH_USER_MODEL to its value at that time: migrations do not move users."


class HistoricalRegistry(Registry):
    """The historical models of a project state, without methods and custom managers.

    ``renamed_apps`` maps old app labels to those that squashed migrations have given the apps.
    """

    def __init__(self, apps: Apps, renamed_apps: Mapping[str, str]) -> None:
        self.apps = apps
        self._renamed_apps = renamed_apps

    def get(self, label: str) -> ModelType:
        """Return the model called ``app_label.ModelName``, also by the old label of its app."""
        app_label, _, name = label.partition(".")
        return self.apps.get_model(self._renamed_apps.get(app_label, app_label), name)

    def has(self, label: str) -> bool:
        """Whether a model existed then or exists today; the dump may have no rows of it."""
        return super().has(label) or TODAY.has(label)

    def by_natural_key(self, model: ModelType, key: tuple[object, ...], using: str) -> Model:
        """Return the row that the current manager finds by a natural key."""
        rows: QuerySet[Any] = QuerySet(model, using=using)
        if model._meta.label_lower == "auth.permission":
            names = ("codename", "content_type__app_label", "content_type__model")
            permission: Model = rows.get(**dict(zip(names, key, strict=True)))
            return permission
        current: Any = self._current_model(model)
        if hasattr(current, "USERNAME_FIELD"):
            user: Model = rows.get(**{current.USERNAME_FIELD: key[0]})
            return user
        manager = copy(current._default_manager)
        manager.model, manager._db = model, using
        instance: Model = manager.get_by_natural_key(*key)
        return instance

    def _current_model(self, model: ModelType) -> ModelType:
        try:
            return today.get_model(model._meta.label)
        except LookupError:
            raise LookupError(
                f"what a natural key of {model._meta.label} means is not known: the model is gone."
            ) from None


class Past:
    """The state of the project's migrations when a dump was made.

    Apps that are not installed, or that have no migrations, for example in tests, are ignored.

    Attributes:
        unknown: a message for each migration that the dump names and the project does not have.
        loader: the migrations of the project; squashed migrations replace the applied ones.
        named: the migrations that the dump names, or the squashed migrations that replace them.
    """

    def __init__(self, migrations: Mapping[str, str]) -> None:
        """Raise ``RestoreFailed`` if the migrations of the project cannot be read."""
        self._migrations = migrations
        self._disk_loader = MigrationLoader(None, load=False)
        try:
            self._disk_loader.load_disk()
            known = [key for key in migrations.items() if self._has_migrations(key[0])]
            self.unknown = {key: text for key in known if (text := self._problem(key))}
            self._keys = [key for key in known if key not in self.unknown]
            self.loader = _Loader(self._applied_parts())
        except Exception as error:  # migrations are code, which may raise anything
            raise RestoreFailed(
                "The migrations of the project cannot be read; nothing was written.\n"
                f"{type(error).__name__}: {error}"
            ) from error
        nodes = self.loader.graph.nodes
        self.named: tuple[MigrationKey, ...] = tuple(
            dict.fromkeys(
                next(name for name in (key, *self._squashes(key)) if name in nodes)
                for key in self._keys
            )
        )

    @property
    def has_newer_migrations(self) -> bool:
        """Whether the project has migrations that are newer than the dump."""
        return not set(self.named) <= set(self.loader.graph.leaf_nodes())

    @property
    def leaves(self) -> list[MigrationKey]:
        """The newest migrations of the apps of the dump, and of apps that depend on them."""
        apps = self._apps | {app for app, _name in self.unknown}
        leaves = self.loader.graph.leaf_nodes()
        return [key for key in leaves if key[0] in apps or key in self._relevant]

    @property
    def operations(self) -> Iterator[tuple[MigrationKey, Operation]]:
        """The operations of the newer migrations with their migrations, in order."""
        for key in self._relevant:
            if key not in self._applied:
                operations = self.loader.graph.nodes[key].operations
                yield from ((key, operation) for operation in operations)

    @cached_property
    def _relevant(self) -> Mapping[MigrationKey, None]:
        """The migrations of the apps that the dump names, and all that depend on them, in order."""
        graph = self.loader.graph
        relevant: dict[MigrationKey, None] = {}
        for key in (key for leaf in graph.leaf_nodes() for key in graph.forwards_plan(leaf)):
            parents = (parent.key for parent in graph.node_map[key].parents)
            if key[0] in self._apps or any(parent in relevant for parent in parents):
                relevant[key] = None
        return relevant

    @property
    def targets(self) -> tuple[MigrationKey, ...]:
        """The migrations to apply: those that the dump names, and those of content types."""
        leaves = self.loader.graph.leaf_nodes("contenttypes")
        return (*self.named, *(leaf for leaf in leaves if leaf[0] not in self._apps))

    @property
    def registry(self) -> HistoricalRegistry | None:
        """The historical models, or None if they cannot be built."""
        return self._registry_and_problems[0]

    def models(self) -> list[ModelType]:
        """Return the historical models of the apps whose migrations the dump names."""
        # It takes seconds to build the models from many migrations.
        registry = self.registry if self.has_newer_migrations else TODAY
        models = registry.models() if registry else []
        return [model for model in models if model._meta.app_label in self._apps]

    def find(self, label: str) -> ModelType | None:
        """Return a historical model, or None if it is not known."""
        model = self.registry.find(label) if self.registry else None
        return model if model is not None and model._meta.app_label in self._apps else None

    def problems(self, labels: Iterable[str]) -> list[str]:
        """Return the reasons why rows of models cannot be loaded with the historical models."""
        problems = (
            self._project_problems(labels)
            or self._migration_problems(labels)
            or self._registry_and_problems[1]
            or [*self._swapped_problems(labels), *self._relation_problems()]
        )
        return list(dict.fromkeys(problems))

    def fields_without_migration(self, models: Iterable[ModelType]) -> Iterator[tuple[str, str]]:
        """Yield the label and the name of each field of models that no migration creates."""
        state = self.loader.project_state()
        for model in models:
            meta = model._meta
            if not meta.managed or meta.app_label not in self.loader.migrated_apps:
                continue
            model_state = state.models.get((meta.app_label, str(meta.model_name)))
            fields = {*model_state.fields} if model_state is not None else set()
            # A model state has no field for the order, only the option.
            if model_state is not None and model_state.options.get("order_with_respect_to"):
                fields.add("_order")
            for field in (*meta.local_concrete_fields, *meta.local_many_to_many):
                if field.name not in fields:
                    yield meta.label, field.name

    @cached_property
    def _apps(self) -> set[str]:
        return {app for app, _name in self.named}

    @cached_property
    def _applied(self) -> set[MigrationKey]:
        """The migrations that were applied when the dump was made."""
        return {
            key
            for named in self.named
            for key in self.loader.graph.forwards_plan(named)
            if key[0] == named[0] or key[0] not in self._apps
        }

    @cached_property
    def _registry_and_problems(self) -> tuple[HistoricalRegistry | None, list[str]]:
        """The historical models, or None and the reasons why they cannot be built."""
        plans = map(self.loader.graph.forwards_plan, self.named)
        if missing := {key for plan in plans for key in plan} - self._applied:
            return None, [
                f"Migrations that the dump names need {_dotted(key)}, but of this app it names an "
                "earlier one: its SOURCE_MIGRATIONS were edited, or dependencies of migrations "
                "have changed since."
                for key in sorted(missing)
            ]
        try:
            apps = _render(self.loader.project_state(list(self.targets)))
        except (ValueError, LookupError, InvalidBasesError) as error:
            problem, hint = f"The models as they were cannot be made: {error}", ""
            if settings.AUTH_USER_MODEL.lower() in problem.lower():
                hint = (
                    f"\nAUTH_USER_MODEL is {settings.AUTH_USER_MODEL}, which did not exist when "
                    f"the dump was made. {_USERS}"
                )
            return None, [problem + hint]
        return HistoricalRegistry(apps, self._renamed_apps()), []

    def _project_problems(self, labels: Iterable[str]) -> list[str]:
        """Return the problem of a dump without migrations, or of another project."""
        apps = sorted({*map(_app_label, labels)})
        if not self._migrations:
            return [
                "SOURCE_MIGRATIONS is empty: it does not say which migrations were applied. "
                "Restore it without --through-migrations, or write there what they were."
            ]
        installed = (
            app in self._disk_loader.unmigrated_apps or self._has_migrations(app) for app in apps
        )
        if apps and not any(installed):
            return [
                f"It is of another project: none of its apps ({', '.join(apps)}) is installed "
                "here. Restore it with the settings of its own project."
            ]
        return []

    def _migration_problems(self, labels: Iterable[str]) -> list[str]:
        """Return the problems of the migrations of the dump."""
        problems = [*filter(None, map(self._problem, self._migrations.items()))]
        for app in map(_app_label, labels):
            if app in self._migrations or app in self._disk_loader.unmigrated_apps:
                continue
            if app not in self._disk_loader.migrated_apps:
                problems.append(_not_installed(app))
                continue
            problems.append(
                f"The dump names no migration of {app!r}, whose rows it has: the app had no "
                "migrations then. Add to SOURCE_MIGRATIONS the migration that describes its "
                f"tables, such as {app!r}: {self._names(app)[0]!r}."
            )
        return problems

    def _swapped_problems(self, labels: Iterable[str]) -> Iterator[str]:
        """Yield a problem for each model that the settings replace with another one."""
        for label in labels:
            with suppress(LookupError, ValueError):
                meta = self.registry.get(label)._meta if self.registry else None
                if meta and meta.swapped:
                    yield (
                        f"The dump has rows of {meta.label}, which is swapped for {meta.swapped} "
                        f"by the settings here. {_USERS}"
                    )

    def _relation_problems(self) -> Iterator[str]:
        """Yield a problem for each relation of an app without migrations to an unknown model."""
        for model in self.registry.models() if self.registry else ():
            is_migrated = model._meta.app_label not in self._disk_loader.unmigrated_apps
            for field in () if is_migrated else model._meta.local_fields:
                remote = field.remote_field and field.remote_field.model
                if isinstance(remote, str):
                    yield (
                        f"{model._meta.label}.{field.name}, of an app without migrations, refers "
                        f"to {remote}, which did not exist when the dump was made: give it "
                        "migrations."
                    )

    def _problem(self, key: MigrationKey) -> str:
        """Return the reason why a migration of the dump cannot be applied, or ``""``."""
        squashes, existing = self._squashes(key), self._disk_migrations
        gone = {part for squash in squashes for part in self._parts(squash)} - existing.keys()
        is_whole = any(self._parts(squash)[-1] == key for squash in squashes)
        if squashes and not is_whole and gone:
            return (
                f"The dump names the migration {_dotted(key)}, which is in the middle of "
                f"{_dotted(squashes[0])}: its state cannot be made without {_dotted(min(gone))}, "
                "which is gone. Restore the dump with the code of its time, then dump it again."
            )
        if squashes or key in existing:
            return ""
        if key[0] not in {*self._disk_loader.migrated_apps, *self._disk_loader.unmigrated_apps}:
            return _not_installed(key[0])
        names = self._names(key[0])
        newest = f"its newest of this app is {names[-1]}" if names else "it has none of this app"
        return (
            f"The dump names the migration {_dotted(key)}, which the project does not have; "
            f"{newest}. Use the code that has it, or newer code."
        )

    def _names(self, app: str) -> list[str]:
        return sorted(name for label, name in self._disk_migrations if label == app)

    def _has_migrations(self, app: str) -> bool:
        """Whether an app has migrations, or squashed migrations of another app replace them."""
        return app in {
            *self._disk_loader.migrated_apps,
            *(label for label, _name in self._squashes_by_part),
        }

    @property
    def _disk_migrations(self) -> Mapping[MigrationKey, Migration]:
        return self._disk_loader.disk_migrations or {}

    @cached_property
    def _squashes_by_part(self) -> dict[MigrationKey, list[MigrationKey]]:
        """The squashed migrations by the migrations that they replace."""
        squashes: dict[MigrationKey, list[MigrationKey]] = {}
        for squash in self._disk_migrations:
            for part in self._parts(squash):
                if part != squash:
                    squashes.setdefault(part, []).append(squash)
        return squashes

    def _squashes(self, key: MigrationKey) -> list[MigrationKey]:
        return self._squashes_by_part.get(key, [])

    def _parts(self, key: MigrationKey) -> list[MigrationKey]:
        """Return the migrations that a squashed migration replaces, or the migration itself."""
        migration = self._disk_migrations.get(key)
        if migration is None or not migration.replaces:
            return [key]
        return [part for app, name in migration.replaces for part in self._parts((app, name))]

    def _applied_parts(self) -> dict[MigrationKey, Any]:
        """Return the applied parts of squashed migrations."""
        applied: dict[MigrationKey, Any] = {}
        for key in self._keys:
            for squash in self._squashes(key):
                parts = self._parts(squash)
                for part in parts[: parts.index(key) + 1]:
                    applied[part] = self._disk_migrations.get(part)
        return applied

    def _renamed_apps(self) -> dict[str, str]:
        """Return the new labels of the apps whose migrations another app has squashed."""
        return {
            key[0]: new
            for key in self._keys
            if key not in self._disk_migrations and key[0] not in self._disk_loader.migrated_apps
            for new, _name in self._squashes(key)
            if new != key[0]
        }


class MigrateTo(Migrate):
    """Creates the historical tables, without ``post_migrate``, whose receivers add rows."""

    def __init__(self, past: Past) -> None:
        super().__init__()
        self._past = past

    def migrate(self, **options: Any) -> None:
        """Apply the migrations of the past, and create the tables of apps without migrations."""
        connection, loader = connections[self.database], self._past.loader
        self.verbosity = 0
        with override(None):
            connection.prepare_database()
            progress: Any = self.migration_progress_callback
            executor = MigrationExecutor(connection, progress)
            executor.loader = loader
            plan = executor.migration_plan(self._past.targets, clean_start=True)
            state = ProjectState(real_apps=loader.unmigrated_apps)
            emit_pre_migrate_signal(0, False, self.database, apps=state.apps, plan=plan)
            self.sync_apps(connection, loader.unmigrated_apps)
            executor.migrate(self._past.targets, plan=plan, state=state.clone())


class _Loader(MigrationLoader):
    """Builds the graph for a database in which the given migrations are applied."""

    def __init__(self, applied: dict[MigrationKey, Any]) -> None:
        self._applied = applied
        super().__init__(None)

    @property
    def applied_migrations(self) -> dict[MigrationKey, Any]:
        """The migrations that are applied."""
        return self._applied

    @applied_migrations.setter
    def applied_migrations(self, found: object) -> None:
        """Ignore the migrations that Django finds without a database: none."""


def _render(state: ProjectState) -> Apps:
    """Return the models of a state; those of apps without migrations get their relations."""
    apps: Any = state.apps
    real_models = [(model.app_label, model.name_lower) for model in apps.real_models]
    with apps.bulk_update():
        for key in real_models:
            apps.unregister_model(*key)
    apps.render_multiple([ModelState.from_model(today.get_model(*key)) for key in real_models])
    rendered: Apps = apps
    return rendered


def _app_label(label: str) -> str:
    return label.partition(".")[0]


def _not_installed(app: str) -> str:
    return (
        f"The app {app!r} is not installed, so its migrations are missing. Add it to "
        "INSTALLED_APPS until the dump is restored; or comment out its line in SOURCE_MIGRATIONS "
        "and those that list its tables."
    )


def _dotted(key: MigrationKey) -> str:
    return ".".join(key)
