from __future__ import annotations

from django.apps import AppConfig


class ZooConfig(AppConfig):
    """A zoo: every field and every relation there is."""

    name = "zoo"

    def ready(self) -> None:
        from . import receivers  # noqa: F401
