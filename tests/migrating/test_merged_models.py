"""Models that become one, with the permissions on them, in a restore."""

from __future__ import annotations

import pytest
from sites import Site, Version

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

MODEL = """

class {name}(models.Model):
    title = models.CharField(max_length=60)
"""
HEAD = "from django.db import models\n"
FILL = """
from django.contrib.auth.models import Group, Permission
from shop.models import Photo, Video
Photo.objects.create(pk=1, title="a photo")
Video.objects.create(pk=2, title="a video")
names = ["add_photo", "add_video", "view_video"]
Group.objects.create(name="all").permissions.set(Permission.objects.filter(codename__in=names))
"""
MIGRATORS = """
from dumpy import Migrator


class ShopMigrator(Migrator):
    def migrate_from_1_0(self, globals_dict):
        '''Photos and videos are media.'''
        self.rename_model("shop.Photo", "shop.Media")
        self.rename_model("shop.Video", "shop.Media")
        return "2.0"
"""
APPS = ["django.contrib.contenttypes", "django.contrib.auth", "dumpy", "shop"]


BEFORE = Version(
    {
        "shop/models.py": HEAD + "".join(MODEL.format(name=name) for name in ("Photo", "Video")),
    },
    {
        "INSTALLED_APPS": APPS,
        "DUMPY": {"VERSION": "1.0"},
    },
    FILL,
)
AFTER = Version(
    {"shop/models.py": HEAD + MODEL.format(name="Media"), "shop/migrators.py": MIGRATORS},
    {"DUMPY": {"VERSION": "2.0", "MIGRATION_CLASS": "shop.migrators.ShopMigrator"}},
)


GRANTED = """
SELECT p.codename FROM auth_group_permissions g JOIN auth_permission p ON p.id = g.permission_id
ORDER BY 1
"""


@pytest.mark.parametrize("whole", [True, False], ids=["directory", "file"])
def test_the_grants_of_both_are_those_of_the_one(shop: Site, whole: bool) -> None:
    if whole:
        shop.restore(shop.the_dump)
    else:
        shop.succeed("restore", shop.the_file, "-b")
    assert shop.rows("shop_media", "id", "title") == [(1, "a photo"), (2, "a video")]
    assert shop.execute(GRANTED) == [("add_media",), ("view_media",)]
