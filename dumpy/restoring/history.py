"""The models of the past: what the migrations that a dump names had made of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
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
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState
from django.db.models import Model, QuerySet
from django.utils.translation import override

from dumpy.conf import configuration
from dumpy.errors import RestoreFailed
from dumpy.loading.registry import TODAY, Registry
from dumpy.restoring.schema import Migrate
from dumpy.schema.tables import ModelType

Key = tuple[str, str]
"""A migration: the label of its app, and its name."""


class Historical(Registry):
    """The models of a state of the past; they have no methods and none of their own managers.

    ``renamed`` maps the labels of apps to those which a squashed migration has given them.
    """

    def __init__(self, apps: Apps, renamed: Mapping[str, str]) -> None:
        self.apps = apps
        self._renamed = renamed

    def get(self, label: str) -> ModelType:
        """Return the model of a label, also of that which its app once had."""
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


@dataclass(frozen=True)
class Past:
    """The migrations on disk, those of them that a dump had come to, and the models of that state.

    ``named`` are the migrations that the dump names, as they are called here; ``is_whole`` says
    whether all of its apps are installed.
    """

    loader: MigrationLoader
    named: tuple[Key, ...]
    targets: tuple[Key, ...]
    registry: Historical
    is_whole: bool = True

    @property
    def is_behind(self) -> bool:
        """Whether there are newer migrations."""
        return not set(self.named) <= set(self.loader.graph.leaf_nodes())


@dataclass(frozen=True)
class Since:
    """What the migrations of the project do that came after those which a dump names.

    Attributes:
        unknown: the migrations that the dump names and the project lacks, each with a sentence.
        leaves: the newest migrations of the apps that the dump names.
    """

    operations: tuple[tuple[Key, Operation], ...]
    unknown: Mapping[Key, str]
    leaves: tuple[Key, ...]


NOTHING_SINCE = Since((), {}, ())


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


def past_of(migrations: Mapping[str, str], labels: Sequence[str]) -> Past:
    """Return the past of a dump that names these newest migrations and has these models.

    Raises ``RestoreFailed`` with every reason for which it cannot be made.
    """
    return _past(_Finder(migrations, labels, _on_disk()))


def _past(past: _Finder) -> Past:
    past.require(past.no_past())
    past.require(past.problems())
    targets = past.targets
    past.require(past.overtaken())
    apps = past.apps
    past.require(past.mismatches(apps))
    return Past(past.loader, past.named, targets, Historical(apps, past.renamed))


def known_past(migrations: Mapping[str, str], labels: Sequence[str]) -> Past | None:
    """Return the past of a dump, None if the migrations of the project do not know it.

    An app that is not installed any more says nothing of the others, whose past is known.
    """
    try:
        disk = _on_disk()
        finder = _Finder(migrations, labels, disk)
        installed = {app: name for app, name in migrations.items() if finder.is_known(app)}
        known = [label for label in labels if finder.is_known(_app_of(label))]
        past = _past(_Finder(installed, known, disk))
    except RestoreFailed:
        return None
    return replace(past, is_whole=len(installed) == len(migrations))


def since(migrations: Mapping[str, str]) -> Since:
    """Return what the project's migrations have done since those that a dump names.

    Apps that are not installed, that have no migrations (in tests, say), or that the dump does not
    name, say nothing.
    """
    try:
        disk = _on_disk()
        finder = _Finder(migrations, [], disk)
        installed = [key for key in migrations.items() if finder.has_migrations(key[0])]
        unknown = {key: said for key in installed for said in finder.problems_of(key)}
        found = dict(key for key in installed if key not in unknown)
        return _since(_Finder(found, [], disk), unknown)
    except RestoreFailed:  # the migrations cannot be read, so that nothing can be restored
        return NOTHING_SINCE


def _since(finder: _Finder, unknown: Mapping[Key, str]) -> Since:
    graph = finder.loader.graph
    done = finder.done
    apps = {app for app, _name in finder.named}
    lacking = {app for app, _name in unknown}
    leaves = tuple(key for key in graph.leaf_nodes() if key[0] in apps | lacking)
    came = dict.fromkeys(key for leaf in leaves for key in graph.forwards_plan(leaf))
    operations = (
        (key, operation)
        for key in came
        if key not in done and key[0] in apps
        for operation in graph.nodes[key].operations
    )
    return Since(tuple(operations), unknown, leaves)


def advice_for(past: Past | None) -> str:
    """Return what to type for a dump that does not fit the models of today, if there is a way."""
    if (
        past is None
        or not (past.is_whole and past.is_behind)
        or configuration().migration_class is not None
    ):
        return ""
    return (
        "The dump is older than the migrations of the project. To load it with the models of its "
        "time and migrate it, add --through-migrations."
    )


def without_migration(models: Iterable[ModelType]) -> Iterator[tuple[str, str]]:
    """Yield label and field of what models have, and no migration of the project makes.

    Raises ``RestoreFailed`` if the migrations cannot be read.
    """
    try:
        loader = MigrationLoader(None, ignore_no_migrations=True)
        state = loader.project_state()
    except Exception as error:  # a migration is code, which may do anything
        raise _unreadable(error) from error
    for model in models:
        meta = model._meta
        if not meta.managed or meta.app_label not in loader.migrated_apps:
            continue
        found = state.models.get((meta.app_label, str(meta.model_name)))
        made = found.fields if found is not None else {}
        for field in (*meta.local_concrete_fields, *meta.local_many_to_many):
            if field.name not in made:
                yield meta.label, field.name


class _Finder:
    """Finds what a dump was migrated to."""

    def __init__(
        self, migrations: Mapping[str, str], labels: Sequence[str], disk: MigrationLoader
    ) -> None:
        self._keys: tuple[Key, ...] = tuple(migrations.items())
        self._labels = labels
        self._disk = disk

    def require(self, problems: Iterable[str]) -> None:
        """Raise ``RestoreFailed`` if there are any problems."""
        found = list(dict.fromkeys(problems))
        if found:
            lines = [
                "The dump cannot be restored through the migrations; nothing was written.",
                *found,
            ]
            raise RestoreFailed("\n".join(lines))

    def no_past(self) -> Iterator[str]:
        """Yield why a dump has no past here at all."""
        labels = sorted({_app_of(label) for label in self._labels})
        if not self._keys:
            yield (
                "SOURCE_MIGRATIONS is empty: it does not say which migrations were applied. "
                "Restore it without --through-migrations, or write there what they were."
            )
        elif labels and not any(map(self.is_known, labels)):
            yield (
                f"It is of another project: none of its apps ({', '.join(labels)}) is installed "
                "here. Restore it with the settings of its own project."
            )

    def problems(self) -> Iterator[str]:
        """Yield why migrations of the dump cannot be applied."""
        for key in self._keys:
            yield from self.problems_of(key)
        named = dict(self._keys)
        for app in dict.fromkeys(map(_app_of, self._labels)):
            if app in named or app in self._disk.unmigrated_apps:
                continue
            if app not in self._disk.migrated_apps:
                yield _not_installed(app)
            else:
                yield (
                    f"The dump names no migration of {app!r}, whose rows it has: the app had no "
                    "migrations then. Add to SOURCE_MIGRATIONS the migration that describes its "
                    f"tables, such as {app!r}: {self._first(app)!r}."
                )

    def overtaken(self) -> Iterator[str]:
        """Yield migrations that others of the dump need, and that it does not name itself."""
        for key in sorted(self.needed - self.done):
            yield (
                f"Migrations that the dump names need {_shown(key)}, but of this app it names an "
                "earlier one: its SOURCE_MIGRATIONS were edited, or dependencies of migrations "
                "have changed since."
            )

    @property
    def needed(self) -> set[Key]:
        """The migrations that the dump names, and all that these need."""
        return {key for one in self.named for key in self.loader.graph.forwards_plan(one)}

    @property
    def done(self) -> set[Key]:
        """The migrations that had been applied, by what the dump names of each app."""
        plans = {one: self.loader.graph.forwards_plan(one) for one in self.named}
        apps = {app for app, _name in plans}
        return {
            key
            for one, plan in plans.items()
            for key in plan
            if key[0] == one[0] or key[0] not in apps
        }

    def mismatches(self, apps: Apps) -> Iterator[str]:
        """Yield why the models of the past cannot hold the rows."""
        registry = Historical(apps, self.renamed)
        models = [registry.get(label) for label in self._labels if _has(registry, label)]
        yield from _other_users(models)
        yield from _dangling(apps, self._disk.unmigrated_apps)

    @cached_property
    def loader(self) -> MigrationLoader:
        """The migrations, squashed ones in place of what they replace wherever that is done."""
        try:
            return _Loader(self._applied())
        except Exception as error:
            raise _unreadable(error) from error

    @cached_property
    def named(self) -> tuple[Key, ...]:
        """The migrations that the dump names, or the squashed ones that have taken their place."""
        nodes = self.loader.graph.nodes
        return tuple(
            dict.fromkeys(
                key if key in nodes else next(one for one in self._squashes(key) if one in nodes)
                for key in self._keys
            )
        )

    @cached_property
    def targets(self) -> tuple[Key, ...]:
        """The migrations to apply: content types are needed by any row that refers to them."""
        named = {app for app, _name in self.named}
        leaves = self.loader.graph.leaf_nodes("contenttypes")
        return (*self.named, *(leaf for leaf in leaves if leaf[0] not in named))

    @cached_property
    def apps(self) -> Apps:
        """The models at that state."""
        try:
            return _rendered(self.loader.project_state(list(self.targets)))
        except (ValueError, LookupError, InvalidBasesError) as error:
            text = str(error)
            if settings.AUTH_USER_MODEL.lower() in text.lower():
                text += (
                    f"\nAUTH_USER_MODEL is {settings.AUTH_USER_MODEL}, which did not exist when "
                    "the dump was made. Set it to its value at that time: migrations do not move "
                    "users."
                )
            self.require([f"The models as they were cannot be made: {text}"])
            raise

    @cached_property
    def renamed(self) -> dict[str, str]:
        """The apps whose migrations are replaced by those of another app."""
        return {
            old: new
            for (old, name) in self._keys
            if (old, name) not in self._disk.disk_migrations
            for new, _name in self._squashes((old, name))
            if new != old and old not in self._disk.migrated_apps
        }

    def problems_of(self, key: Key) -> Iterator[str]:
        """Yield why a migration of the dump cannot be applied."""
        squashes = self._squashes(key)
        gone = {one for squash in squashes for one in self._parts(squash)} - set(self._disk_keys)
        is_whole = any(self._parts(squash)[-1] == key for squash in squashes)
        if squashes and not is_whole and gone:
            yield (
                f"The dump names the migration {_shown(key)}, which is in the middle of "
                f"{_shown(squashes[0])}: its state cannot be made without {_shown(min(gone))}, "
                "which is gone. Restore the dump with the code of its time, then dump it again."
            )
        elif squashes or key in self._disk_keys:
            return
        elif key[0] not in {*self._disk.migrated_apps, *self._disk.unmigrated_apps}:
            yield _not_installed(key[0])
        else:
            yield (
                f"The dump names the migration {_shown(key)}, which the project does not "
                f"have{self._newest(key[0])}. Use the code that has it, or newer code."
            )

    def _newest(self, app: str) -> str:
        names = sorted(name for one, name in self._disk_keys if one == app)
        return f"; its newest of this app is {names[-1]}" if names else "; it has none of this app"

    def _first(self, app: str) -> str:
        return min(name for one, name in self._disk_keys if one == app)

    def is_known(self, app: str) -> bool:
        """Whether an app is installed, or another one that has taken over its migrations."""
        return app in self._disk.unmigrated_apps or self.has_migrations(app)

    def has_migrations(self, app: str) -> bool:
        """Whether an app has migrations here, or another one that has taken them over."""
        return app in {*self._disk.migrated_apps, *(one for one, _name in self._replaced)}

    @property
    def _disk_keys(self) -> Iterable[Key]:
        return self._disk.disk_migrations or {}

    @cached_property
    def _replaced(self) -> dict[Key, list[Key]]:
        """The squashed migrations, by each migration that they stand for."""
        found: dict[Key, list[Key]] = {}
        for squash in self._disk_keys:
            for one in self._parts(squash):
                if one != squash:
                    found.setdefault(one, []).append(squash)
        return found

    def _squashes(self, key: Key) -> list[Key]:
        return self._replaced.get(key, [])

    def _parts(self, key: Key) -> list[Key]:
        """The migrations that one stands for: those that a squashed one replaces, or itself."""
        migration = (self._disk.disk_migrations or {}).get(key)
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
                found |= {one: (self._disk.disk_migrations or {}).get(one) for one in done}
        return found


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


def _on_disk() -> MigrationLoader:
    loader = MigrationLoader(None, load=False)
    try:
        loader.load_disk()
    except Exception as error:  # a migration is code, which may do anything
        raise _unreadable(error) from error
    return loader


def _unreadable(error: Exception) -> RestoreFailed:
    return RestoreFailed(
        "The migrations of the project cannot be read; nothing was written.\n"
        f"{type(error).__name__}: {error}"
    )


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


def _other_users(models: Sequence[ModelType]) -> Iterator[str]:
    hint = "Set AUTH_USER_MODEL to its value when the dump was made: migrations do not move users."
    for model in models:
        if model._meta.swapped:
            yield (
                f"The dump has rows of {model._meta.label}, which is swapped for "
                f"{model._meta.swapped} by the settings here. {hint}"
            )


def _dangling(apps: Apps, unmigrated: Iterable[str]) -> Iterator[str]:
    for model in apps.get_models():
        fields = model._meta.local_fields if model._meta.app_label in unmigrated else []
        for field in fields:
            remote = field.remote_field and field.remote_field.model
            if isinstance(remote, str):
                yield (
                    f"{model._meta.label}.{field.name}, of an app without migrations, refers to "
                    f"{remote}, which did not exist when the dump was made: give it migrations."
                )


def _has(registry: Registry, label: str) -> bool:
    try:
        registry.get(label)
    except (LookupError, ValueError):
        return False
    return True


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
