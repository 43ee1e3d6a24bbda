"""The steps of a migrator from the version of a dump to the version of the project."""

from __future__ import annotations

import re
from collections.abc import Iterable

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


def step_name(version: Version) -> str:
    """Return the name of the method for dumps of a version."""
    return f"migrate_from_{step_version(version)}".replace(".", "_")


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
    """A migrator that has no step from the version ``arrived``; ``steps`` are those it has."""

    def __init__(
        self,
        source: Version,
        target: Version,
        arrived: Version,
        migrator: type,
        steps: Iterable[str],
    ) -> None:
        name = step_name(arrived)
        super().__init__(
            "",
            f"The dump is of version {source}, the project of {target}, but {migrator.__name__} "
            f"has no step from {arrived}; its steps are: {', '.join(steps) or 'none'}.",
            f"Write a method {name}(self, globals_dict) that returns the version it leads to.",
        )
        self.arrived = arrived
