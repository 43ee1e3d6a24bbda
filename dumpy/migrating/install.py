"""Migrate a dump to the version of the project, before anything is loaded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any, TypeVar

from packaging.version import Version

from dumpy.conf import configuration, imported, project_version
from dumpy.errors import (
    ConfigurationError,
    DumpyError,
    FixtureError,
    FixtureErrors,
    MigrationError,
    sentence,
)
from dumpy.migrating.chain import NoStep, step_version, steps_of, version_of
from dumpy.migrating.migration import KEY, Migration
from dumpy.migrating.migrator import Migrator
from dumpy.reading import Dump
from dumpy.schema.instances import MissingModel, new, resolve_model
from dumpy.text.emit import INSTALL
from dumpy.text.skeleton import CreateFunction
from dumpy.text.words import NAMES

_WAITS = "__dumpy_migrations_wait__"
_Result = TypeVar("_Result")
_log = logging.getLogger("dumpy")


@dataclass(frozen=True)
class Policy:
    """How to migrate a dump.

    Attributes:
        say: takes a message for each step.
        verbose: takes the message that no step is needed.
        allow_mismatch: whether a dump is loaded although a step is missing.
        is_off: whether migrators are not run.
        proposal: a step that is not written yet: called with the migrator after all steps.
        as_version: the version of a dump that names none.
        offers_options: whether hints may name the options of a command.
    """

    say: Callable[[str], object] = _log.info
    verbose: Callable[[str], object] = _log.debug
    allow_mismatch: bool = False
    is_off: bool = False
    proposal: Callable[[Any], object] | None = None
    as_version: str | None = None
    offers_options: bool = True

    def refusal(self, error: MigrationError) -> MigrationError:
        """Return the error for a dump of another version, with the option that loads its rows."""
        if self.offers_options:
            error.hint += " To load the rows as they are, use --allow-version-mismatch."
        return error


_policy: ContextVar[Policy | None] = ContextVar("dumpy_policy", default=None)


@contextmanager
def migrating(policy: Policy) -> Iterator[None]:
    """Apply a policy inside the block."""
    token = _policy.set(policy)
    try:
        yield
    finally:
        _policy.reset(token)


def current_policy() -> Policy:
    """Return the policy of the innermost ``migrating()`` block, or one that logs messages."""
    return _policy.get() or Policy()


def policy_of(
    options: Mapping[str, Any],
    say: Callable[[str], object] = Policy.say,
    verbose: Callable[[str], object] | None = None,
) -> Policy:
    """Return the policy for the options of a command."""
    return Policy(
        say,
        verbose or say,
        allow_mismatch=options["allow_version_mismatch"],
        as_version=options["as_version"],
    )


def install_migrations(globals_dict: dict[str, Any]) -> None:
    """Migrate the globals of a dump that is run; raises ``MigrationError``.

    If the dump is the main script, ``restore()`` migrates it later, when the options are known.
    """
    if globals_dict.get("__name__") == "__main__":
        globals_dict[_WAITS] = True
    else:
        migrate(globals_dict, {})


def migration_of_dump(dump: Dump) -> Migration | None:
    """Return the migration of a dump that is data, or None; raises ``MigrationError``."""
    skeleton = dump.skeleton
    assert skeleton is not None
    if not skeleton.installs:
        _warn_without_install(skeleton.version)
        return None
    namespace: dict[str, Any] = {**NAMES, "new": new, "resolve_model": resolve_model}
    namespace |= {name: MissingModel(label) for name, label in skeleton.models.items()}
    namespace["SOURCE_VERSION"] = skeleton.version
    return migrate(namespace, skeleton.functions, is_complete=dump.path is not None)


def _warn_without_install(version: str | None) -> None:
    """Report that the line that installs migrators was removed from an older dump."""
    policy = current_policy()
    source, target = version_of(version), version_of(project_version())
    if policy.is_off or source is None or target is None or source == target:
        return
    policy.say(
        f"The dump is of version {source}, the project of {target}, but without the line "
        f"{INSTALL}: its rows are loaded as they are."
    )


def migrate(
    namespace: dict[str, Any],
    functions: Mapping[str, CreateFunction],
    *,
    is_complete: bool = False,
) -> Migration | None:
    """Return the migration of the globals of a dump, or None.

    ``functions`` are the create functions that are data; a dump that ``is_complete`` has all models
    of its project. Raises ``MigrationError``.
    """
    policy = current_policy()
    route = None if policy.is_off else _route(_source_version(namespace, policy), policy)
    if route is None and policy.proposal is None:
        return None
    migration = Migration(namespace, functions, is_complete=is_complete)
    if route is not None:
        _run(*route, migration, policy)
    if policy.proposal is not None:
        migration.begin("The proposed step")
        policy.proposal(Migrator(migration))
    migration.finish()
    for message in migration.skipped:
        policy.say(message)
    return migration


@contextmanager
def adding_version_hint(dump: Dump) -> Iterator[None]:
    """Add to errors of the block what to do about the rows of a dump without a version."""
    try:
        yield
    except (FixtureError, FixtureErrors) as error:
        error.hint = "\n".join(filter(None, [error.hint, version_hint(dump)]))
        raise


def version_hint(dump: Dump) -> str:
    """Return what to do if no migrator has changed a dump without a version, or ``""``."""
    policy = current_policy()
    if policy.as_version or dump.version or not configuration().migration_class:
        return ""
    option = " or use --as-version" if policy.offers_options else ""
    return (
        "Migrators change only dumps that name their version: write it into SOURCE_VERSION of "
        f"{dump.source.name}{option}."
    )


def _source_version(namespace: Mapping[str, Any], policy: Policy) -> object:
    """Return the version of a dump; raises ``MigrationError`` for a needless ``as_version``."""
    source = namespace.get("SOURCE_VERSION")
    if source is None or policy.as_version is None:
        return source or policy.as_version
    reason = f"The dump is of version {source}: --as-version is for a dump that names none."
    raise MigrationError("", reason)


def is_waiting(namespace: Mapping[str, Any]) -> bool:
    """Whether a script has called ``install_migrations()``, which left it to ``restore()``."""
    return _WAITS in namespace


def migration_of(namespace: Mapping[str, Any]) -> Migration | None:
    """Return the migration that changed a namespace, or None."""
    return namespace.get(KEY)


def _route(source: object, policy: Policy) -> tuple[Version, Version, type[Migrator]] | None:
    """Return the source version, the target version and the migrator, or None without steps."""
    target, migrator = project_version(), _migrator()
    if source is None or target is None:
        _warn_without_version(source, target, policy)
        return None
    old, new = version_of(source), version_of(target)
    if old is None or new is None:
        name = "SOURCE_VERSION" if policy.as_version is None else "--as-version"
        raise MigrationError("", f"{name} is {source!r}, which is not a version.", "Write '1.2'.")
    if old == new:
        policy.verbose(f"The dump is of version {old}, like the project: no migration is needed.")
    elif old > new and not policy.allow_mismatch:
        reason = f"The dump is of version {old}, which is newer than that of the project, {new}."
        raise policy.refusal(MigrationError("", reason, "Update the project first."))
    elif old > new:
        policy.say(f"The dump is of version {old}, the project of {new}, which is allowed.")
    elif migrator is None:
        policy.say(
            f"The dump is of version {old}, the project of {new}. There is no "
            "DUMPY['MIGRATION_CLASS']: its rows are loaded as they are."
        )
    else:
        return old, new, migrator
    return None


def _migrator() -> type[Migrator] | None:
    path = configuration().migration_class
    if path is None:
        return None
    migrator = imported("MIGRATION_CLASS", path)
    if not isinstance(migrator, type) or not issubclass(migrator, Migrator):
        raise ConfigurationError(
            f"DUMPY['MIGRATION_CLASS']: {path} is not a subclass of dumpy.Migrator."
        )
    return migrator


def migrator_problems() -> Iterator[str]:
    """Yield the errors in the migrator of the project."""
    try:
        migrator = _migrator()
        if migrator is None:
            return
        steps = steps_of(migrator)
        if project_version() is None:
            yield "DUMPY['MIGRATION_CLASS'] is set, but DUMPY['VERSION'] is not: no step runs."
    except DumpyError as error:
        yield str(error)
        return
    for name in dir(migrator):
        if name.startswith("migrate_from") and name not in steps.values():
            yield f"{migrator.__name__}.{name} names no version, unlike migrate_from_1_2."
    for name in steps.values():
        try:
            signature(getattr(migrator, name)).bind("self", {})
        except TypeError:
            yield f"{migrator.__name__}.{name} must take (self, globals_dict)."


def _warn_without_version(source: object, target: object, policy: Policy) -> None:
    if source is not None:
        policy.say(f"The dump is of version {source}, the project names none: nothing is migrated.")
    elif target is not None:
        option = " To name its version, use --as-version." if policy.offers_options else ""
        policy.say(f"The dump names no version: nothing is migrated.{option}")


def _run(
    source: Version,
    target: Version,
    migrator_class: type[Migrator],
    migration: Migration,
    policy: Policy,
) -> None:
    """Run the steps of a migrator; raises ``MigrationError``, ``NoStep`` if a step is missing."""
    migrator = _call(f"{migrator_class.__name__}()", lambda: migrator_class(migration))
    steps, reached = steps_of(migrator_class), source
    while reached < target:
        step = steps.get(step_version(reached))
        if step is None:
            error = NoStep(source, target, reached, migrator_class, steps.values())
            if not policy.allow_mismatch:
                raise policy.refusal(error)
            policy.say(error.reason)
            return
        method = getattr(migrator, step)
        first_line = (method.__doc__ or "").strip().partition("\n")[0]
        policy.say(f"{step}: {first_line or 'it has no docstring.'}")
        migration.begin(step)
        returned = _call(step, partial(method, migration.namespace))
        migration.end()
        reached = _returned_version(step, returned, reached, target)
    migration.has_arrived = True


def _returned_version(step: str, returned: object, before: Version, target: Version) -> Version:
    """Return the version that a step has returned; raises ``MigrationError``."""
    reached = version_of(returned)
    hint = "Return the version that it leads to, such as '1.2'."
    if reached is None:
        raise MigrationError(step, f"it returns {returned!r}.", hint)
    if reached <= before:
        reason = f"it returns {returned!r}, which is not higher than {before}."
        raise MigrationError(step, reason, hint)
    if reached > target:
        reason = f"it leads to version {reached}, but the project is of version {target}."
        raise MigrationError(step, reason, "Is DUMPY['VERSION'] up to date?")
    return reached


def _call(name: str, code: Callable[[], _Result]) -> _Result:
    """Call code of a migrator, and name it in a ``MigrationError`` for any exception."""
    try:
        return code()
    except MigrationError:
        raise
    except (Exception, SystemExit) as error:
        raise MigrationError(name, sentence(error)) from error
