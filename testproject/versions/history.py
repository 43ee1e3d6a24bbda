"""Five releases of one application, as a site that is upgraded has them one after the other.

``v1`` to ``v5`` are each what was installed: the app ``press``, from 4.0 on also ``people``. A
release has all migrations of the releases before. So that each is written once, the directory of
a release holds only its own, and its package of migrations is spread over the directories of
those before.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

RELEASES = (1, 2, 3, 4, 5)
HERE = Path(__file__).resolve().parent


def directories(package: Iterable[str]) -> list[str]:
    """Return where the migrations of a release are: its own directory after those before it.

    ``package`` is the ``__path__`` of its package of migrations.
    """
    [own] = map(Path, package)
    release = own.parents[1].name
    every = (HERE / f"v{number}" / own.parent.name / own.name for number in RELEASES)
    return [str(path) for path in every if path.parents[1].name <= release and path.is_dir()]
