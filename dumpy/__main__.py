"""``python -m dumpy FILE…``: whether dumps can be read, for hooks that know no project."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator, Sequence

from dumpy.errors import DumpyError, printable_lines
from dumpy.reading import opened
from dumpy.reading.source import dump_of, program_at

_KEY = "id"


def main(arguments: Sequence[str]) -> int:
    """Print what is wrong with the dumps among some files; return 1 if there is anything.

    A file of a directory dump stands for the directory. Other Python files are passed over, as are
    dumps that are programs.
    """
    parser = ArgumentParser("python -m dumpy", description="Check whether dumps can be read.")
    parser.add_argument("paths", nargs="+", metavar="FILE", help="A file or directory of a dump.")
    found = list(_all_problems(parser.parse_args(arguments).paths))
    for problem in found:
        print(printable_lines(problem), file=sys.stderr)
    return 1 if found else 0


def _all_problems(paths: Sequence[str]) -> Iterator[str]:
    """Yield what is wrong with the dumps among some files, and which of them cannot be opened."""
    dumps: dict[str, None] = {}
    for path in paths:
        try:
            if os.path.isdir(path) or program_at(path) is False:
                dumps[str(dump_of(path) or path)] = None
        except OSError as error:
            yield f"{path}: {error.strerror}."
    for path in dumps:
        yield from _problems(path)


def _problems(path: str) -> Iterator[str]:
    """Yield what is wrong with a dump: all rows are read, and keys called ``id`` compared."""
    try:
        with opened.open(path) as dump:
            yield from dump.verify()
            for table in dump.tables:
                yield from _repeated(path, table)
    except (DumpyError, OSError) as error:
        yield str(error)


def _repeated(path: str, table: opened.Table) -> Iterator[str]:
    keys = Counter(repr(row[_KEY]) for row in table.rows() if row.get(_KEY) is not None)
    for key in [key for key, number in keys.items() if number > 1]:
        yield f"{path}: two rows are {table.label}(id={key})."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
