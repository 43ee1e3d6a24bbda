"""How dumps of other versions are taken, as commands have been told."""

from __future__ import annotations

import logging
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

_log = logging.getLogger("dumpy")


@dataclass(frozen=True)
class Policy:
    """How to migrate.

    ``say`` is told each step, and ``verbose`` that there is none to do; ``allow_mismatch`` goes on
    where no step leads on; ``is_off`` leaves migrators out. ``proposal`` is called with a migrator
    when all steps are done: a step that is still to be written. ``as_version`` is the version of a
    dump that names none.
    """

    say: Callable[[str], object] = _log.info
    verbose: Callable[[str], object] = _log.debug
    allow_mismatch: bool = False
    is_off: bool = False
    proposal: Callable[[Any], object] | None = None
    as_version: str | None = None


_policy: ContextVar[Policy | None] = ContextVar("dumpy_policy", default=None)


@contextmanager
def migrating(policy: Policy) -> Iterator[None]:
    """Let a policy hold for the time of the block."""
    token = _policy.set(policy)
    try:
        yield
    finally:
        _policy.reset(token)


def policy_here() -> Policy:
    """Return the policy that holds here: without one, what is said is logged."""
    return _policy.get() or Policy()


def add_version_option(parser: ArgumentParser) -> None:
    """Let a command have the options that say how dumps of other versions are taken."""
    parser.add_argument(
        "--allow-version-mismatch",
        action="store_true",
        help="Load a dump that is newer than the project, or to which no migrator leads.",
    )
    add_as_version_option(parser)


def add_as_version_option(parser: ArgumentParser) -> None:
    """Let a command have the option ``--as-version``."""
    parser.add_argument(
        "--as-version", metavar="VERSION", help="The version of a dump that names none."
    )


def policy_of(
    options: Mapping[str, Any],
    say: Callable[[str], object] = Policy.say,
    verbose: Callable[[str], object] | None = None,
) -> Policy:
    """Return the policy that the options of a command ask for."""
    return Policy(
        say,
        verbose or say,
        allow_mismatch=options["allow_version_mismatch"],
        as_version=options["as_version"],
    )
