"""What the projects have in common: which database a process works on is in the environment.

``ENGINE`` is ``sqlite`` or ``postgresql``, ``PLACE`` a directory for files, ``GROUP`` the name of
the project, ``DATABASE`` which of its two databases is the default one, ``first`` or ``second``;
the other one has the alias ``other``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

ENGINE = os.environ.get("ENGINE", "sqlite")
PLACE = Path(os.environ.get("PLACE", "."))
GROUP = os.environ.get("GROUP", "group")
DATABASE = os.environ.get("DATABASE", "first")
OTHER = {"first": "second", "second": "first"}


def database(which: str) -> dict[str, Any]:
    """Return the settings of one of the two databases."""
    if ENGINE == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(PLACE / f"{which}.sqlite3")}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": f"dumpy_{GROUP}_{which}",
        "HOST": os.environ.get("DUMPY_POSTGRES_HOST", "127.0.0.1"),
        "PORT": os.environ.get("DUMPY_POSTGRES_PORT", "5432"),
        "USER": os.environ.get("DUMPY_POSTGRES_USER", "postgres"),
        "PASSWORD": os.environ.get("DUMPY_POSTGRES_PASSWORD", ""),
    }


DATABASES = {"default": database(DATABASE), "other": database(OTHER[DATABASE])}
SECRET_KEY = "for tests only"
DEBUG = False
USE_TZ = True
TIME_ZONE = "Europe/Tallinn"
LANGUAGE_CODE = "en"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "/static/"
MEDIA_ROOT = str(PLACE / "media")
MEDIA_URL = "/media/"
SITE_ID = 1
ALLOWED_HOSTS = ["*"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
CONTRIB_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.sites",
    "django.contrib.staticfiles",
    "dumpy",
]
CONTEXT_PROCESSORS = [
    "django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
]
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": CONTEXT_PROCESSORS},
    }
]
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
