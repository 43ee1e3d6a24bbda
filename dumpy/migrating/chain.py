"""The steps of a migrator from the version of a dump to the version of the project."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.version import InvalidVersion, Version

from dumpy.errors import MigrationError

_STEP = re.compile(r"migrate_from_(\w+)")
_ALLOW = "To load the rows as they are, use --allow-version-mismatch."


def version_of(text: object) -> Version | None:
    """Parse a PEP 440 version; return None if it is not one."""
    try:
        return Version(text) if isinstance(text, str) else None
    except InvalidVersion:
        return None


def in_names(version: Version) -> Version:
    """Return a version as used in names of methods: without its epoch and its local part."""
    return Version(version.public.rpartition("!")[2])


def version_of_step(name: str) -> Version | None:
    """Return the version in the name of a method, or None if the method is not a step."""
    match = _STEP.fullmatch(name)
    return version_of(match[1].replace("_", ".")) if match else None


def steps_of(migrator: type) -> dict[Version, str]:
    """Return the names of the methods ``migrate_from_…`` by version, oldest first.

    Raises ``MigrationError`` for two steps from one version.
    """
    found: dict[Version, str] = {}
    for name in dir(migrator):
        version = version_of_step(name)
        if version is None:
            continue
        if version in found:
            raise MigrationError(found[version], f"{name} is a step from the same version.")
        found[version] = name
    return dict(sorted(found.items()))


class NoWay(MigrationError):
    """A version, ``arrived``, without a further step."""

    def __init__(self, arrived: Version, reason: str, hint: str) -> None:
        super().__init__("", reason, hint)
        self.arrived = arrived


class Chain:
    """The path from one version to another, step by step.

    ``steps()`` yields the names of the methods; ``arrive()`` takes the return value of each.
    """

    def __init__(self, source: Version, target: Version, migrator: type) -> None:
        self._version = source
        self._source = source
        self._target = target
        self._steps = steps_of(migrator)
        self._name = migrator.__name__

    def steps(self) -> Iterator[str]:
        """Yield the next method until the target is reached; raises ``NoWay``."""
        while self._version < self._target:
            if in_names(self._version) not in self._steps:
                raise self._no_way()
            yield self._steps[in_names(self._version)]

    def arrive(self, step: str, returned: object) -> None:
        """Continue from the version that a step returned; raises ``MigrationError``."""
        reached = version_of(returned)
        if reached is None:
            raise MigrationError(
                step,
                f"it returns {returned!r}.",
                "Return the version that it leads to, such as '1.2'.",
            )
        if reached <= self._version:
            raise MigrationError(
                step,
                f"it returns {returned!r}, which is not higher than {self._version}.",
                "Return the version that it leads to.",
            )
        if reached > self._target:
            raise MigrationError(
                step,
                f"it leads to version {reached}, but the project is of version {self._target}.",
                "Is DUMPY['VERSION'] up to date?",
            )
        self._version = reached

    def _no_way(self) -> NoWay:
        known = ", ".join(self._steps.values()) or "none"
        name = f"migrate_from_{str(in_names(self._version)).replace('.', '_')}"
        return NoWay(
            self._version,
            f"The dump is of version {self._source}, the project of {self._target}, but "
            f"{self._name} has no step from {self._version}; its steps are: {known}.",
            f"Write a method {name}(self, globals_dict) that returns the version it leads to. "
            f"{_ALLOW}",
        )


def newer(source: Version, target: Version) -> MigrationError:
    """Return the error for a dump that is newer than the project."""
    return MigrationError(
        "",
        f"The dump is of version {source}, which is newer than that of the project, {target}.",
        f"Update the project first. {_ALLOW}",
    )
