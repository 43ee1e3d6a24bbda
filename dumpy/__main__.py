"""``python -m dumpy FILE…``: whether dumps can be read, for hooks that know no project."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence

from dumpy.errors import DumpyError, printable_lines
from dumpy.reading import opened
from dumpy.reading.source import dump_of, program_at

_KEY = "id"


def main(paths: Sequence[str]) -> int:
    """Print what is wrong with the dumps among some files; return 1 if there is anything.

    A file of a directory dump stands for the directory. Other Python files are passed over, as are
    dumps that are programs.
    """
    dumps = dict.fromkeys(str(dump_of(path) or path) for path in paths if program_at(path) is False)
    found = [problem for path in dumps for problem in _problems(path)]
    for problem in found:
        print(printable_lines(problem), file=sys.stderr)
    return 1 if found else 0


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
