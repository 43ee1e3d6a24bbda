"""System checks."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core import checks

from dumpy.conf import configuration, problems


def check_format(app_configs: Any, **_kwargs: Any) -> list[checks.CheckMessage]:
    """``dumpy.E001``: the fixture format ``py`` belongs to another module."""
    module = (getattr(settings, "SERIALIZATION_MODULES", None) or {}).get("py", "dumpy.serializer")
    if module == "dumpy.serializer":
        return []
    return [
        checks.Error(
            f"The fixture format 'py' is taken by {module!r}.",
            hint="Remove 'py' from SERIALIZATION_MODULES, or give the other module another name.",
            id="dumpy.E001",
        )
    ]


def check_settings(app_configs: Any, **_kwargs: Any) -> list[checks.CheckMessage]:
    """``dumpy.E002``: the setting ``DUMPY`` has an unknown key or an invalid value."""
    return [
        checks.Error(sentence, hint=f"Correct or remove {name}.", id="dumpy.E002")
        for name, sentence in problems(getattr(settings, "DUMPY", {}))
    ]


def check_migrator(app_configs: Any, **_kwargs: Any) -> list[checks.CheckMessage]:
    """``dumpy.W001``: the migrator of the project, or one of its steps, cannot be used."""
    if list(problems(getattr(settings, "DUMPY", {}))) or configuration().migration_class is None:
        return []
    # Imported here, because most projects do not need it at start-up.
    from dumpy.migrating.install import migrator_problems

    return [
        checks.Warning(sentence, hint="Correct DUMPY['MIGRATION_CLASS'].", id="dumpy.W001")
        for sentence in migrator_problems()
    ]
