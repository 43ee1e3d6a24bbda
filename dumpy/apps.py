"""The Django application."""

from __future__ import annotations

import django
from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured


class DumpyConfig(AppConfig):
    """Registers the fixture format ``py`` and the system checks."""

    name = "dumpy"
    verbose_name = "dumpy"

    def ready(self) -> None:
        if django.VERSION < (5, 2):
            found = django.get_version()
            raise ImproperlyConfigured(f"dumpy needs Django 5.2 or newer, this is Django {found}.")
        from dumpy import registration

        registration.register()
