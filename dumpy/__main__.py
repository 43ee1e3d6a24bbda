"""``python -m dumpy FILE…``: check whether dumps can be read, for hooks without a project."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator, Sequence

from dumpy.errors import DumpyError, printable_lines
from dumpy.reading import opened
from dumpy.reading.source import dump_directory, is_program_file

_KEY = "id"


def main(arguments: Sequence[str]) -> int:
    """Print the problems of dumps; return 1 if there are any.

    A file of a directory dump stands for the directory. Programs and other Python files are
    ignored.
    """
    parser = ArgumentParser("python -m dumpy", description="Check whether dumps can be read.")
    parser.add_argument("paths", nargs="+", metavar="FILE", help="A file or directory of a dump.")
    problems = list(_all_problems(parser.parse_args(arguments).paths))
    for problem in problems:
        print(printable_lines(problem), file=sys.stderr)
    return 1 if problems else 0


def _all_problems(paths: Sequence[str]) -> Iterator[str]:
    """Yield the problems of the dumps at ``paths``, and of paths that cannot be opened."""
    dumps: dict[str, None] = {}
    for path in paths:
        try:
            if os.path.isdir(path) or is_program_file(path) is False:
                dumps[str(dump_directory(path) or path)] = None
        except OSError as error:
            yield f"{path}: {error.strerror}."
    for path in dumps:
        yield from _problems(path)


def _problems(path: str) -> Iterator[str]:
    """Yield the problems of a dump: of its rows, and duplicate values of ``id``."""
    try:
        with opened.open(path) as dump:
            yield from dump.verify()
            for table in dump.tables:
                yield from _duplicate_keys(path, table)
    except (DumpyError, OSError) as error:
        yield str(error)


def _duplicate_keys(path: str, table: opened.Table) -> Iterator[str]:
    keys = Counter(repr(row[_KEY]) for row in table.rows() if row.get(_KEY) is not None)
    for key in [key for key, count in keys.items() if count > 1]:
        yield f"{path}: two rows are {table.label}(id={key})."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
