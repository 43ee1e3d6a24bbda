"""Settings of a site that runs one of the releases in ``versions``; PRESS_RELEASE says which."""

from __future__ import annotations

import os
import sys

from . import settings

BASE_DIR = settings.BASE_DIR
RELEASE = os.environ.get("PRESS_RELEASE", "5")
CODE = BASE_DIR / "versions" / f"v{RELEASE}"
sys.path.insert(0, str(CODE))

DATABASES = {"default": settings.database(f"{settings.NAME}_press")}
DEFAULT_AUTO_FIELD = settings.DEFAULT_AUTO_FIELD

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "dumpy",
    "press",
]
if (CODE / "people").is_dir():
    INSTALLED_APPS += ["people"]
MIGRATION_MODULES = settings.MIGRATION_MODULES

DUMPY = {"VERSION": "press.__version__"}
if (CODE / "press" / "migrators.py").is_file():
    DUMPY["MIGRATION_CLASS"] = "press.migrators.PressMigrator"

SECRET_KEY = settings.SECRET_KEY
USE_TZ = True
TIME_ZONE = settings.TIME_ZONE
PASSWORD_HASHERS = settings.PASSWORD_HASHERS
