"""Settings of a Lino site with the tables of ``benchmarks.plain``; run by Lino's own Python."""

from __future__ import annotations

from lino.api.ad import Site

from benchmarks import settings
from benchmarks.settings import SECRET_KEY, USE_TZ

__all__ = ["DATABASES", "SECRET_KEY", "SITE", "USE_TZ"]


class Bench(Site):
    """As little of a site as starts."""

    default_ui = "lino_react.react"

    def get_installed_plugins(self):  # type: ignore[no-untyped-def]
        """Yield the names of the apps."""
        yield super().get_installed_plugins()
        yield "benchmarks.plain"


SITE = Bench(globals())
# Lino puts a database of its own beside the settings.
DATABASES = settings.DATABASES
