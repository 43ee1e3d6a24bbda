"""What scripts find at hand."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from dumpy.reading.replay import replay


def execfile(path: str, namespace: dict[str, Any] | None = None) -> None:
    """Run a file in a namespace, that of the caller by default, as Python 2 did.

    The rows of a table file of a dump are called one by one, so that memory stays constant: each
    means ``loader.save(create_…(…))`` in the namespace.
    """
    if namespace is None:
        frame = inspect.currentframe()
        assert frame is not None
        assert frame.f_back is not None
        namespace = frame.f_back.f_globals
    if not replay(Path(path), namespace):
        code = compile(Path(path).read_bytes(), path, "exec", dont_inherit=True)
        exec(code, namespace)
