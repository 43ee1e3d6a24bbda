"""Register ``dumpy`` when it is in ``INSTALLED_APPS``."""

from __future__ import annotations

from django.core import checks, serializers

from dumpy.checks import check_format, check_migrator, check_settings

FORMAT = "py"
MODULE = "dumpy.serializer"


def register() -> None:
    """Make ``py`` a fixture format and register the system checks."""
    # As a builtin the module is imported when a serializer is first asked for, not at start-up,
    # and an entry in SERIALIZATION_MODULES still wins.
    serializers.BUILTIN_SERIALIZERS.setdefault(FORMAT, MODULE)
    checks.register(check_format)
    checks.register(check_settings)
    checks.register(check_migrator)
