"""The Django application."""

from __future__ import annotations

from django.apps import AppConfig


class DumpyConfig(AppConfig):
    """Registers the fixture format ``py`` and the system checks."""

    name = "dumpy"
    verbose_name = "dumpy"

    def ready(self) -> None:
        from dumpy import registration

        registration.register()
