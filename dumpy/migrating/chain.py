"""The steps of a migrator from the version of a dump to the version of the project."""

from __future__ import annotations

import re
from collections.abc import Callable

from packaging.version import InvalidVersion, Version

from dumpy.errors import MigrationError

_STEP = re.compile(r"migrate_from_(\w+)")


def version_of(text: object) -> Version | None:
    """Parse a PEP 440 version; return None if it is not one."""
    try:
        return Version(text) if isinstance(text, str) else None
    except InvalidVersion:
        return None


def step_version(version: Version) -> Version:
    """Return a version without epoch and local part, as in the names of methods."""
    return Version(version.public.rpartition("!")[2])


def steps_of(migrator: type) -> dict[Version, str]:
    """Return the names of the methods ``migrate_from_…`` by version, oldest first.

    Raises ``MigrationError`` for two steps from one version.
    """
    steps: dict[Version, str] = {}
    for name in dir(migrator):
        match = _STEP.fullmatch(name)
        version = version_of(match[1].replace("_", ".")) if match else None
        if version is None:
            continue
        if version in steps:
            raise MigrationError(steps[version], f"{name} is a step from the same version.")
        steps[version] = name
    return dict(sorted(steps.items()))


class NoStep(MigrationError):
    """A migrator that has no step from the version ``arrived``."""

    def __init__(self, arrived: Version, reason: str, hint: str) -> None:
        super().__init__("", reason, hint)
        self.arrived = arrived


def follow(source: Version, target: Version, migrator: type, run: Callable[[str], object]) -> None:
    """Run the steps of a migrator from one version to another, by the names of their methods.

    ``run`` returns what the method returns. Raises ``MigrationError``; ``NoStep`` if a step is
    missing.
    """
    steps, reached = steps_of(migrator), source
    while reached < target:
        step = steps.get(step_version(reached))
        if step is None:
            known = ", ".join(steps.values()) or "none"
            name = f"migrate_from_{str(step_version(reached)).replace('.', '_')}"
            raise NoStep(
                reached,
                f"The dump is of version {source}, the project of {target}, but "
                f"{migrator.__name__} has no step from {reached}; its steps are: {known}.",
                f"Write a method {name}(self, globals_dict) that returns the version it leads to.",
            )
        reached = _returned_version(step, run(step), reached, target)


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


def newer_dump_error(source: Version, target: Version) -> MigrationError:
    """Return the error for a dump that is newer than the project."""
    return MigrationError(
        "",
        f"The dump is of version {source}, which is newer than that of the project, {target}.",
        "Update the project first.",
    )
