"""Settings of the test project; the environment chooses the engine and says where its server is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(os.environ.get("DUMPY_DATA_DIR", BASE_DIR / "var"))
ENGINE = os.environ.get("DUMPY_TEST_ENGINE", "sqlite")
NAME = os.environ.get("DUMPY_TEST_NAME", "dumpy")


def sqlite(name: str) -> dict[str, Any]:
    """Return the settings of one SQLite database, a file in the data directory."""
    DATA_DIR.mkdir(parents=True, exist_ok=True)
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA_DIR / f"{name}.sqlite3"}


def postgresql(name: str) -> dict[str, Any]:
    """Return the settings of one PostgreSQL database."""
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "HOST": os.environ.get("DUMPY_POSTGRES_HOST", "127.0.0.1"),
        "PORT": os.environ.get("DUMPY_POSTGRES_PORT", "5432"),
        "USER": os.environ.get("DUMPY_POSTGRES_USER", "postgres"),
        "PASSWORD": os.environ.get("DUMPY_POSTGRES_PASSWORD", ""),
        "OPTIONS": {"connect_timeout": 5},
    }


def mysql(name: str) -> dict[str, Any]:
    """Return the settings of one MySQL or MariaDB database."""
    return {
        "ENGINE": "django.db.backends.mysql",
        "NAME": name,
        "HOST": os.environ.get("DUMPY_MYSQL_HOST", "127.0.0.1"),
        "PORT": os.environ.get("DUMPY_MYSQL_PORT", "3306"),
        "USER": os.environ.get("DUMPY_MYSQL_USER", "root"),
        "PASSWORD": os.environ.get("DUMPY_MYSQL_PASSWORD", ""),
        "OPTIONS": {"charset": "utf8mb4", "connect_timeout": 5},
        "TEST": {"CHARSET": "utf8mb4"},
    }


database = {"sqlite": sqlite, "postgresql": postgresql, "mysql": mysql}[ENGINE]

DATABASES = {"default": database(NAME), "other": database(f"{NAME}_other")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.sites",
    "dumpy",
    "music",
    "zoo",
]
if ENGINE == "postgresql":
    INSTALLED_APPS += ["django.contrib.postgres", "pgzoo"]
MIGRATION_MODULES = {"auth": "auth_at_once"}

SECRET_KEY = "for the test project only"
ROOT_URLCONF = "project.urls"
SITE_ID = 1
USE_TZ = True
TIME_ZONE = "Europe/Tallinn"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
MEDIA_ROOT = DATA_DIR / "media"

SILENCED_SYSTEM_CHECKS = [
    "fields.W342",  # zoo has a plain foreign key as a primary key
    "models.W036",  # MariaDB has no conditional unique constraints
    "models.W044",  # nor any on expressions
]
