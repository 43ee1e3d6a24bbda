"""A project with geometries, on SpatiaLite, in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import forkserver

ROOT = Path(__file__).resolve().parents[2]
PROBE = """
import sqlite3

from django.contrib.gis import gdal, geos

gdal.gdal_version()
geos.geos_version()
connection = sqlite3.connect(":memory:")
connection.enable_load_extension(True)
connection.load_extension("mod_spatialite")
"""
SETTINGS = """
from pathlib import Path

GIS = "django.contrib.gis"
HERE = Path(__file__).parent
DATABASES = {
    alias: {"ENGINE": f"{GIS}.db.backends.spatialite", "NAME": HERE / f"{alias}.sqlite3"}
    for alias in ("default", "other")
}
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.gis", "dumpy", "maps"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SECRET_KEY = "for this test only"
SPATIALITE_LIBRARY_PATH = "mod_spatialite"
USE_TZ = True
"""
MODELS = """
from django.contrib.gis.db import models


class Place(models.Model):
    point = models.PointField()
    optional_point = models.PointField(null=True)
    point_3d = models.PointField(dim=3, null=True)
    metres = models.PointField(srid=3857, null=True)
    line = models.LineStringField(null=True)
    area = models.PolygonField(srid=3857, null=True)
    area_3d = models.PolygonField(dim=3, null=True)
    areas = models.MultiPolygonField(null=True)
    points = models.MultiPointField(null=True)
    anything = models.GeometryField(null=True)
    collection = models.GeometryCollectionField(null=True)
"""
STORED = """
import json

import django

django.setup()
from django.db import connections

with connections[{alias!r}].cursor() as cursor:
    cursor.execute("SELECT * FROM maps_place ORDER BY id")
    rows = [[v.hex() if isinstance(v, bytes) else v for v in row] for row in cursor]
print(json.dumps(rows))
"""


FILL = """
import django

django.setup()
from django.contrib.gis.geos import *
from django.db.models import Func, Value
from maps.models import Place


def save(pk, **fields):
    sql = {name: value for name, value in fields.items() if isinstance(value, Func)}
    anywhere = dict.fromkeys(["point", *sql], Point(1, 2))
    Place.objects.create(pk=pk, **{**anywhere, **fields, **dict.fromkeys(sql, Point(1, 2))})
    if sql:
        Place.objects.filter(pk=pk).update(**sql)


"""


def trouble() -> str | None:
    """Return why geometries cannot be had here, or None."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, encoding="utf-8", check=False
    )
    return done.stderr.strip().rpartition("\n")[2] if done.returncode else None


@dataclass(frozen=True)
class MapProject:
    """The project in a directory."""

    directory: Path

    def make(self) -> MapProject:
        """Write the project and create its two databases."""
        app = self.directory / "maps"
        app.mkdir()
        (self.directory / "map_settings.py").write_text(SETTINGS)
        (app / "__init__.py").write_text("")
        (app / "models.py").write_text(MODELS)
        self.manage("makemigrations", "maps")
        for alias in ("default", "other"):
            self.manage("migrate", "--database", alias)
        return self

    def manage(self, *args: str) -> str:
        """Run a command; return what it writes."""
        return self.python("-m", "django", *args)

    def python(self, *args: str) -> str:
        """Run Python in the project."""
        done = forkserver.run(
            args,
            cwd=self.directory,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "map_settings",
                "PYTHONPATH": os.pathsep.join([str(self.directory), str(ROOT), *sys.path]),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def fill(self, places: Iterable[str]) -> None:
        """Save these places only: the source of their fields; primary keys count from 1."""
        lines = ["Place.objects.all().delete()"]
        lines += [f"save(pk={pk}, {fields})" for pk, fields in enumerate(places, 1)]
        self.python("-c", FILL + "\n".join(lines))

    def stored(self, alias: str) -> dict[int, Any]:
        """Return the rows as they are stored, by primary key."""
        rows = json.loads(self.python("-c", STORED.format(alias=alias)))
        return {row[0]: row[1:] for row in rows}
