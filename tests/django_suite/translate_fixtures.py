"""Turns the JSON fixtures of Django's tests into dumps; run in its directory of tests."""

from __future__ import annotations

from pathlib import Path

import django
from django.conf import settings

APPS = ("fixtures", "fixtures_regress", "fixtures_model_package")
CONTRIB = tuple(f"django.contrib.{app}" for app in ("contenttypes", "auth", "sites"))


def main() -> None:
    """Translate all fixtures below the current directory."""
    settings.configure(
        INSTALLED_APPS=[*CONTRIB, *APPS],
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        USE_TZ=False,
    )
    django.setup()
    from translation import translate

    for app in APPS:
        for path in sorted(Path(app).rglob("*.json*")):
            if path.suffix != ".jsonl":
                translate(path)


if __name__ == "__main__":
    main()
