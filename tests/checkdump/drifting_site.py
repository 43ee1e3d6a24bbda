"""A project whose models change between a dump and its restore; ``corner_shop`` is its package."""

from __future__ import annotations

import shutil

from sites import Site, create_database

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
DUMP = """
from django.core.management import call_command
call_command("migrate", verbosity=0)
{fill}
call_command("dump2py", "backup", overwrite=True, verbosity=0)
"""


def configure(site: Site, **dumpy: str) -> None:
    """Write the settings."""
    site.configure(INSTALLED_APPS=["dumpy", "shop"], DUMPY=dumpy)


def write_models(site: Site, text: str) -> None:
    """Write the models, and their only migration."""
    shutil.rmtree(site.directory / "shop", ignore_errors=True)
    site.write({"shop/models.py": text, "shop/migrations/__init__.py": ""})
    site.succeed("makemigrations", "shop", "-v0")


def dump(site: Site, models: str, fill: str) -> None:
    """Dump rows of models of version 1.0, and leave an empty database."""
    configure(site, VERSION="1.0")
    write_models(site, models)
    site.shell(DUMP.format(fill=fill))
    create_database(site.databases["default"])
