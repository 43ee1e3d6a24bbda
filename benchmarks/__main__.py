"""Arguments in, tables out: ``python -m benchmarks --help``."""

from __future__ import annotations

import os
import platform
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

import django

import dumpy
from benchmarks import chain, directories, formats, lino, memory, startup, suite
from benchmarks.lab import Lab, WorkDiffers, WorkerFailed, lab

ENGINES = ("sqlite", "postgresql", "mysql")


def _formats(place: Lab, arguments: Namespace) -> None:
    linked = not arguments.no_links
    formats.run(place, arguments.rows, arguments.runs, arguments.svg, linked=linked)


def _chain(place: Lab, arguments: Namespace) -> None:
    chain.run(place, arguments.runs)


def _directories(place: Lab, arguments: Namespace) -> None:
    directories.run(place, arguments.rows, arguments.runs, linked=not arguments.no_links)


def _lino(place: Lab, arguments: Namespace) -> None:
    lino.run(place, arguments.lino, arguments.rows, arguments.runs)


def _memory(place: Lab, arguments: Namespace) -> None:
    memory.of_formats(place)


def _memory_of_directories(place: Lab, arguments: Namespace) -> None:
    memory.of_directories(place)


def _subset(place: Lab, arguments: Namespace) -> None:
    memory.of_subsets(place)


def _suite(place: Lab, arguments: Namespace) -> None:
    suite.run(place, arguments.rows, arguments.runs)


def _startup(place: Lab, arguments: Namespace) -> None:
    startup.run()


SHOP, PLAIN = "benchmarks.shop", "benchmarks.plain"
# What is measured, and the tables that it is measured with.
SUITES = {
    "formats": (_formats, SHOP),
    "directories": (_directories, SHOP),
    "lino": (_lino, PLAIN),
    "chain": (_chain, SHOP),
    "memory": (_memory, SHOP),
    "memory-directories": (_memory_of_directories, PLAIN),
    "subset": (_subset, SHOP),
    "startup": (_startup, SHOP),
    "suite": (_suite, SHOP),
}


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
    parser.add_argument(
        "--rows", type=int, default=20_000, help="of formats and directories, lino, suite"
    )
    parser.add_argument("--runs", type=int, default=3, help="of all but memory and subset")
    parser.add_argument("--svg", type=Path, help="a file to draw formats in")
    parser.add_argument("--no-links", action="store_true", help="without many-to-many fields")
    parser.add_argument(
        "--lino", type=Path, help="a virtual environment for Lino, made if it is not there"
    )
    return parser


def _run(arguments: Namespace) -> None:
    measure, app = SUITES[arguments.suite]
    with lab(arguments.engine, app) as place:
        measure(place, arguments)


def _machine() -> str:
    return (
        f"dumpy {dumpy.__version__}, Django {django.get_version()}, "
        f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} CPUs, "
        f"load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    sys.exit(main())
