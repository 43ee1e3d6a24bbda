"""A small shop, filled and dumped."""

from __future__ import annotations

from sites import Site, Version

MODELS = """
from django.db import models


class Artist(models.Model):
    name = models.CharField(max_length=100)


class Album(models.Model):
    title = models.CharField(max_length=100)
    artist = models.ForeignKey(Artist, models.CASCADE)
    price = models.DecimalField(max_digits=6, decimal_places=2, null=True)
    similar = models.ManyToManyField("self")
"""
INITIAL = """
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel("Artist", [
            ("id", models.BigAutoField(
                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
            )),
            ("name", models.CharField(max_length=100)),
        ]),
        migrations.CreateModel("Album", [
            ("id", models.BigAutoField(
                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
            )),
            ("title", models.CharField(max_length=100)),
            ("price", models.DecimalField(decimal_places=2, max_digits=6, null=True)),
            ("artist", models.ForeignKey(to="shop.artist", on_delete=models.CASCADE)),
            ("similar", models.ManyToManyField(to="shop.album")),
        ]),
    ]
"""
FILLED = """
from django.db import migrations


def fill(apps, schema_editor):
    Artist = apps.get_model("shop", "Artist")
    Artist.objects.using(schema_editor.connection.alias).create(pk=1, name="by a migration")


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(fill)]
"""
FILL = """
from shop.models import Album, Artist
Artist.objects.filter(pk=1).update(name="Ada")
Artist.objects.create(pk=7, name="Bach \\u2028 'quoted'")
for number in range(1, 26):
    Album.objects.create(pk=3 * number, title=f"Album {number}", artist_id=7, price="9.90")
Album.objects.get(pk=3).similar.add(6)
call_command("dump2py", "dump", verbosity=0)
"""
SHOP = Version(
    {
        "shop/models.py": MODELS,
        "shop/migrations/0001_initial.py": INITIAL,
        "shop/migrations/0002_fill.py": FILLED,
    },
    {"INSTALLED_APPS": ["django.contrib.contenttypes", "dumpy", "shop"]},
    FILL,
)
TABLES = ("shop_artist", "shop_album")


def data(site: Site, alias: str = "default") -> dict[str, list[str]]:
    """Return the rows of the tables of the app, without the keys that nobody sees."""
    found = site.contents(alias)
    links = site.execute("SELECT from_album_id, to_album_id FROM shop_album_similar", alias)
    tables = {name: rows for name, rows in found.items() if name in TABLES}
    return {**tables, "shop_album_similar": sorted(map(repr, links))}
