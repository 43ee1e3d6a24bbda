"""The Django application."""

from __future__ import annotations

import django
from django.apps import AppConfig
from django.core import checks, serializers
from django.core.exceptions import ImproperlyConfigured


class DumpyConfig(AppConfig):
    """Registers the fixture format ``py`` and the system checks."""

    name = "dumpy"
    verbose_name = "dumpy"

    def ready(self) -> None:
        if django.VERSION < (5, 2):
            version = django.get_version()
            raise ImproperlyConfigured(
                f"dumpy needs Django 5.2 or newer, this is Django {version}."
            )
        from dumpy.checks import check_format, check_migrator, check_settings

        # A builtin serializer is imported when it is first used, not at start-up, and an entry in
        # SERIALIZATION_MODULES still replaces it.
        serializers.BUILTIN_SERIALIZERS.setdefault("py", "dumpy.serializer")
        for check in (check_format, check_settings, check_migrator):
            checks.register(check)
