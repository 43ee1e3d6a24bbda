"""The function ``execfile`` for scripts."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from dumpy.errors import FixtureError
from dumpy.reading.dump import DumpFile
from dumpy.reading.source import file_source, is_program_file, require_first_line


def execfile(path: str, namespace: dict[str, Any] | None = None) -> None:
    """Run a file in a namespace, by default the namespace of the caller, as in Python 2.

    The rows of a table file, ``loader.save(create_…(…))``, are run one by one in constant memory.
    """
    if namespace is None:
        frame = inspect.currentframe()
        assert frame is not None
        assert frame.f_back is not None
        namespace = frame.f_back.f_globals
    if not _replay(Path(path), namespace):
        code = compile(Path(path).read_bytes(), path, "exec", dont_inherit=True)
        exec(code, namespace)


def _replay(path: Path, namespace: dict[str, Any]) -> bool:
    """Run the rows of a table file with the names of ``namespace``; return False for other files.

    Raises ``FixtureError`` for a damaged file.
    """
    if is_program_file(path) is not False:
        require_first_line(path)
        return False
    file = DumpFile(file_source(path), None)
    if not file.outline.blocks:
        return False
    tables = file.tables(namespace)
    if "loader" not in namespace:
        reason = "its rows need a loader, but the name loader is not defined."
        hint = "Set loader to an object with save(obj) and flush_deferred_objects() first."
        raise FixtureError(file.source.place(), reason, hint)
    loader = namespace["loader"]
    for table in tables:
        create = table.create
        assert create is not None
        for row in table.rows():
            created = create(*row.values)
            # A migrator may have split the row, or dropped it.
            for instance in created if isinstance(created, list) else [created]:
                if instance is not None:
                    loader.save(instance)
    loader.flush_deferred_objects()
    return True
