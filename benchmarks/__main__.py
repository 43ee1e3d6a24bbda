"""Arguments in, tables out: ``python -m benchmarks --help``."""

from __future__ import annotations

import os
import platform
import sys
from argparse import ArgumentParser, Namespace

import django

import dumpy
from benchmarks import chain, formats, memory, startup
from benchmarks.lab import Lab, WorkDiffers, WorkerFailed, lab

ENGINES = ("sqlite", "postgresql", "mysql")


def _formats(place: Lab, arguments: Namespace) -> None:
    formats.run(place, arguments.rows, arguments.runs, linked=not arguments.no_links)


def _chain(place: Lab, arguments: Namespace) -> None:
    chain.run(place, arguments.runs)


def _memory(place: Lab, arguments: Namespace) -> None:
    memory.run(place)


def _startup(place: Lab, arguments: Namespace) -> None:
    startup.run()


SUITES = {"formats": _formats, "chain": _chain, "memory": _memory, "startup": _startup}


def main() -> int:
    """Measure what was asked for; return the exit status."""
    arguments = _parser().parse_args()
    print(_machine())
    try:
        _run(arguments)
    except (WorkDiffers, WorkerFailed) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser("python -m benchmarks", description=formats.__doc__)
    parser.add_argument("suite", nargs="?", choices=SUITES, default="formats")
    parser.add_argument("--engine", choices=ENGINES, default="sqlite")
    parser.add_argument("--rows", type=int, default=20_000, help="of formats")
    parser.add_argument("--runs", type=int, default=3, help="of formats and chain")
    parser.add_argument(
        "--no-links", action="store_true", help="formats without many-to-many fields"
    )
    return parser


def _run(arguments: Namespace) -> None:
    with lab(arguments.engine) as place:
        SUITES[arguments.suite](place, arguments)


def _machine() -> str:
    return (
        f"dumpy {dumpy.__version__}, Django {django.get_version()}, "
        f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} CPUs, "
        f"load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    sys.exit(main())
