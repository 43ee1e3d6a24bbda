"""A site with a past: the code of two versions, and dumps of the first one."""

from __future__ import annotations

from sites import Site, Version

APPS = [
    "django.contrib.contenttypes", "django.contrib.auth", "dumpy", "shop", "stock", "fixes",
]  # fmt: skip
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
call_command("dump2py", "dump", verbosity=0)
call_command("dumpdata", format="py", output="dump.py", verbosity=0)
"""
ROWS = {
    "shop_item": [(1, "one", 1100), (7, "two", 2200), (8, "new", 0)],
    "shop_sale": [(5, 7)],
    "stock_place": [(3, 5, "x")],
}
"""What migrations make of the rows of the first version."""
PAST = Version(V1, {"INSTALLED_APPS": APPS}, FILL)


def rows(site: Site) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of the second version."""
    return {
        "shop_item": site.rows("shop_item", "id", "name", "cents"),
        "shop_sale": site.rows("shop_sale", "id", "product_id"),
        "stock_place": site.rows("stock_place", "id", "sale_id", "row"),
    }
