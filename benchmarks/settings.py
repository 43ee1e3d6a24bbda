"""Settings of the processes that measure; the environment names the databases."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "testproject"))

from project import settings as project

_database = {"sqlite": project.sqlite, "postgresql": project.postgresql, "mysql": project.mysql}[
    os.environ.get("DUMPY_TEST_ENGINE", "sqlite")
]

DATABASES = {
    "default": _database(f"{project.NAME}_source"),
    "target": _database(f"{project.NAME}_target"),
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = os.environ.get("DUMPY_BENCH_APPS", "benchmarks.shop").split()
SECRET_KEY = "for benchmarks only"
USE_TZ = True
