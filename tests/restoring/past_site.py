"""A site with a past: the code of two versions, and dumps of the first one."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from small_site import Site

V1 = {
    "shop/models.py": """
from django.conf import settings
from django.db import models


class Product(models.Model):
    title = models.CharField(max_length=50, unique=True)
    codes = models.JSONField(null=True)
    price = models.IntegerField()
    similar = models.ManyToManyField("self")
    about = models.ForeignKey("contenttypes.ContentType", models.CASCADE, null=True)

    objects = models.Manager.from_queryset(
        type("Products", (models.QuerySet,), {
            "get_by_natural_key": lambda self, title: self.get(title=title)
        })
    )()

    def natural_key(self):
        return (self.title,)


class Sale(models.Model):
    product = models.ForeignKey(Product, models.CASCADE)
    seller = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True)
""",
    "shop/migrations/0001_initial.py": """
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = [
        ("contenttypes", "0002_remove_content_type_name"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.CreateModel("Product", [
            ("id", models.BigAutoField(primary_key=True)),
            ("title", models.CharField(max_length=50, unique=True)),
            ("price", models.IntegerField()),
            ("similar", models.ManyToManyField(to="shop.product")),
            ("about", models.ForeignKey("contenttypes.ContentType", models.CASCADE, null=True)),
        ]),
        migrations.CreateModel("Sale", [
            ("id", models.BigAutoField(primary_key=True)),
            ("product", models.ForeignKey("shop.Product", models.CASCADE)),
            ("seller", models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True)),
        ]),
    ]
""",
    "shop/migrations/0002_codes.py": """
from django.db import migrations, models


def fill(apps, schema_editor):
    Product = apps.get_model("shop", "Product")
    Product.objects.using(schema_editor.connection.alias).create(pk=1, title="first", price=1)


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [
        migrations.AddField("product", "codes", models.JSONField(null=True)),
        migrations.RunPython(fill),
    ]
""",
    "stock/models.py": """
from django.db import models


class Place(models.Model):
    sale = models.ForeignKey("shop.Sale", models.CASCADE, null=True, db_constraint=False)
    row = models.CharField(max_length=5)
""",
    "fixes/migrations/0001_once.py": """
from django.db import migrations


def once(apps, schema_editor):
    for product in apps.get_model("shop", "Product").objects.all():
        product.price += 1000
        product.save()


class Migration(migrations.Migration):
    dependencies = [("shop", "0002_codes")]
    operations = [migrations.RunPython(once)]
""",
}
"""The code of the first version: `stock` has no migrations, `fixes` has no models."""

RENAME = """
from django.db import migrations, models


def more(apps, schema_editor):
    Item = apps.get_model("shop", "Item")
    for item in Item.objects.all():
        item.cents = item.price * 100
        item.save()
    Item.objects.create(name="new", price=0, cents=0)


class Migration(migrations.Migration):
    dependencies = [("shop", "0002_codes")]
    operations = [
        migrations.RenameModel("Product", "Item"),
        migrations.RenameField("item", "title", "name"),
        migrations.AddField("item", "cents", models.IntegerField(null=True)),
        migrations.RunPython(more),
        migrations.AlterField("item", "cents", models.IntegerField()),
    ]
"""
LATER = """
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("shop", "0003_rename")]
    operations = [migrations.RemoveField("item", "price")]
"""
V2 = {
    "shop/models.py": """
from django.conf import settings
from django.db import models


class Item(models.Model):
    name = models.CharField(max_length=50, unique=True)
    codes = models.JSONField(null=True)
    cents = models.IntegerField()
    similar = models.ManyToManyField("self")
    about = models.ForeignKey("contenttypes.ContentType", models.CASCADE, null=True)


class Sale(models.Model):
    product = models.ForeignKey(Item, models.CASCADE)
    seller = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True)
""",
    "shop/migrations/0003_rename.py": RENAME,
    "shop/migrations/0004_later.py": LATER,
}
FILL = """
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from shop.models import Product, Sale
from stock.models import Place
Product.objects.filter(pk=1).update(title="one", price=11)
two = Product.objects.create(pk=7, title="two", codes={"a": [1.0, None]}, price=22)
two.about = ContentType.objects.get_for_model(Sale)
two.save()
two.similar.add(1)
group = Group.objects.create(pk=4, name="sellers")
group.permissions.add(Permission.objects.get(codename="view_sale"))
ada = User.objects.create(pk=9, username="ada")
ada.groups.add(group)
sale = Sale.objects.create(pk=5, product=two, seller=ada)
Place.objects.create(pk=3, sale=sale, row="x")
"""
ROWS = {
    "shop_item": [(1, "one", 1100), (7, "two", 2200), (8, "new", 0)],
    "shop_sale": [(5, 7)],
    "stock_place": [(3, 5, "x")],
}
"""What migrations make of the rows of the first version."""


class PastSite(Site):
    """A site whose code a test may change: it has a directory of its own."""

    def make(self) -> None:
        """Write the first version, and make a database and dumps of it."""
        for app in ("shop", "stock", "fixes"):
            (self.directory / app).mkdir()
            (self.directory / app / "__init__.py").touch()
        self.write(V1)
        for app in ("shop", "fixes"):
            (self.directory / app / "migrations" / "__init__.py").touch()
        self.write({"site_settings.py": self._settings()})
        self.succeed("migrate", "-v0", "--run-syncdb")
        self.succeed("shell", "-v0", "-c", FILL)
        self.dump("dump")
        self.succeed("dumpdata", "--format=py", "-o", self.directory / "dump.py")

    def _settings(self) -> str:
        return super()._settings().replace("'dumpy', 'shop'", f"*{self.installed()!r}")

    @staticmethod
    def installed() -> list[str]:
        """Return the apps beside content types."""
        return ["django.contrib.auth", "dumpy", "shop", "stock", "fixes"]

    def copied(self, directory: Path) -> PastSite:
        """Return the same site with a copy of the code."""
        shutil.copytree(self.directory, directory, ignore=shutil.ignore_patterns("*.sqlite3"))
        return replace(self, directory=directory)

    def write(self, files: dict[str, str]) -> None:
        """Write files."""
        for name, text in files.items():
            path = self.directory / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def edit(self, name: str, old: str, new: str) -> None:
        """Edit a file as a person would."""
        text = (self.directory / name).read_text(encoding="utf-8")
        assert old in text
        self.write({name: text.replace(old, new)})

    def remove(self, names: Iterable[str]) -> None:
        """Remove files."""
        for name in names:
            (self.directory / name).unlink()

    def install(self, *apps: str, without: str = "") -> None:
        """Install more apps, or one less."""
        installed = [app for app in [*self.installed(), *apps] if app != without]
        self.edit("site_settings.py", f"*{self.installed()!r}", f"*{installed!r}")

    @property
    def the_dump(self) -> Path:
        """The directory."""
        return self.directory / "dump"

    @property
    def the_file(self) -> Path:
        """The single file."""
        return self.directory / "dump.py"

    def restore_file(self, *args: object) -> str:
        """Restore the single file without being asked; return what is said."""
        return self.succeed("restore", self.the_file, "-b", *args)

    def refuse_file(self, *args: object) -> str:
        """Let a restore of the single file fail, as one of a directory."""
        before = self.contents()
        said = self.fail("restore", self.the_file, "-b", *args)
        assert self.contents() == before
        assert "Traceback" not in said
        return said

    def refuse(self, path: Path, *args: object) -> str:
        """Let a restore fail, which must leave the database as it was; return what is said."""
        said = super().refuse(path, *args)
        assert "Traceback" not in said
        return said

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        """Return the rows of the second version."""
        columns = {
            "shop_item": "id, name, cents",
            "shop_sale": "id, product_id",
            "stock_place": "id, sale_id, row",
        }
        quoted = self.connection().ops.quote_name("row")
        return {
            table: self.execute(f"SELECT {names.replace('row', quoted)} FROM {table} ORDER BY id")
            for table, names in columns.items()
        }
