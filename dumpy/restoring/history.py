"""The models of the past: what the migrations that a dump names had made of them."""

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

Key = tuple[str, str]
"""A migration: the label of its app, and its name."""
_USERS = "Set AUTH_USER_MODEL to its value at that time: migrations do not move users."


class Historical(Registry):
    """The models of a state of the past; they have no methods and none of their own managers.

    ``renamed`` maps labels of apps to the labels that squashed migrations have given them.
    """

    def __init__(self, apps: Apps, renamed: Mapping[str, str]) -> None:
        self.apps = apps
        self._renamed = renamed

    def get(self, label: str) -> ModelType:
        """Return the model of a label; a squashed migration may have renamed the app since."""
        app_label, _, name = label.partition(".")
        return self.apps.get_model(self._renamed.get(app_label, app_label), name)

    def has(self, label: str) -> bool:
        """Whether there was a model of a label, or is one today: a dump may not have its rows."""
        return super().has(label) or TODAY.has(label)

    def by_natural_key(self, model: ModelType, key: tuple[object, ...], using: str) -> Model:
        """Return the row with a natural key, which is what the manager of today says it is."""
        rows: QuerySet[Any] = QuerySet(model, using=using)
        if model._meta.label_lower == "auth.permission":
            names = ("codename", "content_type__app_label", "content_type__model")
            permission: Model = rows.get(**dict(zip(names, key, strict=True)))
            return permission
        real: Any = self._today(model)
        if hasattr(real, "USERNAME_FIELD"):
            user: Model = rows.get(**{real.USERNAME_FIELD: key[0]})
            return user
        manager = copy(real._default_manager)
        manager.model, manager._db = model, using
        found: Model = manager.get_by_natural_key(*key)
        return found

    def _today(self, model: ModelType) -> ModelType:
        try:
            return today.get_model(model._meta.label)
        except LookupError:
            raise LookupError(
                f"what a natural key of {model._meta.label} means is not known: the model is gone."
            ) from None


class Past:
    """How far a dump had come in the migrations of the project, and what these have done since.

    Apps that are not installed, or that have no migrations (in tests, say), are ignored.

    Attributes:
        unknown: the migrations that the dump names and the project lacks, each with a sentence.
        loader: the migrations, squashed ones in place of what they replace wherever that is done.
        named: those that the dump names, or the squashed ones that have taken their place.
    """

    def __init__(self, migrations: Mapping[str, str]) -> None:
        """Raise ``RestoreFailed`` if the migrations of the project cannot be read."""
        self._migrations = migrations
        self._disk = MigrationLoader(None, load=False)
        try:
            self._disk.load_disk()
            known = [key for key in migrations.items() if self._has_migrations(key[0])]
            self.unknown = {key: said for key in known if (said := self._problem(key))}
            self._keys = [key for key in known if key not in self.unknown]
            self.loader = _Loader(self._applied())
        except Exception as error:  # a migration is code, which may do anything
            raise RestoreFailed(
                "The migrations of the project cannot be read; nothing was written.\n"
                f"{type(error).__name__}: {error}"
            ) from error
        nodes = self.loader.graph.nodes
        self.named: tuple[Key, ...] = tuple(
            dict.fromkeys(
                key if key in nodes else next(one for one in self._squashes(key) if one in nodes)
                for key in self._keys
            )
        )

    @property
    def is_behind(self) -> bool:
        """Whether there are newer migrations."""
        return not set(self.named) <= set(self.loader.graph.leaf_nodes())

    @property
    def leaves(self) -> list[Key]:
        """The newest migrations of the apps that the dump names, and of those that came since."""
        apps = self._apps | {app for app, _name in self.unknown}
        leaves = self.loader.graph.leaf_nodes()
        return [key for key in leaves if key[0] in apps or key in self._concerned]

    @property
    def operations(self) -> Iterator[tuple[Key, Operation]]:
        """What the newer migrations of these apps do, in the order of their plan."""
        for key in self._concerned:
            if key not in self._done:
                operations = self.loader.graph.nodes[key].operations
                yield from ((key, operation) for operation in operations)

    @cached_property
    def _concerned(self) -> Mapping[Key, None]:
        """The migrations of apps that the dump names, and those that depend on them, in order."""
        graph = self.loader.graph
        found: dict[Key, None] = {}
        for key in (key for leaf in graph.leaf_nodes() for key in graph.forwards_plan(leaf)):
            parents = (parent.key for parent in graph.node_map[key].parents)
            if key[0] in self._apps or any(parent in found for parent in parents):
                found[key] = None
        return found

    @property
    def targets(self) -> tuple[Key, ...]:
        """The migrations to apply: content types are needed by any row that refers to them."""
        leaves = self.loader.graph.leaf_nodes("contenttypes")
        return (*self.named, *(leaf for leaf in leaves if leaf[0] not in self._apps))

    @property
    def registry(self) -> Historical | None:
        """The models of that time, None if they cannot be made."""
        return self._made[0]

    def models(self) -> list[ModelType]:
        """Return the models of that time, of the apps whose migrations the dump names."""
        # To make the models of many migrations takes seconds.
        registry = self.registry if self.is_behind else TODAY
        found = registry.models() if registry else []
        return [model for model in found if model._meta.app_label in self._apps]

    def find(self, label: str) -> ModelType | None:
        """Return a model as it was when the dump was made, None if that is not known."""
        found = self.registry.find(label) if self.registry else None
        return found if found is not None and found._meta.app_label in self._apps else None

    def problems(self, labels: Iterable[str]) -> list[str]:
        """Return why rows of models with these labels cannot be loaded into those of that time."""
        if reasons := list(self._strange(labels) or self._unnamed(labels) or self._made[1]):
            return list(dict.fromkeys(reasons))
        return list(dict.fromkeys([*self._other_users(labels), *self._dangling()]))

    def without_migration(self, models: Iterable[ModelType]) -> Iterator[tuple[str, str]]:
        """Yield label and field of what models have, and no migration of the project makes."""
        state = self.loader.project_state()
        for model in models:
            meta = model._meta
            if not meta.managed or meta.app_label not in self.loader.migrated_apps:
                continue
            found = state.models.get((meta.app_label, str(meta.model_name)))
            made = {*found.fields} if found is not None else set()
            # The state of a model has no field for its order, only the option.
            if found is not None and found.options.get("order_with_respect_to"):
                made.add("_order")
            for field in (*meta.local_concrete_fields, *meta.local_many_to_many):
                if field.name not in made:
                    yield meta.label, field.name

    @cached_property
    def _apps(self) -> set[str]:
        return {app for app, _name in self.named}

    @cached_property
    def _done(self) -> set[Key]:
        """The migrations that had been applied, by what the dump names of each app."""
        return {
            key
            for one in self.named
            for key in self.loader.graph.forwards_plan(one)
            if key[0] == one[0] or key[0] not in self._apps
        }

    @cached_property
    def _made(self) -> tuple[Historical | None, list[str]]:
        """The models of that time, or why they cannot be made."""
        plans = map(self.loader.graph.forwards_plan, self.named)
        if overtaken := {key for plan in plans for key in plan} - self._done:
            return None, [
                f"Migrations that the dump names need {_shown(key)}, but of this app it names an "
                "earlier one: its SOURCE_MIGRATIONS were edited, or dependencies of migrations "
                "have changed since."
                for key in sorted(overtaken)
            ]
        try:
            apps = _rendered(self.loader.project_state(list(self.targets)))
        except (ValueError, LookupError, InvalidBasesError) as error:
            reason, users = f"The models as they were cannot be made: {error}", ""
            if settings.AUTH_USER_MODEL.lower() in reason.lower():
                users = (
                    f"\nAUTH_USER_MODEL is {settings.AUTH_USER_MODEL}, which did not exist when "
                    f"the dump was made. {_USERS}"
                )
            return None, [reason + users]
        return Historical(apps, self._renamed()), []

    def _strange(self, labels: Iterable[str]) -> list[str]:
        """Return why the dump has no past here at all."""
        apps = sorted({*map(_app_of, labels)})
        if not self._migrations:
            return [
                "SOURCE_MIGRATIONS is empty: it does not say which migrations were applied. "
                "Restore it without --through-migrations, or write there what they were."
            ]
        here = (app in self._disk.unmigrated_apps or self._has_migrations(app) for app in apps)
        if apps and not any(here):
            return [
                f"It is of another project: none of its apps ({', '.join(apps)}) is installed "
                "here. Restore it with the settings of its own project."
            ]
        return []

    def _unnamed(self, labels: Iterable[str]) -> list[str]:
        """Return why migrations of the dump cannot be applied, or are not known."""
        found = [*filter(None, map(self._problem, self._migrations.items()))]
        for app in map(_app_of, labels):
            if app in self._migrations or app in self._disk.unmigrated_apps:
                continue
            if app not in self._disk.migrated_apps:
                found.append(_not_installed(app))
                continue
            found.append(
                f"The dump names no migration of {app!r}, whose rows it has: the app had no "
                "migrations then. Add to SOURCE_MIGRATIONS the migration that describes its "
                f"tables, such as {app!r}: {self._names(app)[0]!r}."
            )
        return found

    def _other_users(self, labels: Iterable[str]) -> Iterator[str]:
        for label in labels:
            with suppress(LookupError, ValueError):
                meta = self.registry.get(label)._meta if self.registry else None
                if meta and meta.swapped:
                    yield (
                        f"The dump has rows of {meta.label}, which is swapped for {meta.swapped} "
                        f"by the settings here. {_USERS}"
                    )

    def _dangling(self) -> Iterator[str]:
        for model in self.registry.models() if self.registry else ():
            is_migrated = model._meta.app_label not in self._disk.unmigrated_apps
            for field in () if is_migrated else model._meta.local_fields:
                remote = field.remote_field and field.remote_field.model
                if isinstance(remote, str):
                    yield (
                        f"{model._meta.label}.{field.name}, of an app without migrations, refers "
                        f"to {remote}, which did not exist when the dump was made: give it "
                        "migrations."
                    )

    def _problem(self, key: Key) -> str:
        """Return why a migration of the dump cannot be applied, or ``""``."""
        squashes, disk = self._squashes(key), self._on_disk
        gone = {one for squash in squashes for one in self._parts(squash)} - disk.keys()
        is_whole = any(self._parts(squash)[-1] == key for squash in squashes)
        if squashes and not is_whole and gone:
            return (
                f"The dump names the migration {_shown(key)}, which is in the middle of "
                f"{_shown(squashes[0])}: its state cannot be made without {_shown(min(gone))}, "
                "which is gone. Restore the dump with the code of its time, then dump it again."
            )
        if squashes or key in disk:
            return ""
        if key[0] not in {*self._disk.migrated_apps, *self._disk.unmigrated_apps}:
            return _not_installed(key[0])
        names = self._names(key[0])
        newest = f"its newest of this app is {names[-1]}" if names else "it has none of this app"
        return (
            f"The dump names the migration {_shown(key)}, which the project does not have; "
            f"{newest}. Use the code that has it, or newer code."
        )

    def _names(self, app: str) -> list[str]:
        return sorted(name for one, name in self._on_disk if one == app)

    def _has_migrations(self, app: str) -> bool:
        """Whether an app has migrations here, or another one that has taken them over."""
        return app in {*self._disk.migrated_apps, *(one for one, _name in self._replaced)}

    @property
    def _on_disk(self) -> Mapping[Key, Migration]:
        return self._disk.disk_migrations or {}

    @cached_property
    def _replaced(self) -> dict[Key, list[Key]]:
        """The squashed migrations, by each migration that they stand for."""
        found: dict[Key, list[Key]] = {}
        for squash in self._on_disk:
            for one in self._parts(squash):
                if one != squash:
                    found.setdefault(one, []).append(squash)
        return found

    def _squashes(self, key: Key) -> list[Key]:
        return self._replaced.get(key, [])

    def _parts(self, key: Key) -> list[Key]:
        """The migrations that one stands for: those that a squashed one replaces, or itself."""
        migration = self._on_disk.get(key)
        if migration is None or not migration.replaces:
            return [key]
        return [part for app, name in migration.replaces for part in self._parts((app, name))]

    def _applied(self) -> dict[Key, Any]:
        """The parts of squashed migrations that are applied at that state."""
        found: dict[Key, Any] = {}
        for key in self._keys:
            for squash in self._squashes(key):
                parts = self._parts(squash)
                done = parts[: parts.index(key) + 1]
                found |= {one: self._on_disk.get(one) for one in done}
        return found

    def _renamed(self) -> dict[str, str]:
        """The apps whose migrations are replaced by those of another app."""
        return {
            key[0]: new
            for key in self._keys
            if key not in self._on_disk and key[0] not in self._disk.migrated_apps
            for new, _name in self._squashes(key)
            if new != key[0]
        }


class MigrateTo(Migrate):
    """Makes the tables of the past: no receiver of ``post_migrate`` adds anything to them."""

    def __init__(self, past: Past) -> None:
        super().__init__()
        self._past = past

    def migrate(self, **options: Any) -> None:
        """Migrate to the targets of the past, and make tables for apps without migrations."""
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
    """The graph that Django makes for a database in which certain migrations are applied."""

    def __init__(self, applied: dict[Key, Any]) -> None:
        self._applied = applied
        super().__init__(None)

    @property
    def applied_migrations(self) -> dict[Key, Any]:
        """The migrations that are applied."""
        return self._applied

    @applied_migrations.setter
    def applied_migrations(self, found: object) -> None:
        """Ignore what is found where there is no database."""


def _rendered(state: ProjectState) -> Apps:
    """The models of a state, those of apps without migrations with the relations that they have."""
    apps: Any = state.apps
    real = [(one.app_label, one.name_lower) for one in apps.real_models]
    with apps.bulk_update():
        for key in real:
            apps.unregister_model(*key)
    apps.render_multiple([ModelState.from_model(today.get_model(*key)) for key in real])
    found: Apps = apps
    return found


def _app_of(label: str) -> str:
    return label.partition(".")[0]


def _not_installed(app: str) -> str:
    return (
        f"The app {app!r} is not installed, so its migrations are missing. Add it to "
        "INSTALLED_APPS until the dump is restored; or comment out its line in SOURCE_MIGRATIONS "
        "and those that list its tables."
    )


def _shown(key: Key) -> str:
    return ".".join(key)
