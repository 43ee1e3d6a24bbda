"""A project in processes of its own, whose models change between a dump and its restore."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import forkserver

ROOT = Path(__file__).resolve().parents[2]

SETTINGS = """
INSTALLED_APPS = ["dumpy", "shop"]
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": {database!r}}}}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SECRET_KEY = "for a test only"
USE_TZ = True
DUMPY = {dumpy!r}
"""
OLD = """
from django.db import models


class Client(models.Model):
    title = models.CharField(max_length=100)
    city = models.CharField(max_length=100)
    email = models.EmailField()
    colour = models.CharField(max_length=20, blank=True)
    friends = models.ManyToManyField("self")


class Cache(models.Model):
    key = models.CharField(max_length=20)
"""
NEW = """
from django.db import models


class Customer(models.Model):
    name = models.CharField(max_length=100)
    city = models.CharField(max_length=100)
    email = models.EmailField()
    friends = models.ManyToManyField("self")
    note = models.CharField(max_length=20, blank=True)
"""
FILL = """
from shop.models import Cache, Client
Client.objects.create(title="Ada", city="Paris", email="ada@example.com", colour="red")
Client.objects.create(title="Bach", city="Rome", email="bach@example.com")
Client.objects.get(pk=1).friends.add(2)
Cache.objects.create(key="x")
"""


@dataclass(frozen=True)
class Site:
    """A project with the app ``shop``; its settings are in the package ``corner_shop``."""

    directory: Path

    def configure(self, **dumpy: str) -> None:
        """Write the settings."""
        package = self.directory / "corner_shop"
        package.mkdir(exist_ok=True)
        (package / "__init__.py").touch()
        text = SETTINGS.format(database=str(self.directory / "shop.sqlite3"), dumpy=dumpy)
        (package / "settings.py").write_text(text, encoding="utf-8")

    def write_models(self, text: str) -> None:
        """Write the models, and their only migration."""
        app = self.directory / "shop"
        shutil.rmtree(app, ignore_errors=True)
        (app / "migrations").mkdir(parents=True)
        (app / "migrations" / "__init__.py").touch()
        (app / "__init__.py").touch()
        (app / "models.py").write_text(text, encoding="utf-8")
        self.succeed("makemigrations", "shop", "-v0")

    def manage(self, *args: object) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return forkserver.run(
            ["-m", "django", *args],
            cwd=self.directory,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "corner_shop.settings",
                "PYTHONPATH": os.pathsep.join([str(self.directory), str(ROOT)]),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
        )

    def succeed(self, *args: object) -> str:
        """Run a command, which must succeed; return what it says."""
        done = self.manage(*args)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def shell(self, code: str) -> str:
        """Return what Python prints within the project."""
        return self.succeed("shell", "-v0", "-c", code)
