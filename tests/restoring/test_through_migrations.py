"""`--through-migrations`: an old dump, loaded with the models of its time, and migrated."""

from __future__ import annotations

import gzip
import re
import shutil

import pytest
from django.db import connections, models
from django.test.utils import isolate_apps
from dumps import resealed
from past_site import LATER, ROWS, rows
from sites import Site

from dumpy.restoring.schema import missing_columns

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = [pytest.mark.django_db, pytest.mark.django]

THROUGH = "--through-migrations"
CONCURRENTLY = """
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


def more(apps, schema_editor):
    for item in apps.get_model("shop", "Item").objects.all():
        item.pk, item.name = None, item.name + " again"
        item.save()


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("shop", "0004_later")]
    operations = [
        {first}
        AddIndexConcurrently("item", models.Index(fields=["cents"], name="by_cents")),
    ]
"""


@pytest.mark.sql
def test_the_rows_of_a_directory_are_migrated(site: Site) -> None:
    said = site.restore(site.the_dump, THROUGH)
    assert said.endswith("Restored.\n")
    assert rows(site) == ROWS


def test_the_rows_of_a_file_are_migrated(site: Site) -> None:
    assert site.restore_file(THROUGH).endswith("Restored.\n")
    assert rows(site) == ROWS


def test_a_file_may_be_compressed(site: Site) -> None:
    packed = site.directory / "dump.py.gz"
    packed.write_bytes(gzip.compress(site.the_file.read_bytes()))
    site.succeed("restore", packed, "-b", THROUGH)
    assert rows(site) == ROWS


@pytest.mark.sql
def test_content_types_and_permissions_are_those_of_today(site: Site) -> None:
    site.restore(site.the_dump, THROUGH)
    models = site.execute("SELECT model FROM django_content_type WHERE app_label = 'shop'")
    assert sorted(models) == [("item",), ("sale",)]
    codenames = site.execute("SELECT codename FROM auth_permission WHERE codename LIKE 'view_%'")
    assert {("view_item",), ("view_sale",)} <= set(codenames)


def test_no_model_of_today_is_said_to_be_missing(site: Site) -> None:
    """No dump says to which migration sessions had come: they are not in it."""
    settings = site.directory / "site_settings.py"
    more = "INSTALLED_APPS += ['django.contrib.sessions']\n"
    settings.write_text(settings.read_text() + more)
    text = site.the_file.read_text()
    name = "natural('contenttypes.ContentType', 'shop', 'sale')"
    site.the_file.write_text(
        text.replace(name, name.replace("'shop', 'sale'", "'sessions', 'session'"))
    )
    assert "There is no model" not in site.restore_file(THROUGH)


@pytest.mark.sql
def test_references_to_content_types_and_grants_are_kept(site: Site) -> None:
    site.restore(site.the_dump, THROUGH)
    about = site.execute(
        "SELECT c.model FROM shop_item i JOIN django_content_type c ON c.id = i.about_id"
    )
    assert about == [("sale",)]
    granted = site.execute(
        "SELECT p.codename FROM auth_group_permissions g "
        "JOIN auth_permission p ON p.id = g.permission_id WHERE g.group_id = 4"
    )
    assert granted == [("view_sale",)]


@pytest.mark.sql
def test_the_next_keys_are_free(site: Site) -> None:
    site.restore(site.the_dump, THROUGH)
    site.execute("INSERT INTO shop_sale (product_id) VALUES (1)")
    assert site.execute("SELECT id FROM shop_sale WHERE product_id = 1") == [(6,)]


def test_migrations_that_were_applied_are_not_applied_to_the_rows_again(first: Site) -> None:
    """Of an app without models there are no rows in the dump."""
    first.restore(first.the_dump, THROUGH)
    assert first.execute("SELECT price FROM shop_product ORDER BY id") == [(11,), (22,)]


@pytest.mark.postgresql
@pytest.mark.parametrize("before", ["", "migrations.RunPython(more),"])
def test_an_index_that_is_made_concurrently_is_made_in_the_transaction(
    site: Site, before: str
) -> None:
    site.write({"shop/migrations/0005_index.py": CONCURRENTLY.format(first=before)})
    site.restore(site.the_dump, THROUGH)
    assert site.execute("SELECT 1 FROM pg_indexes WHERE indexname = 'by_cents'") == [(1,)]


def test_a_dry_run_changes_nothing(site: Site) -> None:
    before = site.contents()
    assert "Nothing was changed." in site.restore(site.the_dump, THROUGH, "--dry-run")
    assert site.contents() == before


@pytest.mark.sql
def test_the_database_may_be_that_of_any_version(site: Site) -> None:
    """A table that is gone by now would be in the way."""
    gone = LATER.replace("0003_rename", "0004_later").replace(
        'RemoveField("item", "price")', '{}("Gone"{})'
    )
    create = ", [('id', models.BigAutoField(primary_key=True))]"
    made = gone.format("CreateModel", create).replace("migrations\n", "migrations, models\n", 1)
    site.write({"shop/migrations/0005_gone.py": made})
    site.restore(site.the_dump, THROUGH)
    assert "shop_gone" in site.contents()
    removed = gone.format("DeleteModel", "").replace("0004_later", "0005_gone")
    site.write({"shop/migrations/0006_away.py": removed})
    site.restore(site.the_dump, THROUGH)
    assert "shop_gone" not in site.contents()


@pytest.mark.sql
def test_references_by_natural_key_find_rows_of_the_past(first: Site) -> None:
    options = "--natural-foreign", "--natural-primary", "--format=py"
    first.restore(first.the_dump)
    first.succeed("dumpdata", *options, "-o", first.the_file)
    text = first.the_file.read_text()
    for label, key in [
        ("shop.Product", "'two'"),
        ("auth.Group", "'sellers'"),
        ("auth.Permission", "'view_sale', 'shop', 'sale'"),
        ("auth.User", "'ada'"),
    ]:
        assert f"natural('{label}', {key})" in text
    first.restore_file(THROUGH)
    assert first.execute(
        "SELECT s.id, p.title FROM shop_sale s JOIN shop_product p ON p.id = s.product_id"
    ) == [(5, "two")]
    assert len(first.execute("SELECT id FROM auth_group_permissions")) == 1


def test_a_natural_key_of_a_model_that_is_gone_is_refused_with_its_row(site: Site) -> None:
    text = site.the_file.read_text()
    site.the_file.write_text(
        text.replace("shop_sale(5, 7, 9)", "shop_sale(5, natural('shop.Product', 'two'), 9)")
    )
    said = site.refuse_file(THROUGH)
    assert "what a natural key of shop.Product means is not known" in said
    assert "shop.Sale(pk=5)" in said


# What keeps a dump out while it is loaded and migrated: the database is as it was.


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero."),
        ("exit(3)", "it ends the process with sys.exit(3)."),
        ("exit(0)", "it ends the process with sys.exit(0)."),
    ],
)
def test_a_data_migration_that_fails_is_named(site: Site, code: str, reason: str) -> None:
    site.edit("shop/migrations/0003_rename.py", ("item.save()", f"from sys import exit; {code}"))
    said = site.refuse(site.the_dump, THROUGH)
    assert f"The migration shop.0003_rename has failed: {reason}" in said
    assert "The database is as it was." in said


def test_a_row_that_does_not_fit_the_models_of_the_past_is_named(site: Site) -> None:
    site.edit("dump/shop_sale.py", ("(5, 7, 9)", "(5, 70, 9)"))
    resealed(site.the_dump, "shop_sale.py")
    said = site.refuse(site.the_dump, THROUGH)
    assert "shop_sale.py:4: shop.Sale(pk=5): product_id=70 refers to a row of shop.Product" in said


def test_content_that_is_not_the_dumps_is_refused(site: Site) -> None:
    """The columns of the past come in another order than those of the class had."""
    site.edit("dump/shop_product.py", ("'two'", "'three'"))
    resealed(site.the_dump, "shop_product.py")
    said = site.refuse(site.the_dump, THROUGH)
    assert "the content of shop.Product is not that of the dump" in said


@pytest.mark.sql
def test_rows_that_a_migration_breaks_are_refused(site: Site) -> None:
    code = "apps.get_model('shop', 'Sale').objects.update(product_id=99)"
    site.edit(
        "shop/migrations/0003_rename.py", ("    Item.objects.c", f"    {code}\n    Item.objects.c")
    )
    assert "shop_sale" in site.refuse(site.the_dump, THROUGH)


# Code.


def test_code_in_restore_finds_the_models_of_the_past(site: Site) -> None:
    site.edit(
        "dump/restore.py",
        ("# dumpy: format 1", "# dumpy: program 1"),
        ("        title=title", "        title=title.upper()"),
    )
    site.restore(site.the_dump, THROUGH)
    assert rows(site)["shop_item"][:2] == [(1, "ONE", 1100), (7, "TWO", 2200)]


def test_an_option_that_is_cut_short_is_refused(site: Site) -> None:
    """It would be looked for in vain before the script is run."""
    said = site.refuse(site.the_dump, "--through")
    assert "unrecognized arguments: --through" in said


def test_code_in_a_file_finds_the_models_of_the_past(site: Site) -> None:
    site.edit(
        "dump.py",
        ("# dumpy: format 1", "# dumpy: program 1"),
        ("        title=title", "        title=title.upper()"),
    )
    site.restore_file(THROUGH)
    assert rows(site)["shop_item"][:2] == [(1, "ONE", 1100), (7, "TWO", 2200)]


def test_code_in_restore_that_fails_is_named(site: Site) -> None:
    site.edit(
        "dump/restore.py",
        ("# dumpy: format 1", "# dumpy: program 1"),
        ("TABLES = [", "1 / 0\nTABLES = ["),
    )
    said = site.refuse(site.the_dump, THROUGH)
    assert "restore.py" in said
    assert "ZeroDivisionError" in said


# Squashed migrations.

SQUASHED = """
from django.db import migrations, models
from shop.migrations import made


class Migration(migrations.Migration):
    initial = True
    replaces = {replaces!r}
    dependencies = [("contenttypes", "0002_remove_content_type_name")]
    operations = made.operations({names!r})
"""
MADE = """
from importlib import import_module


def operations(names):
    return [
        operation
        for name in names
        for operation in import_module(f"shop.old.{name}").Migration.operations
    ]
"""


def squash(site: Site, *names: str, keep: bool = False) -> None:
    """Squash migrations; those that they replace stay only if they are to be kept."""
    migrations = site.directory / "shop" / "migrations"
    shutil.copytree(migrations, site.directory / "shop" / "old")
    replaces = [("shop", name) for name in names]
    site.write(
        {
            "shop/migrations/made.py": MADE,
            "shop/migrations/0001_squashed.py": SQUASHED.format(replaces=replaces, names=names),
        }
    )
    migrations.joinpath("made.py").rename(migrations / "_made.py")
    site.edit("shop/migrations/0001_squashed.py", ("import made", "import _made as made"))
    if not keep:
        site.remove(f"shop/migrations/{name}.py" for name in names)


@pytest.mark.parametrize("keep", [True, False])
def test_a_migration_that_was_squashed_since_is_applied_by_the_squashed_one(
    site: Site, keep: bool
) -> None:
    squash(site, "0001_initial", "0002_codes", keep=keep)
    site.restore(site.the_dump, THROUGH)
    assert rows(site) == ROWS


def test_a_migration_in_the_middle_of_a_squashed_one_is_applied(site: Site) -> None:
    squash(site, "0001_initial", "0002_codes", "0003_rename", keep=True)
    site.restore(site.the_dump, THROUGH)
    assert rows(site) == ROWS


def test_a_migration_in_the_middle_of_what_is_gone_is_refused(site: Site) -> None:
    squash(site, "0001_initial", "0002_codes", "0003_rename")
    said = site.refuse(site.the_dump, THROUGH)
    assert "shop.0002_codes, which is in the middle of shop.0001_squashed" in said


def test_a_dump_that_names_a_squashed_migration_is_restored(site: Site) -> None:
    squash(site, "0001_initial", "0002_codes")
    site.edit("dump/restore.py", ("0002_codes", "0001_squashed"))
    site.restore(site.the_dump, THROUGH)
    assert rows(site) == ROWS


def test_a_dump_names_the_migration_that_is_there_not_what_it_has_replaced(
    first: Site,
) -> None:
    first.restore(first.the_dump)
    squash(first, "0001_initial", "0002_codes")
    first.succeed("migrate", "-v0")
    first.edit("shop/migrations/0001_squashed.py", ("replaces = ", "replaced = "))
    first.edit("fixes/migrations/0001_once.py", ("0002_codes", "0001_squashed"))
    assert "'shop': '0001_squashed'" in (first.dump("again") / "restore.py").read_text()


AN_APP = {
    "goods/__init__.py": "",
    "goods/models.py": """
from django.db import models


class Product(models.Model):
    title = models.CharField(max_length=50, unique=True)
    price = models.IntegerField()
    similar = models.ManyToManyField("self")
    about = models.ForeignKey("contenttypes.ContentType", models.CASCADE, null=True)
    codes = models.JSONField(null=True)


class Sale(models.Model):
    product = models.ForeignKey(Product, models.CASCADE)
    seller = models.ForeignKey("auth.User", models.CASCADE, null=True)
""",
    "goods/migrations/__init__.py": "",
    "goods/migrations/0001_from_shop.py": """
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    replaces = [("shop", "0001_initial"), ("shop", "0002_codes")]
    dependencies = [("contenttypes", "0002_remove_content_type_name")]
    operations = [
        migrations.CreateModel("Product", [
            ("id", models.BigAutoField(primary_key=True)),
            ("title", models.CharField(max_length=50, unique=True)),
            ("price", models.IntegerField()),
            ("similar", models.ManyToManyField(to="goods.product")),
            ("about", models.ForeignKey("contenttypes.ContentType", models.CASCADE, null=True)),
            ("codes", models.JSONField(null=True)),
        ]),
        migrations.CreateModel("Sale", [
            ("id", models.BigAutoField(primary_key=True)),
            ("product", models.ForeignKey("goods.Product", models.CASCADE)),
            ("seller", models.ForeignKey("auth.User", models.CASCADE, null=True)),
        ]),
    ]
""",
}


@pytest.mark.sql
def test_an_app_whose_migrations_were_replaced_by_those_of_another_is_followed(
    first: Site,
) -> None:
    first.write(AN_APP)
    first.install("goods", without="shop")
    first.edit(
        "fixes/migrations/0001_once.py", ('"shop", "0002_codes"', '"goods", "0001_from_shop"')
    )
    first.edit("fixes/migrations/0001_once.py", ('"shop"', '"goods"'))
    first.edit("stock/models.py", ("shop.Sale", "goods.Sale"))
    first.restore(first.the_dump, THROUGH)
    assert first.execute("SELECT id, title, price FROM goods_product ORDER BY id") == [
        (1, "one", 11),
        (7, "two", 22),
    ]


# What is refused before the first write.


def test_a_migration_that_the_project_does_not_have_is_refused(site: Site) -> None:
    site.edit("dump/restore.py", ("0002_codes", "0002_other"))
    said = site.refuse(site.the_dump, THROUGH)
    assert "names the migration shop.0002_other, which the project does not have" in said
    assert "its newest of this app is 0004_later" in said


def test_an_app_that_is_gone_is_refused(site: Site) -> None:
    site.install(without="shop")
    site.remove(["fixes/migrations/0001_once.py"])
    site.edit("stock/models.py", ('"shop.Sale"', '"auth.User"'))
    said = site.refuse(site.the_dump, THROUGH)
    assert "The app 'shop' is not installed" in said
    assert "fixes.0001_once, which the project does not have; it has none of this app" in said


def test_a_dump_without_migrations_is_refused(site: Site) -> None:
    text = (site.the_dump / "restore.py").read_text()
    empty = re.sub("SOURCE_MIGRATIONS = {.*?}", "SOURCE_MIGRATIONS = {}", text, flags=re.DOTALL)
    site.write({"dump/restore.py": empty})
    assert "SOURCE_MIGRATIONS is empty" in site.refuse(site.the_dump, THROUGH)


def test_a_dump_of_another_project_is_refused(site: Site) -> None:
    site.write(
        {
            "site_settings.py": (site.directory / "site_settings.py").read_text()
            + "INSTALLED_APPS = ['dumpy', 'django.contrib.sites']\n"
        }
    )
    said = site.refuse(site.the_dump, THROUGH)
    assert "It is of another project: none of its apps (auth, shop, stock) is installed" in said


def test_an_app_that_had_no_migrations_then_is_refused(site: Site) -> None:
    site.write(
        {
            "stock/migrations/__init__.py": "",
            "stock/migrations/0001_initial.py": "from django.db import migrations, models\n\n\n"
            "class Migration(migrations.Migration):\n"
            "    operations = [migrations.CreateModel('Place', ["
            "('id', models.BigAutoField(primary_key=True)), "
            "('sale', models.BigIntegerField(null=True)), "
            "('row', models.CharField(max_length=5))])]\n",
        }
    )
    said = site.refuse(site.the_dump, THROUGH)
    assert "The dump names no migration of 'stock', whose rows it has" in said
    assert "such as 'stock': '0001_initial'" in said


def test_an_app_without_migrations_may_not_refer_to_a_model_of_later(site: Site) -> None:
    site.edit("stock/models.py", ("shop.Sale", "shop.Item"))
    said = site.refuse(site.the_dump, THROUGH)
    assert "stock.Place.sale, of an app without migrations, refers to shop.item" in said


def test_migrations_that_need_later_ones_than_the_dump_names_are_refused(site: Site) -> None:
    site.edit("fixes/migrations/0001_once.py", ("0002_codes", "0003_rename"))
    said = site.refuse(site.the_dump, THROUGH)
    assert "Migrations that the dump names need shop.0003_rename, but of this app" in said


def test_a_later_migration_that_others_need_and_that_changes_rows_alone_is_refused(
    first: Site,
) -> None:
    code = (first.directory / "fixes/migrations/0001_once.py").read_text()
    first.write({"shop/migrations/0003_dearer.py": code})
    first.edit("fixes/migrations/0001_once.py", ("0002_codes", "0003_dearer"))
    assert "shop.0003_dearer: RunPython: once()" in first.refuse(first.the_dump)
    assert "need shop.0003_dearer" in first.refuse(first.the_dump, THROUGH)


USERS = {
    "people/__init__.py": "",
    "people/migrations/__init__.py": "",
    "people/models.py": """
from django.contrib.auth.models import AbstractBaseUser
from django.db import models


class Person(AbstractBaseUser):
    username = models.CharField(max_length=50, unique=True)
    is_superuser = is_staff = is_active = True
    USERNAME_FIELD = "username"
""",
}


def test_users_that_were_swapped_since_are_refused(site: Site) -> None:
    site.write(USERS)
    site.install("people")
    settings = (site.directory / "site_settings.py").read_text()
    site.write({"site_settings.py": f"{settings}AUTH_USER_MODEL = 'people.Person'\n"})
    site.succeed("makemigrations", "people", "-v0")
    said = site.refuse(site.the_dump, THROUGH)
    assert "rows of auth.User, which is swapped for people.Person" in said
    assert "Set AUTH_USER_MODEL to its value" in said


def test_users_that_were_not_there_yet_are_refused(site: Site) -> None:
    site.write(USERS)
    site.install("people")
    settings = (site.directory / "site_settings.py").read_text()
    site.write(
        {
            "site_settings.py": f"{settings}AUTH_USER_MODEL = 'people.Person'\n",
            "people/migrations/0001_nobody.py": "from django.db import migrations\n\n\n"
            "class Migration(migrations.Migration):\n    pass\n",
        }
    )
    site.succeed("makemigrations", "people", "-v0")
    said = site.refuse(site.the_dump, THROUGH)
    assert "AUTH_USER_MODEL is people.Person, which did not exist" in said


def test_users_that_were_swapped_then_are_refused(site: Site) -> None:
    site.write(USERS)
    site.install("people")
    site.succeed("makemigrations", "people", "-v0")
    site.edit("dump.py", ("'fixes'", "'people': '0001_initial', 'fixes'"))
    site.edit("dump.py", ("resolve_model('auth.User')", "resolve_model('people.Person')"))
    said = site.refuse_file(THROUGH)
    assert "the dump does not fit the models here; nothing was written" in said


def test_it_is_suggested_for_an_older_dump_that_does_not_fit(site: Site) -> None:
    said = site.refuse(site.the_dump)
    assert "shop.Product: was renamed to shop." in said
    assert "restore with --through-migrations" in said
    assert "restore with --through-migrations" in site.refuse_file()


def test_it_is_not_suggested_for_a_dump_that_is_not_older(first: Site) -> None:
    first.edit("dump/restore.py", ("        price=price", "        cost=price"))
    said = first.refuse(first.the_dump)
    assert "shop.Product.cost: " in said
    assert "--through-migrations" not in said


@pytest.mark.mysql
@pytest.mark.django_db(transaction=True)
@isolate_apps("zoo")
def test_a_column_with_a_check_can_be_renamed_once_its_columns_are_known() -> None:
    class Bill(models.Model):
        items = models.JSONField(null=True)
        paid = models.JSONField(null=True)

        class Meta:
            app_label = "zoo"

    connection = connections["default"]
    with connection.schema_editor() as editor:
        editor.create_model(Bill)
        assert missing_columns(connection, Bill) == []
        editor.execute("ALTER TABLE zoo_bill RENAME COLUMN items TO things")
        assert missing_columns(connection, Bill) == ["items"]
        editor.delete_model(Bill)
